"""Bookings set money aside: once, at the price that was shown, whatever order the news comes in."""

import asyncio
import datetime as dt
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import commands
from services.billing.rate import QuotientBand
from services.billing.tables import Activity, Child, Structure, Tariff
from services.billing.tariff import Per, Surcharge, TariffVersion
from services.events import BookingEvent, BookingRequested, FamilyChanged, Held, Released
from services.service import NotYetKnown
from tests.billing.conftest import MONDAY, SEPTEMBER, WHERE, Booking, Town, lives, request

BOOKING = Booking("b")


async def test_a_request_is_a_pending_estimate_until_it_is_accepted(town: Town) -> None:
    await town.hears(BOOKING.requested())
    hold = await town.hold("b")
    assert hold is not None
    assert (hold["kind"], hold["state"], hold["amount_cents"], hold["wallet"]) == ("PENDING", "LIVE", 1_31, "periscolaire")
    assert await town.said(Held) == []
    await town.hears(BOOKING.accepted())
    hold = await town.hold("b")
    assert hold is not None
    assert (hold["kind"], hold["state"], hold["amount_cents"], hold["tariff_version"]) == ("CONFIRMED", "LIVE", 1_31, "1/2026-09-01")
    assert [event["amount_cents"] for event in await town.said(Held)] == [1_31]
    await town.is_sound()


async def test_a_cancelled_booking_gives_its_hold_back(town: Town) -> None:
    await town.hears(BOOKING.requested())
    await town.hears(BOOKING.accepted())
    await town.hears(request(cancels=(BOOKING,)))
    hold = await town.hold("b")
    assert hold is not None
    assert hold["state"] == "LIVE", "asking to cancel gives nothing back yet"
    await town.hears(BOOKING.cancelled())
    hold = await town.hold("b")
    assert hold is not None
    assert hold["state"] == "RELEASED"
    held, released = await town.said(Held), await town.said(Released)
    assert [(event["booking"], event["amount_cents"]) for event in held + released] == [("b", 1_31)] * 2
    await town.is_sound()


async def test_s13_a_waiting_place_stays_pending_and_expires_without_a_word(town: Town) -> None:
    await town.hears(BOOKING.requested(), BOOKING.waitlisted())
    hold = await town.hold("b")
    assert hold is not None
    assert (hold["kind"], hold["state"]) == ("PENDING", "LIVE")
    await town.hears(BOOKING.expired())
    hold = await town.hold("b")
    assert hold is not None
    assert hold["state"] == "RELEASED"
    assert await town.said(Held) + await town.said(Released) == []


async def test_a_refused_booking_costs_nothing(town: Town) -> None:
    await town.hears(BOOKING.requested(), BOOKING.refused())
    hold = await town.hold("b")
    assert hold is not None
    assert (hold["state"], hold["amount_cents"], hold["explanation"]) == ("RELEASED", 0, [])
    await town.is_sound()


async def test_news_heard_twice_counts_once(town: Town) -> None:
    accepted = BOOKING.accepted()
    await town.hears(BOOKING.requested())
    await town.hears(accepted, accepted)
    await town.hears(accepted)
    await town.hears(BOOKING.accepted())  # The same fact under another id.
    assert len(await town.said(Held)) == 1


async def test_a_release_heard_before_its_hold_leaves_nothing_held(town: Town) -> None:
    await town.hears(BOOKING.requested())
    for event in (BOOKING.cancelled(), BOOKING.accepted(), BOOKING.requested()):
        await town.hears(event)
    hold = await town.hold("b")
    assert hold is not None
    assert (hold["state"], hold["version"]) == ("RELEASED", 3)
    assert await town.said(Held) + await town.said(Released) == []


LIVES = {
    "accepted, then cancelled": lambda b: [b.requested(), b.accepted(2), b.cancelled(3)],
    "waiting, then promoted": lambda b: [b.requested(), b.waitlisted(2), b.accepted(3)],
    "waiting, then promoted, then cancelled": lambda b: [b.requested(), b.waitlisted(2), b.accepted(3), b.cancelled(4)],
    "waiting, then expired": lambda b: [b.requested(), b.waitlisted(2), b.expired(3)],
    "refused": lambda b: [b.requested(), b.refused(2)],
    "given up while waiting": lambda b: [b.requested(), b.waitlisted(2), b.cancelled(3, was="WAITLISTED")],
}


