"""A small town to tell stories about: `town` is the only vocabulary that a story needs. All goes through the gateway."""

import asyncio
import datetime as dt
import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx2
import yaml
from sqlmodel import col, update

from deploy.backlog import connect, settled, unpublished
from deploy.town.checking import read_town
from deploy.town.loading import load
from services.bus import BROKER_TROUBLE, STREAM
from services.clock import Clock
from services.database import Database
from services.identity.tables import AgentRole
from services.settings import Settings
from tests.facts import until
from tests.flows.system import System

TIMEZONE = os.environ.get("PREAU_TEST_TIMEZONE", "Europe/Paris")  #: Of the towns: Etc/GMT-14 to Etc/GMT+12 tell them at another hour.
PASSWORD = "Un-preau-sous-la-pluie-2026"
SIGN_IN = """mutation($login: String!, $password: String!) { signIn(login: $login, password: $password) {
  ... on SignedIn { accessToken refreshToken account { id } } ... on Refusal { code message } } }"""
SUBMIT = """mutation($input: SubmitInput!) { submitBookings(input: $input) {
  ... on Request { id number decided movements { change booking { id status rank date reason child { id } activity { id } }
    refusal { code message } } }
  ... on Refusal { code message } } }"""
REQUEST = """query($id: ID!) { request(id: $id) { id decided movements { change booking { id status rank date } refusal { code } } } }"""
BALANCE = """query($until: Date, $include: [HoldKind!]) { me { families { id balance(until: $until, include: $include) { inDebit
  balanceCents estimatedCostCents newBalanceCents
  lines { wallet { id name } balanceCents estimatedCostCents newBalanceCents suggestedPaymentCents } } } } }"""
BOOKINGS = """query($first: Int!) { me { families { id bookings(first: $first) { totalCount
  nodes { id date status rank child { id } activity { id } } } } } }"""

ids = itertools.count(1)


def today() -> dt.date:
    """In the towns, where it may be another day than in UTC."""
    return Clock().today(TIMEZONE)


def half_a_day_away() -> str:
    """A time of the towns' day, such as "02:00", that does not come while a story is told."""
    return f"{Clock().now().astimezone(ZoneInfo(TIMEZONE)) + dt.timedelta(hours=12):%H}:00"


def next_days(count: int, *, start_in: int = 30) -> list[dt.date]:
    """That many days in a row, far enough for every deadline."""
    first = today() + dt.timedelta(days=start_in)
    return [first + dt.timedelta(days=n) for n in range(count)]


def activity(id: str, **more: Any) -> dict[str, Any]:
    """Open every day of the year, as a town file has it."""
    week = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    return {
        "id": id,
        "name": id.upper(),
        "wallet": "periscolaire",
        "season": {"from": "today-40d", "to": "today+400d"},
        "weekdays": week,
        "school_holidays": "any",
        "open_on": [f"today+{n}d" for n in range(1, 120)],  # public holidays too: a story must not depend on the day it is told
        "capacity": 10,
        "waiting_list": 5,
        "hours": {"arrival": "07:30", "departure": "08:45"},
        "booking_deadline": {"days_before": 2, "at": "09:00"},
        "cancellation_deadline": {"days_before": 1, "at": "09:00"},
        "allocation": "immediate",
        "tariff": [{"from": "today-40d", "per": "presence", "bands": [{"cents": 131}]}],
    } | more


def family(id: str, *, children: Sequence[str] = (), activities: Sequence[str] = ("aps",), **more: Any) -> dict[str, Any]:
    names = children or (f"{id}-child",)

    def child(place: int, name: str) -> dict[str, Any]:
        birth = f"{2015 + place}-04-12"
        return {"id": name, "first_name": name.title(), "last_name": id.upper(), "birth_date": birth, "activities": list(activities)}

    return {
        "id": id,
        "number": f"{next(ids):06}",
        "accounts": [id],
        "quotient": 742,
        "children": [child(place, name) for place, name in enumerate(names)],
    } | more


