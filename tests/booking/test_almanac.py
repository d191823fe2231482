"""What the months of all children share is never old, never another's, and in nobody else's language.

Each look is taken twice: by a process that has looked before, and keeps what it may, and by one that has just begun. They see the same.
What is written here is written past the first one, as another replica would: nobody tells it.
"""

import asyncio
import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from services.booking import almanac, rulebook
from services.booking.rulebook import RuleBook
from services.booking.tables import run
from services.refusal import Language
from tests.booking.screens import DUPONT, DURAND, NOW, Screens, screens
from tests.booking.test_activity import APS_MATIN
from tests.booking.test_schema_calendars import CANTINE

__all__ = ["screens"]

DAYS = "asOf days { date state placesLeft reason revision booking { id status } }"
SHOWN = f'aps: calendar(month: "2026-09", activity: "aps-matin") {{ {DAYS} }} all: calendar(month: "2026-09") {{ {DAYS} }}'
MONDAY = dt.date(2026, 9, 14)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
async def carteville(screens: Screens) -> Screens:
    await screens.opens(APS_MATIN, CANTINE)
    await screens.household("dupont", "amalia", "paolo")
    await screens.household("durand", "zoe")
    await screens.enrolls("amalia", "aps-matin", "cantine")
    await screens.enrolls("paolo", "aps-matin", "cantine")
    await screens.enrolls("zoe", "aps-matin", "cantine", family="durand")
    return screens


async def look(town: Screens, child: str = "amalia", *, now: dt.datetime = NOW, language: Language = "fr") -> dict[str, Any]:
    """The months of the child, alone and together."""
    caller, resources = DURAND if child == "zoe" else DUPONT, town.running.resources
    shown = await town.of_child(child, SHOWN, caller, now=now, language=language)
    remembers, resources["almanac"] = resources["almanac"], almanac.Almanac(RuleBook())
    assert await town.of_child(child, SHOWN, caller, now=now, language=language) == shown
    resources["almanac"] = remembers
    return shown


def on(month: dict[str, Any], date: dt.date = MONDAY) -> dict[str, Any]:
    (found,) = (day for day in month["days"] if day["date"] == date.isoformat())
    return dict(found)


async def test_a_place_that_is_taken_elsewhere_is_gone_at_the_next_look(carteville: Screens) -> None:
    assert on((await look(carteville))["aps"])["placesLeft"] == 40
    await carteville.has_booked("zoe", "aps-matin", MONDAY, family="durand")
    shown = await look(carteville)
    assert (on(shown["aps"])["placesLeft"], on(shown["aps"])["revision"], on(shown["all"])["revision"]) == (39, 1, 1)
    assert shown["aps"]["asOf"] == NOW.isoformat().replace("+00:00", "Z")


async def test_what_the_town_changes_is_seen_at_the_next_look(carteville: Screens) -> None:
    await look(carteville)
    await carteville.opens(replace(APS_MATIN, capacity=7))
    assert on((await look(carteville))["aps"])["placesLeft"] == 7
    await carteville.opens(replace(APS_MATIN, closed_on=frozenset([MONDAY])))
    assert on((await look(carteville))["aps"])["reason"] == "Fermeture exceptionnelle"
    await carteville.opens(replace(APS_MATIN, capacity_on={MONDAY: 3}))
    assert on((await look(carteville))["aps"])["placesLeft"] == 3


async def test_a_deadline_passes_at_its_second_and_not_before(carteville: Screens) -> None:
    """Also for who looks with a clock that is a little behind: each sees what is true at its own instant."""
    await carteville.has_booked("zoe", "aps-matin", MONDAY, family="durand")
    for deadline, before, after in (
        (dt.datetime(2026, 9, 10, 7, tzinfo=dt.UTC), ("AVAILABLE", "BOOKED"), ("CLOSED", "BOOKED")),
        (dt.datetime(2026, 9, 13, 7, tzinfo=dt.UTC), ("CLOSED", "BOOKED"), ("CLOSED", "BOOKED_LOCKED")),
    ):
        for now, states in ((deadline - SECOND, before), (deadline, after), (deadline - SECOND, before)):
            amalias, zoes = await look(carteville, now=now), await look(carteville, "zoe", now=now)
            assert (on(amalias["aps"])["state"], on(zoes["aps"])["state"]) == states


async def test_french_and_english_do_not_mix(carteville: Screens) -> None:
    sunday = dt.date(2026, 9, 13)
    for _ in range(2):
        french, english = await asyncio.gather(
            carteville.of_child("amalia", SHOWN, language="fr"), carteville.of_child("amalia", SHOWN, language="en")
        )
        for name in ("aps", "all"):
            assert on(french[name], sunday)["reason"] == "Pas d’activité ce jour de la semaine"
            assert on(english[name], sunday)["reason"] == "Not on this day of the week"


