"""The line at the counter, against a model so simple that it is surely right."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.booking.allocation import Answer, Board, Claim, Key, Opening

MONDAY = ("aps-matin", dt.date(2026, 11, 23))
TUESDAY = ("aps-matin", dt.date(2026, 11, 24))


def board(places: int | None = 1, waiting_places: int | None = None, **kwargs: bool) -> Board:
    return Board(
        {key: Opening(places, waiting_places, taken_limit=places, waiting_limit=waiting_places, **kwargs) for key in (MONDAY, TUESDAY)}
    )


def claim(position: int, key: Key = MONDAY, party: int | None = None) -> Claim:
    return Claim(f"b{position}", key, position, party)


def ask(counter: Board, *claims: Claim, may_wait: bool = True) -> Answer:
    answer, others = counter.ask(claims, may_wait=may_wait)
    assert others == []
    return answer


def rank(counter: Board, waiting: Claim) -> int:
    return counter.rank(waiting.opening, waiting.position)


def test_the_first_to_ask_gets_the_place_and_the_next_waits() -> None:
    counter = board(places=1)
    first, second, third = claim(1), claim(2), claim(3)
    assert [ask(counter, c) for c in (first, second, third)] == [Answer.ACCEPTED, Answer.WAITLISTED, Answer.WAITLISTED]
    assert (rank(counter, second), rank(counter, third)) == (1, 2)


def test_s34_without_a_waiting_list_a_full_activity_says_so() -> None:
    counter = board(places=1, waiting_places=0)
    assert [ask(counter, claim(n)) for n in (1, 2)] == [Answer.ACCEPTED, Answer.FULL]


def test_a_family_that_does_not_want_to_wait_is_refused_instead() -> None:
    counter = board(places=0)
    assert ask(counter, claim(1), may_wait=False) is Answer.FULL
    assert counter.openings[MONDAY].line == []


def test_places_that_are_not_limited_are_always_given() -> None:
    counter = board(places=None)
    assert {ask(counter, claim(n)) for n in range(100)} == {Answer.ACCEPTED}


def test_s36_a_freed_place_goes_to_the_first_in_the_line() -> None:
    counter = board(places=1)
    waiting = [claim(n) for n in (1, 2, 3)]
    for c in waiting:
        ask(counter, c)
    assert counter.give_back(MONDAY) == [waiting[1]]
    assert rank(counter, waiting[2]) == 1


def test_after_the_booking_deadline_a_freed_place_stays_free() -> None:
    counter = board(places=1)
    ask(counter, claim(1))
    ask(counter, claim(2))
    counter.openings[MONDAY].bookable = False
    assert counter.give_back(MONDAY) == []
    assert counter.openings[MONDAY].taken == 0


def test_siblings_are_accepted_together_or_wait_together() -> None:
    counter = board(places=2)
    ask(counter, claim(1))
    siblings = claim(2, party=2), claim(3, party=2)
    assert ask(counter, *siblings) is Answer.WAITLISTED
    assert counter.give_back(MONDAY) == list(siblings)


def test_a_place_that_siblings_cannot_use_is_not_kept_empty_for_them() -> None:
    counter = board(places=1)
    siblings = claim(1, party=1), claim(2, party=1)
    assert ask(counter, *siblings) is Answer.WAITLISTED
    assert ask(counter, claim(3)) is Answer.ACCEPTED
    assert [rank(counter, c) for c in siblings] == [1, 2]


def test_siblings_that_find_room_for_one_only_on_the_waiting_list_are_both_refused() -> None:
    counter = board(places=1, waiting_places=1)
    ask(counter, claim(1))
    assert ask(counter, claim(2, party=2), claim(3, party=2)) is Answer.FULL
    assert counter.openings[MONDAY].line == []


def test_of_a_group_that_is_refused_those_are_to_blame_for_whom_nothing_was_left() -> None:
    counter = board(places=1, waiting_places=1)
    ask(counter, claim(1, TUESDAY))
    pair = claim(2, MONDAY, party=2), claim(3, MONDAY, party=2)
    group = *pair, claim(4, TUESDAY, party=2), claim(5, TUESDAY, party=2)
    assert ask(counter, *group) is Answer.FULL
    assert counter.short(group, may_wait=True) == {group[3].booking}, "the others had a place or a rank"
    assert counter.short(group, may_wait=False) == {group[1].booking, group[2].booking, group[3].booking}
    assert counter.short(pair, may_wait=True) == {pair[1].booking}, "each had something, and one would have waited alone"


def test_a_group_over_two_days_needs_both() -> None:
    counter = board(places=1)
    ask(counter, claim(1, TUESDAY))
    group = claim(2, MONDAY, party=2), claim(3, TUESDAY, party=2)
    assert ask(counter, *group) is Answer.WAITLISTED
    assert counter.openings[MONDAY].taken == 0
    assert counter.give_back(TUESDAY) == list(group)


def test_when_one_sibling_leaves_the_line_the_other_may_fit() -> None:
    counter = board(places=1)
    elder, younger = claim(1, party=1), claim(2, party=1)
    ask(counter, elder, younger)
    assert counter.leave(elder) == [younger]


def test_more_places_are_given_at_once_in_order() -> None:
    counter = board(places=1)
    waiting = [claim(n) for n in range(1, 5)]
    for c in waiting:
        ask(counter, c)
    assert counter.resize({MONDAY: (3, None)}) == waiting[1:3]


def test_days_that_grow_together_are_given_together() -> None:
    counter = board(places=0)
    group = claim(1, MONDAY, party=1), claim(2, TUESDAY, party=1)
    ask(counter, *group)
    ask(counter, claim(3, MONDAY))
    assert counter.resize({MONDAY: (1, None), TUESDAY: (1, None)}) == list(group)


def test_on_days_that_grow_together_a_group_overtakes_nobody() -> None:
    counter = board(places=0)
    first = claim(1, TUESDAY)
    ask(counter, first)
    ask(counter, claim(2, MONDAY, party=2), claim(3, TUESDAY, party=2))
    assert counter.resize({MONDAY: (1, None), TUESDAY: (1, None)}) == [first]


def test_fewer_places_take_nothing_from_anybody() -> None:
    counter = board(places=2, waiting_places=2)
    for n in range(1, 5):
        ask(counter, claim(n))
    assert counter.resize({MONDAY: (1, 0)}) == []
    opening = counter.openings[MONDAY]
    assert (opening.taken, len(opening.line), opening.taken_limit, opening.waiting_limit) == (2, 2, 2, 2)
    assert counter.give_back(MONDAY) == []  # 1 place, 1 taken: the line goes on waiting
    opening.tighten()
    assert (opening.taken, opening.taken_limit) == (1, 1)


def test_siblings_whose_deadline_passes_stop_waiting_together() -> None:
    counter = board(places=0)
    elder, younger = claim(1, MONDAY, party=1), claim(2, TUESDAY, party=1)
    ask(counter, elder, younger)
    assert counter.drop(elder) == [elder, younger]
    assert [opening.waiting for opening in counter.openings.values()] == [0, 0]


def test_who_does_not_wait_cannot_leave_the_line() -> None:
    with pytest.raises(KeyError):
        board().waiting("nobody", MONDAY)


# ---------------------------------------------------------------------------------------------------------- the tiny model
@dataclass
class Model:
    """Everybody in one list in order of arrival; after each step, whoever stands first and fits is let in, until nobody does."""

    places: dict[Key, int | None]
    waiting_places: dict[Key, int | None]
    inside: list[Claim] = field(default_factory=list)
    waiting: list[Claim] = field(default_factory=list)

    def settle(self) -> list[Claim]:
        let_in: list[Claim] = []
        for head in sorted(self.waiting, key=lambda c: c.position):
            unit = [c for c in self.waiting if c is head or (head.party is not None and c.party == head.party)]
            if head in self.waiting and not self.overfull(self.inside + unit, self.places, unit):
                self.inside += unit
                self.waiting = [c for c in self.waiting if c not in unit]
                let_in += unit
        return let_in

    @staticmethod
    def overfull(claims: Sequence[Claim], places: dict[Key, int | None], unit: Sequence[Claim]) -> bool:
        asked = {(key, places[key]) for key in {claim.opening for claim in unit}}
        return any(limit is not None and sum(c.opening == key for c in claims) > limit for key, limit in asked)

    def ask(self, unit: list[Claim], may_wait: bool) -> Answer:
        self.waiting += unit
        let_in = self.settle()
        if unit[0] in let_in:
            return Answer.ACCEPTED
        if may_wait and not self.overfull(self.waiting, self.waiting_places, unit):
            return Answer.WAITLISTED
        self.waiting = [c for c in self.waiting if c not in unit]
        return Answer.FULL


keys = st.sampled_from([MONDAY, TUESDAY])
limits = st.none() | st.integers(0, 3)
steps = st.one_of(
    st.tuples(st.just("ask"), st.lists(keys, min_size=1, max_size=3), st.booleans()),
    st.tuples(st.just("cancel"), st.integers(0, 1000), st.just(None)),
    st.tuples(st.just("resize"), st.sets(keys), st.tuples(limits, limits)),
)


@settings(max_examples=300, deadline=None)
@given(places=limits, waiting_places=limits, story=st.lists(steps, max_size=25))
def test_the_counter_does_what_the_model_does(places: int | None, waiting_places: int | None, story: list[tuple]) -> None:
    counter = board(places, waiting_places)
    model = Model(dict.fromkeys((MONDAY, TUESDAY), places), dict.fromkeys((MONDAY, TUESDAY), waiting_places))
    for number, (verb, what, how) in enumerate(story, 1):
        if verb == "ask":
            party = number * 10 if len(what) > 1 else None
            unit = [Claim(f"b{number}{line}", key, number * 10 + line, party) for line, key in enumerate(what)]
            answer, others = counter.ask(unit, may_wait=how)
            assert (answer, others) == (model.ask(unit, how), [])
        elif verb == "cancel":
            everybody = model.inside + model.waiting
            if not everybody:
                continue
            gone = everybody[what % len(everybody)]
            if gone in model.inside:
                model.inside.remove(gone)
                let_in = counter.give_back(gone.opening)
            else:
                model.waiting.remove(gone)
                let_in = counter.leave(gone)
            assert let_in == model.settle()
        else:
            model.places |= dict.fromkeys(what, how[0])
            model.waiting_places |= dict.fromkeys(what, how[1])
            assert counter.resize(dict.fromkeys(what, how)) == model.settle()
        the_counts_agree(counter, model)


def the_counts_agree(counter: Board, model: Model) -> None:
    for key, opening in counter.openings.items():
        opening.tighten()
        line = sorted((c for c in model.waiting if c.opening == key), key=lambda c: c.position)
        assert opening.taken == sum(c.opening == key for c in model.inside)
        assert opening.line == line
        assert [rank(counter, c) for c in line] == list(range(1, len(line) + 1))
        assert opening.taken_limit is None or opening.taken <= opening.taken_limit
        assert opening.waiting_limit is None or len(line) <= opening.waiting_limit
        # Nobody waits alone while a place is free.
        assert not (opening.free and any(c.party is None for c in line))
