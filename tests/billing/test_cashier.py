"""S16 to S19: a family pays online, and the money is in its wallets once, whatever the provider and the network do."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.applications import Starlette

from services.billing import cashier, paying
from services.billing.cashier import providers_of
from services.billing.invariants import violations
from services.billing.notices import ROUTES
from services.billing.online import OPEN
from services.billing.paying import MOST_OPEN
from services.billing.sandbox import Sandbox, Unsigned
from services.billing.stripe import Stripe
from services.billing.tables import OnlinePayment, PaymentNotice
from services.events import PaymentFailed, PaymentReceived, PaymentSettled
from services.settings import Settings, SettingsError
from tests.billing.bank import ASK, REFERENCE, START, Bank, Till
from tests.billing.conftest import AGENT, JEAN_PAUL, NOW, STRANGER, Town

HISTORY = 'payments(month: "2026-11") { totalCents payments { date mode reference payer bank wallet { id } amountCents } }'
ACCESS = "paymentAccess { open leastCents mostCents underWay { id amountCents status } refusal { code message } }"
DUPONT = {"__typename": "Family", "id": "dupont"}
SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBzYW5kYm94LCBsb25n"


@pytest.fixture
async def till(town: Town) -> Till:
    one = Till(town, Bank())
    await one.opens()
    return one


# ----------------------------------------------------------------------------------------------------------------- start
async def test_s16_s19_paid_it_stands_in_the_history_once_as_the_guide_shows_it(till: Till) -> None:
    """S11: 29/01/2017 INTERNET 3150-N°AUTO:445401, POUR .GUIDE CARTE+, PAR INTERNET, 150,00; here in two wallets (S16)."""
    told = await till.starts()
    assert told == {"__typename": "OnlinePayment", "id": told["id"], "status": "STARTED", "amountCents": 150_00,
                    "redirectUrl": "http://bank/s0", "reference": None}  # fmt: skip
    order = till.bank.orders["s0"]
    assert (order.payment, order.amount_cents, order.email, order.language) == (told["id"], 150_00, "guide@example.org", "fr")
    assert order.title == 'Multiaccueil "Les Tagazoux", PERISCOLAIRE'
    assert order.notify_url == "http://127.0.0.1:8000/payments/notices/bank"
    assert order.return_url == f"http://127.0.0.1:8000/paiement/{told['id']}"
    till.bank.comes_to("PAID")
    assert await till.credited() == [], "nothing is believed but the provider's answer"
    assert await till.later(seconds=5) == 1
    assert await till.later(days=2) == 0, "nobody asks any more"
    assert await till.credited() == [("multiaccueil", 50_00), ("periscolaire", 100_00)]
    (answer,) = (await till.town.represents(HISTORY, DUPONT)).data
    history = answer["payments"]
    assert history["totalCents"] == 150_00
    line = {"date": "2026-11-23", "mode": "INTERNET", "reference": REFERENCE, "payer": "POUR .GUIDE CARTE+", "bank": "PAR INTERNET"}
    assert {(one["wallet"]["id"], one["amountCents"]) for one in history["payments"]} == {("periscolaire", 100_00), ("multiaccueil", 50_00)}
    assert all({key: one[key] for key in line} == line for one in history["payments"])
    assert (await till.town.asks(ASK, id=told["id"])).data["onlinePayment"]["reference"] == REFERENCE
    assert await till.ends() == ["PAID"]
    await till.town.is_sound()


async def test_s17_more_than_is_owed_feeds_the_wallet_in_advance(till: Till) -> None:
    """S16: 50,06 and 102,61 to come; 52,55 is suggested, 152,55 is paid, and 100,00 are left."""
    await till.town.pays("dupont", "periscolaire", 50_06)
    await till.starts(("periscolaire", 152_55))
    till.bank.comes_to("PAID")
    await till.later(seconds=5)
    answer = (await till.town.represents("balance { balanceCents }", DUPONT)).data
    assert answer == [{"balance": {"balanceCents": 202_61}}]


async def test_s18_without_any_address_one_is_asked_for(till: Till) -> None:
    martin = {"family": "martin", "caller": STRANGER}
    assert (await till.starts(**martin))["code"] == "EMAIL_REQUIRED"
    assert (await till.starts(**martin, email=""))["code"] == "EMAIL_REQUIRED"
    for none in ("x@" + "y" * 300 + ".fr", "zoe@example", "a@example.org, b@example.org", "a@example.org\r\nBcc: b@example.org"):
        assert (await till.starts(**martin, email=none))["code"] == "EMAIL_REQUIRED"
    assert (await till.starts(**martin, email="zoe@example.org"))["__typename"] == "OnlinePayment"
    assert till.bank.orders["s0"].email == "zoe@example.org"
    assert (await till.row(till.bank.orders["s0"].payment)).payer == "POUR MARTIN ZOÉ"


async def test_s18_the_address_that_was_given_gets_the_receipt_and_is_kept_no_longer_than_it_is_needed(till: Till) -> None:
    """Also where the account has another one."""
    ends = (("PAID", None), ("CANCELLED", "ended@example.org"), ("CANCELLED", "later@example.org"))
    ids = [str((await till.starts(key=str(number), email=email or "other@example.org"))["id"]) for number, (_, email) in enumerate(ends)]
    own = str((await till.starts(key="own"))["id"])
    for number, (status, _) in enumerate(ends):
        till.bank.comes_to(status, f"s{number}")
    await till.later(seconds=5)
    assert [(await till.row(id)).email for id in ids] == [None, "ended@example.org", "later@example.org"]
    till.bank.comes_to("PAID", "s2")
    till.bank.comes_to("PAID", "s3")
    await till.later(hours=1)
    told = {event["payment"]: (event["account"], event["email"]) for event in await till.town.said(PaymentReceived)}
    assert told == {ids[0]: ("dupont", "other@example.org"), ids[2]: ("dupont", "later@example.org"), own: ("dupont", "guide@example.org")}
    for _ in range(3):
        await till.later(days=1)
    assert [(await till.row(id)).email for id in (*ids, own)] == [None] * 4


async def test_a_family_sees_whether_it_can_pay_online_and_what_it_has_begun(till: Till) -> None:
    """Of what ended, ran out or is in trouble nobody has a page any more."""

    async def access(caller: Any = JEAN_PAUL) -> Any:
        answer = await till.town.represents(ACCESS, DUPONT, caller=caller)
        return answer.codes or answer.data[0]["paymentAccess"]

    assert await access() == {"open": True, "refusal": None, "leastCents": 1_00, "mostCents": 1_000_000_00, "underWay": []}
    first, second = [str((await till.starts(key=key))["id"]) for key in ("first", "second")]
    begun = (await access())["underWay"]
    assert {one["id"] for one in begun} == {first, second}
    assert {(one["amountCents"], one["status"]) for one in begun} == {(150_00, "STARTED")}
    till.bank.comes_to("PAID")
    await till.later(seconds=5)
    assert [one["id"] for one in (await access(AGENT))["underWay"]] == [second]
    await till.later(hours=26)
    assert (await access())["underWay"] == []
    assert await access(STRANGER) == ["FORBIDDEN"]
    till.town.running.resources[cashier.PROVIDERS] = {}
    refused = await access()
    assert (refused["open"], refused["leastCents"], refused["refusal"]["code"]) == (False, None, "PAYMENT_UNAVAILABLE")


async def test_an_agent_pays_for_a_family_with_an_address_that_is_told(till: Till) -> None:
    assert (await till.starts(caller=AGENT))["code"] == "EMAIL_REQUIRED"
    told = await till.starts(caller=AGENT, email="mairie@example.org")
    assert (await till.row(told["id"])).payer == "POUR .GUIDE CARTE+"


async def test_the_same_key_is_one_payment_and_another_content_is_refused(till: Till) -> None:
    first = await till.starts()
    assert await till.starts() == first
    assert await till.starts(("multiaccueil", 50_00), ("periscolaire", 100_00)) == first, "in whatever order"
    assert (await till.starts(("periscolaire", 150_00)))["__typename"] == "IdempotencyKeyReused"
    assert (await till.starts(email="other@example.org"))["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await till.starts(key="twice" * 100_000))["id"] != first["id"]
    assert len(till.bank.orders) == 2


async def test_s19_a_double_click_leads_to_one_page(till: Till) -> None:
    """PayFiP makes a new page at each call: only the first that was noted is shown, and only that one is asked about."""
    pages = await asyncio.gather(*(till.starts() for _ in range(4)))
    assert len({(page["id"], page["redirectUrl"]) for page in pages}) == 1
    for session in till.bank.orders:
        till.bank.comes_to("PAID", session)
    await till.later(seconds=5)
    assert await till.credited() == [("multiaccueil", 50_00), ("periscolaire", 100_00)]
    await till.town.is_sound()


async def test_s19_the_control_without_the_first_page_counting_two_are_shown(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    async def last_page_counts(session: AsyncSession, clock: Any, id: str, page: Any) -> OnlinePayment:
        row = await session.get_one(OnlinePayment, id)
        row.session, row.url = page.session, page.url
        return row

    started = asyncio.Barrier(2)
    pages = till.bank.start

    async def start_together(order: Any) -> Any:
        await started.wait()
        return await pages(order)

    monkeypatch.setattr(paying, "record_page", last_page_counts)
    monkeypatch.setattr(till.bank, "start", start_together)
    shown = await asyncio.gather(*(till.starts() for _ in range(2)))
    assert len({page["redirectUrl"] for page in shown}) == 2


async def test_a_family_has_so_many_pages_at_one_time_and_no_more(till: Till) -> None:
    """Each is one on which it may pay. What ended, or nobody can pay any more, does not count; another family's never did."""
    for number in range(MOST_OPEN):
        assert (await till.starts(key=str(number)))["__typename"] == "OnlinePayment"
    told = await till.starts(key="more")
    assert (told["__typename"], told["code"]) == ("TooManyOpenPayments", "TOO_MANY_OPEN_PAYMENTS")
    assert told["message"].startswith("10 paiements en ligne sont déjà en cours")
    assert (await till.starts(key="0"))["redirectUrl"] == "http://bank/s0", "a repeat is none more"
    assert (await till.starts(key="0", family="martin", caller=STRANGER, email="zoe@example.org"))["__typename"] == "OnlinePayment"
    till.bank.comes_to("CANCELLED", "s1")
    till.bank.comes_to("PAID", "s2", amount_cents=1)
    await till.later(seconds=5)
    for key in ("more", "and more"):
        assert (await till.starts(key=key))["__typename"] == "OnlinePayment"
    assert (await till.starts(key="even more", language="en"))["message"].startswith("Your family has 10 online payments under way")
    till.bank.away = True
    await till.later(hours=26)
    till.bank.away = False
    assert (await till.starts(key="the next day"))["__typename"] == "OnlinePayment", "whether their ends were heard of or not"


