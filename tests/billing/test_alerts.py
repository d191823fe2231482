"""A family is told when its balance falls below what it chose: once, until it has recovered."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from services.billing import alerts, posting
from services.events import BalanceLow
from tests.billing.conftest import AGENT, FOREIGN_AGENT, JEAN_PAUL, STRANGER, Town

SET = """mutation($below: Int) { setBalanceAlert(family: "dupont", belowCents: $below) {
  ... on Family { id balanceAlertCents } ... on Refusal { code message } } }"""
DUPONT = {"__typename": "Family", "id": "dupont"}


async def wants(town: Town, below: int | None, caller: Any = JEAN_PAUL) -> Any:
    answer = await town.asks(SET, caller, below=below)
    return answer.codes[0] if answer.codes else answer.data["setBalanceAlert"]


async def told(town: Town) -> list[int]:
    return [event["balance_cents"] for event in await town.said(BalanceLow)]


async def test_it_is_told_below_the_threshold_once_and_again_after_it_recovered(town: Town) -> None:
    await town.pays("dupont", "periscolaire", 30_00)
    assert await wants(town, 20_00) == {"id": "dupont", "balanceAlertCents": 20_00}
    await town.owes("dupont", "periscolaire", 10_00)
    assert await told(town) == [], "20.00 is not below 20.00"
    await town.owes("dupont", "periscolaire", 1)
    await town.owes("dupont", "multiaccueil", 30_00)
    assert await told(town) == [19_99]
    await town.pays("dupont", "periscolaire", 10_01)
    await town.owes("dupont", "multiaccueil", 1)
    assert await told(town) == [19_99], "still below: all wallets together"
    await town.pays("dupont", "periscolaire", 20_01)
    await town.owes("dupont", "multiaccueil", 5_00)
    (first, second) = await town.said(BalanceLow)
    assert (second["balance_cents"], second["below_cents"], second["account"], second["family"]) == (15_00, 20_00, "dupont", "dupont")
    assert (first["version"], second["version"]) == (1, 2)


async def test_who_asks_while_the_balance_is_lower_sees_it_and_is_told_the_next_time(town: Town) -> None:
    await wants(town, 20_00)
    await town.owes("dupont", "periscolaire", 1_00)
    assert await told(town) == []
    await town.pays("dupont", "periscolaire", 21_00)
    await town.owes("dupont", "periscolaire", 1)
    assert await told(town) == [19_99]


async def test_the_family_has_one_threshold_and_whoever_set_it_last_is_told(town: Town) -> None:
    """Both adults see it; the mail goes to one address, as every mail."""
    other = replace(JEAN_PAUL, account="dupont-marie")
    await town.pays("dupont", "periscolaire", 30_00)
    await wants(town, 20_00)
    await wants(town, 25_00, other)
    for caller in (JEAN_PAUL, other):
        assert (await town.represents("balanceAlertCents", DUPONT, caller=caller)).data == [{"balanceAlertCents": 25_00}]
    await town.owes("dupont", "periscolaire", 15_00)
    assert [(event["account"], event["below_cents"]) for event in await town.said(BalanceLow)] == [("dupont-marie", 25_00)]


async def test_nobody_is_told_who_does_not_want_to_be(town: Town) -> None:
    await town.pays("dupont", "periscolaire", 30_00)
    await town.owes("martin", "periscolaire", 30_00)
    await wants(town, 20_00)
    assert await wants(town, None) == {"id": "dupont", "balanceAlertCents": None}
    await town.owes("dupont", "periscolaire", 50_00)
    assert await told(town) == []
    await town.pays("dupont", "periscolaire", 50_00)
    await wants(town, 20_00)
    await town.owes("dupont", "periscolaire", 50_00)
    assert await told(town) == [-20_00]


@pytest.mark.parametrize("below", [-1, 1_000_001])
async def test_a_threshold_is_an_amount(town: Town, below: int) -> None:
    assert (await wants(town, below))["code"] == "INVALID_AMOUNT"


async def test_only_the_family_sets_it_and_its_agents_see_it(town: Town) -> None:
    for caller in (AGENT, STRANGER, FOREIGN_AGENT):
        assert await wants(town, 20_00, caller) == "FORBIDDEN"
    await wants(town, 20_00)
    assert (await town.represents("balanceAlertCents", DUPONT, caller=AGENT)).data == [{"balanceAlertCents": 20_00}]
    assert (await town.represents("balanceAlertCents", DUPONT, caller=STRANGER)).codes == ["FORBIDDEN"]


async def test_postings_at_the_same_time_tell_once(town: Town) -> None:
    await town.pays("dupont", "periscolaire", 30_00)
    await wants(town, 20_00)
    await asyncio.gather(*(town.owes("dupont", "periscolaire", 6_00) for _ in range(4)))
    assert await told(town) == [18_00]


async def test_the_control_without_the_lock_nobody_notices(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same postings, each judged before the other is visible: none alone falls below."""
    if town.running.database.is_sqlite:
        pytest.skip("SQLite lets one writer in at a time, lock or no lock")
    await town.pays("dupont", "periscolaire", 30_00)
    await wants(town, 20_00)
    both_summed, watch = asyncio.Barrier(2), alerts.watch

    async def watch_together(session: Any, clock: Any, balances: Any) -> None:
        await asyncio.wait_for(both_summed.wait(), 5)
        await watch(session, clock, balances)

    monkeypatch.setattr(posting, "THOSE", posting.THOSE.with_for_update(read=True))
    monkeypatch.setattr(posting, "watch", watch_together)
    # Of two wallets: what one holds is one row, which waits by itself.
    await asyncio.gather(*(town.owes("dupont", wallet, 6_00) for wallet in ("periscolaire", "multiaccueil")))
    assert await told(town) == []
