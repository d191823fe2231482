"""Handing a request in, through the desk: who may, what is refused as a whole, and the same key twice."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from services.booking import allocator, commands
from services.booking import desk as desks
from services.booking.invariants import violations
from services.booking.order import MOST_LINES, Order, parties
from services.refusal import CodedError, Refused
from tests.booking.town import ALLOCATED, CLOCK, MONDAY, TUESDAY, Town, at_work, books, caller, cancels


@pytest.fixture
async def town(running: Any) -> AsyncIterator[Town]:
    made = Town(await running("booking", clock=CLOCK, start=False))
    await made.opens()
    for family in ("dupont", "durand", "petit"):
        await made.household(family)
    async with at_work(made):
        yield made


async def refusal(town: Town, family: str, order: Order, who: str | None = None) -> str:
    with pytest.raises(Refused) as no:
        await town.desk.submit(caller(who or family), order)
    return no.value.code


async def test_a_family_is_answered_when_its_lines_are_decided(town: Town) -> None:
    assert await town.submits("dupont", books("dupont"), books("dupont", TUESDAY)) == ["ACCEPTED", "ACCEPTED"]
    assert await town.submits("durand") == ["WAITLISTED"]
    await town.is_sound()


async def test_who_arrives_together_goes_in_together(town: Town) -> None:
    families = [f"famille-{n}" for n in range(20)]
    for family in families:
        await town.household(family)
    await town.opens(capacity=None)
    assert await town.at_once(*families) == [["ACCEPTED"]] * 20
    ((seqs, first, last),) = await town.rows("SELECT count(DISTINCT seq), min(seq), max(seq) FROM request")
    assert (seqs, last - first) == (20, 19)
    await town.is_sound()


async def test_what_cannot_be_asked_is_refused_as_a_whole(town: Town) -> None:
    await town.opens(id="theirs", structure="autreville")
    order = town.order
    assert await refusal(town, "dupont", order("dupont"), who="durand") == "UNKNOWN_FAMILY"
    assert await refusal(town, "dupont", Order("dupont", "k", ())) == "NOTHING_TO_SUBMIT"
    too_many = [books("dupont", MONDAY + dt.timedelta(days=n)) for n in range(MOST_LINES + 1)]
    assert await refusal(town, "dupont", order("dupont", *too_many)) == "TOO_MANY_LINES"
    assert await refusal(town, "dupont", order("dupont", books("durand"))) == "UNKNOWN_CHILD"
    assert await refusal(town, "dupont", order("dupont", books("nobody"))) == "UNKNOWN_CHILD"
    assert await refusal(town, "dupont", order("dupont", books("dupont", MONDAY, "nothing"))) == "UNKNOWN_ACTIVITY"
    assert await refusal(town, "dupont", order("dupont", books("dupont", MONDAY, "theirs"))) == "UNKNOWN_ACTIVITY"
    with pytest.raises(CodedError):
        await town.desk.submit(caller("dupont"), order("dupont", together=[[0, 1]]))
    assert await town.rows("SELECT count(*) FROM request") == [(0,)]


async def test_more_groups_than_anybody_can_mean_are_turned_away_before_the_desk(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "take_in_and_decide", None)
    both = books("dupont"), books("dupont", TUESDAY)
    for together in ([[0, 1]] * 3, [[0, 1], [0, 1, 0]], [[0]] * 100_000):
        with pytest.raises(CodedError) as wrong:
            await town.desk.submit(caller("dupont"), town.order("dupont", *both, together=together))
        assert wrong.value.code == "BAD_USER_INPUT"


def test_groups_that_share_a_line_are_one_however_they_are_chained() -> None:
    lines = [books("dupont", MONDAY + dt.timedelta(days=n)) for n in range(6)] + [cancels("dupont")]
    assert parties(Order("dupont", "k", lines, together=[[4, 5], [2, 3], [3, 4], [1], [6, 0]])) == {5: 2, 4: 2, 3: 2, 2: 2, 1: 1, 0: 0}
    assert parties(Order("dupont", "k", lines, together=[[n, n + 1] for n in reversed(range(6))])) == dict.fromkeys(range(6), 0)


async def test_an_outage_is_waited_for_once_by_all(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    async def no_database(*args: Any) -> Any:
        tries.append(len(args[3]))
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    monkeypatch.setattr(desks, "take_in_and_decide", no_database)
    families = ("dupont", "durand", "petit")
    answers = await asyncio.gather(*(town.desk.submit(caller(one), town.order(one)) for one in families), return_exceptions=True)
    assert [type(answer) for answer in answers] == [OperationalError] * 3
    assert tries == [3]


async def test_s21_in_debt_a_family_cannot_book_but_may_cancel(town: Town) -> None:
    await town.submits("dupont")
    await town.owes("dupont")
    assert await refusal(town, "dupont", town.order("dupont", books("dupont", TUESDAY))) == "ACCOUNT_IN_DEBIT"
    assert await town.submits("dupont", cancels("dupont")) == ["CANCELLED"]
    await town.owes("dupont", in_debit=False, version=2)
    assert await town.submits("dupont") == ["ACCEPTED"]


async def test_one_that_cannot_be_taken_in_does_not_hurt_its_neighbours(town: Town) -> None:
    broken = Order("durand", "k", None)  # type: ignore[arg-type]  # what no client can send
    good, bad, other = await asyncio.gather(
        town.desk.submit(caller("dupont"), town.order("dupont")),
        town.desk.submit(caller("durand"), broken),
        town.desk.submit(caller("petit"), town.order("petit", books("petit", TUESDAY))),
        return_exceptions=True,
    )
    assert isinstance(bad, TypeError)
    assert (await town.answers(str(good)), await town.answers(str(other))) == (["ACCEPTED"], ["ACCEPTED"])


async def test_one_that_cannot_be_decided_does_not_hold_up_those_behind_it(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    check = allocator.check_booking

    def stumble(*args: Any, **kwargs: Any) -> str | None:
        if kwargs["enrolled"].starts_on == TUESDAY:
            raise ZeroDivisionError
        return check(*args, **kwargs)

    monkeypatch.setattr(allocator, "check_booking", stumble)
    async with town.running.database.transaction() as session:
        await commands.put_enrollment(session, CLOCK, "durand", "durand", "carteville", "cantine", from_=TUESDAY)
    await town.opens(capacity=None)
    assert await town.at_once("dupont", "durand", "petit") == [["ACCEPTED"], ["SUBMITTED"], ["ACCEPTED"]]
    async with town.running.database.reading() as session:
        (sentence,) = await violations(session, CLOCK.now())
    assert sentence.endswith("was set aside: its line 0 on cantine was never answered")


# ------------------------------------------------------------------------------------------------------------ the same key
async def test_the_same_key_is_the_same_request_for_ever(town: Town) -> None:
    order = town.order("dupont", key="once")
    first = await town.desk.submit(caller("dupont"), order)
    assert await town.desk.submit(caller("dupont"), order) == first
    await town.submits("dupont", cancels("dupont"))
    assert await town.desk.submit(caller("dupont"), order) == first
    assert await town.rows("SELECT count(*) FROM request WHERE idempotency_key = 'once'") == [(1,)]


async def test_the_same_key_for_something_else_is_a_mistake(town: Town) -> None:
    await town.desk.submit(caller("dupont"), town.order("dupont", key="once"))
    other = town.order("dupont", books("dupont", TUESDAY), key="once")
    assert await refusal(town, "dupont", other) == "IDEMPOTENCY_KEY_REUSED"


async def test_keys_are_each_familys_own(town: Town) -> None:
    requests = {await town.desk.submit(caller(family), town.order(family, key="1")) for family in ("dupont", "durand")}
    assert len(requests) == 2


async def test_a_double_click_is_one_request(town: Town) -> None:
    order = town.order("dupont", key="once")
    answers = await asyncio.gather(*(town.desk.submit(caller("dupont"), order) for _ in range(10)))
    assert len(set(answers)) == 1
    assert await town.rows("SELECT count(*) FROM request") == [(1,)]
    await town.is_sound()


# --------------------------------------------------------------------------------------------------------------- cancelling
async def booking(town: Town, child: str) -> str:
    ((id_,),) = await town.rows("SELECT id FROM booking WHERE child = :child AND status IN ('ACCEPTED', 'WAITLISTED')", child=child)
    return str(id_)


async def test_one_booking_is_given_back_and_twice_is_as_good_as_once(town: Town) -> None:
    await town.submits("dupont")
    await town.submits("durand")
    id_ = await booking(town, "dupont")
    await asyncio.gather(*(town.desk.cancel(caller("dupont"), id_) for _ in range(3)))
    await town.desk.cancel(caller("dupont"), id_)
    assert await town.line_up() == {"ACCEPTED": ["durand"], "WAITLISTED": []}
    assert len(await town.told("cancelled")) == 1
    await town.is_sound()


async def test_s36_a_family_may_leave_the_line(town: Town) -> None:
    await town.submits("dupont")
    await town.submits("durand")
    await town.desk.cancel(caller("durand"), await booking(town, "durand"))
    assert await town.line_up() == {"ACCEPTED": ["dupont"], "WAITLISTED": []}


async def test_nobody_cancels_what_is_another_familys_or_is_not_there(town: Town) -> None:
    await town.submits("dupont")
    for id_ in (await booking(town, "dupont"), "nothing"):
        with pytest.raises(Refused, match="UNKNOWN_BOOKING"):
            await town.desk.cancel(caller("durand"), id_)
    assert (await town.line_up())["ACCEPTED"] == ["dupont"]


# ------------------------------------------------------------------------------------------------------- without an answer
async def test_a_family_that_gets_no_answer_sees_its_request_as_it_stands(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "ANSWER_SECONDS", 0.1)
    town = Town(await running("booking", clock=CLOCK, start=False))
    await town.opens()
    await town.household("dupont")
    taking = asyncio.create_task(town.desk.take_orders())
    assert await town.submits("dupont", *ALLOCATED) == ["SUBMITTED", "REFUSED UNKNOWN_BOOKING"]
    taking.cancel()


async def test_an_answer_that_another_process_gave_is_found(town: Town, running: Any) -> None:
    url = town.running.settings.database_urls["booking"]
    lonely = Town(await running("booking", clock=CLOCK, start=False, url=url))  # takes orders and looks; does not decide
    tasks = [asyncio.create_task(lonely.desk.take_orders()), asyncio.create_task(lonely.desk.look())]
    assert await lonely.submits("dupont", *ALLOCATED) == ["ACCEPTED", "REFUSED UNKNOWN_BOOKING"]
    for task in tasks:
        task.cancel()
