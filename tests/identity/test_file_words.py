"""What a town's file that is loaded again says anew, and what people made of the rest."""

from typing import Any

import pytest

from services.file_words import members, newly_said, renewed
from services.identity.file_ranks import NOBODY, Rank, keep_one, rank_of

AGENT, CHIEF = Rank(True, False), Rank(True, True)


def test_only_what_it_says_otherwise_than_last_time_is_news() -> None:
    said = {"name": "Mairie", "zone": None}
    assert newly_said(said, None) == said
    assert newly_said(said, {"name": "Mairie", "zone": "B"}) == {"zone": None}
    assert newly_said(said, {"name": "Mairie"}) == {"zone": None}, "a key that files did not have then"


@pytest.mark.parametrize(
    ("said", "before", "there", "are"),
    [
        ("ab", None, "c", "ab"),
        ("ab", "ab", "b", "b"),  # an agent took a off
        ("ab", "ab", "cab", "cab"),  # and let c in
        ("abd", "ab", "b", "bd"),
        ("ad", "ab", "abc", "adc"),
        ("ba", "ab", "ab", "ba"),
    ],
)
def test_who_came_or_went_otherwise_has_done_so(said: str, before: str | None, there: str, are: str) -> None:
    assert "".join(members(said, before, there)) == are


@pytest.mark.parametrize(
    ("said", "before", "there", "is_to_be"),
    [
        (Rank(True, None), NOBODY, NOBODY, AGENT),
        (Rank(True, None), Rank(True, None), NOBODY, NOBODY),  # an administrator took it away
        (Rank(True, None), Rank(True, None), CHIEF, CHIEF),
        (Rank(True, True), Rank(True, True), AGENT, AGENT),
        (Rank(True, False), Rank(True, True), CHIEF, AGENT),
        (Rank(False, None), Rank(True, True), CHIEF, NOBODY),
        (Rank(False, None), NOBODY, CHIEF, CHIEF),  # the file never made it one
        (Rank(True, True), Rank(True, None), AGENT, CHIEF),
        (Rank(True, True), Rank(True, None), NOBODY, CHIEF),  # who administers is an agent
    ],
)
def test_a_rank_is_what_the_file_says_anew_or_what_it_is(said: Rank, before: Rank, there: Rank, is_to_be: Rank) -> None:
    assert rank_of(said, before, there) == is_to_be


def test_of_what_is_parted_each_part_is_looked_at_by_itself() -> None:
    before: dict[str, Any] = {"name": "APS", "closed": ["d1"], "places": {"d1": 5, "d2": 6}, "hours": {"from": "07:00", "to": "08:00"}}
    there = {**before, "name": "APS MATIN", "closed": ["d1", "d2"], "places": {"d1": 9}, "why": {"d2": "Grève"}}
    parted = {"closed", "places", "why"}
    assert renewed(before, before, there, parted) == there
    assert renewed(before, None, there, parted) == before
    said = {**before, "closed": ["d3"], "places": {"d1": 5, "d2": 7}, "hours": {"at": "07:00"}, "why": {"d3": "Pont"}}
    assert renewed(said, before, there, parted) == {
        "name": "APS MATIN", "closed": ["d3", "d2"], "places": {"d1": 9, "d2": 7}, "hours": {"at": "07:00"},
        "why": {"d2": "Grève", "d3": "Pont"},
    }  # fmt: skip


def test_a_structure_keeps_its_last_administrators() -> None:
    assert keep_one({"a": AGENT, "b": NOBODY}, {"a": CHIEF, "b": CHIEF, "c": AGENT}) == {"a": CHIEF, "b": CHIEF}
    assert keep_one({"a": AGENT, "b": CHIEF}, {"a": CHIEF}) == {}, "another takes its place"
    assert keep_one({"a": AGENT}, {"a": CHIEF, "z": CHIEF}) == {}, "there is one whom the file does not name"
    assert keep_one({"a": AGENT}, {"a": AGENT}) == {}, "there was none"
