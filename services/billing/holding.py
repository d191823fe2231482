"""Sets money aside for bookings and gives it back, for many at once: load what is known, decide in order, write, record."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import prices
from services.billing.hold import HoldKind, HoldState, News, is_newer
from services.billing.quote import Catalogue, Day, Presence
from services.billing.tables import Hold
from services.clock import Clock
from services.events import Held, Released
from services.outbox import record


@dataclass(frozen=True, slots=True)
class Word:
    """What was heard about one booking."""

    booking: str
    day: Day
    version: int
    news: News


@dataclass(frozen=True, slots=True)
class Heard:
    """What one event said: of one booking, or of all those of a request, beside the days that the request gives back."""

    structure: str
    words: tuple[Word, ...]
    leaving: frozenset[tuple[str, Presence]] = frozenset()


async def digest(session: AsyncSession, clock: Clock, heard: Sequence[Heard]) -> None:
    """Bring the holds up to date with all that was heard, in that order. Raises Unpriced where a price needs more than is known."""
    known = await _holds(session, (word.booking for piece in heard for word in piece.words))
    before = {booking: _owed(hold) for booking, hold in known.items()}
    catalogue = await prices.catalogue(session, [word.day for piece in heard for word in piece.words])
    for piece in heard:
        _apply(session, piece, known, catalogue)
    await session.flush()
    for booking, hold in known.items():
        _tell(session, clock, hold, was_owed=before.get(booking, False))


async def _holds(session: AsyncSession, bookings: Iterable[str]) -> dict[str, Hold]:
    """Locked: another replica may be hearing about the same bookings."""
    found: dict[str, Hold] = {}
    for portion in prices.slices(bookings):
        rows = await session.exec(select(Hold).where(col(Hold.booking).in_(portion)).order_by(col(Hold.booking)).with_for_update())
        found.update((hold.booking, hold) for hold in rows)
    return found


def _apply(session: AsyncSession, piece: Heard, known: dict[str, Hold], catalogue: Catalogue) -> None:
    fresh = [word for word in piece.words if is_newer(word.version, known[word.booking].version if word.booking in known else None)]
    # All of a request first: siblings that are asked for together count for one another.
    for word in fresh:
        if word.news.state is HoldState.LIVE:
            catalogue.comes(word.day)
    for word in fresh:
        hold = known.get(word.booking)
        if hold is None:
            hold = known[word.booking] = _new(piece.structure, word)
            session.add(hold)
        hold.kind, hold.state, hold.version = word.news.kind, word.news.state, word.version
        if not word.news.costs:
            hold.wallet, hold.amount_cents, hold.tariff_version, hold.explanation = None, 0, None, []
        elif hold.tariff_version is None:
            _set_price(hold, word.day, catalogue, piece.leaving)
        if word.news.state is HoldState.RELEASED:
            catalogue.leaves(word.day)


def _new(structure: str, word: Word) -> Hold:
    day = word.day
    return Hold(
        booking=word.booking,
        structure=structure,
        family=day.family,
        child=day.child,
        activity=day.activity,
        date=day.date,
        arrival=day.arrival,
        departure=day.departure,
        kind=word.news.kind,
        state=word.news.state,
        explanation=[],
        version=word.version,
    )


def _set_price(hold: Hold, day: Day, catalogue: Catalogue, leaving: frozenset[tuple[str, Presence]]) -> None:
    """Once: the price that the family was shown when it asked is the price it pays."""
    quote = catalogue.quote(day, leaving)
    hold.wallet, hold.tariff_version = quote.wallet, quote.tariff_version
    hold.amount_cents = quote.price.cents
    hold.explanation = [step.as_data() for step in quote.price.steps]


def _owed(hold: Hold) -> bool:
    """Whether it is announced: an estimate for a place that nobody has is nobody else's business."""
    return hold.state is HoldState.LIVE and hold.kind is HoldKind.CONFIRMED


def _tell(session: AsyncSession, clock: Clock, hold: Hold, *, was_owed: bool) -> None:
    if was_owed == _owed(hold):
        return
    assert hold.wallet is not None, f"the hold of {hold.booking} draws on no wallet"
    kind = Released if was_owed else Held
    record(
        session,
        kind(
            occurred_at=clock.now(),
            structure=hold.structure,
            version=hold.version,
            hold=hold.booking,
            booking=hold.booking,
            wallet=hold.wallet,
            family=hold.family,
            amount_cents=hold.amount_cents,
        ),
    )
