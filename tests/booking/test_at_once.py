"""Orders that only ask for places are decided where they are taken in, with the same outcome as one after the other; else the allocator does it."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text

from services.booking import intake
from services.booking.activity import Scheduled
from services.booking.allocator import gather
from services.booking.at_once import OURS, take_in_and_decide
from services.booking.docket import take_turn
from services.booking.intake import Asked
from services.booking.order import ForFamily, Line, Order
from services.booking.queries import Answer, answers
from services.booking.tables import PARTITIONS, partition_of, run
from services.database import Aborted
from services.refusal import Refused
from tests.booking.town import CLOCK, MONDAY, TUESDAY, Town, at_work, books, caller, cancels, readable
from tests.facts import until

FAMILIES = [f"f{n}" for n in range(5)]
#: Of a booking and of a request, all that is not an id, in the order of arrival.
BOOKINGS = """SELECT line, family, child, activity, date, arrival, departure, status, code, decided_at IS NULL, version, party
    FROM booking ORDER BY position"""
REQUESTS = """SELECT family, idempotency_key, lines, served_at, decided_at, reports FROM request ORDER BY seq"""
OPENINGS = "SELECT activity, date, places, waiting_places, taken, waiting, taken_limit, waiting_limit, revision FROM opening ORDER BY activity, date"


async def at_once(town: Town, *orders: Order) -> tuple[list[str | Exception], dict[str, Answer | None]]:
    asked = [Asked(order.family, "carteville", order) for order in orders]
    async with town.running.database.transaction("intake") as session:
        return await take_in_and_decide(session, town.book, town.clock, asked)


@pytest.fixture
async def town(running: Any) -> Town:
    return await founded(running)


async def founded(running: Any, url: str | None = None) -> Town:
    town = Town(await running("booking", clock=CLOCK, start=False, **({"url": url} if url else {})))
    if url is None:
        await town.opens()
        await town.opens(id="loisirs", allocation=Scheduled("02:00", "lottery"))
        for family in FAMILIES:
            await town.household(family, activities=("cantine", "loisirs"))
    return town


def a_rush(town: Town) -> list[Order]:
    """Places, ranks, refusals of all kinds, groups, a run to wait for, an unknown child, a key twice."""
    orders = [town.order(family, books(family), books(family, TUESDAY), key=family) for family in FAMILIES[:3]]
    both = books("f3"), books("f3", TUESDAY)
    orders.append(town.order("f3", *both, key="group", together=[[0, 1]], accept_waiting_list=False))
    orders.append(town.order("f4", books("f4", arrival="03:00", departure="04:00"), books("f4", MONDAY, "loisirs"), key="run"))
    return [*orders, town.order("f4", books("f3"), key="not theirs"), town.order("f0", *orders[0].lines, key="f0")]


async def test_it_comes_to_the_same_as_taking_in_and_then_deciding(running: Any) -> None:
    apart, together = await founded(running), await founded(running)
    one_by_one = await apart.writes(*a_rush(apart))
    await apart.decides()
    results, served = await at_once(together, *a_rush(together))
    assert [type(result) for result in results] == [type(result) for result in one_by_one]
    assert results[-1] == results[0]
    assert served.keys() == {result for result in results if isinstance(result, str)}
    for query in (BOOKINGS, REQUESTS, OPENINGS):
        assert await together.rows(query) == await apart.rows(query)
    told = [[(name, _without_ids(body)) for name, body in await town.told()] for town in (apart, together)]
    assert told[1] == told[0]
    assert Counter(status for _, status, _ in await together.rows("SELECT line, status, code FROM booking")) == {
        "ACCEPTED": 2,
        "WAITLISTED": 4,
        "REFUSED": 3,
        "SUBMITTED": 1,
    }
    await together.is_sound()


async def test_its_answers_are_those_that_the_tables_give(town: Town) -> None:
    await town.asks("f1")
    _, served = await at_once(town, *a_rush(town))
    async with town.running.database.reading() as session:
        stored = await answers(session, served)
    assert {movement.rank for answer in served.values() for movement in answer.movements} >= {None, 1, 2}
    assert [(answer.request.model_dump(), answer.movements) for answer in served.values()] == [
        (stored[request].request.model_dump(), stored[request].movements) for request in served
    ]


def _without_ids(body: Any) -> Any:
    if isinstance(body, list):
        return [_without_ids(one) for one in body]
    if isinstance(body, dict):
        return {name: _without_ids(value) for name, value in body.items() if name not in ("booking", "request", "event_id", "because")}
    return body


async def test_nobody_is_decided_before_whoever_came_first(town: Town) -> None:
    (first,) = await town.writes(town.order("f0"))
    (second,), served = await at_once(town, town.order("f1"))
    assert served == {}
    assert await town.decides() == [first, second]
    assert await town.line_up() == {"ACCEPTED": ["f0"], "WAITLISTED": ["f1"]}


async def test_nobody_is_decided_while_another_has_the_turn(town: Town, running: Any) -> None:
    if town.running.database.is_sqlite:
        pytest.skip("SQLite has one writer: there is nothing to race")
    other = await founded(running, town.running.settings.database_urls["booking"])
    has_it, may_commit = asyncio.Event(), asyncio.Event()

    async def decides_slowly() -> None:
        async with other.running.database.transaction() as session:
            await take_turn(session, "carteville")
            has_it.set()
            await may_commit.wait()

    deciding = asyncio.create_task(decides_slowly())
    await has_it.wait()
    (request,), served = await asyncio.wait_for(at_once(town, town.order("f0")), 10)
    assert served == {}, "and nobody waited for the turn, either"
    may_commit.set()
    await deciding
    assert await town.decides() == [request]


async def test_whoever_changes_the_rules_meanwhile_does_so_before_they_are_read_or_after_all_is_decided(
    town: Town, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In between, an order would be left to a run that nobody holds any more, or be given a place on a day that has just been closed."""
    if town.running.database.is_sqlite:
        pytest.skip("SQLite has one writer: there is nothing to race")
    other = await founded(running, town.running.settings.database_urls["booking"])
    changing: list[asyncio.Task[None]] = []

    async def looks_up_slowly(*known: Any) -> Any:
        found = await look_up(*known)
        changing.append(asyncio.create_task(other.opens(id="loisirs")))  # at once from now on, by no run
        await asyncio.wait(changing, timeout=1)
        return found

    look_up = intake._look_up
    monkeypatch.setattr(intake, "_look_up", looks_up_slowly)
    (request,), served = await at_once(town, town.order("f0", books("f0", activity="loisirs")))
    assert served.keys() == {request}
    await asyncio.gather(*changing)
    await town.decides()
    assert await town.answers(str(request)) == ["ACCEPTED"]
    await town.is_sound()


