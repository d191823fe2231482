"""The town's days on paper: what each of them offers, until when it may be booked or given back, and who came."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, dt.date]
DAY = dt.timedelta(days=1)
Places = tuple[int | None, int | None]  #: To be given, to wait in.


class Said:
    """Shown in its own words in the stories that hypothesis prints."""

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(repr(self))


@dataclass(frozen=True, repr=False)
class Offer(Said):
    """What an activity offers each day that it is open; the deadlines are so many days before, at 9 in winter."""

    places: int | None
    waiting: int | None
    books_until: int
    cancels_until: int

    def __repr__(self) -> str:
        return f"<{self.places} places, {self.waiting} may wait, booked {self.books_until} and cancelled {self.cancels_until} days before>"


@dataclass(frozen=True, repr=False)
class Setting(Said):
    """What an agent sets for one day. Numbers: one, or none to leave it."""

    open: bool | None = None
    usual: bool = False
    places: tuple[int | None, ...] = ()
    waiting: tuple[int | None, ...] = ()
    cancels: bool = False

    def __repr__(self) -> str:
        words = {None: "", True: "open ", False: "shut "}[self.open] + "usual " * self.usual + "emptied " * self.cancels
        return f"<{words}{self.places} {self.waiting}>"


@dataclass
class Register:
    """Who was seen on a day, and whether that is final."""

    seen: dict[str, tuple[str, str]] = field(default_factory=dict)  #: Child -> attendance, and its family then.
    closed: bool = False
    closings: int = 0
    reopened: dt.datetime | None = None


class Days:
    """In winter, in Paris."""

    def __init__(self, now: dt.datetime, usually_open: Callable[[dt.date], bool]) -> None:
        self.now = now
        self.usually_open = usually_open
        self.offers: dict[str, Offer] = {}
        self.days_off: set[dt.date] = set()  #: When all of the town is closed.
        self.said_open: dict[Key, bool] = {}  #: What agents said of single days, where that is not so anyway.
        self.own_places: dict[Key, int | None] = {}
        self.own_waiting: dict[Key, int | None] = {}
        self.announced: set[Key] = set()  #: Days of which the town has told something.
        self.past: dict[Key, Places] = {}  #: What days offered that are over: history.
        self.registers: dict[Key, Register] = {}

    @property
    def today(self) -> dt.date:
        return (self.now + dt.timedelta(hours=1)).date()

    def is_open(self, key: Key) -> bool:
        return self.said_open.get(key, self.usually_open(key[1]) and key[1] not in self.days_off)

    def said_of(self, key: Key) -> object:
        """Of that day alone."""
        return self.said_open.get(key, "as usual"), *(own.get(key, "as usual") for own in (self.own_places, self.own_waiting))

    def places(self, key: Key) -> Places:
        offer = self.offers[key[0]]
        now = self.own_places.get(key, offer.places), self.own_waiting.get(key, offer.waiting)
        return self.past.get(key, now)

    def becomes_history(self, activity: str) -> None:
        """Before what it offers changes."""
        for key in self.announced:
            if key[0] == activity and key[1] < self.today:
                self.past.setdefault(key, self.places(key))

    def books_until(self, key: Key) -> dt.datetime:
        return _nine_oclock(key[1] - self.offers[key[0]].books_until * DAY)

    def cancels_until(self, key: Key) -> dt.datetime:
        return _nine_oclock(key[1] - self.offers[key[0]].cancels_until * DAY)

    def begins(self, key: Key) -> dt.datetime:
        return dt.datetime.combine(key[1], dt.time(10), dt.UTC)

    def ends(self, key: Key) -> dt.datetime:
        return dt.datetime.combine(key[1], dt.time(23), dt.UTC)

    def register(self, key: Key) -> Register:
        return self.registers.setdefault(key, Register())

    def is_closed(self, key: Key) -> bool:
        return key in self.registers and self.registers[key].closed

    def sets(self, key: Key, setting: Setting) -> bool:
        """False: that day is over."""
        if key[1] < self.today:
            return False
        self.becomes_history(key[0])
        if setting.open is not None:
            self.said_open.pop(key, None)
            if setting.open is not (self.is_open(key) if setting.open else self.usually_open(key[1])):
                self.said_open[key] = setting.open
        for own, numbers in ((self.own_places, setting.places), (self.own_waiting, setting.waiting)):
            if setting.usual:
                own.pop(key, None)
            own.update(dict.fromkeys([key], numbers[0]) if numbers else {})
        return True


def _nine_oclock(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(8), dt.UTC)
