"""Subscriptions at the gateway: what is true now, then after each change, to those who may see it and to nobody else.

The subgraphs are dictionaries, the broker is real; tests/flows/test_live.py has the whole system.
"""

import asyncio
import datetime as dt
import re
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway import following, live, sse
from gateway.cost import now
from services import topics
from services.events import BY_TYPE
from tests.facts import until
from tests.gateway.fakes import ACTIVITY, SUPERGRAPH
from tests.gateway.followers import events, wire
from tests.gateway.stage import Scene
from tests.nats_server import NatsServer

CALENDAR = """subscription($child: ID!, $month: YearMonth!) { calendarChanged(child: $child, month: $month) {
  days { date state revision booking { id priceCents child { firstName } } } } }"""
AMALIA = {"child": "amalia", "month": "2026-11"}
REQUEST = 'subscription { requestDecided(request: "r1") { id decided movements { booking { id } } } }'


def revision(data: Any) -> int:
    (day,) = data["calendarChanged"]["days"]
    found: int = day["revision"]
    return found


async def test_what_is_true_now_comes_first_joined_from_three_services(scene: Scene) -> None:
    async with events(scene.url, CALENDAR, AMALIA, token="t") as stream:
        (day,) = (await stream.data())["calendarChanged"]["days"]
        assert day["booking"] == {"id": "b23", "priceCents": 123, "child": {"firstName": "Amalia"}}

        await scene.changes()

        assert revision(await stream.data()) == 2
    # Every question carries the client's own token: whose data it is, the subgraphs decide each time.
    assert {"Authorization: Bearer t" in call.headers for call in scene.town.calls} == {True}


async def test_the_same_over_a_websocket_with_the_token_in_its_first_message(scene: Scene) -> None:
    async with wire(scene.url) as one:
        await one.begin("t")
        await one.follow("a", CALENDAR, AMALIA)
        assert revision(await one.data("a")) == 1
        await scene.changes()
        assert revision(await one.data("a")) == 2
    assert {"Authorization: Bearer t" in call.headers for call in scene.town.calls} == {True}


async def test_whoever_comes_back_gets_what_is_true_now_first(scene: Scene) -> None:
    """After whatever it says that it saw last."""
    async with events(scene.url, CALENDAR, AMALIA, last="41") as stream:
        assert revision(await stream.data()) == 1
    scene.revision = 7
    async with events(scene.url, CALENDAR, AMALIA, last="42") as stream:
        assert revision(await stream.data()) == 7


async def test_what_is_asked_once_over_a_stream_is_complete_even_if_the_gateway_ends(scene: Scene) -> None:
    """Whoever misses `complete` asks again; and it may have been a mutation."""
    scene.gateway.live.ending.set()
    async with events(scene.url, "mutation { signOut }") as stream:
        assert await stream.data() == {"signOut": True}
        assert await stream.one() == ("complete", None)


async def test_by_get_too(scene: Scene) -> None:
    async with events(scene.url, CALENDAR, AMALIA, method="GET") as stream:
        assert revision(await stream.data()) == 1


async def test_events_that_concern_the_calendar(scene: Scene) -> None:
    movements = [{"child": "paolo", "date": "2026-11-24"}, {"child": "amalia", "date": "2026-11-24"}]
    async with events(scene.url, CALENDAR, AMALIA) as stream:
        await stream.data()
        for name, data in (
            ("booking.requested", {"request": "r", "movements": movements}),
            ("booking.accepted", {"child": "amalia", "activity": "other", "date": "2026-11-24"}),
            ("booking.waitlisted", {"child": "amalia", "date": "2026-11-24", "request": None}),
            ("booking.refused", {"child": "amalia", "date": "2026-11-24"}),
            ("booking.cancelled", {"child": "amalia", "date": "2026-11-24"}),
            ("booking.expired", {"child": "amalia", "date": "2026-11-24"}),
            ("booking.capacity_changed", {"activity": "aps-matin", "date": "2026-11-02", "capacity": None}),
            ("booking.activity_changed", {"activity": "aps-matin", "capacity": None}),
        ):
            scene.revision += 1
            await scene.tell(name, **data)
            assert revision(await stream.data()) == scene.revision, name


