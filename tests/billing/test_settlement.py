"""A closed day is charged once, whatever it is told, and how often: the books end where its newest version puts them."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.billing.charged import Attendance, Charged, LatePickup
from services.billing.hold import is_newer
from services.billing.ledger import REVENUE, Entry, EntryKind, PaymentMode, balances, payment
from services.billing.rate import QuotientBand
from services.billing.settlement import (
    ClosedDay,
    FlatDay,
    FlatMonth,
    Line,
    Quoted,
    Settlement,
    cause_of,
    consume,
    flat_months,
    posted,
    settle,
)
from services.billing.tariff import Per, Price, Step, TariffVersion, month_price, price, sibling_rank
from services.billing.texts import say

SEPTEMBER = dt.date(2026, 9, 1)
MONDAY = dt.date(2026, 12, 7)
PURSE = "wallet:dupont:periscolaire"
HERE, EXCUSED, MISSED = Attendance.PRESENT, Attendance.ABSENT_JUSTIFIED, Attendance.ABSENT_UNJUSTIFIED

APS = TariffVersion(SEPTEMBER, Per.PRESENCE, (QuotientBand(500, 80), QuotientBand(1000, 131), QuotientBand(None, 190)))
MEAL = TariffVersion(SEPTEMBER, Per.MEAL, (QuotientBand(500, 195), QuotientBand(1000, 379), QuotientBand(None, 465)))
WEDNESDAY = TariffVersion(SEPTEMBER, Per.HALF_DAY, (QuotientBand(500, 452), QuotientBand(1000, 784), QuotientBand(None, 1030)))
FLAT = TariffVersion(SEPTEMBER, Per.FLAT_MONTH, (QuotientBand(1000, 45_00), QuotientBand(None, 60_00)), (0, 20))


def frozen(version: TariffVersion = MEAL, charged: Charged | None = None, hours: tuple[str, str] = ("11:00", "12:00")) -> Quoted:
    """What the guide's family, whose quotient is 742, was told when it booked."""
    flat = version.per is Per.FLAT_MONTH
    return Quoted("periscolaire", price(version, Decimal(742), *hours), charged or Charged(), hours[1], f"1/{version.from_}", flat)


def line(attendance: Attendance = HERE, id: str = "b", child: str = "amalia", departure: str | None = "12:00", **more: object) -> Line:
    present = attendance is HERE
    return Line(id, child, "dupont", attendance, "11:00" if present else None, departure if present else None, **more)  # type: ignore[arg-type]


def day(*lines: Line, version: int = 1, date: dt.date = MONDAY, activity: str = "restauration") -> ClosedDay:
    return ClosedDay(activity, date, version, lines)


def said(due: Price) -> list[tuple[str, int | None]]:
    return [(say(step.code, "fr", **step.details), step.amount_cents) for step in due.steps]


# ---------------------------------------------------------------------------------------------------------- what is charged
def test_s33_who_is_present_pays_the_price_that_was_shown() -> None:
    """APS 1,31; the meal 3,79; Wednesday morning 7,84."""
    for version, cents in ((APS, 1_31), (MEAL, 3_79), (WEDNESDAY, 7_84)):
        due = consume(day(), line(), frozen(version))
        assert (due.price, due.price.cents, due.cause, due.purse) == (frozen(version).price, cents, "attendance:b", PURSE)


@pytest.mark.parametrize(
    ("attendance", "charged", "steps"),
    [
        (EXCUSED, Charged(), [("Absence justifiée : 0 % du tarif", -3_79)]),
        (MISSED, Charged(), []),
        (EXCUSED, Charged(absent_justified_percent=10), [("Absence justifiée : 10 % du tarif", -3_41)]),
        (MISSED, Charged(absent_unjustified_percent=50), [("Absence non justifiée : 50 % du tarif", -1_89)]),
    ],
)
def test_s33_an_absence_costs_what_the_town_says(attendance: Attendance, charged: Charged, steps: list[tuple[str, int]]) -> None:
    """10 % of 3,79 is 0,379: 0,38. Half of it is 1,895: 1,90."""
    due = consume(day(), line(attendance), frozen(charged=charged)).price
    assert said(due) == [("Tranche 2 (QF 742)", 3_79), *steps]
    assert due.cents == 3_79 + sum(cents for _, cents in steps)


