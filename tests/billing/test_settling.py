"""A closed day is charged: by what really happened, once, in the transaction that ends its holds; and put right when it is closed again."""

import asyncio
import datetime as dt
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import select

from services.billing import commands, settling
from services.billing.charged import Charged, LatePickup
from services.billing.rate import QuotientBand
from services.billing.tables import Activity, DayPart, LedgerEntry
from services.billing.tariff import Per, TariffVersion
from services.events import BalanceLow, EntryPosted, Event, FamilyChanged, Held, Released, StandingChanged
from services.listening import react
from services.service import NotYetKnown
from tests.billing.conftest import AGENT, APS, MONDAY, SEPTEMBER, STRANGER, WHERE, Booking, Town, closed, request

TUESDAY = MONDAY + dt.timedelta(days=1)
MEAL = TariffVersion(SEPTEMBER, Per.MEAL, (QuotientBand(500, 195), QuotientBand(1000, 379), QuotientBand(None, 465)))
WEDNESDAY = TariffVersion(SEPTEMBER, Per.HALF_DAY, (QuotientBand(500, 452), QuotientBand(1000, 784), QuotientBand(None, 1030)))
FLAT = TariffVersion(SEPTEMBER, Per.FLAT_MONTH, (QuotientBand(1000, 45_00), QuotientBand(None, 60_00)), (0, 20))
AMALIA, PAOLO = Booking("a"), Booking("p", "paolo")


async def entries(town: Town) -> list[tuple[str, str, int]]:
    """Cause, kind, cents that the wallets lost, as they were posted."""
    async with town.running.database.reading() as session:
        rows = (await session.exec(select(LedgerEntry).where(LedgerEntry.settles != None))).all()  # noqa: E711 -- SQL's
    found = [(row.cause, row.kind.value, row.amount_cents if row.from_account.startswith("wallet:") else -row.amount_cents) for row in rows]
    return sorted(found)


async def state(town: Town, booking: str) -> str:
    hold = await town.hold(booking)
    assert hold is not None
    return str(hold["state"])


# ---------------------------------------------------------------------------------------------------------- what is charged
async def test_s14_the_guides_bookings_all_attended_leave_what_the_estimate_said(town: Town) -> None:
    """50,06 of balance, 102,61 of estimated cost (10 x 1,31, 5 x 3,79, 9 x 7,84): -52,55, before and after."""
    await town.pays("dupont", "periscolaire", 50_06)
    await town.prices("restauration", MEAL)
    await town.prices("mercredi", WEDNESDAY)
    counts = {"aps-matin": 10, "restauration": 5, "mercredi": 9}
    days = [
        Booking(f"{name}{n}", activity=name, date=MONDAY + dt.timedelta(days=n), arrival="07:30", departure="12:00")
        for name, count in counts.items()
        for n in range(count)
    ]
    await town.books(*days)
    figures = "balance { lines { balanceCents estimatedCostCents newBalanceCents } }"
    dupont = {"__typename": "Family", "id": "dupont"}
    answer = await town.represents(figures, dupont)
    assert answer.data[0]["balance"]["lines"][1] == {"balanceCents": 50_06, "estimatedCostCents": 102_61, "newBalanceCents": -52_55}
    await town.hears(*(closed(one.attended(), activity=one.activity, date=one.date) for one in days))
    answer = await town.represents(figures, dupont)
    assert answer.data[0]["balance"]["lines"][1] == {"balanceCents": -52_55, "estimatedCostCents": 0, "newBalanceCents": -52_55}
    assert [event["in_debit"] for event in await town.said(StandingChanged)] == [True]
    await town.is_sound()


async def test_s33_the_recaps_lines_are_charged_as_they_were_shown(town: Town) -> None:
    """7,84 on Wednesday morning, twice 1,31 before school, 3,79 for the meal: 14,25."""
    await town.prices("restauration", MEAL)
    await town.prices("mercredi", WEDNESDAY)
    lines = [
        Booking("1", activity="mercredi", date=dt.date(2026, 12, 9), departure="12:00"),
        Booking("2"),
        Booking("3", activity="restauration", arrival="11:00", departure="15:20"),
        Booking("4", date=TUESDAY),
    ]
    await town.books(*lines)
    await town.hears(*(closed(one.attended(), activity=one.activity, date=one.date) for one in lines))
    assert [one["amount_cents"] for _, one in sorted((await town.charged()).items())] == [7_84, 1_31, 3_79, 1_31]
    assert await town.cents() == {"periscolaire": -14_25}


