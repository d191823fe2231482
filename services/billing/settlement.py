"""What a closed day does to the money ("débit de la journée"): what each child's day comes to, and the entries that put it in the books.

A day that was opened again is told again as a whole, with a higher version; what an earlier version named and the newest does not
is nothing any more. So nothing here adds up news: it says what the books should say now, compares that with what they do say, and
writes the difference as entries of its own, for the ledger only grows. However often and in whatever order the versions come, the
books end where the newest one puts them; what is not newer than what is known (hold.is_newer) is not asked about at all.

Everything charged has one cause: `attendance:<booking, or presence without one>` for a day, `flat:<child>:<activity>:<month>` for a
month. Its first entry bears that name, each later one a number too, `...#2`, and all of them say what they settle.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.billing.charged import AS_MOST_TOWNS_DO, Attendance, Charged
from services.billing.ledger import Entry, charge, correction, is_wallet, wallet_account
from services.billing.tariff import Price, Step, duration, minutes_late, share

#: How the causes of what is charged begin: of a day, and of a flat month.
ATTENDANCE, FLAT = "attendance:", "flat:"


# -------------------------------------------------------------------------------------------------------- what was heard
@dataclass(frozen=True, slots=True)
class Line:
    """What became of one child's day."""

    id: str  #: The booking's; of a child that came without one, the same each time the day is closed.
    child: str
    family: str
    attendance: Attendance
    arrival: str | None = None
    departure: str | None = None
    booked: bool = True


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """All of an activity's day, as one closing tells it."""

    activity: str
    date: dt.date
    version: int
    lines: tuple[Line, ...]

    def together(self, family: str) -> set[str]:
        """The children of the family that were there: they count for the rank of one that came without a booking."""
        return {line.child for line in self.lines if line.family == family and line.attendance is Attendance.PRESENT}


@dataclass(frozen=True, slots=True)
class Quoted:
    """What a line is charged by: what its booking was frozen with; without a booking, what the day cost when it was first closed."""

    wallet: str
    price: Price
    charged: Charged = AS_MOST_TOWNS_DO
    departure: str | None = None  #: As booked; None: nobody was late.
    tariff_version: str = ""  #: "<revision>/<first day>"
    flat: bool = False  #: By a flat rate: the day makes its month due.


# -------------------------------------------------------------------------------------------------------- what it comes to
@dataclass(frozen=True, slots=True)
class Consumption:
    """A day or a month that is due ("consommation"): the amounts of the price's steps add up to it."""

    cause: str
    child: str
    family: str
    activity: str
    date: dt.date  #: Of a month, its first day.
    wallet: str
    price: Price
    tariff_version: str
    flat: bool = False
    line: Line | None = None  #: None: a month.

    @property
    def purse(self) -> str:
        return wallet_account(self.family, self.wallet)


def cause_of(line: str) -> str:
    """Of a closed day's line, by its id."""
    return f"{ATTENDANCE}{line}"


def consume(day: ClosedDay, line: Line, quoted: Quoted) -> Consumption:
    """What that child's day comes to: a share of the price, and what a late pick-up adds."""
    percent = quoted.charged.percent(line.attendance, booked=line.booked)
    present = line.attendance is Attendance.PRESENT
    due = share(quoted.price, percent, "UNEXPECTED" if present else line.attendance.value)
    if present and quoted.charged.late and quoted.departure and line.departure:
        late = minutes_late(quoted.departure, line.departure)
        if more := quoted.charged.late.due_cents(late):
            due = Price(due.cents + more, (*due.steps, Step("LATE", {"duration": duration(late)}, more)))
    what = cause_of(line.id), line.child, line.family, day.activity, day.date
    return Consumption(*what, quoted.wallet, due, quoted.tariff_version, quoted.flat, line)


@dataclass(frozen=True, slots=True)
class FlatDay:
    """A closed day's line that was priced by a flat rate, present or not: it makes the child's month due."""

    child: str
    family: str
    activity: str
    date: dt.date
    wallet: str
    tariff_version: str


