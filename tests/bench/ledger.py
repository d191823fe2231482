"""Money, without the way to it: what billing hears becomes holds, and holds become charges; balances, `preau check`'s look at billing and a
journal in a ledger of a million entries, each with its charge and its hold.

In this process, on a database with a real disk: events as they come off the broker, up to 500 of them in one transaction, as the
listener has it; days of 500 children, ten of them together, as time closes them.
"""

import datetime as dt
import resource
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from deploy.migrate import migrate
from deploy.serving import look_for_garbage_less_often
from services.billing import commands, queries
from services.billing.charged import Attendance as Attended
from services.billing.hold import HoldKind, HoldState
from services.billing.holding import insert_holds
from services.billing.invariants import violations
from services.billing.ledger import PaymentMode, charge, payment, wallet_account
from services.billing.posting import ENTRY, insert_entries, lock_standings
from services.billing.rate import QuotientBand
from services.billing.reactions import billing
from services.billing.settlement import cause_of
from services.billing.settling import insert_consumptions
from services.billing.tables import PaymentDetail, core
from services.billing.tariff import Per, TariffVersion
from services.bulk import BulkInsert
from services.clock import Clock
from services.database import Database
from services.events import Attendance, BookingAccepted, BookingRequested, DaySettled, Event, FamilyChanged, RequestedMovement
from services.listening import TOGETHER, react
from services.saying import new_id
from tests.bench.stage import at_once, say
from tests.conftest import create_database
from tests.postgresql_server import PostgresServer

NOW = dt.datetime(2026, 12, 31, 23, tzinfo=dt.UTC)
SEPTEMBER = dt.date(2026, 9, 1)
TARIFF = TariffVersion(SEPTEMBER, Per.PRESENCE, (QuotientBand(500, 80), QuotientBand(1000, 131), QuotientBand(None, 190)))
WHERE: dict[str, Any] = {"structure": "town", "occurred_at": NOW}
HOURS = {"arrival": "07:30", "departure": "08:45"}
FAMILIES, DAYS, DAYS_TOGETHER = 500, 20, 10
ENTRIES, EACH = 1_000_000, 200  #: Of the ledger; of each family.
AT_ONCE, ASKED = 16, 2000


# --------------------------------------------------------------------------------------------------- holds and settlements
def date(day: int) -> dt.date:
    return dt.date(2026, 12, 1) + dt.timedelta(days=day)


def orders() -> Iterator[BookingRequested]:
    for family in range(FAMILIES):
        what = [{"booking": f"b{family}-{day}", "child": f"c{family}", "activity": "aps", "date": date(day)} for day in range(DAYS)]
        movements = [RequestedMovement(**one, **HOURS, kind="BOOK") for one in what]
        yield BookingRequested(**WHERE, request=f"r{family}", family=f"f{family}", movements=movements)


def acceptances(asked: Iterable[BookingRequested]) -> Iterator[BookingAccepted]:
    for one in asked:
        for movement in one.movements:
            what = movement.model_dump(exclude={"kind"})
            yield BookingAccepted(**WHERE, **what, version=2, request=one.request, family=one.family)


def closings(version: int, attendance: str) -> Iterator[DaySettled]:
    here = attendance == "PRESENT"
    for day in range(DAYS):
        seen = [
            Attendance(
                booking=f"b{family}-{day}",
                child=f"c{family}",
                family=f"f{family}",
                attendance=attendance,
                arrival=HOURS["arrival"] if here else None,
                departure=HOURS["departure"] if here else None,
            )
            for family in range(FAMILIES)
        ]
        yield DaySettled(**WHERE, version=version, activity="aps", date=date(day), attendances=seen)


async def hear(database: Database, events: Sequence[Event], together: int = TOGETHER) -> tuple[float, float]:
    """Returns the seconds it took, and those of our CPU (the database's own is not in it, unless it is SQLite)."""
    begun, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(events), together):
        async with database.transaction("reaction") as session:
            await react(billing, session, events[start : start + together], Clock(frozen_at=NOW))
    return time.perf_counter() - begun, time.process_time() - cpu


async def of_holds(database: Database) -> dict[str, Any]:
    asked = list(orders())
    count = FAMILIES * DAYS
    accepted = list(acceptances(asked))
    asking, accepting = await hear(database, asked), await hear(database, accepted)
    held = asking[0] + accepting[0]
    settled, cpu = await hear(database, list(closings(1, "PRESENT")), DAYS_TOGETHER)
    again, _ = await hear(database, list(closings(2, "ABSENT_JUSTIFIED")), DAYS_TOGETHER)
    return {
        "holds/s": round(count / held),
        "settlements/s": round(count / settled),
        "holds and settlements/s": round(2 * count / (held + settled)),
        "corrections/s": round(count / again),
        "CPU us/hold": round(1_000_000 * (asking[1] + accepting[1]) / count),
        "CPU us/settlement": round(1_000_000 * cpu / count),
    }


