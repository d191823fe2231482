"""What families see of their money, and that nobody else sees it."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import event
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from services.billing import commands, estimates, loading
from services.billing.hold import HoldKind
from services.billing.queries import BalanceAsked
from services.billing.rate import QuotientBand
from services.billing.schema import schema
from services.billing.tariff import Per, TariffVersion
from services.claims import Caller
from services.events import BookingAccepted
from services.graphql import Context
from tests.billing.conftest import AGENT, FOREIGN_AGENT, JEAN_PAUL, MONDAY, STRANGER, Booking, Town, request

BALANCE = """
balance%s {
  until balanceCents estimatedCostCents newBalanceCents inDebit
  lines { wallet { id name } balanceCents estimatedCostCents newBalanceCents suggestedPaymentCents }
}
"""
DUPONT = {"__typename": "Family", "id": "dupont"}


def line(change: str, child: str, activity: str = "multi", date: dt.date = MONDAY, **more: Any) -> dict[str, Any]:
    return {
        "__typename": "PreviewLine",
        "change": change,
        "child": {"__typename": "Child", "id": child},
        "activity": {"id": activity},
        "date": date.isoformat(),
        "arrival": "07:30",
        "departure": "08:45",
        **more,
    }


def booking(id: str, status: str = "ACCEPTED") -> dict[str, str]:
    return {"__typename": "Booking", "id": id, "status": status}


async def balance(town: Town, arguments: str = "", caller: Caller = JEAN_PAUL) -> Any:
    answer = await town.represents(BALANCE % arguments, DUPONT, caller=caller)
    assert answer.codes == []
    return answer.data[0]["balance"]


async def test_s12_to_s15_the_guides_balances(town: Town) -> None:
    await town.pays("dupont", "periscolaire", 50_06)
    async with town.running.database.transaction() as session:
        dear = (TariffVersion(dt.date(2026, 9, 1), Per.PRESENCE, (QuotientBand(None, 102_61),)),)
        await commands.put_tariff(session, town.running.clock, "aps-matin", "carteville", "periscolaire", dear)
    await town.hears(Booking("b").taken_over())
    page = await balance(town)
    assert page["lines"] == [
        {
            "wallet": {"id": "multiaccueil", "name": 'Multiaccueil "Les Tagazoux"'},
            **dict.fromkeys(("balanceCents", "estimatedCostCents", "newBalanceCents", "suggestedPaymentCents"), 0),
        },
        {
            "wallet": {"id": "periscolaire", "name": "PERISCOLAIRE"},
            "balanceCents": 50_06,
            "estimatedCostCents": 102_61,
            "newBalanceCents": -52_55,
            "suggestedPaymentCents": 52_55,
        },
    ]
    assert (page["until"], page["balanceCents"], page["estimatedCostCents"], page["newBalanceCents"]) == (None, 50_06, 102_61, -52_55)
    assert page["inDebit"] is False, "S21: never the estimate"


async def test_s15_wallets_stand_by_name_as_people_sort(town: Town) -> None:
    async with town.running.database.transaction() as session:
        for name in ("Zoo", "École", "étude", "Cantine"):
            await commands.put_wallet(session, town.running.clock, name, "carteville", name)
    names = [one["wallet"]["name"] for one in (await balance(town))["lines"]]
    assert names == ["Cantine", "École", "étude", 'Multiaccueil "Les Tagazoux"', "PERISCOLAIRE", "Zoo"]


async def test_s13_until_is_inclusive_and_pending_bookings_count_only_when_ticked(town: Town) -> None:
    tuesday = MONDAY + dt.timedelta(1)
    first, second, waiting = Booking("1"), Booking("2", date=tuesday), Booking("3", child="paolo")
    await town.hears(first.taken_over(), second.taken_over(), waiting.requested(), waiting.waitlisted())

    async def cost(arguments: str) -> int:
        return int((await balance(town, arguments))["estimatedCostCents"])

    assert await cost("") == 2_62
    assert await cost(f'(until: "{MONDAY}")') == 1_31
    assert await cost(f'(until: "{MONDAY - dt.timedelta(1)}")') == 0
    assert await cost(f'(until: "{MONDAY}", include: [CONFIRMED, PENDING])') == 2_62
    assert await cost("(include: [PENDING])") == 1_31
    assert await cost("(include: [])") == 0
    assert (await balance(town, f'(until: "{tuesday}")'))["until"] == "2026-12-08"


async def test_balances_that_are_asked_together_are_those_asked_alone(town: Town) -> None:
    first, second, waiting = Booking("1"), Booking("2", date=MONDAY + dt.timedelta(1)), Booking("3", child="paolo")
    await town.hears(first.taken_over(), second.taken_over(), waiting.requested(), waiting.waitlisted())
    await town.pays("dupont", "periscolaire", 50_06)
    confirmed, pending = frozenset({HoldKind.CONFIRMED}), frozenset({HoldKind.PENDING})
    asked = [
        BalanceAsked("dupont", "carteville", None, confirmed),
        BalanceAsked("dupont", "carteville", MONDAY, confirmed),
        BalanceAsked("dupont", "carteville", None, confirmed | pending),
        BalanceAsked("martin", "carteville", None, confirmed),
        BalanceAsked("stranger", "elsewhere", None, confirmed),
    ]
    async with town.running.database.reading() as session:
        alone = [(await estimates.balances(session, [one]))[one] for one in asked]
        assert await estimates.balances(session, asked) == dict(zip(asked, alone, strict=True))
    costs = [(page.balance_cents, page.estimated_cost_cents, len(page.lines)) for page in alone]
    assert costs == [(50_06, 2_62, 2), (50_06, 1_31, 2), (50_06, 3_93, 2), (0, 0, 2), (0, 0, 0)]


async def test_answers_are_those_of_graphql_core(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside tests/kernel/test_projection.py, which compares all the rest."""
    kept = Booking("1")
    await town.hears(kept.taken_over())
    await town.pays("dupont", "periscolaire", 50_06)
    asked = [
        (BALANCE % "", DUPONT),
        (f'payments(month: "2026-12") {{ {ALL_OF_PAYMENTS} }} consumptions(month: "2026-12") {{ totalCents }} balanceAlertCents', DUPONT),
        (BALANCE % "", {**DUPONT, "id": "martin"}),
        (PRICE, booking("1")),
        (PRICE, line("BOOK", "amalia")),
    ]
    quick = [await town.represents(*one) for one in asked]
    monkeypatch.setattr(schema, "execution_context_class", StrawberryGraphQLCoreExecutionContext)
    assert [await town.represents(*one) for one in asked] == quick
    assert quick[0].codes == []
    assert quick[2].codes != []


