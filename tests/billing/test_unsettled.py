"""S19: online payments that did not end by themselves: agents see them, and end once what waits for an agent, whatever the site says."""

import asyncio
import re
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from deploy import doctor
from deploy.doctor import Sick, Worry
from services.billing import cashier, health, paying
from services.billing.tables import OnlinePayment
from services.events import EntryPosted, PaymentSettled
from services.settings import Settings
from tests.billing.bank import REFERENCE, Bank, Till
from tests.billing.conftest import AGENT, FOREIGN_AGENT, JEAN_PAUL, STRANGER, Town
from tests.billing.test_counter import acts, does, history
from tests.billing.test_office import CLOSING, TODAY, asks

UNSETTLED = """query($troubled: Boolean, $first: Int, $after: String) {
  unsettledPayments(structure: "carteville", troubled: $troubled, first: $first, after: $after) {
    nodes { payment { id status amountCents } family { id } lines { wallet { id } amountCents } provider startedAt ageSeconds heard heardAt
      noticedAt askedNextAt waitsForAgent trouble { code message since amountCents currency order reference } }
    endCursor hasNextPage totalCount totalCents } }"""
END = """mutation($input: EndOnlinePaymentInput!) { endOnlinePayment(input: $input) { __typename
  ... on EndedPayment { payment { id status reference } payments { mode reference payer bank amountCents reason wallet { id } } }
  ... on Refusal { code message } } }"""
COLLEAGUE = replace(AGENT, account="colleague")


@pytest.fixture
async def till(town: Town) -> Till:
    one = Till(town, Bank())
    await one.opens()
    return one


async def unsettled(till: Till, caller: Any = AGENT, **variables: Any) -> Any:
    return await asks(till.town, UNSETTLED, "unsettledPayments", caller, **variables)


async def ends(till: Till, payment: str, end: str = "CREDITED", caller: Any = AGENT, **how: Any) -> Any:
    """What it answers; the code of an error where there is one."""
    said = {"onlinePayment": payment, "end": end, "reason": "Vu avec le régisseur", "idempotencyKey": "k1", **how}
    answer = await till.town.asks(END, caller, input=said)
    return answer.codes[0] if answer.codes else answer.data["endOnlinePayment"]


async def in_trouble(till: Till, *lines: tuple[str, int], key: str = "once", **other: Any) -> str:
    """A payment of which the site says that other money came."""
    id = str((await till.starts(*lines, key=key))["id"])
    till.bank.comes_to("PAID", f"s{len(till.bank.orders) - 1}", **(other or {"amount_cents": 150_01}))
    await till.later(seconds=5)
    assert (await till.row(id)).trouble is not None
    assert {one["payment"]["id"]: one["waitsForAgent"] for one in (await unsettled(till))["nodes"]}[id]
    return id


async def after_refusal(till: Till) -> str:
    id = str((await till.starts())["id"])
    till.bank.comes_to("REFUSED")
    await till.later(seconds=5)
    till.bank.comes_to("PAID")
    await till.later(minutes=3)
    assert (await till.row(id)).trouble == "AFTER_REFUSAL"
    return id


