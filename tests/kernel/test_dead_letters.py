"""What a service could not handle, as agents of the town see it and have it handled: the same for all services."""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import select

from services import dead_letters
from services.claims import Caller
from services.clock import Clock
from services.dead_letters import Cause
from services.events import Event, MailFailed, StructureChanged
from services.graphql import Context
from services.identity.households import StructureSpec
from services.identity.register import put_structure
from services.outbox import DeadLetter
from services.service import NotYetKnown, Running

NOW = dt.datetime(2026, 11, 23, 8, tzinfo=dt.UTC)
AGENT = Caller("anne", "s", {}, frozenset({"carteville"}), "fr", 9e9)
OTHERS = {
    "an agent of another town": Caller("eve", "s", {}, frozenset({"autreville", "Carteville"}), "fr", 9e9),
    "a family": Caller("dupont", "s", {"dupont": "carteville"}, frozenset(), "fr", 9e9),
    "nobody": None,
}
SERVICES = ("identity", "billing", "booking", "mailer")
FIELDS = "endCursor hasNextPage totalCount nodes { id event occurredAt failedAt attempts cause why canBeRetried }"


def event_for(service: str, number: int = 0) -> Event:
    """One that it hears of and can handle."""
    about: dict[str, Any] = {"structure": "carteville", "occurred_at": NOW, "event_id": f"event-{number}"}
    if service == "identity":
        return MailFailed(**about, mail="m", kind="report", attempts=1, account="Zephyrine KANARINSKI")
    return StructureChanged(**about, version=number + 1, title="KANARINSKI", timezone="Europe/Paris", school_zone="B")


@dataclass
class Office:
    """A service with dead letters, and whoever asks it."""

    service: str
    running: Running

    async def buries(self, event: Event, error: str = "NotYetKnown('KANARINSKI')", *, readable: bool = True) -> None:
        async with self.running.database.transaction() as session:
            session.add(
                DeadLetter(
                    event_id=event.event_id,
                    subject=event.subject,
                    type=event.type_name(),
                    occurred_at=event.occurred_at if readable else None,
                    body=event.body().decode() if readable else "{",
                    error=error,
                    attempts=10,
                    buried_at=NOW,
                )
            )

    async def asks(self, query: str, caller: Caller | None, **variables: Any) -> Any:
        schema = import_module(f"services.{self.service}.schema").schema
        result = await schema.execute(query, variable_values=variables, context_value=Context(self.running, caller, "fr"))
        if result.errors:
            return [getattr(error.original_error, "code", repr(error)) for error in result.errors]
        (value,) = result.data.values()
        return value

    async def lists(self, caller: Caller | None = AGENT, structure: str = "carteville", **more: Any) -> Any:
        query = f"query ($s: ID!, $f: Int, $a: String) {{ {self.service}DeadLetters(structure: $s, first: $f, after: $a) {{ {FIELDS} }} }}"
        return await self.asks(query, caller, s=structure, **{"f": 50, **more})

    async def retries(self, id: str, caller: Caller | None = AGENT, structure: str = "carteville") -> Any:
        query = f"""mutation ($s: ID!, $id: ID!) {{ retry{self.service.title()}DeadLetter(structure: $s, deadLetter: $id) {{
          ... on DeadLetterHandled {{ id }} ... on Refusal {{ code message }} }} }}"""
        return await self.asks(query, caller, s=structure, id=id)

    async def acts(self) -> list[str]:
        async with self.running.database.reading() as session:
            rows = (await (await session.connection()).execute(text("SELECT kind, account FROM act"))).all()
        return [f"{kind} by {account}" for kind, account in rows]

    async def left(self) -> list[str]:
        async with self.running.database.reading() as session:
            return list((await session.exec(select(DeadLetter.event_id))).all())


@pytest.fixture(params=SERVICES)
async def office(request: pytest.FixtureRequest, running: Callable[..., Awaitable[Running]]) -> Office:
    one = Office(request.param, await running(request.param, clock=Clock(frozen_at=NOW), start=False))
    if one.service == "identity":
        async with one.running.database.transaction() as session:
            await put_structure(session, one.running.clock, StructureSpec("carteville", "CarteVille", "Europe/Paris", "B"))
    return one