ALL_OF_PAYMENTS = "month totalCents payments { id kind date mode reference payer bank amountCents reason wallet { id name } }"


async def test_s21_in_debit_by_the_structures_limit(town: Town) -> None:
    await town.owes("dupont", "periscolaire", 51_65)
    assert (await balance(town))["inDebit"] is True
    await town.limits_debt(60_00)
    assert (await balance(town))["inDebit"] is False
    for exempt in (False, True):
        async with town.running.database.transaction() as session:
            await commands.put_family_debt(session, town.running.clock, "dupont", "carteville", 0, exempt=exempt)
        assert (await balance(town))["inDebit"] is not exempt


async def test_s9_s11_the_guides_payment_history_newest_first_with_its_total(town: Town) -> None:
    await town.pays("dupont", "periscolaire", 150_00, date=dt.date(2017, 1, 29), mode="INTERNET", reference="3150-N°AUTO:445401",
                    payer="POUR .GUIDE CARTE+", bank="PAR INTERNET")  # fmt: skip
    await town.pays("dupont", "periscolaire", 50_00, date=dt.date(2017, 1, 31))
    await town.pays("dupont", "multiaccueil", 7_00, date=dt.date(2017, 2, 1))
    fields = "month totalCents payments { date mode reference payer bank amountCents wallet { id name } }"
    months = (("january", "2017-01"), ("march", "2017-03"))
    selection = " ".join(f'{name}: payments(month: "{month}") {{ {fields} }}' for name, month in months)
    answer = await town.represents(selection, DUPONT)
    assert answer.data == [
        {
            "january": {
                "month": "2017-01",
                "totalCents": 200_00,
                "payments": [
                    {"date": "2017-01-31", "mode": "CHEQUE", "reference": "2578012", "payer": "GUIDE DENIS", "bank": "CREDIT AGRICOLE",
                     "amountCents": 50_00, "wallet": {"id": "periscolaire", "name": "PERISCOLAIRE"}},
                    {"date": "2017-01-29", "mode": "INTERNET", "reference": "3150-N°AUTO:445401", "payer": "POUR .GUIDE CARTE+",
                     "bank": "PAR INTERNET", "amountCents": 150_00, "wallet": {"id": "periscolaire", "name": "PERISCOLAIRE"}},
                ],
            },
            "march": {"month": "2017-03", "totalCents": 0, "payments": []},
        }
    ]  # fmt: skip