@dataclass(frozen=True, slots=True)
class FlatMonth:
    """A month of one child in one activity with a flat rate: due as soon as a closed day was priced by that rate."""

    child: str
    activity: str
    month: str  #: "YYYY-MM"
    #: As the first of these days says. It was frozen then: what the town has changed since is no business of this month's.
    family: str
    wallet: str
    tariff_version: str
    #: The children of the family whose month is due too: they count for the rank among siblings.
    together: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def cause(self) -> str:
        return f"{FLAT}{self.child}:{self.activity}:{self.month}"

    @property
    def first_day(self) -> dt.date:
        return dt.date.fromisoformat(f"{self.month}-01")


def flat_months(days: Iterable[FlatDay]) -> list[FlatMonth]:
    """The months that those days make due, in the newest version of each: once per child, activity and month, whatever the days.

    A month is priced as of its first day, with all its siblings: what becomes known later corrects it.
    """
    firsts: dict[tuple[str, str, str], FlatDay] = {}
    for day in sorted(days, key=lambda day: (day.date, day.activity, day.child, day.family)):
        firsts.setdefault((day.child, day.activity, f"{day.date:%Y-%m}"), day)
    together: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for (child, activity, month), first in firsts.items():
        together[first.family, activity, month].add(child)
    return [
        FlatMonth(*key, first.family, first.wallet, first.tariff_version, frozenset(together[first.family, *key[1:]]))
        for key, first in firsts.items()
    ]


def consume_month(month: FlatMonth, price: Price) -> Consumption:
    what = month.cause, month.child, month.family, month.activity, month.first_day
    return Consumption(*what, month.wallet, price, month.tariff_version, flat=True)


# -------------------------------------------------------------------------------------------------------------- the books
@dataclass(frozen=True, slots=True)
class Posted:
    """What the ledger says of one cause: what was taken from each purse (a ledger account), by how many entries."""

    cents: Mapping[str, int] = field(default_factory=dict)
    entries: int = 0


NOTHING = Posted()


def posted(entries: Iterable[Entry]) -> dict[str, Posted]:
    """What is settled -> what those entries say of it. Entries that settle nothing, such as payments, say nothing here."""
    taken: dict[str, Counter[str]] = defaultdict(Counter)
    count: Counter[str] = Counter()
    for entry in entries:
        if entry.settles is None:
            continue
        count[entry.settles] += 1
        if is_wallet(entry.from_account):
            taken[entry.settles][entry.from_account] += entry.amount_cents
        else:
            taken[entry.settles][entry.to_account] -= entry.amount_cents
    return {cause: Posted(dict(taken[cause]), count[cause]) for cause in count}


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the closing of some days writes, in one transaction."""

    consumptions: tuple[Consumption, ...]  #: In place of all that these days had before, and of the flat months that they touch.
    entries: tuple[Entry, ...]


def settle(
    days: Sequence[ClosedDay], quoted: Mapping[str, Quoted], flats: Mapping[FlatMonth, Price], books: Mapping[str, Posted]
) -> Settlement:
    """`quoted`: by line. `flats`: all flat months that may be other than they were, now that those days are closed.

    `books`: what is posted for the causes of the days' lines, of those that their earlier versions named, and of these months; also of
    months that are not due any more.
    """
    lines = [consume(day, line, quoted[line.id]) for day in days for line in day.lines]
    due = (*lines, *(consume_month(month, price) for month, price in flats.items()))
    return Settlement(due, tuple(corrections(due, books)))


def corrections(due: Iterable[Consumption], books: Mapping[str, Posted]) -> Iterable[Entry]:
    """The entries that bring the books to what is due, no more and no less: nothing where they say so already."""
    wanted = {one.cause: one for one in due}
    for cause in sorted({*wanted, *books}):
        known = books.get(cause, NOTHING)
        target = {wanted[cause].purse: wanted[cause].price.cents} if cause in wanted else {}
        number = known.entries
        for purse in sorted({*target, *known.cents}):
            more = target.get(purse, 0) - known.cents.get(purse, 0)
            if more == 0:
                continue
            number += 1
            yield charge(cause, purse, more) if number == 1 else correction(cause, number, purse, more)