# --------------------------------------------------------------------------------------------------------------- the list
async def test_agents_see_what_is_open_and_what_was_last_heard_of_it(till: Till) -> None:
    id = (await till.starts())["id"]
    (seen,) = (await unsettled(till))["nodes"]
    assert (seen["heard"], seen["heardAt"], seen["noticedAt"], seen["askedNextAt"]) == (None, None, None, "2026-11-23T07:00:05Z")
    await till.later(seconds=5)
    async with till.running.database.transaction() as session:
        await paying.keep_notice(session, till.running.clock, "bank", "s0", b"s0")
    found = await unsettled(till)
    assert found["nodes"] == [
        {
            "payment": {"id": id, "status": "STARTED", "amountCents": 150_00},
            "family": {"id": "dupont"},
            "lines": [
                {"wallet": {"id": "periscolaire"}, "amountCents": 100_00},
                {"wallet": {"id": "multiaccueil"}, "amountCents": 50_00},
            ],
            "provider": "bank",
            "startedAt": "2026-11-23T07:00:00Z",
            "ageSeconds": 5,
            "heard": "STARTED",
            "heardAt": "2026-11-23T07:00:05Z",
            "noticedAt": "2026-11-23T07:00:05Z",
            "askedNextAt": "2026-11-23T07:00:06Z",
            "waitsForAgent": False,
            "trouble": None,
        }
    ]
    assert (found["totalCount"], found["totalCents"], found["hasNextPage"]) == (1, 150_00, False)
    till.bank.forgets()
    await till.later(minutes=10)
    assert (await unsettled(till))["nodes"][0]["heard"] == "UNKNOWN"
    till.bank.away = True
    await till.later(minutes=10)
    assert (await unsettled(till))["nodes"][0]["heard"] == "SILENT"
    till.bank.away = False
    till.bank.comes_to("PAID")
    await till.later(minutes=10)
    assert await unsettled(till) == {"nodes": [], "endCursor": None, "hasNextPage": False, "totalCount": 0, "totalCents": 0}


async def test_what_ended_without_money_is_settled(till: Till) -> None:
    await till.starts()
    till.bank.comes_to("CANCELLED")
    await till.later(seconds=5)
    assert (await unsettled(till))["nodes"] == []


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"amount_cents": 150_01}, "Encaissé : 150,01 €, au lieu de 150,00 €. Personne n’a été crédité."),
        ({"currency": "USD"}, "Encaissé : 150,00 USD, au lieu de 150,00 €. Personne n’a été crédité."),
        ({"order": "another"}, "Encaissé : 150,00 € pour « another », au lieu de 150,00 €. Personne n’a été crédité."),
        ({"amount_cents": None}, "Encaissé : un montant inconnu, au lieu de 150,00 €. Personne n’a été crédité."),
    ],
)
async def test_what_is_in_trouble_says_what_came(till: Till, other: dict[str, Any], message: str) -> None:
    id = await in_trouble(till, **other)
    await till.starts(key="open")
    (seen,) = (await unsettled(till, troubled=True))["nodes"]
    assert (await unsettled(till))["totalCount"] == 2
    told = {"amount_cents": 150_00, "currency": "EUR", "order": id, **other}
    assert seen["trouble"] == {
        "code": "OTHER_MONEY", "message": message, "since": "2026-11-23T07:00:05Z", "amountCents": told["amount_cents"],
        "currency": told["currency"], "order": told["order"], "reference": REFERENCE,
    }  # fmt: skip
    assert (seen["payment"]["id"], seen["heard"]) == (id, "PAID")


async def test_they_come_page_by_page_each_once_the_oldest_first(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paying, "MOST_OPEN", 9)
    started = []
    for number in range(6):
        started.append((await till.starts(key=str(number)))["id"])
        if number % 2:  # Two begin at one moment.
            await till.later(seconds=1)
    seen: list[str] = []
    page: Any = await unsettled(till, first=0)
    assert (page["nodes"], page["hasNextPage"], page["totalCount"], page["totalCents"]) == ([], True, 6, 900_00)
    while page["hasNextPage"]:
        page = await unsettled(till, first=1 if seen else 2, after=page["endCursor"])
        seen += [node["payment"]["id"] for node in page["nodes"]]
    assert [set(seen[at : at + 2]) for at in (0, 2, 4)] == [set(started[at : at + 2]) for at in (0, 2, 4)]
    for wrong in ({"first": 501}, {"first": -1}, {"after": "x"}, {"after": "MjAyNi0xMS0yM1QwNzowMDowMHxh"}):
        assert await unsettled(till, **wrong) == "BAD_USER_INPUT"