@dataclass
class Family:
    """One signed-in adult."""

    town: "Town"
    id: str
    token: str
    refresh_token: str
    child: str

    async def ask(self, query: str, variables: dict[str, Any] | None = None, *, language: str = "fr") -> dict[str, Any]:
        """The data of an answer without errors."""
        answer = await self.town.post(query, variables, token=self.token, language=language)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def line(self, day: dt.date, *, change: str = "BOOK", activity: str = "aps", child: str | None = None, **hours: str) -> dict[str, Any]:
        town = self.town
        return {
            "change": change,
            "child": town.named(child or self.child),
            "activity": town.named(activity),
            "date": day.isoformat(),
            **hours,
        }

    async def submits(self, lines: Iterable[dict[str, Any]], *, key: str | None = None, **more: Any) -> dict[str, Any]:
        """submitBookings as it answers: a Request or a Refusal."""
        order = {"family": self.id, "idempotencyKey": key or uuid4().hex, "lines": list(lines), **more}
        result: dict[str, Any] = (await self.ask(SUBMIT, {"input": order}))["submitBookings"]
        return result

    async def insists(self, lines: Iterable[dict[str, Any]], *, key: str, within: float = 40.0) -> dict[str, Any]:
        """Submits with one key until an answer comes that is decided: what a client does whose connection breaks."""
        order = {"family": self.id, "idempotencyKey": key, "lines": list(lines)}
        decided: dict[str, Any] = {}

        async def answered() -> bool:
            try:
                answer = await self.town.post(SUBMIT, {"input": order}, token=self.token)
            except httpx2.HTTPError:
                return False
            if "errors" in answer:
                return False
            decided.update(answer["data"]["submitBookings"])
            return "decided" not in decided or decided["decided"]

        await until(answered, within=within)
        return decided

    async def asks(self, *days: dt.date, **more: Any) -> list[str]:
        """Books these days; returns the answers, such as ["ACCEPTED", "WAITLISTED 1", "REFUSED FULL"]."""
        return answers(await self.submits([self.line(day) for day in days], **more))

    async def cancels(self, *days: dt.date, **more: Any) -> list[str]:
        return answers(await self.submits([self.line(day, change="CANCEL") for day in days], **more))

    async def bookings(self) -> dict[str, str]:
        """Day -> status of what stands now."""
        found = (await self.ask(BOOKINGS, {"first": 500}))["me"]["families"]
        nodes = next(family for family in found if family["id"] == self.id)["bookings"]["nodes"]
        standing = [node for node in nodes if node["status"] in ("ACCEPTED", "WAITLISTED", "SUBMITTED")]
        return {node["date"]: node["status"] + (f" {node['rank']}" if node["rank"] else "") for node in standing}

    async def balance(self, **variables: Any) -> dict[str, Any]:
        found = (await self.ask(BALANCE, variables))["me"]["families"]
        balance: dict[str, Any] = next(family for family in found if family["id"] == self.id)["balance"]
        return balance

    async def cost(self) -> int:
        cents: int = (await self.balance())["estimatedCostCents"]
        return cents

    async def costs(self, cents: int, *, within: float = 20.0) -> None:
        """Wait until the estimated cost is this."""

        async def so() -> bool:
            return await self.cost() == cents

        await until(so, within=within)

    async def mails(self) -> list[dict[str, Any]]:
        return await self.town.system.mails(f"{self.town.login(self.id)}@example.org")


def answers(request: dict[str, Any]) -> list[str]:
    assert "movements" in request, request
    return [answer(movement) for movement in request["movements"]]


def answer(movement: dict[str, Any]) -> str:
    if movement["refusal"] is not None:
        return f"REFUSED {movement['refusal']['code']}"
    booking = movement["booking"]
    return booking["status"] + (f" {booking['rank']}" if booking["rank"] else "")


@dataclass
class Town:
    """One structure of the system, loaded from a town file."""

    system: System
    structure: str
    client: httpx2.AsyncClient
    file: dict[str, Any]
    families: dict[str, Family] = field(default_factory=dict)

    def named(self, id: str) -> str:
        """The stories' short ids are unique in their town only: as in real towns, the loader makes the others longer."""
        return f"{self.structure}-{id}"

    def login(self, id: str) -> str:
        return id

    async def post(
        self, query: str, variables: dict[str, Any] | None = None, *, token: str | None = None, language: str = "fr"
    ) -> dict[str, Any]:
        headers = {"accept-language": language} | ({"authorization": f"Bearer {token}"} if token else {})
        answer = await self.client.post(self.system.graphql, json={"query": query, "variables": variables or {}}, headers=headers)
        assert answer.status_code < 500, answer.text
        result: dict[str, Any] = answer.json()
        return result

    async def sign_in(self, id: str) -> Family:
        """By the family's short id."""
        login = self.named(id)
        result = (await self.post(SIGN_IN, {"login": login, "password": PASSWORD}))["data"]["signIn"]
        assert "accessToken" in result, result
        return Family(self, login, result["accessToken"], result["refreshToken"], f"{id}-child")

    async def agent(self) -> Family:
        """Of the town hall: signed in, and without a family."""
        result = (await self.post(SIGN_IN, {"login": self.named("agent"), "password": PASSWORD}))["data"]["signIn"]
        assert "accessToken" in result, result
        return Family(self, "", result["accessToken"], result["refreshToken"], "")

    async def administrator(self) -> Family:
        """The agent, who administers the structure from now on."""
        database = Database(self.system.databases["identity"])
        try:
            async with database.transaction() as session:
                await session.exec(update(AgentRole).where(col(AgentRole.structure_id) == self.structure).values(administrator=True))
        finally:
            await database.close()
        return await self.agent()

    async def everybody(self, *names: str) -> list[Family]:
        return list(await asyncio.gather(*(self.sign_in(name) for name in names)))


