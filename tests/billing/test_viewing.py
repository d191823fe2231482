"""Which agents saw whose money: told to identity in batches, once an hour, without names or amounts; families cost nothing."""

from typing import Any

import pytest
from sqlalchemy import event

from services.billing.viewing import LOG
from services.claims import Caller
from services.clock import Clock
from services.events import BillingLooksTaken
from tests.billing.conftest import AGENT, FOREIGN_AGENT, JEAN_PAUL, NOW, STRANGER, Booking, Town, closed
from tests.billing.test_counter import CHEQUE, does
from tests.billing.test_documents import contacts
from tests.billing.test_office import DEBTORS, JOURNAL, TODAY

DUPONT = {"__typename": "Family", "id": "dupont"}


async def told(town: Town) -> set[tuple[str, str | None, str]]:
    """All that was told so far: (family, child, what)."""
    await LOG.of(town.running).write()
    looks = await town.said(BillingLooksTaken)
    assert {look["account"] for look in looks} <= {"agent"}
    return {(one["family"], one["child"], look["what"]) for look in looks for one in look["seen"]}


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ("balance { balanceCents }", {("dupont", None, "MONEY")}),
        ("balanceAlertCents", {("dupont", None, "MONEY")}),
        ('payments(month: "2026-11") { totalCents payments { receipt { __typename } } }', {("dupont", None, "MONEY"), ("dupont", None, "FILE")}),
        ('consumptions(month: "2026-12") { totalCents }', {("dupont", None, "MONEY"), ("dupont", "amalia", "MONEY")}),
        (
            'consumptionsFile(month: "2026-12", format: CSV) { __typename }',
            {("dupont", None, "MONEY"), *(("dupont", child, "FILE") for child in (None, "amalia", "paolo"))},
        ),
        ('paymentsFile(month: "2026-12", format: CSV) { __typename }', {("dupont", None, "MONEY"), ("dupont", None, "FILE")}),
        (
            "taxCertificate(year: 2026) { document { __typename } }",
            {("dupont", None, "MONEY"), *(("dupont", child, "FILE") for child in (None, "amalia", "paolo"))},
        ),
    ],
)  # fmt: skip
async def test_what_an_agent_sees_of_a_family_is_told_and_what_the_family_sees_is_not(town: Town, asked: str, what: Any) -> None:
    """A link is a look: whoever asked for it has seen what it opens, or could."""
    booking = Booking("b1")
    await town.hears(contacts())
    await town.books(booking)
    await town.hears(closed(booking.attended()))
    await town.pays("dupont", "periscolaire", 50_00)
    assert (await town.represents(asked, DUPONT, caller=JEAN_PAUL)).codes == []
    assert (await town.represents(asked, DUPONT, caller=FOREIGN_AGENT)).codes
    assert (await town.represents(asked, DUPONT, caller=STRANGER)).codes
    assert await told(town) == set()
    assert (await town.represents(asked, DUPONT, caller=AGENT)).codes == []
    assert await told(town) == what


async def test_prices_of_bookings_and_of_drafts_are_looks_at_the_child(town: Town) -> None:
    await town.books(Booking("b1"))
    await town.represents("priceCents", {"__typename": "Booking", "id": "b1", "status": "ACCEPTED"}, caller=AGENT)
    assert await told(town) == {("dupont", "amalia", "MONEY")}
    line = {"__typename": "PreviewLine", "change": "BOOK", "child": {"id": "zoe"}, "activity": {"id": "aps-matin"}}
    line |= {"date": "2026-12-08", "arrival": "07:30", "departure": "08:45"}
    await town.represents("priceCents", line, caller=AGENT)
    assert await told(town) == {("dupont", "amalia", "MONEY"), ("martin", "zoe", "MONEY")}


async def test_lists_and_journals_are_looks_at_each_family_that_stands_there(town: Town) -> None:
    await town.owes("dupont", "periscolaire", 51_65)
    await town.asks(DEBTORS, AGENT)
    assert await told(town) == {("dupont", None, "MONEY")}
    assert "id" in await does(town, "recordPayment", {**CHEQUE, "family": "martin"})
    await town.asks(JOURNAL, AGENT, **{"from": TODAY, "to": TODAY, "format": "CSV"})
    assert await told(town) == {("dupont", None, "MONEY"), ("martin", None, "FILE")}
    await town.asks('{ moneyActs(structure: "carteville") { nodes { kind } } }', AGENT)
    assert await told(town) == {("dupont", None, "MONEY"), ("martin", None, "FILE"), ("martin", None, "ACTS")}


async def test_a_look_waits_for_no_writer_and_is_told_once_an_hour_whoever_looks_how_often(town: Town) -> None:
    statements: list[str] = []
    event.listen(town.running.database.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    for _ in range(5):
        await town.represents("balance { balanceCents }", DUPONT, {**DUPONT, "id": "martin"}, caller=AGENT)
    assert not [one for one in statements if one.startswith("INSERT")]
    assert len(await told(town)) == 2
    assert await told(town)
    (look,) = await town.said(BillingLooksTaken)  # Two families in one event.
    assert look["seen"] == [{"family": "dupont", "child": None}, {"family": "martin", "child": None}]
    town.running.clock = Clock(frozen_at=NOW.replace(hour=8))
    await town.represents("balance { balanceCents }", DUPONT, caller=AGENT)
    await told(town)
    assert [look["hour"].hour for look in await town.said(BillingLooksTaken)] == [7, 8]


async def test_an_agent_who_is_a_parent_sees_their_own_family_as_a_parent(town: Town) -> None:
    both = Caller("agent", "session", {"dupont": "carteville"}, frozenset({"carteville"}), "fr", 2e9)
    asked = 'balance { balanceCents } consumptionsFile(month: "2026-12", format: CSV) { __typename }'
    await town.represents(asked, DUPONT, {**DUPONT, "id": "martin"}, caller=both)
    assert {family for family, _, _ in await told(town)} == {"martin"}


async def test_a_familys_screens_cost_no_statement_more_than_before(town: Town) -> None:
    """Its balance, its histories and a link: as many as without a log."""
    statements: list[str] = []
    event.listen(town.running.database.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    await town.represents('balance { balanceCents } consumptions(month: "2026-12") { totalCents }', DUPONT, caller=JEAN_PAUL)
    await town.represents('consumptionsFile(month: "2026-12", format: CSV) { __typename }', DUPONT, caller=JEAN_PAUL)
    assert len([one for one in statements if one.startswith("SELECT")]) == FAMILY_SELECTS
    await LOG.of(town.running).write()
    assert not [one for one in statements if not one.startswith(("SELECT", "BEGIN", "PRAGMA"))]


FAMILY_SELECTS = 5