async def test_only_the_structures_agents_see_and_end_them(till: Till) -> None:
    id = await in_trouble(till)
    for caller in (JEAN_PAUL, STRANGER, FOREIGN_AGENT):
        assert await unsettled(till, caller) == "FORBIDDEN"
        assert await ends(till, id, "GIVEN_BACK", caller) == "FORBIDDEN"
    assert await unsettled(till, None) == "UNAUTHENTICATED"
    assert await ends(till, id, "GIVEN_BACK", None) == "UNAUTHENTICATED"
    assert await ends(till, "nothing", "GIVEN_BACK") == "FORBIDDEN"
    assert await ends(till, id, lines=[{"wallet": "elsewhere", "amountCents": 150_01}]) == "FORBIDDEN"
    assert (await till.row(id)).trouble == "OTHER_MONEY"


# -------------------------------------------------------------------------------------------------------------- operators
async def measured(till: Till) -> dict[str, float]:
    await health.look(till.running)
    told = generate_latest().decode()
    return {name: float(value) for name, value in re.findall(r"^(preau_(?:payment|online)\S+) (\S+)$", told, re.MULTILINE)}


async def test_operators_see_whether_the_site_answers_and_what_waits(till: Till) -> None:
    told = await measured(till)
    assert told['preau_payment_provider_up{provider="bank"}'] == 1
    assert (told['preau_online_payments{state="open"}'], told["preau_online_payment_oldest_seconds"]) == (0, 0)
    id = await in_trouble(till)
    await till.starts(key="open")
    await till.later(minutes=1)
    told = await measured(till)
    assert (told['preau_online_payments{state="open"}'], told['preau_online_payments{state="troubled"}']) == (1, 1)
    assert told["preau_online_payment_oldest_seconds"] == 65
    till.bank.away = True
    assert (await measured(till))['preau_payment_provider_up{provider="bank"}'] == 0
    await ends(till, id, "GIVEN_BACK")
    assert (await measured(till))['preau_online_payments{state="troubled"}'] == 0


MEASURED = """preau_payment_provider_up{provider="stripe"} %s
preau_online_payments{state="open"} %s
preau_online_payments{state="troubled"} %s
preau_online_payment_oldest_seconds %s
"""


@pytest.mark.parametrize(
    ("told", "kind", "says"),
    [
        (MEASURED % (1, 0, 0, 0), str, "the payment site answers, 0 payments are open"),
        (MEASURED % (1, 2, 0, 660), str, "the payment site answers, 2 payments are open, the oldest for 11 min"),
        (MEASURED % (0, 2, 1, 60), Sick, "no answer from stripe"),
        (MEASURED % (1, 2, 3, 60), Worry, "money came that credits nobody: 3 payments"),
        (MEASURED % (1, 2, 0, 30 * 3600), Worry, "2 payments are open, one for 30 hours"),
        ("preau_events_heard_total 1\n", str, "not offered: PREAU_PAYMENT_PROVIDER is not set"),
    ],
)
async def test_the_doctor_reads_it_from_billing(monkeypatch: pytest.MonkeyPatch, told: str, kind: type, says: str) -> None:
    real = httpx2.AsyncClient
    answer = httpx2.MockTransport(lambda request: httpx2.Response(200 if request.url.path == "/metrics" else 404, text=told))
    monkeypatch.setattr(doctor.httpx2, "AsyncClient", lambda **how: real(transport=answer, **how))
    if kind is str:
        assert await doctor._payments(Settings.from_environment({})) == says
    else:
        with pytest.raises(kind, match=says) as raised:
            await doctor._payments(Settings.from_environment({}))
        assert type(raised.value) is kind


