"""What went wrong in a town, put where the services would have written it."""

import datetime as dt

from sqlalchemy import update

from services.database import Database
from services.events import StructureChanged
from services.mailer.tables import Mail, MailKind, MailState, core
from services.outbox import DeadLetter
from tests.flows.system import System

UNKNOWN = "550 5.1.1 <jp.dupont@example.org>: user unknown"
MAIL = core(Mail)


async def fail_mails(system: System, structure: str) -> list[str]:
    """Every report of this town that was sent was refused instead; their ids."""
    database = Database(system.databases["mailer"])
    failed = {"state": MailState.FAILED, "sent_at": None, "last_error": UNKNOWN}
    theirs = MAIL.c.structure == structure, MAIL.c.kind == MailKind.REPORT, MAIL.c.state == MailState.SENT
    try:
        async with database.transaction() as session:
            rows = await (await session.connection()).execute(update(MAIL).where(*theirs).values(**failed).returning(MAIL.c.id))
            return list(rows.scalars())
    finally:
        await database.close()


async def delay(system: System, mail: str) -> None:
    """The mail server asks for patience until tomorrow."""
    database = Database(system.databases["mailer"])
    later = {"state": MailState.QUEUED, "attempts": 3, "last_error": "451 later", "sent_at": None}
    later["next_attempt_at"] = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    try:
        async with database.transaction() as session:
            await (await session.connection()).execute(update(MAIL).where(MAIL.c.id == mail).values(**later))
    finally:
        await database.close()


async def bury(system: System, service: str, structure: str, *, type_: str | None = None) -> str:
    """An event of the town that the service could not handle; by now it could, unless it is of a kind that nobody knows."""
    told = StructureChanged(
        occurred_at=dt.datetime.now(dt.UTC), structure=structure, version=0, title=structure, timezone="Europe/Paris", school_zone="B"
    )
    letter = DeadLetter(
        event_id=told.event_id,
        subject=told.subject,
        type=type_ or told.type_name(),
        occurred_at=told.occurred_at,
        body=told.body().decode(),
        error="NotYetKnown('family KANARINSKI')",
        attempts=10,
        buried_at=dt.datetime.now(dt.UTC),
    )
    database = Database(system.databases[service])
    try:
        async with database.transaction() as session:
            session.add(letter)
    finally:
        await database.close()
    return told.event_id
