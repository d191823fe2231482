"""Several activities of one child (P11, S32): the days of the aggregated month, the rows of one day, and what the day's form changes."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.portal import days
from gateway.portal.days import ACTIONABLE, DAY, ICONS, MARK_ICONS, RESERVED, Cell
from gateway.portal.draft import Line
from gateway.portal.hours import Choosing
from gateway.portal.texts import TEXTS, count, phrase
from services.refusal import Language

#: In the order of the legend.
STATES: Final = ("AVAILABLE", "BOOKED", "BOOKED_LOCKED", "CLOSED", "WAITLIST_OPEN", "WAITING", "WAITING_LOCKED", "FULL")


# ------------------------------------------------------------------------------------------------ the aggregated month
@dataclass(frozen=True, slots=True)
class Chosen:
    """What the draft does to one day of a child: how many activities it books and cancels."""

    books: int
    cancels: int

    @property
    def mark(self) -> str:
        return "add" if self.books else "cancel" if self.cancels else ""


def chosen(lines: Iterable[Line], child: str) -> dict[dt.date, Chosen]:
    """By date. Cancelled and booked again, with other hours, is booked."""
    found: dict[dt.date, dict[str, str]] = {}
    for line in lines:
        if line.child == child:
            known = found.setdefault(line.date, {})
            known[line.activity] = "BOOK" if "BOOK" in (line.change, known.get(line.activity)) else "CANCEL"
    return {date: Chosen(*(list(each.values()).count(change) for change in ("BOOK", "CANCEL"))) for date, each in found.items()}


def cell_of(told: Mapping[str, Any], choices: Chosen | None, today: dt.date, language: Language) -> Cell:
    """`told`: a CalendarDay with date, state, reasonCode of the calendar of all activities."""
    date, state = dt.date.fromisoformat(told["date"]), told["state"]
    mark = choices.mark if choices else ""
    label, short = _label(told, date < today, language)
    more = phrase(f"SEVERAL_MORE_{state}", language)
    signs = ""
    if choices and mark:
        more = ", ".join([*_counts(choices, language), f"{label} – {more}"])
        label = short = count("SEVERAL_CHOICES", choices.books + choices.cancels, language)
        signs = " ".join(f"{sign}{n}" for sign, n in (("+", choices.books), ("−", choices.cancels)) if n)
    return Cell(
        date=date,
        state=state,
        mark=mark,
        icon=MARK_ICONS[mark] if mark else ICONS[state][0],
        second="" if mark else ICONS[state][1],
        label=label,
        short=short,
        hours=signs,
        more=more,
        is_today=date == today,
    )


def _counts(choices: Chosen, language: Language) -> list[str]:
    counted = (("SEVERAL_BOOKS", choices.books), ("SEVERAL_CANCELS", choices.cancels))
    return [phrase(code, language, n=n) for code, n in counted if n]


def _label(told: Mapping[str, Any], is_past: bool, language: Language) -> tuple[str, str]:
    """Where there is room, and where there is little."""
    state = told["state"]
    if state == "CLOSED":
        word = phrase(f"DAY_{days.closed_word(told['reasonCode'], is_past=is_past)}", language)
        return word, word
    label = phrase(f"SEVERAL_{state}", language)
    short = f"SEVERAL_SHORT_{state}"
    return label, phrase(short, language) if short in TEXTS else label


@dataclass(frozen=True, slots=True)
class Week:
    number: int
    cells: Sequence[Cell | None]  #: One for each column; None: another month's.


@dataclass(frozen=True, slots=True)
class Grid:
    """A month without toggles: its days only lead to pages of their own."""

    this: str  #: 2026-11
    previous: str | None
    next: str | None
    columns: Sequence[dt.date]  #: Some day of each weekday that is shown.
    weeks: Sequence[Week]


def grid_of(
    told: Sequence[Mapping[str, Any]],
    choices: Mapping[dt.date, Chosen],
    today: dt.date,
    season: tuple[dt.date, dt.date] | None,
    language: Language,
) -> Grid:
    """`told`: every day of one month, by date; `season`: from the first day of any activity to the last one."""
    cells = {cell.date: cell for day in told for cell in [cell_of(day, choices.get(dt.date.fromisoformat(day["date"])), today, language)]}
    first, last = min(cells), max(cells)
    shown = days.weekdays_of(told, {date.weekday() for date in choices if first <= date <= last})
    mondays = sorted({date - date.weekday() * DAY for date in cells if date.weekday() in shown})
    rows = [Week(monday.isocalendar().week, [cells.get(monday + weekday * DAY) for weekday in shown]) for monday in mondays]
    return Grid(
        this=f"{first:%Y-%m}",
        previous=f"{first - DAY:%Y-%m}" if season and season[0] < first else None,
        next=f"{last + DAY:%Y-%m}" if season and season[1] > last else None,
        columns=[mondays[0] + weekday * DAY for weekday in shown],
        weeks=rows,
    )


# ------------------------------------------------------------------------------------------------------------- one day
@dataclass(frozen=True, slots=True)
class Look:
    """How a row stands there, in words and signs."""

    mark: str
    icon: str
    second: str
    words: str
    checked: bool

    @classmethod
    def of(cls, told: Mapping[str, Any], line: Line | None, today: dt.date, language: Language) -> "Look":
        cell = days.cell_of(told, line, today, language)
        more = told["reason"] if cell.state == "CLOSED" and told["reason"] and not cell.mark else cell.more
        words = cell.label if not more or more == cell.label else f"{cell.label}, {more}" if cell.state != "CLOSED" else more
        stale = line is not None and not cell.mark
        return cls(cell.mark, cell.icon, cell.second, words, line.change == "BOOK" if line and stale else cell.pressed)


@dataclass(frozen=True, slots=True)
class Row:
    """One activity on the day in question."""

    activity: Mapping[str, Any]
    state: str
    line: Line | None  #: What the draft does to it, if that matters.
    booked: tuple[str, str] | None  #: The hours of its booking.
    look: Look
    looks: Mapping[str, Look]  #: as it is; the other way round; with other hours
    choosing: Choosing | None
    revision: int  #: Of its places.
    acts: bool  #: It can be changed.
    keeps_hours: bool  #: But for its hours, though families choose them: `hoursChangeable` says no.

    @property
    def is_stale(self) -> bool:
        """The draft books what closed meanwhile."""
        return self.line is not None and not self.acts

    @property
    def hours(self) -> tuple[str, str]:
        """Chosen, booked, or the widest there are."""
        if self.line and self.line.arrival and self.line.departure:
            return self.line.arrival, self.line.departure
        if self.booked or self.choosing is None:
            return self.booked or (self.activity["arrival"], self.activity["departure"])
        return self.choosing.arrivals[0], self.choosing.departures[-1]


def rows_of(
    told: Iterable[Mapping[str, Any]], lines: Mapping[str, Line], today: dt.date, language: Language, *, may_book: bool = True
) -> list[Row]:
    """`told`: ActivityDays; `lines`: by activity; `may_book`: False: only cancel (S21). In the page's order: those that can be changed,
    those that could when they were chosen, and the others.
    """
    rows = [_row(each, lines.get(each["activity"]["id"]), today, language, may_book) for each in told]
    return sorted(rows, key=lambda row: (not row.acts, not row.is_stale))


def _row(told: Mapping[str, Any], line: Line | None, today: dt.date, language: Language, may_book: bool) -> Row:
    activity, state, booking = told["activity"], told["state"], told["booking"]
    booked = (booking["arrival"][:5], booking["departure"][:5]) if booking else None
    choosing, date = Choosing.of(activity), dt.date.fromisoformat(told["date"])
    acts = state in ACTIONABLE and (may_book or state in RESERVED)
    keeps_hours = acts and choosing is not None and booking is not None and not booking["hoursChangeable"]
    line = line if line and _matters(line, state, booked) and not (keeps_hours and line.change == "BOOK") else None
    looks = {"none": Look.of(told, None, today, language)}
    if acts:
        looks["toggled"] = Look.of(told, Line(date, "", "", "CANCEL" if state in RESERVED else "BOOK"), today, language)
    if acts and not keeps_hours:
        looks["changed"] = Look.of(told, Line(date, "", ""), today, language)
    elif line:
        looks["toggled"] = Look.of(told, line, today, language)
    name = "none" if line is None else "changed" if line.change == "BOOK" and state in RESERVED else "toggled"
    choosing = None if keeps_hours else choosing
    return Row(activity, state, line, booked, looks[name], looks, choosing, told["revision"], acts, keeps_hours)


def _matters(line: Line, state: str, booked: tuple[str, str] | None) -> bool:
    """Booking what is booked already, or cancelling what is not, would do nothing. What closed meanwhile has to be seen."""
    if line.change == "CANCEL":
        return state in RESERVED & ACTIONABLE
    return state not in RESERVED or (state in ACTIONABLE and line.arrival is not None and (line.arrival, line.departure) != booked)


def lines_on(lines: Iterable[Line], child: str, date: dt.date) -> dict[str, Line]:
    """Activity -> what the draft does to it. Cancelled and booked again is booked."""
    found: dict[str, Line] = {}
    for line in lines:
        if (line.child, line.date) == (child, date) and not (line.activity in found and line.change == "CANCEL"):
            found[line.activity] = line
    return found


@dataclass(frozen=True, slots=True)
class Wish:
    """What the form asks for one activity: reserved or not, and the hours where they are chosen."""

    activity: str
    reserved: bool
    hours: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """The draft with the wishes in it, and the activities for which that is not possible any more."""

    draft: list[Line]
    lost: list[Row]


def decide(wishes: Iterable[Wish], rows: Iterable[Row], draft: Iterable[Line], child: str, date: dt.date) -> Decided:
    """An activity that is no row any more only leaves the draft, and so does what does not matter any more."""
    known = {row.activity["id"]: row for row in rows}
    idle = {activity for activity, row in known.items() if row.line is None}
    lines = [line for line in draft if (line.child, line.date) != (child, date) or line.activity not in idle]
    lost: list[Row] = []
    for wish in wishes:
        row = known.get(wish.activity)
        others = [line for line in lines if (line.child, line.date, line.activity) != (child, date, wish.activity)]
        new = _lines_for(wish, row, child, date)
        if new is None and row is not None:
            lost.append(row)
        lines = [*others, *(new or [])]
    return Decided(lines, lost)


def _lines_for(wish: Wish, row: Row | None, child: str, date: dt.date) -> list[Line] | None:
    """None: it is not possible."""
    if row is None:
        return [] if not wish.reserved else None
    is_reserved = row.state in RESERVED
    hours = wish.hours if row.choosing else None
    booked = Line(date, child, wish.activity, "BOOK", *(hours or (None, None)))
    cancelled = Line(date, child, wish.activity, "CANCEL")
    if wish.reserved == is_reserved:
        changes = wish.reserved and hours is not None and hours != row.booked
        return ([cancelled, booked] if row.acts else None) if changes else []
    if not row.acts:
        return None
    return [booked] if wish.reserved else [cancelled]
