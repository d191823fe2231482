"""The mailer's town: one structure, two families, two activities, a mail server."""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import select

from services.clock import Clock
from services.database import Database
from services.events import (
    ActivityChanged,
    AddressCancelMade,
    AddressLinkMade,
    AnnouncementDue,
    AnnouncementWithdrawn,
    AwaitedMovement,
    BalanceLow,
    Contact,
    ContactsChanged,
    DecidedMovement,
    Event,
    InvitationMade,
    MailFailed,
    MailSent,
    PaymentFailed,
    PaymentReceived,
    PlaceExpired,
    PlaceGiven,
    RequestDecided,
    RequestDelayed,
    RequestExplained,
    ResetLinkMade,
    SecurityNoticeMade,
    StructureChanged,
    WaitedFor,
    WalletFed,
)
from services.listening import react
from services.mailer import commands, gathering
from services.mailer.app import service
from services.mailer.envelope import Sender
from services.mailer.pacing import Rates
from services.mailer.post import Post
from services.mailer.sending import NO_RATES, Sending
from services.mailer.tables import Mail, MailState
from services.outbox import Outgoing
from tests.mailer.mail_server import MailServer, mail_server

NOW = dt.datetime(2026, 11, 23, 8, 0, tzinfo=dt.UTC)
TOWN = "carteville"
PUBLIC_URL = "https://famille.example.org"


def at(day: str) -> dt.date:
    return dt.date.fromisoformat(day)


def town_named(title: str = "Mairie de CarteVille", version: int = 1, **more: dict[str, int]) -> StructureChanged:
    about: dict[str, Any] = {"occurred_at": NOW, "structure": TOWN, "version": version, **more}
    return StructureChanged(**about, title=title, timezone="Europe/Paris", school_zone="B")


def activity_named(activity: str = "aps-matin", title: str = "APS MATIN", version: int = 1) -> ActivityChanged:
    return ActivityChanged(
        occurred_at=NOW,
        structure=TOWN,
        version=version,
        activity=activity,
        wallet="periscolaire",
        title=title,
        capacity=40,
        waiting_list=10,
        opens_on=at("2026-09-01"),
        closes_on=at("2027-07-01"),
    )


def adult(account: str = "dupont", email: str | None = "jp.dupont@example.org", **fields: Any) -> Contact:
    values = {"title": "M.", "first_name": "Jean-Paul", "last_name": "DUPONT", "language": "fr", **fields}
    return Contact(account=account, email=email, **values)


def family_of(*adults: Contact, family: str = "dupont", version: int = 1, children: dict[str, str] | None = None) -> ContactsChanged:
    names = {"amalia": "DUPONT Amalia", "paolo": "DUPONT Paolo"} if children is None else children
    return ContactsChanged(
        occurred_at=NOW, structure=TOWN, version=version, family=family, adults=list(adults) or [adult()], children=names
    )


def movement(
    child: str = "paolo", date: str = "2026-12-01", kind: str = "BOOK", outcome: str = "ACCEPTED", **fields: str | None
) -> DecidedMovement:
    values = {"activity": "aps-matin", **fields}
    return DecidedMovement(booking=uuid4().hex, child=child, date=at(date), kind=kind, outcome=outcome, **values)


def decided(*movements: DecidedMovement, request: str = "r1", family: str = "dupont", account: str | None = None) -> RequestDecided:
    return RequestDecided(
        occurred_at=NOW, structure=TOWN, request=request, family=family, account=account, movements=list(movements) or [movement()]
    )


def explained(
    *movements: DecidedMovement, reason: str = "Accord de la directrice", request: str = "r1", **more: Any
) -> tuple[Event, Event]:
    """What an agent asked for the Duponts: as all may hear it, and as the mailer alone does."""
    lines = list(movements) or [movement()]
    about = {"occurred_at": NOW, "structure": TOWN, "request": request, "family": "dupont", "movements": lines}
    return RequestDecided(**about, by="agent", explained=True), RequestExplained(**about, reason=reason, **more)


