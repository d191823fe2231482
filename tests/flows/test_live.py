"""Live (S24): what a family looks at changes while it looks. Real processes, over server-sent events and over WebSocket."""

import asyncio
import datetime as dt
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import Family, Town, activity, all_heard, answers, family, half_a_day_away, load_file, next_days
from tests.gateway.followers import Events, Wire, events, wire

CALENDAR = """subscription($child: ID!, $month: YearMonth!, $activity: ID) { calendarChanged(child: $child, month: $month, activity: $activity) {
  days { date state placesLeft revision booking { status rank child { firstName } } } } }"""
REQUEST = """subscription($request: ID!) { requestDecided(request: $request) { id decided
  movements { change booking { id status rank date } refusal { code } } } }"""
ENROLL = """mutation($input: EnrollChildInput!) { enrollChild(input: $input) { ... on Enrollment { from } ... on Refusal { code } } }"""
BALANCE = "subscription($family: ID!) { balanceChanged(family: $family) { estimatedCostCents } }"


def month_of(one: Family, day: dt.date, activity: str | None = "aps") -> dict[str, Any]:
    town = one.town
    return {"child": town.named(one.child), "month": day.isoformat()[:7], "activity": town.named(activity) if activity else None}


class Month:
    """One day of a calendar that is followed."""

    def __init__(self, stream: Events | Wire, day: dt.date) -> None:
        self.stream = stream
        self.day = day.isoformat()
        self.revision = -1
        self.updates = 0

    async def shows(self, state: str, booking: str | None = None) -> dict[str, Any]:
        """The day, once it is in this state and the booking in that. Its revision never falls on the way."""
        while True:
            data = await (self.stream.data("m") if isinstance(self.stream, Wire) else self.stream.data())
            self.updates += 1
            found: dict[str, Any] = next(one for one in data["calendarChanged"]["days"] if one["date"] == self.day)
            assert found["revision"] >= self.revision, f"{found['revision']} after {self.revision}"
            self.revision = found["revision"]
            if found["state"] == state and (booking is None or found["booking"]["status"] == booking):
                return found


async def test_s24_another_family_takes_the_last_place_and_gives_it_back(found: Found, system: System) -> None:
    town = await found(
        activities=[activity("aps", capacity=1, waiting_list=0)], families=[family(name) for name in ("dupont", "martin", "petit")]
    )
    dupont, martin, petit = await town.everybody("dupont", "martin", "petit")
    (day,) = next_days(1)
    async with (
        events(system.gateway, CALENDAR, month_of(dupont, day), token=dupont.token) as stream,
        wire(system.gateway) as one,
    ):
        await one.begin(petit.token)
        await one.follow("m", CALENDAR, month_of(petit, day, None))  # all activities together (S32)
        months = [Month(stream, day), Month(one, day)]
        for month in months:
            before = await month.shows("AVAILABLE")
            assert before["revision"] == 0
        await martin.asks(day)
        for month in months:
            assert (await month.shows("FULL"))["revision"] > before["revision"]
        full = months[0].revision
        await martin.cancels(day)
        for month in months:
            await month.shows("AVAILABLE")
        assert months[0].revision > full


async def test_s36_a_place_from_the_waiting_line_arrives_without_asking(found: Found, system: System) -> None:
    town = await found(activities=[activity("aps", capacity=1)], families=[family("dupont"), family("martin")])
    dupont, martin = await town.everybody("dupont", "martin")
    (day,) = next_days(1)
    await martin.asks(day)
    async with (
        events(system.gateway, CALENDAR, month_of(dupont, day), token=dupont.token) as stream,
        events(system.gateway, BALANCE, {"family": dupont.id}, token=dupont.token) as money,
    ):
        month = Month(stream, day)
        assert (await month.shows("WAITLIST_OPEN"))["booking"] is None
        assert (await money.data())["balanceChanged"] == {"estimatedCostCents": 0}
        await dupont.asks(day)
        waits = await month.shows("WAITING", "WAITLISTED")  # perhaps SUBMITTED before
        assert waits["booking"] == {"status": "WAITLISTED", "rank": 1, "child": {"firstName": "Dupont-Child"}}
        await martin.cancels(day)
        has = await month.shows("BOOKED", "ACCEPTED")
        assert has["revision"] > waits["revision"]
        assert (await money.data())["balanceChanged"] == {"estimatedCostCents": 131}


