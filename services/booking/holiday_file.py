"""An operator's own school holidays: a CSV file for the years that the package does not know, or gets wrong.

    zone;from;to;label
    ABC;2028-10-21;2028-11-05;Toussaint
    B;2029-02-17;2029-03-04;Hiver

Both days included, as 2028-10-21 or 21/10/2028. A period belongs to the school year in which it begins: what the file says of a zone and a
school year is all there is, whatever the package says of it.
"""

import csv
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.settings import SettingsError

ZONES = ("A", "B", "C")
HEADING = ["zone", "from", "to", "label"]
LONGEST = dt.timedelta(days=100)  #: Longer than any summer: a mistake in a year.
YEARS = range(1990, 2101)

SchoolYear = tuple[str, int]  #: Zone, and the year in which it begins.


class HolidayFileError(SettingsError):
    """The file of PREAU_SCHOOL_HOLIDAYS cannot be used: every mistake, one a line, as file:line: what is wrong."""


@dataclass(frozen=True, slots=True)
class Period:
    line: int
    zones: str
    first: dt.date
    last: dt.date


def school_year(first: dt.date) -> int:
    """The year in which the school year begins that a period of holidays belongs to, by its first day."""
    return first.year if first.month >= 9 else first.year - 1


def read(path: str) -> Mapping[SchoolYear, frozenset[dt.date]]:
    """The days off of each zone and school year that the file names. Raises HolidayFileError."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise HolidayFileError(f"PREAU_SCHOOL_HOLIDAYS: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise HolidayFileError(f"PREAU_SCHOOL_HOLIDAYS: {path} is not UTF-8 text") from None
    periods: list[Period] = []
    mistakes = list(_parse(text, periods)) or list(_overlaps(periods))
    if mistakes:
        raise HolidayFileError("\n".join(f"{path}:{mistake}" for mistake in mistakes))
    return _by_year(periods)


def _parse(text: str, periods: list[Period]) -> Iterable[str]:
    """The mistakes; what is right goes into `periods`."""
    rows = ((number, next(csv.reader([line], delimiter=";"), [])) for number, line in enumerate(text.splitlines(), 1))
    filled = [(number, cells) for number, row in rows if any(cells := [cell.strip() for cell in row])]
    if not filled or [cell.lower() for cell in filled[0][1]] != HEADING:
        yield f"1: the first line is not the heading; expected {';'.join(HEADING)}"
        return
    for number, row in filled[1:]:
        try:
            periods.append(_period(number, row))
        except ValueError as error:
            yield f"{number}: {error}"
    if len(filled) == 1:
        yield "1: no holidays follow; expected a line for each period"


def _period(number: int, row: list[str]) -> Period:
    """Raises ValueError with what is wrong."""
    if len(row) != len(HEADING):
        raise ValueError(f"{len(row)} cells; expected {len(HEADING)}, {';'.join(HEADING)}")
    zones = row[0].upper()
    if not zones or not set(zones) <= set(ZONES) or len(set(zones)) < len(zones):
        raise ValueError(f"zone {row[0]!r}; expected A, B or C, or several such as ABC")
    first, last = _day(row[1]), _day(row[2])
    if not first <= last <= first + LONGEST:
        raise ValueError(f"from {first} to {last}; expected a period of 1 to {LONGEST.days + 1} days")
    return Period(number, zones, first, last)


def _day(text: str) -> dt.date:
    for shape in ("%Y-%m-%d", "%d/%m/%Y"):
        try:
            day = dt.datetime.strptime(text, shape).date()  # noqa: DTZ007 -- a civil date
        except ValueError:
            continue
        if day.year in YEARS:
            return day
    raise ValueError(f"{text!r}; expected an existing day such as 2028-10-21 or 21/10/2028")


def _overlaps(periods: Iterable[Period]) -> Iterable[str]:
    taken: dict[tuple[str, dt.date], int] = {}
    for period in periods:
        days = [(zone, day) for zone in period.zones for day in _days(period)]
        if earlier := {taken[one] for one in days if one in taken}:
            yield f"{period.line}: these days are on line {min(earlier)} already"
        taken.update((one, period.line) for one in days)


def _days(period: Period) -> list[dt.date]:
    return [period.first + dt.timedelta(days=number) for number in range((period.last - period.first).days + 1)]


def _by_year(periods: Iterable[Period]) -> dict[SchoolYear, frozenset[dt.date]]:
    found: dict[SchoolYear, set[dt.date]] = defaultdict(set)
    for period in periods:
        for zone in period.zones:
            found[zone, school_year(period.first)].update(_days(period))
    return {year: frozenset(days) for year, days in found.items()}
