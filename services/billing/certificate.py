"""What a family paid in a year for the care of its youngest children ("attestation fiscale", frais de garde).

A wallet is a purse: what it pays for is decided here, once for all years. Money is spent in the order in which it came, on what is owed
in the order in which that was due; a cent of a charge is paid on the later of the two days. So an advance counts in the year of the care,
a debt in the year in which it is paid, and no cent twice or never. Only what the family paid counts, not what the town gave; a payment that
was reversed never was one.
"""

import datetime as dt
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

YOUNGEST = 6  #: Years: whoever is younger on 1 January counts for that year.


class Move(IntEnum):
    """What moves a wallet, in the order in which moves of one day count: nobody owes what was paid that day."""

    PAID = 0  #: By the family.
    GIVEN = 1  #: By the town.
    TAKEN = 2  #: Paid back, taken by the town, or transferred.
    CHARGED = 3


@dataclass(frozen=True, slots=True)
class Moved:
    """One move of one wallet of the family."""

    wallet: str
    date: dt.date  #: Of a charge, the day itself, or the month's first.
    move: Move
    cents: int
    order: str = ""  #: Among those of one day.
    child: str | None = None  #: Of a charge for childcare: whose, and where.
    activity: str | None = None
    into: str | None = None  #: The wallet to which it is transferred.


@dataclass(frozen=True, slots=True)
class Settled:
    """A part of a charge for childcare, on the day from which it is paid."""

    child: str
    activity: str
    date: dt.date
    cents: int


def settled(moves: Iterable[Moved]) -> list[Settled]:
    """What of the charges for childcare the family paid, and when."""
    found: list[Settled] = []
    purses: dict[str, _Purse] = defaultdict(lambda: _Purse(found))
    for move in sorted(moves, key=lambda one: (one.date, one.move, one.order)):
        if move.move in (Move.PAID, Move.GIVEN):
            purses[move.wallet].gets(move.date, move.cents, is_paid=move.move is Move.PAID)
            continue
        spent = purses[move.wallet].owes(move)
        if move.into is not None:
            for is_paid, cents in spent:
                purses[move.into].gets(move.date, cents, is_paid=is_paid)
            purses[move.into].gets(move.date, move.cents - sum(cents for _, cents in spent), is_paid=False)
    return found


class _Purse:
    """What is in a wallet, or owed: never both."""

    def __init__(self, found: list[Settled]) -> None:
        self._found = found
        self._money: deque[tuple[bool, int]] = deque()  #: Whether the family paid it, and how much of it is left; in order of arrival.
        self._debts: deque[tuple[Moved, int]] = deque()  #: And how much of each is left.

    def gets(self, date: dt.date, cents: int, *, is_paid: bool) -> None:
        while cents and self._debts:
            debt, owed = self._debts.popleft()
            part = min(cents, owed)
            self._settle(debt, date, part, is_paid)
            cents -= part
            if owed > part:
                self._debts.appendleft((debt, owed - part))
        if cents:
            self._money.append((is_paid, cents))

    def owes(self, move: Moved) -> list[tuple[bool, int]]:
        """The money that it is paid with: for a charge the oldest; what leaves the purse otherwise is the newest."""
        left, spent = move.cents, []
        while left and self._money:
            is_paid, part = self._take(left, oldest=move.move is Move.CHARGED)
            self._settle(move, move.date, part, is_paid)
            spent.append((is_paid, part))
            left -= part
        if left:
            self._debts.append((move, left))
        return spent

    def _take(self, cents: int, *, oldest: bool) -> tuple[bool, int]:
        is_paid, there = self._money.popleft() if oldest else self._money.pop()
        if there > cents:
            put_back = self._money.appendleft if oldest else self._money.append
            put_back((is_paid, there - cents))
        return is_paid, min(cents, there)

    def _settle(self, charge: Moved, date: dt.date, cents: int, is_paid: bool) -> None:
        if is_paid and charge.move is Move.CHARGED and charge.child is not None and charge.activity is not None:
            self._found.append(Settled(charge.child, charge.activity, date, cents))


# ------------------------------------------------------------------------------------------------------------- of a year
@dataclass(frozen=True, slots=True)
class ChildsPart:
    """What was paid for one child: (activity, cents), by activity."""

    child: str
    activities: tuple[tuple[str, int], ...]

    @property
    def cents(self) -> int:
        return sum(cents for _, cents in self.activities)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Of one year, as it was that day."""

    year: int
    as_of: dt.date
    children: tuple[ChildsPart, ...]
    without_birth_date: tuple[str, ...]  #: Children for whose care something was paid of whom nobody knows whether they count.

    @property
    def provisional(self) -> bool:
        """The year is not over."""
        return self.as_of.year <= self.year

    @property
    def cents(self) -> int:
        return sum(child.cents for child in self.children)


def certificate(year: int, today: dt.date, parts: Iterable[Settled], births: Mapping[str, dt.date | None]) -> Certificate:
    """`births`: child -> birth date. The eldest first."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for part in parts:
        if part.date.year == year:
            sums[part.child][part.activity] += part.cents
    counted = sorted((birth, child) for child in sums if (birth := births.get(child)) is not None and counts(birth, year))
    children = tuple(ChildsPart(child, tuple(sorted(sums[child].items()))) for _, child in counted)
    return Certificate(year, today, children, tuple(sorted(child for child in sums if births.get(child) is None)))


def counts(birth: dt.date, year: int) -> bool:
    """Whether the child is younger than six on 1 January of that year (CGI, art. 200 quater B)."""
    return dt.date(year, 1, 1) < _birthday(birth, YOUNGEST)


def _birthday(birth: dt.date, age: int) -> dt.date:
    """Born on 29 February, one is a year older on 1 March of other years."""
    try:
        return birth.replace(year=birth.year + age)
    except ValueError:
        return dt.date(birth.year + age, 3, 1)