async def test_s9_a_month_of_which_nothing_was_charged_is_empty(town: Town) -> None:
    answer = await town.represents('consumptions(month: "2026-11") { month totalCents consumptions { id } }', DUPONT)
    assert answer.data == [{"consumptions": {"month": "2026-11", "totalCents": 0, "consumptions": []}}]


PRICE = "priceCents explanation { label amountCents }"


async def test_s33_a_recap_is_priced_with_siblings_that_stand_in_it(town: Town) -> None:
    answer = await town.represents(PRICE, line("BOOK", "paolo"), line("BOOK", "amalia"), line("BOOK", "paolo", "aps-matin"))
    assert [one["priceCents"] for one in answer.data] == [2_10, 2_63, 1_31]
    assert answer.data[0]["explanation"] == [
        {"label": "Tranche 1 (QF 742)", "amountCents": None},
        {"label": "1 h 15", "amountCents": 2_63},
        {"label": "2e enfant -20 %", "amountCents": -53},
    ]


async def test_s33_a_sibling_that_already_comes_counts_and_one_that_is_being_cancelled_does_not(town: Town) -> None:
    await town.hears(Booking("a", "amalia", "multi").taken_over())
    alone = await town.represents(PRICE, line("BOOK", "paolo"))
    together = await town.represents(PRICE, line("BOOK", "paolo"), line("CANCEL", "amalia"))
    assert [one["priceCents"] for one in alone.data] == [2_10]
    assert [one["priceCents"] for one in together.data] == [2_63, 2_63]


async def test_s33_what_the_recap_quotes_is_what_is_held(town: Town) -> None:
    amalia, paolo = Booking("a", "amalia", "multi"), Booking("p", "paolo", "multi")
    quoted = await town.represents(PRICE, line("BOOK", "amalia"), line("BOOK", "paolo"))
    await town.hears(request(amalia, paolo), paolo.accepted(), amalia.accepted())
    held = await town.represents(PRICE, booking("a"), booking("p"))
    assert held.data == quoted.data


async def test_s33_a_cancellation_gives_back_its_hold_and_a_waiting_place_nothing(town: Town) -> None:
    waiting = Booking("w", "paolo")
    await town.hears(Booking("a").taken_over(), waiting.requested(), waiting.waitlisted())
    answer = await town.represents(PRICE, line("CANCEL", "amalia", "aps-matin"), line("CANCEL", "paolo", "aps-matin"))
    assert answer.data == [
        {"priceCents": 1_31, "explanation": [{"label": "Tranche 2 (QF 742)", "amountCents": 1_31}]},
        {"priceCents": 0, "explanation": []},
    ]


async def test_prices_are_explained_in_english_too(town: Town) -> None:
    answer = await town.represents("explanation { label }", line("BOOK", "amalia", "aps-matin"), language="en")
    assert answer.data == [{"explanation": [{"label": "Band 2 (family quotient 742)"}]}]


async def test_a_refused_booking_shows_no_price_and_a_cancelled_one_what_it_was(town: Town) -> None:
    refused, cancelled = Booking("r"), Booking("c", "paolo")
    await town.hears(request(refused, cancelled), refused.refused(), cancelled.accepted(), cancelled.cancelled())
    answer = await town.represents(PRICE, booking("r"), booking("c"))
    assert [(one["priceCents"], len(one["explanation"])) for one in answer.data] == [(0, 0), (1_31, 1)]


async def test_a_refused_booking_shows_no_price_before_billing_heard_of_the_refusal(town: Town) -> None:
    refused, unheard = Booking("r"), Booking("u", "paolo")
    await town.hears(refused.requested())
    for one in (refused, unheard):
        answer = await town.represents(PRICE, booking(one.id, "REFUSED"))
        assert answer.data == [{"priceCents": 0, "explanation": []}]
    answer = await town.represents(PRICE, booking("r", "SUBMITTED"))
    assert answer.data[0]["priceCents"] == 1_31


