"""`graphql-transport-ws`, message by message: what is right, what is not, and what closes the socket."""

import asyncio
import json
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway import asking, live, sockets
from tests.facts import until
from tests.gateway.fakes import Town
from tests.gateway.followers import Wire, events, wire
from tests.gateway.stage import Scene
from tests.gateway.test_seen import value

CALENDAR = 'subscription { calendarChanged(child: "amalia", month: "2026-11") { days { revision } } }'


async def test_ping_is_answered_before_and_after_the_beginning(scene: Scene) -> None:
    async with wire(scene.url) as one:
        await one.say(type="ping")
        assert await one.hear() == {"type": "pong"}
        await one.begin()
        await one.say(type="ping", payload={"n": 1})
        assert await one.hear() == {"type": "pong", "payload": {"n": 1}}
        await one.say(type="pong")
        await one.say(type="ping")
        assert await one.hear() == {"type": "pong"}


async def test_several_operations_on_one_socket_each_with_its_id(scene: Scene) -> None:
    async with wire(scene.url) as one:
        await one.begin()
        for id in ("a", "b"):
            await one.follow(id, CALENDAR)
            await one.data(id)
        await one.say(type="complete", id="a")
        await one.say(type="complete", id="a")  # they may cross on the way
        await one.say(type="complete", id="never")
        await until(lambda: _so(len(scene.gateway.live._watchers) == 1))
        await scene.changes()
        assert (await one.data("b"))["calendarChanged"]["days"] == [{"revision": 2}]
        await one.follow("a", "{ me { login } }")  # the id is free again
        assert await one.data("a") == {"me": {"login": "dupont"}}
        assert await one.hear() == {"type": "complete", "id": "a"}


