"""The days of a calendar as they are drawn: their state with the draft laid over it (S30), week rows, weekday columns, and what each
toggle would do (S27-S29). What is drawn by a script again is in static/days.js, which must say the same.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.portal import formats
from gateway.portal.draft import Line
from gateway.portal.texts import COUNTED, TEXTS, count, phrase
from services.refusal import Language

ACTIONABLE: Final = frozenset({"AVAILABLE", "WAITLIST_OPEN", "BOOKED", "WAITING"})
RESERVED: Final = frozenset({"BOOKED", "WAITING", "BOOKED_LOCKED", "WAITING_LOCKED"})
#: State -> its icon, and a second one beside it.
ICONS: Final = {
    "CLOSED": ("none", ""),
    "FULL": ("full", ""),
    "AVAILABLE": ("plus", ""),
    "WAITLIST_OPEN": ("hour", "plus"),
    "BOOKED": ("check", ""),
    "WAITING": ("hour", ""),
    "BOOKED_LOCKED": ("check", "lock"),
    "WAITING_LOCKED": ("hour", "lock"),
}
#: What the draft does to a day -> its icon.
MARK_ICONS: Final = {"add": "check", "addwait": "hour", "change": "check", "cancel": "minus", "leave": "minus"}
_BOOK_MARKS: Final = {"AVAILABLE": "add", "WAITLIST_OPEN": "addwait", "BOOKED": "change", "WAITING": "change"}
_CANCEL_MARKS: Final = {"BOOKED": "cancel", "WAITING": "leave"}
#: Codes of closed days that have a word of their own.
CLOSED_WORDS: Final = ("PAST", "TOO_LATE", "PUBLIC_HOLIDAY", "SCHOOL_HOLIDAY", "NOT_ENROLLED")
#: Why a weekday may be closed all month: then it has no column.
NEVER: Final = frozenset({"WEEKDAY", "OUT_OF_SEASON", "NOT_ENROLLED", "SCHOOL_DAY"})
DAY: Final = dt.timedelta(days=1)

#: The words that days.js says.
DAY_TEXTS: Final = sorted(code for code in TEXTS if code.startswith(("DAY_", "SHORT_", "MARK_", "MORE_", "WHY_", "BULK_")))
DAY_COUNTED: Final = ["DAY_PLACES"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One day, in words and signs."""

    date: dt.date
    state: str
    mark: str  #: What the draft does to it: of MARK_ICONS, or empty.
    icon: str
    second: str  #: A smaller icon, or empty.
    label: str
    short: str  #: The label where there is little room.
    hours: str
    more: str  #: For whoever hears the page.
    is_today: bool

    @property
    def heard(self) -> str:
        """Beside the label: times, too; of a rank `more` tells."""
        return ", ".join(part for part in (self.hours if self.hours[:1].isdigit() else "", self.more) if part)

    @property
    def acts(self) -> bool:
        return self.state in ACTIONABLE

    @property
    def pressed(self) -> bool:
        return is_reserved(self.state, self.mark)


@dataclass(frozen=True, slots=True)
class Bulk:
    """The button of a week, a weekday or the month."""

    value: str
    what: str  #: Which days, in words.
    effect: bool | None  #: True: it reserves; False: it cancels; None: no day can be changed.
    text: str = ""
    short: str = ""  #: The text where there is little room.

    @property
    def sign(self) -> str:
        return {True: "book", False: "cancel", None: ""}[self.effect]

    @property
    def icon(self) -> str:
        return {True: "plus", False: "minus", None: "none"}[self.effect]

    def name(self, language: Language) -> str:
        return phrase({True: "BULK_BOOK", False: "BULK_CANCEL", None: "BULK_NONE"}[self.effect], language, what=self.what)


@dataclass(frozen=True, slots=True)
class Week:
    bulk: Bulk
    cells: Sequence[Cell | None]  #: One for each column; None: another month's.


@dataclass(frozen=True, slots=True)
class Month:
    this: str  #: 2026-11
    previous: str | None
    next: str | None
    columns: Sequence[Bulk]
    weeks: Sequence[Week]
    whole: Bulk
    told: Sequence[Mapping[str, Any]]  #: The days of these columns as the API tells them.


def mark_of(state: str, line: Line | None) -> str:
    if line is None:
        return ""
    return (_BOOK_MARKS if line.change == "BOOK" else _CANCEL_MARKS).get(state, "")


def is_reserved(state: str, mark: str) -> bool:
    """With the draft laid over it."""
    return mark in ("add", "addwait", "change") or (state in RESERVED and mark not in ("cancel", "leave"))


def cell_of(told: Mapping[str, Any], line: Line | None, today: dt.date, language: Language) -> Cell:
    """`told`: a CalendarDay or an ActivityDay with date, state, placesLeft, reasonCode, booking {rank arrival departure}."""
    date, state = dt.date.fromisoformat(told["date"]), told["state"]
    mark, booking = mark_of(state, line), told.get("booking") or {}
    label, short = _label(told, mark, date < today, language)
    return Cell(
        date=date,
        state=state,
        mark=mark,
        icon=MARK_ICONS[mark] if mark else ICONS[state][0],
        second="" if mark else ICONS[state][1],
        label=label,
        short=short,
        hours=_hours(state, mark, line, booking, language),
        more="" if mark else _more(state, booking.get("rank"), language),
        is_today=date == today,
    )