# ------------------------------------------------------------------------------------------------------------------- ends
async def test_s19_what_came_after_a_refusal_is_credited_by_an_agent_as_it_was_asked_for(till: Till) -> None:
    """It stands in the history as the guide has it (S11), with the agent's reason, and in the closing of that day."""
    id = await after_refusal(till)
    told = await ends(till, id)
    assert told["payment"] == {"id": id, "status": "PAID", "reference": REFERENCE}
    line = {
        "mode": "INTERNET",
        "reference": REFERENCE,
        "payer": "POUR .GUIDE CARTE+",
        "bank": "PAR INTERNET",
        "reason": "Vu avec le régisseur",
    }
    assert told["payments"] == [
        {**line, "amountCents": 50_00, "wallet": {"id": "multiaccueil"}},
        {**line, "amountCents": 100_00, "wallet": {"id": "periscolaire"}},
    ]
    shown = await history(till.town)
    assert (shown["totalCents"], {one["reason"] for one in shown["payments"]}) == (150_00, {"Vu avec le régisseur"})
    (mode,) = (await asks(till.town, CLOSING, "closing", date=TODAY))["modes"]
    assert (mode["mode"], mode["payments"], mode["paymentsCents"]) == ("INTERNET", 2, 150_00)
    (act,) = (await acts(till.town))["nodes"]
    assert (act["kind"], act["reason"], act["family"], act["account"]) == (
        "END_ONLINE_PAYMENT", "Vu avec le régisseur", {"id": "dupont"}, "agent",
    )  # fmt: skip
    said = {one["name"]: (one["before"], one["after"]) for one in act["details"]}
    assert said["status"] == ("REFUSED", "PAID")
    assert (said["trouble"], said["came_cents"]) == (("AFTER_REFUSAL", None), ("15000", None))
    assert [(event["status"], event["version"]) for event in await till.town.said(PaymentSettled)] == [("REFUSED", 1), ("PAID", 2)]
    assert (await unsettled(till))["nodes"] == []
    await till.later(days=3)
    assert len(await till.credited()) == 2
    await till.town.is_sound()


async def test_s19_another_amount_is_credited_as_the_agent_says_to_the_cent(till: Till) -> None:
    id = await in_trouble(till)
    both = [{"wallet": "multiaccueil", "amountCents": 50_00}, {"wallet": "periscolaire", "amountCents": 100_00}]
    for lines, message in (
        (None, "pour chaque porte-monnaie"),
        ([], "pour chaque porte-monnaie"),
        (both, "150,01"),
        ([both[0], {**both[0], "amountCents": 100_01}], "pour chaque porte-monnaie"),
        ([{**both[0], "amountCents": 0}, {**both[1], "amountCents": 150_01}], "supérieur à zéro"),
        ([{**both[0], "amountCents": -1}, {**both[1], "amountCents": 150_02}], "supérieur à zéro"),
    ):
        told = await ends(till, id, lines=lines)
        assert (told["code"], message in told["message"]) == ("INVALID_AMOUNT", True), told
    told = await ends(till, id, "GIVEN_BACK", lines=both)
    assert (told["code"], told["message"].startswith("lines : rien n’est porté au crédit")) == ("INVALID_AMOUNT", True)
    assert (await ends(till, id, reason="ok"))["code"] == "REASON_REQUIRED"
    assert await till.credited() == []
    both[1]["amountCents"] = 100_01
    assert (await ends(till, id, lines=both))["payment"]["status"] == "PAID"
    assert sorted(await till.credited()) == [("multiaccueil", 50_00), ("periscolaire", 100_01)]
    assert [event["amount_cents"] for event in await till.town.said(PaymentSettled)] == [150_01]
    await till.town.is_sound()


async def test_s19_another_amount_for_one_wallet_needs_no_more_words(till: Till) -> None:
    id = await in_trouble(till, ("periscolaire", 150_00))
    await ends(till, id)
    assert await till.credited() == [("periscolaire", 150_01)]
    await till.town.is_sound()


async def test_s19_dollars_are_credited_as_what_they_were_worth(till: Till) -> None:
    id = await in_trouble(till, currency="USD")
    assert (await ends(till, id))["code"] == "INVALID_AMOUNT"
    await ends(till, id, lines=[{"wallet": "periscolaire", "amountCents": 138_12}])
    assert await till.credited() == [("periscolaire", 138_12)]
    await till.town.is_sound()


