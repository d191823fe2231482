"""Reports that wait for the evening: kept one by one, told together. Each function runs in its caller's transaction."""

import datetime as dt
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter
from sqlalchemy import insert, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.mailer import letters, queries
from services.mailer.addresses import DAILY, Adult, addressee
from services.mailer.evenings import next_evening
from services.mailer.letters import Letter, Part
from services.mailer.mails import new_mail
from services.mailer.queries import MAIL, Home, Names
from services.mailer.tables import DigestLine, MailKind, core
from services.mailer.telling import Wish, activities, known, report_of

READERS = 50  #: Whose mails are written in one transaction.
LINES = core(DigestLine)
WISH = TypeAdapter(Wish)


def waits_for_evening(wish: Wish, to: Adult) -> bool:
    return wish.kind is MailKind.REPORT and to.reports == DAILY


def line(wish: Wish, to: Adult, home: Home, names: Names, now: dt.datetime) -> dict[str, Any]:
    """A row of DigestLine. Raises NotYetKnown while a name is missing: in the evening all are there."""
    report_of(wish, to, home, names)
    known(names.structures, wish.structure)
    return {
        "cause": wish.cause,
        "family": wish.family,
        "account": to.account,
        "wish": WISH.dump_python(wish, mode="json"),
        "due_at": next_evening(now, names.zones[wish.structure]),
    }


async def keep(session: AsyncSession, lines: Sequence[dict[str, Any]]) -> None:
    await (await session.connection()).execute(insert(LINES), lines)


async def tell(session: AsyncSession, now: dt.datetime) -> bool:
    """Write the mails of some readers whose evening has come; whether there were any."""
    rows = await queries.untold_lines(session, now, READERS)
    if not rows:
        return False
    wishes = {row.cause: WISH.validate_python(row.wish) for row in rows}
    names = await _names(session, wishes.values())
    for (_, account), of_reader in groupby(rows, key=lambda row: (row.family, row.account)):
        its = list(of_reader)
        mail = _mail(account, its, [wishes[row.cause] for row in its], names, now)
        await (await session.connection()).execute(insert(MAIL), mail)
        told = update(LINES).where(col(DigestLine.position).in_([row.position for row in its]))
        await (await session.connection()).execute(told.values(told_by=mail["id"], wish={}))
    return True


async def _names(session: AsyncSession, wishes: Iterable[Wish]) -> Names:
    wishes = list(wishes)
    return await queries.names(
        session,
        {wish.structure for wish in wishes},
        {id_ for wish in wishes for movement in wish.movements for id_ in activities(movement)},
        {wish.family for wish in wishes},
    )


def _mail(account: str, rows: Sequence[DigestLine], wishes: Sequence[Wish], names: Names, now: dt.datetime) -> dict[str, Any]:
    """To the adult whom a report of its own would go to now: the address may have changed since the morning."""
    first = wishes[0]
    home = names.families.get(first.family)
    to = addressee(home.adults, account) if home else None
    letter = _letter(to, home, wishes, names, rows[0].due_at) if to and home else None
    cause = f"{MailKind.DIGEST}:{rows[0].cause}"  # A line is told once, and so names its mail.
    about = {"family": first.family, "traceparent": first.trace}
    return {**new_mail(cause, MailKind.DIGEST, first.structure, now, to, letter), **about}


def _letter(to: Adult, home: Home, wishes: Sequence[Wish], names: Names, due_at: dt.datetime) -> Letter:
    structure = wishes[0].structure
    zone = ZoneInfo(names.zones[structure])
    parts = [
        Part((wish.at or due_at).astimezone(zone), report_of(wish, to, home, names), wish.act, wish.goes_on)
        for wish in sorted(wishes, key=lambda wish: wish.at or due_at)
    ]
    title = known(names.structures, structure)
    return letters.digest_letter(to.language, greeting=to.greeting, structure=title, date=due_at.astimezone(zone).date(), parts=parts)
