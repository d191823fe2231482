"""S19: how far an online payment comes, whatever its provider says, how often, and in which order."""

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs

import httpx2
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing import provider
from services.billing.online import LONGEST_PAGE, NEXT, OPEN, OnlinePaymentStatus, Outcome, Told, Trouble, next_look, outcome, run_out
from services.billing.provider import Notice, Order, Page, ProviderTrouble
from services.billing.sandbox import Sandbox, Unsigned
from services.billing.stripe import Stripe
from services.standard_webhooks import is_secret, is_standard, standard

STARTED, PAID, REFUSED, CANCELLED, EXPIRED = OnlinePaymentStatus
AT = dt.datetime(2026, 11, 23, 7, tzinfo=dt.UTC)
SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBzYW5kYm94LCBsb25n"
ORDER = Order("p1", 150_00, "guide@example.org", "fr", "Mairie de CarteVille", "http://town/notify", "http://town/back", 1_764_010_800)


def paid(cents: int = 150_00, currency: str = "EUR", order: str = "p1") -> Told:
    return Told(PAID, cents, currency, order, "3150-N°AUTO:445401")


def test_s19_paid_once_with_the_banks_reference() -> None:
    assert outcome("p1", 150_00, STARTED, paid()) == Outcome(PAID, "3150-N°AUTO:445401")
    assert outcome("p1", 150_00, PAID, paid()) == Outcome()


@pytest.mark.parametrize("before", [CANCELLED, EXPIRED])
def test_s19_what_was_called_off_or_ran_out_may_still_be_paid(before: OnlinePaymentStatus) -> None:
    assert outcome("p1", 150_00, before, paid()).status is PAID
    assert outcome("p1", 150_00, before, Told(REFUSED)) == Outcome()


@pytest.mark.parametrize("told", [paid(150_01), paid(currency="USD"), paid(order="p2")])
def test_s19_other_money_than_was_asked_for_credits_nobody(told: Told) -> None:
    assert outcome("p1", 150_00, STARTED, told).status is None
    assert outcome("p1", 150_00, STARTED, told).trouble


def test_money_after_a_refusal_is_shown_to_an_agent() -> None:
    assert outcome("p1", 150_00, REFUSED, paid()) == Outcome(trouble=Trouble.AFTER_REFUSAL)


@pytest.mark.parametrize("status", [CANCELLED, EXPIRED, REFUSED])
def test_s19_what_an_agent_ended_is_never_credited_by_the_site(status: OnlinePaymentStatus) -> None:
    """Who gave money back at the payment site may hear of it as paid for ever; anything else is shown again."""
    assert outcome("p1", 150_00, status, paid(150_01), paid(150_01)) == Outcome()
    assert outcome("p1", 150_00, status, paid(), paid(150_01)) == Outcome(trouble=Trouble.AFTER_END)
    assert outcome("p1", 150_00, status, paid(), Told(PAID)) == Outcome(trouble=Trouble.AFTER_END)


@given(st.lists(st.one_of(st.builds(Told, st.sampled_from(OnlinePaymentStatus)), st.builds(paid, st.sampled_from([150_00, 1])))))
def test_nothing_moves_it_back_and_it_is_paid_once(words: list[Told]) -> None:
    status, credits = STARTED, 0
    for told in words:
        after = outcome("p1", 150_00, status, told).status
        if after is not None:
            assert after in NEXT[status]
            credits += after is PAID
            status = after
    assert credits == (status is PAID)
    assert credits <= (paid() in words)


@given(st.sampled_from(OnlinePaymentStatus), st.integers(0, 10**7))
def test_what_may_still_move_is_looked_at_again_later(status: OnlinePaymentStatus, seconds: int) -> None:
    now = AT + dt.timedelta(seconds=seconds)
    again = next_look(status, AT, now)
    assert again is None or again > now
    assert (again is None) <= (status is not STARTED)


def test_one_of_which_nothing_is_known_is_over_after_two_hours() -> None:
    assert not run_out(STARTED, AT, AT + OPEN - dt.timedelta(seconds=1))
    assert run_out(STARTED, AT, AT + OPEN)
    assert not run_out(PAID, AT, AT + OPEN)
    assert not run_out(STARTED, AT, AT + OPEN, is_open=True), "the site says that its page is open"
    assert run_out(STARTED, AT, AT + LONGEST_PAGE, is_open=True)


# ------------------------------------------------------------------------------------------------------------- providers
NOW = 1_764_000_000


