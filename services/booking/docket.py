"""What one transaction does to openings and bookings: worked out in memory, written in bulk, with the events that tell it.

Whoever opens a docket holds the row of its partition (`take_turn`), so nobody else moves the same counts meanwhile. The ORM's unit
of work is left out on purpose: a rush changes thousands of rows in one transaction, and it would cost ten times as much.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from sqlalchemy import RowMapping, String, bindparam, literal_column, select, type_coerce, update
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.allocation import Answer, Board, Claim, Key, Offer, Opening
from services.booking.lines import Rules
from services.booking.rulebook import RuleBook
from services.booking.status import LIVE, BookingStatus
from services.booking.tables import Booking, Partition, core, partition_of, run
from services.booking.tables import Opening as OpeningRow
from services.bulk import BulkInsert, BulkUpdate, one_of
from services.events import (
    BookingAccepted,
    BookingCancelled,
    BookingEvent,
    BookingExpired,
    BookingRefused,
    BookingWaitlisted,
    CapacityChanged,
    Event,
    PlaceGiven,
)
from services.outbox import Traces, record
from services.saying import made

BOOKING, OPENING, PARTITION = core(Booking), core(OpeningRow), core(Partition)
B, O = BOOKING.c, OPENING.c  # noqa: E741 -- B and O, like the tables

#: Written into the statement, not bound: only then can a partial index be used.
IS_WAITING = B.status == literal_column("'WAITLISTED'")
IS_LIVE = B.status.in_([literal_column("'ACCEPTED'"), literal_column("'WAITLISTED'")])
IS_SUBMITTED = B.status == literal_column("'SUBMITTED'")


async def take_turn(session: AsyncSession, structure: str) -> None:
    """Hold the partition of this structure until the commit: nobody else decides on its openings."""
    await take_turn_of(session, partition_of(structure))


async def take_turn_of(session: AsyncSession, partition: int) -> None:
    await run(session, TURN, {"partition": partition})


@dataclass(slots=True, eq=False)
class Case:
    """A booking while it is being decided."""

    id: str
    request: str | None
    line: int
    family: str
    child: str
    activity: str
    structure: str
    date: dt.date
    arrival: str
    departure: str
    status: str
    code: str | None
    position: int
    party: int | None
    version: int

    @property
    def key(self) -> Key:
        return self.activity, self.date

    def claim(self) -> Claim:
        return Claim(self.id, (self.activity, self.date), self.position, self.party)


#: Select these, in this order, and `Case(*row)`.
CASE = (
    B.id,
    B.request,
    B.line,
    B.family,
    B.child,
    B.activity,
    B.structure,
    B.date,
    B.arrival,
    B.departure,
    type_coerce(B.status, String),
    B.code,
    B.position,
    B.party,
    B.version,
)


COUNTS = ("places", "waiting_places", "taken", "waiting", "taken_limit", "waiting_limit")  #: What an opening and its row have alike.
TURN = update(PARTITION).where(PARTITION.c.number == bindparam("partition")).values(turn=PARTITION.c.turn + 1)
STORED = select(OPENING).where(one_of(O.activity, "activities"), one_of(O.date, "dates"))
LINE_UP = select(*CASE).where(IS_WAITING, one_of(B.activity, "activities"), one_of(B.date, "dates")).order_by(B.position)
_insert_openings = BulkInsert(OPENING, ("activity", "date", *COUNTS, "revision", "changed_at"))
_update_openings = BulkUpdate(OPENING, ("activity", "date", *COUNTS, "revision", "changed_at"), keys=2)
ANSWER = (
    update(BOOKING)
    .where(one_of(B.id, "ids"))
    .values(status=bindparam("answer"), code=bindparam("why"), decided_at=bindparam("now"), version=B.version + bindparam("steps"))
)


@dataclass(slots=True)
class Docket:
    """Open it with `open_docket`, decide, then `write` it once."""

    now: dt.datetime
    board: Board
    cases: dict[str, Case]
    rules: dict[str, Rules]
    stored: dict[Key, RowMapping]  #: The openings as the table has them.
    events: list[Event] = field(default_factory=list)
    given: list[Case] = field(default_factory=list)  #: Who waited and has a place now.
    traces: Traces = field(default_factory=dict)
    shown_anew: set[Key] = field(default_factory=set)  #: Openings that are announced even if no count of theirs moved.
    unwritten: Set[str] = frozenset()  #: Bookings that the table will have only with what became of them: whoever decides inserts them.
    _versions: dict[str, int] = field(default_factory=dict)  #: Of the changed bookings, as the table has them.

    def is_closed(self, key: Key) -> bool:
        """Attendance is final: nobody books or cancels that day any more."""
        stored = self.stored.get(key)
        return stored is not None and stored["closed_at"] is not None

    def ask(self, cases: Sequence[Case], *, may_wait: bool) -> Answer:
        """Serve one booking, or those of a party. FULL leaves the case to the caller, who refuses it."""
        claims = [case.claim() for case in cases]
        answer, others = self.board.ask(claims, may_wait=may_wait)
        self._give(others)
        for case, claim in zip(cases, claims, strict=True):
            if answer is Answer.ACCEPTED:
                self.accept(case)
            elif answer is Answer.WAITLISTED:
                self._turn(case, BookingStatus.WAITLISTED)
                self._tell(BookingWaitlisted, case, case.request, rank=self.board.rank(claim.opening, claim.position))
        return answer

    def short(self, cases: Sequence[Case], *, may_wait: bool) -> list[str | None]:
        """FULL was the answer: of which of them it is the reason, and None for the others of the party."""
        blamed = self.board.short([case.claim() for case in cases], may_wait=may_wait)
        return ["FULL" if case.id in blamed else None for case in cases]

    def accept(self, case: Case, *, from_waiting_list: bool = False) -> None:
        """Its place is already counted."""
        self._turn(case, BookingStatus.ACCEPTED)
        self._tell(BookingAccepted, case, None if from_waiting_list else case.request, from_waiting_list=from_waiting_list)

    def refuse(self, case: Case, code: str) -> None:
        self._turn(case, BookingStatus.REFUSED, code)
        self._tell(BookingRefused, case, case.request, code=code)

    def cancel(self, case: Case, request: str | None, by: Literal["family", "agent", "system"]) -> None:
        """Give back a place, a rank, or a wish that nobody has looked at yet; whoever comes next is served."""
        was = case.status
        self._turn(case, BookingStatus.CANCELLED)
        self._tell(BookingCancelled, case, request, by=by, was=was)
        if was == BookingStatus.ACCEPTED:
            self._give(self.board.give_back(case.key))
        elif was == BookingStatus.WAITLISTED:
            self._give(self.board.leave(self.board.waiting(case.id, case.key)))

    def keep_place(self, old: Case, new: Case, request: str | None, by: Literal["family", "agent", "system"]) -> None:
        """The same child at the same opening, with other hours: nobody in the line is nearer to that place."""
        assert old.key == new.key, "another opening's places are another matter"
        assert old.status == BookingStatus.ACCEPTED, "only a place can be kept"
        self._turn(old, BookingStatus.CANCELLED)
        self._tell(BookingCancelled, old, request, by=by, was=BookingStatus.ACCEPTED.value)
        self.accept(new)

    def expire(self, claim: Claim) -> list[Case]:
        """The booking deadline passed while it waited. Nobody is served by that: the deadline is the same for all.

        Returns who waits no more.
        """
        gone = [self.cases[one.booking] for one in self.board.drop(claim)]
        for case in gone:
            self._turn(case, BookingStatus.EXPIRED)
            self._tell(BookingExpired, case, None)
        return gone

    def resize(self, offers: Mapping[Key, Offer]) -> None:
        self._give(self.board.resize(offers))

    def moved(self, case: Case) -> bool:
        """Something became of it here."""
        return case.id in self._versions

    def _give(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            case = self.cases[claim.booking]
            self.accept(case, from_waiting_list=True)
            self.given.append(case)

    def _turn(self, case: Case, status: BookingStatus, code: str | None = None) -> None:
        self._versions.setdefault(case.id, case.version)
        case.status, case.code = status.value, code
        case.version += 1

    def _tell(self, kind: type[BookingEvent], case: Case, request: str | None, **more: Any) -> None:
        self.events.append(
            # Our own values, already checked: validating them again would be half of a rush's cost.
            made(
                kind,
                occurred_at=self.now,
                structure=case.structure,
                version=case.version,
                booking=case.id,
                request=request,
                family=case.family,
                child=case.child,
                activity=case.activity,
                date=case.date,
                arrival=case.arrival,
                departure=case.departure,
                **more,
            )
        )

    async def write(self, session: AsyncSession, is_told: Callable[[Case], bool] = lambda case: False) -> None:
        """`is_told`: the report of its request tells of its place, so that no further mail is needed for it."""
        await self._write_openings(session)
        await self._write_bookings(session)
        for case in self.given:
            if case.status == BookingStatus.ACCEPTED and not is_told(case):
                self.events.append(
                    made(
                        PlaceGiven,
                        occurred_at=self.now,
                        structure=case.structure,
                        booking=case.id,
                        family=case.family,
                        child=case.child,
                        activity=case.activity,
                        date=case.date,
                    )
                )
        record(session, *self.events, traces=self.traces)

    async def _write_bookings(self, session: AsyncSession) -> None:
        alike: dict[tuple[str, str | None, int], list[str]] = defaultdict(list)
        for id_, version in self._versions.items():
            if id_ in self.unwritten:
                continue
            case = self.cases[id_]
            alike[case.status, case.code, case.version - version].append(id_)
        # Those that leave first: a child may give back a day and take it again in one request.
        for (status, code, steps), ids in sorted(alike.items(), key=lambda item: item[0][0] in LIVE):
            await run(session, ANSWER, {"ids": ids, "answer": status, "why": code, "now": self.now, "steps": steps})

    async def _write_openings(self, session: AsyncSession) -> None:
        new: list[tuple[Any, ...]] = []
        changed: list[tuple[Any, ...]] = []
        for (activity, date), opening in self.board.openings.items():
            opening.tighten()
            counts = _counts(opening)
            stored = self.stored.get((activity, date))
            if stored is None:
                if opening.taken or opening.waiting or (activity, date) in self.shown_anew:
                    new.append((activity, date, *counts, 1, self.now))
                    self._tell_capacity((activity, date), opening, 1)
            elif (activity, date) in self.shown_anew or any(stored[name] != value for name, value in zip(COUNTS, counts, strict=True)):
                revision = stored["revision"] + 1
                changed.append((activity, date, *counts, revision, self.now))
                self._tell_capacity((activity, date), opening, revision)
        await _insert_openings(session, new)
        await _update_openings(session, changed)

    def _tell_capacity(self, key: Key, opening: Opening, revision: int) -> None:
        self.events.append(
            made(
                CapacityChanged,
                occurred_at=self.now,
                structure=self.rules[key[0]].spec.structure,
                version=revision,
                activity=key[0],
                date=key[1],
                capacity=opening.places,
                taken=opening.taken,
                waiting=opening.waiting,
            )
        )


def _counts(opening: Opening) -> tuple[int | None, ...]:
    """As COUNTS."""
    return opening.places, opening.waiting_places, opening.taken, opening.waiting, opening.taken_limit, opening.waiting_limit


async def open_docket(
    session: AsyncSession,
    book: RuleBook,
    now: dt.datetime,
    cases: dict[str, Case],
    keys: Set[Key],
    with_lines: Set[Key],
    rules: Mapping[str, Rules] = MappingProxyType({}),
) -> Docket:
    """The openings of `keys` with their counts, and the lines of those where somebody who waits may be given a place.

    `cases` grows by those who wait. `rules`: of activities that were just read.
    """
    rules = dict(rules)
    openings: dict[Key, Opening] = {}
    stored: dict[Key, RowMapping] = {}
    served, lined = set(with_lines), set[Key]()
    while missing := (keys | served) - openings.keys():
        if unread := {key[0] for key in missing} - rules.keys():
            rules |= await book.of(session, unread)
        stored |= await _stored(session, missing)
        openings |= {key: _opening(stored.get(key), rules[key[0]], key, now) for key in missing}
        # Reading a line may show parties that wait elsewhere too, and those lines others again.
        while here := {key for key, it in openings.items() if it.ahead and (key in served or it.free)} - lined:
            lined |= here
            await _stand_in_line(session, openings, here, cases)
            served |= await _elsewhere(session, openings, here)
    return Docket(now, Board(openings), cases, rules, stored)


def _bounds(keys: Iterable[Key]) -> dict[str, list[Any]]:
    """More than the keys, if they are many: who asks takes those that he wants."""
    return {"activities": sorted({key[0] for key in keys}), "dates": sorted({key[1] for key in keys})}


async def _stored(session: AsyncSession, keys: Iterable[Key]) -> dict[Key, RowMapping]:
    rows = (await run(session, STORED, _bounds(keys))).mappings()
    return {(row["activity"], row["date"]): row for row in rows if (row["activity"], row["date"]) in keys}


def _opening(stored: RowMapping | None, rules: Rules, key: Key, now: dt.datetime) -> Opening:
    bookable = rules.on(key[1]).bookable(now)
    if stored is None:
        places, waiting_places = rules.spec.offer(key[1])
        return Opening(places, waiting_places, bookable=bookable, taken_limit=places, waiting_limit=waiting_places)
    return Opening(
        stored["places"],
        stored["waiting_places"],
        taken=stored["taken"],
        ahead=stored["waiting"],
        bookable=bookable and stored["closed_at"] is None,
        taken_limit=stored["taken_limit"],
        waiting_limit=stored["waiting_limit"],
    )


async def _stand_in_line(session: AsyncSession, openings: Mapping[Key, Opening], keys: set[Key], cases: dict[str, Case]) -> None:
    if not keys:
        return
    for row in await run(session, LINE_UP, _bounds(keys)):
        if (row.activity, row.date) in keys:
            case = cases.setdefault(row.id, Case(*row))
            opening = openings[case.key]
            opening.ahead -= 1
            opening.line.append(case.claim())


async def _elsewhere(session: AsyncSession, openings: Mapping[Key, Opening], keys: set[Key]) -> set[Key]:
    """Other openings where members of the parties that stand in these lines wait: all or none needs them all."""
    parties = {claim.party for key in keys for claim in openings[key].line if claim.party is not None}
    if not parties:
        return set()
    rows = await run(session, select(B.activity, B.date).where(IS_WAITING, B.party.in_(sorted(parties))))
    return {(activity, date) for activity, date in rows}
