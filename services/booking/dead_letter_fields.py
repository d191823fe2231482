"""What booking could not handle, for agents: services/dead_letters.py."""

import datetime as dt

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from services import dead_letters
from services.booking import audit
from services.booking.docket import take_turn
from services.dead_letters import KIND, Noting


async def _note(session: AsyncSession, now: dt.datetime, structure: str, account: str, event: str) -> None:
    await audit.note(session, now, structure, account, audit.Done(KIND, after={"dead_letter": event}))


@strawberry.type
class DeadLetterQueries:
    booking_dead_letters = dead_letters.listed()


@strawberry.type
class DeadLetterMutations:
    retry_booking_dead_letter = dead_letters.retried(Noting(take_turn, _note))