async def test_the_charge_ends_the_hold_and_both_are_told(town: Town) -> None:
    await town.books(AMALIA)
    await town.hears(closed(AMALIA.attended()))
    assert await state(town, "a") == "SETTLED"
    held, released, posted = await town.said(Held), await town.said(Released), await town.said(EntryPosted)
    assert [(event["booking"], event["amount_cents"]) for event in held + released] == [("a", 1_31)] * 2
    assert released[0]["version"] > held[0]["version"]
    assert [(event["family"], event["wallet"], event["kind"], event["amount_cents"]) for event in posted] == [
        ("dupont", "periscolaire", "CHARGE", 1_31)
    ]
    await town.is_sound()


async def test_an_absence_and_a_late_pick_up_cost_what_the_price_was_frozen_with(town: Town) -> None:
    """Not what the town decides afterwards."""
    bands = APS[0].bands
    await town.prices("aps-matin", TariffVersion(SEPTEMBER, Per.PRESENCE, bands, charged=Charged(10, 50, late=LatePickup(5_00, 10))))
    zoe = Booking("z", "zoe", family="martin")
    await town.books(AMALIA, PAOLO)
    await town.books(zoe)
    await town.prices("aps-matin", *APS)
    await town.hears(closed(AMALIA.attended("ABSENT_JUSTIFIED"), PAOLO.attended("ABSENT_UNJUSTIFIED"), zoe.attended(departure="09:00")))
    charged = await town.charged()
    assert {cause: one["amount_cents"] for cause, one in charged.items()} == {
        "attendance:a": 13,
        "attendance:p": 66,
        "attendance:z": 1_31 + 5_00,
    }
    assert await town.cents("martin") == {"periscolaire": -6_31}
    await town.is_sound()


async def test_an_excused_day_moves_no_money_and_ends_the_hold(town: Town) -> None:
    await town.books(AMALIA)
    await town.hears(closed(AMALIA.attended("ABSENT_JUSTIFIED")))
    assert (await state(town, "a"), await town.said(EntryPosted), len(await town.said(Released))) == ("SETTLED", [], 1)
    await town.is_sound()


async def test_a_closed_day_tells_a_family_that_its_balance_is_low(town: Town) -> None:
    await town.pays("dupont", "periscolaire", 2_00)
    async with town.running.database.transaction() as session:
        await commands.set_balance_alert(session, town.running.clock, "carteville", "dupont", "dupont", 1_00)
    await town.books(AMALIA)
    await town.hears(closed(AMALIA.attended()))
    assert [(event["family"], event["balance_cents"]) for event in await town.said(BalanceLow)] == [("dupont", 69)]


# ------------------------------------------------------------------------------------------------------------- closed again
async def test_a_day_closed_again_is_put_right_and_told_twice_changes_nothing(town: Town) -> None:
    """Present; excused after all; present, told three times."""
    await town.books(AMALIA)
    for number, attendance in enumerate(("PRESENT", "ABSENT_JUSTIFIED", "PRESENT"), start=1):
        told = closed(AMALIA.attended(attendance), version=number)
        await town.hears(told)
        await town.hears(told, closed(AMALIA.attended(attendance), version=number))
    assert await entries(town) == [
        ("attendance:a", "CHARGE", 1_31),
        ("attendance:a#2", "ADJUSTMENT", -1_31),
        ("attendance:a#3", "ADJUSTMENT", 1_31),
    ]
    assert len(await town.said(Released)) == 1
    await town.is_sound()


