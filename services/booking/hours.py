"""The hours of a booking: given by the activity, or chosen by the family within bounds (S26)."""

from services.booking.activity import FixedHours, Hours, LocalTime


def check(hours: Hours, arrival: LocalTime | None, departure: LocalTime | None) -> str | None:
    """None if they are allowed, HOURS_REQUIRED if the family has to choose, HOURS_NOT_ALLOWED.

    Fixed hours need not be repeated; other ones are not allowed. Chosen ones stand on the activity's steps, counted from the
    earliest; the latest hour is always allowed as a departure.
    """
    if isinstance(hours, FixedHours):
        same = arrival in (None, hours.arrival) and departure in (None, hours.departure)
        return None if same else "HOURS_NOT_ALLOWED"
    if arrival is None or departure is None:
        return "HOURS_REQUIRED"
    first, last = minutes(arrival), minutes(departure)
    start, end = minutes(hours.earliest), minutes(hours.latest)
    within = start <= first and last <= end and last - first >= max(hours.minimum_minutes, 1)
    in_step = (first - start) % hours.step_minutes == 0 and (last == end or (last - start) % hours.step_minutes == 0)
    return None if within and in_step else "HOURS_NOT_ALLOWED"


def resolved(hours: Hours, arrival: LocalTime | None, departure: LocalTime | None) -> tuple[LocalTime, LocalTime]:
    """What to show and keep: the fixed hours, or what was chosen, with the activity's bounds for what was not."""
    if isinstance(hours, FixedHours):
        return hours.arrival, hours.departure
    return arrival or hours.earliest, departure or hours.latest


def minutes(local_time: LocalTime) -> int:
    """Since midnight."""
    return int(local_time[:2]) * 60 + int(local_time[3:])
