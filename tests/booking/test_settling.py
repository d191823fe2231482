"""Time closes the days that nobody closed: once, whoever looks; and nothing that was on its way slips into a closed day."""

import asyncio
import datetime as dt
from collections.abc import Collection
from typing import Any

import pytest
from sqlalchemy import text

from services.booking import attending, settling
from services.booking.activity import AttendanceRules
from services.booking.allocation import Key
from services.booking.attendance import Attendance, Record
from services.booking.attending import Entry, close_day, record_attendance, reopen_day
from services.booking.docket import Docket
from services.booking.invariants import violations
from services.booking.order import ForFamily
from services.booking.settling import DAYS_TOGETHER, close_days_over
from services.booking.sheet import Sheet
from services.booking.taking_over import TakenOver, take_over
from services.clock import Clock
from tests.booking.town import CANTINE, CLOCK, MONDAY, TUESDAY, Town, at_work, books, cancels
from tests.facts import until

KEY = ("cantine", MONDAY)
NIGHT = dt.datetime(2026, 11, 30, 23, 0, tzinfo=dt.UTC)  # midnight in CarteVille, at the end of Monday
SECOND = dt.timedelta(seconds=1)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "PAUSE_SECONDS", 0)


@pytest.fixture
async def town(running: Any) -> Town:
    """A canteen with one place; Dupont has it on Monday and on Tuesday."""
    made = Town(await running("booking", clock=CLOCK, start=False))
    await made.opens()
    for family in ("dupont", "durand"):
        await made.household(family)
    assert await made.asks("dupont", books("dupont"), books("dupont", TUESDAY)) == ["ACCEPTED", "ACCEPTED"]
    return made


def at(town: Town, moment: dt.datetime) -> None:
    town.clock = town.running.clock = Clock(frozen_at=moment)


async def closes(town: Town, account: str | None = "agent", key: Key = KEY) -> None:
    async with town.running.database.transaction() as session:
        await close_day(session, town.book, town.clock, key, account)


async def settled(town: Town) -> list[tuple[str, str, int, int]]:
    """(activity, date, version, attendances) of all that was told."""
    return [(body["activity"], body["date"], body["version"], len(body["attendances"])) for _, body in await town.told("day_settled")]


# ------------------------------------------------------------------------------------------------------------- midnight
async def test_a_day_closes_by_itself_at_midnight_and_not_before(town: Town) -> None:
    at(town, NIGHT - SECOND)
    await close_days_over(town.running)
    assert await settled(town) == []
    at(town, NIGHT)
    for _ in range(2):
        await close_days_over(town.running)
        assert await settled(town) == [("cantine", "2026-11-30", 1, 1)]
    ((_, body),) = await town.told("day_settled")
    assert [(one["child"], one["attendance"], one["arrival"], one["departure"]) for one in body["attendances"]] == [
        ("dupont", "PRESENT", "11:00", "15:20")
    ]
    assert await town.rows("SELECT count(*) FROM act") == [(0,)], "no agent did it"
    await town.is_sound()


async def test_what_was_given_back_and_what_was_never_touched_is_not_closed(town: Town) -> None:
    assert await town.asks("dupont", cancels("dupont")) == ["CANCELLED"]
    at(town, NIGHT)
    await close_days_over(town.running)
    assert await settled(town) == []


async def test_a_day_on_which_children_came_without_booking_closes_too(town: Town) -> None:
    thursday = dt.date(2026, 12, 3)
    at(town, dt.datetime(2026, 12, 3, 11, tzinfo=dt.UTC))
    async with town.running.database.transaction() as session:
        entry = Entry(None, "durand", Record(Attendance.PRESENT, "11:10"))
        await record_attendance(session, town.book, town.clock, ("cantine", thursday), "agent", [entry])
    at(town, dt.datetime(2026, 12, 4, 11, tzinfo=dt.UTC))
    await close_days_over(town.running)
    assert (await settled(town))[-1] == ("cantine", "2026-12-03", 1, 1)
    assert len(await settled(town)) == 3
    await town.is_sound()


async def test_a_town_may_take_more_days(town: Town) -> None:
    await town.opens(attendance=AttendanceRules(close_after_days=2, unrecorded="absent"))
    at(town, NIGHT + dt.timedelta(days=2) - SECOND)
    await close_days_over(town.running)
    assert await settled(town) == []
    at(town, NIGHT + dt.timedelta(days=2))
    await close_days_over(town.running)
    assert await settled(town) == [("cantine", "2026-11-30", 1, 1)]
    ((_, body),) = await town.told("day_settled")
    assert body["attendances"][0]["attendance"] == "ABSENT_UNJUSTIFIED"