async def test_a_booking_that_the_day_does_not_name_any_more_costs_nothing(town: Town) -> None:
    """Opened again, cancelled by an agent, closed again. Until then it stays charged."""
    await town.books(AMALIA, PAOLO)
    await town.hears(closed(AMALIA.attended(), PAOLO.attended()))
    await town.hears(AMALIA.cancelled(3))
    hold = await town.hold("a")
    assert hold is not None
    assert (hold["state"], hold["version"]) == ("SETTLED", 3)
    await town.is_sound()
    await town.hears(closed(PAOLO.attended(), version=2))
    assert (await state(town, "a"), await state(town, "p")) == ("RELEASED", "SETTLED")
    assert await town.cents() == {"periscolaire": -1_31}
    assert list(await town.charged()) == ["attendance:p"]
    assert [event["booking"] for event in await town.said(Released)] == ["a", "p"]
    await town.is_sound()


async def test_closings_and_news_in_any_order_end_in_the_same_books(town: Town) -> None:
    """Accepted, closed, cancelled, closed again without it."""
    for number, order in enumerate(permutations(range(4))):
        one = Booking(f"b{number}", activity="aps-matin", date=MONDAY + dt.timedelta(days=number))
        await town.hears(one.requested())
        story: list[Event] = [
            one.accepted(2),
            closed(one.attended(), date=one.date),
            one.cancelled(3),
            closed(date=one.date, version=2),
        ]
        for place in order:
            await town.hears(story[place])
        assert await state(town, one.id) == "RELEASED", order
    assert await town.charged() == {}
    assert sum((await town.cents()).values()) == 0
    assert sorted(event["booking"] for event in await town.said(Held)) == sorted(event["booking"] for event in await town.said(Released))
    await town.is_sound()


async def test_a_booking_of_which_nothing_was_heard_yet_is_charged_later(town: Town) -> None:
    told = closed(AMALIA.attended(), PAOLO.attended())
    await town.books(PAOLO)
    with pytest.raises(NotYetKnown, match="the price of booking a"):
        await town.hears(told)
    assert await town.charged() == {}
    await town.books(AMALIA)
    await town.hears(told)
    assert len(await town.charged()) == 2
    with pytest.raises(NotYetKnown, match="the activity judo"):
        await town.hears(closed(activity="judo"))
    await town.is_sound()


async def test_all_that_is_heard_together_is_charged_together(town: Town) -> None:
    await town.hears(request(AMALIA, PAOLO), closed(AMALIA.attended(), PAOLO.attended()), AMALIA.accepted(), PAOLO.accepted())
    assert (await state(town, "a"), await state(town, "p")) == ("SETTLED", "SETTLED")
    assert [event["booking"] for event in await town.said(Held) + await town.said(Released)] == ["a", "p"] * 2
    assert await town.cents() == {"periscolaire": -2_62}
    await town.is_sound()


async def test_a_day_told_in_parts_is_charged_when_all_of_them_are_there_in_whatever_order(town: Town) -> None:
    """And a part of an older version adds nothing."""
    zoe = Booking("z", "zoe", family="martin")
    await town.books(AMALIA, PAOLO)
    await town.books(zoe)
    old = [closed(one.attended("ABSENT_JUSTIFIED"), part=n, parts=3) for n, one in enumerate((AMALIA, PAOLO, zoe), start=1)]
    new = [closed(one.attended(), part=n, parts=3, version=2) for n, one in enumerate((AMALIA, PAOLO, zoe), start=1)]
    await town.hears(old[0])
    await town.hears(new[2], old[1])
    await town.hears(new[0], new[2])
    assert (await town.charged(), await state(town, "a")) == ({}, "LIVE")
    await town.hears(new[1])
    assert await town.cents() == {"periscolaire": -2_62}
    await town.hears(old[2])
    assert await town.cents() == {"periscolaire": -2_62}
    async with town.running.database.reading() as session:
        assert (await session.exec(select(DayPart))).all() == []
    await town.is_sound()


# --------------------------------------------------------------------------------------------------------- without booking
async def test_a_child_that_came_without_booking_pays_the_day_by_its_rank_among_those_who_came(town: Town) -> None:
    """Amalia, the elder, was booked and stayed away: Paolo is the only child that day. When she came after all, he is the second."""
    amalia, paolo = Booking("a", "amalia", "multi"), Booking("u", "paolo", "multi")
    await town.books(amalia)
    await town.hears(closed(amalia.attended("ABSENT_JUSTIFIED"), paolo.attended(booked=False), activity="multi"))
    assert (await town.charged())["attendance:u"]["amount_cents"] == 2_63
    await town.hears(closed(amalia.attended(), paolo.attended(booked=False), activity="multi", version=2))
    assert (await town.charged())["attendance:u"]["amount_cents"] == 2_10
    assert await town.cents() == {"multiaccueil": -2_63 - 2_10}
    await town.is_sound()