async def test_whoever_is_left_to_wait_while_turns_are_looked_for_is_not_overtaken(
    town: Town, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if town.running.database.is_sqlite:
        pytest.skip("SQLite has one writer: there is nothing to race")
    other = await founded(running, town.running.settings.database_urls["booking"])
    assert await town.asks("f0", books("f0", activity="loisirs")) == ["SUBMITTED"]
    slowly = OURS.where(text("pg_advisory_xact_lock(1) IS NOT NULL"))  # it has begun, and finds no row before we let it
    monkeypatch.setattr("services.booking.at_once.OURS", slowly)

    async def it_has_begun() -> bool:
        return bool(await town.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))

    async with other.running.database.transaction() as session:
        await run(session, text("SELECT pg_advisory_xact_lock(1)"))
        asking = asyncio.create_task(at_once(town, town.order("f1", books("f1", activity="loisirs"))))
        await until(it_has_begun)
        await other.opens(id="loisirs")  # at once from now on: who waited for a run is to be served again
    _, served = await asyncio.wait_for(asking, 10)
    assert served == {}
    await town.decides()
    assert await town.line_up(activity="loisirs") == {"ACCEPTED": ["f0"], "WAITLISTED": ["f1"]}


async def test_nobody_else_has_the_turn_until_the_commit(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    if town.running.database.is_sqlite:
        pytest.skip("SQLite has one writer: there is nothing to race")
    free: list[int] = []

    async def looks_around(*known: Any) -> Any:
        async with town.running.database.transaction() as session:
            free.extend((await run(session, OURS, {"partitions": list(range(PARTITIONS))})).scalars())
        return await gather(*known)

    monkeypatch.setattr("services.booking.at_once.gather", looks_around)
    (request,), served = await at_once(town, town.order("f0"))
    assert served.keys() == {request}
    assert sorted(free) == [n for n in range(PARTITIONS) if n != partition_of("carteville")]


@pytest.mark.parametrize("lines", [(books("f0", TUESDAY), cancels("f0")), (cancels("f0"),)], ids=["both", "back"])
async def test_what_is_given_back_is_left_to_the_allocator(town: Town, lines: tuple[Line, ...]) -> None:
    await town.asks("f0")
    _, served = await at_once(town, town.order("f1"), town.order("f0", *lines))
    assert served == {}
    await town.decides()
    assert await town.line_up() == {"ACCEPTED": ["f1"], "WAITLISTED": []}


async def test_a_crowd_that_would_keep_others_from_being_taken_in_is_left_to_the_allocator(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.booking.at_once.MOST_LINES", 2)
    _, served = await at_once(town, *(town.order(family) for family in FAMILIES[:3]))
    assert served == {}
    requests, served = await at_once(town, town.order("f3"))
    assert served == {}, "they are first"
    await town.decides()
    requests, served = await at_once(town, town.order("f3", books("f3", TUESDAY)), town.order("f4", books("f4", TUESDAY)))
    assert served.keys() == set(requests)


async def test_orders_of_two_towns_are_decided_in_one_transaction_each_by_its_own_rules(town: Town) -> None:
    assert len({partition_of(structure) for structure in ("carteville", "autreville")}) == 2
    await town.opens(id="piscine", structure="autreville", capacity=1, waiting_list=0)
    for family in ("g0", "g1"):
        await town.household(family, activities=("piscine",), structure="autreville")
    orders = [(family, structure) for n in (0, 1) for family, structure in ((f"g{n}", "autreville"), (f"f{n}", "carteville"))]
    asked = [
        Asked(family, structure, town.order(family, books(family, activity="piscine" if structure == "autreville" else "cantine")))
        for family, structure in orders
    ]
    asked.append(Asked("g1", "autreville", town.order("g1", books("g1"))))  # what is the other town's nobody knows here
    async with town.running.database.transaction("intake") as session:
        results, served = await take_in_and_decide(session, town.book, town.clock, asked)
    assert [one.code for one in results if isinstance(one, Refused)] == ["UNKNOWN_ACTIVITY"]
    requests = [one for one in results if isinstance(one, str)]
    assert served.keys() == set(requests)
    assert [await town.answers(one) for one in requests] == [["ACCEPTED"], ["ACCEPTED"], ["REFUSED FULL"], ["WAITLISTED"]]
    structures = await town.rows("SELECT structure, partition FROM request ORDER BY seq")
    assert structures == [(structure, partition_of(structure)) for _, structure in orders]
    told = await town.rows("SELECT type, body FROM outgoing WHERE type LIKE '%request_decided%' ORDER BY position")
    assert [readable(*one)[1]["structure"] for one in told] == [structure for _, structure in orders]
    await town.is_sound()


async def test_if_one_of_two_towns_has_somebody_who_came_first_nobody_is_decided(town: Town) -> None:
    await town.opens(id="piscine", structure="autreville")
    await town.household("g0", activities=("piscine",), structure="autreville")
    await town.writes(town.order("f0"))
    asked = Asked("g0", "autreville", town.order("g0", books("g0", activity="piscine"))), Asked("f1", "carteville", town.order("f1"))
    async with town.running.database.transaction("intake") as session:
        _, served = await take_in_and_decide(session, town.book, town.clock, asked)
    assert served == {}
    await town.decides()
    assert await town.line_up() == {"ACCEPTED": ["f0"], "WAITLISTED": ["f1"]}


async def test_s36_a_place_that_nobody_gave_to_the_line_goes_to_it_before_who_asks_now(running: Any) -> None:
    """Whatever frees a place gives it to the line. If something did not, the next order does, decided at once or not."""
    found = []
    for decides in (at_once, taken_in_then_decided):
        town = await founded(running)
        await at_once(town, *(town.order(family) for family in FAMILIES[:2]))
        async with town.running.database.transaction() as session:
            await run(session, text("UPDATE opening SET places = 2, taken_limit = 2"))
        _, served = await decides(town, town.order("f2"))
        assert len(served) == 1
        assert await town.line_up() == {"ACCEPTED": ["f0", "f1"], "WAITLISTED": ["f2"]}
        found.append([(name, _without_ids(body)) for name, body in await town.told()])
        assert [name for name, _ in found[-1]].count("place_given") == 1
    assert sorted(map(str, found[0])) == sorted(map(str, found[1]))


async def taken_in_then_decided(town: Town, *orders: Order) -> tuple[list[str | Exception], dict[str, Answer | None]]:
    return await town.writes(*orders), dict.fromkeys(await town.decides())


async def test_s36_a_place_that_is_given_back_in_the_crowd_goes_to_who_waited_before_it(town: Town) -> None:
    await at_once(town, *(town.order(family) for family in FAMILIES[:2]))
    async with at_work(town):
        answers = await asyncio.gather(town.submits("f0", cancels("f0")), town.submits("f2"), town.submits("f3"))
    assert answers == [["CANCELLED"], ["WAITLISTED"], ["WAITLISTED"]]
    assert await town.line_up() == {"ACCEPTED": ["f1"], "WAITLISTED": ["f2", "f3"]}
    await town.is_sound()


async def test_an_order_that_was_answered_is_answered_again_at_once(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks, and nobody decides: whoever sends a key again needs neither."""
    order = town.order("f0")
    (request,), _ = await at_once(town, order)
    monkeypatch.setattr("services.booking.desk.LOOK_SECONDS", 60)
    taking = asyncio.create_task(town.desk.take_orders())
    assert await asyncio.wait_for(town.desk.submit(caller("f0"), order), 3) == request
    both = town.desk.submit(caller("f0"), order), town.desk.submit(caller("f1"), town.order("f1", books("f1", TUESDAY)))
    assert (await asyncio.wait_for(asyncio.gather(*both), 3))[0] == request
    assert await town.desk.work(0) == [], "the allocator was not woken"
    taking.cancel()


async def test_an_order_that_waits_for_its_answer_is_not_answered_by_sending_it_again(town: Town) -> None:
    order = town.order("f0")
    await town.writes(order)
    assert (await at_once(town, order, order))[1] == {}


async def test_a_mistake_in_deciding_at_once_is_told_and_hurts_nobody(
    town: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def stumbles(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("services.booking.at_once.gather", stumbles)
    async with at_work(town):
        assert await town.submits("f0") == ["ACCEPTED"]
    assert "not decided at once" in capsys.readouterr().err


async def test_what_the_database_takes_back_is_left_to_the_allocator(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    async def is_taken_back(*_: Any) -> None:
        raise Aborted("UPDATE", None, Exception("deadlock detected"))

    monkeypatch.setattr("services.booking.at_once.gather", is_taken_back)
    async with at_work(town):
        assert await town.submits("f0") == ["ACCEPTED"]


async def test_what_an_agent_does_is_left_to_the_allocator(town: Town) -> None:
    _, served = await at_once(town, town.order("f0", agent=ForFamily("Accord de la directrice")))
    assert served == {}
    await town.decides()
    assert await town.rows("SELECT count(*) FROM act WHERE kind = 'BOOK_FOR_FAMILY'") == [(1,)]
