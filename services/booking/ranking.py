"""In which order a run serves those who asked: by arrival, by priority points, or by lot. Anybody can work it out again.

The lot of a child depends on three things: the run's seed, which is drawn before anybody asks and shown after the run (its SHA-256,
shown beforehand, proves that it was not changed meanwhile), the run's name, and the child. So nothing that a family sends, how often
or when, moves its own lot; and nobody can know it in time.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.booking.activity import Policy

RESIDENT = "resident"  #: réside dans la commune
BOTH_PARENTS_WORK = "both_parents_work"  #: les deux parents travaillent
SIBLING_IN = "sibling_in"  #: un frère ou une sœur a une place dans l'activité
REFUSED_LAST_TIME = "refused_last_time"  #: rien obtenu à la répartition précédente

KNOWN_OF_FAMILIES = (RESIDENT, BOTH_PARENTS_WORK)  #: The town says it of a family, as it does of those that it names itself.
SEEN_BY_THE_RUN = (SIBLING_IN, REFUSED_LAST_TIME)  #: Nobody says it: the bookings do.

Points = tuple[tuple[str, int], ...]  #: Criteria, each with what it counts.


def commitment(seed: str) -> str:
    """What is published before the run: the SHA-256 of the seed, both as hexadecimal digits."""
    return hashlib.sha256(seed.encode()).hexdigest()


def draw_of(seed: str, run: str, child: str) -> str:
    """The child's lot in a run: the SHA-256 of "seed:run:child", as 64 hexadecimal digits. The lowest comes first."""
    return hashlib.sha256(f"{seed}:{run}:{child}".encode()).hexdigest()


def as_number(draw: str) -> float:
    """A lot as families read it: from 0 to 1, as if a point stood before its digits."""
    return int(draw[:13], 16) / 16**13


@dataclass(frozen=True, slots=True)
class Rule:
    """The published policy, as it is when the run begins."""

    policy: Policy
    points: Points = ()


@dataclass(frozen=True, slots=True)
class Merit:
    """What a child brings to the run, the same for all its lines. None: the policy does not look at it."""

    points: int | None
    criteria: Points  #: Those that hold, with what each counts.
    draw: str | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One line, or the lines of a party: who asks, and the places in the order of arrival."""

    children: tuple[str, ...]
    positions: tuple[int, ...]  #: Of each child's line; unique among all candidates.


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with what placed it: of a party, what its weakest member brings."""

    candidate: Candidate
    merit: Merit


def merit(rule: Rule, seed: str, run: str, child: str, holds: Collection[str]) -> Merit:
    """`holds`: the criteria that are true of the child."""
    if rule.policy == "arrival":
        return Merit(None, (), None)
    draw = draw_of(seed, run, child)
    if rule.policy == "lottery":
        return Merit(None, (), draw)
    criteria = tuple((criterion, points) for criterion, points in rule.points if criterion in holds)
    return Merit(sum(points for _, points in criteria), criteria, draw)


def ranked(candidates: Iterable[Candidate], merits: Mapping[str, Merit]) -> Sequence[Ranked]:
    """First come, first served; whatever the order in which the candidates are given."""
    keyed = [(*_weakest(candidate, merits), candidate) for candidate in candidates]
    keyed.sort(key=lambda one: one[0])
    return [Ranked(candidate, merits[child]) for _, child, candidate in keyed]


Key = tuple[int, str, int]  #: Points, lot, arrival: the lower, the earlier.


def _weakest(candidate: Candidate, merits: Mapping[str, Merit]) -> tuple[Key, str]:
    """All or none: a party comes when the last of its members would, so that being in one is no advantage."""
    return max((_key(merits[child], position), child) for child, position in zip(candidate.children, candidate.positions, strict=True))


def _key(merit: Merit, position: int) -> Key:
    return -(merit.points or 0), merit.draw or "", position