async def test_a_presence_without_booking_stays_at_the_tariff_and_the_wallet_of_its_first_closing(town: Town) -> None:
    """Also where the day was closed without it in between, and the new tariff counts no siblings."""
    unexpected = Booking("u", "paolo", "multi")
    await town.hears(closed(unexpected.attended(booked=False), activity="multi"))
    dearer = TariffVersion(SEPTEMBER, Per.PRESENCE, (QuotientBand(None, 9_99),))
    await town.prices("multi", dearer, wallet="periscolaire")
    await town.hears(closed(activity="multi", version=2))
    assert await town.cents() == {"multiaccueil": 0}
    await town.hears(closed(unexpected.attended(booked=False, departure="08:30"), activity="multi", version=3))
    (one,) = (await town.charged()).values()
    assert (one["wallet"], one["amount_cents"], one["tariff_version"], one["departure"]) == ("multiaccueil", 2_10, "1/2026-09-01", "08:30")
    await town.is_sound()


async def test_a_family_that_was_not_heard_of_is_charged_later(town: Town) -> None:
    told = closed(Booking("u", "tom", "multi", family="petit").attended(booked=False), activity="multi")
    with pytest.raises(NotYetKnown, match="the children of family petit"):
        await town.hears(told)
    await town.hears(FamilyChanged(**WHERE, version=1, family="petit", adults=["petit"], children=["tom"]))
    await town.hears(told)
    assert await town.cents("petit") == {"multiaccueil": -4_19}, "no quotient told: 1 h 15 in the highest band"


# -------------------------------------------------------------------------------------------------------------- flat months
async def test_a_flat_month_is_charged_once_and_put_right_for_the_siblings(town: Town) -> None:
    """Paolo pays 45,00 as an only child, until a day of Amalia's is closed too: then 20 % less. Her day taken back: 45,00 again."""
    await town.prices("forfait", FLAT)
    paolo = [Booking(f"p{n}", "paolo", "forfait", MONDAY + dt.timedelta(days=n)) for n in range(3)]
    amalia = Booking("a", "amalia", "forfait", MONDAY)
    await town.books(*paolo)
    await town.books(amalia)
    await town.hears(closed(paolo[1].attended("ABSENT_JUSTIFIED"), activity="forfait", date=paolo[1].date))
    assert await town.cents() == {"periscolaire": -45_00}
    await town.hears(*(closed(one.attended(), activity="forfait", date=one.date) for one in paolo[2:]))
    assert await town.cents() == {"periscolaire": -45_00}
    await town.hears(closed(paolo[0].attended(), amalia.attended(), activity="forfait"))
    assert await town.cents() == {"periscolaire": -45_00 - 36_00}
    await town.hears(closed(paolo[0].attended(), activity="forfait", version=2))
    assert await town.cents() == {"periscolaire": -45_00}
    months = {cause: one["date"] for cause, one in (await town.charged()).items() if one["attendance"] is None}
    assert months == {"flat:paolo:forfait:2026-12": dt.date(2026, 12, 1)}
    await town.is_sound()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_tariff_that_changes_its_kind_charges_no_day_twice_and_none_not_at_all(town: Town, order: tuple[int, int]) -> None:
    """The flat rate when Monday was booked, by presence when Tuesday was: 45,00 and 1,31."""
    await town.prices("forfait", FLAT)
    monday, tuesday = Booking("m", activity="forfait"), Booking("t", activity="forfait", date=TUESDAY)
    await town.books(monday)
    await town.prices("forfait", *APS, wallet="multiaccueil")
    await town.books(tuesday)
    days = [closed(one.attended(), activity="forfait", date=one.date) for one in (monday, tuesday)]
    for place in order:
        await town.hears(days[place])
    assert await town.cents() == {"periscolaire": -45_00, "multiaccueil": -1_31}
    await town.is_sound()


