"""The provider of demonstrations and tests: deploy/sandbox.py plays its part. It speaks in two ways.

`Sandbox` signs its notifications (Standard Webhooks) and makes one page of one order. `Unsigned` is as PayFiP, the French treasury's:
a notification is `idop=...` without any signature, and a status is one of its codes: P5 is unpaid or in progress, P1 is forgotten since
the night, V or P paid, R or Z refused, A called off.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs

from services.billing.online import OnlinePaymentStatus, Told
from services.billing.provider import Capabilities, Notice, Order, Page, ProviderTrouble, cents, exchange, line, read_json, text
from services.standard_webhooks import is_standard

UNCERTAIN = frozenset({"P5", "P1"})
RESULTS = {
    "V": OnlinePaymentStatus.PAID,
    "P": OnlinePaymentStatus.PAID,
    "R": OnlinePaymentStatus.REFUSED,
    "Z": OnlinePaymentStatus.REFUSED,
    "A": OnlinePaymentStatus.CANCELLED,
}


class Sandbox:
    name = "sandbox"
    can = Capabilities()

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._secret = secret

    async def start(self, order: Order) -> Page:
        answer = read_json((await exchange("POST", f"{self._url}/api/sessions", json=asdict(order))).content)
        return Page(text(answer, "id"), text(answer, "url"))

    def read(self, headers: Mapping[str, str], body: bytes, now: float) -> Notice | None:
        if not is_standard(self._secret, headers, body, now):
            return None
        told = _object(body)
        session = told.get("session")
        return Notice(session) if isinstance(session, str) else None

    async def ask(self, session: str) -> Told | None:
        answer = await exchange("GET", f"{self._url}/api/sessions/{session}")
        if answer.status_code == 404:
            return None
        told = read_json(answer.content)
        status = text(told, "status")
        if status not in OnlinePaymentStatus.__members__:
            raise ProviderTrouble(f"a status {status!r}")
        what = cents(told, "amount_cents"), line(told, "currency"), line(told, "order"), line(told, "reference")
        return Told(OnlinePaymentStatus(status), *what)


class Unsigned:
    name = "sandbox-unsigned"
    can = Capabilities(min_cents=1_00, signed=False)

    def __init__(self, url: str) -> None:
        self._url = url

    async def start(self, order: Order) -> Page:
        answer = read_json((await exchange("POST", f"{self._url}/payfip/operations", json=asdict(order))).content)
        return Page(text(answer, "idop"), text(answer, "url"))

    def read(self, headers: Mapping[str, str], body: bytes, now: float) -> Notice | None:
        try:
            told = parse_qs(body.decode("latin-1"), max_num_fields=20).get("idop")
        except ValueError:  # More fields than anybody needs.
            return None
        return Notice(told[0]) if told and len(told) == 1 else None

    async def ask(self, session: str) -> Told | None:
        answer = await exchange("GET", f"{self._url}/payfip/operations/{session}")
        if answer.status_code == 404:
            return None
        told = read_json(answer.content)
        if told.get("code") in UNCERTAIN:
            return None
        result = RESULTS.get(text(told, "resultrans"))
        if result is None:
            raise ProviderTrouble(f"a result {told['resultrans']!r}")
        number = line(told, "numauto")
        reference = number and f"{text(told, 'numcli')}-N°AUTO:{number}"
        return Told(result, cents(told, "montant"), "EUR", line(told, "refdet"), reference)


def _object(body: bytes) -> dict[str, Any]:
    try:
        return read_json(body)
    except ProviderTrouble:
        return {}