async def test_a_page_that_the_site_leaves_open_for_ever_runs_out_and_may_still_be_paid(till: Till) -> None:
    id = (await till.starts())["id"]
    await till.later(hours=24)
    assert await till.status(id) == "STARTED"
    await till.later(hours=3)
    assert (await till.status(id), await till.ends()) == ("EXPIRED", ["EXPIRED"])
    till.bank.comes_to("PAID")
    await till.later(hours=1)
    assert (await till.status(id), await till.ends()) == ("PAID", ["EXPIRED", "PAID"])
    assert [event["version"] for event in await till.town.said(PaymentSettled)] == [1, 2], "who hears them in any order keeps the last"
    assert len(await till.credited()) == 2


async def test_two_clicks_at_once_are_within_the_limit(till: Till) -> None:
    for number in range(MOST_OPEN - 1):
        await till.starts(key=str(number))
    told = await asyncio.gather(*(till.starts(key=f"last {number}") for number in range(4)))
    assert sorted(one["__typename"] for one in told) == ["OnlinePayment", *["TooManyOpenPayments"] * 3]


async def test_amounts_that_the_provider_does_not_take(till: Till) -> None:
    till.bank.can = type(till.bank.can)(min_cents=1_00, max_cents=1_000_00)
    for cents in (99, 1_000_01):
        told = await till.starts(("periscolaire", cents), language="fr")
        assert (told["__typename"], told["code"]) == ("InvalidAmount", "INVALID_AMOUNT")
        assert told["message"] == "On paie en ligne de 1,00 € à 1000,00 €."
    assert (await till.starts(("periscolaire", 1_00), key="least"))["__typename"] == "OnlinePayment"
    assert (await till.starts(("periscolaire", 2**31 - 1), ("multiaccueil", 2**31 - 1), key="most"))["code"] == "INVALID_AMOUNT"


