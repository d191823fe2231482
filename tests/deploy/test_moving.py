"""A town in mid-life is exported, and loaded elsewhere: there it lives on as it does here, to the cent."""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from sqlmodel import col, select

from deploy import check as checking
from deploy.check import check as is_sound
from deploy.town.checking import check
from deploy.town.export import export
from deploy.town.loading import Loaded, load, steps_of
from deploy.town.reading import TownFileError, parse
from services.billing import commands as billing
from services.billing import deposits, estimates, paying, queries, till, unsettled
from services.billing.hold import HoldKind
from services.billing.ledger import PaymentMode
from services.billing.online import End, OnlinePaymentStatus, Told
from services.billing.paying import Intent
from services.billing.provider import Page
from services.billing.rate import QuotientBand
from services.billing.reactions import billing as billing_service
from services.billing.sandbox import Sandbox
from services.billing.tables import BalanceAlert, Consumption, Hold, OnlinePayment, PaymentDetail, Standing
from services.billing.tariff import Per, TariffVersion
from services.billing.till import Agent, Money
from services.booking import attending, commands, office
from services.booking.activity import ActivitySpec, FixedHours
from services.booking.allocator import allocate
from services.booking.attendance import Attendance, Record
from services.booking.attending import Entry
from services.booking.draft import DraftChange
from services.booking.intake import Asked, take_in
from services.booking.order import Line, Order
from services.booking.reactions import service as booking_service
from services.booking.rulebook import RuleBook
from services.booking.tables import Booking, Enrollment, Opening, Presence, partition_of
from services.booking.tables import Standing as Heard
from services.clock import Clock
from services.database import Database
from services.events import Event
from services.identity.queries import account_ids
from services.identity.tables import Child
from services.listening import NotYetKnown, react, read
from services.outbox import Outgoing
from services.refusal import Forbidden, Refused
from services.settings import SERVICES, Settings
from tests.conftest import MakeUrl

TOWN = "carteville"
PARIS = ZoneInfo("Europe/Paris")
WEEK = ["monday", "tuesday", "wednesday", "thursday", "friday"]
PASSWORD = "Un-preau-sous-la-pluie-2026"
HEARS = {"billing": billing_service, "booking": booking_service}


def day(number: int, month: int = 11) -> dt.date:
    return dt.date(2026, month, number)


def activity(id: str, wallet: str = "periscolaire", **more: Any) -> dict[str, Any]:
    return {
        "id": id,
        "name": id.upper(),
        "wallet": wallet,
        "season": {"from": "2026-09-01", "to": "2027-07-02"},
        "weekdays": WEEK,
        "capacity": None,
        "hours": {"arrival": "07:30", "departure": "08:45"},
        "attendance": {"close_after_days": 3},
        **more,
    }


def tariff(per: str, *bands: dict[str, int], **more: Any) -> list[dict[str, Any]]:
    return [{"from": "2026-09-01", "per": per, "bands": list(bands), **more}]


