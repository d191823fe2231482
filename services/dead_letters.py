"""What a service could not handle of a town's events, as the town's agents see it: in plain words, and handled again if they ask for it.

The same for every service, each about its own. Nothing of what an event says is told, nor what an error says beyond its kind: both may
name people. What is of no town, and what is to be dropped, is the operators' (`preau dead-letters`).
"""

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

import strawberry
from sqlalchemy import ColumnElement, func, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry import ID, Private

from services.bus import BROKER_TROUBLE
from services.database import OUTAGE
from services.events import INTERNAL, PUBLIC, Event
from services.graphql import Info, Refusal
from services.listening import handle_again
from services.outbox import DeadLetter as Buried
from services.paging import cursor_of, position_of, size_of, stays
from services.refusal import Forbidden
from services.telemetry import log

KIND = "RETRY_DEAD_LETTER"  #: Of the act that tells of it.
DATABASE_ERRORS = frozenset({"IntegrityError", "DataError", "ProgrammingError", "DBAPIError", "NotSupportedError"})


class Cause(StrEnum):
    """Why an event could not be handled."""

    NOT_YET_KNOWN = "NOT_YET_KNOWN"  #: What it needs was not heard of.
    UNREADABLE = "UNREADABLE"  #: Nobody can read it: handling it again is no use.
    DATABASE = "DATABASE"  #: The database did not take what came of it.
    MISTAKE = "MISTAKE"  #: A mistake of the program's.


WORDS: dict[str, tuple[str, str]] = {
    Cause.NOT_YET_KNOWN: (
        "Il manquait une information qui n’était pas encore arrivée : réessayer suffit souvent.",
        "Something that it needs had not arrived yet: trying again often helps.",
    ),
    Cause.UNREADABLE: ("Le message ne peut pas être lu : prévenez l’exploitant.", "The message cannot be read: tell the operator."),
    Cause.DATABASE: (
        "La base de données a refusé ce qui en découlait : réessayez, puis prévenez l’exploitant.",
        "The database refused what came of it: try again, then tell the operator.",
    ),
    Cause.MISTAKE: (
        "Le logiciel s’est trompé : prévenez l’exploitant, puis réessayez après la correction.",
        "The program made a mistake: tell the operator, and try again after it was mended.",
    ),
    "DEAD_LETTER_GONE": (
        "Ce message n’est plus en échec : il a été traité, ou retiré.",
        "This message is not a failed one any more: it was handled, or dropped.",
    ),
    "DEAD_LETTER_STAYS": ("Ce message ne peut toujours pas être traité. {why}", "This message still cannot be handled. {why}"),
}


def say(word: str, language: str, **details: str) -> str:
    return WORDS[word][language == "en"].format(**details)


def cause_of(error: str, *, readable: bool) -> Cause:
    """`error`: as an exception shows itself, such as "ValueError('...')"."""
    if not readable:
        return Cause.UNREADABLE
    name = error.partition("(")[0]
    if name == "NotYetKnown":
        return Cause.NOT_YET_KNOWN
    return Cause.DATABASE if name in DATABASE_ERRORS else Cause.MISTAKE


# ---------------------------------------------------------------------------------------------------------------------- types
strawberry.enum(Cause, name="DeadLetterCause", description="Why an event could not be handled.")


@strawberry.federation.type(shareable=True)
class DeadLetter:
    """An event that a service could not handle, however often it tried."""

    id: ID
    event: str = strawberry.field(description="Which kind of event, after the service that told it: `booking.request_decided`.")
    occurred_at: dt.datetime | None
    failed_at: dt.datetime = strawberry.field(description="When it was tried last.")
    attempts: int
    cause: Cause

    @classmethod
    def of(cls, row: Buried) -> Self:
        return cls(
            id=ID(row.event_id),
            event=".".join(row.subject.split(".")[2:]),
            occurred_at=row.occurred_at,
            failed_at=row.buried_at,
            attempts=row.attempts,
            cause=cause_of(row.error, readable=row.occurred_at is not None),
        )

    @strawberry.field
    def why(self, info: Info) -> str:
        """In words."""
        return say(self.cause, info.context.language)

    @strawberry.field
    def can_be_retried(self) -> bool:
        return self.cause is not Cause.UNREADABLE


@strawberry.federation.type(shareable=True)
class DeadLetterConnection:
    structure: Private[str]
    nodes: list[DeadLetter]
    end_cursor: str | None
    has_next_page: bool

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        """On whatever page they are."""
        async with info.context.database.reading() as session:
            return (await session.exec(select(func.count()).select_from(Buried).where(of_town(self.structure)))).one()


@strawberry.federation.type(shareable=True)
class DeadLetterHandled:
    """It was handled after all."""

    id: ID