def _label(told: Mapping[str, Any], mark: str, is_past: bool, language: Language) -> tuple[str, str]:
    state, places = told["state"], told.get("placesLeft")
    if mark:
        chosen = mark in ("add", "addwait", "change")
        return phrase(f"MARK_{mark.upper()}", language), phrase("SHORT_CHOSEN" if chosen else "SHORT_DROPPED", language)
    if state == "AVAILABLE" and places is not None:
        left = count("DAY_PLACES", places, language)
        return left, left
    if state == "CLOSED":
        closed = phrase(f"DAY_{closed_word(told.get('reasonCode'), is_past=is_past)}", language)
        return closed, closed
    label = phrase(f"DAY_{state}", language)
    return label, phrase("SHORT_WAITLIST_OPEN" if state == "WAITLIST_OPEN" else "SHORT_WAITING", language) if "WAIT" in state else label


def closed_word(code: str | None, *, is_past: bool) -> str:
    code = "PAST" if is_past and code == "TOO_LATE" else code
    return code if code in CLOSED_WORDS else "CLOSED"


def why(told: Mapping[str, Any], today: dt.date, language: Language) -> str:
    """Why a click on this day does nothing, in words. `told`: as of `cell_of`, with its reason."""
    if told["state"] != "CLOSED":
        return phrase(f"WHY_{told['state']}", language)
    if closed_word(told["reasonCode"], is_past=dt.date.fromisoformat(told["date"]) < today) == "PAST":
        return phrase("WHY_PAST", language)
    return told["reason"] or phrase("DAY_CLOSED", language)


def _hours(state: str, mark: str, line: Line | None, booking: Mapping[str, Any], language: Language) -> str:
    if mark:
        return f"{line.arrival}–{line.departure}" if line and line.arrival and mark not in ("cancel", "leave") else ""
    if state.startswith("BOOKED") and booking.get("arrival"):
        return f"{booking['arrival'][:5]}–{booking['departure'][:5]}"
    return phrase("DAY_RANK", language, rank=booking["rank"]) if state.startswith("WAITING") and booking.get("rank") else ""


def _more(state: str, rank: int | None, language: Language) -> str:
    if state == "AVAILABLE":
        return ""
    return phrase(f"MORE_{state}_RANK" if rank and state.startswith("WAITING") else f"MORE_{state}", language, rank=rank)


def effect_of(cells: Iterable[Cell]) -> bool | None:
    """What a toggle of these days would do: the first that can be changed decides (S27-S29)."""
    first = next((cell for cell in cells if cell.acts), None)
    return None if first is None else not first.pressed


def month_of(
    told: Sequence[Mapping[str, Any]],
    lines: Mapping[dt.date, Line],
    today: dt.date,
    season: tuple[dt.date, dt.date],
    language: Language,
) -> Month:
    """`told`: every day of one month, by date; `lines`: what the draft does to them."""
    cells = [cell_of(day, lines.get(dt.date.fromisoformat(day["date"])), today, language) for day in told]
    shown = weekdays_of(told)
    first, last = cells[0].date, cells[-1].date
    visible = [cell for cell in cells if cell.date.weekday() in shown]
    mondays = sorted({cell.date - cell.date.weekday() * DAY for cell in visible})
    months = {date: f"{date:%Y-%m}" for date in (first - DAY, last + DAY)}
    whole = effect_of(cells)
    return Month(
        this=f"{first:%Y-%m}",
        previous=months[first - DAY] if season[0] < first else None,
        next=months[last + DAY] if season[1] > last else None,
        columns=[_column(weekday, cells, language) for weekday in shown],
        weeks=[_week(monday, shown, cells, language) for monday in mondays],
        whole=Bulk("mois", phrase("BULK_MONTH", language), whole),
        told=[_bare(day) for day, cell in zip(told, cells, strict=True) if cell.date.weekday() in shown],
    )


def weekdays_of(told: Iterable[Mapping[str, Any]], also: Iterable[int] = ()) -> list[int]:
    """Those on which it is ever open; where it never is, the school's."""
    open_on = {dt.date.fromisoformat(day["date"]).weekday() for day in told if day["state"] != "CLOSED" or day["reasonCode"] not in NEVER}
    return sorted(open_on.union(also)) or list(range(5))


def _column(weekday: int, cells: Sequence[Cell], language: Language) -> Bulk:
    mine = [cell for cell in cells if cell.date.weekday() == weekday]
    name = formats.date(mine[0].date, "weekday", language)
    what = phrase("BULK_WEEKDAY", language, day=name)
    return Bulk(f"colonne-{mine[0].date}", what, effect_of(mine), name, name[:3])


def _week(monday: dt.date, shown: Sequence[int], cells: Sequence[Cell], language: Language) -> Week:
    by_date = {cell.date: cell for cell in cells}
    row = [by_date.get(monday + weekday * DAY) for weekday in shown]
    visible = [cell for cell in row if cell is not None]
    number = monday.isocalendar().week
    first, last = (formats.date(each.date, "day_month", language) for each in (visible[0], visible[-1]))
    what = phrase("BULK_WEEK" if first != last else "BULK_WEEK_OF_ONE", language, number=number, first=first, last=last)
    every = [by_date[monday + day * DAY] for day in range(7) if monday + day * DAY in by_date]
    return Week(Bulk(f"semaine-{monday}", what, effect_of(every), phrase("WEEK_SHORT", language, number=number)), row)


def _bare(day: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is null: pages are small."""
    return {name: _bare(value) if isinstance(value, dict) else value for name, value in day.items() if value is not None}


def words(language: Language, codes: Iterable[str], counted: Iterable[str]) -> dict[str, Any]:
    """Texts for a script; one that is counted is [one, several]."""
    index = int(language == "en")
    return {code: TEXTS[code][index] for code in codes} | {code: COUNTED[code][index] for code in counted}