async def test_a_provider_that_is_away_is_tried_again_with_the_same_key(till: Till) -> None:
    till.bank.away = True
    told = await till.starts()
    assert (told["__typename"], told["code"]) == ("PaymentUnavailable", "PAYMENT_UNAVAILABLE")
    till.bank.away = False
    assert (await till.starts())["redirectUrl"] == "http://bank/s0"


async def test_one_that_never_had_a_page_runs_out_unseen(till: Till) -> None:
    till.bank.away = True
    await till.starts()
    async with till.running.database.reading() as session:
        (row,) = (await session.exec(select(OnlinePayment))).all()
    assert (await till.town.asks(ASK, id=row.id)).data == {"onlinePayment": None}
    assert await till.later(hours=2) == 1
    assert await till.ends() == ["EXPIRED"]
    till.bank.away = False
    assert (await till.starts())["code"] == "PAYMENT_UNAVAILABLE", "its key has had its answer"
    assert till.bank.orders == {}
    await till.later(days=2)
    await till.town.is_sound()


async def test_nobody_sees_anothers_payment(till: Till) -> None:
    id = (await till.starts())["id"]
    entity = {"__typename": "OnlinePayment", "id": id}
    for caller in (JEAN_PAUL, AGENT):
        assert (await till.town.asks(ASK, id=id, caller=caller)).data["onlinePayment"]["id"] == id
        assert (await till.town.represents("status", entity, caller=caller)).data == [{"status": "STARTED"}]
    assert (await till.town.asks(ASK, id=id, caller=STRANGER)).data == {"onlinePayment": None}
    assert (await till.town.asks(ASK, id="nothing")).data == {"onlinePayment": None}
    assert (await till.town.asks(ASK, id=id, caller=None)).codes == ["UNAUTHENTICATED"]
    assert (await till.town.represents("status", entity, caller=STRANGER)).data == [None]
    assert (await till.town.asks(START, input={"family": "dupont", "lines": [], "idempotencyKey": "k"}, caller=STRANGER)).codes == [
        "FORBIDDEN"
    ]