# ------------------------------------------------------------------------------------------------------------ the balance
async def fill(database: Database) -> None:
    """Of each family one cheque, and the days that it paid for: as much as ten years at school bring."""
    families = ENTRIES // EACH
    for start in range(0, families, 500):
        async with database.transaction() as session:
            some = [f"old{n}" for n in range(start, start + 500)]
            entries = [row for family in some for row in _entries(family)]
            await insert_entries(session, entries)
            await insert_details(
                session, [(row[0], PaymentMode.CHEQUE, family, True) for family, row in zip(some, entries[::EACH], strict=True)]
            )
            await insert_consumptions(session, [row for family in some for row in _consumptions(family)])
            await insert_holds(session, [row for family in some for row in _holds(family)])
            await lock_standings(session, dict.fromkeys(some, "town"))


insert_details = BulkInsert(core(PaymentDetail), ("entry", "mode", "payer", "taken_over"))
EXPLANATION = [{"code": "PRESENCE", "details": {}, "amount_cents": 131}]


def _day(n: int) -> dt.date:
    return dt.date(2016, 9, 1) + dt.timedelta(days=18 * n)


def _entries(family: str) -> Iterator[tuple[Any, ...]]:
    purse = wallet_account(family, "periscolaire")
    for n in range(EACH):
        if n == 0:
            entry = payment(f"{family}-cheque", family, "periscolaire", PaymentMode.CHEQUE, 131 * (EACH - 1))
        else:
            entry = charge(cause_of(f"{family}-{n}"), purse, 131)
        when = _day(n)
        posted_at = dt.datetime.combine(when, dt.time(20), dt.UTC)
        yield new_id(), *(getattr(entry, name) for name in ENTRY), "town", family, "periscolaire", None, when, posted_at


def _consumptions(family: str) -> Iterator[tuple[Any, ...]]:
    for n in range(1, EACH):
        seen = Attended.PRESENT, *HOURS.values()
        what = cause_of(f"{family}-{n}"), family, "periscolaire", *seen, 131, "1/2016-09-01", False, True, EXPLANATION
        yield *what, "town", f"c-{family}", "aps", _day(n), f"{family}-{n}"


def _holds(family: str) -> Iterator[tuple[Any, ...]]:
    for n in range(1, EACH):
        what = f"{family}-{n}", HoldKind.CONFIRMED, HoldState.SETTLED, 2, "periscolaire", 131, "1/2016-09-01", EXPLANATION
        yield *what, "town", family, f"c-{family}", "aps", _day(n), *HOURS.values()


async def of_balances(database: Database) -> dict[str, Any]:
    say("a ledger of a million entries ...")
    await fill(database)
    if not database.is_sqlite:
        async with database.engine.connect() as connection:
            await connection.exec_driver_sql("ANALYZE")
    figures: dict[str, Any] = {"entries": ENTRIES}
    for lanes in (1, AT_ONCE):
        waits: list[float] = []

        async def one(n: int, waits: list[float] = waits) -> None:
            family = f"old{n * 7919 % (ENTRIES // EACH)}"
            begun = time.perf_counter()
            async with database.reading() as session:
                wanted = queries.BalanceAsked(family, "town", None, frozenset({HoldKind.CONFIRMED}))
                pages, _ = await queries.balances(session, [wanted])
            waits.append(time.perf_counter() - begun)
            assert pages[wanted].balance_cents == 0

        begun = time.perf_counter()
        await at_once(lanes, range(ASKED), one)
        figures[f"{lanes} at once: balances/s"] = round(ASKED / (time.perf_counter() - begun))
        ordered = sorted(waits)
        figures |= {f"{lanes} at once: p{n} ms": round(1000 * ordered[len(ordered) * n // 100], 1) for n in (50, 95, 99)}
    return figures | await of_looking_through(database)


async def of_looking_through(database: Database) -> dict[str, Any]:
    """All that `preau check` looks at in billing, and a month of the journal."""
    say("billing's invariants, and a month of the journal ...")
    begun = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with database.reading() as session:
        found = await violations(session)
    seconds, more = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert found == [], found[:10]
    since = dt.datetime(2020, 9, 1, tzinfo=dt.UTC)
    begun = time.perf_counter()
    async with database.reading() as session:
        entries = await queries.entries(session, "town", since, since + dt.timedelta(days=30))
    journal = time.perf_counter() - begun
    return {
        "check s": round(seconds, 1),
        "check MB more": more // 1024,
        "journal entries": len(entries),
        "journal ms": round(1000 * journal),
    }


# ---------------------------------------------------------------------------------------------------------------- the stage
async def measure(kind: str) -> list[dict[str, Any]]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="preau-bench-")))
        url = f"sqlite+aiosqlite:///{folder / 'billing'}.sqlite"
        if kind == "postgresql":
            server = PostgresServer(durable=True)
            server.start()
            stack.callback(server.stop)
            url = await create_database(server.url, "billing")
        await migrate("billing", url)
        database = Database(url)
        stack.push_async_callback(database.close)
        await _town(database)
        look_for_garbage_less_often()
        say("holds and settlements ...")
        return [await of_holds(database) | await of_balances(database)]


async def _town(database: Database) -> None:
    clock = Clock(frozen_at=NOW)
    async with database.transaction() as session:
        await commands.put_wallet(session, clock, "periscolaire", "town", "PERISCOLAIRE")
        await commands.put_tariff(session, clock, "aps", "town", "periscolaire", [TARIFF])
    families = [FamilyChanged(**WHERE, version=1, family=f"f{n}", adults=[], children=[f"c{n}"]) for n in range(FAMILIES)]
    await hear(database, families)
