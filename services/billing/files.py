"""Files about money, fetched by sealed links (services/files.py): families' histories, receipts, certificates; structures' journals."""

import asyncio
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services import files
from services.billing import certifying, queries, receipt
from services.billing.bookkeeping import Consumed, Paid, consumptions_sheet, journal_sheet, payments_sheet
from services.billing.queries import Household, PaymentLine
from services.billing.receipt import Line, Receipt, Reversal
from services.billing.tariff import Step
from services.billing.texts import month_in_words, paid_for, say
from services.documents import MOST_ROWS, Head, day
from services.files import FileFormat, FileLink
from services.refusal import Language
from services.service import Running
from services.spreadsheets import Sheet

MOST_ENTRIES = 50_000  #: Of one journal for spreadsheets; each has two rows.
PAYMENTS, CONSUMPTIONS, JOURNAL, RECEIPT, CERTIFICATE = "payments", "consumptions", "journal", "receipt", "certificate"
NAMES = {
    PAYMENTS: {"fr": "reglements", "en": "payments"},
    CONSUMPTIONS: {"fr": "consommations", "en": "consumptions"},
    JOURNAL: {"fr": "journal", "en": "journal"},
    RECEIPT: {"fr": "recu", "en": "receipt"},
    CERTIFICATE: {"fr": "attestation-fiscale", "en": "tax-certificate"},
}
TEMPLATES = {RECEIPT: Path(__file__).with_name("receipt.typ"), CERTIFICATE: Path(__file__).with_name("certificate.typ")}
PURPOSE = "money"  #: What all our links are for; which file, they say.


async def history_link(running: Running, what: str, family: str, month: str, format: FileFormat, language: Language) -> FileLink:
    """What of a family's month: PAYMENTS or CONSUMPTIONS."""
    return await _link(running, what, {"family": family, "month": month}, format, language)


async def receipt_link(running: Running, entry: str, language: Language) -> FileLink:
    """Of the payment, or refund, that this entry is of."""
    return await _link(running, RECEIPT, {"entry": entry}, FileFormat.PDF, language)


async def certificate_link(running: Running, family: str, year: int, language: Language) -> FileLink:
    return await _link(running, CERTIFICATE, {"family": family, "year": year}, FileFormat.PDF, language)


