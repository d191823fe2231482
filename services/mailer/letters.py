"""Letters: one file per kind and language in letters/, with the subject, the text part and the HTML part that says the same.

The HTML part is MJML. It is laid out on its sheet once, when the letter is first read; a mail only fills in what it says.
"""

import datetime as dt
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from urllib.parse import quote
from zoneinfo import ZoneInfo

import mrml
from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.environment import TemplateModule

from services.mailer.report import Day, Report
from services.mailer.texts import euros, long_day, renewed, short_day, spoken

#: Stands in a letter for the portal's address, which only the sender of the mail knows. A reserved name: it leads nowhere.
PORTAL = "https://portal.invalid"
#: Where the portal takes a single-use token for a new password.
PASSWORD_PATH = "/mot-de-passe/nouveau?jeton="
#: Where it takes one that puts a new address in force.
ADDRESS_PATH = "/courriel/confirmer?jeton="
#: Where it takes one that offers a family, or work for a structure.
INVITATION_PATH = "/invitation?jeton="
#: Where it takes one that gives a new address up.
CANCEL_PATH = "/courriel/annuler?jeton="
#: Where it shows a payment, and gives its receipt.
PAYMENT_PATH = "/paiement/"


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says. The text part is the one that is promised; the HTML part gives the same facts."""

    subject: str  #: One line.
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Act:
    """An agent acted for the family."""

    reason: str  #: In the agent's words, on one line.
    cause: str | None = None  #: What else the agent did, of which this is a consequence: DAY_CLOSED, ACTIVITY_CHANGED, ENROLLMENT_CHANGED.
    overrode: Sequence[str] = ()  #: What would have stood in the family's own way: DEADLINE, DEBT.


@dataclass(frozen=True, slots=True)
class LowBalance:
    """What a family has left, and below what it wants to be told."""

    balance_cents: int
    below_cents: int


@dataclass(frozen=True, slots=True)
class Received:
    """A payment that was received online."""

    payment: str
    date: dt.date
    payer: str
    reference: str | None
    cents: int
    wallets: tuple[tuple[str, int], ...]  #: Name and cents of each.


@dataclass(frozen=True, slots=True)
class Failed:
    """A payment that was begun online and ended without money."""

    payment: str
    date: dt.date
    cents: int
    status: str  #: REFUSED, CANCELLED, EXPIRED


@dataclass(frozen=True, slots=True)
class Delayed:
    """A request that has no answer yet, though it should."""

    number: str
    requested_at: dt.datetime
    movements: int


@dataclass(frozen=True, slots=True)
class AddressAsked:
    """A new address that somebody asked for, to which the one in force may object."""

    email: str  #: Masked.
    due_at: dt.datetime | None  #: When it comes into force; None: a day after it is confirmed.


News = LowBalance | Received | Failed


def report_letter(language: str, *, greeting: str, structure: str, report: Report, act: Act | None = None, goes_on: bool = False) -> Letter:
    """What became of a request (S37). `act`: of an agent's. `goes_on`: of the lines that waited for a run, after a first report."""
    kind = "answer" if goes_on else "act" if act else "report"
    return _write(kind, language, greeting=greeting, structure=structure, report=report, act=act)


@dataclass(frozen=True, slots=True)
class Part:
    """Of a day's report: what became of one request, or of what else was done."""

    at: dt.datetime  #: In the structure's time zone.
    report: Report
    act: Act | None = None
    goes_on: bool = False

    def worded(self, language: str) -> dict[str, object]:
        facts = {"report": self.report, "act": self.act, "goes_on": self.goes_on}
        return {**facts, "day": long_day(self.at.date(), language), "at": f"{self.at:%H:%M}"}


def digest_letter(language: str, *, greeting: str, structure: str, date: dt.date, parts: Collection[Part]) -> Letter:
    """What became of a day's requests (S37), each under a heading of its own. Only what the family asked for itself is counted."""
    own = [part.report for part in parts if part.act is None and not part.goes_on]
    return _write(
        "digest",
        language,
        greeting=greeting,
        structure=structure,
        day=long_day(date, spoken(language)),
        bookings=sum(report.bookings for report in own),
        cancellations=sum(report.cancellations for report in own),
        movements=sum(report.movements for report in own),
        parts=[part.worded(spoken(language)) for part in parts],
    )


def delayed_letter(language: str, *, greeting: str, structure: str, delayed: Delayed, timezone: str) -> Letter:
    """A request stands, and waits: nobody need ask again."""
    moment = _moment(language, delayed.requested_at, timezone)
    facts = {"greeting": greeting, "structure": structure, "number": delayed.number, "movements": delayed.movements}
    return _write("delayed", language, **facts, moment=moment)


def place_given_letter(language: str, *, greeting: str, structure: str, activity: str, child: str, date: dt.date) -> Letter:
    """A child that waited has a place (S36)."""
    day = long_day(date, spoken(language))
    return _write("place_given", language, greeting=greeting, structure=structure, activity=activity, child=child, day=day)


def place_expired_letter(language: str, *, greeting: str, structure: str, report: Report) -> Letter:
    """The booking deadline passed while children waited: the days of `report`, all in one section, end without a place."""
    return _write("place_expired", language, greeting=greeting, structure=structure, report=report)


def money_letter(language: str, *, greeting: str, structure: str, news: News) -> Letter:
    """What happened to a family's money."""
    about = {"greeting": greeting, "structure": structure}
    match news:
        case LowBalance():
            return _balance_low_letter(language, news, about)
        case Received():
            return _payment_received_letter(language, news, about)
        case Failed():
            return _payment_failed_letter(language, news, about)