@pytest.mark.parametrize("life", LIVES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_news_in_any_order_and_repeated_ends_in_the_same_hold(town: Town, life: str, data: st.DataObject) -> None:
    """S14: exactly once, whatever the broker does; one by one or in batches."""
    number = len(_made)
    straight, shuffled = Booking(f"{number}a", "amalia"), Booking(f"{number}b", "amalia")
    _made.append(life)
    for event in LIVES[life](straight):
        await town.hears(event)
    story: list[BookingEvent | BookingRequested] = LIVES[life](shuffled)
    told = data.draw(st.permutations(story * data.draw(st.integers(1, 3))))
    while told:
        size = data.draw(st.integers(1, len(told)))
        batch, told = told[:size], told[size:]
        try:
            await town.hears(*batch)
        except NotYetKnown:
            told += batch  # Nothing of it was written; the broker brings it again.
    ends = [await town.hold(one.id) for one in (straight, shuffled)]
    assert all(end is not None for end in ends)
    first, second = ({k: v for k, v in end.items() if k != "booking"} for end in ends if end is not None)
    assert first == second
    held, released = [[event["booking"] for event in await town.said(kind)] for kind in (Held, Released)]
    owed = [held.count(one.id) - released.count(one.id) for one in (straight, shuffled)]
    assert owed == [1 if first["state"] == "LIVE" and first["kind"] == "CONFIRMED" else 0] * 2


_made: list[str] = []


async def test_siblings_asked_for_together_count_for_one_another(town: Town) -> None:
    """The elder pays in full, the younger less: also where the younger is decided first."""
    amalia, paolo = Booking("a", "amalia", "multi"), Booking("p", "paolo", "multi")
    for order in permutations((amalia, paolo)):
        named = [Booking(f"{one.id}{order[0].id}", one.child, one.activity, MONDAY + dt.timedelta(order[0] is paolo)) for one in order]
        await town.hears(request(*named))
        await town.hears(*(one.accepted() for one in named))
        holds = {one.child: await town.hold(one.id) for one in named}
        assert {child: hold and hold["amount_cents"] for child, hold in holds.items()} == {"amalia": 2_63, "paolo": 2_10}


async def test_a_sibling_that_leaves_in_the_same_request_no_longer_counts(town: Town) -> None:
    amalia, paolo = Booking("a", "amalia", "multi"), Booking("p", "paolo", "multi")
    await town.hears(request(amalia), amalia.accepted())
    await town.hears(request(paolo, cancels=(amalia,)))
    hold = await town.hold("p")
    assert hold is not None
    assert hold["amount_cents"] == 2_63


@pytest.mark.parametrize("early", ["accepted", "waitlisted", "refused", "cancelled", "expired"])
async def test_news_of_a_booking_waits_for_its_request(town: Town, early: str) -> None:
    """Only the request says who asked together: the price that was shown is then the price that is held."""
    amalia, paolo = Booking("a", "amalia", "multi"), Booking("p", "paolo", "multi")
    with pytest.raises(NotYetKnown, match="p"):
        await town.hears(getattr(paolo, early)())
    assert await town.hold("p") is None
    await town.hears(request(amalia, paolo))
    await town.hears(paolo.accepted())
    hold = await town.hold("p")
    assert hold is not None
    assert hold["amount_cents"] == 2_10


async def test_a_promotion_waits_for_its_request_and_what_was_taken_over_does_not(town: Town) -> None:
    with pytest.raises(NotYetKnown):
        await town.hears(BOOKING.accepted(3, request=None, from_waiting_list=True))
    await town.hears(BOOKING.taken_over())
    assert await town.hold("b") is not None


@pytest.mark.parametrize("together", [False, True])
async def test_a_sibling_who_gave_a_day_back_and_booked_it_again_comes(town: Town, together: bool) -> None:
    """However the news is batched."""
    first, again, paolo = Booking("a1", "amalia", "multi"), Booking("a2", "amalia", "multi"), Booking("p", "paolo", "multi")
    await town.hears(request(first), first.accepted())
    story = [request(again, cancels=(first,)), first.cancelled(), again.accepted(), request(paolo)]
    for batch in [story] if together else [[event] for event in story]:
        await town.hears(*batch)
    hold = await town.hold("p")
    assert hold is not None
    assert hold["amount_cents"] == 2_10


async def test_the_price_stays_what_it_was_when_the_tariff_changes(town: Town) -> None:
    await town.hears(BOOKING.requested())
    async with town.running.database.transaction() as session:
        dearer = (TariffVersion(SEPTEMBER, Per.PRESENCE, (QuotientBand(None, 500),)),)
        await commands.put_tariff(session, town.running.clock, "aps-matin", "carteville", "periscolaire", dearer)
        await commands.put_tariff(session, town.running.clock, "aps-matin", "carteville", "periscolaire", dearer)
    later = Booking("later", date=MONDAY + dt.timedelta(1))
    await town.hears(BOOKING.accepted(), later.requested())
    first, second = await town.hold("b"), await town.hold("later")
    assert first is not None
    assert second is not None
    assert (first["amount_cents"], first["tariff_version"]) == (1_31, "1/2026-09-01")
    assert (second["amount_cents"], second["tariff_version"]) == (5_00, "2/2026-09-01")


async def test_the_quotient_in_force_on_the_booked_day_counts(town: Town) -> None:
    async with town.running.database.transaction() as session:
        await commands.put_quotient(session, town.running.clock, "dupont", "carteville", 1200)
        await commands.put_quotient(session, town.running.clock, "dupont", "carteville", 1200)
    yesterday, today = (Booking(f"{n}", date=dt.date(2026, 11, n)) for n in (22, 23))
    await town.hears(yesterday.taken_over(), today.taken_over())
    holds = [await town.hold(one.id) for one in (yesterday, today)]
    assert [hold and hold["amount_cents"] for hold in holds] == [1_31, 1_90]


async def test_what_is_not_known_yet_is_asked_for_again_later(town: Town) -> None:
    strange = Booking("s", activity="cantine")
    with pytest.raises(NotYetKnown, match="cantine"):
        await town.hears(strange.taken_over())
    await town.hears(town.activity("cantine", "cantine"))
    with pytest.raises(NotYetKnown, match="cantine"):
        await town.hears(strange.taken_over())
    async with town.running.database.transaction() as session:
        await commands.put_tariff(session, town.running.clock, "cantine", "carteville", "cantine", ())
    with pytest.raises(NotYetKnown, match="wallet"):
        await town.hears(strange.taken_over())
    async with town.running.database.transaction() as session:
        await commands.put_wallet(session, town.running.clock, "cantine", "carteville", "CANTINE")
    await town.hears(strange.taken_over())
    hold = await town.hold("s")
    assert hold is not None
    assert (hold["amount_cents"], hold["wallet"]) == (0, "cantine")
    await town.is_sound()


async def test_siblings_of_a_family_not_heard_of_yet_wait(town: Town) -> None:
    newcomer = Booking("n", "lea", "multi", family="petit")
    with pytest.raises(NotYetKnown, match="petit"):
        await town.hears(newcomer.taken_over())
    await town.hears(FamilyChanged(**WHERE, version=1, family="petit", adults=[], children=["lea"]), newcomer.taken_over())
    assert await town.hold("n") is not None


async def test_copies_keep_the_newest_version(town: Town) -> None:
    family = {**WHERE, "family": "dupont", "adults": ["dupont"]}
    await town.hears(FamilyChanged(**family, version=3, children=["hugo", "amalia", "paolo"]))
    await town.hears(FamilyChanged(**family, version=2, children=["amalia"]))
    await town.hears(town.activity("multi", "periscolaire", version=3))
    await town.hears(town.activity("multi", "multiaccueil", version=2))
    hugo, amalia = Booking("h", "hugo", "multi"), Booking("a", "amalia", "multi")
    await town.hears(request(hugo, amalia))
    hold = await town.hold("a")
    assert hold is not None
    assert (hold["amount_cents"], hold["wallet"]) == (2_10, "periscolaire")


async def test_copies_keep_the_newest_version_of_one_batch_too(town: Town) -> None:
    family = {**WHERE, "family": "dupont", "adults": ["dupont"]}
    await town.hears(FamilyChanged(**family, version=3, children=["hugo", "paolo"]), FamilyChanged(**family, version=2, children=["paolo"]))
    await town.hears(*(town.activity("multi", wallet, version) for wallet, version in (("periscolaire", 3), ("multiaccueil", 2))))
    paolo = Booking("p", "paolo", "multi")
    await town.hears(request(Booking("h", "hugo", "multi"), paolo))
    hold = await town.hold("p")
    assert hold is not None
    assert (hold["amount_cents"], hold["wallet"]) == (2_10, "periscolaire")


@pytest.mark.parametrize("family", ["dupont", "newcomers"], ids=["known", "new"])
async def test_two_replicas_that_hear_at_once_keep_the_newest(town: Town, family: str) -> None:
    async def hears(session: AsyncSession, version: int) -> None:
        await commands.copy_family(session, family, "carteville", [f"child {version}"], version)
        await commands.copy_activity(session, family, "carteville", f"wallet {version}", f"title {version}", version)
        await commands.copy_structure(session, family, f"title {version}", f"zone {version}", version, {})

    async def hears_late() -> None:
        async with town.running.database.transaction() as session:
            await hears(session, 2)

    async def until_somebody_waits(task: asyncio.Task[None]) -> None:
        """SQLite lets nobody begin before the other is done; on PostgreSQL the second waits for the row."""
        waits = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
        while not (task.done() or town.running.database.is_sqlite):
            async with town.running.database.engine.connect() as connection:
                if (await connection.execute(waits)).scalar_one():
                    return
            await asyncio.sleep(0.01)

    async with town.running.database.transaction() as session:
        await hears(session, 3)
        await session.flush()
        older = asyncio.create_task(hears_late())
        await until_somebody_waits(older)
    await older
    async with town.running.database.reading() as session:
        assert (await session.exec(select(Child.id).where(Child.family == family))).all() == ["child 3"]
        activity, structure = await session.get_one(Activity, family), await session.get_one(Structure, family)
    assert (activity.wallet, structure.timezone) == ("wallet 3", "zone 3")


async def test_an_activity_is_priced_like_another_until_it_has_a_tariff_of_its_own(town: Town) -> None:
    """Agents create activities in booking: what a place costs there must be known before anybody asks for one."""
    new = town.activity("soir", "periscolaire").model_copy(update={"priced_like": "aps-matin"})
    await town.hears(new)
    await town.hears(new.model_copy(update={"event_id": "again", "version": 2}))
    await town.hears(Booking("b1", activity="soir").requested())
    hold = await town.hold("b1")
    assert hold is not None
    assert (hold["wallet"], hold["amount_cents"]) == ("periscolaire", 131)
    async with town.running.database.reading() as session:
        tariffs = (await session.exec(select(Tariff).where(Tariff.activity == "soir"))).all()
    assert [tariff.revision for tariff in tariffs] == [1]


async def test_a_family_that_lives_elsewhere_is_charged_more_from_the_day_it_was_said(town: Town) -> None:
    """S33: two statements more, and only where a tariff asks; a price that is frozen stays."""
    dear = (TariffVersion(SEPTEMBER, Per.PRESENCE, (QuotientBand(None, 3_79),), outside_town=Surcharge(percent=20)),)
    clock = town.running.clock
    async with town.running.database.transaction() as session:
        await commands.put_tariff(session, clock, "aps-matin", "carteville", "periscolaire", dear)
    await town.hears(request(Booking("nobody-said")))
    for version, resident in enumerate((True, False, True, False), start=1):
        await town.hears(lives("dupont", version, resident=resident))
    today, before = clock.today("Europe/Paris"), clock.today("Europe/Paris") - dt.timedelta(1)
    days = (Booking("before", date=before), Booking("today", date=today), Booking("neighbour", "zoe", family="martin", date=today))
    await town.hears(*(one.requested() for one in days))
    holds = {id: await town.hold(id) for id in ("nobody-said", "before", "today", "neighbour")}
    assert {id: hold and hold["amount_cents"] for id, hold in holds.items()} == {
        "nobody-said": 3_79,
        "before": 3_79,
        "today": 4_55,
        "neighbour": 3_79,
    }
    assert holds["today"] is not None
    assert [step["code"] for step in holds["today"]["explanation"]] == ["SINGLE_RATE", "OUTSIDE_TOWN_PERCENT"]
    await town.is_sound()