@pytest.mark.parametrize(("percent", "steps"), [(100, []), (150, [("Présence sans réservation : 150 % du tarif", 1_90)])])
def test_who_comes_without_booking_pays_the_days_price_or_more(percent: int, steps: list[tuple[str, int]]) -> None:
    """Half of 3,79 more is 1,895: 5,685 in all, 5,69. No booked hour means nobody is late."""
    charged = Charged(unexpected_percent=percent, late=LatePickup(5_00))
    due = consume(day(), line(departure="18:00", booked=False), replace(frozen(charged=charged), departure=None)).price
    assert said(due) == [("Tranche 2 (QF 742)", 3_79), *steps]


@pytest.mark.parametrize(
    ("late", "departure", "more"),
    [
        (LatePickup(5_00, after_minutes=10), "12:10", []),
        (LatePickup(5_00, after_minutes=10), "12:11", [("Départ tardif (11 min)", 5_00)]),
        (LatePickup(5_00, after_minutes=10, every_minutes=15), "12:15", [("Départ tardif (15 min)", 5_00)]),
        (LatePickup(5_00, after_minutes=10, every_minutes=15), "13:16", [("Départ tardif (1 h 16)", 30_00)]),
        (LatePickup(5_00), "11:30", []),
        (LatePickup(5_00), "12:00", []),
        (None, "18:00", []),
    ],
)
def test_a_late_pick_up_costs_more(late: LatePickup | None, departure: str, more: list[tuple[str, int]]) -> None:
    due = consume(day(), line(departure=departure), frozen(charged=Charged(late=late))).price
    assert said(due) == [("Tranche 2 (QF 742)", 3_79), *more]


def test_who_is_absent_is_never_late() -> None:
    due = consume(day(), replace(line(MISSED), departure="18:00"), frozen(charged=Charged(late=LatePickup(5_00)))).price
    assert due.cents == 3_79


def test_s14_the_guides_bookings_all_attended_leave_what_the_estimate_said() -> None:
    """50,06 less 10 x 1,31, 5 x 3,79 and 9 x 7,84, which is 102,61: -52,55."""
    found = [payment("cheque", "dupont", "periscolaire", PaymentMode.CHEQUE, 50_06)]
    for version, count in ((APS, 10), (MEAL, 5), (WEDNESDAY, 9)):
        for number in range(count):
            closed = day(line(id=f"{version.per}-{number}"), date=MONDAY + dt.timedelta(number))
            found += settle([closed], {f"{version.per}-{number}": frozen(version)}, {}, {}).entries
    assert balances(found)[PURSE] == -52_55
    assert balances(found)[REVENUE] == 102_61


# ------------------------------------------------------------------------------------------------------------- closed again
def test_a_day_closed_again_is_put_right_by_entries_of_its_own() -> None:
    """Charged; then excused; then present after all; then the booking is gone."""
    books: list[Entry] = []
    for version, lines in enumerate([[line()], [line(EXCUSED)], [line()], []], start=1):
        result = settle([day(*lines, version=version)], {"b": frozen()}, {}, posted(books))
        books += result.entries
    assert [(one.cause, one.kind, one.from_account, one.amount_cents) for one in books] == [
        ("attendance:b", EntryKind.CHARGE, PURSE, 3_79),
        ("attendance:b#2", EntryKind.ADJUSTMENT, REVENUE, 3_79),
        ("attendance:b#3", EntryKind.ADJUSTMENT, PURSE, 3_79),
        ("attendance:b#4", EntryKind.ADJUSTMENT, REVENUE, 3_79),
    ]
    assert balances(books) == {PURSE: 0, REVENUE: 0}


def test_whatever_stands_in_a_cause_all_its_entries_are_found() -> None:
    """Ids are the town file's own: they may hold the very signs that number the entries of a cause."""
    odd = line(id="carteville:b#2")
    first = settle([day(odd)], {odd.id: frozen()}, {}, {})
    second = settle([day(replace(odd, attendance=EXCUSED), version=2)], {odd.id: frozen()}, {}, posted(first.entries))
    books = [*first.entries, *second.entries]
    assert [entry.cause for entry in books] == ["attendance:carteville:b#2", "attendance:carteville:b#2#2"]
    assert posted(books)[cause_of(odd.id)].cents == {PURSE: 0}
    again = settle([day(replace(odd, attendance=EXCUSED), version=3)], {odd.id: frozen()}, {}, posted(books))
    assert again.entries == ()