async def test_s32_a_child_that_is_admitted_sees_the_activity_at_once(found: Found, system: System) -> None:
    """Sooner than by the gateway's look a minute, for which no client here has the patience."""
    town = await found(activities=[activity("aps")], families=[family("dupont", activities=())])
    dupont, agent = await town.sign_in("dupont"), await town.agent()
    (day,) = next_days(1)
    admitted = {"child": town.named(dupont.child), "activity": town.named("aps")}
    async with events(system.gateway, CALENDAR, month_of(dupont, day, None), token=dupont.token) as stream:
        month = Month(stream, day)
        await month.shows("CLOSED")
        assert (await agent.ask(ENROLL, {"input": admitted}))["enrollChild"] == {"from": None}
        await month.shows("AVAILABLE")
        await dupont.asks(day)  # what the child is admitted to now is listened to, too
        await month.shows("BOOKED", None)


async def test_s35_a_request_that_waits_for_its_answer_is_told_when_it_has_it(found: Found, system: System, tmp_path: Path) -> None:
    """The activity's requests wait for a run; when the town lets it answer at once, those that wait are answered."""
    town = await found(
        activities=[activity("aps", allocation={"scheduled_at": half_a_day_away(), "policy": "arrival"})],
        families=[family("dupont"), family("martin")],
    )
    dupont, martin = await town.everybody("dupont", "martin")
    days = next_days(2)
    request = await dupont.submits([dupont.line(day) for day in days])
    assert request["decided"] is False
    asked = {"request": request["id"]}
    async with (
        events(system.gateway, REQUEST, asked, token=dupont.token) as stream,
        wire(system.gateway) as one,
        events(system.gateway, REQUEST, asked, token=martin.token) as foreign,
    ):
        await one.begin(dupont.token)
        await one.follow("r", REQUEST, asked)
        assert await foreign.refusal() == "FORBIDDEN"
        await _answers_at_once(system, town, tmp_path)
        for told in ((await stream.data())["requestDecided"], (await one.data("r"))["requestDecided"]):
            assert told["decided"] is True
            assert answers(told) == ["ACCEPTED", "ACCEPTED"]
        assert await stream.one() == ("complete", None)
        assert await one.hear() == {"type": "complete", "id": "r"}
    async with events(system.gateway, REQUEST, asked, token=dupont.token) as again:
        assert (await again.data())["requestDecided"]["decided"] is True
        assert await again.one() == ("complete", None)


async def test_nobody_follows_what_is_anothers_nor_signed_out(found: Found, system: System) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont"), family("martin")])
    elsewhere = await found(activities=[activity("aps")], families=[family("petit")])
    dupont, martin = await town.everybody("dupont", "martin")
    petit = await elsewhere.sign_in("petit")
    (day,) = next_days(1)
    request = (await dupont.submits([dupont.line(day)]))["id"]
    subscriptions = ((CALENDAR, month_of(dupont, day)), (REQUEST, {"request": request}), (BALANCE, {"family": dupont.id}))
    bad = dupont.token[:-4] + ("aaaa" if not dupont.token.endswith("aaaa") else "bbbb")
    for token, code in ((martin.token, "FORBIDDEN"), (petit.token, "FORBIDDEN"), (None, "UNAUTHENTICATED"), (bad, "UNAUTHENTICATED")):
        async with wire(system.gateway) as one:
            await one.begin(token)
            for n, (query, variables) in enumerate(subscriptions):
                async with events(system.gateway, query, variables, token=token) as stream:
                    assert await stream.refusal() == code
                await one.follow(str(n), query, variables)
                assert await one.refusal(str(n)) == code
            # Nothing of it comes later either: the next word on the socket is the answer to the next question.
            await martin.asks(day)
            await martin.cancels(day)
            await one.say(type="ping")
            assert await one.hear() == {"type": "pong"}


async def test_a_burst_of_bookings_is_few_updates_and_the_last_is_the_end(found: Found, system: System) -> None:
    names = [f"f{n}" for n in range(6)]
    town = await found(activities=[activity("aps", capacity=10)], families=[family("dupont"), *(family(name) for name in names)])
    dupont, *others = await town.everybody("dupont", *names)
    (day,) = next_days(1)
    async with events(system.gateway, CALENDAR, month_of(dupont, day), token=dupont.token) as stream:
        month = Month(stream, day)
        await month.shows("AVAILABLE")

        async def to_and_fro(one: Family) -> None:
            for _ in range(12):
                await one.asks(day)
                await one.cancels(day)
            await one.asks(day)

        await asyncio.gather(*map(to_and_fro, others))  # 150 changes
        while (await month.shows("AVAILABLE"))["placesLeft"] != 4:
            pass
        assert month.updates < 100