def _balance_low_letter(language: str, low: LowBalance, about: dict[str, str]) -> Letter:
    """The balance is lower than the family wants it to be."""
    balance, below = (euros(cents, spoken(language)) for cents in (low.balance_cents, low.below_cents))
    return _write("balance_low", language, **about, balance=balance, below=below)


def _payment_received_letter(language: str, received: Received, about: dict[str, str]) -> Letter:
    """The figures of the receipt, and where the portal has it: a link to the file itself would be over before it is read."""
    return _write(
        "payment_received",
        language,
        **about,
        payer=received.payer,
        reference=received.reference,
        day=f"{received.date:%d/%m/%Y}",
        amount=euros(received.cents, spoken(language)),
        wallets=[(name, euros(cents, spoken(language))) for name, cents in received.wallets],
        address=_payment(received.payment),
    )


def _payment_failed_letter(language: str, failed: Failed, about: dict[str, str]) -> Letter:
    """That nothing was paid, why, and where to begin again."""
    return _write(
        "payment_failed",
        language,
        **about,
        status=failed.status,
        day=f"{failed.date:%d/%m/%Y}",
        amount=euros(failed.cents, spoken(language)),
        address=_payment(failed.payment),
    )


def _payment(id: str) -> str:
    return f"{PORTAL}{PAYMENT_PATH}{quote(id, safe='')}"


def announcement_letter(language: str, *, greeting: str, structure: str, title: str, text: str) -> Letter:
    """What a structure has to say, in its own words (S2): `text` is plain, blank lines part its paragraphs."""
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text.replace("\r\n", "\n")) if part.strip()]
    return _write("announcement", language, greeting=greeting, structure=structure, title=title, paragraphs=paragraphs)


def link_letter(kind: str, language: str, *, address: str, at: dt.datetime, timezone: str) -> Letter:
    """A single-use link: the way back in (S3), or a new address (S7). `address` holds the token, which is good until `at`."""
    return _write(kind, language, address=address, until=_moment(language, at, timezone))


def invitation_letter(language: str, *, structure: str, gives: str, address: str, at: dt.datetime, timezone: str) -> Letter:
    """What a structure offers to whoever has the address: `gives` is FAMILY, AGENT or ADMINISTRATOR. `address` as of a link."""
    until = _moment(language, at, timezone)
    return _write("invitation", language, structure=structure, gives=gives, address=address, until=until)


def cancel_letter(language: str, *, address: str, asked: AddressAsked, at: dt.datetime, timezone: str) -> Letter:
    """A new address was asked for: a single-use link that gives it up (S7). `address` holds the token, which is good until `at`."""
    due = _moment(language, asked.due_at, timezone) if asked.due_at else None
    return _write("address_cancel", language, address=address, email=asked.email, due=due, until=_moment(language, at, timezone))


def security_letter(language: str, *, happened: str, detail: str, at: dt.datetime, timezone: str) -> Letter:
    """What changed about an account, for its owner to know if it was somebody else."""
    return _write("security_notice", language, happened=happened, detail=detail, moment=_moment(language, at, timezone))


def _moment(language: str, at: dt.datetime, timezone: str) -> str:
    local = at.astimezone(ZoneInfo(timezone))
    return f"{local:%d/%m/%Y à %H:%M}" if spoken(language) == "fr" else f"{local:%H:%M on %d/%m/%Y}"


def _write(kind: str, language: str, **facts: object) -> Letter:
    language = spoken(language)
    facts |= {"told": partial(_told, language=language), "site": PORTAL}
    name = f"{kind}.{language}.jinja"
    plain, html = (_letters(markup).get_template(name).make_module(facts) for markup in (False, True))
    return Letter(
        # A subject is one line, whatever an activity's title holds: a line break would start a header of its own.
        subject=" ".join(_part(plain, "subject").split()),
        text=_part(plain, "text"),
        html=_part(html, "html"),
    )


def _told(days: Iterable[Day], language: str) -> str:
    """The days of one child, such as "lun. 15/05, mar. 16/05 (activité complète)"."""
    return ", ".join(_day(day, language) for day in days)


def _day(day: Day, language: str) -> str:
    said = day.reason
    if day.hours and day.instead_of:
        said = renewed(day.hours, day.instead_of, language)
    date = short_day(day.date, language)
    return f"{date} ({said})" if said else date


def _part(letter: TemplateModule, part: str) -> str:
    return str(getattr(letter, part)()).strip() + "\n"


@lru_cache
def _letters(markup: bool) -> Environment:
    """The same files are read twice: names are escaped in HTML, and stand as they are in plain text."""
    return Environment(
        loader=Laid("services.mailer", "letters") if markup else PackageLoader("services.mailer", "letters"),
        autoescape=markup,
        undefined=StrictUndefined,
        auto_reload=False,  # a look at three files for every letter
        trim_blocks=True,
        lstrip_blocks=True,
    )


class Laid(PackageLoader):
    """Letters with their HTML part laid out. What is to be filled in passes through MJML as it is: it stands in texts and attributes."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool] | None]:
        source, file, fresh = super().get_source(environment, template)
        if template == SHEET or not (part := _HTML.search(source)):
            return source, file, fresh
        sheet, _, _ = super().get_source(environment, SHEET)
        mjml = sheet.replace("LANGUAGE", template.split(".")[1]).replace("<!-- letter -->", part[1])
        return source[: part.start(1)] + mrml.to_html(mjml).content + source[part.end(1) :], file, fresh


SHEET = "sheet.mjml"
_HTML = re.compile(r"\{% macro html\(\) %\}\n(.*?)\{% endmacro %\}", re.DOTALL)
