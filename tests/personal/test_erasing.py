"""Who may be erased, what stands in the way, and what of an account or a child that belongs elsewhere too is kept."""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlmodel import select

from services.billing.personal import certified_by, weigh
from services.clock import Clock
from services.events import BillingErasureWeighed, BookingErasureWeighed, ErasureAsked, FamilyErasing
from services.identity import installation, privacy, queries, register
from services.identity.erasure import ErasureState, Obstacle, standing_in_the_way
from services.identity.tables import Account, Child, Credential, Erasure, Family, FamilyAdult, Membership
from services.listening import react
from services.outbox import Withdrawal
from services.refusal import Refused
from services.service import Running
from tests.billing.conftest import Town as BillingTown
from tests.identity.town import (
    AMALIA,
    CARTEVILLE,
    DUPONT,
    DUPONTS,
    NEIGHBOUR,
    NOW,
    PAOLO,
    AccountSpec,
    ChildSpec,
    FamilySpec,
    RunFixture,
    Town,
)

MARTIN = AccountSpec("martin", "Zoe-et-les-autres-2026", "Mme", "Claire", "MARTIN", "claire@example.org", structure="carteville")


# ----------------------------------------------------------------------------------------------------- pure decisions
def test_nothing_is_decided_before_everybody_has_answered() -> None:
    assert standing_in_the_way({"billing": []}, []) is None
    assert standing_in_the_way({"billing": [], "booking": []}, []) == []


def test_obstacles_are_passed_by_where_it_is_said_so_but_a_payment_under_way_never() -> None:
    weighed = {"billing": ["OWES_MONEY", "PAYMENT_UNDER_WAY"], "booking": ["HAS_BOOKINGS"]}
    assert standing_in_the_way(weighed, ["OWES_MONEY"]) == [Obstacle.PAYMENT_UNDER_WAY, Obstacle.HAS_BOOKINGS]
    assert standing_in_the_way(weighed, list(Obstacle)) == [Obstacle.PAYMENT_UNDER_WAY]


def test_of_a_birth_date_stays_what_a_tax_certificate_counts_by() -> None:
    """Younger than six on 1 January, on each of them, as before."""

    def is_young(birth_date: dt.date, year: int) -> bool:
        return dt.date(year, 1, 1) < birth_date.replace(year=birth_date.year + 6)

    for born in (dt.date(2019, 1, 1), dt.date(2019, 1, 2), dt.date(2019, 7, 14), dt.date(2019, 12, 31)):
        kept = certified_by(born)
        assert [is_young(kept, year) for year in range(2022, 2029)] == [is_young(born, year) for year in range(2022, 2029)], born
        assert certified_by(kept) == kept


# ----------------------------------------------------------------------------------------------------------- identity
async def asked(town: Town, family: str = "dupont", *, reason: str = "Demande écrite", key: str = "k", despite: Any = ()) -> Erasure:
    async with town.running.database.transaction() as session:
        row = (await queries.families(session, {family}))[family]
        return await privacy.ask(session, town.running.clock, "admin", row, reason, key, despite)


async def weighed(town: Town, erasure: Erasure, billing: Any = (), booking: Any = ()) -> ErasureState:
    """As the others answer."""
    about = {"structure": "carteville", "occurred_at": NOW, "erasure": erasure.id, "family": erasure.family}
    events = [BillingErasureWeighed(**about, obstacles=list(billing)), BookingErasureWeighed(**about, obstacles=list(booking))]
    for event in events:
        async with town.running.database.transaction() as session:
            await react(town.running.service, session, [event], town.running.clock)
    async with town.running.database.reading() as session:
        return (await session.get_one(Erasure, erasure.id)).state


async def rows(town: Town, kind: Any) -> list[Any]:
    async with town.running.database.reading() as session:
        return list((await session.exec(select(kind))).all())