@pytest.mark.parametrize("end", ["GIVEN_BACK", "NOTHING_CAME"])
async def test_s19_what_was_given_back_credits_nobody_though_the_site_calls_it_paid_for_ever(till: Till, end: str) -> None:
    id = await in_trouble(till)
    told = await ends(till, id, end)
    assert (told["payment"]["status"], told["payments"]) == ("CANCELLED", [])
    assert await till.ends() == ["CANCELLED"]
    for _ in range(8):
        await till.later(hours=7)
    assert (await till.credited(), (await till.row(id)).trouble) == ([], None)
    till.bank.comes_to("PAID")
    async with till.running.database.transaction() as session:
        await paying.keep_notice(session, till.running.clock, "bank", "s0", b"s0")
    await till.later(seconds=1)
    assert (await till.credited(), (await till.row(id)).trouble) == ([], "AFTER_END"), "other money than the agent had before them"
    (seen,) = (await unsettled(till))["nodes"]
    assert seen["trouble"]["message"].startswith("Le site de paiement annonce maintenant 150,00 €")
    assert (await ends(till, id, idempotencyKey="k2"))["payment"]["status"] == "PAID"
    assert [(event["status"], event["version"]) for event in await till.town.said(PaymentSettled)] == [("CANCELLED", 1), ("PAID", 2)]
    assert len(await till.credited()) == 2
    await till.town.is_sound()


async def test_s19_money_given_back_after_a_refusal_stays_refused(till: Till) -> None:
    id = await after_refusal(till)
    assert (await ends(till, id, "GIVEN_BACK"))["payment"]["status"] == "REFUSED"
    for _ in range(8):
        await till.later(hours=7)
    assert (await till.row(id)).trouble is None
    assert (await till.credited(), await till.ends()) == ([], ["REFUSED"])
    await till.town.is_sound()


async def test_what_ends_by_itself_is_no_agents_business(till: Till) -> None:
    open_one = (await till.starts())["id"]
    assert (await ends(till, open_one, "NOTHING_CAME"))["code"] == "NOTHING_TO_END"
    till.bank.comes_to("PAID")
    await till.later(seconds=5)
    assert (await ends(till, open_one, "GIVEN_BACK"))["code"] == "NOTHING_TO_END"
    called_off = (await till.starts(key="two"))["id"]
    till.bank.comes_to("CANCELLED", "s1")
    await till.later(seconds=5)
    assert (await ends(till, called_off))["code"] == "NOTHING_TO_END"
    await till.town.is_sound()


async def test_s19_what_was_credited_is_credited_no_more_though_an_older_version_left_its_trouble_there(till: Till) -> None:
    """That version still runs while a new one is installed, and told of trouble in words."""
    id = str((await till.starts(("periscolaire", 150_00)))["id"])
    till.bank.comes_to("PAID")
    await till.later(seconds=5)
    async with till.running.database.engine.begin() as connection:
        await connection.execute(text("UPDATE online_payment SET trouble = 'another amount'"))
    assert (await ends(till, id, lines=[{"wallet": "multiaccueil", "amountCents": 150_00}]))["code"] == "NOTHING_TO_END"
    assert (await ends(till, id, "NOTHING_CAME"))["payment"]["status"] == "PAID"
    assert (await unsettled(till))["nodes"] == []
    assert await till.credited() == [("periscolaire", 150_00)]
    await till.town.is_sound()


async def test_one_whose_site_answers_no_more_is_ended_after_two_hours(till: Till) -> None:
    """The town has another site by now, or the old one went out of business: somebody reads the account's statement."""
    id = (await till.starts(("periscolaire", 60_00)))["id"]
    till.running.resources[cashier.PROVIDERS] = {}
    await till.later(minutes=119)
    assert (await ends(till, id, "NOTHING_CAME"))["code"] == "NOTHING_TO_END"
    await till.later(minutes=1)
    assert (await ends(till, id))["code"] == "INVALID_AMOUNT", "nobody but the agent knows what came"
    await ends(till, id, lines=[{"wallet": "periscolaire", "amountCents": 60_00}])
    assert await till.credited() == [("periscolaire", 60_00)]
    till.running.resources[cashier.PROVIDERS] = {"bank": till.bank}
    till.bank.comes_to("PAID")
    await till.later(days=1)
    assert await till.credited() == [("periscolaire", 60_00)]
    await till.town.is_sound()


