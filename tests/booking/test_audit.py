"""The audit trail of agents' acts: it tells all, and only grows."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from deploy.migrate import differs
from services.booking import audit
from services.booking.audit import Done, broken_seals
from services.booking.docket import take_turn
from services.booking.invariants import violations
from tests.booking.town import CLOCK, MONDAY, NOW

CHANGE = Done("CHANGE_ACTIVITY", activity="cantine", reason="Travaux", before={"capacity": 40}, after={"capacity": 30})
CANCEL = Done("CANCEL_BOOKING", activity="cantine", date=MONDAY, family="dupont", child="amalia", booking="b1", reason="Décès")


@pytest.fixture
async def database(running: Any) -> Any:
    return (await running("booking", clock=CLOCK, start=False)).database


async def acts(database: Any, *done: Done, structure: str = "carteville") -> None:
    async with database.transaction() as session:
        await take_turn(session, structure)
        await audit.note(session, NOW, structure, "agent", *done)


async def says(database: Any, statement: str, **values: Any) -> list[Any]:
    async with database.transaction() as session:
        connection = await session.connection()
        result = await connection.execute(text(statement), values)
        return list(result.all()) if result.returns_rows else []


async def test_an_act_is_kept_with_who_what_and_why(database: Any) -> None:
    await acts(database, CHANGE, CANCEL)
    rows = await says(database, "SELECT account, kind, activity, family, reason FROM act ORDER BY position")
    assert [tuple(row) for row in rows] == [
        ("agent", "CHANGE_ACTIVITY", "cantine", None, "Travaux"),
        ("agent", "CANCEL_BOOKING", "cantine", "dupont", "Décès"),
    ]


@pytest.mark.parametrize("statement", ["UPDATE act SET reason = 'autre'", "DELETE FROM act", "DELETE FROM act WHERE position = 1"])
async def test_the_database_itself_refuses_to_change_the_trail(database: Any, statement: str) -> None:
    await acts(database, CHANGE)
    with pytest.raises(DBAPIError, match="only grows"):
        await says(database, statement)
    assert len(await says(database, "SELECT position FROM act")) == 1


async def test_each_structure_has_a_chain_of_its_own(database: Any) -> None:
    await acts(database, CHANGE, CANCEL)
    await acts(database, CHANGE, structure="autreville")
    await acts(database, CANCEL)
    async with database.reading() as session:
        assert await broken_seals(session) == []
        assert await violations(session) == []


@pytest.mark.parametrize(
    ("forgery", "first"),
    [("UPDATE act SET reason = 'autre' WHERE position = 2", 2), ("DELETE FROM act WHERE position = 2", 3)],
    ids=["changed", "taken out"],
)
async def test_a_forged_chain_is_seen(database: Any, forgery: str, first: int) -> None:
    """With the database's own tools anything can be done, but not unseen."""
    await acts(database, CHANGE, CANCEL, CHANGE, CANCEL)
    await without_guards(database)
    await says(database, forgery)
    async with database.reading() as session:
        assert (await broken_seals(session))[0].startswith(f"act {first} of carteville")
        assert (await violations(session))[0].startswith(f"act {first} of carteville")


ERASED = Done(audit.EMPTIED, family="dupont")


async def erased(database: Any, *after: Done) -> None:
    async with database.transaction() as session:
        await take_turn(session, "carteville")
        await audit.empty(session, "dupont")
        await audit.note(session, NOW, "carteville", "agent", *after)


async def test_the_words_about_a_family_can_go_and_the_chain_holds(database: Any) -> None:
    await acts(database, CANCEL, CHANGE, CANCEL)
    seals = await says(database, "SELECT position, seal FROM act ORDER BY position")
    await erased(database, ERASED)
    await erased(database)
    await acts(database, CANCEL)
    rows = await says(database, "SELECT kind, family, reason, before IS NULL FROM act ORDER BY position".replace("before", '"before"'))
    assert [tuple(row) for row in rows] == [
        ("CANCEL_BOOKING", "dupont", None, True),
        ("CHANGE_ACTIVITY", None, "Travaux", False),
        ("CANCEL_BOOKING", "dupont", None, True),
        ("ERASE_FAMILY", "dupont", None, True),
        ("CANCEL_BOOKING", "dupont", "Décès", True),
    ]
    assert (await says(database, "SELECT position, seal FROM act ORDER BY position"))[:3] == seals, "the seals are what they were"
    async with database.reading() as session:
        assert await broken_seals(session) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE act SET emptied = 'x' WHERE position = 1",
        "UPDATE act SET emptied = 'x', reason = NULL, account = 'other' WHERE position = 1",
        "UPDATE act SET emptied = 'x', reason = 'autre' WHERE position = 1",
        "UPDATE act SET emptied = 'y' WHERE position = 2",
        "UPDATE act SET emptied = NULL, reason = 'autre' WHERE position = 2",
        "DELETE FROM act WHERE position = 2",
    ],
)
async def test_nothing_but_the_words_can_go_and_they_do_not_come_back(database: Any, statement: str) -> None:
    await acts(database, replace(CANCEL, family="martin"), CANCEL)
    await erased(database, ERASED)
    with pytest.raises(DBAPIError, match="only grows"):
        await says(database, statement)


@pytest.mark.parametrize(
    ("forgery", "first"),
    [
        ("UPDATE act SET account = 'other' WHERE position = 2", "act 2 of carteville was changed"),
        ("DELETE FROM act WHERE position = 1", "act 2 of carteville was changed, or one before it is missing"),
        ("DELETE FROM act WHERE position = 3", "act 2 of carteville lost its words without an erasure"),
    ],
)
async def test_who_forges_an_act_without_words_is_seen_too(database: Any, forgery: str, first: str) -> None:
    await acts(database, CHANGE, CANCEL)
    await erased(database, ERASED)
    await without_guards(database)
    await says(database, forgery)
    async with database.reading() as session:
        assert (await broken_seals(session))[0].startswith(first)


async def without_guards(database: Any) -> None:
    triggers = ("act_never_update", "act_never_delete") if database.is_sqlite else ("act_only_grows", "act_only_loses_words")
    for name in triggers:
        await says(database, f"DROP TRIGGER {name}" + ("" if database.is_sqlite else " ON act"))


async def test_what_an_act_tells_reads_back_as_it_was_sealed(database: Any) -> None:
    """Dates, numbers as keys, accents, nothing: whatever JSON makes of them."""
    after = {"open_on": [dt.date(2026, 12, 24)], "hours": ("07:30", "08:45"), "points": {1: 2}, "title": "Été \u2028 \N{GRINNING FACE}"}
    await acts(database, Done("CHANGE_ACTIVITY", after=after), Done("NOTHING"))
    async with database.reading() as session:
        assert await broken_seals(session) == []


async def test_the_tables_are_those_that_the_migrations_make(database: Any) -> None:
    assert await differs("booking", database.url) == []
