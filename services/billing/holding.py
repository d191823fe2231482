"""Sets money aside for bookings and gives it back, for many at once: load what is known, decide in order, write, record."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import prices
from services.billing.hold import HoldKind, HoldState, News, is_newer
from services.billing.quote import Catalogue, Day
from services.billing.tables import Hold, core
from services.bulk import BulkInsert, BulkUpdate, one_of
from services.clock import Clock
from services.events import Held, HoldEvent, Released
from services.outbox import record
from services.saying import made


@dataclass(frozen=True, slots=True)
class Word:
    """What was heard about one booking."""

    booking: str
    day: Day
    version: int
    news: News


@dataclass(frozen=True, slots=True)
class Heard:
    """What one event said: of one booking, or of all those of a request, beside the bookings that the request gives back."""

    structure: str
    words: tuple[Word, ...]
    leaving: frozenset[str] = frozenset()
    opens: bool = False  #: Whether it may be the first word about its bookings: who asked together makes the price.


class Unasked(Exception):
    """News of a booking whose request was not heard yet: nobody can tell its price."""


@dataclass(slots=True)
class _Known:
    """What is known of one hold while a batch is digested. Plain, because a rush brings ten thousand of them."""

    booking: str
    structure: str
    family: str
    kind: HoldKind
    state: HoldState
    version: int
    wallet: str | None = None
    amount_cents: int = 0
    tariff_version: str | None = None
    explanation: list[dict[str, Any]] | None = None  #: None: as it stands in the table.
    day: Day | None = None  #: Of a hold that is not in the table yet.
    was_owed: bool = False
    moved: bool = False

    @property
    def is_owed(self) -> bool:
        """Whether it is announced: an estimate for a place that nobody has is nobody else's business."""
        return self.state is HoldState.LIVE and self.kind is HoldKind.CONFIRMED


HOLD = core(Hold)
H = HOLD.c
KNOWN = (H.booking, H.structure, H.family, H.kind, H.state, H.version, H.wallet, H.amount_cents, H.tariff_version)
#: Locked: another replica may be hearing about the same bookings.
THOSE = select(*KNOWN).where(one_of(H.booking, "bookings")).order_by(H.booking).with_for_update()

NOTHING: list[dict[str, Any]] = []  #: To explain. One for all.
MOVED = ("booking", "kind", "state", "version")
PRICED = ("wallet", "amount_cents", "tariff_version", "explanation")
DAY = ("structure", "family", "child", "activity", "date", "arrival", "departure")
insert_holds = BulkInsert(HOLD, MOVED + PRICED + DAY)
move_and_price_holds = BulkUpdate(HOLD, MOVED + PRICED)
move_holds = BulkUpdate(HOLD, MOVED)


async def digest(session: AsyncSession, clock: Clock, heard: Sequence[Heard], named: Collection[str] = ()) -> None:
    """Bring the holds up to date with all that was heard, in that order. Raises Unpriced or Unasked where more needs to be known.

    `named`: other bookings whose holds the transaction is going to lock: they are locked with these, in one order.
    """
    if not heard:
        return
    known = await _known(session, (*(word.booking for piece in heard for word in piece.words), *named))
    catalogue = await prices.catalogue(session, [word.day for piece in heard for word in piece.words])
    for piece in heard:
        _apply(piece, known, catalogue)
    moved = [hold for hold in known.values() if hold.moved]
    await _write(session, moved)
    if news := [_event(hold, clock) for hold in moved if hold.is_owed != hold.was_owed]:
        record(session, *news)


async def _known(session: AsyncSession, bookings: Iterable[str]) -> dict[str, _Known]:
    found: dict[str, _Known] = {}
    for row in await (await session.connection()).execute(THOSE, {"bookings": set(bookings)}):
        hold = found[row.booking] = _Known(*row)
        hold.was_owed = hold.is_owed
    return found


def _apply(piece: Heard, known: dict[str, _Known], catalogue: Catalogue) -> None:
    fresh = [word for word in piece.words if is_newer(word.version, known[word.booking].version if word.booking in known else None)]
    # All of a request first: siblings that are asked for together count for one another.
    for word in fresh:
        if word.news.state is HoldState.LIVE:
            catalogue.comes(word.booking, word.day)
    for word in fresh:
        hold = known.get(word.booking)
        if hold is None:
            hold = known[word.booking] = _opened(piece, word)
        hold.version, hold.moved = word.version, True
        if hold.state is HoldState.SETTLED:
            continue
        hold.kind, hold.state = word.news.kind, word.news.state
        _set_price(hold, word, catalogue, piece.leaving)
        if word.news.state is HoldState.RELEASED:
            catalogue.leaves(word.booking, word.day)


def _opened(piece: Heard, word: Word) -> _Known:
    if not piece.opens:
        raise Unasked(f"the request of booking {word.booking}")
    news, day = word.news, word.day
    return _Known(word.booking, piece.structure, day.family, news.kind, news.state, word.version, explanation=NOTHING, day=day)


def _set_price(hold: _Known, word: Word, catalogue: Catalogue, leaving: frozenset[str]) -> None:
    """Once: the price that the family was shown when it asked is the price it pays."""
    if not word.news.costs:
        hold.wallet, hold.amount_cents, hold.tariff_version, hold.explanation = None, 0, None, NOTHING
        return
    if hold.tariff_version is not None:
        return
    quote = catalogue.quote(word.day, leaving)
    hold.wallet, hold.tariff_version = quote.wallet, quote.tariff_version
    hold.amount_cents, hold.explanation = quote.price.cents, quote.explanation


async def _write(session: AsyncSession, moved: Sequence[_Known]) -> None:
    """New ones, those whose price moved too, and the many others: one statement for each of the three."""
    await insert_holds(session, [(*_moved(hold), *_priced(hold), *_day(hold, hold.day)) for hold in moved if hold.day])
    known = [hold for hold in moved if not hold.day]
    await move_and_price_holds(session, [(*_moved(hold), *_priced(hold)) for hold in known if hold.explanation is not None])
    await move_holds(session, [_moved(hold) for hold in known if hold.explanation is None])


def _moved(hold: _Known) -> tuple[Any, ...]:
    return hold.booking, hold.kind, hold.state, hold.version


def _priced(hold: _Known) -> tuple[Any, ...]:
    return hold.wallet, hold.amount_cents, hold.tariff_version, hold.explanation


def _day(hold: _Known, day: Day) -> tuple[Any, ...]:
    return hold.structure, day.family, day.child, day.activity, day.date, day.arrival, day.departure


def _event(hold: _Known, clock: Clock) -> HoldEvent:
    assert hold.wallet is not None, f"the hold of {hold.booking} draws on no wallet"
    kind: type[HoldEvent] = Held if hold.is_owed else Released
    return made(
        kind,
        occurred_at=clock.now(),
        structure=hold.structure,
        version=hold.version,
        hold=hold.booking,
        booking=hold.booking,
        wallet=hold.wallet,
        family=hold.family,
        amount_cents=hold.amount_cents,
    )
