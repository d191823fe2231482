"""What is wrong with an activity as an agent describes it. A town's file says the same of its own, with lines (deploy/town)."""

import datetime as dt
from collections.abc import Callable, Iterable

from services.booking.activity import ActivitySpec, ChosenHours, DaysBefore, Deadline, HoursBefore, Scheduled, WeekdayBefore
from services.booking.hours import minutes

LONGEST_NAME = 200
LONGEST_SEASON = dt.timedelta(days=3 * 366)
MOST_PLACES = 100_000
MOST_DAYS = 1500  #: Named one by one.
YEARS = range(2000, 2200)
WEIGHTS = range(1, 10_001)  #: What a criterion may count.
CLOSE_AFTER = range(367)  #: Days.


def flaw(spec: ActivitySpec, before: ActivitySpec | None = None) -> str | None:
    """The code of the first thing that cannot be, or None: all is well, or no worse than `before`."""
    return next((code for code, is_so in FLAWS if is_so(spec) and not (before is not None and is_so(before))), None)


def _name(spec: ActivitySpec) -> bool:
    return not all(_is_line(text) for text in (spec.name, spec.category or "-"))


def _is_line(text: str) -> bool:
    return 0 < len(text) <= LONGEST_NAME and text.isprintable() and text == text.strip()


def _season_reversed(spec: ActivitySpec) -> bool:
    return spec.closes_on < spec.opens_on


def _season_too_long(spec: ActivitySpec) -> bool:
    return spec.closes_on - spec.opens_on > LONGEST_SEASON or spec.opens_on.year not in YEARS


def _never_open(spec: ActivitySpec) -> bool:
    return not spec.weekdays and not spec.open_on


def _too_many_days(spec: ActivitySpec) -> bool:
    return any(len(days) > MOST_DAYS for days in (spec.closed_on, spec.open_on, spec.capacity_on, spec.waiting_list_on))


def _hours_reversed(spec: ActivitySpec) -> bool:
    return spec.departure <= spec.arrival


def _step(spec: ActivitySpec) -> bool:
    return isinstance(spec.hours, ChosenHours) and not 1 <= spec.hours.step_minutes <= 240


def _minimum(spec: ActivitySpec) -> bool:
    hours = spec.hours
    return isinstance(hours, ChosenHours) and not 1 <= hours.minimum_minutes <= minutes(hours.latest) - minutes(hours.earliest)


def _places(spec: ActivitySpec) -> bool:
    return _outside([spec.capacity, spec.waiting_list, *spec.capacity_on.values(), *spec.waiting_list_on.values()])


def _outside(numbers: Iterable[int | None]) -> bool:
    return any(number is not None and not 0 <= number <= MOST_PLACES for number in numbers)


def _deadlines(spec: ActivitySpec) -> bool:
    return not (_is_possible(spec.booking_deadline) and _is_possible(spec.cancellation_deadline))


def _is_possible(deadline: Deadline) -> bool:
    match deadline:
        case None:
            return True
        case DaysBefore(days):
            return 0 <= days <= 366
        case HoursBefore(hours):
            return 0 <= hours <= 24 * 366
        case WeekdayBefore(weekday, _, weeks_before):
            return 0 <= weekday <= 6 and 0 <= weeks_before <= 52


def _needs_places(spec: ActivitySpec) -> bool:
    """A run that ranks requests for places that are not counted would only make families wait."""
    return isinstance(spec.allocation, Scheduled) and not spec.limited


def _points(spec: ActivitySpec) -> bool:
    if not isinstance(spec.allocation, Scheduled) or not spec.allocation.points:
        return False
    points = dict(spec.allocation.points)
    twice = len(points) < len(spec.allocation.points)
    return twice or spec.allocation.policy != "points" or any(count not in WEIGHTS for count in points.values())


def _attendance(spec: ActivitySpec) -> bool:
    return spec.attendance.close_after_days not in CLOSE_AFTER


FLAWS: tuple[tuple[str, Callable[[ActivitySpec], bool]], ...] = (
    ("NAME_NOT_POSSIBLE", _name),
    ("SEASON_REVERSED", _season_reversed),
    ("SEASON_TOO_LONG", _season_too_long),
    ("NEVER_OPEN", _never_open),
    ("TOO_MANY_DAYS", _too_many_days),
    ("HOURS_REVERSED", _hours_reversed),
    ("STEP_NOT_POSSIBLE", _step),
    ("MINIMUM_NOT_POSSIBLE", _minimum),
    ("PLACES_NOT_POSSIBLE", _places),
    ("DEADLINE_NOT_POSSIBLE", _deadlines),
    ("NOTHING_TO_ALLOCATE", _needs_places),
    ("POINTS_NOT_POSSIBLE", _points),
    ("ATTENDANCE_NOT_POSSIBLE", _attendance),
)
