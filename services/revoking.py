"""Whose tokens are good: identity's keys, and what was taken back before it ran out. Every process knows within a second.

Identity records an event in the transaction that ends a session, takes a role away or withdraws a key. Every process hears it as it
passes, and refuses from then on, while the listener of one of them keeps it in the service's table: for those who start later, and for
those whom it passed by: all look there twice a second. Without a broker nobody hears of it; a token lives a quarter of an hour.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from nats.aio.msg import Msg
from sqlalchemy import delete, select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.bus import BROKER_TROUBLE
from services.claims import PublicKey, Revocation, Verifier
from services.clock import Clock
from services.events import Event, KeyWithdrawn, SigningKeyPublished, TokensRevoked
from services.listening import arrival
from services.outbox import Revoked, VerificationKey, WithdrawnKey
from services.telemetry import log

if TYPE_CHECKING:
    from services.service import Running

LOOK_SECONDS = 0.5
TIDY_EVERY = 600  #: Looks.

KEYS = VerificationKey.metadata.tables["verification_key"]
WITHDRAWN = WithdrawnKey.metadata.tables["withdrawn_key"]
REVOKED = Revoked.metadata.tables["revoked"]


# ----------------------------------------------------------------------------------------------------------- what is kept
async def keep_key(session: AsyncSession, event: SigningKeyPublished, clock: Clock) -> None:
    await session.merge(VerificationKey(kid=event.kid, jwk=event.jwk, published_at=event.occurred_at))


async def keep_withdrawal(session: AsyncSession, event: KeyWithdrawn, clock: Clock) -> None:
    await session.merge(WithdrawnKey(kid=event.kid))


async def keep_revocation(session: AsyncSession, event: TokensRevoked, clock: Clock) -> None:
    """A stream that is told all over again tells of many that mean nothing any more."""
    if event.until > clock.now():
        await session.merge(
            Revoked(event_id=event.event_id, account=event.account, session=event.session, before=event.before, until=event.until)
        )


REACTIONS: dict[type[Event], Callable[[AsyncSession, Any, Clock], Awaitable[None]]] = {
    SigningKeyPublished: keep_key,
    KeyWithdrawn: keep_withdrawal,
    TokensRevoked: keep_revocation,
}


# ------------------------------------------------------------------------------------------------------- what is refused
def apply(event: Event, verifier: Verifier) -> None:
    """At once, in this process."""
    match event:
        case SigningKeyPublished():
            verifier.trust(PublicKey(event.kid, event.jwk, event.occurred_at.timestamp()))
        case KeyWithdrawn():
            verifier.withdraw(event.kid)
        case TokensRevoked():
            verifier.refuse(Revocation(event.account, event.session, event.before.timestamp(), event.until.timestamp()))


class Watchman:
    """Keeps one process's verifier up to date."""

    def __init__(self, running: "Running") -> None:
        self._running = running
        self._woken = asyncio.Event()
        self._listens = False

    async def run(self) -> None:
        self._running.bus.when_connected = self._back
        looks, written = 0, None
        while True:
            await self._listen()
            if self._running.database.may_differ(written):
                written = self._running.database.last_written()
                await self.look()
            looks += 1
            if looks % TIDY_EVERY == 0:
                await self._tidy()
            await self._running.rest(LOOK_SECONDS, self._woken)

    async def look(self) -> None:
        """What the tables say. An outage changes nothing: what is known remains."""
        verifier = self._running.verifier
        async with self._running.database.reading() as session:
            connection = await session.connection()
            keys = (await connection.execute(select(KEYS))).all()
            withdrawn = (await connection.execute(select(WITHDRAWN.c.kid))).scalars().all()
            revoked = (await connection.execute(select(REVOKED))).all()
        verifier.withdraw(*withdrawn)
        verifier.trust(*(PublicKey(row.kid, row.jwk, row.published_at.timestamp() if row.published_at else 0.0) for row in keys))
        verifier.refuse(*(Revocation(row.account, row.session, row.before.timestamp(), row.until.timestamp()) for row in revoked))
        verifier.forget_revocations()

    async def _listen(self) -> None:
        bus = self._running.bus
        if self._listens or not bus.connected.is_set():
            return
        try:
            for kind in REACTIONS:
                await bus.hear(kind.filter(), self._hear)
        except BROKER_TROUBLE as error:
            log().info("listening to revocations soon", error=repr(error))
        else:
            self._listens = True

    async def _back(self) -> None:
        """What passed while we were away may be in the table."""
        self._woken.set()

    def _hear(self, message: Msg) -> None:
        heard = arrival(message)
        if heard.event is None:
            log().warning("not understood", subject=message.subject, error=heard.trouble)
            return
        apply(heard.event, self._running.verifier)

    async def _tidy(self) -> None:
        """Forget what has run out, a while ago: clocks differ."""
        async with self._running.database.transaction("duty") as session:
            await session.exec(delete(Revoked).where(col(Revoked.until) < self._running.clock.now()))
