"""What the mailer could not handle, for agents: services/dead_letters.py."""

import datetime as dt

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from services import dead_letters
from services.dead_letters import KIND, Noting
from services.mailer import audit


async def _note(session: AsyncSession, now: dt.datetime, structure: str, account: str, event: str) -> None:
    await audit.note(session, now, structure, account, audit.Done(KIND, dead_letter=event))


@strawberry.type
class DeadLetterQueries:
    mailer_dead_letters = dead_letters.listed()


@strawberry.type
class DeadLetterMutations:
    retry_mailer_dead_letter = dead_letters.retried(Noting(audit.lock_structure, _note))