def in_part(*movements: DecidedMovement, part: int = 0, awaited: Sequence[AwaitedMovement] = (), **more: Any) -> RequestExplained:
    """What is told of a request of the Duponts' of which lines wait, or waited, for a run."""
    about = {"occurred_at": NOW, "structure": TOWN, "request": "r1", "family": "dupont", "account": "dupont", "by": "family"}
    return RequestExplained(**about | more, part=part, movements=list(movements), awaited=list(awaited))


def awaited(child: str = "paolo", date: str = "2026-12-01", activity: str = "aps-matin", run_of: str = "aps-matin") -> AwaitedMovement:
    run = {"run_of": run_of, "run_on": at("2026-11-24"), "run_at": "02:00"}
    return AwaitedMovement(booking=uuid4().hex, child=child, activity=activity, date=at(date), **run)


def place_given(booking: str = "b1", family: str = "dupont", child: str = "amalia") -> PlaceGiven:
    return PlaceGiven(
        occurred_at=NOW, structure=TOWN, booking=booking, family=family, child=child, activity="aps-matin", date=at("2026-12-01")
    )


def balance_low(cents: int = 12_34, version: int = 1, account: str = "dupont") -> BalanceLow:
    amounts = {"balance_cents": cents, "below_cents": 20_00}
    return BalanceLow(occurred_at=NOW, structure=TOWN, family="dupont", account=account, version=version, **amounts)


def payment_received(payment: str = "p1", account: str = "dupont", **more: Any) -> PaymentReceived:
    """The guide's (S11), in two wallets."""
    wallets = [WalletFed(title='Multiaccueil "Les Tagazoux"', amount_cents=50_00), WalletFed(title="PERISCOLAIRE", amount_cents=100_00)]
    what = {"date": at("2026-11-23"), "payer": "POUR .GUIDE CARTE+", "reference": "3150-N°AUTO:445401", "amount_cents": 150_00}
    about = {"occurred_at": NOW, "structure": TOWN, "payment": payment, "family": "dupont", "account": account, "wallets": wallets}
    return PaymentReceived(**about | what | more)


def place_expired(*dates: str, child: str = "amalia", family: str = "dupont", account: str | None = None) -> PlaceExpired:
    waits = [WaitedFor(booking=f"{child}-{date}", child=child, activity="aps-matin", date=at(date)) for date in dates or ("2026-12-01",)]
    return PlaceExpired(occurred_at=NOW, structure=TOWN, family=family, account=account, waits=waits)


def payment_failed(payment: str = "p1", account: str = "dupont", **more: Any) -> PaymentFailed:
    what = {"date": at("2026-11-23"), "amount_cents": 150_00, "status": "REFUSED"}
    return PaymentFailed(
        **{"occurred_at": NOW, "structure": TOWN, "payment": payment, "family": "dupont", "account": account} | what | more
    )


def delayed(request: str = "r1", **more: Any) -> RequestDelayed:
    what = {"number": "2026-17", "family": "dupont", "account": "dupont", "movements": 2, "requested_at": NOW}
    return RequestDelayed(**{"occurred_at": NOW, "structure": TOWN, "request": request} | what | more)


def reset_link(token: str = "s3cret", email: str = "jp.dupont@example.org", language: str = "fr", **more: Any) -> ResetLinkMade:
    return ResetLinkMade(**_link(token, email, language) | more)


def address_link(token: str = "s3cret", email: str = "new@example.org", language: str = "fr", **more: Any) -> AddressLinkMade:
    return AddressLinkMade(**_link(token, email, language) | more)


def invitation(token: str = "s3cret", email: str = "new@example.org", language: str = "fr", **more: Any) -> InvitationMade:
    about = {"invitation": "i1", "family": "dupont", "gives": "FAMILY"}
    said = {name: value for name, value in _link(token, email, language).items() if name != "account"}
    return InvitationMade(**about | said | more)