async def test_a_family_with_what_is_its_alone_goes_and_its_number_stays(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(MARTIN, FamilySpec("martin", "carteville", "003151", ("martin",), (ChildSpec("zoe", "Zoé", "MARTIN"),)))
    assert (await town.signs_in())["__typename"] == "SignedIn"
    assert await weighed(town, await asked(town)) is ErasureState.ERASING
    assert {row.login for row in await rows(town, Account)} == {"agent", "martin"}
    assert {row.id for row in await rows(town, Child)} == {"zoe"}
    assert sorted((row.id, row.number, row.erased_at is not None) for row in await rows(town, Family)) == [
        ("dupont", "003150", True),
        ("martin", "003151", False),
    ]
    assert (await town.signs_in())["code"] == "INVALID_CREDENTIALS"
    said = "\n".join(row.body for row in await town.events())
    assert "DUPONT" not in said
    assert "jp.dupont" not in said
    assert "MARTIN Zoé" in said, "the neighbours' are theirs"
    blanked = [row for row in await town.events("contacts_changed") if '"family":"dupont"' in row.body]
    assert {row.event_id for row in await rows(town, Withdrawal)} == {row.event_id for row in blanked[:-1]}
    (erasing,) = await town.events("family_erasing")
    told = FamilyErasing.model_validate_json(erasing.body[:-1] + f',"occurred_at":"{NOW.isoformat()}"}}')
    assert (sorted(told.children), told.number, len(told.accounts)) == (["amalia", "paolo"], "003150", 1)


async def test_an_account_of_two_families_and_one_of_two_structures_live_on(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(NEIGHBOUR, MARTIN)
    await town.puts(FamilySpec("dupont", "carteville", "003150", ("dupont", "martin"), (AMALIA, PAOLO)))
    await town.puts(FamilySpec("elsewhere", "autreville", "77", ("dupont",), ()))
    await town.puts(FamilySpec("martin", "carteville", "003151", ("martin",), ()))
    assert await weighed(town, await asked(town)) is ErasureState.ERASING
    accounts = {row.id: row.login for row in await rows(town, Account)}
    assert set(accounts.values()) == {"agent", "martin", "dupont"}
    assert sorted((accounts[row.account_id], row.family_id) for row in await rows(town, FamilyAdult)) == [
        ("dupont", "elsewhere"),
        ("martin", "martin"),
    ]
    belongs = {(accounts[row.account_id], row.structure_id) for row in await rows(town, Membership)}
    assert belongs == {("agent", "carteville"), ("martin", "carteville"), ("dupont", "autreville")}
    assert len(await rows(town, Credential)) == 3
    assert (await town.signs_in())["__typename"] == "SignedIn"
    said = "\n".join(row.body for row in await town.events("contacts_changed"))
    assert "Amalia" not in said
    assert said.count("DUPONT") == 1, "what was said of the other town's family is that one's"


async def test_a_child_that_went_to_another_family_is_that_one_s(running: RunFixture) -> None:
    town = await Town.of(running)
    async with town.running.database.transaction() as session:
        specs = [
            FamilySpec("dupont", "carteville", "003150", ("dupont",), (PAOLO,)),
            FamilySpec("martin", "carteville", "003151", ("martin",), (AMALIA,)),
        ]
        await register.put_account(session, town.running.clock, MARTIN)
        await register.let_leave(session, town.running.clock, specs)
        for spec in specs:
            await register.put_family(session, town.running.clock, spec)
    assert await weighed(town, await asked(town)) is ErasureState.ERASING
    assert {row.id for row in await rows(town, Child)} == {"amalia"}


async def test_what_stands_in_the_way_leaves_all_as_it_is(running: RunFixture) -> None:
    town = await Town.of(running)
    assert await weighed(town, await asked(town), ["OWES_MONEY"], ["HAS_BOOKINGS"]) is ErasureState.REFUSED
    assert len(await town.events("erasure_refused")) == 1
    assert len(await rows(town, Child)) == 2
    again = await asked(town)
    assert again.state is ErasureState.REFUSED, "the same key is the same wish"
    with pytest.raises(Refused, match="IDEMPOTENCY_KEY_REUSED"):
        await asked(town, reason="Autre motif")
    with pytest.raises(Refused, match="REASON_REQUIRED"):
        await asked(town, reason=" x ", key="k2")
    despite = {Obstacle.OWES_MONEY, Obstacle.HAS_BOOKINGS}
    other = await asked(town, key="k3", despite=despite)
    assert await weighed(town, other, ["OWES_MONEY"], ["HAS_BOOKINGS"]) is ErasureState.ERASING
    with pytest.raises(Refused, match="FAMILY_ERASED"):
        await asked(town, key="k4")


async def test_an_erased_family_does_not_come_back_by_the_town_s_file(running: RunFixture) -> None:
    town = await Town.of(running)
    await weighed(town, await asked(town))
    await town.puts(CARTEVILLE, FamilySpec("dupont", "carteville", "003150", (), ()))
    await town.puts(DUPONT)
    with pytest.raises(Refused, match="FAMILY_ERASED"):
        await town.puts(DUPONTS)


async def test_a_wish_that_nobody_answers_is_refused_a_day_later(running: RunFixture) -> None:
    town = await Town.of(running)
    erasure = await asked(town)
    town.later(hours=25)
    async with town.running.database.transaction() as session:
        await installation.tidy(session, town.running.clock)
    assert await weighed(town, erasure) is ErasureState.REFUSED
    assert len(await rows(town, Child)) == 2
    assert len(await town.events("erasure_refused")) == 1, "whoever holds the family still lets it go on"


async def test_answers_that_are_a_day_old_are_worth_nothing(running: RunFixture) -> None:
    """Since then anything may have come to stand in the way."""
    town = await Town.of(running)
    erasure = await asked(town)
    town.later(hours=25)
    assert await weighed(town, erasure) is ErasureState.REFUSED
    assert len(await rows(town, Child)) == 2
    assert await weighed(town, await asked(town, key="k2")) is ErasureState.ERASING


async def test_of_two_wishes_at_once_one_erases_and_both_are_over(running: RunFixture) -> None:
    town = await Town.of(running)
    first, second = await asked(town), await asked(town, key="k2")
    assert await weighed(town, first) is ErasureState.ERASING
    assert await weighed(town, second) is ErasureState.ERASED
    assert len(await town.events("family_erasing")) == 1


# ------------------------------------------------------------------------------------------------------------ billing
async def obstacles(town: BillingTown) -> list[str]:
    event = ErasureAsked(structure="carteville", occurred_at=NOW, erasure="e", family="dupont")
    async with town.running.database.transaction() as session:
        await weigh(session, event, town.running.clock)
    found: list[str] = (await town.said(BillingErasureWeighed))[-1]["obstacles"]
    return found


async def test_money_that_is_owed_or_left_stands_in_the_way(running: Callable[..., Awaitable[Running]]) -> None:
    town = BillingTown(await running("billing", clock=Clock(frozen_at=NOW), start=False))
    await town.opens()
    assert await obstacles(town) == []
    await town.owes("dupont", "periscolaire", 12_50)
    assert await obstacles(town) == ["OWES_MONEY"]
    await town.pays("dupont", "multiaccueil", 12_50)
    assert await obstacles(town) == ["OWES_MONEY", "HAS_CREDIT"], "what one wallet owes is not what another one holds"
    await town.pays("dupont", "periscolaire", 12_50)
    assert await obstacles(town) == ["HAS_CREDIT"]