async def test_events_that_do_not_concern_it_ask_nobody_anything(scene: Scene) -> None:
    async with events(scene.url, CALENDAR, AMALIA) as stream:
        await stream.data()
        for name, data in (
            ("booking.accepted", {"child": "paolo", "activity": "aps-matin", "date": "2026-11-24"}),
            ("booking.accepted", {"child": "amalia", "activity": "aps-matin", "date": "2026-12-24"}),
            ("booking.capacity_changed", {"activity": "aps-soir", "date": "2026-11-23"}),
            ("booking.capacity_changed", {"activity": "aps-matin", "date": "2026-12-23"}),
            ("booking.activity_changed", {"activity": "aps-soir"}),
            ("booking.request_decided", {"request": "r1", "movements": []}),
        ):
            await scene.tell(name, **data)
        await scene.client.publish("preau.carteville.booking.accepted", b"no event of ours")
        await scene.client.publish("preau.elsewhere.booking.accepted", b'{"child": "amalia", "date": "2026-11-24"}')
        await scene.changes()  # the first that does
        assert revision(await stream.data()) == 2
        assert scene.reads() == 2


async def test_each_look_is_paid_for_by_the_account_or_one_change_would_buy_many(scene: Scene) -> None:
    bounds = scene.gateway.bounds
    bounds.clock = lambda: 0.0
    async with wire(scene.url) as one:
        await one.begin("t")
        await one.follow("a", CALENDAR, AMALIA)
        await one.data("a")
        before = bounds.accounts._paid_at[hash("Bearer t")]
        await scene.changes()
        await one.data("a")
        paid = (bounds.accounts._paid_at[hash("Bearer t")] - before) * bounds.accounts.points
    documents = scene.gateway.documents
    plan = documents.plan(documents.operation(CALENDAR, None), AMALIA)
    assert round(paid) == now(plan.cost, AMALIA)


async def test_what_looks_the_same_is_not_sent_again(scene: Scene) -> None:
    async with events(scene.url, CALENDAR, AMALIA) as stream:
        await stream.data()
        await scene.changes(revision=1)
        await until(lambda: _so(scene.reads() == 2))
        await scene.changes()
        assert revision(await stream.data()) == 2


async def test_a_burst_of_changes_gives_few_updates_none_older_than_before_and_the_last_is_the_end(scene: Scene) -> None:
    async with events(scene.url, CALENDAR, AMALIA) as stream:
        seen = [revision(await stream.data())]
        for _ in range(200):
            await scene.changes()
        while seen[-1] < 201:
            seen.append(revision(await stream.data()))
        assert seen == sorted(seen)
        assert len(seen) < 60


async def test_a_change_during_a_read_is_read_after_it_never_beside_it(scene: Scene) -> None:
    """Two reads at once could overtake each other, and the older `revision` would come last."""
    gate, reading = asyncio.Event(), []

    async def slowly(*_: Any, **__: Any) -> dict[str, Any]:
        found = scene.calendar()
        reading.append(scene.revision)
        await gate.wait()
        return found

    scene.town.subgraphs["booking"].roots["calendarChanged"] = slowly
    async with events(scene.url, CALENDAR, AMALIA) as stream:
        await until(lambda: _so(reading == [1]))
        await scene.changes()
        (watcher,) = scene.gateway.live._watchers
        await until(lambda: _so(watcher.rung.is_set()))
        assert reading == [1]
        gate.set()
        assert [revision(await stream.data()), revision(await stream.data())] == [1, 2]


