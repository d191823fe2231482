"""A small town with its money: `await town.hears(...)`, `await town.asks(...)`, `await town.said()`."""

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import col, select

from services.billing import commands, queries
from services.billing.invariants import violations
from services.billing.ledger import PaymentMode
from services.billing.rate import QuotientBand
from services.billing.schema import schema
from services.billing.tables import Consumption, Hold
from services.billing.tariff import Per, TariffVersion
from services.claims import Caller
from services.clock import Clock
from services.events import (
    ActivityChanged,
    BookingAccepted,
    BookingCancelled,
    BookingExpired,
    BookingRefused,
    BookingRequested,
    BookingWaitlisted,
    DaySettled,
    Event,
    FamilyChanged,
    RequestedMovement,
    ResidenceTold,
    StructureChanged,
)
from services.events import Attendance as Attended
from services.graphql import Context
from services.listening import react, read
from services.outbox import Outgoing
from services.refusal import Language
from services.service import Running

NOW = dt.datetime(2026, 11, 23, 7, tzinfo=dt.UTC)
MONDAY = dt.date(2026, 12, 7)
SEPTEMBER = dt.date(2026, 9, 1)

APS = (TariffVersion(SEPTEMBER, Per.PRESENCE, (QuotientBand(500, 80), QuotientBand(1000, 131), QuotientBand(None, 190))),)
MULTI = (TariffVersion(SEPTEMBER, Per.HOUR, (QuotientBand(1000, 210), QuotientBand(None, 335)), (0, 20, 30)),)

WHERE = {"structure": "carteville", "occurred_at": NOW}

JEAN_PAUL = Caller("dupont", "session", {"dupont": "carteville"}, frozenset(), "fr", 2e9)
STRANGER = Caller("martin", "session", {"martin": "carteville"}, frozenset(), "fr", 2e9)
AGENT = Caller("agent", "session", {}, frozenset({"carteville"}), "fr", 2e9)
FOREIGN_AGENT = Caller("elsewhere", "session", {}, frozenset({"otherville"}), "fr", 2e9)


@dataclass
class Answer:
    data: Any
    codes: list[str | None]


@dataclass
class Town:
    """CarteVille as billing knows it."""

    running: Running

    async def opens(self) -> None:
        async with self.running.database.transaction() as session:
            clock = self.running.clock
            await commands.put_wallet(session, clock, "periscolaire", "carteville", "PERISCOLAIRE")
            await commands.put_wallet(session, clock, "multiaccueil", "carteville", 'Multiaccueil "Les Tagazoux"')
            await commands.put_tariff(session, clock, "aps-matin", "carteville", "periscolaire", APS)
            await commands.put_tariff(session, clock, "multi", "carteville", "multiaccueil", MULTI)
            for family in ("dupont", "martin"):
                await commands.put_quotient(session, clock, family, "carteville", 742)
        await self.hears(
            StructureChanged(**WHERE, version=1, title="Mairie de CarteVille", timezone="Europe/Paris", school_zone="B"),
            *(self.activity(name, wallet) for name, wallet in (("aps-matin", "periscolaire"), ("multi", "multiaccueil"))),
            FamilyChanged(**WHERE, version=1, family="dupont", adults=["dupont"], children=["amalia", "paolo"]),
            FamilyChanged(**WHERE, version=1, family="martin", adults=["martin"], children=["zoe"]),
        )

    def activity(self, name: str, wallet: str, version: int = 1) -> ActivityChanged:
        return ActivityChanged(
            **WHERE,
            version=version,
            activity=name,
            wallet=wallet,
            title=name.upper(),
            capacity=40,
            waiting_list=10,
            opens_on=SEPTEMBER,
            closes_on=dt.date(2027, 7, 1),
        )

    async def hears(self, *events: Event) -> None:
        """All in one transaction, as they come off the broker: read again from their bytes."""
        arrived = [read(event.event_id, event.type_name(), event.occurred_at.isoformat(), event.body()) for event in events]
        async with self.running.database.transaction("reaction") as session:
            await react(self.running.service, session, arrived, self.running.clock)
        self.running.heard(arrived)

    async def pays(self, family: str, wallet: str, cents: int, cause: str = "", **details: Any) -> None:
        values = {"date": NOW.date(), "mode": PaymentMode.CHEQUE, "reference": "2578012", "payer": "GUIDE DENIS", "bank": "CREDIT AGRICOLE"}
        async with self.running.database.transaction() as session:
            await commands.take_over_payment(
                session, self.running.clock, "carteville", family, wallet, cents=cents, cause=cause or uuid4().hex, **{**values, **details}
            )

    async def owes(self, family: str, wallet: str, cents: int, cause: str = "") -> None:
        async with self.running.database.transaction() as session:
            label = "Reprise de solde"
            date = NOW.date() - dt.timedelta(days=25)
            cause = cause or uuid4().hex
            await commands.take_over_charge(session, self.running.clock, "carteville", family, wallet, date, label, cents, cause)

    async def limits_debt(self, cents: int) -> None:
        async with self.running.database.transaction() as session:
            await commands.put_debt_limit(session, self.running.clock, "carteville", cents)

    async def said(self, kind: type[Event]) -> list[dict[str, Any]]:
        """Events of that kind in the outbox, in order, as their bodies say."""
        async with self.running.database.reading() as session:
            rows = await session.exec(select(Outgoing).where(Outgoing.type == kind.type_name()).order_by(col(Outgoing.position)))
            events = [read(row.event_id, row.type, row.occurred_at.isoformat(), row.body.encode()) for row in rows]
        return [event.model_dump(exclude={"event_id", "occurred_at"}) for event in events]

    async def hold(self, booking: str) -> dict[str, Any] | None:
        async with self.running.database.reading() as session:
            row = await session.get(Hold, booking)
        return None if row is None else row.model_dump()

    async def charged(self) -> dict[str, dict[str, Any]]:
        """Cause -> what is due for it."""
        async with self.running.database.reading() as session:
            return {row.cause: row.model_dump() for row in await session.exec(select(Consumption).where(Consumption.due))}

    async def cents(self, family: str = "dupont") -> dict[str, int]:
        """Wallet -> its posted balance, where it was ever moved."""
        async with self.running.database.reading() as session:
            found = await queries.purse_cents(session, [family])
        return {wallet: cents for (_, wallet), cents in found.items()}

    async def books(self, *bookings: "Booking") -> None:
        """Asked for together, and accepted."""
        await self.hears(request(*bookings), *(one.accepted() for one in bookings))

    async def prices(self, activity: str, *versions: TariffVersion, wallet: str = "periscolaire") -> None:
        async with self.running.database.transaction() as session:
            await commands.put_tariff(session, self.running.clock, activity, "carteville", wallet, versions)

    async def asks(self, query: str, caller: Caller | None = JEAN_PAUL, language: Language = "fr", **variables: Any) -> Answer:
        context = Context(self.running, caller, language)
        result = await schema.execute(query, variable_values=variables, context_value=context)
        errors = result.errors or []
        return Answer(result.data, [getattr(e.original_error, "code", None) or (e.extensions or {}).get("code") for e in errors])

    async def represents(self, selection: str, *representations: dict[str, Any], **how: Any) -> Answer:
        kind = representations[0]["__typename"]
        query = f"query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {kind} {{ {selection} }} }} }}"
        # A copy: Strawberry takes the representations apart.
        answer = await self.asks(query, r=[dict(one) for one in representations], **how)
        return Answer(answer.data and answer.data["_entities"], answer.codes)

    async def is_sound(self) -> None:
        async with self.running.database.reading() as session:
            assert await violations(session) == []