def most_entries(format: FileFormat) -> int:
    return min(MOST_ENTRIES, MOST_ROWS // 2) if format is FileFormat.PDF else MOST_ENTRIES


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
    what, language = facts["what"], facts["language"]
    if what in TEMPLATES:
        head, told = await (_receipt if what == RECEIPT else _certificate)(running, facts, language)
        return await files.sent_document(request, NAMES[what][language], lambda press: press.printed(TEMPLATES[what], head, told))
    async with _journal_turn(running) if what == JOURNAL else nullcontext():
        sheet, head = await SHEETS[what](running, facts, language)
        return await files.sent(request, NAMES[what][language], facts["format"], sheet, head)


def _journal_turn(running: Running) -> asyncio.Lock:
    """One in memory at a time: tens of thousands of entries are some tens of megabytes, however many are asked for at once."""
    turn: asyncio.Lock = running.resources.setdefault("journal_turn", asyncio.Lock())
    return turn


async def _payments(running: Running, facts: Mapping[str, Any], language: str) -> tuple[Sheet, Head]:
    asked = facts["family"], facts["month"]
    async with running.database.reading() as session:
        lines = (await queries.payments(session, [asked]))[asked]
        home = await queries.household(session, facts["family"])
    paid = [
        Paid(
            line.entry.date,
            line.detail.mode,
            line.detail.reference,
            line.detail.payer,
            line.detail.bank,
            line.wallet.name,
            line.reason,
            line.cents,
        )
        for line in lines
    ]
    return payments_sheet(paid, language), _of_month(running, home, facts["month"], language)


async def _consumptions(running: Running, facts: Mapping[str, Any], language: str) -> tuple[Sheet, Head]:
    asked = facts["family"], facts["month"]
    async with running.database.reading() as session:
        lines = (await queries.consumptions(session, [asked]))[asked]
        home = await queries.household(session, facts["family"])
        titles = await queries.activity_titles(session, {line.consumption.activity for line in lines})
    consumed = [
        Consumed(
            line.consumption.date,
            home.child(line.consumption.child),
            titles.get(line.consumption.activity, line.consumption.activity),
            line.wallet.name,
            line.consumption.arrival,
            line.consumption.departure,
            line.consumption.attendance,
            explained(map(Step.from_data, line.consumption.explanation), language),
            line.consumption.amount_cents,
        )
        for line in lines
    ]
    return consumptions_sheet(consumed, language), _of_month(running, home, facts["month"], language)


def explained(steps: Iterable[Step], language: str) -> str:
    """Why a price is what it is, on one line."""
    return ", ".join(say(step.code, language, **step.details) for step in steps)


def _of_month(running: Running, home: Household, month: str, language: str) -> Head:
    about = month_in_words(month, language)
    if home.adults:
        about = f"{say('OF_FAMILY', language, names=home.names)} · {about}"
    return Head(home.structure, about, running.clock.today(home.timezone), language, home.address)


async def _receipt(running: Running, facts: Mapping[str, Any], language: str) -> tuple[Head, Mapping[str, Any]]:
    async with running.database.reading() as session:
        lines = await queries.lines_of_payment(session, facts["entry"])
        taken_back = await queries.reversals(session, [line.entry.id for line in lines])
        home = await queries.household(session, lines[0].entry.family)
    return _of_family(running, home, language), receipt.told(_as_receipt(lines, taken_back), language)


def _of_family(running: Running, home: Household, language: str) -> Head:
    about = say("OF_FAMILY", language, names=home.names) if home.adults else ""
    return Head(home.structure, about, running.clock.today(home.timezone), language, home.address)


def _as_receipt(lines: Sequence[PaymentLine], taken_back: Mapping[str, tuple[dt.date, str | None]]) -> Receipt:
    first = lines[0]
    reversals = {id: Reversal(date, why or "") for id, (date, why) in taken_back.items()}
    return Receipt(
        id=queries.online_payment_of(first.entry.cause) or first.entry.id,
        kind=first.entry.kind,
        date=first.entry.date,
        mode=first.detail.mode,
        reference=first.detail.reference,
        payer=paid_for(first.detail.payer) if queries.online_payment_of(first.entry.cause) else first.detail.payer,
        bank=first.detail.bank,
        lines=[Line(line.wallet.name, line.entry.amount_cents, reversals.get(line.entry.id)) for line in lines],
        reason=first.reason,
        takes_back=first.entry.cause.startswith(queries.REVERSAL),
        taken_over=first.detail.taken_over,
    )


async def _certificate(running: Running, facts: Mapping[str, Any], language: str) -> tuple[Head, Mapping[str, Any]]:
    async with running.database.reading() as session:
        home = await queries.household(session, facts["family"])
        head = _of_family(running, home, language)
        found = await queries.certificate_of(session, facts["family"], facts["year"], head.issued_on, home.children)
        titles = await queries.activity_titles(session, {activity for child in found.children for activity, _ in child.activities})
    return head, certifying.told(found, home, titles, language)


async def _journal(running: Running, facts: Mapping[str, Any], language: str) -> tuple[Sheet, Head]:
    first, last = dt.date.fromisoformat(facts["first"]), dt.date.fromisoformat(facts["last"])
    async with running.database.reading() as session:
        title = await queries.structure_title(session, facts["structure"])
        timezone = await queries.timezone_of(session, facts["structure"])
        found = await queries.entries(session, facts["structure"], *period(first, last, timezone))
    about = say("PERIOD", language, first=day(first), last=day(last))
    return journal_sheet(found, timezone, language), Head(title, about, running.clock.today(timezone), language)


SHEETS = {PAYMENTS: _payments, CONSUMPTIONS: _consumptions, JOURNAL: _journal}
ROUTES = (Route("/files/billing/{link}/{name}", money_file, methods=["GET"]),)