# ---------------------------------------------------------------------------------------------------------------- status
@pytest.mark.parametrize("status", ["REFUSED", "CANCELLED", "EXPIRED"])
async def test_s19_what_is_not_paid_credits_nothing(till: Till, status: str) -> None:
    id = (await till.starts())["id"]
    till.bank.comes_to(status)
    for _ in range(8):
        await till.later(minutes=10)
    assert await till.status(id) == status
    assert (await till.credited(), await till.ends()) == ([], [status])
    await till.town.is_sound()


@pytest.mark.parametrize(("status", "told"), [("REFUSED", True), ("EXPIRED", True), ("CANCELLED", False), ("PAID", False)])
@pytest.mark.parametrize("email", [None, "here@example.org"])
async def test_s19_who_paid_is_told_once_that_nothing_came_but_not_of_what_they_called_off(
    till: Till, status: str, told: bool, email: str | None
) -> None:
    given = {} if email is None else {"email": email}
    id = (await till.starts(**given))["id"]
    till.bank.comes_to(status)
    for _ in range(8):
        await till.later(minutes=10)
    facts = ("payment", "family", "account", "email", "amount_cents", "status", "date")
    said = [tuple(event[fact] for fact in facts) for event in await till.town.said(PaymentFailed)]
    address = email or "guide@example.org"
    assert said == ([(id, "dupont", "dupont", address, 150_00, status, NOW.date())] if told else [])


async def test_s19_a_page_that_nobody_paid_on_is_told_of_when_it_ran_out_and_a_receipt_may_follow(till: Till) -> None:
    await till.starts()
    await till.later(hours=24)
    assert await till.town.said(PaymentFailed) == []
    await till.later(hours=3)
    assert [event["status"] for event in await till.town.said(PaymentFailed)] == ["EXPIRED"]
    till.bank.comes_to("PAID")
    await till.later(hours=1)
    assert len(await till.town.said(PaymentFailed)) == len(await till.town.said(PaymentReceived)) == 1


@pytest.mark.parametrize("before", ["CANCELLED", "EXPIRED"])
async def test_s19_paid_after_it_was_over_it_is_credited(till: Till, before: str) -> None:
    id = (await till.starts())["id"]
    till.bank.comes_to(before)
    await till.later(seconds=5)
    assert await till.status(id) == before
    till.bank.comes_to("PAID")
    await till.later(minutes=3)
    assert await till.status(id) == "PAID"
    assert len(await till.credited()) == 2
    assert await till.ends() == [before, "PAID"]
    await till.town.is_sound()


