"""Dates as a town file writes them: ISO, or relative to the day of loading.

An expression is an anchor and any number of steps: `today+7d`, `month-start+1m+3d`, `monday-2w`, `2026-09-01`.

- anchors: `today`, `tomorrow`, `yesterday`; `month-start` (the first of the current month); a weekday, which is the next such
  day, the day of loading included (on a Monday `monday` is today); an ISO date.
- steps: `+` or `-`, a number, and `d` (days), `w` (weeks), `m` (months) or `y` (years). A month too short gives its last day.
"""

import calendar
import datetime as dt
import re

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
EXPECTED = 'a date: "2026-09-01", "today", "today+30d", "monday", "month-start", "month-start+1m"...'

_EXPRESSION = re.compile(r"(?P<anchor>[0-9]{4}-[0-9]{2}-[0-9]{2}|[a-z]+(?:-[a-z]+)?)(?P<steps>(?:[+-][0-9]{1,4}[dwmy])*)")
_STEP = re.compile(r"([+-][0-9]+)([dwmy])")


def resolve(text: str, today: dt.date) -> dt.date:
    """The date that the expression means on the day `today`. Raises ValueError, whose message says what is wrong."""
    match = _EXPRESSION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a date")
    date = _anchor(match["anchor"], today)
    for count, unit in _STEP.findall(match["steps"]):
        date = _step(date, int(count), unit)
    return date


def _anchor(text: str, today: dt.date) -> dt.date:
    if text[0].isdigit():
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            raise ValueError(f"there is no {text}") from None
    if text in WEEKDAYS:
        return today + dt.timedelta(days=(WEEKDAYS.index(text) - today.weekday()) % 7)
    anchors = {
        "today": today,
        "tomorrow": today + dt.timedelta(days=1),
        "yesterday": today - dt.timedelta(days=1),
        "month-start": today.replace(day=1),
    }
    if text not in anchors:
        raise ValueError(f"{text!r} is not a date")
    return anchors[text]


def _step(date: dt.date, count: int, unit: str) -> dt.date:
    try:
        if unit in "dw":
            return date + dt.timedelta(days=count * (7 if unit == "w" else 1))
        return _months_later(date, count * (12 if unit == "y" else 1))
    except (OverflowError, ValueError):
        raise ValueError(f"{count:+}{unit} from {date} leaves the calendar") from None


def _months_later(date: dt.date, months: int) -> dt.date:
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    return dt.date(year, month + 1, min(date.day, calendar.monthrange(year, month + 1)[1]))
