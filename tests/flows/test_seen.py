"""What operators see of a request that goes through everything: one trace and one id, and never of whom it is, or with which words."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import httpx2
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from services.settings import SERVICES
from tests.collector import Collector, told
from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import PASSWORD, SUBMIT, Town, activity, family, next_days

#: Both end so that every process says its line: tests/flows/conftest.py lets one of a million be told.
BOOKED = "4bf92f3577b34da6a3ce929d00000000"
ABOVE = "00f067aa0ba902b7"
REQUEST_ID = "seen-from-end-to-end"
KEY = "b7c1d7e0-idempotent"


@dataclass
class Story:
    town: Town
    token: str
    canaries: dict[str, str]
    spans: list[tuple[str, Span]]


async def books(town: Town) -> Story:
    """Signs in with the words in the query's own text, then books by variables: all under one trace."""
    login, day = town.named("canari"), next_days(1)[0].isoformat()
    headers = {"traceparent": f"00-{BOOKED}-{ABOVE}-01", "x-request-id": REQUEST_ID, "user-agent": "Canari/1.0"}

    async def post(query: str, more: dict[str, str], **variables: object) -> dict[str, object]:
        answer = await town.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers | more)
        assert "errors" not in answer.json(), answer.text
        data: dict[str, object] = answer.json()["data"]
        return data

    text = f'mutation SignIn {{ zebulon: signIn(login: "{login}", password: "{PASSWORD}") {{ ... on SignedIn {{ accessToken }} }} }}'
    token = (await post(text, {}))["zebulon"]["accessToken"]  # type: ignore[index]
    line = {"change": "BOOK", "child": town.named("zebulon"), "activity": town.named("aps"), "date": day}
    order = {"family": login, "idempotencyKey": KEY, "lines": [line]}
    await post(SUBMIT.replace("mutation(", "mutation Book("), {"authorization": f"Bearer {token}"}, input=order)
    canaries = {"name": "canari", "first name": "zebulon", "address": "example.org", "password": PASSWORD, "token": token, "key": KEY}
    return Story(town, token, {**canaries, "date": day, "browser": "Canari/1.0", "visitor": "127.0.0.1"}, [])


@pytest.fixture
async def story(system: System, found: Found, collector: Collector) -> Story:
    town = await found(activities=[activity("aps")], families=[family("canari", children=["zebulon"])])
    told_of = await books(town)

    async def mailed() -> list[tuple[str, Span]] | None:
        spans = collector.spans(BOOKED)
        names = {(service, span.name) for service, span in spans}
        return spans if {("mailer", "send mail"), ("billing", "process fr.preau.booking.accepted.v1")} <= names else None

    told_of.spans = await until(mailed, within=30)
    return told_of


async def test_one_trace_goes_from_the_gateway_through_all_to_the_mail_and_tells_nothing_of_the_family(
    story: Story, collector: Collector
) -> None:
    by_id = {span.span_id.hex(): (service, span) for service, span in story.spans}

    def way_up(service: str, name: str) -> list[tuple[str, str]]:
        """From such a span to the top."""
        here: tuple[str, Span] | None = next((one, span) for one, span in story.spans if (one, span.name) == (service, name))
        way = []
        while here is not None:
            way.append((here[0], here[1].name))
            above = here[1].parent_span_id.hex()
            here = by_id.get(above)
        assert above == ABOVE, f"{way} begins elsewhere"
        return way

    top = ("gateway", "mutation Book")
    booking = [("booking", "POST /graphql"), ("gateway", "POST booking"), top]
    decided = "fr.preau.booking.request_decided.v1"
    to_the_mail = [("mailer", "send mail"), ("mailer", f"process {decided}"), ("booking", f"send {decided}")]
    assert way_up("mailer", "send mail") == [*to_the_mail, *booking]
    assert way_up("billing", "transaction reaction")[-3:] == booking
    assert ("booking", "take orders") in way_up("booking", "transaction intake")
    assert way_up("identity", "transaction command")[-1] == ("gateway", "mutation SignIn")

    about = {(service, span.name): told(span) for service, span in story.spans}
    assert about[top]["graphql.operation.name"] == "Book"
    assert about[top]["graphql.operation.type"] == "mutation"
    assert about[top]["http.response.status_code"] == 200
    assert about["gateway", "POST booking"]["preau.subgraph"] == "booking"
    assert about["billing", "process fr.preau.booking.accepted.v1"]["messaging.system"] == "nats"
    assert about["booking", "transaction intake"]["db.system.name"] in ("sqlite", "postgresql")

    assert found_in([span for _, span in story.spans], story.canaries) == []
    assert found_in(collector.came, {name: word for name, word in story.canaries.items() if name != "visitor"}) == []


async def test_the_id_of_a_request_finds_its_way_through_all_logs(story: Story, system: System) -> None:
    def lines() -> dict[str, list[dict[str, object]]]:
        files = {name: (system.folder / f"{name}.log").read_text().splitlines() for name in (*SERVICES, "gateway")}
        return {name: [json.loads(line) for line in file if REQUEST_ID in line] for name, file in files.items()}

    async def all_told() -> bool:
        return all(any(line["event"] == what for line in lines()[name]) for name, what in expected.items())

    expected = {"gateway": "answered", "identity": "answered", "booking": "answered", "billing": "heard", "mailer": "mailed"}
    await until(all_told)
    for name, of in lines().items():
        for line in of:
            assert (line["service"], line["request_id"], line["trace_id"], line["level"]) == (name, REQUEST_ID, BOOKED, "info")
            assert "time" in line
    (book,) = [line for line in lines()["gateway"] if line["operation"] == "Book"][:1]
    assert (book["kind"], book["outcome"], book["status"]) == ("mutation", "whole", 200)
    assert [service for service, _ in book["subgraphs"]] == ["booking"]  # type: ignore[attr-defined]
    assert [name for name, word in story.canaries.items() if word in json.dumps(lines())] == []


def found_in(things: Iterable[object], words: dict[str, str]) -> list[str]:
    """Which of the words stand anywhere in what was exported: names, attributes, events, links, resources."""
    text = "\n".join(map(str, things)).lower()
    return [name for name, word in words.items() if word.lower() in text]


@pytest.mark.parametrize("place", ["name", "attribute", "event", "status"])
def test_a_name_would_be_found_wherever_it_were(place: str) -> None:
    named = KeyValue(key="who", value=AnyValue(string_value="Zébulon CANARI"))
    spans = {
        "name": Span(name="Canari"),
        "attribute": Span(attributes=[named]),
        "event": Span(events=[Span.Event(name="exception", attributes=[named])]),
        "status": Span(),
    }
    spans["status"].status.message = "no such family: canari"
    assert found_in([spans[place]], {"name": "canari", "other": "dupont"}) == ["name"]


async def test_a_request_without_an_id_gets_its_traces(system: System) -> None:
    async with system.client() as client:
        answer = await client.post("/graphql", json={"query": "{ __typename }"}, headers={"traceparent": f"00-{BOOKED}-{ABOVE}-01"})
    assert answer.headers["x-request-id"] == BOOKED
    assert isinstance(answer, httpx2.Response)