@pytest.mark.parametrize(("before", "credited"), [("CANCELLED", 2), ("EXPIRED", 2), ("REFUSED", 0)])
async def test_s19_a_notification_is_heard_however_late_it_comes(till: Till, door: httpx2.AsyncClient, before: str, credited: int) -> None:
    """Also when nobody asks any more. What came after a refusal credits nobody, and an agent is told."""
    id = (await till.starts())["id"]
    till.bank.comes_to(before)
    await till.later(seconds=5)
    for _ in range(8):
        await till.later(hours=24)
    assert (await till.row(id)).look_at is None
    till.bank.comes_to("PAID")
    assert (await door.post("/payments/notices/bank", content=b"s0")).status_code == 200
    await till.later(seconds=1)
    assert len(await till.credited()) == credited
    assert (await till.row(id)).trouble == (None if credited else "AFTER_REFUSAL")
    await till.town.is_sound()


@pytest.mark.parametrize("other", [{"amount_cents": 150_01}, {"amount_cents": 1}, {"currency": "USD"}, {"order": "another"}])
async def test_s19_other_money_credits_nobody_and_is_kept_for_an_agent(till: Till, other: dict[str, Any]) -> None:
    id = (await till.starts())["id"]
    till.bank.comes_to("PAID", **other)
    await till.later(seconds=5)
    assert (await till.credited(), await till.ends()) == ([], [])
    assert (await till.row(id)).trouble == "OTHER_MONEY"
    till.bank.comes_to("PAID")
    await till.later(hours=3)
    assert len(await till.credited()) == 2, "what is right in the end counts"
    assert (await till.row(id)).trouble is None
    await till.town.is_sound()


async def test_s19_what_the_provider_knows_nothing_of_is_over_after_two_hours_and_may_still_be_paid(till: Till) -> None:
    id = (await till.starts())["id"]
    till.bank.forgets()
    await till.later(minutes=119)
    assert await till.status(id) == "STARTED"
    await till.later(minutes=3)
    assert await till.status(id) == "EXPIRED"
    till.bank.comes_to("PAID")
    await till.later(hours=1)
    assert await till.status(id) == "PAID"
    await till.town.is_sound()


async def test_a_provider_that_does_not_answer_is_asked_again_soon(till: Till) -> None:
    await till.starts()
    till.bank.comes_to("PAID")
    till.bank.away = True
    for _ in range(200):
        assert await till.later(seconds=61) == 1, "within a minute"
    assert till.now > (await till.row(till.bank.orders["s0"].payment)).started_at + OPEN
    till.bank.away = False
    await till.later(seconds=61)
    assert len(await till.credited()) == 2
    assert await till.ends() == ["PAID"]


async def test_a_provider_that_was_taken_out_of_the_settings_stops_nobody_else(till: Till) -> None:
    await till.starts()
    other = Bank("other")
    till.running.resources[cashier.PROVIDERS] = {"other": other}
    await till.starts(key="two")
    other.comes_to("PAID")
    assert await till.later(seconds=5) == 2
    assert len(await till.credited()) == 2


async def test_who_died_while_asking_is_replaced_after_a_quarter_of_a_minute(till: Till) -> None:
    await till.starts()
    till.bank.comes_to("PAID")
    till.now += dt.timedelta(seconds=5)
    till.running.clock = type(till.running.clock)(frozen_at=till.now)
    async with till.running.database.transaction() as session:
        assert len(await paying.claim(session, till.running.clock, 10)) == 1
    assert await till.later(seconds=14) == 0
    assert await till.later(seconds=1) == 1
    assert len(await till.credited()) == 2


# --------------------------------------------------------------------------------------------------------------- notices
@pytest.fixture
async def door(till: Till) -> AsyncIterator[httpx2.AsyncClient]:
    app = Starlette(routes=ROUTES)
    app.state.running = till.running
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://billing") as client:
        yield client


async def notices(till: Till) -> list[bytes]:
    async with till.running.database.reading() as session:
        return [notice.body for notice in await session.exec(select(PaymentNotice))]


