"""A payment provider in the test's own process, which does what it is told: `bank.pays(...)`, `bank.away = True`."""

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from services.billing import cashier, paying
from services.billing.online import OnlinePaymentStatus, Told
from services.billing.provider import Capabilities, Notice, Order, Page, ProviderTrouble
from services.billing.tables import OnlinePayment
from services.clock import Clock
from services.events import Contact, ContactsChanged, EntryPosted, PaymentSettled
from services.service import Running
from tests.billing.conftest import NOW, WHERE, Town

REFERENCE = "3150-N°AUTO:445401"
START = """mutation($input: StartPaymentInput!) { startPayment(input: $input) { __typename
  ... on Refusal { code message } ... on OnlinePayment { id status amountCents redirectUrl reference } } }"""
ASK = "query($id: ID!) { onlinePayment(id: $id) { id status amountCents redirectUrl reference } }"


@dataclass
class Bank:
    """Makes a new page each time, as PayFiP does: nothing but our own care keeps a payment from having two."""

    name: str = "bank"
    can: Capabilities = field(default_factory=lambda: Capabilities(min_cents=1_00))
    orders: dict[str, Order] = field(default_factory=dict)
    says: dict[str, Told | None] = field(default_factory=dict)
    away: bool = False
    asked: list[str] = field(default_factory=list)
    before_answer: Callable[[], Any] | None = None  #: Awaited after the truth was looked up and before it is told.

    async def start(self, order: Order) -> Page:
        if self.away:
            raise ProviderTrouble("away")
        session = f"s{len(self.orders)}"
        self.orders[session] = order
        self.says[session] = Told(OnlinePaymentStatus.STARTED)
        return Page(session, f"http://bank/{session}")

    def read(self, headers: Mapping[str, str], body: bytes, now: float) -> Notice | None:
        return Notice(body.decode()) if body else None

    async def ask(self, session: str) -> Told | None:
        self.asked.append(session)
        if self.away:
            raise ProviderTrouble("away")
        told = self.says.get(session)
        if self.before_answer is not None:
            await self.before_answer()
        return told

    def comes_to(self, status: str, session: str = "s0", **other: Any) -> None:
        """So far it came there. `other`: what else is said than is true."""
        order = self.orders[session]
        told = Told(OnlinePaymentStatus(status), order.amount_cents, "EUR", order.payment, REFERENCE if status == "PAID" else None)
        self.says[session] = replace(told, **other)

    def forgets(self, session: str = "s0") -> None:
        self.says[session] = None


@dataclass
class Till:
    """CarteVille with a payment site. Time passes only when it is told to."""

    town: Town
    bank: Bank
    now: dt.datetime = NOW

    @property
    def running(self) -> Running:
        return self.town.running

    async def opens(self) -> None:
        self.running.resources[cashier.PROVIDERS] = {self.bank.name: self.bank}
        guide = Contact(account="dupont", title="M.", first_name="Carte+", last_name=".Guide", email="guide@example.org", language="fr")
        silent = Contact(account="martin", title=None, first_name="Zoé", last_name="Martin", email=None, language="fr")
        for family, adult in (("dupont", guide), ("martin", silent)):
            await self.town.hears(ContactsChanged(**WHERE, version=1, family=family, adults=[adult], children={}))

    async def starts(self, *lines: tuple[str, int], key: str = "once", family: str = "dupont", **how: Any) -> dict[str, Any]:
        """As the mutation answers."""
        given = {"email": how.pop("email")} if "email" in how else {}
        lines = lines or (("periscolaire", 100_00), ("multiaccueil", 50_00))
        wanted = {"family": family, "idempotencyKey": key, "lines": [{"wallet": wallet, "amountCents": cents} for wallet, cents in lines]}
        answer = await self.town.asks(START, input=wanted | given, **how)
        assert answer.codes == [], answer.codes
        told: dict[str, Any] = answer.data["startPayment"]
        return told

    async def status(self, id: str) -> str:
        told = (await self.town.asks(ASK, id=id)).data["onlinePayment"]
        return str(told["status"])

    async def row(self, id: str) -> OnlinePayment:
        async with self.running.database.reading() as session:
            return await session.get_one(OnlinePayment, id)

    async def later(self, **time: float) -> int:
        """So much time passes, then the reconciler looks; how many it asked about."""
        self.now += dt.timedelta(**time)
        self.running.clock = Clock(frozen_at=self.now)
        return await cashier.look(self.running)

    async def credited(self) -> list[tuple[str, int]]:
        return [(event["wallet"], event["amount_cents"]) for event in await self.town.said(EntryPosted)]

    async def ends(self) -> list[str]:
        """What was said of payments, in order."""
        return [event["status"] for event in await self.town.said(PaymentSettled)]

    async def asks_together(self, others: int) -> None:
        """So many reconcilers that each believe the payment is theirs: a claim that lapsed, or a notice, makes it so."""
        async with self.running.database.reading() as session:
            row = await session.get_one(OnlinePayment, next(iter(self.bank.orders.values())).payment)
        await asyncio.gather(*(cashier.ask(self.running, row) for _ in range(others)))

    async def lives_through(self, step: str) -> None:
        """One thing that may happen; the provider's words by their names."""
        match step:
            case "nothing":
                self.bank.forgets()
            case "away" | "back":
                self.bank.away = step == "away"
            case "seconds" | "minutes" | "hours":
                await self.later(**{step: 20})
            case "notice":
                async with self.running.database.transaction() as session:
                    await paying.keep_notice(session, self.running.clock, "bank", "s0", b"x")
            case "together":
                await self.asks_together(2)
            case _:
                self.bank.comes_to(step)