def test_a_notification_is_believed_to_be_the_sandboxs_only_with_its_signature() -> None:
    body = orjson.dumps({"session": "s1"})
    headers = standard(SECRET, "m1", NOW, body)
    box = Sandbox("http://sandbox", SECRET)
    assert box.read(headers, body, NOW) == Notice("s1")
    assert box.read(headers, body.replace(b"s1", b"s2"), NOW) is None, "changed on the way"
    assert box.read(headers, body, NOW + 301) is None, "replayed later"
    assert box.read({**headers, "webhook-id": "m2"}, body, NOW) is None
    assert box.read(standard("whsec_" + "b3RoZXIgc2VjcmV0IHRoYW4gdGhlIHRvd25z", "m1", NOW, body), body, NOW) is None
    assert box.read({}, body, NOW) is None
    assert box.read({**headers, "webhook-signature": "v1,é v1"}, body, NOW) is None


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of their specification's libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    headers = standard(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert is_standard(secret, headers, body, 1614265330)
    assert is_secret(secret)
    assert not is_secret("whsec_short")


def test_an_unsigned_notification_says_only_whom_to_ask_about() -> None:
    box = Unsigned("http://sandbox")
    assert box.read({}, b"idop=abc&resultrans=P", NOW) == Notice("abc")
    assert box.read({}, b"nothing", NOW) is None


class Spoken:
    """A provider that answers what was written down, and remembers what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, tuple[int, object]]) -> None:
        self.asked: list[httpx2.Request] = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            self.asked.append(request)
            status, body = answers[f"{request.method} {request.url.path}"]
            return httpx2.Response(status, json=body)

        real = httpx2.AsyncClient
        monkeypatch.setattr(provider.httpx2, "AsyncClient", lambda **how: real(transport=httpx2.MockTransport(answer), **how))


PAYFIP = {"numcli": "3150", "refdet": "p1", "montant": "15000"}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"code": "P5"}, None),
        ({"code": "P1"}, None),
        ({**PAYFIP, "resultrans": "P", "numauto": "445401"}, paid()),
        ({**PAYFIP, "resultrans": "R"}, Told(REFUSED, 150_00, "EUR", "p1")),
        ({**PAYFIP, "resultrans": "A"}, Told(CANCELLED, 150_00, "EUR", "p1")),
    ],
)
async def test_the_codes_of_payfip(monkeypatch: pytest.MonkeyPatch, answer: object, told: Told | None) -> None:
    Spoken(monkeypatch, {"GET /payfip/operations/abc": (200, answer)})
    assert await Unsigned("http://sandbox").ask("abc") == told


#: Written by hand from the documentation of Stripe's API: nothing here has spoken with Stripe.
PAGE = {"id": "cs_1", "object": "checkout.session", "url": "https://checkout.stripe.com/c/pay/cs_1", "status": "open"}
PAGE |= {"payment_status": "unpaid", "amount_total": 15000, "currency": "eur", "client_reference_id": "p1", "payment_intent": None}
DONE = {**PAGE, "url": None, "status": "complete", "payment_status": "paid", "payment_intent": "pi_1"}


async def test_stripe_makes_one_page_of_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its idempotency key, which another order has not."""
    spoken = Spoken(monkeypatch, {"POST /v1/checkout/sessions": (200, PAGE)})
    stripe = Stripe("sk_test", "whsec_x")
    assert [await stripe.start(order) for order in (ORDER, ORDER, replace(ORDER, payment="p2"))] == [Page("cs_1", str(PAGE["url"]))] * 3
    first, second, other = spoken.asked
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] != other.headers["idempotency-key"]
    assert (first.headers["authorization"], first.headers["stripe-version"]) == ("Bearer sk_test", "2025-03-31.basil")
    assert parse_qs(first.content.decode()) == {
        "mode": ["payment"],
        "payment_method_types[0]": ["card"],
        "client_reference_id": ["p1"],
        "customer_email": ["guide@example.org"],
        "locale": ["fr"],
        "success_url": ["http://town/back"],
        "cancel_url": ["http://town/back"],
        "expires_at": ["1764010800"],
        "line_items[0][quantity]": ["1"],
        "line_items[0][price_data][currency]": ["eur"],
        "line_items[0][price_data][unit_amount]": ["15000"],
        "line_items[0][price_data][product_data][name]": ["Mairie de CarteVille"],
    }


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (PAGE, Told(STARTED)),
        ({**PAGE, "status": "complete"}, Told(STARTED)),
        ({**PAGE, "status": "expired"}, Told(EXPIRED)),
        (DONE, Told(PAID, 150_00, "EUR", "p1", "pi_1")),
        ({**DONE, "payment_intent": None}, Told(PAID, 150_00, "EUR", "p1", "cs_1")),
        ({**DONE, "currency": "usd", "amount_total": 1}, Told(PAID, 1, "USD", "p1", "pi_1")),
        ({**DONE, "client_reference_id": None}, Told(PAID, 150_00, "EUR", None, "pi_1")),
    ],
)
async def test_what_stripe_says_of_a_page(monkeypatch: pytest.MonkeyPatch, answer: dict[str, object], told: Told) -> None:
    Spoken(monkeypatch, {"GET /v1/checkout/sessions/cs_1": (200, answer)})
    assert await Stripe("sk_test", "whsec_x").ask("cs_1") == told