async def test_a_day_that_an_agent_opened_again_has_the_rest_of_that_day(town: Town) -> None:
    noon = NIGHT + dt.timedelta(hours=12)
    at(town, noon)
    await close_days_over(town.running)
    async with town.running.database.transaction() as session:
        await reopen_day(session, town.book, town.clock, KEY, "agent", "Erreur")
    at(town, NIGHT + dt.timedelta(days=1) - SECOND)
    await close_days_over(town.running)
    assert await settled(town) == [("cantine", "2026-11-30", 1, 1)]
    at(town, NIGHT + dt.timedelta(days=1))
    await close_days_over(town.running)
    assert await settled(town) == [("cantine", "2026-11-30", 1, 1), ("cantine", "2026-11-30", 2, 1), ("cantine", "2026-12-01", 1, 1)]
    await town.is_sound()


async def test_midnight_is_each_towns_own(town: Town) -> None:
    """In La Réunion it is three hours earlier in winter; Saint-Pierre still has its day when Paris has slept for hours."""
    for name, timezone in (("reunion", "Indian/Reunion"), ("miquelon", "America/Miquelon")):
        await town.opens(id=name, timezone=timezone)
        await town.household("durand", activities=(name,), version=2)
        assert await town.asks("durand", books("durand", activity=name)) == ["ACCEPTED"]
    for hours, closed in (
        (-3, {"reunion"}),
        (0, {"reunion", "cantine"}),
        (3, {"reunion", "cantine"}),
        (4, {"reunion", "cantine", "miquelon"}),
    ):
        at(town, NIGHT + dt.timedelta(hours=hours) - SECOND)
        await close_days_over(town.running)
        before = {name for name, *_ in await settled(town)}
        assert before < closed or before == closed
        at(town, NIGHT + dt.timedelta(hours=hours))
        await close_days_over(town.running)
        assert {name for name, *_ in await settled(town)} == closed


async def test_the_background_work_of_the_process_does_it(town: Town) -> None:
    at(town, NIGHT)
    async with at_work(town):
        await until(lambda: settled(town))
    assert len(await settled(town)) == 1


