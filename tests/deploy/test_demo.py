"""CarteVille shows the guide's own figures, on whatever day somebody tries it."""

import datetime as dt

import pytest

from deploy.demo import DEMO, FULL, WAITING, demo_logins
from deploy.town.checking import check
from deploy.town.loading import tariff_version
from deploy.town.opendays import open_days, why_not_open
from deploy.town.reading import read
from deploy.town.town import Activity, Family, TakenOverBooking, Town
from services.billing.tariff import price, version_on
from services.booking.activity import Scheduled
from services.booking.deadlines import booking_closes_at
from services.booking.hours import resolved
from services.booking.school_calendar import SchoolCalendar
from services.clock import Clock

TREE = read(DEMO)
#: Two years, every fourth day: each weekday, month's end and holiday in turn.
YEAR = [dt.date(2026, 1, 1) + dt.timedelta(days=day) for day in range(0, 730, 4)]


def on(day: dt.date) -> Town:
    return check(TREE, Clock(frozen_at=dt.datetime.combine(day, dt.time(8), dt.UTC)))


def activity_of(carteville: Town, booking: TakenOverBooking) -> Activity:
    return next(activity for activity in carteville.activities if activity.spec.id == booking.activity)


def cost_cents(carteville: Town, family: Family, wallet: str) -> int:
    """What the family's bookings cost, day by day, by billing's own rule."""
    total = 0
    for booking in family.bookings:
        activity = activity_of(carteville, booking)
        if activity.spec.wallet != wallet:
            continue
        versions = [tariff_version(tariff) for tariff in activity.tariffs]
        hours = resolved(activity.spec.hours, booking.arrival, booking.departure)
        for day in open_days(activity.spec, booking.date, booking.count or 1):
            total += price(version_on(versions, day), family.quotient, *hours).cents
    return total


@pytest.mark.parametrize("day", YEAR)
def test_the_dupont_family_has_the_guides_figures_on_any_day(day: dt.date) -> None:
    """S14: 50.06 − 102.61 = −52.55 in PERISCOLAIRE, and nothing at all in the other wallet."""
    carteville = on(day)
    dupont = next(family for family in carteville.families if family.id == "dupont")
    balance = sum(payment.cents for payment in dupont.payments) - sum(charge.cents for charge in dupont.charges)
    cost = cost_cents(carteville, dupont, "periscolaire")
    assert (balance, cost, balance - cost) == (50_06, 102_61, -52_55)
    assert cost_cents(carteville, dupont, "multiaccueil") == 0
    assert {line.wallet for line in (*dupont.payments, *dupont.charges)} == {"periscolaire"}


@pytest.mark.parametrize("day", YEAR)
def test_there_are_always_enough_open_days(day: dt.date) -> None:
    carteville = on(day)
    for family in carteville.families:
        for booking in family.bookings:
            spec = activity_of(carteville, booking).spec
            assert len(open_days(spec, booking.date, booking.count or 1)) == (booking.count or 1), (family.id, booking)


@pytest.mark.parametrize("day", YEAR)
def test_one_wednesday_is_full_and_may_still_be_asked_for(day: dt.date) -> None:
    carteville = on(day)
    name, ahead = FULL
    spec = next(activity.spec for activity in carteville.activities if activity.spec.id == name)
    (wednesday,) = open_days(spec, day + ahead, 1)
    children = [
        booking.child
        for family in carteville.families
        for booking in family.bookings
        if booking.activity == name and wednesday in open_days(spec, booking.date, booking.count or 1)
    ]
    assert len(children) == len(set(children)) == spec.capacity
    evening = dt.datetime.combine(day, dt.time(23, 59), dt.UTC)
    holidays = SchoolCalendar().holidays(spec.school_zone)
    assert evening < booking_closes_at(spec, wednesday, holidays)
    asking = {(family, child) for _, family, child in WAITING}
    waiting = {child.id for family in carteville.families for child in family.children if (family.id, child.id) in asking}
    assert len(waiting) == len(WAITING)
    assert not waiting & set(children)


def test_carteville_is_big_enough_to_look_real() -> None:
    """Eight activities, two wallets, twelve families, an agent; and one of each kind that a visitor may want to see."""
    carteville = on(dt.date(2026, 11, 23))
    assert [len(part) for part in (carteville.activities, carteville.wallets, carteville.families)] == [8, 2, 12]
    assert {wallet.name for wallet in carteville.wallets} == {"PERISCOLAIRE", 'Multiaccueil "Les Tagazoux"'}
    assert [account.login for account in carteville.accounts if account.agent] == ["agent"]
    assert [account.login for account in carteville.accounts if account.email is None] == ["nguyen", "agent"]
    assert [family.id for family in carteville.families if len(family.accounts) == 2] == ["moreau"]
    scheduled = [activity.spec.allocation for activity in carteville.activities if isinstance(activity.spec.allocation, Scheduled)]
    assert [allocation.policy for allocation in scheduled] == ["points", "lottery"]
    assert {family.criteria for family in carteville.families} >= {("resident", "both_parents_work"), ("resident",), ()}
    debts = {
        family.id: sum(payment.cents for payment in family.payments) - sum(charge.cents for charge in family.charges)
        for family in carteville.families
    }
    assert [family for family, balance in debts.items() if balance < 0] == ["leroy"]


def test_visitors_are_told_how_to_sign_in() -> None:
    assert any(line.startswith("login dupont Amalia-et-Paolo-2026 ") for line in demo_logins())
    assert len(list(demo_logins())) == 7


def test_days_are_judged_by_bookings_own_calendar() -> None:
    carteville = on(dt.date(2026, 11, 23))
    spec = carteville.activities[0].spec
    assert why_not_open(spec, dt.date(2026, 11, 25)) == "not on that weekday"
    assert why_not_open(spec, dt.date(2026, 12, 24)) == "school holidays"
    assert why_not_open(spec, dt.date(2026, 10, 30)) == "out of season"
    assert why_not_open(spec, dt.date(2026, 11, 24)) is None
