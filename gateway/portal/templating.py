"""Draws templates (templates/*.html): every value is escaped, and a name that is not there is an error."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from gateway.portal import assets, days, formats
from gateway.portal.texts import TEXTS, act_of, count, phrase
from services.refusal import Language

FOLDER = Path(__file__).parent / "templates"


@cache
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters["capital"] = lambda text: text[:1].upper() + text[1:]  # The rest as it is: a month is December in English.
    made.globals |= {
        "module": assets.module,
        "SCRIPTED": Markup(assets.SCRIPTED),
        "MINUS": formats.MINUS,
        "as_json": as_json,
        "ICONS": days.ICONS,
        "MARK_ICONS": days.MARK_ICONS,
    }
    return made


@cache
def words(language: Language) -> dict[str, Any]:
    """What a template says in one language: `t` and `n` for texts, the rest for values."""

    def town(text: str | None) -> str:
        """The town's own words, which are French."""
        return text or "" if language == "fr" else Markup('<span lang="fr">{}</span>').format(text or "")

    def t(code: str, **told: object) -> str:
        """Where `town` marks something of what is told, the rest is escaped."""
        if any(isinstance(each, Markup) for each in told.values()):
            return escape(TEXTS[code][language == "en"]).format(**told)
        return phrase(code, language, **told)

    def closed(reason: str | None) -> str:
        """Why a day is closed. What follows a colon is the town's own: "Closed: Travaux"."""
        said, sign, own = (reason or "").partition(": ")
        return escape(said + sign) + town(own) if own else said

    return {
        "language": language,
        "t": t,
        "n": lambda code, how_many, **told: count(code, how_many, language, **told),
        "act_of": lambda kind: act_of(kind, language, "MONEY_ACT"),
        "town": town,
        "closed": closed,
        "colon": " : " if language == "fr" else ": ",
        "money": lambda cents: formats.money(cents, language),
        "plain_money": lambda cents: formats.plain_money(cents, language),
        "date": lambda value, pattern="day": formats.date(value, pattern, language),
        "time": lambda value: formats.time(value, language),
        "moment": lambda value, timezone: formats.moment(value, timezone, language),
        "clock": formats.clock,
        "paragraphs": paragraphs,
    }


def as_json(told: Any) -> Markup:
    """JSON for a script of the page, as the content of a <script type="application/json">."""
    return Markup(msgspec.json.encode(told).decode().replace("<", "\\u003c"))


def drawn(template: str, language: Language, told: dict[str, Any]) -> str:
    return environment().get_template(template).render(**words(language), **told)


def paragraphs(text: str) -> Markup:
    """A text with empty lines between its paragraphs."""
    parts = [part.strip() for part in text.replace("\r", "").split("\n\n")]
    return Markup("\n").join(Markup("<p>{}</p>").format(Markup("<br>").join(map(escape, part.split("\n")))) for part in parts if part)