# ------------------------------------------------------------------------------------------------- a town with a long past
async def test_a_long_past_is_closed_a_few_days_at_a_time(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    days = [MONDAY - dt.timedelta(days=n) for n in range(1, 60)]
    async with town.running.database.transaction() as session:
        past = [TakenOver("durand", "durand", "cantine", day) for day in days]
        assert await take_over(session, town.book, town.clock, "carteville", past) == []
    portions: list[int] = []
    real = settling._close

    async def counted(running: Any, keys: Any) -> set[Key]:
        portions.append(len(keys))
        return await real(running, keys)

    monkeypatch.setattr(settling, "_close", counted)
    at(town, NIGHT)
    await close_days_over(town.running)
    assert portions == [DAYS_TOGETHER] * 6
    told = [date for _, date, *_ in await settled(town)]
    assert told == sorted(day.isoformat() for day in [*days, MONDAY]), "the oldest first"
    await town.is_sound()


async def test_a_day_that_cannot_be_closed_keeps_no_other_open(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    real = attending.close_day

    async def stumbles(session: Any, book: Any, clock: Any, key: Key, account: str | None = None) -> None:
        if key == KEY:
            raise LookupError("a mistake of ours")
        await real(session, book, clock, key, account)

    monkeypatch.setattr(attending, "close_day", stumbles)
    at(town, NIGHT + dt.timedelta(days=1))
    await close_days_over(town.running)
    assert await settled(town) == [("cantine", "2026-12-01", 1, 1)]


# ---------------------------------------------------------------------------------------------------------- two replicas
@pytest.fixture
async def two(town: Town, running: Any, monkeypatch: pytest.MonkeyPatch) -> list[Town]:
    """Two processes that look at the same moment, and both see the days that are over."""
    url = town.running.settings.database_urls["booking"]
    second = Town(await running("booking", clock=CLOCK, start=False, url=url))
    real, both_have_looked = attending.days_over, asyncio.Barrier(2)
    looks = 0

    async def looking(session: Any, book: Any, now: Any, most: int, but: Collection[Key] = ()) -> dict[str, list[Key]]:
        nonlocal looks
        looks += 1
        found = await real(session, book, now, most, but)
        if looks <= 2:
            await both_have_looked.wait()
        return found

    monkeypatch.setattr(attending, "days_over", looking)
    for one in (town, second):
        at(one, NIGHT + dt.timedelta(days=1))
    return [town, second]


async def test_two_replicas_that_look_at_once_close_each_day_once(two: list[Town]) -> None:
    await asyncio.gather(*(close_days_over(town.running) for town in two))
    assert sorted(await settled(two[0])) == [("cantine", "2026-11-30", 1, 1), ("cantine", "2026-12-01", 1, 1)]
    await two[0].is_sound()


async def test_to_look_and_then_to_close_without_looking_again_tells_a_day_twice(two: list[Town], monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: what the test above would find if closing did not look once more when it has its turn."""
    monkeypatch.setattr(Sheet, "closed_at", None)
    await asyncio.gather(*(close_days_over(town.running) for town in two))
    assert len(await settled(two[0])) == 4


async def test_an_agent_and_midnight_at_once_close_it_once(two: list[Town]) -> None:
    async def agent() -> None:
        await closes(two[0])

    await asyncio.gather(agent(), agent(), *(close_days_over(town.running) for town in two))
    assert sorted(await settled(two[0])) == [("cantine", "2026-11-30", 1, 1), ("cantine", "2026-12-01", 1, 1)]
    await two[0].is_sound()


async def test_the_database_itself_refuses_to_tell_one_closing_twice(town: Town) -> None:
    at(town, NIGHT)
    await closes(town)
    async with town.running.database.transaction() as session:
        await (await session.connection()).execute(text("UPDATE opening SET closed_at = NULL, closings = 0"))
    with pytest.raises(Exception, match=r"(?i)unique"):
        await closes(town)


# ---------------------------------------------------------------------------------------------------- what was on its way
async def on_its_way(town: Town, *lines: Any, family: str = "durand") -> list[str]:
    """Confirmed a second before the opening starts, decided after the agent closed the day."""
    at(town, dt.datetime(2026, 11, 30, 9, 59, 59, tzinfo=dt.UTC))
    (request,) = await town.writes(town.order(family, *lines))
    assert isinstance(request, str)
    at(town, dt.datetime(2026, 11, 30, 10, tzinfo=dt.UTC))
    await closes(town)
    await town.decides()
    return await town.answers(request)


async def test_a_wish_that_was_on_its_way_when_the_day_was_closed_is_too_late(town: Town) -> None:
    await town.opens(capacity=5)
    assert await on_its_way(town, books("durand")) == ["REFUSED TOO_LATE"]
    await town.is_sound()


async def test_a_booking_that_was_being_given_back_stays(town: Town) -> None:
    assert await on_its_way(town, cancels("dupont"), family="dupont") == ["REFUSED TOO_LATE_TO_CANCEL"]
    assert (await town.line_up())["ACCEPTED"] == ["dupont"]
    await town.is_sound()


@pytest.mark.parametrize(("line", "family"), [(books("durand"), "durand"), (cancels("dupont"), "dupont")], ids=["book", "cancel"])
async def test_an_allocator_that_did_not_look_whether_the_day_is_closed_would_break_it(
    town: Town, monkeypatch: pytest.MonkeyPatch, line: Any, family: str
) -> None:
    """The negative control of the two before."""
    await town.opens(capacity=5)
    monkeypatch.setattr(Docket, "is_closed", lambda *_: False)
    assert await on_its_way(town, line, family=family) in (["ACCEPTED"], ["CANCELLED"])
    async with town.running.database.reading() as session:
        assert any("2026-11-30" in sentence for sentence in await violations(session, town.clock.now()))


async def test_whoever_waits_when_the_day_is_closed_is_told_that_it_was_in_vain(town: Town) -> None:
    assert await town.asks("durand") == ["WAITLISTED"]
    at(town, dt.datetime(2026, 11, 30, 10, tzinfo=dt.UTC))
    await closes(town)
    assert await town.line_up() == {"ACCEPTED": ["dupont"], "WAITLISTED": []}
    assert [body["family"] for _, body in await town.told("place_expired")] == ["durand"]
    await town.is_sound()


async def test_an_agent_who_overrides_the_deadlines_finds_a_closed_day_closed_too(town: Town) -> None:
    """Before it is closed, the same agent does both: which shows that it is not the deadline."""
    await town.opens(capacity=5)
    at(town, dt.datetime(2026, 11, 30, 10, 30, tzinfo=dt.UTC))
    said = ForFamily("Appel de la famille", past_deadlines=True)
    assert await town.asks("durand", agent=said) == ["ACCEPTED"]
    assert await town.asks("durand", cancels("durand"), agent=said) == ["CANCELLED"]
    await closes(town)
    assert await town.asks("durand", agent=said) == ["REFUSED TOO_LATE"]
    assert await town.asks("dupont", cancels("dupont"), agent=said) == ["REFUSED TOO_LATE_TO_CANCEL"]
    await town.is_sound()


async def test_a_day_that_moves_after_it_was_closed_stays_closed(town: Town) -> None:
    """The town corrects the activity's hours in the afternoon: by its new deadlines the morning could be given back."""
    at(town, dt.datetime(2026, 11, 30, 10, tzinfo=dt.UTC))
    await closes(town)
    await town.opens(hours=type(CANTINE.hours)("16:00", "18:00"))
    assert await town.asks("dupont", cancels("dupont")) == ["REFUSED TOO_LATE_TO_CANCEL"]
    assert await town.asks("durand") == ["REFUSED TOO_LATE"]
    await town.is_sound()
