"""Between the question what stands in the way of an erasure and the erasure itself, nothing comes to stand there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlmodel import col, select

from services.billing import paying
from services.billing import personal as billing
from services.billing.ledger import PaymentMode
from services.billing.paying import Intent
from services.billing.tables import OnlinePayment
from services.billing.till import Agent, Money, record_payment
from services.booking import personal as booking
from services.booking.intake import Asked, take_in
from services.booking.tables import Booking, Erasing
from services.clock import Clock
from services.database import Database
from services.events import BillingErasureWeighed, BookingErasureWeighed, ErasureAsked, ErasureEvent, ErasureRefused, FamilyErasing
from services.outbox import Outgoing
from services.refusal import Forbidden, Refused
from services.service import Running
from tests.billing.bank import Bank
from tests.billing.conftest import NOW
from tests.billing.conftest import Town as BillingTown
from tests.booking.town import CLOCK, MONDAY, TUESDAY, books
from tests.booking.town import Town as BookingTown

MOMENT = 0.3  #: Seconds: long enough for whoever need not wait.


async def second_waits(database: Database, first: Callable[[Any], Awaitable[Any]], second: Callable[[], Awaitable[Any]]) -> Any:
    """The second begins when the first has done its work, and has not committed yet. Returns what comes of the second."""
    async with database.transaction() as session:
        await first(session)
        late = asyncio.ensure_future(second())
        await asyncio.sleep(MOMENT)
        assert not late.done(), "or it would not see what the first one did"
    return await late


def about(running: Running, kind: type[ErasureEvent], **more: Any) -> Any:
    return kind(structure="carteville", occurred_at=running.clock.now(), erasure="e", family="dupont", **more)


async def obstacles(running: Running, kind: type[ErasureEvent]) -> list[list[str]]:
    async with running.database.reading() as session:
        rows = (await session.exec(select(Outgoing).where(Outgoing.type == kind.type_name()).order_by(col(Outgoing.position)))).all()
    return [kind.model_validate_json(row.body[:-1] + f',"occurred_at":"{NOW.isoformat()}"}}').obstacles for row in rows]  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------------------------ booking
@pytest.fixture
async def school(running: Any) -> BookingTown:
    town = BookingTown(await running("booking", clock=CLOCK, start=False))
    await town.opens(capacity=20)
    await town.household("dupont", "dupont")
    await town.household("martin", "martin")
    return town


async def test_who_books_meanwhile_is_refused_or_stands_in_the_way(school: BookingTown) -> None:
    """S20: `books` and the question hold the counter of requests, whoever comes first."""
    one = school.running
    question = about(one, ErasureAsked)

    async def weighs(session: Any) -> None:
        await booking.weigh(session, question, one.clock)

    async def asks() -> Any:
        return await school.writes(school.order("dupont"), school.order("martin"))

    unknown, accepted = await second_waits(one.database, weighs, asks)
    assert (unknown.code, isinstance(accepted, str)) == ("UNKNOWN_CHILD", True), "of this family alone"
    assert await obstacles(one, BookingErasureWeighed) == [[]]
    async with one.database.transaction() as session:
        await booking.go_on(session, about(one, ErasureRefused), one.clock)
    await school.decides()
    assert await school.asks("dupont", books("dupont", TUESDAY)) == ["ACCEPTED"], "it was refused: all goes on"


async def test_who_booked_just_before_stands_in_the_way(school: BookingTown) -> None:
    one = school.running

    async def asks(session: Any) -> None:
        (request,) = await take_in(session, school.book, one.clock, [Asked("dupont", "carteville", school.order("dupont"))])
        assert isinstance(request, str)

    async def weighs() -> None:
        async with one.database.transaction() as session:
            await booking.weigh(session, about(one, ErasureAsked), one.clock)

    await second_waits(one.database, asks, weighs)
    assert await obstacles(one, BookingErasureWeighed) == [["HAS_BOOKINGS"]]


async def test_what_was_to_be_given_back_is_and_the_family_is_held_no_longer(school: BookingTown) -> None:
    one = school.running
    assert await school.asks("dupont") == ["ACCEPTED"]
    erasing = about(one, FamilyErasing, accounts=[], children=["dupont"], by="admin", number="1")
    for does, event in ((booking.weigh, about(one, ErasureAsked)), (booking.erase, erasing)):
        async with one.database.transaction() as session:
            await does(session, event, one.clock)
    await school.decides()
    async with one.database.reading() as session:
        assert [row.status for row in (await session.exec(select(Booking).where(Booking.date == MONDAY))).all()] == ["CANCELLED"]
        assert (await session.exec(select(Erasing))).all() == []


async def test_a_question_of_the_day_before_is_weighed_by_nobody(school: BookingTown) -> None:
    """Identity has refused it meanwhile, and what it said of that may have come before."""
    one = school.running
    old = about(one, ErasureAsked)
    async with one.database.transaction() as session:
        await booking.weigh(session, old, Clock(frozen_at=one.clock.now() + booking.UNANSWERED * 2))
    assert await obstacles(one, BookingErasureWeighed) == []
    assert await school.asks("dupont") == ["ACCEPTED"]


# ------------------------------------------------------------------------------------------------------------ billing
@pytest.fixture
async def till(running: Any) -> BillingTown:
    town = BillingTown(await running("billing", clock=Clock(frozen_at=NOW), start=False))
    await town.opens()
    return town


def intent(family: str, key: str = "k") -> Intent:
    return Intent("carteville", family, family, key, (("periscolaire", 5_00),), "x@example.org", "fr")


async def begins(town: BillingTown, family: str, key: str = "k") -> str:
    async with town.running.database.transaction() as session:
        try:
            return (await paying.intend(session, town.running.clock, intent(family, key), Bank())).status
        except Refused as refused:
            return refused.code


async def at_the_counter(town: BillingTown, family: str) -> Any:
    money = Money(family, "periscolaire", PaymentMode.CASH, 5_00, None, "GUIDE", None)
    async with town.running.database.transaction() as session:
        return await record_payment(session, town.running.clock, Agent("agent", "carteville"), family, money)


async def test_who_pays_meanwhile_is_refused(till: BillingTown) -> None:
    """S19: money that is on its way must arrive somewhere; so none sets out."""
    one = till.running

    async def weighs(session: Any) -> None:
        await billing.weigh(session, about(one, ErasureAsked), one.clock)

    assert await second_waits(one.database, weighs, lambda: begins(till, "dupont")) == "PAYMENT_UNAVAILABLE"
    assert await obstacles(one, BillingErasureWeighed) == [[]]
    with pytest.raises(Forbidden):
        await at_the_counter(till, "dupont")
    assert await begins(till, "martin") == "STARTED"
    assert await at_the_counter(till, "martin")
    async with one.database.transaction() as session:
        await billing.go_on(session, about(one, ErasureRefused), one.clock)
    assert await begins(till, "dupont", "again") == "STARTED"
    assert await at_the_counter(till, "dupont")


async def test_who_began_to_pay_just_before_stands_in_the_way(till: BillingTown) -> None:
    one = till.running

    async def pays(session: Any) -> None:
        await paying.intend(session, one.clock, intent("dupont"), Bank())

    async def weighs() -> None:
        async with one.database.transaction() as session:
            await billing.weigh(session, about(one, ErasureAsked), one.clock)

    await second_waits(one.database, pays, weighs)
    assert await obstacles(one, BillingErasureWeighed) == [["PAYMENT_UNDER_WAY"]]
    async with one.database.reading() as session:
        assert len((await session.exec(select(OnlinePayment))).all()) == 1