async def test_what_is_asked_wrongly_is_an_error_of_its_operation_alone(scene: Scene) -> None:
    async with wire(scene.url) as one:
        await one.begin()
        for id, query, code in (
            ("a", "{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
            ("a", "{ me { ", "GRAPHQL_PARSE_FAILED"),
            ("a", 'subscription($m: YearMonth!) { calendarChanged(child: "amalia", month: $m) { month } }', "BAD_USER_INPUT"),
            ("a", "query A { me { login } } query B { me { login } }", "OPERATION_RESOLUTION_FAILURE"),
            ("a", "{ me { login } }" + " " * 40_000, "OPERATION_TOO_LARGE"),
        ):
            await one.follow(id, query)
            assert await one.refusal(id) == code
        await one.follow("b", "{ me { login } }")
        assert await one.data("b") == {"me": {"login": "dupont"}}


async def test_a_hundred_subscriptions_are_ten_and_ninety_refusals(scene: Scene) -> None:
    async with wire(scene.url) as one:
        await one.begin()
        for n in range(100):
            await one.follow(f"s{n}", CALENDAR)
        heard = [await one.hear() for _ in range(100)]
        assert sorted(told["type"] for told in heard) == ["error"] * 90 + ["next"] * 10
        assert {told["payload"][0]["extensions"]["code"] for told in heard if told["type"] == "error"} == {"TOO_MANY_SUBSCRIPTIONS"}
        await scene.changes()
        assert {(await one.hear())["id"] for _ in range(10)} == {told["id"] for told in heard if told["type"] == "next"}


BEGINNINGS: tuple[tuple[Any, int], ...] = (
    ('{"type": "subscribe", "id": "a", "payload": {"query": "{ me { login } }"}}', 4401),
    ("{", 4400),
    ("", 4400),
    ("[]", 4400),
    ("null", 4400),
    ('"ping"', 4400),
    ("{}", 4400),
    ('{"type": 1}', 4400),
    ('{"type": "start"}', 4400),
    ('{"type": "connection_ack"}', 4400),
    ('{"type": "connection_init", "payload": []}', 4400),
    ('{"type": "connection_init", "payload": {"Authorization": 1}}', 4400),
    ('{"type": "connection_init", "payload": {"Authorization": "Bearer a\\r\\nX-Forwarded-For: 1.2.3.4"}}', 4400),
    ('{"type": "connection_init", "payload": {"Authorization": "Bearer \\u00e9"}}', 4400),
    ('{"type": "connection_init", "payload": {"Authorization": "Bearer ' + "x" * 40_000 + '"}}', 4400),
    ('{"type": "complete"}', 4400),
    (b"\x00\x01", 4400),
    ("[" * 100_000, 4400),
    ('{"type": "ping", "payload": "' + "x" * 300_000 + '"}', 1009),
)


async def test_what_closes_a_socket_at_once(scene: Scene) -> None:
    for said, code in BEGINNINGS:
        async with wire(scene.url) as one:
            await one.connection.send(said)
            assert await one.closed() == code, said
    assert scene.town.calls == []


LATER: tuple[tuple[dict[str, Any], int], ...] = (
    ({"type": "connection_init"}, 4429),
    ({"type": "subscribe", "id": "a", "payload": {"query": "{ me { login } }"}}, 4409),
    ({"type": "subscribe", "payload": {"query": "{ me { login } }"}}, 4400),
    ({"type": "subscribe", "id": "", "payload": {"query": "{ me { login } }"}}, 4400),
    ({"type": "subscribe", "id": "x" * 1000, "payload": {"query": "{ me { login } }"}}, 4400),
    ({"type": "subscribe", "id": 1, "payload": {"query": "{ me { login } }"}}, 4400),
    ({"type": "subscribe", "id": "b"}, 4400),
    ({"type": "subscribe", "id": "b", "payload": {}}, 4400),
    ({"type": "subscribe", "id": "b", "payload": {"query": 1}}, 4400),
    ({"type": "subscribe", "id": "b", "payload": {"query": "{ me { login } }", "variables": []}}, 4400),
)


async def test_what_closes_a_socket_that_was_in_use_and_all_on_it(scene: Scene) -> None:
    for told, code in LATER:
        async with wire(scene.url) as one:
            await one.begin()
            await one.follow("a", CALENDAR)
            await one.data("a")
            await one.say(**told)
            assert await one.closed() == code, told
        await until(lambda: _so(not scene.gateway.live._watchers))


async def test_a_long_id_is_named_in_a_reason_that_fits(scene: Scene) -> None:
    async with wire(scene.url) as one:
        await one.begin()
        for _ in range(2):
            await one.follow("é" * 200, CALENDAR)
        assert await one.closed() == 4409
        assert (one.connection.close_reason or "").startswith("Subscriber for éé")


async def test_another_protocol_is_not_spoken(scene: Scene) -> None:
    for protocol in ("graphql-ws", None):
        async with wire(scene.url, protocol=protocol) as one:
            assert await one.closed() == 4406


async def test_pages_of_other_sites_may_not_connect(scene: Scene) -> None:
    for origin in ("https://elsewhere.example", "null", "https://portail.example.org.evil.example", "file://"):
        with pytest.raises(InvalidStatus) as refused:
            async with wire(scene.url, origin=origin):
                pass
        assert refused.value.response.status_code == 403
    for origin in ("https://portail.example.org", scene.url):
        async with wire(scene.url, origin=origin) as one:
            await one.begin()


async def test_the_token_may_come_with_the_handshake(scene: Scene) -> None:
    async with wire(scene.url, additional_headers={"Authorization": "Bearer h", "Accept-Language": "en"}) as one:
        await one.begin()
        await one.follow("a", CALENDAR)
        await one.data("a")
    assert all("Authorization: Bearer h\r\nAccept-Language: en\r\n" in call.headers for call in scene.town.calls)
    async with wire(scene.url, additional_headers={"Authorization": "Bearer h"}) as one:
        await one.begin("later")
        await one.follow("a", "{ me { login } }")
        await one.data("a")
    assert "Bearer later" in scene.town.calls[-1].headers
    assert "Bearer h" not in scene.town.calls[-1].headers


@pytest.mark.parametrize(("language", "says"), [("fr", "x : une valeur est attendue."), ("en", "non-null type 'Boolean!'")])
async def test_a_value_that_does_not_fit_is_told_in_the_clients_language(scene: Scene, language: str, says: str) -> None:
    query = "query($x: Boolean!) { me { login @include(if: $x) } }"
    async with wire(scene.url, additional_headers={"Accept-Language": language}) as one:
        await one.begin()
        await one.follow("a", query)
        told = await one.hear()
    assert (told["type"], told["payload"][0]["extensions"]) == ("error", {"code": "BAD_USER_INPUT"})
    assert says in told["payload"][0]["message"]


async def test_who_never_begins_is_sent_away(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "INIT_SECONDS", 0.05)
    async with wire(scene.url) as one:
        assert await one.closed() == 4408


async def test_a_socket_that_carries_something_is_pinged_and_one_that_does_not_is_closed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("INIT_SECONDS", "HEARTBEAT_SECONDS", "IDLE_SECONDS"):
        monkeypatch.setattr(sockets, name, 0.1)
    async with wire(scene.url) as one:
        await one.begin()
        await one.follow("a", CALENDAR)
        await one.data("a")
        for _ in range(3):
            assert json.loads(await one.connection.recv()) == {"type": "ping"}
        await one.say(type="complete", id="a")
        assert await one.closed() == 1000


async def test_so_many_sockets_and_no_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "MOST_SOCKETS", 1)
    async with wire(scene.url) as one:
        await one.begin()
        with pytest.raises(InvalidStatus) as refused:
            async with wire(scene.url):
                pass
        assert refused.value.response.status_code == 503