# ------------------------------------------------------------------------------------------------------------------- once
async def test_a_key_that_comes_again_ends_nothing_again(till: Till) -> None:
    id = await after_refusal(till)
    first = await ends(till, id)
    assert await ends(till, id) == first
    assert (await ends(till, id, "GIVEN_BACK"))["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await ends(till, id, reason="Autre motif"))["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await ends(till, id, idempotencyKey="k2"))["code"] == "NOTHING_TO_END"
    assert (await ends(till, id, caller=COLLEAGUE))["code"] == "NOTHING_TO_END", "a key is its agent's own"
    for key in ("", "k" * 201):
        assert await ends(till, id, idempotencyKey=key) == "BAD_USER_INPUT"
    assert len((await acts(till.town))["nodes"]) == 1
    assert len(await till.credited()) == 2
    await till.town.is_sound()


async def test_a_key_that_comes_again_after_new_trouble_ends_no_new_trouble(till: Till) -> None:
    id = await in_trouble(till)
    await ends(till, id, "GIVEN_BACK")
    till.bank.comes_to("PAID")
    await till.later(hours=1)
    assert (await till.row(id)).trouble == "AFTER_END"
    await ends(till, id, "GIVEN_BACK")
    assert (await till.row(id)).trouble == "AFTER_END"


async def test_many_agents_at_once_end_it_once(till: Till) -> None:
    id = await after_refusal(till)
    said = await asyncio.gather(*(ends(till, id, caller=replace(AGENT, account=f"agent {n}"), idempotencyKey=str(n)) for n in range(6)))
    assert sorted(one.get("code", "") for one in said) == ["", *["NOTHING_TO_END"] * 5]
    assert len(await till.credited()) == 2
    await till.town.is_sound()


async def test_s19_an_agent_and_the_site_that_end_it_at_once_credit_it_once(till: Till) -> None:
    """The site says that all is well after all, while an agent credits what had come, in another wallet."""
    id = await in_trouble(till, ("periscolaire", 150_00))
    till.bank.comes_to("PAID")
    lines = [{"wallet": "multiaccueil", "amountCents": 150_01}]
    said, *_ = await asyncio.gather(ends(till, id, lines=lines), till.asks_together(3), ends(till, id, lines=lines, caller=COLLEAGUE))
    credited = await till.credited()
    assert credited in ([("periscolaire", 150_00)], [("multiaccueil", 150_01)])
    assert await till.ends() == ["PAID"]
    assert said.get("code") in (None, "NOTHING_TO_END")
    await till.town.is_sound()


@pytest.mark.parametrize("first", ["agent", "site"])
async def test_s19_whoever_comes_second_finds_that_it_has_ended(till: Till, first: str) -> None:
    """The site was asked before the agent said anything, and answers after; or the other way round."""
    id = await in_trouble(till)
    till.bank.comes_to("PAID")

    async def agent() -> None:
        told = await ends(till, id, "GIVEN_BACK")
        assert ("code" in told) is (first == "site")

    if first == "agent":
        till.bank.before_answer = agent
        await till.asks_together(1)
        assert (await till.credited(), (await till.row(id)).trouble) == ([], "AFTER_END")
    else:
        await till.asks_together(1)
        await agent()
        assert len(await till.credited()) == 2
    await till.town.is_sound()