@strawberry.federation.type(shareable=True)
class DeadLetterGone(Refusal):
    """There is no such dead letter of the structure, or not any more."""


@strawberry.federation.type(shareable=True)
class DeadLetterStays(Refusal):
    """It still cannot be handled."""


RetryDeadLetterResult = Annotated[DeadLetterHandled | DeadLetterGone | DeadLetterStays, strawberry.union("RetryDeadLetterResult")]


# --------------------------------------------------------------------------------------------------------------------- fields
@dataclass(frozen=True, slots=True)
class Noting:
    """How a service notes in its audit trail that an agent had a dead letter handled."""

    lock: Callable[[AsyncSession, str], Awaitable[Any]]  #: What every act of the structure locks, first of all.
    note: Callable[[AsyncSession, dt.datetime, str, str, str], Awaitable[None]]  #: Structure, agent's account, event's id.


def of_town(structure: str) -> ColumnElement[bool]:
    """Exactly: LIKE knows no capitals on SQLite."""
    subject = col(Buried.subject)
    return or_(*(func.substr(subject, 1, len(begin)) == begin for begin in (f"{prefix}.{structure}." for prefix in (PUBLIC, INTERNAL))))


def _acts_for(info: Info, structure: str) -> str:
    """Raises Unauthenticated or Forbidden."""
    if structure not in info.context.signed_in().agent_of:
        raise Forbidden
    return structure


async def _page(info: Info, structure: ID, first: int | None = 50, after: str | None = None) -> DeadLetterConnection | None:
    """The structure's events that this service could not handle, the newest first, for its agents. Null: nobody can say now."""
    of = _acts_for(info, str(structure))
    size, before = size_of(first), position_of(after)
    query = select(Buried).where(of_town(of)).order_by(col(Buried.id).desc()).limit(size + 1)
    async with info.context.database.reading() as session:
        rows = (await session.exec(query if before is None else query.where(col(Buried.id) < before))).all()
    page = rows[:size]
    return DeadLetterConnection(
        structure=of,
        nodes=[DeadLetter.of(row) for row in page],
        end_cursor=cursor_of(page[-1].id) if page else stays(rows, after),
        has_next_page=len(rows) > size,
    )


def listed() -> Any:
    """The field of a service's Query."""
    return strawberry.field(resolver=_page)


def retried(noting: Noting) -> Any:
    """The field of a service's Mutation."""

    async def retry(info: Info, structure: ID, dead_letter: ID) -> RetryDeadLetterResult:
        """Handle it now, for agents of the structure. Asked for twice it is handled once."""
        of, context = _acts_for(info, str(structure)), info.context
        try:
            event = await _handled(info, noting, of, str(dead_letter))
        except (*OUTAGE, *BROKER_TROUBLE):
            raise
        except Exception as error:
            log().warning("a dead letter still cannot be handled", event_id=str(dead_letter), error=repr(error))
            why = say(await _stays(info, of, str(dead_letter), repr(error)), context.language)
            return DeadLetterStays(code="DEAD_LETTER_STAYS", message=say("DEAD_LETTER_STAYS", context.language, why=why))
        if event is None:
            return DeadLetterGone(code="DEAD_LETTER_GONE", message=say("DEAD_LETTER_GONE", context.language))
        context.running.heard([event])
        context.loaders.clear()
        return DeadLetterHandled(id=dead_letter)

    return strawberry.mutation(resolver=retry)


async def _handled(info: Info, noting: Noting, structure: str, id: str) -> Event | None:
    """With all its effects and its act, or nothing. None: there is no such dead letter. Raises whatever its reaction raises."""
    running, account = info.context.running, info.context.signed_in().account
    async with running.database.transaction("reaction") as session:
        await noting.lock(session, structure)
        letter = await _locked(session, structure, id)
        if letter is None:
            return None
        event = await handle_again(running.service, session, letter, running.clock)
        await noting.note(session, running.clock.now(), structure, account, id)
    return event


async def _stays(info: Info, structure: str, id: str, error: str) -> Cause:
    """Why, as the dead letter says from now on."""
    running = info.context.running
    async with running.database.transaction() as session:
        letter = await _locked(session, structure, id)
        if letter is None:
            return cause_of(error, readable=True)
        if letter.occurred_at is not None:
            letter.error, letter.attempts, letter.buried_at = error[:2000], letter.attempts + 1, running.clock.now()
            session.add(letter)
        return cause_of(error, readable=letter.occurred_at is not None)


async def _locked(session: AsyncSession, structure: str, id: str) -> Buried | None:
    found = select(Buried).where(Buried.event_id == id, of_town(structure)).with_for_update()
    return (await session.exec(found)).first()