async def test_after_the_broker_was_killed_and_came_back_the_next_change_arrives(found: Found, system: System) -> None:
    town = await found(activities=[activity("aps", capacity=1, waiting_list=0)], families=[family("dupont"), family("martin")])
    dupont, martin = await town.everybody("dupont", "martin")
    (day,) = next_days(1)
    async with events(system.gateway, CALENDAR, month_of(dupont, day), token=dupont.token) as stream:
        month = Month(stream, day)
        await month.shows("AVAILABLE")
        system.nats.stop(kill=True)
        await martin.asks(day)  # booking needs no broker
        system.nats.start()
        await month.shows("FULL")
        await martin.cancels(day)
        await month.shows("AVAILABLE")
    await all_heard(system)  # the next story finds everybody connected again


async def test_a_gateway_that_ends_lets_go_of_its_streams_and_another_goes_on(found: Found, system: System) -> None:
    town = await found(activities=[activity("aps", capacity=1, waiting_list=0)], families=[family("dupont"), family("martin")])
    dupont, martin = await town.everybody("dupont", "martin")
    (day,) = next_days(1)
    async with (
        wire(system.gateway) as one,
        events(system.gateway, CALENDAR, month_of(dupont, day), token=dupont.token) as stream,
    ):
        await one.begin(dupont.token)
        await one.follow("m", CALENDAR, month_of(dupont, day))
        await Month(one, day).shows("AVAILABLE")
        await Month(stream, day).shows("AVAILABLE")
        await asyncio.to_thread(system.terminate, "gateway")
        assert await stream.one() == ("end", None)
        assert await one.closed() == 1012
    await asyncio.to_thread(system.start, "gateway")
    await martin.asks(day)
    async with events(system.gateway, CALENDAR, month_of(dupont, day), token=dupont.token) as again:
        await Month(again, day).shows("FULL")  # whatever happened meanwhile


async def test_a_gateway_that_is_told_to_end_under_load_fails_nobody(found: Found, system: System) -> None:
    """Whoever cannot connect to it any more asks the other, as behind a load balancer; nothing that was sent goes without its answer."""
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    dupont = await town.sign_in("dupont")
    ending = await asyncio.to_thread(system.start_another, "gateway")
    old, new = (f"http://127.0.0.1:{system.ports[name]}" for name in (ending, "gateway"))
    answered, told, over = Counter[str](), set[int](), asyncio.Event()

    async def asks() -> None:
        at = old
        async with httpx2.AsyncClient(timeout=60, headers={"authorization": f"Bearer {dupont.token}"}) as client:
            while not over.is_set():
                try:
                    answer = await client.post(f"{at}/graphql", json={"query": "{ me { login } }"})
                except httpx2.ConnectError:
                    at = new
                    continue
                assert answer.json() == {"data": {"me": {"login": dupont.id}}}
                answered[at] += 1
                assert (answer.headers.get("connection") == "close") <= (at == old)

    async def looks() -> None:
        async with httpx2.AsyncClient(timeout=60) as client:
            with suppress(httpx2.ConnectError, httpx2.ReadError):  # Cut off: that, too, is an answer.
                while True:
                    told.add((await client.get(f"{old}/readyz")).status_code)

    async def at(address: str) -> bool:
        return answered[address] >= 50

    async with asyncio.TaskGroup() as everybody:
        for _ in range(8):
            everybody.create_task(asks())
        looking = everybody.create_task(looks())
        await until(lambda: at(old))
        assert await asyncio.to_thread(system.terminate, ending) < 3
        await looking
        await until(lambda: at(new))
        over.set()
    assert told == {200, 503}, "a load balancer learns of it in time"


async def test_the_gateway_says_how_many_are_followed(found: Found, system: System) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    dupont = await town.sign_in("dupont")
    (day,) = next_days(1)

    async def followed() -> float:
        text = (await town.client.get("/metrics")).text
        lines = [line for line in text.splitlines() if line.startswith('preau_gateway_subscriptions{name="calendarChanged"}')]
        return float(lines[0].split()[-1]) if lines else 0.0

    async with events(system.gateway, CALENDAR, month_of(dupont, day), token=dupont.token) as stream:
        await stream.data()
        assert await followed() == 1

    async def nobody() -> bool:
        """nobody is followed any more"""
        return await followed() == 0

    await until(nobody)


async def _answers_at_once(system: System, town: Town, folder: Path) -> None:
    """The town loads its file again."""
    changed = {**town.file, "activities": [{**one, "allocation": "immediate"} for one in town.file["activities"]]}
    path = folder / "again.yaml"
    path.write_text(yaml.safe_dump(changed, allow_unicode=True, sort_keys=False))
    await load_file(system, path)