def address_cancel(token: str = "s3cret", email: str = "jp.dupont@example.org", language: str = "fr", **more: Any) -> AddressCancelMade:
    return AddressCancelMade(**_link(token, email, language) | {"new_email": "n***@example.org", "due_at": None} | more)


def _link(token: str, email: str, language: str) -> dict[str, Any]:
    about = {"occurred_at": NOW, "structure": TOWN, "account": "dupont", "email": email, "language": language}
    return {**about, "token": token, "expires_at": NOW + dt.timedelta(minutes=30)}


def security_notice(kind: str = "PASSWORD_CHANGED", email: str = "jp.dupont@example.org", **more: Any) -> SecurityNoticeMade:
    about = {"occurred_at": NOW, "structure": TOWN, "account": "dupont", "email": email, "language": "fr", "kind": kind}
    return SecurityNoticeMade(**about | more)


def announcement_due(announcement: str = "a1", **more: Any) -> AnnouncementDue:
    what = {"title": "Fermeture du centre", "text": "Le centre est fermé lundi.\n\nÀ mardi !"}
    return AnnouncementDue(**{"occurred_at": NOW, "structure": TOWN, "announcement": announcement} | what | more)


def announcement_withdrawn(announcement: str = "a1") -> AnnouncementWithdrawn:
    return AnnouncementWithdrawn(occurred_at=NOW, structure=TOWN, announcement=announcement)


class Mailroom:
    """The mailer's tables, and what can be seen in them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW

    @property
    def clock(self) -> Clock:
        return Clock(frozen_at=self.now)

    async def hears(self, *events: Event) -> None:
        """One transaction, as the listener does it."""
        async with self.database.transaction("reaction") as session:
            await react(service, session, events, self.clock)

    async def announces(self) -> None:
        """All that families are to be told still, portion by portion."""
        more = True
        while more:
            async with self.database.transaction() as session:
                more = await commands.announce(session, self.now)

    async def evening_comes(self) -> None:
        """What is due by now is told."""
        more = True
        while more:
            async with self.database.transaction() as session:
                more = await gathering.tell(session, self.now)

    async def knows_the_town(self) -> None:
        await self.hears(town_named(), activity_named(), family_of())

    async def mails(self) -> list[Mail]:
        async with self.database.reading() as session:
            return list((await session.exec(select(Mail).order_by(Mail.created_at, Mail.cause))).all())  # type: ignore[arg-type]

    async def the_mail(self) -> Mail:
        (mail,) = await self.mails()
        return mail

    async def states(self) -> list[MailState]:
        return [mail.state for mail in await self.mails()]

    async def told(self) -> list[str]:
        """The types of the events that were recorded about mails, in order."""
        wanted = [MailSent.type_name(), MailFailed.type_name()]
        async with self.database.reading() as session:
            rows = await session.exec(select(Outgoing).order_by(Outgoing.position))  # type: ignore[arg-type]
            return [row.type for row in rows.all() if row.type in wanted]

    def sending(self, url: str, *, seconds: float = 10.0, rates: Rates = NO_RATES) -> tuple[Sending, Post]:
        post = Post(url, seconds=seconds)
        sender = Sender.read("Préau de la mairie <no-reply@carteville.example>")
        mailroom = self

        class Now(Clock):
            """Follows the test's own time."""

            def now(self) -> dt.datetime:
                return mailroom.now

        return Sending(self.database, Now(), post, sender, PUBLIC_URL, rates), post

    async def sends(self, url: str, *, seconds: float = 10.0) -> int:
        """One round of one sender."""
        sending, post = self.sending(url, seconds=seconds)
        try:
            return await sending.round()
        finally:
            await post.close()

    async def waits(self, **time: float) -> None:
        self.now += dt.timedelta(**time)


@pytest.fixture
async def mailroom(database_url: Callable[[str], Awaitable[str]]) -> AsyncIterator[Mailroom]:
    database = Database(await database_url("mailer"))
    yield Mailroom(database)
    await database.close()


@pytest.fixture
async def post_office() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server
