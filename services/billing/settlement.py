"""What a closed day does to the money ("débit de la journée"): what each child's day comes to, and the entries that put it in the books.

A day that was opened again is told again as a whole, with a higher version; what an earlier version named and the newest does not
is nothing any more. So nothing here adds up news: it says what the books should say now, compares that with what they do say, and
writes the difference as entries of its own, for the ledger only grows. However often and in whatever order the versions come, the
books end where the newest one puts them; what is not newer than what is known (hold.is_newer) is not asked about at all.

Everything charged has one cause: `attendance:<booking, or presence without one>` for a day, `flat:<child>:<activity>:<month>` for a
month. Its first entry bears that name, each later one a number: `...#2`.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from services.billing.charged import AS_MOST_TOWNS_DO, Attendance, Charged
from services.billing.ledger import Entry, adjustment, charge, is_wallet, wallet_account
from services.billing.tariff import Price, Step, duration, minutes_late, share


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


@dataclass(frozen=True, slots=True)
class Quoted:
    """What a line is charged by: the price that its booking was frozen with; without a booking, what the day costs."""

    wallet: str
    price: Price
    charged: Charged = AS_MOST_TOWNS_DO
    departure: str | None = None  #: As booked; None: nobody was late.


# -------------------------------------------------------------------------------------------------------- what it comes to
@dataclass(frozen=True, slots=True)
class Consumption:
    """A day or a month that is due ("consommation"): the amounts of the price's steps add up to it."""

    cause: str
    child: str
    family: str
    wallet: str
    price: Price

    @property
    def purse(self) -> str:
        return wallet_account(self.family, self.wallet)


def consume(line: Line, quoted: Quoted) -> Consumption:
    """What that child's day comes to: a share of the price, and what a late pick-up adds."""
    percent = quoted.charged.percent(line.attendance, booked=line.booked)
    present = line.attendance is Attendance.PRESENT
    due = share(quoted.price, percent, "UNEXPECTED" if present else line.attendance.value)
    if present and quoted.charged.late and quoted.departure and line.departure:
        late = minutes_late(quoted.departure, line.departure)
        if more := quoted.charged.late.due_cents(late):
            due = Price(due.cents + more, (*due.steps, Step("LATE", {"duration": duration(late)}, more)))
    return Consumption(f"attendance:{line.id}", line.child, line.family, quoted.wallet, due)


@dataclass(frozen=True, slots=True)
class FlatMonth:
    """A month of one child in one activity with a flat rate: due as soon as a closed day names the child, present or not."""

    child: str
    family: str  #: As the first of these days says.
    activity: str
    month: str  #: "YYYY-MM"
    #: The children of the family whose month is due too: they count for the rank among siblings.
    together: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def cause(self) -> str:
        return f"flat:{self.child}:{self.activity}:{self.month}"


def flat_months(days: Iterable[ClosedDay]) -> list[FlatMonth]:
    """The months that those days make due, in the newest version of each: once per child, activity and month, whatever the days.

    A month is priced as of its first day, with all its siblings: what becomes known later corrects it.
    """
    named: dict[tuple[str, str, str], str] = {}
    for day in sorted(days, key=lambda day: (day.date, day.activity)):
        for line in day.lines:
            named.setdefault((line.child, day.activity, f"{day.date:%Y-%m}"), line.family)
    together: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for (child, activity, month), family in named.items():
        together[family, activity, month].add(child)
    return [
        FlatMonth(child, family, activity, month, frozenset(together[family, activity, month]))
        for (child, activity, month), family in named.items()
    ]


def consume_month(month: FlatMonth, quoted: Quoted) -> Consumption:
    return Consumption(month.cause, month.child, month.family, quoted.wallet, quoted.price)


# -------------------------------------------------------------------------------------------------------------- the books
@dataclass(frozen=True, slots=True)
class Posted:
    """What the ledger says of one cause: what was taken from each purse (a ledger account), by how many entries."""

    cents: Mapping[str, int] = field(default_factory=dict)
    entries: int = 0


NOTHING = Posted()


def posted(entries: Iterable[Entry]) -> dict[str, Posted]:
    """Cause -> what those entries say of it."""
    taken: dict[str, Counter[str]] = defaultdict(Counter)
    count: Counter[str] = Counter()
    for entry in entries:
        cause = entry.cause.partition("#")[0]
        count[cause] += 1
        if is_wallet(entry.from_account):
            taken[cause][entry.from_account] += entry.amount_cents
        else:
            taken[cause][entry.to_account] -= entry.amount_cents
    return {cause: Posted(dict(taken[cause]), count[cause]) for cause in count}


@dataclass(frozen=True, slots=True)
class Release:
    """A hold that ends, because its day is charged."""

    booking: str
    cause: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one closing writes, in one transaction."""

    consumptions: tuple[Consumption, ...]  #: In place of all that the day had before, and of the flat months of its month.
    releases: tuple[Release, ...]
    entries: tuple[Entry, ...]


def settle(
    day: ClosedDay,
    quoted: Mapping[str, Quoted],
    flats: Mapping[FlatMonth, Quoted],
    books: Mapping[str, Posted],
    live: Collection[str],
) -> Settlement:
    """`quoted`: by line. `flats`: all flat months of the activity that the month's days make due, this one among them.

    `books`: what is posted for the causes of this day's lines, of those that its earlier versions named, and of the activity's flat
    months of that month. `live`: the bookings whose holds still count.
    """
    lines = [consume(line, quoted[line.id]) for line in day.lines]
    due = (*lines, *(consume_month(month, price) for month, price in flats.items()))
    releases = tuple(Release(line.id, one.cause) for line, one in zip(day.lines, lines, strict=True) if line.booked and line.id in live)
    return Settlement(due, releases, tuple(corrections(due, books)))


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
            yield charge(cause, purse, more) if number == 1 else adjustment(f"{cause}#{number}", purse, more)
