"""What GraphQL itself costs in a subgraph: CPU time of one operation, nothing of it for data, which are there already.

A home page's calendars (3 children, 3 activities, 31 days) and the answer to a draft of 20 lines, each as services run them and as
strawberry alone would (services/execution.py and services/inputs.py say what the difference is).

    python -m tests.bench.subgraph [--rounds 300]
"""

import argparse
import asyncio
import datetime as dt
import gc
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import strawberry
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from services.booking.calendar import DayState
from services.booking.queries import Answer, Booked, MovementRow
from services.booking.schema import schema as booking
from services.booking.status import BookingStatus
from services.booking.tables import Request
from services.booking.types import Booking, Calendar, CalendarDay
from services.graphql import Context, YearMonth, subgraph
from services.inputs import quicken
from tests.bench.rush import SUBMIT
from tests.booking.screens import DUPONT

CALENDARS = "{ calendars { month asOf days { date state placesLeft reason revision booking { id status } } } }"
AT = dt.datetime(2026, 9, 1, 6, tzinfo=dt.UTC)
DAYS = [dt.date(2026, 10, 1) + dt.timedelta(days=n) for n in range(31)]
LINES = [{"change": "BOOK", "child": "amalia", "activity": "aps-matin", "date": day.isoformat()} for day in DAYS[:20]]
ORDER = {"input": {"family": "dupont", "idempotencyKey": "once", "lines": LINES}}


def booked(n: int, date: dt.date) -> Booked:
    who = ("request", n, "dupont", "amalia", "aps-matin", "carteville")
    return Booked(f"booking-{n}", f"000{n}", *who, date, "07:30", "08:45", BookingStatus.ACCEPTED, None, n, AT, AT)


def calendar() -> Calendar:
    """A booking on every third day."""
    days = [
        CalendarDay(
            date=date,
            state=DayState.AVAILABLE if n % 3 else DayState.BOOKED,
            places_left=n,
            reason=None,
            reason_code=None,
            booking=None if n % 3 else Booking.of(booked(n, date)),
            revision=n,
        )
        for n, date in enumerate(DAYS)
    ]
    return Calendar(month=YearMonth("2026-10"), activity=None, days=days, as_of=AT)


@strawberry.type
class Query:
    @strawberry.field
    def calendars(self, info: strawberry.Info[Any, None]) -> list[Calendar]:
        found: list[Calendar] = info.context
        return found


class Counter:
    """Where every draft has just been accepted."""

    def __init__(self) -> None:
        request = Request(
            id="request", seq=1, number="000001", family="dupont", structure="carteville", account="dupont", idempotency_key="once",
            fingerprint="", lines=20, language="fr", partition=0, submitted_at=AT, served_at=AT, decided_at=AT,
        )  # fmt: skip
        self.answer = Answer(request, [MovementRow(n, False, booked(n, date), None) for n, date in enumerate(DAYS[:20])])

    async def ask(self, *_: object) -> tuple[str, bool, None]:
        return "request", True, None

    async def to(self, _: str) -> Answer:
        return self.answer


def at(counter: Counter) -> Context:
    resources = {"desk": counter, "answers": counter, "rules": SimpleNamespace(of=None)}
    running: Any = SimpleNamespace(database=None, resources=resources)
    return Context(running=running, caller=DUPONT, language="fr")


@contextmanager
def as_strawberry_does(schema: Any) -> Iterator[None]:
    quick, schema.execution_context_class = schema.execution_context_class, StrawberryGraphQLCoreExecutionContext
    inputs = [known.definition for known in schema.schema_converter.type_map.values() if getattr(known.definition, "is_input", False)]
    for one in inputs:
        one.from_input = None
    try:
        yield
    finally:
        schema.execution_context_class = quick
        quicken(schema)


async def cpu_ms(schema: Any, query: str, variables: dict[str, Any], make_context: Any, rounds: int) -> float:
    spent = []
    gc.collect()
    for _ in range(rounds):
        context = make_context()
        begun = time.process_time()
        result = await schema.execute(query, variable_values=variables, context_value=context)
        spent.append(time.process_time() - begun)
        assert not result.errors, result.errors
    return round(1000 * statistics.median(spent), 2)


async def measure(rounds: int) -> None:
    calendars, counter = [calendar() for _ in range(9)], Counter()
    for name, schema, query, variables, make_context in [
        ("calendars, 9 x 31 days", subgraph(Query), CALENDARS, {}, lambda: calendars),
        ("submitBookings, 20 lines", booking, SUBMIT, ORDER, lambda: at(counter)),
    ]:
        with as_strawberry_does(schema):
            slow = await cpu_ms(schema, query, variables, make_context, rounds)
        quick = await cpu_ms(schema, query, variables, make_context, rounds)
        print(name, json.dumps({"strawberry alone CPU ms": slow, "CPU ms": quick}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    asyncio.run(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
