"""All words of the portal, French first, English second: a module for each part of it, for the frame around every page, for the desk.

A text is (French, English); one that is counted is ((one, several), (one, several)), and French says "0 jour".
"""

from typing import Final

from gateway.portal.texts import (
    booking,
    calendar,
    desk,
    desk_activities,
    desk_mails,
    desk_people,
    door,
    frame,
    home,
    legal,
    money,
    profile,
    recap,
    several,
    tracking,
)
from services.refusal import Language

Counted = tuple[tuple[str, str], tuple[str, str]]

TEXTS: Final[dict[str, tuple[str, str]]] = {}
COUNTED: Final[dict[str, Counted]] = {}
for each in (
    frame,
    door,
    home,
    calendar,
    booking,
    recap,
    several,
    tracking,
    money,
    profile,
    legal,
    desk,
    desk_mails,
    desk_activities,
    desk_people,
):
    double = (TEXTS.keys() | COUNTED.keys()) & (each.TEXTS.keys() | each.COUNTED.keys())
    assert not double, f"said twice: {double}"
    TEXTS.update(each.TEXTS)
    COUNTED.update(each.COUNTED)


def phrase(code: str, language: Language, **told: object) -> str:
    """Raises KeyError: there is no such text, or something that it tells is missing."""
    return TEXTS[code][language == "en"].format(**told)


def act_of(kind: str, language: Language, family: str = "ACT") -> str:
    """In words, as far as we have any. `family`: what their codes begin with."""
    code = f"{family}_{kind}"
    return phrase(code, language) if code in TEXTS else kind


def count(code: str, how_many: int, language: Language, **told: object) -> str:
    """With `n`, the number, among what is told."""
    several = how_many > 1 if language == "fr" else how_many != 1
    return COUNTED[code][language == "en"][several].format(n=how_many, **told)