async def test_a_client_that_reads_nothing_costs_no_memory_and_then_gets_the_latest(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much changes meanwhile, one result is on its way, and what the network holds; the next is the latest."""
    monkeypatch.setattr(following, "SHORTEST_SECONDS", 0.0)
    monkeypatch.setattr(live, "READS_PER_SECOND", 1e6)
    long = {"month": "2026-11", "activity": ACTIVITY}
    scene.town.subgraphs["booking"].roots["calendarChanged"] = lambda _, **__: {
        **long,
        "days": [{"date": "2026-11-23", "state": "BOOKED", "revision": scene.revision, "reason": "x" * 3_000_000}],
    }
    query = CALENDAR.replace("booking { id priceCents child { firstName } }", "reason")
    async with events(scene.url, query, AMALIA) as stream:
        for _ in range(60):
            await scene.changes()
        await until(lambda: _quiet(scene))
        assert scene.reads() < 40, "it was read for somebody who takes nothing"
        seen = [0]
        while seen[-1] < 61:
            seen.append(revision(await stream.data()))
        assert seen == sorted(seen)


async def _quiet(scene: Scene) -> bool:
    """nothing is asked any more"""
    before = scene.reads()
    await asyncio.sleep(0.3)
    return scene.reads() == before


# --------------------------------------------------------------------------------------------------------- requestDecided
async def test_a_request_is_told_once_when_it_is_decided(scene: Scene) -> None:
    async with events(scene.url, REQUEST) as stream, wire(scene.url) as one:
        await one.begin()
        await one.follow("r", REQUEST)
        await until(lambda: _so(len(scene.gateway.live._watchers) == 2))
        await scene.tell("booking.request_decided", request="r1", movements=[])  # too early: the table decides
        scene.decided = True
        await scene.tell("booking.request_decided", request="r1", movements=[])
        assert (await stream.data())["requestDecided"]["decided"] is True
        assert await stream.one() == ("complete", None)
        assert (await one.data("r"))["requestDecided"]["decided"] is True
        assert await one.hear() == {"type": "complete", "id": "r"}


async def test_a_request_that_is_decided_already_is_told_at_once(scene: Scene) -> None:
    scene.decided = True
    async with events(scene.url, REQUEST) as stream:
        assert (await stream.data())["requestDecided"]["id"] == "r1"
        assert await stream.one() == ("complete", None)


async def test_a_request_that_is_decided_just_before_we_listen_is_told_at_once(scene: Scene) -> None:
    def decided_meanwhile(_: Any, request: str) -> Any:
        told = scene.watch(topics=[topics.request(request)], due=scene.decided, last=True)
        scene.decided = True  # and the event is told to nobody
        return told

    scene.town.subgraphs["booking"].roots["requestDecidedWatch"] = decided_meanwhile
    async with events(scene.url, REQUEST) as stream:
        assert (await stream.data())["requestDecided"]["decided"] is True
        assert await stream.one() == ("complete", None)


# ------------------------------------------------------------------------------------------------------------- who may see
async def test_who_may_not_see_it_is_refused_and_hears_nothing(scene: Scene) -> None:
    for code in ("UNAUTHENTICATED", "FORBIDDEN"):
        scene.refuses = code
        async with events(scene.url, CALENDAR, AMALIA) as stream:
            assert await stream.refusal() == code
        async with wire(scene.url) as one:
            await one.begin("nonsense")
            await one.follow("a", CALENDAR, AMALIA)
            assert await one.refusal("a") == code
    assert scene.gateway.live._watchers == set()
    assert scene.reads() == 0


async def test_who_may_not_see_it_any_more_is_told_so_at_the_next_change(scene: Scene) -> None:
    async with events(scene.url, CALENDAR, AMALIA) as stream:
        await stream.data()
        scene.refuses = "FORBIDDEN"
        await scene.changes()
        assert await stream.refusal() == "FORBIDDEN"


async def test_the_subscription_ends_with_the_sign_in(scene: Scene) -> None:
    scene.until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=0.5)
    async with events(scene.url, CALENDAR, AMALIA) as stream, wire(scene.url) as one:
        await one.begin("t")
        await one.follow("a", CALENDAR, AMALIA)
        await stream.data()
        await one.data("a")
        assert await stream.refusal() == "UNAUTHENTICATED"
        assert await one.refusal("a") == "UNAUTHENTICATED"


async def test_an_account_follows_so_many_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_PER_ACCOUNT", 1)
    async with events(scene.url, CALENDAR, AMALIA) as first:
        await first.data()
        async with events(scene.url, CALENDAR, AMALIA) as second:
            assert await second.refusal() == "TOO_MANY_SUBSCRIPTIONS"
        scene.account = "martin"
        async with events(scene.url, CALENDAR, AMALIA) as other:
            await other.data()
    await until(lambda: _so(not scene.gateway.live._watchers))
    async with events(scene.url, CALENDAR, AMALIA) as again:
        await again.data()


async def test_the_process_follows_so_many_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_SUBSCRIPTIONS", 0)
    async with events(scene.url, CALENDAR, AMALIA) as stream:
        assert await stream.refusal() == "TOO_MANY_SUBSCRIPTIONS"
    assert not [call for call in scene.town.calls if "Watch" in call.query], "the subgraph has no work with whoever is refused anyway"


async def test_the_last_places_are_for_calendars(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_SUBSCRIPTIONS", 1)
    monkeypatch.setattr(live, "KEPT_FOR_BOOKING", 1)
    async with events(scene.url, REQUEST) as looks, events(scene.url, CALENDAR, AMALIA) as books:
        assert await looks.refusal() == "TOO_MANY_SUBSCRIPTIONS"
        await books.data()
    assert [call for call in scene.town.calls if "Watch" in call.query], "control"


# ---------------------------------------------------------------------------------------------------------------- outages
async def test_without_a_broker_the_state_comes_and_when_it_is_back_so_do_changes(fragile: Scene, own_nats: NatsServer) -> None:
    own_nats.stop(kill=True)
    await until(lambda: _so(not fragile.gateway.live.bus.connected.is_set()))
    async with events(fragile.url, CALENDAR, AMALIA) as stream:
        assert revision(await stream.data()) == 1
        fragile.revision = 5  # nobody can tell us
        own_nats.start()
        assert revision(await stream.data()) == 5
        await until(lambda: _so(fragile.client.is_connected))
        await fragile.changes()
        assert revision(await stream.data()) == 6


async def test_a_broker_killed_meanwhile_loses_nothing(fragile: Scene, own_nats: NatsServer) -> None:
    async with events(fragile.url, CALENDAR, AMALIA) as stream:
        await stream.data()
        own_nats.stop(kill=True)
        fragile.revision = 5
        own_nats.start()
        assert revision(await stream.data()) == 5
        await until(lambda: _so(fragile.client.is_connected))
        await fragile.changes()
        assert revision(await stream.data()) == 6


async def test_a_message_that_was_lost_and_what_time_changes_is_found_by_the_regular_look(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.2)
    async with events(scene.url, CALENDAR, AMALIA) as stream:
        await stream.data()
        scene.revision = 2
        assert revision(await stream.data()) == 2


async def test_a_child_that_is_admitted_to_another_activity_is_followed_there_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.2)
    async with events(scene.url, CALENDAR, AMALIA) as stream:
        await stream.data()
        scene.topics.append(topics.openings("danse", "2026-11"))
        await until(lambda: _so(topics.openings("danse", "2026-11") in scene.gateway.live._by_topic))
        monkeypatch.setattr(following, "LOOK_SECONDS", 60.0)
        scene.revision = 2
        await scene.tell("booking.capacity_changed", activity="danse", date="2026-11-23")
        assert revision(await stream.data()) == 2


async def test_what_a_child_is_admitted_to_is_followed_from_the_moment_it_is(scene: Scene) -> None:
    """And not from the next look on, a minute later."""
    scene.topics.append(topics.enrollments("amalia"))
    async with events(scene.url, CALENDAR, AMALIA) as stream:
        await stream.data()
        scene.topics.append(topics.openings("danse", "2026-11"))
        scene.revision = 2
        await scene.tell("booking.enrollment_changed", child="amalia", activity="danse")
        assert revision(await stream.data()) == 2
        scene.revision = 3
        await scene.tell("booking.capacity_changed", activity="danse", date="2026-11-23")
        assert revision(await stream.data()) == 3


async def test_what_was_changed_while_the_broker_was_away_is_followed_when_it_is_back(fragile: Scene, own_nats: NatsServer) -> None:
    async with events(fragile.url, CALENDAR, AMALIA) as stream:
        await stream.data()
        own_nats.stop(kill=True)
        fragile.topics.append(topics.openings("danse", "2026-11"))  # nobody can tell us
        fragile.revision = 5
        own_nats.start()
        assert revision(await stream.data()) == 5
        await until(lambda: _so(fragile.client.is_connected))
        fragile.revision = 6
        await fragile.tell("booking.capacity_changed", activity="danse", date="2026-11-23")
        assert revision(await stream.data()) == 6


async def test_a_service_that_is_down_ends_no_subscription(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "RETRY_SECONDS", 0.1)
    async with events(scene.url, CALENDAR, AMALIA) as stream:
        await stream.data()
        scene.town.down.add("booking")
        await scene.changes()
        await until(lambda: _so(scene.reads() >= 3))
        scene.town.down.clear()
        assert revision(await stream.data()) == 2


async def test_a_service_that_is_down_costs_its_part_until_it_is_back(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "RETRY_SECONDS", 0.1)
    scene.town.down.add("identity")
    async with events(scene.url, CALENDAR, AMALIA) as stream:
        result = await stream.next()
        assert result["errors"][0]["extensions"]["code"] == "SUBGRAPH_UNAVAILABLE"
        scene.town.down.clear()
        assert (await stream.data())["calendarChanged"]["days"][0]["booking"]["child"] == {"firstName": "Amalia"}


async def test_a_service_that_is_down_at_the_beginning_is_said(scene: Scene) -> None:
    scene.town.down.add("booking")
    async with events(scene.url, CALENDAR, AMALIA) as stream:
        assert await stream.refusal() == "SUBGRAPH_UNAVAILABLE"


# -------------------------------------------------------------------------------------------------------------- connections
async def test_a_silent_stream_says_that_it_lives(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.05)
    async with events(scene.url, CALENDAR, AMALIA) as stream:
        await stream.data()
        waiting = asyncio.create_task(stream.data())
        await until(lambda: _so(stream.comments >= 2))
        await scene.changes()
        assert revision(await waiting) == 2


async def test_who_has_gone_is_followed_no_more_and_nothing_is_listened_for(scene: Scene) -> None:
    async with events(scene.url, CALENDAR, AMALIA) as stream, wire(scene.url) as one:
        await one.begin()
        await one.follow("a", CALENDAR, AMALIA)
        await one.data("a")
        await stream.data()
        assert len(scene.gateway.live._watchers) == 2
        assert live.FOLLOWED.labels("calendarChanged")._value.get() == 2
        assert {*scene.gateway.live._heard} == topics.subjects("carteville", scene.topics)
    await until(lambda: _so(not scene.gateway.live._watchers))
    await until(lambda: _so(not scene.gateway.live._heard))
    assert (scene.gateway.live._by_topic, scene.gateway.live._wanted) == ({}, {})
    assert live.FOLLOWED.labels("calendarChanged")._value.get() == 0


async def test_a_gateway_that_ends_says_so_at_once_and_completes_nothing(scene: Scene) -> None:
    """A client takes `complete` for the end of the matter, and would not come back."""
    async with events(scene.url, CALENDAR, AMALIA) as stream, wire(scene.url) as one:
        await one.begin()
        await one.follow("a", CALENDAR, AMALIA)
        await one.data("a")
        await stream.data()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        stopping = asyncio.create_task(scene.served.stop())
        assert await stream.one() == ("end", None)
        assert await one.closed() == 1012
        assert re.fullmatch(r"Service restart: come back in \d{3,4} ms", one.connection.close_reason or "")
        assert 500 <= int(stream.retry) <= 3000
        await stopping
        assert loop.time() - begun < 2, "it was cut instead of ending"


async def test_a_gateway_that_ends_says_so_at_once_to_all_whose_turn_has_not_come(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(events(scene.url, CALENDAR, AMALIA)) for _ in range(6)]
        for one in streams:
            await one.data()
        monkeypatch.setattr(live, "READS_PER_SECOND", 0.05)
        scene.gateway.live._next_read = asyncio.get_running_loop().time() + 20
        await scene.changes()
        await until(lambda: _so(len(scene.gateway.live._turns) == len(streams)))
        await scene.gateway.live.drain()
        assert [await one.one() for one in streams] == [("end", None)] * len(streams)
        assert all(500 <= int(one.retry) <= 3000 for one in streams)


async def test_who_leaves_before_its_turn_keeps_nobody_waiting(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "READS_PER_SECOND", 2.0)
    monkeypatch.setattr(live, "BURST_SECONDS", 0.0)
    waiting = [asyncio.create_task(scene.gateway.live.turn()) for _ in range(1000)]
    await asyncio.sleep(0)
    last = asyncio.create_task(scene.gateway.live.turn())
    await asyncio.sleep(0)
    for one in waiting:
        one.cancel()
    async with asyncio.timeout(100):  # one turn, not a thousand of half a second
        await last


async def test_turns_come_in_order_and_no_faster_than_they_may(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "READS_PER_SECOND", 50.0)
    monkeypatch.setattr(live, "BURST_SECONDS", 0.0)
    order, loop = list[int](), asyncio.get_running_loop()

    async def one(number: int) -> None:
        await scene.gateway.live.turn()
        order.append(number)

    begun = loop.time()
    await asyncio.gather(*(one(number) for number in range(12)))
    assert order == [*range(12)]
    assert loop.time() - begun > 11 / 50


# ------------------------------------------------------------------------------------------------------------ the operation
async def test_a_subscription_asks_for_one_field_without_conditions(scene: Scene) -> None:
    for query in (
        "subscription { __typename }",
        'subscription { calendarChanged(child: "a", month: "2026-11") { month } requestDecided(request: "r") { id } }',
        'subscription { calendarChanged(child: "a", month: "2026-11") @skip(if: true) { month } }',
        "subscription { nothing }",
    ):
        async with events(scene.url, query) as stream:
            assert await stream.refusal() == "GRAPHQL_VALIDATION_FAILED", query
    assert scene.town.calls == []


async def test_fragments_aliases_and_conditions_below(scene: Scene) -> None:
    query = """subscription($on: Boolean!) { ...S } fragment S on Subscription {
      cal: calendarChanged(child: "amalia", month: "2026-11") { days { rev: revision date @include(if: $on) } } }"""
    async with events(scene.url, query, {"on": False}) as stream:
        assert await stream.data() == {"cal": {"days": [{"rev": 1}]}}


async def test_a_query_over_a_stream_is_answered_once(scene: Scene) -> None:
    async with events(scene.url, "{ me { login } }") as stream:
        assert await stream.data() == {"me": {"login": "dupont"}}
        assert await stream.one() == ("complete", None)
    async with wire(scene.url) as one:
        await one.begin()
        await one.follow("q", "mutation { signOut }")
        assert await one.data("q") == {"signOut": True}
        assert await one.hear() == {"type": "complete", "id": "q"}


async def test_the_hidden_twins_are_hidden(scene: Scene) -> None:
    for query in (
        'query { calendarChanged(child: "amalia", month: "2026-11") { month } }',
        'query { calendarChangedWatch(child: "amalia", month: "2026-11") { account } }',
        'subscription { calendarChangedWatch(child: "amalia", month: "2026-11") { account } }',
    ):
        async with events(scene.url, query, AMALIA) as stream:
            assert await stream.refusal() == "GRAPHQL_VALIDATION_FAILED"
    assert "Watch" not in SUPERGRAPH.api.type_map
    assert SUPERGRAPH.api.query_type is not None
    assert not [name for name in SUPERGRAPH.api.query_type.fields if name.endswith(("Changed", "Decided", "Watch"))]


def test_every_subscription_of_the_api_has_its_twins() -> None:
    assert SUPERGRAPH.api.subscription_type is not None
    hidden = SUPERGRAPH.types["Query"].fields
    for name, one in SUPERGRAPH.api.subscription_type.fields.items():
        assert name in hidden
        assert f"{name}Watch" in hidden
        assert str(one.type) == f"{hidden[name].named}!"
        assert (
            hidden[name].joins.keys() == hidden[f"{name}Watch"].joins.keys() == SUPERGRAPH.types["Subscription"].fields[name].joins.keys()
        )


def test_every_event_that_wakes_is_one_that_is_published() -> None:
    for kind in topics.KINDS.values():
        for event in kind.events:
            assert BY_TYPE[event.type_name()] is event
            assert not event.internal


async def _so(fact: bool) -> bool:
    return fact
