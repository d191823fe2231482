"""Files about money, fetched by sealed links (services/files.py): a family's payments, a structure's journal."""

import datetime as dt
from collections.abc import Mapping
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services import files
from services.billing import queries
from services.billing.bookkeeping import Paid, journal_sheet, payments_sheet
from services.files import FileFormat, FileLink
from services.refusal import Language
from services.service import Running
from services.spreadsheets import Sheet, written

MOST_ENTRIES = 50_000  #: Of one journal.
PAYMENTS, JOURNAL = "payments", "journal"
NAMES = {PAYMENTS: {"fr": "reglements", "en": "payments"}, JOURNAL: {"fr": "journal", "en": "journal"}}
PURPOSE = "money"  #: What all our links are for; which file, they say.


async def payments_link(running: Running, family: str, month: str, format: FileFormat, language: Language) -> FileLink:
    return await _link(running, PAYMENTS, {"family": family, "month": month}, format, language)


async def journal_link(running: Running, structure: str, first: dt.date, last: dt.date, format: FileFormat, language: Language) -> FileLink:
    """What was posted from the first to the last day."""
    facts = {"structure": structure, "first": first.isoformat(), "last": last.isoformat()}
    return await _link(running, JOURNAL, facts, format, language)


async def _link(running: Running, what: str, facts: Mapping[str, Any], format: FileFormat, language: Language) -> FileLink:
    return await files.link_to(running, PURPOSE, {"what": what, **facts}, NAMES[what][language], format, language)


def period(first: dt.date, last: dt.date, timezone: str) -> tuple[dt.datetime, dt.datetime]:
    """From the midnight before the first day to the one after the last, there."""
    zone = ZoneInfo(timezone)
    since, before = (dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC) for day in (first, last + dt.timedelta(1)))
    return since, before


async def money_file(request: Request) -> Response:
    running: Running = request.app.state.running
    facts = await files.opened(request, PURPOSE)
    if isinstance(facts, Response):
        return facts
    what, format, language = facts["what"], facts["format"], facts["language"]
    sheet = await (_payments if what == PAYMENTS else _journal)(running, facts, language)
    content = await files.in_turn(running, partial(written, sheet, format))
    return files.attached(content, NAMES[what][language], format)


async def _payments(running: Running, facts: Mapping[str, Any], language: str) -> Sheet:
    asked = facts["family"], facts["month"]
    async with running.database.reading() as session:
        lines = (await queries.payments(session, [asked]))[asked]
    return payments_sheet(
        [
            Paid(
                line.entry.date,
                line.detail.mode,
                line.detail.reference,
                line.detail.payer,
                line.detail.bank,
                line.wallet.name,
                line.entry.label,
                line.cents,
            )
            for line in lines
        ],
        language,
    )


async def _journal(running: Running, facts: Mapping[str, Any], language: str) -> Sheet:
    first, last = dt.date.fromisoformat(facts["first"]), dt.date.fromisoformat(facts["last"])
    async with running.database.reading() as session:
        timezone = await queries.timezone_of(session, facts["structure"])
        found = await queries.entries(session, facts["structure"], *period(first, last, timezone))
    return journal_sheet(found, timezone, language)


ROUTES = (Route("/files/billing/{link}/{name}", money_file, methods=["GET"]),)