def family(id: str, number: str, *children: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": id, "number": number, "accounts": [id], "children": list(children), **more}


def child(id: str, year: int, *activities: Any) -> dict[str, Any]:
    return {"id": id, "first_name": id.title(), "last_name": "X", "birth_date": f"{year}-04-12", "activities": list(activities)}


def town_file() -> dict[str, Any]:
    bands = {"quotient_up_to": 500, "cents": 80}, {"quotient_up_to": 1000, "cents": 131}, {"cents": 190}
    charged = {"absent_justified_percent": 10, "unexpected_percent": 120, "late": {"cents": 500, "after_minutes": 10}}
    logins = ("dupont", "martin", "petit")
    accounts = [{"login": one, "password": PASSWORD, "first_name": one, "last_name": "X", "email": None} for one in logins]
    everything = ["aps", "cantine", "club", "multi"]
    return {
        "structure": {"id": TOWN, "name": "Mairie", "timezone": "Europe/Paris", "debt_limit_cents": 1000},
        "wallets": [{"id": "periscolaire", "name": "PERISCOLAIRE"}, {"id": "multiaccueil", "name": "Multiaccueil"}],
        "activities": [
            activity("aps", capacity=2, waiting_list=3, tariff=tariff("presence", *bands, siblings_percent=[0, 20], charged=charged)),
            activity(
                "cantine",
                hours={"arrival": "11:00", "departure": "15:20"},
                tariff=tariff("meal", {"cents": 379}, outside_town={"cents": 150}),
            ),
            activity(
                "club", tariff=tariff("flat_month", {"quotient_up_to": 1000, "cents": 4500}, {"cents": 6000}, siblings_percent=[0, 20])
            ),
            activity(
                "multi",
                "multiaccueil",
                hours={"from": "07:30", "to": "18:30"},
                tariff=tariff("hour", {"cents": 210}, siblings_percent=[0, 30]),
            ),
        ],
        "accounts": [*accounts, {"login": "agent", "password": PASSWORD, "first_name": "Anne", "last_name": "MARTIN", "agent": True}],
        "families": [
            family("dupont", "3150", child("amalia", 2015, *everything), child("paolo", 2017, *everything), quotient=742.5),
            family(
                "martin",
                "3151",
                child("zoe", 2016, *everything[1:], {"activity": "aps", "until": "2026-12-01"}),
                criteria=["resident"],
                debt_limit_cents=50_00,
            ),
            family("petit", "3152", child("lea", 2016, *everything), child("tom", 2019, *everything), quotient=300, criteria=[]),
        ],
    }


@dataclass
class World:
    """One installation, by hand: what its services tell is heard by the others when `hears` says so."""

    settings: Settings
    databases: dict[str, Database]
    late: list[tuple[str, Event]] = field(default_factory=list)
    keys: int = 0

    @property
    def clock(self) -> Clock:
        return self.settings.clock

    def at(self, date: dt.date, time: str = "09:00") -> None:
        now = dt.datetime.combine(date, dt.time.fromisoformat(time), PARIS)
        self.settings = replace(self.settings, clock=Clock(frozen_at=now.astimezone(dt.UTC)))

    async def loads(self, file: str, *, dry_run: bool = False) -> Loaded:
        steps: list[None] = []
        town = check(parse(file, "town.yaml"), self.clock)
        loaded = await load([town], self.databases, self.clock, lambda: steps.append(None), dry_run=dry_run)
        assert len(steps) == steps_of(town), "the progress bar must end where it says"
        await self.hears()
        return loaded

    async def hears(self) -> None:
        """Until nobody has anything to say. A second has passed: what is newest first has an order."""
        now = self.clock.now() + dt.timedelta(seconds=1)
        self.settings = replace(self.settings, clock=Clock(frozen_at=now))
        while told := [one for service in SERVICES for one in await self._told(service)]:
            waiting, self.late = [*self.late, *((name, event) for event in told for name in HEARS)], []
            for name, event in waiting:
                try:
                    async with self.databases[name].transaction() as session:
                        await react(HEARS[name], session, [event], self.clock)
                except NotYetKnown:
                    self.late.append((name, event))
        assert not self.late, self.late

    async def _told(self, service: str) -> list[Event]:
        async with self.databases[service].transaction() as session:
            rows = (await session.exec(select(Outgoing).where(col(Outgoing.published).is_(False)).order_by(col(Outgoing.position)))).all()
            for row in rows:
                row.published = True
                session.add(row)
            return [read(row.event_id, row.type, row.occurred_at.isoformat(), row.body.encode()) for row in rows]

    # --------------------------------------------------------------------------------------------------------- families
    async def asks(self, family: str, *lines: Line, **more: Any) -> None:
        self.keys += 1
        order = Order(family, f"key-{self.keys}", lines, **more)
        async with self.databases["booking"].transaction() as session:
            (request,) = await take_in(session, RuleBook(), self.clock, [Asked(family, TOWN, order)])
            assert isinstance(request, str), request
        async with self.databases["booking"].transaction() as session:
            await allocate(session, RuleBook(), self.clock, partition_of(TOWN))
        await self.hears()

    async def starts_to_pay(self, family: str, cents: int, key: str) -> None:
        intent = Intent(TOWN, family, await self.account(family), key, (("periscolaire", cents),), "x@example.org", "fr")
        async with self.databases["billing"].transaction() as session:
            row = await paying.intend(
                session, self.clock, intent, Sandbox("http://127.0.0.1:1", "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
            )
            await paying.record_page(session, self.clock, row.id, Page(f"session-{key}", "http://127.0.0.1:1/pay"))

    async def ends(self, key: str) -> None:
        async with self.databases["billing"].reading() as session:
            payment = (await session.exec(select(OnlinePayment.id).where(OnlinePayment.session == f"session-{key}"))).one()
        lines = [("multiaccueil", 8_00)]
        await self.does(unsettled.end_payment, f"end-{key}", payment, End.CREDITED, lines, "Moins que prévu")

    async def is_told(self, key: str, status: OnlinePaymentStatus, cents: int | None = None) -> None:
        """By the provider, when it is asked."""
        async with self.databases["billing"].transaction() as session:
            row = (await session.exec(select(OnlinePayment).where(OnlinePayment.session == f"session-{key}"))).one()
            told = Told(status, cents or row.amount_cents, "EUR", row.id, "3150-N°AUTO:445401")
            await paying.settle(session, self.clock, row, told)
        await self.hears()

    async def account(self, login: str) -> str:
        async with self.databases["identity"].reading() as session:
            return (await account_ids(session, [login]))[login]

    # ------------------------------------------------------------------------------------------------------------ agents
    async def does(self, command: Callable[..., Awaitable[Any]], *values: Any, **more: Any) -> Any:
        """At the counter."""
        self.keys += 1
        async with self.databases["billing"].transaction() as session:
            found = await command(session, self.clock, Agent("agent", TOWN), *values, **more)
        await self.hears()
        return found

    async def records(self, key: tuple[str, dt.date], **children: Record) -> None:
        entries = [Entry(None, child, record) for child, record in children.items()]
        agent = await self.account("agent")
        async with self.databases["booking"].transaction() as session:
            answers = await attending.record_attendance(session, RuleBook(), self.clock, key, agent, entries)
            assert {answer.code for answer in answers} == {None}

    async def closes(self, *keys: tuple[str, dt.date]) -> None:
        async with self.databases["booking"].transaction() as session:
            for key in keys:
                await attending.close_day(session, RuleBook(), self.clock, key, "agent")
        await self.hears()

    async def time_closes(self) -> None:
        async with self.databases["booking"].transaction() as session:
            for keys in (await attending.days_over(session, RuleBook(), self.clock.now(), 100)).values():
                for key in keys:
                    await attending.close_day(session, RuleBook(), self.clock, key)
        await self.hears()

    async def reopens(self, *keys: tuple[str, dt.date]) -> None:
        async with self.databases["booking"].transaction() as session:
            for key in keys:
                await attending.reopen_day(session, RuleBook(), self.clock, key, "agent", "Une erreur")
        await self.hears()

    async def sets_a_price(self, activity: str, *versions: TariffVersion) -> None:
        async with self.databases["billing"].transaction() as session:
            await billing.put_tariff(session, self.clock, activity, TOWN, "periscolaire", versions)

    # ------------------------------------------------------------------------------------------------------- what is seen
    async def seen(self) -> dict[str, Any]:
        """All that families and agents see of money and places, without the names that things got after the town moved."""
        families = ("dupont", "martin", "petit")
        months = [(family, month) for family in families for month in ("2026-10", "2026-11", "2026-12")]
        async with self.databases["billing"].reading() as session:
            views = [
                queries.BalanceAsked(family, TOWN, until, frozenset(kinds))
                for family in families
                for until in (None, day(2, 12))
                for kinds in ({HoldKind.CONFIRMED}, set(HoldKind))
            ]
            paid = await queries.payments(session, months)
            moved = await queries.adjustments(session, months)
            used = await queries.consumptions(session, months)
            held = [row for row in await session.exec(select(Hold)) if row.state != "RELEASED"]
            alerts = (await session.exec(select(BalanceAlert))).all()
            online = (await session.exec(select(OnlinePayment).order_by(OnlinePayment.session))).all()
            slips = await deposits.deposits(session, TOWN, None, 99)
            on_slips = await deposits.pieces(session, [row.id for row in slips])
            drawer = await deposits.waiting(session, TOWN, PaymentMode.CHEQUE, None, 99)
            began = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
            billing = {
                "balances": await estimates.balances(session, views),
                "payments": {key: [(x.entry.date, x.reason, x.cents, *words(x.detail)) for x in some] for key, some in paid.items()},
                "adjustments": {key: [(x.entry.date, x.reason, x.cents) for x in some] for key, some in moved.items()},
                "consumptions": {key: [used_up(x.consumption) for x in some] for key, some in used.items()},
                "holds": {where(row): (row.kind, row.state, row.wallet, row.amount_cents, row.explanation) for row in held},
                "standings": {row.family: row.in_debit for row in await session.exec(select(Standing)) if row.in_debit},
                "alerts": sorted((row.family, row.below_cents, row.is_below, row.times) for row in alerts),
                "online": [(row.session, row.status, row.look_at, row.reference, row.lines, row.credited, row.trouble) for row in online],
                "slips": [(row.date, row.mode, row.reference, [line.cents for line in on_slips[row.id]]) for row in slips],
                "drawer": [(line.detail.reference, line.cents) for line in drawer],
                "totals": sorted(map(str, await queries.totals_by_mode(session, TOWN, began, self.clock.now() + dt.timedelta(days=1)))),
            }
        async with self.databases["booking"].reading() as session:
            live = [row for row in await session.exec(select(Booking).order_by(col(Booking.position))) if row.status in LIVE]
            noted = (await session.exec(select(Presence))).all()
            days = (await session.exec(select(Opening))).all()
            return billing | {
                "bookings": {where(row): (row.status, row.arrival, row.departure, row.family) for row in live},
                "line": [where(row) for row in live if row.status == "WAITLISTED"],
                "came": {where(row): (row.attendance, row.arrival, row.departure, row.note, row.family) for row in noted},
                "days": {(row.activity, row.date): (row.places, row.taken, row.waiting, row.closed_at) for row in days if used_at_all(row)},
                "enrolled": sorted((row.child, row.activity, str(row.ends_on)) for row in await session.exec(select(Enrollment))),
                "in debt": sorted((await session.exec(select(Heard.family).where(Heard.in_debit))).all()),
            }


LIVE = ("ACCEPTED", "WAITLISTED")


def where(row: Any) -> tuple[str, str, str]:
    return row.child, row.activity, row.date.isoformat()


def words(detail: Any) -> tuple[Any, ...]:
    return detail.mode, detail.reference, detail.payer, detail.bank, detail.taken_over


def used_up(row: Consumption) -> tuple[Any, ...]:
    what = row.child, row.activity, row.date, row.wallet, row.attendance, row.arrival, row.departure
    return *what, row.amount_cents, row.tariff_version, row.flat, row.explanation


def used_at_all(row: Opening) -> bool:
    return bool(row.taken or row.waiting or row.closed_at)


def books(child: str, activity: str, *dates: dt.date, **hours: str) -> Sequence[Line]:
    return [Line(DraftChange.BOOK, child, activity, date, **hours) for date in dates]


def cancels(child: str, activity: str, date: dt.date) -> Line:
    return Line(DraftChange.CANCEL, child, activity, date)


def present(arrival: str | None = None, departure: str | None = None) -> Record:
    return Record(Attendance.PRESENT, arrival, departure, "À l'heure")


ABSENT, EXCUSED = Record(Attendance.ABSENT_UNJUSTIFIED), Record(Attendance.ABSENT_JUSTIFIED)
ATELIER = ActivitySpec(
    "atelier", TOWN, "Europe/Paris", None, "", "ATELIER", day(1, 9), dt.date(2027, 7, 2), frozenset(range(5)), FixedHours("16:30", "18:00")
)


async def before(world: World) -> None:
    """From mid-November until Friday the 27th."""
    world.at(day(16))
    await world.loads(yaml.safe_dump(town_file()))
    async with world.databases["booking"].transaction() as session:
        await office.create_activity(session, world.clock, office.Agent("agent", TOWN), ATELIER, "cantine")
        for name in ("amalia", "lea"):
            await commands.put_enrollment(session, world.clock, name, "dupont" if name == "amalia" else "petit", TOWN, "atelier")
    await world.hears()
    money = Money("dupont", "periscolaire", PaymentMode.CHEQUE, 150_00, "2578012", "DUPONT", "CREDIT AGRICOLE")
    await world.does(till.record_payment, "k1", money)
    cash = await world.does(till.record_payment, "k2", replace(money, family="petit", cents=30_00, mode=PaymentMode.CASH))
    await world.does(deposits.record_deposit, "slip", [cash], day(14), "B-17")
    bounced = await world.does(till.record_payment, "k3", replace(money, family="martin", cents=20_00, reference="99"))
    await world.does(till.reverse_payment, bounced, "Sans provision")
    await world.does(till.refund_family, "k4", replace(money, cents=10_00), "Trop perçu")
    await world.does(till.transfer, "k5", "dupont", ("periscolaire", "multiaccueil"), 25_00, "Demande de la famille")
    await world.does(till.adjust_wallet, "k6", "martin", "periscolaire", 3_00, "Geste commercial")
    for key, status in (("paid", OnlinePaymentStatus.PAID), ("refused", OnlinePaymentStatus.REFUSED)):
        await world.starts_to_pay("dupont", 40_00, key)
        await world.is_told(key, status)
    # Another amount came than was asked for, twice: an agent ended one, and has not looked at the other.
    for key in ("ended", "troubled"):
        await world.starts_to_pay("dupont", 9_00, key)
        await world.is_told(key, OnlinePaymentStatus.PAID, 8_00)
    await world.ends("ended")
    async with world.databases["billing"].transaction() as session:
        await billing.set_balance_alert(session, world.clock, TOWN, "petit", await world.account("petit"), 25_00)
        for below_cents in (10_00, None):  # On second thoughts.
            await billing.set_balance_alert(session, world.clock, TOWN, "martin", await world.account("martin"), below_cents)

    week, next_week = [day(23), day(24), day(25), day(26), day(27)], [day(30), day(1, 12), day(2, 12)]
    await world.asks("dupont", *books("amalia", "aps", *week, *next_week), *books("paolo", "aps", *week, *next_week))
    await world.asks("martin", *books("zoe", "aps", *week, day(1, 12)))
    await world.asks("petit", *books("lea", "aps", *next_week), *books("tom", "aps", day(30)))
    await world.asks("dupont", *books("amalia", "club", *week, *next_week), *books("paolo", "club", day(24), day(2, 12)))
    await world.asks(
        "petit", *books("lea", "cantine", *week, *next_week), *books("tom", "cantine", *week), *books("lea", "atelier", *week, *next_week)
    )
    await world.asks("dupont", *books("paolo", "multi", *week, arrival="08:00", departure="12:30"), *books("amalia", "atelier", day(27)))
    await world.asks("petit", *books("tom", "club", *next_week), together=[[0, 1, 2]])
    # What was frozen stays, though another tariff, another quotient and another town hold for what is asked for later.
    dear = TariffVersion(day(1, 9), Per.PRESENCE, (QuotientBand(None, 999),), (0, 50))
    await world.sets_a_price("aps", dear)
    file = town_file()
    file["activities"][0]["tariff"] = tariff("presence", {"cents": 999}, siblings_percent=[0, 50])
    file["families"][0]["quotient"] = 1200
    # Tom goes to live with the Martins.
    file["families"][1]["children"].append({**file["families"][2]["children"].pop(), "activities": ["aps", "cantine", "club", "multi"]})
    world.at(day(20))
    await world.loads(yaml.safe_dump(file))
    await world.asks("dupont", *books("amalia", "aps", day(3, 12)), cancels("paolo", "aps", day(26)))

    world.at(day(23), "19:00")
    await world.records(("aps", day(23)), amalia=present(), paolo=EXCUSED, zoe=present("07:40"))
    await world.records(("cantine", day(23)), amalia=present("11:30", "13:00"))
    await world.closes(*((name, day(23)) for name in ("aps", "cantine", "club", "multi", "atelier")))
    world.at(day(24), "19:00")
    await world.records(("aps", day(24)), amalia=present(departure="09:20"), paolo=ABSENT)
    await world.closes(("aps", day(24)), ("club", day(24)), ("cantine", day(24)))
    await world.reopens(("aps", day(24)), ("cantine", day(24)))
    await world.records(("aps", day(24)), paolo=EXCUSED, zoe=present())
    await world.closes(("aps", day(24)))
    world.at(day(26), "19:00")
    await world.records(("multi", day(25)), paolo=present("08:00", "13:10"), zoe=present("09:00", "10:30"))
    await world.records(("cantine", day(26)), zoe=present(), lea=EXCUSED)
    world.at(day(27), "17:45")
    await world.records(("aps", day(27)), amalia=ABSENT)
    await world.closes(("cantine", day(27)), ("club", day(27)))
    await world.starts_to_pay("petit", 12_00, "open")
    await world.does(till.adjust_wallet, "k7", "martin", "multiaccueil", -70_00, "Dette reprise")


#: All that happens afterwards, in both.
Step = Callable[[World], Awaitable[None]]


async def closes_what_is_over(world: World) -> None:
    world.at(day(28), "00:30")
    await world.time_closes()


async def puts_right_what_was_closed(world: World) -> None:
    keys = ("aps", day(23)), ("cantine", day(23)), ("club", day(27)), ("aps", day(24))
    await world.reopens(*keys)
    await world.records(("aps", day(23)), amalia=ABSENT, zoe=Record(Attendance.NOT_RECORDED))
    await world.records(("cantine", day(23)), amalia=present("11:00", "14:00"))
    await world.closes(*keys, ("cantine", day(24)))


async def pays_and_is_paid_back(world: World) -> None:
    await world.is_told("open", OnlinePaymentStatus.PAID)
    await world.is_told("paid", OnlinePaymentStatus.PAID)
    await world.ends("ended")
    await world.ends("troubled")
    money = Money("martin", "periscolaire", PaymentMode.TRANSFER, 7_00, None, "MARTIN", None)
    await world.does(till.record_payment, "n1", money)
    await world.does(till.refund_family, "n2", replace(money, family="dupont", cents=1_00), "Encore")
    async with world.databases["billing"].reading() as session:
        bounced = (
            await session.exec(select(PaymentDetail.entry).where(PaymentDetail.reference == "99").order_by(PaymentDetail.entry))
        ).all()
    refused = 0
    for entry in bounced:  # The cheque, and what took it back: nobody takes either back again.
        with pytest.raises((Refused, Forbidden)):
            await world.does(till.reverse_payment, entry, "Sans provision, vraiment")
        refused += 1
    assert refused == 2


async def gives_back_and_asks(world: World) -> None:
    world.at(day(28))
    await world.asks("dupont", cancels("amalia", "aps", day(30)), *books("paolo", "cantine", day(2, 12)))
    await world.asks("petit", cancels("lea", "club", day(30)), *books("lea", "multi", day(30), arrival="08:00", departure="10:00"))


async def lives_through_december(world: World) -> None:
    world.at(day(4, 12), "12:00")
    await world.time_closes()
    world.at(day(7, 12), "12:00")
    await world.time_closes()


LIFE: Sequence[Step] = (
    closes_what_is_over,
    puts_right_what_was_closed,
    pays_and_is_paid_back,
    gives_back_and_asks,
    lives_through_december,
)


async def no_broker(*_: object) -> None:
    """Nobody waits for one."""


@pytest.fixture
async def worlds(database_url: MakeUrl, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[World, World]]:
    monkeypatch.setattr(checking, "BETWEEN_SECONDS", 0.0)
    monkeypatch.setattr(checking, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(checking, "_bus", no_broker)
    async with AsyncExitStack() as stack:
        both = []
        for _ in range(2):
            urls = {service: await database_url(service) for service in SERVICES}
            settings = replace(Settings.from_environment({}), database_urls=urls, nats_url="nats://127.0.0.1:1")
            databases = {service: Database(url) for service, url in urls.items()}
            for database in databases.values():
                stack.push_async_callback(database.close)
            both.append(World(settings, databases))
        yield both[0], both[1]


def with_passwords(exported: str) -> str:
    head, _, _ = exported.partition("structure:")
    town = yaml.safe_load(exported)
    for account in town["accounts"]:
        account["password"] = PASSWORD
    return head + yaml.safe_dump(town, allow_unicode=True, sort_keys=False)


async def test_a_town_that_moves_in_mid_life_lives_on_as_it_would_have(
    worlds: tuple[World, World], capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = worlds
    await before(here)
    assert await is_sound(here.settings), capsys.readouterr().out
    assert (await here.seen())["in debt"] == ["martin"]
    exported = await export(here.settings, TOWN)
    again = await here.loads(exported)
    assert (again.changes.total(), again.warnings) == (0, []), "loaded where it came from, it changes nothing"

    there.at(day(27), "17:45")
    for rows in ("holds", "consumptions"):
        generous = yaml.safe_load(exported)
        generous["history"][rows][0]["amount_cents"] = -1
        with pytest.raises(TownFileError, match="amount_cents: -1 is not possible here; expected whole euro cents, 0 or more"):
            await there.loads(yaml.safe_dump(generous))
    loaded = await there.loads(with_passwords(exported))
    assert loaded.warnings == []
    assert await there.seen() == await here.seen()
    assert await is_sound(there.settings), capsys.readouterr().out
    for step in LIFE:
        await step(here)
        await step(there)
        mine, other = await here.seen(), await there.seen()
        for what, there_is in mine.items():
            assert other[what] == there_is, (step.__name__, what)
        for world in (here, there):
            assert await is_sound(world.settings), (step.__name__, capsys.readouterr().out)
    # Loaded once more, it undoes nothing of what happened since.
    life = await there.seen()
    again = await there.loads(exported)
    assert (again.changes.total(), again.warnings, await there.seen()) == (0, [], life)


def moved(exported: str) -> Any:
    """What of a file must be the same in one that comes from the town's new place, in whatever order."""
    town: dict[str, Any] = yaml.safe_load(exported)
    del town["history"]["residences"]  # Booking there has told it once more, from the day of loading on.
    for booking in town["history"]["bookings"]:
        del booking["position"]
        booking.pop("party", None)
    return in_one_order(town)


def in_one_order(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: in_one_order(value) for key, value in part.items()}
    return sorted(map(in_one_order, part), key=repr) if isinstance(part, list) else part


async def test_where_another_town_has_the_same_ids_it_moves_all_the_same(
    worlds: tuple[World, World], capsys: pytest.CaptureFixture[str]
) -> None:
    """Families, children, activities, wallets: also within the causes of flat months and online payments."""
    here, there = worlds
    await before(here)
    exported = await export(here.settings, TOWN)
    there.at(day(27), "17:45")
    other = town_file()
    other["structure"]["id"] = "autreville"
    for one in other["accounts"]:
        one["login"] = f"autre-{one['login']}"
    for one in other["families"]:
        one["accounts"] = [f"autre-{login}" for login in one["accounts"]]
    await there.loads(yaml.safe_dump(other))
    tried = await there.loads(with_passwords(exported), dry_run=True)
    loaded = await there.loads(with_passwords(exported))
    assert (loaded.warnings, tried.warnings) == ([], [])
    assert moved(await export(there.settings, TOWN)) == moved(exported)
    assert await is_sound(there.settings), capsys.readouterr().out
    async with there.databases["billing"].reading() as session:
        causes = (await session.exec(select(Consumption.cause).where(col(Consumption.attendance).is_(None)))).all()
    assert causes
    assert {cause.split(":")[1].split(".")[0] for cause in causes} == {TOWN}
    await lives_through_december(there)
    assert await is_sound(there.settings), capsys.readouterr().out


async def test_what_the_history_alone_names_is_not_mistaken_for_what_another_town_calls_so(worlds: tuple[World, World]) -> None:
    """A child that left, and a family that somebody took out of the file."""
    here, there = worlds
    here.at(day(16))
    await here.loads(yaml.safe_dump(town_file()))
    await here.does(till.adjust_wallet, "k", "martin", "periscolaire", 3_00, "Geste commercial")
    file = town_file()
    file["families"][0]["children"].pop()  # Paolo
    await here.loads(yaml.safe_dump(file))
    exported = yaml.safe_load(with_passwords(await export(here.settings, TOWN)))
    exported["families"] = [one for one in exported["families"] if one["id"] != "martin"]
    there.at(day(17))
    other = town_file()
    other["structure"]["id"] = "autreville"
    other["accounts"] = [one | {"login": f"autre-{one['login']}"} for one in other["accounts"]]
    other["families"] = [one | {"accounts": [f"autre-{login}" for login in one["accounts"]]} for one in other["families"]]
    await there.loads(yaml.safe_dump(other))
    await there.loads(yaml.safe_dump(exported))
    async with there.databases["billing"].reading() as session:
        held = await queries.purse_cents(session, ["martin", f"{TOWN}.martin"])
    assert held == {(f"{TOWN}.martin", f"{TOWN}.periscolaire"): 3_00}
    async with there.databases["identity"].reading() as session:
        paolos = (await session.exec(select(Child).where(col(Child.id).in_(["paolo", f"{TOWN}.paolo"])))).all()
    assert {(one.id, one.family_id, one.listed) for one in paolos} == {
        ("paolo", "dupont", True),
        (f"{TOWN}.paolo", f"{TOWN}.dupont", False),
    }
    again = await there.loads(await export(there.settings, TOWN))
    assert again.changes.total() == 0, "loaded where it came from, it changes nothing"


async def test_a_history_that_is_none_is_told_with_its_line(worlds: tuple[World, World]) -> None:
    here, there = worlds
    here.at(day(16))
    await here.loads(yaml.safe_dump(town_file()))
    await here.does(till.adjust_wallet, "k", "martin", "periscolaire", 3_00, "Geste commercial")
    await here.does(till.adjust_wallet, "l", "martin", "periscolaire", -1_00, "Trop")
    exported = with_passwords(await export(here.settings, TOWN))
    for right, wrong, told in (
        ("kind: ADJUSTMENT", "kind: PRESENT", r"town\.yaml:\d+: kind: 'PRESENT' is not possible; expected ADJUSTMENT, CHARGE"),
        ("amount_cents: 300", "amount_cents: 3.00", r"town\.yaml:\d+: amount_cents: 3.00 is not possible here; expected whole euro"),
        ("amount_cents: 300", "amount_cents: 0", r"town\.yaml:\d+: amount_cents: 0 is not possible here; expected whole euro cents, 1 or"),
        ("amount_cents: 300", "amount_cents: -300", r"amount_cents: -300 is not possible here; expected whole euro cents, 1 or more"),
        ("to_account: wallet", "to_purse: wallet", r"town\.yaml:\d+: to_account is missing in a row of entries"),
        ("posted_at: '2026", "posted_at: 'in 2026", r"town\.yaml:\d+: posted_at: .* is no instant"),
    ):
        assert right in exported
        with pytest.raises(TownFileError, match=told):
            await there.loads(exported.replace(right, wrong, 1))
    await there.loads(exported)
    with pytest.raises(TownFileError, match=r"town\.yaml:\d+: history: what has the cause 'counter/[0-9a-f]+' was loaded before"):
        await there.loads(exported.replace("amount_cents: 300", "amount_cents: 400"))