def test_what_settles_nothing_is_no_business_of_a_closed_day() -> None:
    cheque = payment("attendance:b", "dupont", "periscolaire", PaymentMode.CHEQUE, 50_06)
    assert posted([cheque]) == {}


def test_a_presence_that_is_charged_to_another_wallet_moves_as_a_whole() -> None:
    """The activity draws on another wallet by now."""
    came = line(booked=False)
    first = settle([day(came)], {"b": frozen()}, {}, {})
    other = replace(frozen(), wallet="multiaccueil")
    second = settle([day(came, version=2)], {"b": other}, {}, posted(first.entries))
    assert [(one.cause, one.from_account, one.to_account, one.amount_cents) for one in second.entries] == [
        ("attendance:b#2", "wallet:dupont:multiaccueil", REVENUE, 3_79),
        ("attendance:b#3", REVENUE, PURSE, 3_79),
    ]


# ------------------------------------------------------------------------------------------------------------ who was there
def test_whoever_was_there_counts_for_the_rank_of_a_child_that_came_without_booking() -> None:
    """With a booking or without; not whoever was absent, nor another family's."""
    lines = (
        line(),
        line(EXCUSED, "c", "paolo"),
        line(id="d", child="lea", booked=False),
        replace(line(id="e", child="zoe"), family="martin"),
    )
    assert day(*lines).together("dupont") == {"amalia", "lea"}


# -------------------------------------------------------------------------------------------------------------- flat months
def month_price_of(month: FlatMonth) -> Price:
    """45,00 for the guide's quotient; the younger pays 20 % less where the elder's month is due too."""
    rank = sibling_rank(month.child, ("amalia", "paolo"), month.together)
    return month_price(FLAT, Decimal(742), month.month, rank)


def flat_days(*days: ClosedDay, quoted: Quoted | None = None) -> list[FlatDay]:
    priced = quoted or frozen(FLAT)
    return [
        FlatDay(one.child, one.family, closed.activity, closed.date, priced.wallet, priced.tariff_version)
        for closed in days
        for one in closed.lines
    ]


def test_a_flat_month_is_due_once_whatever_the_days() -> None:
    """S33: also for a child that was excused on all of them."""
    days = [day(line(EXCUSED, f"b{n}"), date=MONDAY + dt.timedelta(n)) for n in range(3)]
    books: list[Entry] = []
    for number, closed in enumerate(days, start=1):
        flats = {month: month_price_of(month) for month in flat_months(flat_days(*days[:number]))}
        books += settle([closed], {one.id: frozen(FLAT) for one in closed.lines}, flats, posted(books)).entries
    assert [(one.cause, one.amount_cents) for one in books] == [("flat:amalia:restauration:2026-12", 45_00)]
    (month,) = flat_months(flat_days(*days))
    assert said(month_price_of(month)) == [("Forfait du mois 12/2026", None), ("Tranche 1 (QF 742)", 45_00)]


def test_a_flat_month_is_put_right_when_an_elder_sibling_comes_later_in_the_month() -> None:
    """Paolo paid as an only child, until Amalia's month was due too: 45,00 less 20 % is 36,00."""
    days = [day(line(id="p", child="paolo")), day(line(id="a", child="amalia"), date=MONDAY + dt.timedelta(1))]
    books: list[Entry] = []
    for number, closed in enumerate(days, start=1):
        flats = {month: month_price_of(month) for month in flat_months(flat_days(*days[:number]))}
        books += settle([closed], {one.id: frozen(FLAT) for one in closed.lines}, flats, posted(books)).entries
    assert [(one.cause, one.from_account, one.amount_cents) for one in books] == [
        ("flat:paolo:restauration:2026-12", PURSE, 45_00),
        ("flat:amalia:restauration:2026-12", PURSE, 45_00),
        ("flat:paolo:restauration:2026-12#2", REVENUE, 9_00),
    ]