async def found(system: System, folder: Path, *, activities: Sequence[dict[str, Any]], families: Sequence[dict[str, Any]]) -> Town:
    """Load a new town with these, by the product's own loader, and wait until every service knows it."""
    structure = f"town{next(ids)}"
    file = renamed(structure, activities, families)
    file["accounts"].append(
        {"login": f"{structure}-agent", "password": PASSWORD, "first_name": "Anne", "last_name": "MARTIN", "agent": True}
    )
    path = folder / f"{structure}.yaml"
    path.write_text(yaml.safe_dump(file, allow_unicode=True, sort_keys=False))
    await load_file(system, path)
    return Town(system, structure, system.client(), file)


async def load_file(system: System, path: Path) -> None:
    settings = Settings.from_environment(system.environment)
    databases = {service: Database(settings.database_urls[service]) for service in ("identity", "billing", "booking")}
    try:
        await load([read_town(path, Clock())], databases, Clock(), step=lambda: None)
    finally:
        for database in databases.values():
            await database.close()
    await all_heard(system)


async def all_heard(system: System, *, within: float = 90.0) -> None:
    """Wait until everybody has heard everything, which takes its time on a busy machine, after what a test before killed or held up.

    Who has not, says what of which stream, and how each process does.
    """
    settings = Settings.from_environment(system.environment)
    if not await settled(settings, within):
        raise AssertionError(f"not everything is heard within {within:g} s: {await left(settings)}; {await system.health()}")


async def left(settings: Settings) -> str:
    """What is still on its way, such as "booking has still to publish 3"."""
    found = [f"{service} has still to publish {count}" for service, count in (await unpublished(settings)).items() if count]
    try:
        bus = await connect(settings)
    except BROKER_TROUBLE as error:
        return "; ".join([*found, f"the broker cannot be asked: {error!r}"])
    try:
        for stream in STREAM.values():
            for one in await bus.jetstream.consumers_info(stream):
                waiting, in_hand = one.num_pending or 0, one.num_ack_pending or 0
                if waiting or in_hand:
                    found.append(
                        f"{one.name} has {waiting} of {stream} before it and {in_hand} in hand, {one.num_redelivered or 0} of them again"
                    )
    finally:
        await bus.close()
    return "; ".join(found) or "nothing any more"


def renamed(structure: str, activities: Sequence[dict[str, Any]], families: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A town file whose every id begins with the town's."""

    def ours(id: str) -> str:
        return f"{structure}-{id}"

    def child(one: dict[str, Any]) -> dict[str, Any]:
        return {**one, "id": ours(one["id"]), "activities": [ours(activity) for activity in one["activities"]]}

    def family(one: dict[str, Any]) -> dict[str, Any]:
        children = [child(kid) for kid in one["children"]]
        bookings = [{**line, "child": ours(line["child"]), "activity": ours(line["activity"])} for line in one.get("bookings", ())]
        moved = {part: [{**line, "wallet": ours(line["wallet"])} for line in one.get(part, ())] for part in ("payments", "charges")}
        return (
            {**one, "id": ours(one["id"]), "accounts": [ours(login) for login in one["accounts"]], "children": children}
            | moved
            | {"bookings": bookings}
        )

    logins = sorted({login for one in families for login in one["accounts"]})
    return {
        "structure": {"id": structure, "name": f"Mairie de {structure.title()}", "timezone": TIMEZONE, "school_zone": "B"},
        "announcements": [{"title": "Inscriptions", "body": "Les réservations sont ouvertes.", "from": "today"}],
        "wallets": [{"id": ours("periscolaire"), "name": "PERISCOLAIRE"}, {"id": ours("multi"), "name": 'Multiaccueil "Les Tagazoux"'}],
        "activities": [{**one, "id": ours(one["id"]), "wallet": ours(one["wallet"])} for one in activities],
        "accounts": [
            {
                "login": ours(login),
                "password": PASSWORD,
                "title": "M.",
                "first_name": "Jean-Paul",
                "last_name": login.upper(),
                "email": f"{ours(login)}@example.org",
            }
            for login in logins
        ],
        "families": [family(one) for one in families],
    }