async def test_the_price_of_a_booking_made_this_moment_is_waited_for(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_once = loading.prices.holds

    async def heard_meanwhile(*arguments: Any) -> Any:
        found = await asked_once(*arguments)
        monkeypatch.setattr(loading.prices, "holds", asked_once)
        await town.hears(Booking("late").taken_over())
        return found

    monkeypatch.setattr(loading.prices, "holds", heard_meanwhile)
    monkeypatch.setattr(loading, "LOOK_AGAIN_SECONDS", 60.0)  # It is the news that wakes the answer, not the next look.
    answer = await town.represents("priceCents", booking("late"))
    assert answer.data == [{"priceCents": 1_31}]
    assert BookingAccepted in town.running.service.wakes


# --------------------------------------------------------------------------------------------------------- whose money
@pytest.mark.parametrize(
    "field", ["balance { balanceCents }", 'payments(month: "2026-11") { totalCents }', 'consumptions(month: "2026-11") { totalCents }']
)
async def test_a_familys_money_is_its_own_and_its_towns_agents(town: Town, field: str) -> None:
    forbidden = ((STRANGER, ["FORBIDDEN"]), (FOREIGN_AGENT, ["FORBIDDEN"]), (None, ["UNAUTHENTICATED"]))
    for caller, expected in ((JEAN_PAUL, []), (AGENT, []), *forbidden):
        answer = await town.represents(field, DUPONT, caller=caller)
        assert answer.codes == expected, caller
        assert (answer.data[0] is None) == bool(expected)


async def test_a_family_that_does_not_exist_answers_like_a_foreign_one(town: Town) -> None:
    nobody = {"__typename": "Family", "id": "nobody"}
    for caller in (JEAN_PAUL, AGENT):
        assert (await town.represents("balance { balanceCents }", nobody, caller=caller)).codes == ["FORBIDDEN"]


async def test_nobody_else_learns_the_price_of_a_booking(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "PATIENCE_SECONDS", 0.0)
    await town.hears(Booking("b").taken_over())
    theirs, nobodys = booking("b"), booking("nothing")
    for caller in (STRANGER, FOREIGN_AGENT):
        answer = await town.represents(PRICE, theirs, nobodys, caller=caller)
        assert answer.data == [{"priceCents": 0, "explanation": []}] * 2, "what is foreign answers as what does not exist"
    assert (await town.represents(PRICE, theirs, caller=AGENT)).data[0]["priceCents"] == 1_31
    assert (await town.represents(PRICE, theirs, caller=None)).codes == ["UNAUTHENTICATED"]


async def test_a_preview_is_for_ones_own_children(town: Town) -> None:
    assert (await town.represents("priceCents", line("BOOK", "amalia"), caller=AGENT)).data == [{"priceCents": 2_63}]
    for caller, child in ((STRANGER, "amalia"), (FOREIGN_AGENT, "amalia"), (JEAN_PAUL, "zoe"), (JEAN_PAUL, "nobody")):
        for change in ("BOOK", "CANCEL"):
            answer = await town.represents("priceCents", line(change, child), caller=caller)
            assert (answer.data, answer.codes) == ([None], ["FORBIDDEN"])
    mixed = await town.represents("priceCents", line("BOOK", "amalia"), line("BOOK", "zoe"))
    assert (mixed.data, mixed.codes) == ([{"priceCents": 2_63}, None], ["FORBIDDEN"])


async def test_a_wallets_name_is_for_those_of_its_structure(town: Town) -> None:
    wallet = {"__typename": "Wallet", "id": "periscolaire"}
    assert (await town.represents("id name", wallet)).data == [{"id": "periscolaire", "name": "PERISCOLAIRE"}]
    for caller, id in ((FOREIGN_AGENT, "periscolaire"), (JEAN_PAUL, "nothing")):
        assert (await town.represents("name", {**wallet, "id": id}, caller=caller)).data == [None]


BOOK = line("BOOK", "amalia")


async def test_a_recap_says_which_wallet_each_line_draws_on(town: Town) -> None:
    """S12"""
    answer = await town.represents("wallet { id name }", line("BOOK", "amalia"), line("CANCEL", "amalia"), line("BOOK", "nobody"))

    assert answer.data[:2] == [{"wallet": {"id": "multiaccueil", "name": 'Multiaccueil "Les Tagazoux"'}}] * 2
    assert (answer.data[2], answer.codes) == ({"wallet": None}, ["FORBIDDEN"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"__typename": "Family"},
        {"__typename": "Family", "id": 3},
        {**BOOK, "change": "STEAL"},
        {**BOOK, "date": "2026-02-30"},
        {**BOOK, "arrival": "25:00"},
        {**BOOK, "departure": None},
        {**BOOK, "child": "amalia"},
        {"__typename": "PreviewLine"},
        booking("b", "STOLEN"),
    ],
)
async def test_malformed_entities_are_the_askers_mistake(town: Town, wrong: dict[str, Any]) -> None:
    assert (await town.represents("__typename", wrong)).codes == ["BAD_USER_INPUT"]


async def test_a_day_without_a_tariff_has_no_price_yet(town: Town) -> None:
    assert (await town.represents("priceCents", line("BOOK", "amalia", "cantine"))).codes == ["NOT_PRICED"]


# -------------------------------------------------------------------------------------------------------- online payment
START = """
mutation($input: StartPaymentInput!) {
  startPayment(input: $input) { __typename ... on Refusal { code message } ... on OnlinePayment { id redirectUrl } }
}
"""