async def test_a_notice_is_kept_as_it_came_and_only_means_that_somebody_asks(till: Till, door: httpx2.AsyncClient) -> None:
    await till.starts()
    assert (await door.post("/payments/notices/bank", content=b"s0")).status_code == 200
    assert (await till.credited(), await notices(till)) == ([], [b"s0"])
    assert till.running.resources[cashier.WOKEN].is_set()
    assert await till.later() == 1, "at once"
    assert await till.credited() == [], "the provider says that it is still open"
    till.bank.comes_to("PAID")
    for _ in range(3):
        assert (await door.post("/payments/notices/bank", content=b"s0")).status_code == 200
    assert await till.later() == 0, "however many come, it has a second's rest"
    assert await till.later(seconds=1) == 1
    assert len(await till.credited()) == 2
    assert await notices(till) == [b"s0"]
    assert (await door.post("/payments/notices/bank", content=b"s0")).status_code == 200
    assert await till.later(seconds=1) == 0
    await till.town.is_sound()


async def test_what_is_no_notice_of_ours_changes_nothing(till: Till, door: httpx2.AsyncClient) -> None:
    await till.starts()
    for content, status in ((b"", 400), (b"s0\n", 400), ("é".encode(), 400), (b"s0\x00", 400), (b"s7", 200), (b"x" * 70_000, 413)):
        assert (await door.post("/payments/notices/bank", content=content)).status_code == status
    assert (await door.post("/payments/notices/nobody", content=b"s0")).status_code == 404
    assert (await door.get("/payments/notices/bank")).status_code == 405
    assert await notices(till) == []
    assert await till.later() == 0


async def test_a_flood_of_notices_fills_nothing(till: Till, door: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paying, "MOST_NOTICES", 3)
    monkeypatch.setattr(till.bank, "read", lambda headers, body, now: type("Notice", (), {"session": "s0"})())
    await till.starts()
    for number in range(6):
        assert (await door.post("/payments/notices/bank", content=b"s0 %d" % number)).status_code == 200
    assert len(await notices(till)) == 3
    assert await till.later() == 1


async def test_a_notice_that_comes_while_the_provider_is_asked_is_not_lost(till: Till, door: httpx2.AsyncClient) -> None:
    """What it said a moment ago is no longer true: without another look at once, the money would come at the next regular one."""
    await till.starts()
    await till.later(hours=1)

    async def meanwhile_it_is_paid() -> None:
        till.bank.comes_to("PAID")
        till.bank.before_answer = None
        await door.post("/payments/notices/bank", content=b"s0")

    till.bank.before_answer = meanwhile_it_is_paid
    await till.later(hours=1)
    assert await till.credited() == []
    assert await till.later(seconds=1) == 1
    assert len(await till.credited()) == 2


# ----------------------------------------------------------------------------------------------------------------- races
async def test_s19_two_reconcilers_that_hear_the_same_at_once_credit_once(till: Till) -> None:
    await till.starts()
    till.bank.comes_to("PAID")
    both = asyncio.Barrier(2)
    till.bank.before_answer = both.wait
    await till.asks_together(2)
    assert await till.credited() == [("multiaccueil", 50_00), ("periscolaire", 100_00)]
    assert await till.ends() == ["PAID"]
    await till.town.is_sound()