@pytest.mark.parametrize(
    ("error", "readable", "cause"),
    [
        ("NotYetKnown('family x')", True, Cause.NOT_YET_KNOWN),
        ("IntegrityError('(sqlite3...)')", True, Cause.DATABASE),
        ("KeyError('x')", True, Cause.MISTAKE),
        ("unreadable: x", False, Cause.UNREADABLE),
    ],
)
def test_why_is_read_from_the_kind_of_the_error_alone(error: str, readable: bool, cause: Cause) -> None:
    assert dead_letters.cause_of(error, readable=readable) is cause


async def test_agents_see_what_failed_and_nothing_of_what_it_says(office: Office) -> None:
    event = event_for(office.service)
    await office.buries(event)
    told = await office.lists()
    (one,) = told["nodes"]
    assert one == {
        "id": "event-0",
        "event": "mailer.mail_failed" if office.service == "identity" else "identity.structure_changed",
        "occurredAt": "2026-11-23T08:00:00Z",
        "failedAt": "2026-11-23T08:00:00Z",
        "attempts": 10,
        "cause": "NOT_YET_KNOWN",
        "why": dead_letters.say(Cause.NOT_YET_KNOWN, "fr"),
        "canBeRetried": True,
    }
    assert (told["totalCount"], "KANARINSKI" in str(told)) == (1, False)


async def test_it_is_handled_once_and_the_trail_says_who_asked(office: Office) -> None:
    await office.buries(event_for(office.service))
    assert await office.retries("event-0") == {"id": "event-0"}
    assert (await office.left(), await office.acts()) == ([], ["RETRY_DEAD_LETTER by anne"])
    again = await office.retries("event-0")
    assert (again["code"], await office.acts()) == ("DEAD_LETTER_GONE", ["RETRY_DEAD_LETTER by anne"])


async def test_what_still_fails_stays_and_says_so(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise NotYetKnown("KANARINSKI")

    event = event_for(office.service)
    monkeypatch.setitem(office.running.service.reactions, type(event), fails)
    await office.buries(event, error="KeyError('x')")
    await office.buries(event_for(office.service, 1), readable=False)
    told = await office.retries("event-0")
    assert (told["code"], "pas encore arrivée" in told["message"], "KANARINSKI" in told["message"]) == ("DEAD_LETTER_STAYS", True, False)
    unread = await office.retries("event-1")
    assert (unread["code"], "ne peut pas être lu" in unread["message"]) == ("DEAD_LETTER_STAYS", True)
    listed: Mapping[str, Any] = {one["id"]: one for one in (await office.lists())["nodes"]}
    assert (listed["event-0"]["attempts"], listed["event-0"]["cause"]) == (11, "NOT_YET_KNOWN")
    assert (listed["event-1"]["attempts"], listed["event-1"]["canBeRetried"]) == (10, False)
    assert await office.acts() == []


async def test_nobody_else_sees_or_retries_it(office: Office) -> None:
    await office.buries(event_for(office.service))
    for who, caller in OTHERS.items():
        refused = ["UNAUTHENTICATED" if who == "nobody" else "FORBIDDEN"]
        assert await office.lists(caller) == refused
        assert await office.retries("event-0", caller) == refused
    eve = OTHERS["an agent of another town"]
    if office.service == "identity":
        async with office.running.database.transaction() as session:
            for town in ("autreville", "Carteville"):
                await put_structure(session, office.running.clock, StructureSpec(town, town, "Europe/Paris", "B"))
    for town in ("autreville", "Carteville"):
        assert (await office.lists(eve, town))["nodes"] == []
        assert (await office.retries("event-0", eve, town))["code"] == "DEAD_LETTER_GONE"
    assert await office.left() == ["event-0"]


async def test_pages_go_on_where_the_one_before_ended(office: Office) -> None:
    for number in range(3):
        await office.buries(event_for(office.service, number))
    first = await office.lists(f=2)
    second = await office.lists(f=2, a=first["endCursor"])
    assert [one["id"] for one in first["nodes"] + second["nodes"]] == ["event-2", "event-1", "event-0"]
    assert (first["hasNextPage"], second["hasNextPage"]) == (True, False)
