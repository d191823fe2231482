"""The town as one would keep it on paper: who is in, who waits in which order, what everybody was told.

It is written from the rules and knows nothing of the code that it judges: no table, no counter, no event, no batch in memory. A
place is free if fewer are in than fit; a rank is what one counts. `told` gathers what the town must tell because of one step.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from tests.booking.paper_days import Days, Key, Offer, Said, Setting

Told = tuple[object, ...]
LIVE = ("ACCEPTED", "WAITLISTED")
ANNE = "anne"  #: An agent of the town.


@dataclass(frozen=True, repr=False)
class Power(Said):
    """An agent acts for the family: what is not to stand in the way; `moves`: both lines, or none."""

    past_deadlines: bool = False
    despite_debt: bool = False
    moves: bool = False

    def __repr__(self) -> str:
        return " ".join(["by an agent", *(name for name, is_so in vars(self).items() if is_so)])


@dataclass(frozen=True, repr=False)
class Ask(Said):
    """A confirmed draft: lines are (`+` or `-`, child, activity, day)."""

    family: str
    lines: tuple[tuple[str, str, str, dt.date], ...]
    together: tuple[tuple[int, ...], ...] = ()
    waits: bool = True
    key: str = ""
    means: "tuple[Wish, ...]" = ()  #: The bookings that its `-` lines name, in their order.
    by: Power | None = None  #: None: the family itself.

    def __repr__(self) -> str:
        words = [f"{sign}{child} {activity} {day:%a}" for sign, child, activity, day in self.lines]
        words += [f"together {group}" for group in self.together] + ["or nothing"] * (not self.waits)
        words += [repr(self.by)] if self.by else []
        return f"<{self.family}: {', '.join(words)}>"


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


class Admission(NamedTuple):
    """Of a child to an activity; both days included, None: no bound."""

    family: str
    first: dt.date | None = None
    last: dt.date | None = None


NEVER = Admission("", first=dt.date.max)


@dataclass(eq=False)
class Giving:
    """A `-` line."""

    wish: Wish | None
    status: str = "SUBMITTED"
    code: str | None = None
    was: str = ""  #: What became of the wish before.


@dataclass(eq=False)
class Sheet:
    """A request."""

    ask: Ask
    at: dt.datetime
    lines: list[Wish | Giving]
    served: bool = False
    decided: bool = False
    noted: "list[Wish | Giving]" = field(default_factory=list)  #: In the trail.
    reports: int = 0  #: How often the family was told of it.
    fresh: "list[Wish]" = field(default_factory=list)  #: Answered in this step.

    @property
    def account(self) -> str:
        return ANNE if self.ask.by else self.ask.family

    @property
    def power(self) -> Power:
        return self.ask.by or Power()

    @property
    def acts_by(self) -> str:
        return "agent" if self.ask.by else "family"

    def __repr__(self) -> str:
        return f"<{self.ask.family} {self.ask.key}>"

    def wishes(self) -> list[Wish]:
        return [line for line in self.lines if isinstance(line, Wish)]

    @property
    def is_news(self) -> bool:
        """What an agent did in vain is none, nor is a run for whoever left before it."""
        if self.reports:
            return bool(self.fresh)
        return not self.ask.by or any(line.status != "REFUSED" for line in self.lines)

    def news(self) -> "list[Wish | Giving]":
        """At first all that is decided, then what was decided since."""
        return [line for line in self.lines if (line in self.fresh if self.reports else line.status != "SUBMITTED")]


class Paper(Days):
    def __init__(self, now: dt.datetime, usually_open: Callable[[dt.date], bool]) -> None:
        super().__init__(now, usually_open)
        self.family_of: dict[str, str] = {}
        self.in_debt: set[str] = set()
        self.admitted: dict[tuple[str, str], Admission] = {}
        self.scheduled: dict[str, str] = {}  #: Activities whose requests wait for a run, with their policy.
        self.sheets: list[Sheet] = []
        self.wishes: list[Wish] = []
        self.told: list[Told] = []
        self._promoted: list[Wish] = []
        self._expired: list[Wish] = []
        self._reopened: list[Sheet] = []
        self._behind = 0

    # ------------------------------------------------------------------------------------------------------- requests
    def takes(self, ask: Ask) -> "Sheet | str":
        """The new request, the one that has this key already, or why there is none."""
        for sheet in self.sheets:
            if (sheet.ask.family, sheet.ask.key) == (ask.family, ask.key):
                return sheet if sheet.ask == ask else "IDEMPOTENCY_KEY_REUSED"
        if any(self.family_of[child] != ask.family for sign, child, _, _ in ask.lines if sign == "+" or not ask.means):
            return "UNKNOWN_CHILD"
        sheet = Sheet(ask, self.now, [])
        if ask.family in self.in_debt and not sheet.power.despite_debt and all(sign == "+" for sign, *_ in ask.lines):
            return "ACCOUNT_IN_DEBIT"
        self.sheets.append(sheet)
        named = iter(ask.means)
        for number, (sign, child, activity, day) in enumerate(ask.lines):
            key = activity, day
            if sign == "+":
                sheet.lines.append(self._wish((len(self.sheets), number), sheet, ask.family, child, key))
            else:
                meant = next(named, None) or self._meant(ask.family, child, key)
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
        held = [wish for wish in mine if wish.status in LIVE]
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
        # With many requests of one moment an agent empties a day: they are as one.
        for _, group in groupby(batch, lambda sheet: (sheet.at, ANNE) if sheet.ask.by and not sheet.wishes() else sheet):
            together = list(group)
            for sheet in together:
                self._give_back_all(sheet, "WAITLISTED")
            for sheet in together:
                self._decide_all(sheet)
        self.answers(batch)
        for sheet in self._reopened:
            sheet.served = sheet.decided
        self._reopened = []
        return batch

    def _decide_all(self, sheet: Sheet) -> None:
        if sheet.power.moves:
            self._move(sheet)
            return
        self._give_back_all(sheet)
        for unit in self.units(sheet):
            if not self._has_run(unit):
                self._decide(sheet, unit)

    def _has_run(self, party: Iterable[Wish]) -> bool:
        """Or those of them that are left are answered at the next look."""
        return any(wish.key[0] in self.scheduled for wish in party if wish.status == "SUBMITTED")

    def units(self, sheet: Sheet) -> Iterator[list[Wish]]:
        """Single wishes and parties that are not answered yet, in their order."""
        for wish in sheet.wishes():
            unit = [one for one in wish.party if one.status == "SUBMITTED"]
            if unit and unit[0] is wish:
                yield unit

    def answers(self, batch: Collection[Sheet]) -> None:
        """All that was decided on these requests is told."""
        letters = self._tell_expired() if any(sheet.ask.by for sheet in batch) else []
        told_now = []
        for sheet in batch:
            sheet.served, sheet.decided = True, all(wish.status != "SUBMITTED" for wish in sheet.wishes())
            self.told += self._acts(sheet) if sheet.ask.by else []
            told_now += [one for one in sheet.news() if isinstance(one, Wish)] if sheet.is_news else []
            self._tell_answers(sheet)
        self.told += letters
        self._tell_promoted(told_now)

    def _tell_answers(self, sheet: Sheet) -> None:
        """To all once everything is decided; to the family at once, and of what waits for a run when that is decided."""
        plainly = not sheet.ask.by and not sheet.reports and sheet.decided
        if sheet.is_news and not plainly:
            waits = tuple(wish for wish in sheet.wishes() if wish.status == "SUBMITTED" and self._has_run(wish.party))
            answers = tuple(self._answer(line) for line in sheet.news())
            self.told.append(("request_explained", sheet, answers, sheet.acts_by, sheet.reports, waits))
        if sheet.decided:
            answers = tuple(self._answer(line) for line in sheet.lines)
            self.told.append(("request_decided", sheet, answers, sheet.acts_by, not plainly))
        sheet.reports += sheet.is_news
        sheet.fresh = []

    def _answer(self, line: Wish | Giving) -> Told:
        if line.status == "EXPIRED":
            return "REFUSED", None, "EXPIRED"
        rank = self.rank(line) if isinstance(line, Wish) and line.status == "WAITLISTED" else None
        return line.status, rank, line.code

    def _acts(self, sheet: Sheet) -> Iterable[Told]:
        """For the trail: each line once."""
        new = [line for line in sheet.lines if line not in sheet.noted]
        sheet.noted += new
        for line in new:
            wish = line if isinstance(line, Wish) else line.wish
            if isinstance(line, Wish) and not sheet.power.moves:
                yield "BOOK_FOR_FAMILY", wish
            if isinstance(line, Giving) and line.was:
                yield ("MOVE_BOOKING", sheet.wishes()[0]) if sheet.power.moves else ("CANCEL_FOR_FAMILY", wish)

    def _give_back_all(self, sheet: Sheet, only: str | None = None) -> None:
        """Whoever leaves a line leaves first: a place that is given back with it must not be given to them."""
        for line in sheet.lines if not sheet.power.moves else ():
            if isinstance(line, Giving) and line.status == "SUBMITTED" and line.wish and only in (None, line.wish.status):
                self._give_back(sheet, line, line.wish)

    def _give_back(self, sheet: Sheet, line: Giving, wish: Wish) -> None:
        line.was = wish.status
        line.code = self._why_kept(sheet, wish, ("SUBMITTED", *LIVE))
        line.status = "REFUSED" if line.code else "CANCELLED"
        if line.code is None:
            if wish.status == "SUBMITTED" and wish.sheet:
                self._reopened.append(wish.sheet)
            self.cancel(wish, sheet)

    def _why_kept(self, sheet: Sheet, wish: Wish, statuses: Collection[str]) -> str | None:
        until = self.ends(wish.key) if sheet.power.past_deadlines else self.cancels_until(wish.key)
        if wish.status not in statuses:
            return "UNKNOWN_BOOKING"
        if self.is_closed(wish.key) or (wish.status == "ACCEPTED" and sheet.at >= until):
            return "TOO_LATE_TO_CANCEL"
        return None

    def cancel(self, wish: Wish, sheet: Sheet) -> None:
        was = wish.status
        self._becomes(wish, "CANCELLED", None, sheet, sheet.acts_by, was)
        if was == "ACCEPTED":
            self._serve([wish.key], sheet.at)
        if was == "WAITLISTED":
            self._serve([one.key for one in wish.party if one.status == "WAITLISTED"], sheet.at)

    def _move(self, sheet: Sheet) -> None:
        """The child has one place after it, here or there."""
        giving, wish = sheet.lines
        assert isinstance(giving, Giving)
        assert isinstance(wish, Wish)
        old = giving.wish
        assert old
        giving.was = old.status
        kept = self._why_kept(sheet, old, LIVE)
        code = kept or self._why_not(sheet, wish, [wish], but=old) or self._moves_there(sheet, old, wish)
        giving.status, giving.code = ("REFUSED", kept or "NOT_MOVED") if code else ("CANCELLED", None)
        if code:
            reason = "NOT_MOVED" if kept else code
            self._becomes(wish, "REFUSED", reason, sheet, reason)

    def _moves_there(self, sheet: Sheet, old: Wish, wish: Wish) -> str | None:
        late = sheet.at >= self.books_until(wish.key)
        if old.key == wish.key and old.status == "ACCEPTED":
            return "ALREADY_BOOKED"  # Hours are fixed on paper: nothing would be another than it is.
        if late and not self._has_place(wish.key):
            return "FULL"
        if late and old.status == "WAITLISTED":
            self.cancel(old, sheet)
            return None if self._asks(sheet, [wish]) else "FULL"
        if not self._asks(sheet, [wish]):
            return "FULL"
        self.cancel(old, sheet)
        return None

    def _asks(self, sheet: Sheet, unit: list[Wish], run: Collection[Key] | None = None) -> bool:
        """Whether they have a place, or wait for one, now. Past the deadline nobody waits: who does has waited in vain.

        `run`: openings whose deadline does not count, for a run decides.
        """
        late = self._late(sheet, unit) if run is None else set()
        for key in late:
            self._end_line(key)
        for wish in unit:
            wish.status = "WAITLISTED"
        self._serve([wish.key for wish in unit], sheet.at, newcomers=unit, despite={*late, *(run or ())})
        if unit[0].status == "ACCEPTED":
            return True
        if self._may_wait(sheet, unit, run) and all(self._line_has_room(wish.key) for wish in unit):
            for wish in unit:
                self._becomes(wish, "WAITLISTED", None, sheet, self.rank(wish))
            return True
        for wish in unit:
            wish.status = "SUBMITTED"
        return False

    def _late(self, sheet: Sheet, unit: list[Wish]) -> set[Key]:
        return {wish.key for wish in unit if sheet.at >= self.books_until(wish.key)}

    def _may_wait(self, sheet: Sheet, unit: list[Wish], run: Collection[Key] | None) -> bool:
        """In a run, whoever would wait in vain from the next second on does not wait at all."""
        at = sheet.at if run is None else self.now
        return sheet.ask.waits and all(at < self.books_until(wish.key) for wish in unit)

    def _decide(self, sheet: Sheet, unit: list[Wish], run: Collection[Key] | None = None) -> None:
        sheet.fresh += unit
        codes = [self._why_not(sheet, wish, unit, at_run=run is not None) for wish in unit]
        if not any(codes):
            if self._asks(sheet, unit, run):
                return
            codes = self._short(unit, self._may_wait(sheet, unit, run))
        for wish, code in zip(unit, codes, strict=True):
            told = code or "GROUP_INCOMPLETE"
            self._becomes(wish, "REFUSED", told, sheet, told)

    def _short(self, unit: list[Wish], may_wait: bool) -> list[str | None]:
        """Whom the places, and then the ranks, would not have reached if each were alone, in their order; or who would have waited."""
        got = {"place": list[Key](), "rank": list[Key](), "nothing": list[Key]()}
        gets = []
        for wish in unit:
            place = self._has_place(wish.key, 1 + got["place"].count(wish.key))
            rank = may_wait and self._line_has_room(wish.key, 1 + got["rank"].count(wish.key))
            gets.append("place" if place else "rank" if rank else "nothing")
            got[gets[-1]].append(wish.key)
        worst = "nothing" if "nothing" in gets else "rank"
        return ["FULL" if one == worst else None for one in gets]

    def _why_not(self, sheet: Sheet, wish: Wish, unit: list[Wish], but: Wish | None = None, *, at_run: bool = False) -> str | None:
        same = [w for w in self.wishes if (w.child, w.key) == (wish.child, wish.key) and w is not but]
        if any(w.status in LIVE for w in same) or any(w in unit and w.place < wish.place for w in same):
            return "ALREADY_BOOKED"
        if wish.family in self.in_debt and not sheet.power.despite_debt:
            return "ACCOUNT_IN_DEBIT"
        _, first, last = self.admitted.get((wish.child, wish.key[0]), NEVER)
        if (first and wish.key[1] < first) or (last and wish.key[1] > last):
            return "NOT_ENROLLED"
        if not self.is_open(wish.key):
            return "CLOSED"
        until = self.ends(wish.key) if sheet.power.past_deadlines else self.books_until(wish.key)
        late = sheet.at >= until or self.is_closed(wish.key) or (at_run and self.now >= self.begins(wish.key))
        return "TOO_LATE" if late else None

    # ------------------------------------------------------------------------------------------------- places and lines
    def among(self, status: str, key: Key) -> list[Wish]:
        return sorted((wish for wish in self.wishes if wish.status == status and wish.key == key), key=_place)

    def rank(self, wish: Wish) -> int:
        return self.among("WAITLISTED", wish.key).index(wish) + 1

    def _line_has_room(self, key: Key, more: int = 0) -> bool:
        _, room = self.places(key)
        return room is None or len(self.among("WAITLISTED", key)) + more <= room

    def _has_place(self, key: Key, wanted: int = 1) -> bool:
        places, _ = self.places(key)
        return places is None or len(self.among("ACCEPTED", key)) + wanted <= places

    def _fits(self, party: Iterable[Wish], at: dt.datetime, despite: Collection[Key]) -> bool:
        keys = [wish.key for wish in party]
        return all(
            self.is_open(key)
            and not self.is_closed(key)
            and (key in despite or at < self.books_until(key))
            and self._has_place(key, keys.count(key))
            for key in keys
        )

    def _serve(self, keys: Iterable[Key], at: dt.datetime, newcomers: Collection[Wish] = (), despite: Collection[Key] = ()) -> None:
        """Whoever waits at these openings, in order of arrival; all of a party or none. `despite`: deadlines that do not count."""
        for wish in sorted((wish for key in set(keys) for wish in self.among("WAITLISTED", key)), key=_place):
            party = [one for one in wish.party if one.status == "WAITLISTED"]
            if wish.status == "WAITLISTED" and self._fits(party, at, despite):
                for one in party:
                    promoted = one not in newcomers
                    self._becomes(one, "ACCEPTED", None, None if promoted else one.sheet, promoted)
                    self._promoted += [one] if promoted else []

    def _end_line(self, key: Key) -> None:
        """And with it the wishes of whole parties."""
        for wish in self.among("WAITLISTED", key):
            for one in wish.party:
                if one.status == "WAITLISTED":
                    self._becomes(one, "EXPIRED", None, None)
                    self._expired.append(one)

    def _becomes(self, wish: Wish, status: str, code: str | None, because: Sheet | None, *more: object) -> None:
        wish.status, wish.code = status, code
        wish.version += 1
        self.told.append((status.lower(), wish, wish.version, because, *more))

    def _tell_promoted(self, reported: Collection[Wish] = ()) -> None:
        """Each in a letter of its own, unless the report of its request says so."""
        for wish in self._promoted:
            if wish.status == "ACCEPTED" and wish not in reported:
                self.told.append(("place_given", wish))
        self._promoted = []

    def _tell_expired(self) -> list[Told]:
        """A letter for each who asked, unless the first report says it."""
        letters: dict[tuple[str, str | None], list[Wish]] = {}
        for wish in sorted(self._expired, key=lambda w: (w.key[1], w.key[0], w.place)):
            if wish.sheet is None or wish.sheet.reports:
                letters.setdefault((wish.family, wish.sheet.account if wish.sheet else None), []).append(wish)
        self._expired = []
        return [("place_expired", *whom, tuple(waits)) for whom, waits in letters.items()]

    # ------------------------------------------------------------------------------------------------ the town, and time
    def puts(self, activity: str, offer: Offer) -> None:
        self.becomes_history(activity)
        if self.offers.get(activity) != offer:
            self._looks_again(activity)
        self.offers[activity] = offer
        self._serve({wish.key for wish in self.wishes if wish.key[0] == activity}, self.now)
        self._tell_promoted()

    def takes_off(self, days: set[dt.date]) -> None:
        """On these days all of the town is closed, but where an agent opened it."""
        for activity in self.offers:
            self.becomes_history(activity)
            self._looks_again(activity)
        self.days_off = days
        self._serve({wish.key for wish in self.wishes}, self.now)
        self._tell_promoted()

    def _looks_again(self, activity: str) -> None:
        """At what waits for a run, as if that might be over."""
        for sheet in self.sheets if activity not in self.scheduled else ():
            if any(wish.status == "SUBMITTED" and wish.key[0] == activity for wish in sheet.wishes()):
                sheet.served = False

    def sets_day(self, key: Key, setting: Setting) -> list[Ask] | None:
        """What is cancelled by it, still without a key. None: it cannot be."""
        before = self.said_of(key)
        if not self.sets(key, setting):
            return None
        self._serve({w.key for w in self.wishes if w.key[0] == key[0] and not (setting.cancels and w.key == key)}, self.now)
        self._tell_promoted()
        standing = [w for w in self.wishes if w.key == key and w.status in ("SUBMITTED", *LIVE)] if setting.cancels else []
        if self.said_of(key) != before:
            self._looks_again(key[0])
        self.told += [("SET_OPENING", *key)] if standing or self.said_of(key) != before else []
        by_family: dict[str, list[Wish]] = {}
        for wish in sorted(standing, key=lambda w: (w.status == "ACCEPTED", w.place)):
            by_family.setdefault(wish.family, []).append(wish)
        power = Power(past_deadlines=True)
        return [
            Ask(family, tuple(("-", w.child, *w.key) for w in wishes), means=tuple(wishes), by=power)
            for family, wishes in by_family.items()
        ]

    def admits(self, child: str, activity: str, first: dt.date | None, last: dt.date | None) -> None:
        """The same again is no news."""
        admission = Admission(self.family_of[child], first, last)
        if self.admitted.get((child, activity)) != admission:
            self.admitted[child, activity] = admission
            self.told.append(("enrollment_changed", child, activity, *admission))

    def takes_enrollments_along(self) -> None:
        """With the children, to the families that they belong to now."""
        self.admitted = {key: admission._replace(family=self.family_of[key[0]]) for key, admission in self.admitted.items()}

    def takes_over(self, child: str, key: Key) -> bool:
        """A place that the town gives itself, whatever the deadlines. False: none is left. What is there, or was given back, stays."""
        known = self.among("WAITLISTED", key) + self.among("ACCEPTED", key) + self.among("CANCELLED", key)
        if any(wish.child == child for wish in known):
            return True
        if not self._has_place(key) or self.is_closed(key):
            return False
        wish = self._wish(self.next_place(), None, self.family_of[child], child, key)
        self._becomes(wish, "ACCEPTED", None, None, False)
        return True

    def next_place(self) -> tuple[int, int]:
        """Behind all who asked, in front of all who will."""
        self._behind += 1
        return len(self.sheets), 10**6 + self._behind

    def closings(self) -> list[dt.datetime]:
        """When the booking deadlines are of those who wait."""
        ends = {self.books_until(wish.key) for wish in self.wishes if wish.status == "WAITLISTED"}
        return sorted(end for end in ends if end > self.now)

    def expires(self) -> None:
        for key in {wish.key for wish in self.wishes if wish.status == "WAITLISTED"}:
            if self.now >= self.books_until(key):
                self._end_line(key)
        self.told += self._tell_expired()


def _place(wish: Wish) -> tuple[int, int]:
    return wish.place
