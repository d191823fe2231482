"""Any story that can be told of a town: families, agents, time, deaths and repeats in any order, against the town on paper.

Two processes' worth of booking stand on one real database, and each step is done by one of them (in a rush, by both at once): it
may die before, in, or after its transaction, as SIGKILL would have it, and is born again knowing nothing. After every step the
tables, the news told and all invariants must be exactly what paper.py has. PREAU_EXAMPLES=1000 tells more stories than CI has time for.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.booking.attendance_rules import AttendanceRules
from tests.booking.office_rules import OfficeRules
from tests.booking.paper_attendance import AttendedPaper
from tests.booking.run_rules import RunRules
from tests.booking.rush_rules import RushRules
from tests.booking.story import tell


class AnyStory(RushRules):
    """Families alone."""


class AnyOfficeStory(OfficeRules, AttendanceRules, RushRules):
    """Agents act too, and days end."""

    papers = AttendedPaper
    paper: AttendedPaper


class AnyRunStory(OfficeRules, RunRules):
    """One activity's requests wait for runs."""


def test_any_story_of_the_town_is_as_on_paper(
    database_url: Callable[[str], Coroutine[Any, Any, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(AnyStory, 5, asyncio.run(database_url("booking")), monkeypatch)


def test_any_story_in_which_agents_act_is_as_on_paper(
    database_url: Callable[[str], Coroutine[Any, Any, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(AnyOfficeStory, 4, asyncio.run(database_url("booking")), monkeypatch)


def test_any_story_with_runs_is_as_on_paper(
    database_url: Callable[[str], Coroutine[Any, Any, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(AnyRunStory, 4, asyncio.run(database_url("booking")), monkeypatch)
