"""Random words for stories: what families draft, what the town offers, what other services tell, and who dies where."""

import datetime as dt
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.booking.paper import Ask, Paper, Power
from tests.booking.paper_days import Offer, Setting

MONDAY, TUESDAY, WEDNESDAY = dt.date(2026, 11, 30), dt.date(2026, 12, 1), dt.date(2026, 12, 2)  # on Wednesdays it is closed
HOUSEHOLDS = {"dupont": ("amalia", "paolo", "zoe"), "durand": ("lea", "hugo"), "petit": ("ines",), "moreau": ("tom", "emma")}
CHILDREN = {child: family for family, children in HOUSEHOLDS.items() for child in children}
ACTIVITIES = ("cantine", "aps")

replicas = st.sampled_from([0, 1])
fates = st.sampled_from([*[None] * 12, "before_commit", "after_commit", "after_commit", *range(1, 13)])
activities = st.sampled_from(["cantine", "cantine", "aps"])
deadlines = st.sampled_from([0, 0, 1, 1, 2])
offers = st.builds(
    Offer,
    places=st.sampled_from([0, 1, 1, 2, 2, 3, None]),
    waiting=st.sampled_from([0, 2, 3, None, None]),
    books_until=deadlines,
    cancels_until=deadlines,
)


@st.composite
def lines(draw: st.DrawFn, family: str) -> tuple[str, str, str, dt.date]:
    """Mostly what makes sense: an own child, a day that it has not got yet; to be given back, one that it has."""
    paper: Paper = draw(st.runner()).paper
    children = [child for child in CHILDREN if paper.family_of[child] == family]
    held = [(wish.child, *wish.key) for wish in paper.wishes if wish.family == family and wish.status in ("ACCEPTED", "WAITLISTED")]
    every = [(child, activity, day) for child in children for activity in ACTIVITIES for day in (MONDAY, TUESDAY)]
    if draw(st.integers(0, 25)) == 0 or not children:
        every = [(child, "cantine", day) for child in CHILDREN for day in (TUESDAY, WEDNESDAY)]
    sign = draw(st.sampled_from("+++-"))
    wanted = [one for one in every if (one in held) is (sign == "-")] or every
    # Always one number of the same range: what a rush leaves may differ from one telling to the next, what is drawn may not.
    return sign, *wanted[draw(st.integers(0, 23)) % len(wanted)]


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    """One family's draft."""
    family = draw(st.sampled_from([*HOUSEHOLDS, "dupont", "durand", "moreau"]))
    wanted = draw(st.lists(lines(family), min_size=1, max_size=4))
    numbers = st.integers(0, len(wanted) - 1)
    groups = st.lists(st.sets(numbers, min_size=2, max_size=3).map(lambda some: tuple(sorted(some))), max_size=2, unique=True)
    together = draw(groups) if len(wanted) > 1 else []
    return Ask(family, tuple(wanted), tuple(together), waits=draw(st.integers(0, 5)) > 0)


@dataclass(frozen=True)
class Owes:
    family: str
    in_debt: bool


@dataclass(frozen=True)
class Moves:
    child: str
    to: str


news = st.one_of(
    st.builds(Owes, st.sampled_from(list(HOUSEHOLDS)), st.sampled_from([False, False, True])),
    st.builds(Moves, st.sampled_from(["zoe", "hugo"]), st.sampled_from(["dupont", "durand", "petit"])),
)

powers = st.builds(Power, past_deadlines=st.booleans(), despite_debt=st.booleans())
days = st.sampled_from([MONDAY, TUESDAY, TUESDAY, WEDNESDAY])
numbers = st.sampled_from([(), (), (0,), (1,), (2,), (3,), (None,)])
day_settings = st.builds(
    Setting,
    open=st.sampled_from([None, None, None, True, False]),
    usual=st.booleans(),
    places=numbers,
    waiting=numbers,
    cancels=st.sampled_from([False, False, True]),
)
