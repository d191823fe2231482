"""Stripe Checkout, by its documented HTTP API: two requests and a signature."""

import hashlib
from collections.abc import Mapping
from typing import Any

from services.billing.online import OnlinePaymentStatus, Told
from services.billing.provider import Capabilities, Notice, Order, Page, ProviderTrouble, cents, exchange, line, read_json, text
from services.billing.signature import is_stripe

API = "https://api.stripe.com"
VERSION = "2025-03-31.basil"


class Stripe:
    name = "stripe"
    can = Capabilities(min_cents=50)

    def __init__(self, key: str, secret: str, url: str = API) -> None:
        self._headers = {"authorization": f"Bearer {key}", "stripe-version": VERSION}
        self._secret = secret
        self._url = url

    async def start(self, order: Order) -> Page:
        form = {
            "mode": "payment",
            "payment_method_types[0]": "card",  # What is paid on the page, or not at all: no debit that takes days.
            "client_reference_id": order.payment,
            "customer_email": order.email,
            "locale": order.language,
            "success_url": order.return_url,
            "cancel_url": order.return_url,
            "expires_at": str(order.expires_at),
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": "eur",
            "line_items[0][price_data][unit_amount]": str(order.amount_cents),
            "line_items[0][price_data][product_data][name]": order.title,
        }
        again = hashlib.sha256(f"{order.payment}\n{sorted(form.items())}".encode()).hexdigest()
        answer = await exchange("POST", f"{self._url}/v1/checkout/sessions", data=form, headers={**self._headers, "idempotency-key": again})
        told = read_json(answer.content)
        return Page(text(told, "id"), text(told, "url"))

    def read(self, headers: Mapping[str, str], body: bytes, now: float) -> Notice | None:
        if not is_stripe(self._secret, headers, body, now):
            return None
        try:
            about: Any = read_json(body)["data"]["object"]
            return Notice(text(about, "id")) if isinstance(about, dict) and about.get("object") == "checkout.session" else None
        except (ProviderTrouble, KeyError, TypeError):
            return None

    async def ask(self, session: str) -> Told | None:
        answer = await exchange("GET", f"{self._url}/v1/checkout/sessions/{session}", headers=self._headers)
        if answer.status_code == 404:
            return None
        told = read_json(answer.content)
        if told.get("payment_status") == "paid":
            what = cents(told, "amount_total"), text(told, "currency").upper(), line(told, "client_reference_id")
            return Told(OnlinePaymentStatus.PAID, *what, line(told, "payment_intent") or session)
        # A card that is refused may be followed by another on the same page: until it closes, nothing is decided.
        return Told(OnlinePaymentStatus.EXPIRED if told.get("status") == "expired" else OnlinePaymentStatus.STARTED)