def test_a_flat_month_is_the_familys_that_its_first_day_names() -> None:
    days = [
        day(replace(line(id="2"), family="martin"), date=MONDAY),
        day(line(id="1"), date=MONDAY - dt.timedelta(1)),
        day(line(id="3"), date=dt.date(2027, 1, 4)),
    ]
    assert {(month.cause, month.family) for month in flat_months(flat_days(*days))} == {
        ("flat:amalia:restauration:2026-12", "dupont"),
        ("flat:amalia:restauration:2027-01", "dupont"),
    }


def test_a_child_whose_month_another_family_pays_makes_no_siblings_month_cheaper() -> None:
    """Amalia's December is the Martins' for it begins with their day: of the Duponts, Paolo alone comes."""
    hers = day(replace(line(id="2"), family="martin"), date=MONDAY)
    both = day(line(id="1"), line(id="3", child="paolo"), date=MONDAY + dt.timedelta(1))
    together = {month.child: (month.family, month.together) for month in flat_months(flat_days(hers, both))}
    assert together == {"amalia": ("martin", {"amalia"}), "paolo": ("dupont", {"paolo"})}


def test_a_flat_month_draws_on_what_its_first_day_was_frozen_with_whatever_the_town_changed_since() -> None:
    monday, tuesday = day(line(id="1")), day(line(id="2"), date=MONDAY + dt.timedelta(1))
    later = replace(frozen(FLAT), wallet="multiaccueil", tariff_version="2/2026-12-08")
    for days in ([*flat_days(monday), *flat_days(tuesday, quoted=later)], [*flat_days(tuesday, quoted=later), *flat_days(monday)]):
        (month,) = flat_months(days)
        assert (month.wallet, month.tariff_version) == ("periscolaire", "1/2026-09-01")
    (month,) = flat_months(flat_days(tuesday, quoted=later))
    assert (month.wallet, month.tariff_version) == ("multiaccueil", "2/2026-12-08")


@pytest.mark.parametrize(("before", "after"), [(MEAL, FLAT), (FLAT, MEAL)])
def test_where_the_tariff_changes_its_kind_within_a_month_each_day_is_charged_by_its_own(
    before: TariffVersion, after: TariffVersion
) -> None:
    """A meal by its price, and the month once for the flat days: neither twice nor not at all."""
    days = {day(line(id="1")): frozen(before), day(line(id="2"), date=MONDAY + dt.timedelta(1)): frozen(after)}
    flat = [one for closed, quoted in days.items() if quoted.flat for one in flat_days(closed, quoted=quoted)]
    quoted = {one.id: quoted for closed, quoted in days.items() for one in closed.lines}
    assert {consume(closed, one, quoted[one.id]).flat for closed in days for one in closed.lines} == {True, False}
    entries = settle(list(days), quoted, {month: month_price_of(month) for month in flat_months(flat)}, {}).entries
    assert sorted(entry.amount_cents for entry in entries) == [3_79, 45_00]


# ----------------------------------------------------------------------------------------------------------- in any order
@dataclass
class Books:
    """All that is written down: the newest version of each day, the ledger."""

    days: dict[dt.date, ClosedDay] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def hear(self, *told: ClosedDay) -> None:
        """In one transaction."""
        fresh: dict[dt.date, ClosedDay] = {}
        for closed in told:
            known = fresh.get(closed.date) or self.days.get(closed.date)
            if is_newer(closed.version, known.version if known else None):
                fresh[closed.date] = closed
        self.days |= fresh
        self.entries += self.settle(*fresh.values()).entries

    def settle(self, *days: ClosedDay) -> Settlement:
        """What is posted: for these days, in any version, and for the months."""
        ids = {cause_of(one.id) for closed in days for lines in STORIES[closed.date] for one in lines}
        books = {cause: known for cause, known in posted(self.entries).items() if cause in ids or cause.startswith("flat:")}
        quoted = {one.id: quote_of(one, closed.version) for closed in days for one in closed.lines}
        return settle(days, quoted, {month: month_price_of(month) for month in self.months()}, books)

    def months(self) -> list[FlatMonth]:
        return flat_months(
            FlatDay(one.child, one.family, closed.activity, closed.date, quoted.wallet, quoted.tariff_version)
            for closed in self.days.values()
            for one in closed.lines
            if (quoted := quote_of(one, closed.version)).flat
        )

    def due(self) -> Counter[str]:
        """Purse -> what the newest versions come to."""
        found: Counter[str] = Counter()
        for closed in self.days.values():
            for one in closed.lines:
                due = consume(closed, one, quote_of(one, closed.version))
                found[due.purse] += due.price.cents
        for month in self.months():
            found[f"wallet:{month.family}:{month.wallet}"] += month_price_of(month).cents
        return +found