@pytest.mark.parametrize("order", [("amalia", "paolo", "zoe"), ("zoe", "paolo", "amalia")])
async def test_nothing_of_one_child_shows_in_anothers_month(carteville: Screens, order: tuple[str, ...]) -> None:
    """Whoever of them looks first: one has booked, one is admitted later, one has nothing."""
    await carteville.has_booked("amalia", "aps-matin", MONDAY)
    await carteville.enrolls("paolo", "aps-matin", from_=dt.date(2026, 9, 21))
    for _ in range(2):
        months = {child: await look(carteville, child) for child in order}
        shown = {child: on(month["aps"]) for child, month in months.items()}
        assert [shown[child]["state"] for child in ("amalia", "paolo", "zoe")] == ["BOOKED", "CLOSED", "AVAILABLE"]
        assert shown["paolo"]["reason"] == "Enfant non inscrit à cette activité"
        assert [shown[child]["booking"] is None for child in ("amalia", "paolo", "zoe")] == [False, True, True]
        assert {on(month["aps"], dt.date(2026, 9, 22))["state"] for month in months.values()} == {"AVAILABLE"}
        assert [on(months[child]["all"])["state"] for child in ("amalia", "paolo", "zoe")] == ["BOOKED", "AVAILABLE", "AVAILABLE"]


async def test_a_full_day_that_gets_a_place_more_is_free_for_all_but_for_whom_it_is_booked(carteville: Screens) -> None:
    await carteville.has_booked("amalia", "cantine", MONDAY)
    query = f'calendar(month: "2026-09", activity: "cantine") {{ {DAYS} }}'
    assert on((await carteville.of_child("zoe", query, DURAND))["calendar"])["state"] == "FULL"
    await carteville.opens(replace(CANTINE, capacity=2))
    assert on((await carteville.of_child("zoe", query, DURAND))["calendar"])["placesLeft"] == 1
    assert on((await carteville.of_child("amalia", query))["calendar"])["state"] == "BOOKED"


async def test_months_that_nobody_looks_at_any_more_are_forgotten(carteville: Screens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(almanac, "KEPT", 3)
    first = await look(carteville)
    for month in ("2026-10", "2026-11", "2026-12"):
        await carteville.of_child("amalia", f'calendar(month: "{month}", activity: "aps-matin") {{ {DAYS} }}')
    assert len(carteville.running.resources["almanac"]._kept) == 3
    assert await look(carteville) == first


async def test_months_out_of_season_are_not_kept(carteville: Screens) -> None:
    months = [f"{year}-{month:02}" for year in (1999, 2199) for month in (1, 12)] + ["2026-08", "2027-08"]
    for month in [*months, "2026-09", "2027-07"]:
        shown = await carteville.of_child("amalia", f'calendar(month: "{month}", activity: "aps-matin") {{ {DAYS} }}')
        assert {day["state"] for day in shown["calendar"]["days"]} == {"CLOSED"} or month not in months
    kept = carteville.running.resources["almanac"]._kept
    assert [days[0].isoformat() for _, days in kept] == ["2026-09-01", "2027-07-01"]
    await carteville.opens(replace(APS_MATIN, opens_on=dt.date(2026, 10, 1)))
    await look(carteville)
    assert "2026-09-01" not in {days[0].isoformat() for activity, days in kept if activity == "aps-matin"}


async def test_rules_that_somebody_read_before_a_change_are_not_taken_for_the_new_ones(
    carteville: Screens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before the change arrives late, while somebody who knows the new rules reads those of another activity."""
    book, later = RuleBook(), replace(APS_MATIN, capacity=7)
    reading, arrives = asyncio.Event(), asyncio.Event()

    async def slow(session: Any, statement: Any, values: Any = None) -> Any:
        rows = list(await run(session, statement, values))
        if values == {"activities": ["aps-matin"]} and statement is rulebook.RULES and not reading.is_set():
            reading.set()
            await arrives.wait()
        elif values == {"activities": ["cantine"]} and statement is rulebook.RULES:
            arrives.set()
            await before
        return rows

    async def ask(*activities: str) -> dict[str, Any]:
        async with carteville.running.database.reading() as session:
            return {id_: rules.spec for id_, rules in (await book.of(session, activities)).items()}

    monkeypatch.setattr(rulebook, "run", slow)
    before = asyncio.create_task(ask("aps-matin"))
    await reading.wait()
    await carteville.opens(later)
    assert (await ask("aps-matin"))["aps-matin"] == later
    assert (await ask("aps-matin", "cantine"))["aps-matin"] == later
    assert (await before)["aps-matin"] == APS_MATIN, "as it was when it was read"
    assert (await ask("aps-matin"))["aps-matin"] == later