async def test_one_address_has_so_many_connections_and_others_have_theirs(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets and streams together, whether they follow anything or not. Elsewhere is behind another address."""
    monkeypatch.setattr(live, "MOST_PER_VISITOR", 2)
    address = "192.0.2.1"
    monkeypatch.setattr(asking, "household_of", lambda _: address)
    async with wire(scene.url), events(scene.url, CALENDAR) as stream:
        await stream.data()
        with pytest.raises(InvalidStatus) as refused:
            async with wire(scene.url):
                pass
        assert refused.value.response.status_code == 429
        async with httpx2.AsyncClient(base_url=scene.url, timeout=60) as client:
            asked = {"headers": {"accept": "text/event-stream"}, "json": {"query": CALENDAR}}
            answer = await client.post("/graphql", **asked)
            assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (429, "TOO_MANY_CONNECTIONS")
            assert (await client.post("/graphql", json={"query": "{ me { login } }"})).status_code == 200, (
                "what does not stay is not counted"
            )
        address = "192.0.2.2"
        async with wire(scene.url) as elsewhere:
            await elsewhere.begin()
        address = "192.0.2.1"
    await until(lambda: _so(not scene.gateway.live._streaming))
    async with wire(scene.url) as again:
        await again.begin()


async def test_who_takes_nothing_is_cut(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "SEND_SECONDS", 0.2)
    scene.town.subgraphs["booking"].roots["calendarChanged"] = lambda _, **__: {"days": [{"reason": "x" * 30_000_000}]}
    async with wire(scene.url, max_size=None) as one:
        await one.begin()
        one.connection.transport.pause_reading()
        for n in range(3):
            await one.follow(f"s{n}", CALENDAR.replace("revision", "reason"))
        await until(lambda: _so(len(scene.gateway.live._watchers) == 3))
        await until(lambda: _so(not scene.gateway.live._watchers))
        one.connection.transport.resume_reading()
        with pytest.raises(ConnectionClosed):
            await _take_all(one)


async def _take_all(one: Wire) -> None:
    while True:
        await asyncio.wait_for(one.connection.recv(), 10)


async def _so(fact: bool) -> bool:
    return fact


TWO = 'mutation { signOut cancelBooking(booking: "b1") { __typename } }'


class Slow:
    """Subgraphs that answer when they may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked, self.may = asyncio.Event(), asyncio.Event()
        answer = Town.__call__

        async def slowly(*told: Any, **more: Any) -> bytes:
            self.asked.set()
            await self.may.wait()
            return await answer(*told, **more)

        monkeypatch.setattr(Town, "__call__", slowly)


@pytest.mark.parametrize("leaves", ["complete", "close"])
async def test_a_mutation_is_done_whole_even_if_whoever_asked_has_gone(scene: Scene, monkeypatch: pytest.MonkeyPatch, leaves: str) -> None:
    slow = Slow(monkeypatch)
    async with wire(scene.url) as one:
        await one.begin()
        await one.follow("m", TWO)
        await slow.asked.wait()
        if leaves == "complete":
            await one.say(type="complete", id="m")
            await one.say(type="ping")
            assert await one.hear() == {"type": "pong"}
    await until(lambda: _so(not scene.gateway.live._streaming))
    assert scene.town.asked() == []
    slow.may.set()
    await until(lambda: _so(scene.town.asked() == ["identity", "booking"]))


async def test_a_query_that_nobody_waits_for_any_more_did_not_fail(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    of = {"operation": "anonymous", "kind": "query"}
    before = [value("preau_gateway_operation_seconds_count", **of, outcome=each) for each in ("left", "failed")]
    Slow(monkeypatch)
    async with wire(scene.url) as one:
        await one.begin()
        await one.follow("q", "{ me { login } }")
        await until(lambda: _so(bool(scene.gateway.live._streaming)))
    async with events(scene.url, "{ me { login } }"):
        pass

    async def both_have_left() -> bool:
        return [value("preau_gateway_operation_seconds_count", **of, outcome=each) for each in ("left", "failed")] == [
            before[0] + 2,
            before[1],
        ]

    await until(both_have_left)


async def test_what_is_asked_once_is_answered_before_a_gateway_ends(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a mutation: whoever does not hear that it was done does it again."""
    async with wire(scene.url) as one:
        await one.begin()
        await one.follow("a", CALENDAR)
        await one.data("a")
        slow = Slow(monkeypatch)
        await one.follow("m", TWO)
        await slow.asked.wait()
        stopping = asyncio.create_task(scene.served.stop())
        await scene.gateway.live.ending.wait()
        await until(lambda: _so(not scene.gateway.live._watchers))
        slow.may.set()
        assert await one.data("m") == {"signOut": True, "cancelBooking": {"__typename": "TooLateToCancel"}}
        assert await one.closed() == 1012
        await stopping