async def test_s19_the_control_without_the_payments_lock_two_wallets_are_fed(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    if till.running.database.is_sqlite:
        pytest.skip("SQLite lets one writer in at a time, lock or no lock")
    id = await in_trouble(till, ("periscolaire", 150_00))
    till.bank.comes_to("PAID")
    both = asyncio.Barrier(2)
    plain = AsyncSession.get

    async def look(session: AsyncSession, table: Any, id: Any, **how: Any) -> Any:
        if table is not OnlinePayment or not how.pop("with_for_update", False):
            return await plain(session, table, id, **how)
        row = await plain(session, table, id)
        await asyncio.wait_for(both.wait(), 5)
        return row

    monkeypatch.setattr(AsyncSession, "get", look)
    monkeypatch.setattr(AsyncSession, "get_one", look)
    await asyncio.gather(ends(till, id, lines=[{"wallet": "multiaccueil", "amountCents": 150_01}]), till.asks_together(1))
    monkeypatch.undo()
    assert sorted(await till.credited()) == [("multiaccueil", 150_01), ("periscolaire", 150_00)]


SAID = ["PAID", "more", "REFUSED", "CANCELLED", "EXPIRED", "STARTED", "nothing", "away", "back"]
ENDS = [("more", "hours", "CREDITED"), ("more", "hours", "GIVEN_BACK"), ("REFUSED", "minutes", "PAID", "notice", "seconds", "GIVEN_BACK")]
TOLD_AGAIN = [("PAID", "notice", "seconds"), ("more", "notice", "seconds"), ("PAID", "together")]
STEPS = [*SAID, "seconds", "minutes", "hours", "notice", "together", "CREDITED", "GIVEN_BACK"]
CHAPTERS = st.one_of(st.sampled_from(STEPS).map(lambda step: (step,)), st.sampled_from(ENDS), st.sampled_from(TOLD_AGAIN))
STORY = st.lists(CHAPTERS, max_size=7).map(lambda chapters: [step for chapter in chapters for step in chapter])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=STORY)
async def test_s19_whatever_the_site_says_and_agents_end_it_is_credited_once_or_not_at_all(till: Till, story: list[str]) -> None:
    """Once an agent has ended it, only an agent credits it; and never is money in trouble forgotten."""
    before, said = len(await till.credited()), len(await till.ends())
    till.bank.orders.clear()
    till.bank.away = False
    id = str((await till.starts(("periscolaire", 150_00), key=f"{story} {before} {till.now}"))["id"])
    given_back = False
    for number, step in enumerate(story):
        if step == "more":
            till.bank.comes_to("PAID", amount_cents=150_01)
        elif step in ("CREDITED", "GIVEN_BACK"):
            credited = len(await till.credited())
            told = await ends(till, id, step, idempotencyKey=f"{id} {number}")
            given_back = step == "GIVEN_BACK" if "code" not in told else given_back
            assert len(await till.credited()) - credited == (step == "CREDITED" and "code" not in told)
        else:
            credited = len(await till.credited())
            await till.lives_through(step)
            assert not given_back or len(await till.credited()) == credited, "an agent gave it back"
    till.bank.away = False
    for _ in range(3):
        await till.later(days=1)
    row, credited = await till.row(id), len(await till.credited()) - before
    assert credited == (row.status == "PAID")
    assert (await till.ends())[said:].count("PAID") == credited
    came, one = till.bank.says["s0"], row.look_at is None
    if came is not None and came.status == "PAID" and not one:
        assert row.trouble is not None
    await till.town.is_sound()
    async with till.running.database.engine.begin() as connection:  # a new page for the next story
        await connection.execute(text("UPDATE online_payment SET session = id, trouble = NULL, look_at = NULL"))


# ---------------------------------------------------------------------------------------------------------------- given back
async def test_an_online_payment_that_was_given_back_at_the_site_is_reversed_and_stays_so(till: Till) -> None:
    """The site gives money back, not we: an agent notes that it did, and no question to the site credits it again."""
    id = (await till.starts())["id"]
    till.bank.comes_to("PAID")
    await till.later(seconds=5)
    answer = await till.town.represents('payments(month: "2026-11") { payments { id } }', {"__typename": "Family", "id": "dupont"})
    for payment in answer.data[0]["payments"]["payments"]:
        back = await does(till.town, "reversePayment", {"payment": payment["id"], "reason": "Remboursé sur le site"})
        assert (back["mode"], back["kind"]) == ("INTERNET", "REFUND")
    async with till.running.database.transaction() as session:
        await paying.keep_notice(session, till.running.clock, "bank", "s0", b"s0")
    await till.later(days=1)
    assert await till.status(id) == "PAID"
    assert set((await till.town.cents()).values()) == {0}
    assert len(await till.town.said(EntryPosted)) == 4
    (mode,) = (await asks(till.town, CLOSING, "closing", date=TODAY))["modes"]
    assert (mode["paymentsCents"], mode["refundsCents"], mode["totalCents"]) == (150_00, 150_00, 0)
    await till.town.is_sound()
