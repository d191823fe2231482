"""When schools and offices are closed in France: the days off that seasons and deadlines depend on.

The school holidays come from a package whose data ends in a known year, and from an operator's own file (holiday_file.py), which wins
for the school years it names. After the last known one no day is a school holiday: an activity that closes in them stays open, one that
opens only in them stays closed, until the package, or the file, says more. `preau doctor` warns of it before.
"""

import datetime as dt
import importlib.util
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from functools import cache
from types import ModuleType
from typing import Any

from vacances_scolaires_france import SchoolHolidayDates

from services.booking.holiday_file import ZONES, SchoolYear, read, school_year
from services.booking.season import Holidays

#: The day of the abolition of slavery, a public holiday overseas (Code du travail, L3422-2): time zone -> month, day.
ABOLITION = {
    "America/Guadeloupe": (5, 27),
    "America/Cayenne": (6, 10),
    "America/Martinique": (5, 22),
    "Indian/Reunion": (12, 20),
    "Indian/Mayotte": (4, 27),
    "America/St_Barthelemy": (10, 9),
    "America/Marigot": (5, 28),
}


def _country(name: str) -> Any:
    """Its module of `holidays`, alone: the package loads 250 of them, 0.6 s and 20 MB in the midst of somebody's first calendar."""
    package = "holidays.countries"
    spec = importlib.util.find_spec(package)
    assert spec is not None, "installed"
    bare = ModuleType(package)
    bare.__path__ = list(spec.submodule_search_locations or ())
    whole = sys.modules.pop(package, None)
    sys.modules[package] = bare
    try:
        return importlib.import_module(f"{package}.{name}")
    finally:
        del sys.modules[package]
        if whole is not None:
            sys.modules[package] = whole


FRANCE = _country("france").France


class SchoolCalendar:
    """Days off by school zone. `own` gives a zone's holidays of a school year that an operator knows better than the package."""

    def __init__(self, own: Mapping[SchoolYear, frozenset[dt.date]] | None = None) -> None:
        own = own or {}
        known = {**_published(), **own}
        self._by_zone = {zone: frozenset(day for (z, _), days in known.items() if z == zone for day in days) for zone in ZONES}
        # A school year is known when its summer is, with which it ends; or when an operator says so.
        whole = {year for year, days in known.items() if year in own or any(day.month in (7, 8) for day in days)}
        self._known_until = {zone: _last_day({year for z, year in whole if z == zone}) for zone in ZONES}

    def known_until(self, zone: str) -> dt.date:
        """The last day of the last school year that is known for the zone, with none missing before it."""
        return self._known_until[zone]

    def holidays(self, zone: str | None, timezone: str = "Europe/Paris") -> Holidays:
        """No zone: no school holidays, public ones only. The time zone tells overseas territories, which have a public holiday more."""
        school = self._by_zone[zone] if zone is not None else frozenset()
        return Holidays(school, _PublicHolidays(ABOLITION.get(timezone)))


def _last_day(years: Set[int]) -> dt.date:
    last = min(years)
    while last + 1 in years:
        last += 1
    return dt.date(last + 1, 8, 31)


@cache
def _published() -> Mapping[SchoolYear, frozenset[dt.date]]:
    data = SchoolHolidayDates().data
    found: dict[SchoolYear, frozenset[dt.date]] = {}
    for zone in ZONES:
        days = sorted(day for day, row in data.items() if row[f"vacances_zone_{zone.lower()}"])
        found |= {(zone, year): some for year, some in _by_year(days).items()}
    return found


def _by_year(days: Iterable[dt.date]) -> dict[int, frozenset[dt.date]]:
    """School year -> its days: a period belongs to the one in which it begins, so a summer that ends in September to the old one."""
    found: dict[int, set[dt.date]] = defaultdict(set)
    first = last = dt.date.min
    for day in days:
        if (day - last).days > 1:
            first = day
        last = day
        found[school_year(first)].add(day)
    return {year: frozenset(some) for year, some in found.items()}


class _PublicHolidays:
    """Every day of every year, worked out by year when first asked for."""

    def __init__(self, own: tuple[int, int] | None) -> None:
        self._own = own

    def __contains__(self, day: object) -> bool:
        return isinstance(day, dt.date) and (day in _public(day.year) or (day.month, day.day) == self._own)


@cache
def _public(year: int) -> frozenset[dt.date]:
    return frozenset(FRANCE(years=year))


# ------------------------------------------------------------------------------------------------------ of the installation
class _Followed:
    """What this process goes by: one calendar for all towns, as the settings say."""

    calendar: SchoolCalendar | None = None


def follow(path: str | None) -> SchoolCalendar:
    """From now on, this process goes by the operator's file, or without one by the package alone. Raises HolidayFileError."""
    _Followed.calendar = SchoolCalendar(read(path)) if path else published()
    return _Followed.calendar


def followed() -> SchoolCalendar:
    return _Followed.calendar or published()


@cache
def published() -> SchoolCalendar:
    """The package's alone."""
    return SchoolCalendar()
