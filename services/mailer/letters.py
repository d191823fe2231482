"""Letters: one file per kind and language in letters/, with the subject, the text part and the HTML part that says the same."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.environment import TemplateModule

from services.mailer.report import Day, Report
from services.mailer.texts import long_day, short_day, spoken

#: Stands in a letter for the portal's address, which only the sender of the mail knows. A reserved name: it leads nowhere.
PORTAL = "https://portal.invalid"
#: Where the portal takes a single-use token for a new password.
PASSWORD_PATH = "/mot-de-passe/nouveau?jeton="


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says. The text part is the one that is promised; the HTML part gives the same facts."""

    subject: str  #: One line.
    text: str
    html: str


def report_letter(language: str, *, greeting: str, structure: str, report: Report, reason: str = "") -> Letter:
    """What became of a request (S37). `reason`: why an agent made it for the family, in the agent's words."""
    return _write("report", language, greeting=greeting, structure=structure, report=report, reason=reason)


def place_given_letter(language: str, *, greeting: str, structure: str, activity: str, child: str, date: dt.date) -> Letter:
    """A child that waited has a place (S36)."""
    day = long_day(date, spoken(language))
    return _write("place_given", language, greeting=greeting, structure=structure, activity=activity, child=child, day=day)


def place_expired_letter(language: str, *, greeting: str, structure: str, report: Report) -> Letter:
    """The booking deadline passed while children waited: the days of `report`, all in one section, end without a place."""
    return _write("place_expired", language, greeting=greeting, structure=structure, report=report)


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
    return ", ".join(f"{short_day(day.date, language)} ({day.reason})" if day.reason else short_day(day.date, language) for day in days)


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
