"""Is an activity open on a day, and if not, why (S20)."""

import datetime as dt
from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum

from services.booking.activity import ActivitySpec


class Closed(StrEnum):
    """Why an activity is not open on a day."""

    OUT_OF_SEASON = "OUT_OF_SEASON"  #: hors période
    WEEKDAY = "WEEKDAY"  #: pas ce jour de la semaine
    CLOSED_DAY = "CLOSED_DAY"  #: fermeture exceptionnelle
    PUBLIC_HOLIDAY = "PUBLIC_HOLIDAY"  #: jour férié
    SCHOOL_HOLIDAY = "SCHOOL_HOLIDAY"  #: vacances scolaires
    SCHOOL_DAY = "SCHOOL_DAY"  #: hors vacances scolaires


@dataclass(frozen=True, slots=True)
class Holidays:
    """The days off of one place: its school zone's holidays, and public holidays."""

    school: Container[dt.date] = frozenset()
    public: Container[dt.date] = frozenset()


def why_closed(spec: ActivitySpec, day: dt.date, holidays: Holidays) -> Closed | None:
    """The first reason that applies, or None: it is open.

    The season bounds everything. Within it, a day listed in `open_on` is open whatever the rest says, even if `closed_on` lists
    it too; a day listed in `closed_on` or `days_off` is closed.
    """
    if not spec.opens_on <= day <= spec.closes_on:
        return Closed.OUT_OF_SEASON
    if day in spec.open_on:
        return None
    if day.weekday() not in spec.weekdays:
        return Closed.WEEKDAY
    if day in spec.closed_on or day in spec.days_off:
        return Closed.CLOSED_DAY
    if day in holidays.public:
        return Closed.PUBLIC_HOLIDAY
    return _why_school_closes(spec, day, holidays)


def _why_school_closes(spec: ActivitySpec, day: dt.date, holidays: Holidays) -> Closed | None:
    if spec.school_holidays == "closed" and day in holidays.school:
        return Closed.SCHOOL_HOLIDAY
    if spec.school_holidays == "only" and day not in holidays.school:
        return Closed.SCHOOL_DAY
    return None
