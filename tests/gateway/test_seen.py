"""What operators see of the gateway: metrics, the log of what is slow, and that nothing of it names a family."""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.client import SubgraphSlow, SubgraphUnavailable
from gateway.http import GraphQLEndpoint
from gateway.metrics import Names
from gateway.seen import Fetching
from gateway.signature import has_values, signature
from gateway.slowness import MOST_A_MINUTE
from gateway.streams import Streams
from services import tracing
from services.tallies import Sizes
from tests.collector import Collector, collecting, told
from tests.facts import until
from tests.gateway.fakes import Gateway, Town
from tests.gateway.followers import events, wire
from tests.gateway.stage import Scene

ROOT = Path(__file__).resolve().parents[2]
HOME = "query Home($on: Boolean = true) { me { login @include(if: $on) families { id } } }"


def served(streams: Streams) -> httpx2.AsyncClient:
    app = Starlette(routes=[Route("/graphql", GraphQLEndpoint(streams))])
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://preau.test")


@pytest.fixture
async def client(entrance: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(entrance.streams) as one:
        yield one


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def ask(client: httpx2.AsyncClient, query: str, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.post("/graphql", json={"query": query, **more})).json()
    return answer


# --------------------------------------------------------------------------------------------------------------- metrics


def test_the_table_of_metrics_is_the_codes() -> None:
    table = dict(re.findall(r"^\| `(preau_[a-z_]+)`(?: by [^|]*)? \| (.*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE))
    code = {}
    for path in [*ROOT.glob("services/**/*.py"), *ROOT.glob("gateway/**/*.py")]:
        code |= dict(re.findall(r"\(\s*\"(preau_[a-z_]+)\",\s*\"([^\"]+)\"", path.read_text()))
    assert len(code) > 20
    assert table == code


async def test_operations_are_counted_by_name_kind_and_outcome_and_subgraphs_by_service(client: httpx2.AsyncClient) -> None:
    of = {"operation": "Home", "kind": "query", "outcome": "whole"}
    names = {
        "preau_gateway_operation_seconds_count": of,
        "preau_gateway_fetch_seconds_count": {"service": "identity"},
        "preau_gateway_plans_total": {"from": "memory"},
        "preau_gateway_documents_total": {"from": "memory"},
    }
    before = {name: value(name, **labels) for name, labels in names.items()}
    sent, received = (value("preau_gateway_fetch_bytes_total", service="identity", direction=way) for way in ("sent", "received"))
    for _ in range(3):
        assert "errors" not in await ask(client, HOME)
    assert {name: value(name, **labels) - before[name] for name, labels in names.items()} == dict(zip(names, (3, 3, 2, 2), strict=True))
    assert value("preau_gateway_fetch_bytes_total", service="identity", direction="sent") > sent
    assert value("preau_gateway_fetch_bytes_total", service="identity", direction="received") > received
    assert value("preau_gateway_fetches_in_flight", service="identity") == 0


async def test_what_a_service_refuses_its_caller_is_no_fault_of_ours(client: httpx2.AsyncClient, carteville: Town) -> None:
    """Or callers would use up the error budget."""
    before = {outcome: value("preau_gateway_operations_total", kind="query", outcome=outcome) for outcome in ("refused", "partial")}
    for code, outcome in (("UNAUTHENTICATED", "refused"), ("FORBIDDEN", "refused"), ("BAD_USER_INPUT", "refused"), ("BROKEN", "partial")):
        carteville.says["identity"] = json.dumps(
            {"data": {"me": None}, "errors": [{"message": "No.", "extensions": {"code": code}}]}
        ).encode()
        assert "errors" in await ask(client, "{ me { login } }")
        before[outcome] += 1
        assert {each: value("preau_gateway_operations_total", kind="query", outcome=each) for each in before} == before, code


async def test_refusals_are_counted_by_code_and_unnamed_operations_together(client: httpx2.AsyncClient) -> None:
    before = value("preau_gateway_refusals_total", code="GRAPHQL_VALIDATION_FAILED")
    unnamed = {"operation": "anonymous", "kind": "query", "outcome": "whole"}
    answered = value("preau_gateway_operation_seconds_count", **unnamed)
    await ask(client, "{ nope }")
    await ask(client, "{ me { login } }")
    assert value("preau_gateway_refusals_total", code="GRAPHQL_VALIDATION_FAILED") == before + 1
    assert value("preau_gateway_operation_seconds_count", **unnamed) == answered + 1


def test_names_that_clients_make_up_do_not_fill_the_memory() -> None:
    names = Names(3)
    names.expect("Home")
    assert [names.label(name) for name in ("A", "B", "C", "D", "A", "Home")] == ["A", "B", "other", "other", "A", "Home"]


def test_a_timing_is_a_histogram() -> None:
    timing = Sizes()
    for seconds in (0.0004, 0.001, 0.3, 20.0):
        timing.observe(seconds)
    buckets = dict(timing.buckets())
    assert (buckets["0.001"], buckets["0.25"], buckets["0.5"], buckets["10.0"], buckets["+Inf"]) == (2, 2, 3, 3, 4)
    assert timing.total == pytest.approx(20.3014)


# ------------------------------------------------------------------------------------------------------------ what is slow


def test_a_signature_holds_no_value() -> None:
    text = """query Find($when: String = "2026-11-23") { jean: me(login: "dupont", tags: ["a", "b"], at: {street: "rue X"}, n: 75001) {
      login @include(if: true) ...Rest } } fragment Rest on Account { x: id(b: \"\"\"Dupont\"\"\", k: BOOKED, w: $when, f: 1.5) }"""
    told = signature(text)
    assert told == (
        'query Find($when:String=""){me(login:"" tags:[]at:{}n:0){login@include(if:true)...Rest}}'
        'fragment Rest on Account{id(b:"" k:BOOKED w:$when f:0)}'
    )
    assert has_values(text)
    assert not has_values("query($l: String) { me(login: $l, on: true, k: BOOKED) { id } }")


async def test_what_was_slow_is_told_with_its_plan_and_without_its_values(
    client: httpx2.AsyncClient, entrance: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    entrance.streams.slowness.seconds = 0.0
    await ask(client, 'query Slow { jean: me { login families { id balance(until: "2026-11-23") { balanceCents } } } }')
    (told,) = lines(capsys, "slow")
    assert (told["operation"], told["level"]) == ("Slow", "warning")
    assert told["document"] == 'query Slow{me{login families{id balance(until:""){balanceCents}}}}'
    assert "document_hash" not in told, "a hash of what has values would let them be guessed"
    assert [re.sub(r"[\d.]+ ms", "ms", step) for step in told["plan"]] == ["1 identity ms", "2 billing Family after 1 ms"]
    assert told["milliseconds"] >= 0

    await ask(client, HOME, variables={"who": "dupont"})
    (told,) = lines(capsys, "slow")
    assert told["document_hash"] == hashlib.sha256(HOME.encode()).hexdigest()
    assert "dupont" not in json.dumps(told)


async def test_no_more_is_told_of_what_is_slow_than_somebody_reads(
    client: httpx2.AsyncClient, entrance: Gateway, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 6000.0
    monkeypatch.setattr("gateway.slowness.time.monotonic", lambda: now)
    entrance.streams.slowness.seconds = 0.0
    for _ in range(MOST_A_MINUTE + 3):
        await ask(client, HOME)
    assert len(lines(capsys, "slow")) == MOST_A_MINUTE
    now += 60
    await ask(client, HOME)
    (told,) = lines(capsys, "slow")
    assert told["untold_before"] == 3


def lines(capsys: pytest.CaptureFixture[str], event: str) -> list[dict[str, Any]]:
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    return [line for line in said if line["event"] == event]


# ------------------------------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (SubgraphUnavailable("refused"), "connection"),
        (SubgraphSlow("no answer in 5 s"), "slow"),
        (SubgraphUnavailable("HTTP 503", "status"), "status"),
        (msgspec.DecodeError("not JSON"), "unreadable"),
    ],
)
async def test_failures_are_counted_by_reason(trouble: Exception, reason: str, entrance: Gateway) -> None:
    async def fails(*_: Any, **__: Any) -> bytes:
        raise trouble

    streams = replace(entrance.streams, engine=replace(entrance.engine, fetcher=Fetching(fails)))
    before = value("preau_gateway_fetch_failures_total", service="identity", reason=reason)
    async with served(streams) as client:
        assert (await ask(client, HOME))["errors"]
    assert value("preau_gateway_fetch_failures_total", service="identity", reason=reason) == before + 1


# ----------------------------------------------------------------------------------------------------------------- traces


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Everything in this process is collected, until it is said that it ends."""
    with collecting() as one:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", one.url)
        tracing.collect("gateway", tracing.Collecting("parentbased_always_on"))
        yield one
        tracing.stop()


async def test_a_subscription_is_a_span_for_as_long_as_it_takes_to_begin(scene: Scene, collector: Collector) -> None:
    follow = 'subscription Follow { requestDecided(request: "r1") { id } }'
    streams = [value("preau_gateway_streams", transport=transport) for transport in ("sse", "websocket")]
    async with events(scene.url, follow) as stream, wire(scene.url) as socket:
        await (await socket.begin()).follow("a", follow)
        await until(lambda: _so(len(scene.gateway.live._watchers) == 2))
        open_now = [value("preau_gateway_streams", transport=transport) for transport in ("sse", "websocket")]
        assert [now - before for now, before in zip(open_now, streams, strict=True)] == [1, 1]
        scene.decided = True
        await scene.tell("booking.request_decided", request="r1")
        assert (await stream.data())["requestDecided"]["id"] == "r1"
        assert (await socket.data("a"))["requestDecided"]["id"] == "r1"
        assert await stream.one() == ("complete", None)
        assert await socket.hear() == {"type": "complete", "id": "a"}
    tracing.stop()
    spans = [span for each in collector.came for scope in each.scope_spans for span in scope.spans]
    begun = [span for span in spans if span.name == "subscription Follow"]
    assert [told(span)["preau.outcome"] for span in begun] == ["begun", "begun"]
    assert all(not span.parent_span_id for span in begun), "each is the first of its trace"
    asked = [span for span in spans if span.name == "POST booking"]
    assert {span.trace_id for span in asked} == {span.trace_id for span in begun}


async def _so(fact: bool) -> bool:
    return fact


async def test_an_unsampled_request_makes_no_span_and_tells_the_services_so(
    client: httpx2.AsyncClient, entrance: Gateway, collector: Collector
) -> None:
    kept = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for trace in (kept, kept[:-2] + "00"):
        await client.post("/graphql", json={"query": HOME}, headers={"traceparent": trace})
    tracing.stop()
    asked = [span for span in (span for _, span in collector.spans(kept[3:35])) if span.name == "POST identity"]
    assert len(asked) == 1
    told_to_identity = [call.headers for call in entrance.town.calls if call.service == "identity"]
    assert f"traceparent: {kept[:36]}{asked[0].span_id.hex()}-01\r\n" in told_to_identity[0]
    assert f"traceparent: {kept[:-2]}00\r\n" in told_to_identity[1]
