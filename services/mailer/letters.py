"""Letters: one file per kind and language in letters/, with the subject, the text part and the HTML part that says the same."""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from urllib.parse import quote
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.environment import TemplateModule

from services.mailer.report import Day, Report
from services.mailer.texts import euros, long_day, renewed, short_day, spoken

#: Stands in a letter for the portal's address, which only the sender of the mail knows. A reserved name: it leads nowhere.
PORTAL = "https://portal.invalid"
#: Where the portal takes a single-use token for a new password.
PASSWORD_PATH = "/mot-de-passe/nouveau?jeton="
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
    overrode: Collection[str] = ()  #: What would have stood in the family's own way: DEADLINE, DEBT.


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


def report_letter(language: str, *, greeting: str, structure: str, report: Report, act: Act | None = None, goes_on: bool = False) -> Letter:
    """What became of a request (S37). `act`: of an agent's. `goes_on`: of the lines that waited for a run, after a first report."""
    kind = "answer" if goes_on else "act" if act else "report"
    return _write(kind, language, greeting=greeting, structure=structure, report=report, act=act)


def place_given_letter(language: str, *, greeting: str, structure: str, activity: str, child: str, date: dt.date) -> Letter:
    """A child that waited has a place (S36)."""
    day = long_day(date, spoken(language))
    return _write("place_given", language, greeting=greeting, structure=structure, activity=activity, child=child, day=day)


def place_expired_letter(language: str, *, greeting: str, structure: str, report: Report) -> Letter:
    """The booking deadline passed while children waited: the days of `report`, all in one section, end without a place."""
    return _write("place_expired", language, greeting=greeting, structure=structure, report=report)


def balance_low_letter(language: str, *, greeting: str, structure: str, low: LowBalance) -> Letter:
    """The balance is lower than the family wants it to be."""
    balance, below = (euros(cents, spoken(language)) for cents in (low.balance_cents, low.below_cents))
    return _write("balance_low", language, greeting=greeting, structure=structure, balance=balance, below=below)


def payment_received_letter(language: str, *, greeting: str, structure: str, received: Received) -> Letter:
    """The figures of the receipt, and where the portal has it: a link to the file itself would be over before it is read."""
    spoken_in = spoken(language)
    return _write(
        "payment_received",
        language,
        greeting=greeting,
        structure=structure,
        payer=received.payer,
        reference=received.reference,
        day=f"{received.date:%d/%m/%Y}",
        amount=euros(received.cents, spoken_in),
        wallets=[(name, euros(cents, spoken_in)) for name, cents in received.wallets],
        address=f"{PORTAL}{PAYMENT_PATH}{quote(received.payment, safe='')}",
    )


def password_link_letter(language: str, *, address: str, expires_at: dt.datetime, timezone: str) -> Letter:
    """The way back in (S3). `address` holds the single-use token; `expires_at` is told in the structure's time zone."""
    local = expires_at.astimezone(ZoneInfo(timezone))
    until = f"{local:%d/%m/%Y à %H:%M}" if spoken(language) == "fr" else f"{local:%H:%M on %d/%m/%Y}"
    return _write("password_link", language, address=address, until=until)


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
        loader=PackageLoader("services.mailer", "letters"),
        autoescape=markup,
        undefined=StrictUndefined,
        auto_reload=False,  # a look at three files for every letter
        trim_blocks=True,
        lstrip_blocks=True,
    )