CHARGED = Charged(10, 80, 150, LatePickup(2_50, 5, 15))
#: Day -> who was ever named there, in two tellings: bookings of two families, and a child that came without one.
STORIES = {
    MONDAY + dt.timedelta(n): (
        [Line(f"a{n}", "amalia", "dupont", HERE), Line(f"p{n}", "paolo", "dupont", HERE)],
        [Line(f"z{n}", "zoe", "martin", HERE), Line(f"u{n}", "paolo", "dupont", HERE, booked=False)],
    )
    for n in range(3)
}


def quote_of(one: Line, version: int) -> Quoted:
    """Frozen for a booking; a presence without one is priced as the day is closed, by what the activity draws on then."""
    cents = 3_79 + len(one.id) if one.booked else 3_79 + version
    wallet = "periscolaire" if one.booked or version % 2 else "multiaccueil"
    whole = Price(cents, (Step("SINGLE_RATE", {}, cents),))
    return Quoted(wallet, whole, CHARGED, "12:00" if one.booked else None, "1/2026-09-01", flat=one.id.startswith(("a", "u")))


@st.composite
def tellings(draw: st.DrawFn) -> list[ClosedDay]:
    """Each day closed up to three times, each time with whom and what an agent may have put down."""
    told = []
    for date, lists in STORIES.items():
        for version in range(1, draw(st.integers(0, 3)) + 1):
            named = [one for lines in lists for one in lines if draw(st.booleans())]
            lines = [
                replace(one, attendance=draw(st.sampled_from(Attendance)) if one.booked else HERE, departure=draw(st.sampled_from(TIMES)))
                for one in named
            ]
            told.append(ClosedDay("restauration", date, version, tuple(lines)))
    return told


TIMES = ("11:30", "12:00", "12:05", "12:06", "13:00")


def heard(told: Iterable[ClosedDay]) -> Books:
    books = Books()
    for closed in told:
        books.hear(closed)
    return books


@settings(max_examples=50, deadline=None)
@given(tellings(), st.data())
def test_closings_in_any_order_repeated_or_together_end_in_the_same_books(told: list[ClosedDay], data: st.DataObject) -> None:
    """Exactly what the newest versions come to; every cause once; nothing created and nothing lost."""
    newest = {closed.date: closed for closed in told}
    shuffled = data.draw(st.permutations(told * 2))
    together = Books()
    together.hear(*shuffled)
    for books in (heard(told), heard(shuffled), heard(newest.values()), together):
        assert books.days == newest
        ledger = balances(books.entries)
        assert {purse: -cents for purse, cents in ledger.items() if purse != REVENUE and cents} == books.due()
        assert ledger.get(REVENUE, 0) == sum(books.due().values())
        assert sum(ledger.values()) == 0
        assert len({entry.cause for entry in books.entries}) == len(books.entries)


@settings(max_examples=50, deadline=None)
@given(tellings())
def test_settling_again_what_is_settled_writes_nothing(told: list[ClosedDay]) -> None:
    books = heard(told)
    for closed in books.days.values():
        assert books.settle(closed).entries == ()


@settings(max_examples=50, deadline=None)
@given(tellings())
def test_the_steps_of_all_that_is_charged_add_up(told: list[ClosedDay]) -> None:
    books = heard(told)
    for closed in books.days.values():
        for one in books.settle(closed).consumptions:
            assert sum(step.amount_cents or 0 for step in one.price.steps) == one.price.cents >= 0
            assert all(text for text, _ in said(one.price))