async def test_a_flat_month_goes_over_to_the_other_family_of_the_child(town: Town) -> None:
    """Dupont's Monday is closed again without Amalia; then a Tuesday on which Martin brought her."""
    await town.prices("forfait", FLAT)
    monday, tuesday = Booking("m", activity="forfait"), Booking("t", activity="forfait", date=TUESDAY, family="martin")
    await town.books(monday)
    await town.books(tuesday)
    await town.hears(closed(monday.attended(), activity="forfait"))
    await town.hears(closed(activity="forfait", version=2))
    assert await town.cents() == {"periscolaire": 0}
    await town.hears(closed(tuesday.attended(), activity="forfait", date=TUESDAY))
    assert (await town.cents(), await town.cents("martin")) == ({"periscolaire": 0}, {"periscolaire": -45_00})
    await town.hears(closed(monday.attended(), activity="forfait", version=3))
    assert (await town.cents(), await town.cents("martin")) == ({"periscolaire": -45_00}, {"periscolaire": 0})
    await town.is_sound()


# -------------------------------------------------------------------------------------------------------------- histories
HISTORY = """consumptions(month: "2026-12") { month totalCents consumptions {
  date child { id } activity { id } wallet { name } arrival departure attendance amountCents explanation { label amountCents } } }"""


async def test_s9_the_months_consumptions_are_shown_with_their_total_newest_first(town: Town) -> None:
    await town.prices("forfait", FLAT)
    flat, tuesday = Booking("f", activity="forfait"), Booking("t", date=TUESDAY)
    await town.books(AMALIA, flat, tuesday, Booking("j", date=dt.date(2027, 1, 4)))
    await town.hears(closed(AMALIA.attended("ABSENT_JUSTIFIED")), closed(tuesday.attended(), date=TUESDAY))
    await town.hears(closed(flat.attended(), activity="forfait"))
    await town.hears(closed(Booking("j").attended(), date=dt.date(2027, 1, 4)))
    dupont: dict[str, Any] = {"__typename": "Family", "id": "dupont"}
    history = (await town.represents(HISTORY, dupont)).data[0]["consumptions"]
    assert (history["month"], history["totalCents"]) == ("2026-12", 46_31)
    assert [(one["date"], one["activity"]["id"], one["attendance"], one["amountCents"]) for one in history["consumptions"]] == [
        ("2026-12-08", "aps-matin", "PRESENT", 1_31),
        ("2026-12-07", "aps-matin", "ABSENT_JUSTIFIED", 0),
        ("2026-12-07", "forfait", "PRESENT", 0),
        ("2026-12-01", "forfait", "FLAT_MONTH", 45_00),
    ]
    assert history["consumptions"][1] == {
        "date": "2026-12-07",
        "child": {"id": "amalia"},
        "activity": {"id": "aps-matin"},
        "wallet": {"name": "PERISCOLAIRE"},
        "arrival": None,
        "departure": None,
        "attendance": "ABSENT_JUSTIFIED",
        "amountCents": 0,
        "explanation": [
            {"label": "Tranche 2 (QF 742)", "amountCents": 1_31},
            {"label": "Absence justifiée : 0 % du tarif", "amountCents": -1_31},
        ],
    }
    january = (await town.represents('consumptions(month: "2027-01") { totalCents }', dupont)).data[0]["consumptions"]
    assert january == {"totalCents": 1_31}
    assert (await town.represents(HISTORY, dupont, caller=AGENT)).data[0]["consumptions"] == history
    assert (await town.represents(HISTORY, dupont, caller=STRANGER)).codes == ["FORBIDDEN"]


# ------------------------------------------------------------------------------------------------------------------- races
async def told_by_two(town: Town, *events: Event) -> list[BaseException | None]:
    """Two replicas hear different things at the same time; what fails is heard again, as the broker would have it."""

    async def hears(event: Event) -> None:
        async with town.running.database.transaction("reaction") as session:
            await react(town.running.service, session, [event], town.running.clock)

    return await asyncio.gather(*(hears(event) for event in events), return_exceptions=True)