async def test_s19_the_control_without_the_lock_it_is_told_twice(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sees it STARTED. Even so no wallet is fed twice: an entry's cause is there once."""
    if till.running.database.is_sqlite:
        pytest.skip("SQLite lets one writer in at a time, lock or no lock")
    await till.starts()
    till.bank.comes_to("PAID")
    both, look = asyncio.Barrier(2), AsyncSession.get_one

    async def look_without_lock(session: AsyncSession, table: Any, id: Any, **how: Any) -> Any:
        if table is not OnlinePayment:
            return await look(session, table, id, **how)
        row = await look(session, table, id)
        await both.wait()
        return row

    monkeypatch.setattr(AsyncSession, "get_one", look_without_lock)
    async with till.running.database.reading() as session:
        (row,) = (await session.exec(select(OnlinePayment))).all()
    await asyncio.gather(*(cashier.ask(till.running, row) for _ in range(2)))
    monkeypatch.undo()
    assert await till.ends() == ["PAID", "PAID"]
    assert len(await till.credited()) == 2


async def test_two_replicas_share_what_is_due(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paying, "MOST_OPEN", 20)
    for number in range(20):
        await till.starts(key=str(number))
        till.bank.comes_to("PAID", f"s{number}")
    till.now += dt.timedelta(seconds=5)
    till.running.clock = type(till.running.clock)(frozen_at=till.now)
    looked = await asyncio.gather(*(cashier.look(till.running) for _ in range(4)))
    assert sum(looked) == 20
    assert sorted(till.bank.asked) == sorted(till.bank.orders)
    assert len(await till.credited()) == 40


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["PAID", "REFUSED", "CANCELLED", "EXPIRED", "STARTED", "nothing", "away", "back"]),
        st.sampled_from(["seconds", "minutes", "hours"]),
        st.sampled_from(["notice", "together"]),
    ),
    max_size=14,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_s19_whatever_happens_it_is_credited_once_if_it_was_ever_paid(till: Till, steps: list[str]) -> None:
    """Then all is well again for some days: what the provider says last is what the wallets say, unless it was refused before."""
    before = len(await till.credited())
    till.bank.orders.clear()
    till.bank.away = False
    id = (await till.starts(key=str(steps) + str(before) + str(till.now)))["id"]
    for step in steps:
        await till.lives_through(step)
    till.bank.away = False
    for _ in range(4):
        await till.later(days=1)
    status = await till.status(id)
    assert (len(await till.credited()) - before) == (2 if status == "PAID" else 0)
    said = till.bank.says["s0"]
    if said is not None and said.status == "PAID" and status != "REFUSED":
        assert status == "PAID" or (await till.row(id)).look_at is None, "and who paid days after the end is seen by an agent"
    await till.town.is_sound()
    async with till.running.database.engine.begin() as connection:  # a new page for the next story
        await connection.execute(text("UPDATE online_payment SET session = id"))


# ------------------------------------------------------------------------------------------------------------ invariants
@pytest.mark.parametrize(
    ("sabotage", "sentence"),
    [
        ("UPDATE online_payment SET status = 'REFUSED'", "feeds a wallet and was not paid"),
        ("UPDATE online_payment SET family = 'martin'", "was paid and feeds no wallet, or another, or with other cents"),
        ("UPDATE online_payment SET amount_cents = 1", "is over 1 cents, its lines are not"),
        (
            "UPDATE online_payment SET lines = '[[\"periscolaire\", 15000]]'",
            "was paid and feeds no wallet, or another, or with other cents",
        ),
    ],
)
async def test_every_sabotage_is_seen(till: Till, sabotage: str, sentence: str) -> None:
    await till.starts()
    till.bank.comes_to("PAID")
    await till.later(seconds=5)
    await till.town.is_sound()
    async with till.running.database.engine.begin() as connection:
        await connection.execute(text(sabotage))
    async with till.running.database.reading() as session:
        found = await violations(session)
    assert any(sentence in one for one in found), found


# -------------------------------------------------------------------------------------------------------------- settings
def provided(**environ: str) -> list[type]:
    return [type(one) for one in providers_of(Settings.from_environment(environ)).values()]


def test_providers_are_named_in_the_settings() -> None:
    sandbox = {"SANDBOX_URL": "http://sandbox", "SANDBOX_SECRET": SECRET}
    assert provided() == []
    assert provided(PREAU_PAYMENT_PROVIDER="sandbox-unsigned, sandbox", **sandbox) == [Unsigned, Sandbox]
    assert provided(PREAU_PAYMENT_PROVIDER="stripe", STRIPE_API_KEY="sk", STRIPE_WEBHOOK_SECRET="whsec") == [Stripe]
    for environ, trouble in (
        ({"PREAU_PAYMENT_PROVIDER": "paypal"}, "not 'paypal'"),
        ({"PREAU_PAYMENT_PROVIDER": "sandbox", "SANDBOX_SECRET": SECRET}, "payment by sandbox needs SANDBOX_URL"),
        ({"PREAU_PAYMENT_PROVIDER": "sandbox", "SANDBOX_URL": "http://sandbox"}, "payment by sandbox needs SANDBOX_SECRET"),
        ({"PREAU_PAYMENT_PROVIDER": "sandbox", **sandbox, "SANDBOX_SECRET": "whsec_short"}, "24 bytes or more"),
        ({"PREAU_PAYMENT_PROVIDER": "stripe", "STRIPE_API_KEY": "sk"}, "payment by stripe needs STRIPE_WEBHOOK_SECRET"),
    ):
        with pytest.raises(SettingsError, match=trouble):
            provided(**environ)
