"""Dates in a town file mean a day relative to the day of loading."""

import datetime as dt

import pytest

from deploy.town.dates import resolve

MONDAY = dt.date(2026, 11, 23)


@pytest.mark.parametrize(
    ("expression", "day"),
    [
        ("today", "2026-11-23"),
        ("tomorrow", "2026-11-24"),
        ("yesterday", "2026-11-22"),
        ("today+30d", "2026-12-23"),
        ("today-20d", "2026-11-03"),
        ("today+2w", "2026-12-07"),
        ("monday", "2026-11-23"),
        ("tuesday", "2026-11-24"),
        ("sunday", "2026-11-29"),
        ("monday+1w", "2026-11-30"),
        ("month-start", "2026-11-01"),
        ("month-start+1m", "2026-12-01"),
        ("month-start+10m", "2027-09-01"),
        ("month-start+1m+3d", "2026-12-04"),
        ("month-start-1m-1d", "2026-09-30"),
        ("today+1y", "2027-11-23"),
        ("2026-09-01", "2026-09-01"),
        ("2026-09-01+3d", "2026-09-04"),
        (" today ", "2026-11-23"),
    ],
)
def test_an_expression_means_a_day(expression: str, day: str) -> None:
    assert resolve(expression, MONDAY) == dt.date.fromisoformat(day)


@pytest.mark.parametrize(
    ("expression", "today", "day"),
    [
        ("today+1m", "2026-01-31", "2026-02-28"),
        ("today+1m", "2028-01-31", "2028-02-29"),
        ("today+1y", "2028-02-29", "2029-02-28"),
        ("month-start+1m", "2026-12-31", "2027-01-01"),
        ("month-start-1m", "2026-01-15", "2025-12-01"),
        ("monday", "2026-11-22", "2026-11-23"),
        ("monday", "2026-11-24", "2026-11-30"),
    ],
)
def test_months_of_any_length_and_weeks_that_have_begun(expression: str, today: str, day: str) -> None:
    assert resolve(expression, dt.date.fromisoformat(today)) == dt.date.fromisoformat(day)


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "soon",
        "today+",
        "today+3",
        "today+3h",
        "today +3d",
        "2026-13-01",
        "2026-02-30",
        "26-09-01",
        "23/11/2026",
        "month-end",
        "monday-start",
        "today+9999y",
    ],
)
def test_nonsense_is_no_date(nonsense: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        resolve(nonsense, MONDAY)