def payment(email: str | None = "jp.dupont@example.org", family: str = "dupont", lines: Any = (("periscolaire", 52_55),)) -> dict[str, Any]:
    return {
        "family": family,
        "lines": [{"wallet": wallet, "amountCents": cents} for wallet, cents in lines],
        "email": email,
        "idempotencyKey": "once",
    }


@pytest.mark.parametrize(
    ("input", "refusal"),
    [
        (payment(email=None), "PAYMENT_UNAVAILABLE"),
        (payment(email="nobody"), "EMAIL_REQUIRED"),
        (payment(email="nobody", lines=[]), "INVALID_AMOUNT"),
        (payment(lines=[]), "INVALID_AMOUNT"),
        (payment(lines=[("periscolaire", 0)]), "INVALID_AMOUNT"),
        (payment(lines=[("periscolaire", -5)]), "INVALID_AMOUNT"),
        (payment(lines=[("periscolaire", 5), ("periscolaire", 5)]), "INVALID_AMOUNT"),
        (payment(), "PAYMENT_UNAVAILABLE"),
    ],
)
async def test_s16_to_s19_without_a_provider_the_answer_is_a_refusal(town: Town, input: dict[str, Any], refusal: str) -> None:
    for language in ("fr", "en"):
        answer = await town.asks(START, input=input, language=language)  # type: ignore[arg-type]
        assert answer.codes == []
        told = answer.data["startPayment"]
        assert told["code"] == refusal
        assert told["__typename"].upper() == refusal.replace("_", "")
        assert told["message"]


async def test_nobody_pays_into_what_is_not_theirs(town: Town) -> None:
    assert (await town.asks(START, input=payment(), caller=STRANGER)).codes == ["FORBIDDEN"]
    assert (await town.asks(START, input=payment(), caller=None)).codes == ["UNAUTHENTICATED"]
    assert (await town.asks(START, input=payment(lines=[("nothing", 5)]))).codes == ["FORBIDDEN"]


async def test_who_follows_a_balance_is_woken_by_the_familys_money_and_sees_the_same(town: Town) -> None:
    await town.pays("dupont", "periscolaire", 50_06)
    told = (await town.asks('{ balanceChangedWatch(family: "dupont") { account structure topics due last } }')).data
    assert told == {
        "balanceChangedWatch": {
            "account": JEAN_PAUL.account,
            "structure": "carteville",
            "topics": ["family/dupont"],
            "due": True,
            "last": False,
        }
    }
    followed = (await town.asks('{ balanceChanged(family: "dupont") { balanceCents lines { wallet { name } balanceCents } } }')).data
    assert followed is not None
    assert followed["balanceChanged"]["balanceCents"] == 50_06
    asked = (await town.represents("balance { balanceCents lines { wallet { name } balanceCents } }", DUPONT)).data
    assert [{"balance": followed["balanceChanged"]}] == asked


async def test_nobody_follows_anothers_balance(town: Town) -> None:
    for query in ('{ balanceChanged(family: "dupont") { inDebit } }', '{ balanceChangedWatch(family: "dupont") { topics } }'):
        assert (await town.asks(query, caller=STRANGER)).codes == ["FORBIDDEN"]
        assert (await town.asks(query, caller=FOREIGN_AGENT)).codes == ["FORBIDDEN"]
        assert (await town.asks(query, caller=None)).codes == ["UNAUTHENTICATED"]
        assert (await town.asks(query, caller=AGENT)).codes == []


async def test_the_subgraph_itself_streams_nothing(town: Town) -> None:
    context = Context(town.running, JEAN_PAUL, "fr")
    codes = []
    async for result in await schema.subscribe('subscription { balanceChanged(family: "dupont") { balanceCents } }', context_value=context):
        codes += [getattr(error.original_error, "code", None) for error in result.errors or []]
    assert codes == ["SUBSCRIBE_AT_THE_GATEWAY"]


async def test_a_hundred_families_are_one_statement_of_each_kind(town: Town) -> None:
    statements: list[str] = []
    engine = town.running.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    many = [{"__typename": "Family", "id": f"family-{n}"} for n in range(100)]
    caller = Caller("x", "x", {one["id"]: "carteville" for one in many}, frozenset(), "fr", 2e9)
    answer = await town.represents(BALANCE % "", *many, caller=caller)
    assert len(answer.data) == 100
    assert len(statements) <= 7
    statements.clear()
    lines = [line("BOOK", "amalia", date=MONDAY + dt.timedelta(n)) for n in range(100)]
    assert len((await town.represents(PRICE, *lines)).data) == 100
    assert len(statements) <= 8