@pytest.mark.parametrize("status", [400, 401, 402, 409, 429, 500, 503])
async def test_what_stripe_does_not_say_is_asked_again(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    error = {"error": {"type": "api_error", "message": "..."}}
    Spoken(monkeypatch, {"GET /v1/checkout/sessions/cs_1": (status, error), "POST /v1/checkout/sessions": (status, error)})
    with pytest.raises(ProviderTrouble):
        await Stripe("sk_test", "whsec_x").ask("cs_1")
    with pytest.raises(ProviderTrouble):
        await Stripe("sk_test", "whsec_x").start(ORDER)


async def test_a_page_that_stripe_does_not_know_is_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    Spoken(monkeypatch, {"GET /v1/checkout/sessions/cs_1": (404, {"error": {"code": "resource_missing"}})})
    assert await Stripe("sk_test", "whsec_x").ask("cs_1") is None


def signed(body: bytes, at: int = NOW, secret: str = "whsec_x", **more: str) -> dict[str, str]:
    """As Stripe's documentation says: the time, a point and the body."""
    sum_ = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": ",".join([f"t={at}", *(f"{name}={value}" for name, value in more.items()), f"v1={sum_}"])}


def test_a_notification_is_believed_to_be_stripes_only_with_its_signature() -> None:
    body = orjson.dumps({"id": "evt_1", "type": "checkout.session.completed", "data": {"object": DONE}})
    stripe = Stripe("sk_test", "whsec_x")
    assert stripe.read(signed(body), body, NOW) == Notice("cs_1")
    assert stripe.read(signed(body, v0="test", v1="0" * 64), body, NOW) == Notice("cs_1"), "signed by the old and the new secret"
    assert stripe.read(signed(body, NOW - 299), body, NOW) == Notice("cs_1")
    for forged in (
        signed(body, NOW - 301),
        signed(body, NOW + 301),
        signed(body, secret="whsec_y"),
        {"stripe-signature": signed(body)["stripe-signature"].replace(f"t={NOW}", f"t={NOW + 1}")},
        {"stripe-signature": signed(body)["stripe-signature"].replace("v1=", "v0=")},
        {"stripe-signature": "t=,v1="},
        {"stripe-signature": "é"},
        {},
    ):
        assert stripe.read(forged, body, NOW) is None
    assert stripe.read(signed(body), body.replace(b"cs_1", b"cs_2"), NOW) is None, "changed on the way"


@pytest.mark.parametrize("about", [{"id": "pi_1", "object": "payment_intent"}, {"object": "checkout.session"}, "cs_1", None, []])
def test_a_notification_of_stripes_about_something_else_is_about_nothing_of_ours(about: object) -> None:
    body = orjson.dumps({"id": "evt_1", "data": {"object": about}})
    assert Stripe("sk_test", "whsec_x").read(signed(body), body, NOW) is None
    for other in (b"", b"[]", b"{}", b'{"data": []}'):
        assert Stripe("sk_test", "whsec_x").read(signed(other), other, NOW) is None


@pytest.mark.parametrize("amount", [None, "x", True, 1.5, 10**15, "²", {}])
async def test_an_amount_that_is_none_is_no_amount(monkeypatch: pytest.MonkeyPatch, amount: object) -> None:
    """So that it is in trouble, and nobody's payment is asked about in vain for ever."""
    Spoken(monkeypatch, {
        "GET /api/sessions/s1": (200, {"status": "PAID", "amount_cents": amount, "currency": "EU\x00", "order": ["p1"], "reference": 1}),
        "GET /payfip/operations/s1": (200, {"numcli": "3150", "refdet": "p1", "montant": amount, "resultrans": "P"}),
    })  # fmt: skip
    assert await Sandbox("http://sandbox", SECRET).ask("s1") == Told(PAID)
    assert await Unsigned("http://sandbox").ask("s1") == Told(PAID, None, "EUR", "p1")


async def test_a_provider_that_fails_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    Spoken(monkeypatch, {"GET /api/sessions/s1": (503, {})})
    with pytest.raises(ProviderTrouble):
        await Sandbox("http://sandbox", SECRET).ask("s1")


def test_a_notification_with_more_fields_than_anybody_needs_is_not_understood() -> None:
    assert Unsigned("http://127.0.0.1").read({}, b"a=1&" * 25 + b"idop=s0", 0) is None
    assert Unsigned("http://127.0.0.1").read({}, b"a=1&idop=s0", 0) == Notice("s0")
