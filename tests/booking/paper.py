"""The town as one would keep it on paper: who is in, who waits in which order, what everybody was told.

It is written from the rules and knows nothing of the code that it judges: no table, no counter, no event, no batch in memory. A
place is free if fewer are in than fit; a rank is what one counts. `told` gathers what the town must tell because of one step.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, dt.date]
Told = tuple[object, ...]


class Said:
    """Shown in its own words in the stories that hypothesis prints."""

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(repr(self))


@dataclass(frozen=True, repr=False)
class Ask(Said):
    """A confirmed draft: lines are (`+` or `-`, child, activity, day)."""

    family: str
    lines: tuple[tuple[str, str, str, dt.date], ...]
    together: tuple[tuple[int, ...], ...] = ()
    waits: bool = True
    key: str = ""
    means: "Wish | None" = None  #: The booking that its only line, a `-`, names.

    def __repr__(self) -> str:
        words = [f"{sign}{child} {activity} {day:%a}" for sign, child, activity, day in self.lines]
        words += [f"together {group}" for group in self.together] + ["or nothing"] * (not self.waits)
        return f"<{self.family}: {', '.join(words)}>"


@dataclass(frozen=True, repr=False)
class Offer(Said):
    """What an activity offers each day that it is open; the deadlines are so many days before, at 9 in winter."""

    places: int | None
    waiting: int | None
    books_until: int
    cancels_until: int

    def __repr__(self) -> str:
        return f"<{self.places} places, {self.waiting} may wait, booked {self.books_until} and cancelled {self.cancels_until} days before>"

    def closes(self, days: int, day: dt.date) -> dt.datetime:
        return dt.datetime.combine(day, dt.time(8), dt.UTC) - dt.timedelta(days=days)


@dataclass(eq=False)
class Wish:
    """A `+` line, and what became of it."""

    place: tuple[int, int]  #: Order of arrival.
    sheet: "Sheet | None"
    family: str
    child: str
    key: Key
    party: list["Wish"] = field(default_factory=list)
    status: str = "SUBMITTED"
    code: str | None = None
    version: int = 1

    def __repr__(self) -> str:
        return f"<{self.child} {self.key[0]} {self.key[1]:%d/%m} {'.'.join(map(str, self.place))}>"


@dataclass(eq=False)
class Giving:
    """A `-` line."""

    wish: Wish | None
    status: str = "SUBMITTED"
    code: str | None = None


@dataclass(eq=False)
class Sheet:
    """A request."""

    ask: Ask
    at: dt.datetime
    lines: list[Wish | Giving]
    served: bool = False

    def __repr__(self) -> str:
        return f"<{self.ask.family} {self.ask.key}>"

    def wishes(self) -> list[Wish]:
        return [line for line in self.lines if isinstance(line, Wish)]


class Paper:
    def __init__(self, now: dt.datetime, is_open: Callable[[dt.date], bool]) -> None:
        self.now = now
        self.is_open = is_open
        self.offers: dict[str, Offer] = {}
        self.family_of: dict[str, str] = {}
        self.in_debt: set[str] = set()
        self.admitted: dict[tuple[str, str], tuple[dt.date | None, dt.date | None]] = {}
        self.sheets: list[Sheet] = []
        self.wishes: list[Wish] = []
        self.told: list[Told] = []
        self._promoted: list[Wish] = []

    # ------------------------------------------------------------------------------------------------------- requests
    def takes(self, ask: Ask) -> "Sheet | str":
        """The new request, the one that has this key already, or why there is none."""
        for sheet in self.sheets:
            if (sheet.ask.family, sheet.ask.key) == (ask.family, ask.key):
                return sheet if sheet.ask == ask else "IDEMPOTENCY_KEY_REUSED"
        if any(self.family_of[child] != ask.family for _, child, _, _ in ask.lines):
            return "UNKNOWN_CHILD"
        if ask.family in self.in_debt and all(sign == "+" for sign, *_ in ask.lines):
            return "ACCOUNT_IN_DEBIT"
        sheet = Sheet(ask, self.now, [])
        self.sheets.append(sheet)
        for number, (sign, child, activity, day) in enumerate(ask.lines):
            key = activity, day
            if sign == "+":
                sheet.lines.append(self._wish((len(self.sheets), number), sheet, ask.family, child, key))
            else:
                meant = ask.means or self._meant(ask.family, child, key)
                sheet.lines.append(Giving(meant) if meant else Giving(None, "REFUSED", "UNKNOWN_BOOKING"))
        self._join_parties(sheet)
        self.told.append(("requested", sheet, tuple(line if isinstance(line, Wish) else line.wish for line in sheet.lines)))
        return sheet

    def _wish(self, place: tuple[int, int], sheet: Sheet | None, family: str, child: str, key: Key) -> Wish:
        wish = Wish(place, sheet, family, child, key)
        wish.party = [wish]
        self.wishes.append(wish)
        return wish

    def _meant(self, family: str, child: str, key: Key) -> Wish | None:
        """What the child has there, or else asks for, and does not give back already."""
        given_back = {line.wish for sheet in self.sheets for line in sheet.lines if isinstance(line, Giving) and line.status == "SUBMITTED"}
        mine = [w for w in self.wishes if (w.family, w.child, w.key) == (family, child, key) and w not in given_back]
        held = [wish for wish in mine if wish.status in ("ACCEPTED", "WAITLISTED")]
        return next(iter(held + [wish for wish in mine if wish.status == "SUBMITTED"]), None)

    def _join_parties(self, sheet: Sheet) -> None:
        for group in sheet.ask.together:
            members = [line for line in map(sheet.lines.__getitem__, sorted(group)) if isinstance(line, Wish)]
            joined = sorted({wish for member in members for wish in member.party}, key=_place)
            for wish in joined:
                wish.party = joined

    # ------------------------------------------------------------------------------------------------------- decisions
    def decides(self, most: int) -> list[Sheet]:
        """The requests that have waited longest, as many as this."""
        batch = [sheet for sheet in self.sheets if not sheet.served][:most]
        for sheet in batch:
            self._give_back_all(sheet, ("WAITLISTED",))  # whoever leaves a line leaves first
            self._give_back_all(sheet)
            for wish in sheet.wishes():
                if wish.status == "SUBMITTED":
                    self._decide(sheet, [one for one in wish.party if one.status == "SUBMITTED"])
            sheet.served = True
        for sheet in batch:
            self.told.append(("request_decided", sheet, tuple(self._answer(line) for line in sheet.lines)))
        self._tell_promoted(batch)
        return batch

    def _answer(self, line: Wish | Giving) -> Told:
        rank = self.rank(line) if isinstance(line, Wish) and line.status == "WAITLISTED" else None
        return line.status, rank, line.code

    def _give_back_all(self, sheet: Sheet, now: tuple[str, ...] | None = None) -> None:
        for line in sheet.lines:
            if (
                isinstance(line, Giving)
                and line.status == "SUBMITTED"
                and line.wish is not None
                and (now is None or line.wish.status in now)
            ):
                self._give_back(sheet, line)

    def _give_back(self, sheet: Sheet, line: Giving) -> None:
        wish = line.wish
        assert wish is not None
        offer = self.offers[wish.key[0]]
        if wish.status not in ("SUBMITTED", "ACCEPTED", "WAITLISTED"):
            line.status, line.code = "REFUSED", "UNKNOWN_BOOKING"
        elif wish.status == "ACCEPTED" and sheet.at >= offer.closes(offer.cancels_until, wish.key[1]):
            line.status, line.code = "REFUSED", "TOO_LATE_TO_CANCEL"
        else:
            line.status = "CANCELLED"
            self.cancel(wish, sheet, "family", sheet.at)

    def cancel(self, wish: Wish, because: Sheet | None, by: str, at: dt.datetime) -> None:
        was = wish.status
        self._becomes(wish, "CANCELLED", None, because, by, was)
        if was == "ACCEPTED":
            self._serve([wish.key], at)
        if was == "WAITLISTED":
            self._serve([one.key for one in wish.party if one.status == "WAITLISTED"], at)

    def _decide(self, sheet: Sheet, unit: list[Wish]) -> None:
        codes = [self._why_not(sheet, wish, unit) for wish in unit]
        if not any(codes):
            for wish in unit:
                wish.status = "WAITLISTED"
            self._serve([wish.key for wish in unit], sheet.at, newcomers=unit)
            if unit[0].status == "ACCEPTED":
                return
            if sheet.ask.waits and all(self._line_has_room(wish.key) for wish in unit):
                for wish in unit:
                    self._becomes(wish, "WAITLISTED", None, sheet, self.rank(wish))
                return
            for wish in unit:
                wish.status = "SUBMITTED"
            codes = self._short(sheet, unit)
        for wish, code in zip(unit, codes, strict=True):
            told = code or "GROUP_INCOMPLETE"
            self._becomes(wish, "REFUSED", told, sheet, told)

    def _short(self, sheet: Sheet, unit: list[Wish]) -> list[str | None]:
        """Whom the places, and then the ranks, would not have reached if each were alone, in their order; or who would have waited."""
        got = {"place": list[Key](), "rank": list[Key](), "nothing": list[Key]()}
        gets = []
        for wish in unit:
            offer = self.offers[wish.key[0]]
            in_ = len(self.among("ACCEPTED", wish.key)) + got["place"].count(wish.key)
            waiting = len(self.among("WAITLISTED", wish.key)) + got["rank"].count(wish.key)
            place = offer.places is None or in_ < offer.places
            rank = sheet.ask.waits and (offer.waiting is None or waiting < offer.waiting)
            gets.append("place" if place else "rank" if rank else "nothing")
            got[gets[-1]].append(wish.key)
        worst = "nothing" if "nothing" in gets else "rank"
        return ["FULL" if one == worst else None for one in gets]

    def _why_not(self, sheet: Sheet, wish: Wish, unit: list[Wish]) -> str | None:
        activity, day = wish.key
        offer = self.offers[activity]
        first, last = self.admitted.get((wish.child, activity), (dt.date.max, None))
        same = [w for w in self.wishes if (w.child, w.key) == (wish.child, wish.key)]
        if any(w.status in ("ACCEPTED", "WAITLISTED") for w in same) or any(w in unit and w.place < wish.place for w in same):
            return "ALREADY_BOOKED"
        if wish.family in self.in_debt:
            return "ACCOUNT_IN_DEBIT"
        if (first and day < first) or (last and day > last):
            return "NOT_ENROLLED"
        if not self.is_open(day):
            return "CLOSED"
        return "TOO_LATE" if sheet.at >= offer.closes(offer.books_until, day) else None

    # ------------------------------------------------------------------------------------------------- places and lines
    def among(self, status: str, key: Key) -> list[Wish]:
        return sorted((wish for wish in self.wishes if wish.status == status and wish.key == key), key=_place)

    def rank(self, wish: Wish) -> int:
        return self.among("WAITLISTED", wish.key).index(wish) + 1

    def _line_has_room(self, key: Key) -> bool:
        room = self.offers[key[0]].waiting
        return room is None or len(self.among("WAITLISTED", key)) <= room

    def _fits(self, party: Iterable[Wish], at: dt.datetime) -> bool:
        keys = [wish.key for wish in party]
        for key in keys:
            offer = self.offers[key[0]]
            if at >= offer.closes(offer.books_until, key[1]):
                return False
            if offer.places is not None and len(self.among("ACCEPTED", key)) + keys.count(key) > offer.places:
                return False
        return True

    def _serve(self, keys: Iterable[Key], at: dt.datetime, newcomers: Iterable[Wish] = ()) -> None:
        """Whoever waits at these openings, in order of arrival; all of a party or none."""
        for wish in sorted((wish for key in set(keys) for wish in self.among("WAITLISTED", key)), key=_place):
            party = [one for one in wish.party if one.status == "WAITLISTED"]
            if wish.status == "WAITLISTED" and self._fits(party, at):
                for one in party:
                    promoted = one not in newcomers
                    self._becomes(one, "ACCEPTED", None, None if promoted else one.sheet, promoted)
                    self._promoted += [one] if promoted else []

    def _becomes(self, wish: Wish, status: str, code: str | None, because: Sheet | None, *more: object) -> None:
        wish.status, wish.code = status, code
        wish.version += 1
        self.told.append((status.lower(), wish, wish.version, because, *more))

    def _tell_promoted(self, reported: Iterable[Sheet] = ()) -> None:
        """Each in a letter of its own, unless the report of its request says so."""
        for wish in self._promoted:
            if wish.status == "ACCEPTED" and wish.sheet not in reported:
                self.told.append(("place_given", wish))
        self._promoted = []

    # ------------------------------------------------------------------------------------------------ the town, and time
    def puts(self, activity: str, offer: Offer) -> None:
        self.offers[activity] = offer
        self._serve({wish.key for wish in self.wishes if wish.key[0] == activity}, self.now)
        self._tell_promoted()

    def takes_over(self, child: str, key: Key) -> bool:
        """A place that the town gives itself, whatever the deadlines. False: none is left. What is there stays."""
        places = self.offers[key[0]].places
        if any(wish.child == child for wish in self.among("WAITLISTED", key) + self.among("ACCEPTED", key)):
            return True
        if places is not None and len(self.among("ACCEPTED", key)) >= places:
            return False
        wish = self._wish((len(self.sheets), 10**6 + len(self.wishes)), None, self.family_of[child], child, key)
        self._becomes(wish, "ACCEPTED", None, None, False)
        return True

    def closings(self) -> list[dt.datetime]:
        """When the booking deadlines are of those who wait."""
        waited_for = {wish.key for wish in self.wishes if wish.status == "WAITLISTED"}
        ends = {self.offers[key[0]].closes(self.offers[key[0]].books_until, key[1]) for key in waited_for}
        return sorted(end for end in ends if end > self.now)

    def expires(self) -> None:
        gone = []
        for wish in self.wishes:
            offer = self.offers[wish.key[0]]
            if wish.status == "WAITLISTED" and self.now >= offer.closes(offer.books_until, wish.key[1]):
                gone += [one for one in wish.party if one.status == "WAITLISTED"]
                for one in wish.party:
                    if one.status == "WAITLISTED":
                        self._becomes(one, "EXPIRED", None, None)
        for family in sorted({wish.family for wish in gone}):
            waits = sorted((w for w in gone if w.family == family), key=lambda w: (w.key[1], w.key[0], w.place))
            self.told.append(("place_expired", family, tuple(waits)))


def _place(wish: Wish) -> tuple[int, int]:
    return wish.place
