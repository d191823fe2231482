"""When schools and offices are closed in France: the days off that seasons and deadlines depend on.

The school holidays come from a package whose data ends in a known year. After it no day is a school holiday: an activity that
closes in them stays open, one that opens only in them stays closed, until the package, or `own`, says more.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from functools import cache

import holidays
from vacances_scolaires_france import SchoolHolidayDates

from services.booking.season import Holidays

ZONES = ("A", "B", "C")


class SchoolCalendar:
    """Days off by school zone. `own` gives a zone's holidays by year, instead of the package's: years that an operator knows better."""

    def __init__(self, own: Mapping[tuple[str, int], frozenset[dt.date]] | None = None) -> None:
        known = _published()
        self._by_zone = {zone: frozenset(_with_own(known[zone], zone, own or {})) for zone in ZONES}
        self.known_until = dt.date(max([_last_published_year(), *(year for _, year in own or {})]), 12, 31)

    def holidays(self, zone: str | None) -> Holidays:
        """No zone: no school holidays, public ones only."""
        school = self._by_zone[zone] if zone is not None else frozenset()
        return Holidays(school, _PublicHolidays())


def _with_own(days: Iterable[dt.date], zone: str, own: Mapping[tuple[str, int], frozenset[dt.date]]) -> Iterable[dt.date]:
    yield from (day for day in days if (zone, day.year) not in own)
    for (own_zone, _), own_days in own.items():
        if own_zone == zone:
            yield from own_days


@cache
def _published() -> dict[str, frozenset[dt.date]]:
    data = SchoolHolidayDates().data
    return {zone: frozenset(day for day, row in data.items() if row[f"vacances_zone_{zone.lower()}"]) for zone in ZONES}


def _last_published_year() -> int:
    # A year is published when its autumn and Christmas holidays are, not only the summer that a school year ends with.
    last = max(max(days) for days in _published().values())
    return last.year if last.month == 12 else last.year - 1


class _PublicHolidays:
    """National ones: every day of every year, worked out by year when first asked for."""

    def __contains__(self, day: object) -> bool:
        return isinstance(day, dt.date) and day in _public(day.year)


@cache
def _public(year: int) -> frozenset[dt.date]:
    return frozenset(holidays.country_holidays("FR", years=year))