async def two_siblings_with_a_flat_month(town: Town) -> list[Event]:
    """Each replica closes another day of the same month: whoever comes second must see the sibling that came first."""
    await town.prices("forfait", FLAT)
    amalia, paolo = Booking("a", "amalia", "forfait"), Booking("p", "paolo", "forfait", TUESDAY)
    await town.books(amalia)
    await town.books(paolo)
    return [closed(one.attended(), activity="forfait", date=one.date) for one in (amalia, paolo)]


async def test_two_replicas_that_close_days_of_one_activity_take_turns(town: Town) -> None:
    assert await told_by_two(town, *await two_siblings_with_a_flat_month(town)) == [None, None]
    assert await town.cents() == {"periscolaire": -45_00 - 36_00}
    await town.is_sound()


async def test_two_replicas_that_hear_the_same_closing_charge_once(town: Town) -> None:
    await town.books(AMALIA)
    assert await told_by_two(town, *(closed(AMALIA.attended()) for _ in range(2))) == [None, None]
    assert await entries(town) == [("attendance:a", "CHARGE", 1_31)]
    await town.is_sound()


async def test_the_control_without_the_lock_a_sibling_is_overlooked(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same two days, each read before the other is written: Paolo pays as an only child."""
    if town.running.database.is_sqlite:
        pytest.skip("SQLite lets one writer in at a time, lock or no lock")
    days = await two_siblings_with_a_flat_month(town)
    both_have_read, months = asyncio.Barrier(2), settling._months

    async def read_together(*what: Any) -> Any:
        found = await months(*what)
        await both_have_read.wait()
        return found

    monkeypatch.setattr(settling, "LOCKED", settling.LOCKED.with_for_update(read=True))
    monkeypatch.setattr(settling, "_months", read_together)
    await told_by_two(town, *days)
    monkeypatch.undo()
    assert await town.cents() == {"periscolaire": -45_00 - 45_00}


async def test_late_news_and_a_closing_at_the_same_time_leave_the_hold_settled(town: Town) -> None:
    await town.books(AMALIA, PAOLO)
    await told_by_two(town, closed(AMALIA.attended(), PAOLO.attended()), PAOLO.accepted(4), AMALIA.accepted(5))
    assert (await state(town, "a"), await state(town, "p")) == ("SETTLED", "SETTLED")
    await town.is_sound()


async def test_activities_are_locked_by_name_in_whatever_order_they_were_heard_of(town: Town) -> None:
    """Whoever waits for "aps-matin" has not taken "multi" yet: nobody waits for him who has both."""
    database = town.running.database
    if database.is_sqlite:
        pytest.skip("SQLite lets one writer in at a time")
    one = text("SELECT id FROM activity WHERE id = :id FOR UPDATE NOWAIT")
    async with database.transaction() as session:
        await (await session.connection()).execute(one, {"id": "aps-matin"})
        heard = town.activity("multi", "periscolaire", 2), town.activity("aps-matin", "multiaccueil", 2)
        hearing = asyncio.create_task(town.hears(*heard))
        await asyncio.sleep(0.3)
        assert not hearing.done()
        await (await session.connection()).execute(one, {"id": "multi"})
    await hearing
    async with database.reading() as session:
        assert dict((await session.exec(select(Activity.id, Activity.wallet))).all()) == {
            "multi": "periscolaire",
            "aps-matin": "multiaccueil",
        }


async def test_a_flat_month_goes_by_the_quotient_of_its_first_day(town: Town) -> None:
    """742 until the 22nd of November, 1200 since: November stays at 45,00, December is 60,00."""
    await town.prices("aps-matin", FLAT)
    async with town.running.database.transaction() as session:
        await commands.put_quotient(session, town.running.clock, "dupont", "carteville", 1200)
    november = Booking("n", date=dt.date(2026, 11, 27))
    await town.books(november, AMALIA)
    await town.hears(closed(november.attended(), date=november.date), closed(AMALIA.attended()))
    months = {one["date"].month: one["amount_cents"] for one in (await town.charged()).values() if one["attendance"] is None}
    assert months == {11: 45_00, 12: 60_00}