@dataclass(frozen=True)
class Booking:
    """One booking and all that booking may say of it."""

    id: str
    child: str = "amalia"
    activity: str = "aps-matin"
    date: dt.date = MONDAY
    arrival: str = "07:30"
    departure: str = "08:45"
    family: str = "dupont"

    @property
    def movement(self) -> RequestedMovement:
        return self._movement("BOOK")

    @property
    def cancellation(self) -> RequestedMovement:
        return self._movement("CANCEL")

    def _movement(self, kind: Any) -> RequestedMovement:
        what = {"child": self.child, "activity": self.activity, "date": self.date, "arrival": self.arrival, "departure": self.departure}
        return RequestedMovement(booking=self.id, kind=kind, **what)

    def _values(self, version: int) -> dict[str, Any]:
        return {
            **WHERE,
            "version": version,
            "booking": self.id,
            "request": "request",
            "family": self.family,
            "child": self.child,
            "activity": self.activity,
            "date": self.date,
            "arrival": self.arrival,
            "departure": self.departure,
        }

    def requested(self) -> BookingRequested:
        return request(self)

    def accepted(self, version: int = 2, **more: Any) -> BookingAccepted:
        return BookingAccepted(**{**self._values(version), **more})

    def taken_over(self) -> BookingAccepted:
        """From the old system: nobody asked for it here."""
        return self.accepted(request=None)

    def waitlisted(self, version: int = 2) -> BookingWaitlisted:
        return BookingWaitlisted(**self._values(version), rank=1)

    def refused(self, version: int = 2) -> BookingRefused:
        return BookingRefused(**self._values(version), code="FULL")

    def cancelled(self, version: int = 3, was: Any = "ACCEPTED") -> BookingCancelled:
        return BookingCancelled(**self._values(version), by="family", was=was)

    def expired(self, version: int = 3) -> BookingExpired:
        return BookingExpired(**self._values(version))

    def attended(self, attendance: str = "PRESENT", departure: str | None = None, *, booked: bool = True) -> Attended:
        """What a closed day says of it; hours as booked, but for a departure that was seen."""
        here = attendance == "PRESENT"
        return Attended(
            booking=self.id,
            child=self.child,
            family=self.family,
            attendance=attendance,
            arrival=self.arrival if here else None,
            departure=(departure or self.departure) if here else None,
            booked=booked,
        )


def closed(
    *attendances: Attended, version: int = 1, activity: str = "aps-matin", date: dt.date = MONDAY, part: int = 1, parts: int = 1
) -> DaySettled:
    told = {"activity": activity, "date": date, "part": part, "parts": parts}
    return DaySettled(**WHERE, version=version, attendances=list(attendances), **told)


def lives(family: str, version: int = 1, on: dt.datetime = NOW, *, resident: bool) -> ResidenceTold:
    """What the town says of a family, on that day."""
    return ResidenceTold(structure="carteville", occurred_at=on, version=version, family=family, resident=resident)


def request(*booked: Booking, cancels: tuple[Booking, ...] = ()) -> BookingRequested:
    movements = [*(one.movement for one in booked), *(one.cancellation for one in cancels)]
    return BookingRequested(**WHERE, request=uuid4().hex, family=(booked or cancels)[0].family, movements=movements)


@pytest.fixture
async def town(running: Callable[..., Awaitable[Running]]) -> Town:
    """Open: two wallets, two activities, the families dupont (amalia, paolo) and martin (zoe)."""
    small = Town(await running("billing", clock=Clock(frozen_at=NOW), start=False))
    await small.opens()
    return small
