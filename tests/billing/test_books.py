"""Whatever comes in whatever order, and however often: money, bookings, closed days. The books are sound at each moment, and right in the end."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from services.billing import paying, till
from services.billing.ledger import PaymentMode
from services.billing.online import OnlinePaymentStatus, Told
from services.billing.paying import Intent
from services.billing.provider import Page
from services.billing.rate import QuotientBand
from services.billing.sandbox import Sandbox
from services.billing.tables import Standing
from services.billing.tariff import Per, TariffVersion
from services.billing.till import Agent
from services.events import DaySettled, Event, FamilyChanged
from services.refusal import Refused
from services.service import NotYetKnown
from tests.billing.conftest import MONDAY, SEPTEMBER, WHERE, Booking, Town, closed

PRESENCE = TariffVersion(SEPTEMBER, Per.PRESENCE, (QuotientBand(None, 190),))
FLAT = TariffVersion(SEPTEMBER, Per.FLAT_MONTH, (QuotientBand(None, 60_00),), (0, 20))
DAYS = (MONDAY, MONDAY + dt.timedelta(days=1))
ATTENDANCES = ("PRESENT", "ABSENT_JUSTIFIED", "ABSENT_UNJUSTIFIED")
SECRET = "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
numbers = count()


PERISCOLAIRE, MULTIACCUEIL = "periscolaire", "multiaccueil"
THE_AGENT = Agent("agent", "carteville")


@dataclass(frozen=True)
class Money:
    """A cheque of the old system, or a debt where it is negative."""

    cause: str
    cents: int


@dataclass(frozen=True)
class AtTheCounter:
    """What an agent does, by a key of its own: pays, refunds, gives, takes, moves to the other wallet, or takes a payment back."""

    act: str
    key: str
    cents: int


@dataclass(frozen=True)
class ToldOnline:
    """What a provider says of one payment when it is asked."""

    session: str
    status: OnlinePaymentStatus
    cents: int


Happening = Event | Money | AtTheCounter | ToldOnline


@dataclass(frozen=True)
class Story:
    """All that happens to one family, whose elder child is named first; both activities are its own. One of the two has another family
    too, which may book for it, and pays for what it booked."""

    family: str
    children: tuple[str, str]
    aps: str
    flat: str
    happenings: Sequence[Happening]
    shared: str = ""  #: The child of two families.

    @property
    def other(self) -> str:
        return f"{self.family}-other"

    @property
    def newest(self) -> list[DaySettled]:
        found: dict[tuple[str, dt.date], DaySettled] = {}
        for one in self.happenings:
            if isinstance(one, DaySettled) and one.version >= found.get((one.activity, one.date), one).version:
                found[one.activity, one.date] = one
        return list(found.values())

    @property
    def due_cents(self) -> Counter[str]:
        """Family -> each presence and unjustified absence 1,90; each child's month 60,00, 20 % less for the younger of two, and paid by
        whoever has its first day.
        """
        due = Counter[str]()
        first: dict[str, tuple[dt.date, str]] = {}
        for day in self.newest:
            for line in day.attendances:
                assert line.family is not None
                if day.activity == self.aps:
                    due[line.family] += 190 if line.attendance != "ABSENT_JUSTIFIED" else 0
                else:
                    first[line.child] = min(first.get(line.child, (dt.date.max, "")), (day.date, line.family))
        for child, (_, family) in first.items():
            elder_too = first.get(self.children[0], (None, None))[1] == family
            due[family] += 48_00 if child == self.children[1] and elder_too else 60_00
        return due


@dataclass
class Purse:
    """What should be in the wallets of the family, by what was done and not refused. Each key counts once."""

    done: set[str] = field(default_factory=set)
    cents: Counter[str] = field(default_factory=Counter)
    payments: dict[str, tuple[str, int]] = field(default_factory=dict)  #: Key -> entry, cents
    online: dict[str, OnlinePaymentStatus] = field(default_factory=dict)

    def moves(self, key: str, **cents: int) -> None:
        if key not in self.done:
            self.done.add(key)
            self.cents.update(cents)


ACTS = ("pay", "refund", "give", "take", "transfer", "reverse")
WORDS = [OnlinePaymentStatus.PAID, OnlinePaymentStatus.REFUSED, OnlinePaymentStatus.CANCELLED, OnlinePaymentStatus.EXPIRED]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    name = f"s{next(numbers)}"
    children, aps, flat = (f"{name}-elder", f"{name}-younger"), f"{name}-aps", f"{name}-flat"
    shared = draw(st.sampled_from(children))
    happenings: list[Happening] = [Money(f"{name}-{n}", draw(st.integers(-50_00, 50_00))) for n in range(draw(st.integers(0, 3)))]
    for n in range(draw(st.integers(0, 5))):
        happenings.append(AtTheCounter(draw(st.sampled_from(ACTS)), f"{name}-act-{n}", draw(st.integers(1, 80_00))))
    for n in range(draw(st.integers(0, 2))):
        cents = draw(st.integers(1_00, 90_00))
        happenings += [ToldOnline(f"{name}-online-{n}", status, cents) for status in draw(st.lists(st.sampled_from(WORDS), max_size=3))]
    for activity in (aps, flat):
        for date in DAYS:
            homes = dict.fromkeys(children, name) | {shared: draw(st.sampled_from([name, f"{name}-other"]))}
            bookings = [Booking(f"{activity}-{child}-{date}", child, activity, date, family=homes[child]) for child in children]
            asked = [one for one in bookings if draw(st.booleans())]
            for one in asked:
                news = [one.requested(), one.waitlisted(2), one.accepted(3), one.cancelled(4)]
                happenings += news[: draw(st.integers(3, 4))]
            for version in range(1, draw(st.integers(0, 3)) + 1):
                named = [one.attended(draw(st.sampled_from(ATTENDANCES))) for one in asked if draw(st.booleans())]
                named += [
                    Booking(f"{one.id}-unexpected", one.child, activity, date, family=homes[one.child]).attended(booked=False)
                    for one in bookings
                    if one not in asked and draw(st.booleans())
                ]
                happenings.append(closed(*named, version=version, activity=activity, date=date))
    return Story(name, children, aps, flat, happenings, shared)


async def begins(town: Town, story: Story) -> None:
    await town.prices(story.aps, PRESENCE)
    await town.prices(story.flat, FLAT)
    for family, children in ((story.family, story.children), (story.other, [story.shared])):
        await town.hears(FamilyChanged(**WHERE, version=1, family=family, adults=[], children=list(children)))


async def happens(town: Town, story: Story, some: Sequence[Happening], purse: Purse) -> list[Happening]:
    """All events in one transaction; if that fails, each alone, as the listener has it. Returns what must come again later."""
    for one in some:
        match one:
            case Money(cause, cents) if cents != 0:
                await (town.pays if cents > 0 else town.owes)(story.family, PERISCOLAIRE, abs(cents), cause)
                purse.moves(cause, periscolaire=cents)
            case AtTheCounter("reverse"):
                await takes_payments_back(town, purse)
            case AtTheCounter():
                await acts(town, story, one, purse)
            case ToldOnline():
                await is_told_online(town, story, one, purse)
    events = [one for one in some if isinstance(one, Event)]
    try:
        await town.hears(*events)
    except NotYetKnown:
        return list(events) if len(events) == 1 else [late for one in events for late in await happens(town, story, [one], purse)]
    return []


async def acts(town: Town, story: Story, act: AtTheCounter, purse: Purse) -> None:
    held = (await town.cents(story.family)).get(PERISCOLAIRE, 0)
    clock, here = town.running.clock, (story.family, PERISCOLAIRE)
    money = till.Money(*here, PaymentMode.CASH, act.cents, None, "DUPONT", None)
    known = act.key in purse.done
    try:
        async with town.running.database.transaction() as session:
            match act.act:
                case "pay":
                    entry = await till.record_payment(session, clock, THE_AGENT, act.key, money)
                    purse.payments[act.key] = entry, act.cents
                case "refund":
                    await till.refund_family(session, clock, THE_AGENT, act.key, money, "Trop perçu")
                case "give" | "take":
                    cents = act.cents if act.act == "give" else -act.cents
                    await till.adjust_wallet(session, clock, THE_AGENT, act.key, *here, cents, "Geste commercial")
                case "transfer":
                    await till.transfer(
                        session, clock, THE_AGENT, act.key, story.family, (PERISCOLAIRE, MULTIACCUEIL), act.cents, "Demande"
                    )
    except Refused as no:
        if no.code != "NOT_ENOUGH_CREDIT" or known or held >= act.cents:
            raise
        return
    assert known or held >= act.cents or act.act not in ("refund", "transfer"), "more left the wallet than it held"
    away = act.cents if act.act == "transfer" else 0
    purse.moves(act.key, periscolaire=act.cents if act.act in ("pay", "give") else -act.cents, multiaccueil=away)


async def takes_payments_back(town: Town, purse: Purse) -> None:
    """All that there are, whatever the wallet holds."""
    for key, (entry, cents) in purse.payments.items():
        async with town.running.database.transaction() as session:
            await till.reverse_payment(session, town.running.clock, THE_AGENT, entry, "Faux billets")
        purse.moves(f"reversal of {key}", periscolaire=-cents)


async def is_told_online(town: Town, story: Story, told: ToldOnline, purse: Purse) -> None:
    """A payment that was called off, or ran out, may be paid after all; one that was refused may not."""
    clock, provider = town.running.clock, Sandbox("http://127.0.0.1:1", SECRET)
    intent = Intent("carteville", story.family, "dupont", told.session, ((MULTIACCUEIL, told.cents),), "x@example.org", "fr")
    async with town.running.database.transaction() as session:
        row = await paying.intend(session, clock, intent, provider)
        await paying.record_page(session, clock, row.id, Page(told.session, "http://127.0.0.1:1"))
        await paying.settle(session, clock, row, Told(told.status, told.cents, "EUR", row.id, "3150"))
    was = purse.online.setdefault(told.session, OnlinePaymentStatus.STARTED)
    may_yet_be_paid = was in (OnlinePaymentStatus.CANCELLED, OnlinePaymentStatus.EXPIRED) and told.status is OnlinePaymentStatus.PAID
    if was is OnlinePaymentStatus.STARTED or may_yet_be_paid:
        purse.online[told.session] = told.status
    if purse.online[told.session] is OnlinePaymentStatus.PAID:
        purse.moves(told.session, multiaccueil=told.cents)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(story=stories(), data=st.data())
async def test_the_books_are_sound_at_each_moment_and_right_in_the_end(town: Town, story: Story, data: st.DataObject) -> None:
    await begins(town, story)
    purse = Purse()
    to_come = data.draw(st.permutations([*story.happenings, *data.draw(st.lists(st.sampled_from(story.happenings or [None])))]))
    to_come = [one for one in to_come if one is not None]
    while to_come:
        size = data.draw(st.integers(1, len(to_come)))
        some, to_come = to_come[:size], to_come[size:]
        late = await happens(town, story, some, purse)
        await town.is_sound()
        assert to_come or len(late) < len(some), "what waits for something that was heard long ago"
        to_come += late
    due = story.due_cents
    wallets = {PERISCOLAIRE: purse.cents[PERISCOLAIRE] - due[story.family], MULTIACCUEIL: purse.cents[MULTIACCUEIL]}
    found = await town.cents(story.family)
    assert {wallet: found.get(wallet, 0) for wallet in wallets} == wallets
    assert sum((await town.cents(story.other)).values()) == -due[story.other]
    ours = {story.family, story.other}
    charged = Counter(one["activity"] for one in (await town.charged()).values() if one["family"] in ours and one["attendance"])
    assert charged == Counter({day.activity: 0 for day in story.newest}) + Counter(
        day.activity for day in story.newest for _ in day.attendances
    )
    async with town.running.database.reading() as session:
        for family, cents in ((story.family, sum(wallets.values())), (story.other, -due[story.other])):
            standing = (await session.exec(select(Standing.in_debit).where(Standing.family == family))).first()
            assert bool(standing) == (cents < 0)


@pytest.mark.parametrize("cents", [60_00, 59_99])
async def test_s21_a_closed_day_brings_a_family_into_debt(town: Town, cents: int) -> None:
    """Nothing left is no debt; a cent less is one."""
    one = Booking("b", "x-elder", "x-flat", family="x")
    story = Story("x", ("x-elder", "x-younger"), "x-aps", "x-flat", [Money("cheque", cents), one.requested(), one.accepted()])
    await begins(town, story)
    await happens(town, story, story.happenings, Purse())
    await town.hears(closed(one.attended(), activity="x-flat"))
    async with town.running.database.reading() as session:
        standing = await session.get_one(Standing, "x")
    assert standing.in_debit == (cents < 60_00)
