"""deploy/asyncapi.yaml, the events as other municipal systems hear them, says what the code does."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from deploy import event_pages
from deploy.asyncapi import FILE, document, headers_of, public_events, text
from deploy.examples import EXAMPLES
from services.events import BY_TYPE, Event
from tests.json_schema import mistakes, resolved
from tests.kernel.test_readme import CONTRACT

DOCUMENT: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]
#: AsyncAPI's own schema of a document, without descriptions, bindings and the kinds of schemas that are not JSON Schema.
ASYNCAPI = Draft7Validator(json.loads(Path(__file__).with_name("asyncapi_3.json").read_text(encoding="utf-8"))["schema"])


def test_the_committed_document_is_what_the_code_says_now() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run `make asyncapi` and commit what it writes"


def test_so_are_the_gateway_s_pages_about_events_with_every_event_in_french_too() -> None:
    for name, page in event_pages.pages(document()).items():
        assert (event_pages.FOLDER / name).read_text(encoding="utf-8") == page, "run `make asyncapi` and commit what it writes"
        assert all(f'<h2 id="{key}">' in page for key in DOCUMENT["channels"])
        assert "http://" not in page
        assert "https://" not in page, "nothing is fetched elsewhere"
    assert event_pages.FRENCH.keys() == MESSAGES.keys()


def test_it_is_a_document_as_asyncapi_3_has_it() -> None:
    """In its form: what references say of one another AsyncAPI's parser looks at, where Node is (`make asyncapi`)."""
    assert [f"{error.message} at {list(error.path)}" for error in ASYNCAPI.iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        (("operations",), {"hear": {"action": "subscribe", "channel": {"$ref": "#/channels/x"}}}),
        (("channels",), {"x": {"adress": "preau.x"}}),
        (("components", "messages"), {"x": {"payload": {"type": "text"}}}),
        (("components", "parameters"), {"x": {"schema": {"type": "string"}}}),
        (("info",), {"title": "no version"}),
    ],
)
def test_what_asyncapi_3_has_not_is_found(where: tuple[str, ...], wrong: dict[str, Any]) -> None:
    """Control of the one above; `schema` of a parameter is AsyncAPI 2's."""
    changed = copy.deepcopy(DOCUMENT)
    *path, last = where
    part = changed
    for step in path:
        part = part[step]
    part[last] = wrong
    assert list(ASYNCAPI.iter_errors(changed))


def test_it_is_the_same_each_time() -> None:
    assert text() == text()
    assert yaml.safe_load(text()) == document()


def test_every_event_of_the_contract_is_in_it_and_nothing_internal() -> None:
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert {f"preau.{{structure}}.{name}" for name in CONTRACT} <= addresses
    assert addresses == {kind.filter().replace("*", "{structure}", 1) for kind in public_events()}
    assert not any(kind.internal for kind in public_events())
    assert "preau-internal" not in FILE.read_text(encoding="utf-8")


def test_partners_receive_and_nothing_else() -> None:
    operations = DOCUMENT["operations"].values()
    assert {operation["action"] for operation in operations} == {"receive"}
    heard = [name for operation in operations for message in operation["messages"] for name in resolved_names(message["$ref"])]
    assert heard == list(MESSAGES)


def resolved_names(reference: str) -> list[str]:
    """The message that an operation's reference leads to, by its channel."""
    channel, message = reference.removeprefix("#/channels/").split("/messages/")
    assert DOCUMENT["channels"][channel]["messages"][message]["$ref"] == f"#/components/messages/{message}"
    return [message]


def test_every_reference_leads_somewhere() -> None:
    def follow(part: Any) -> None:
        if isinstance(part, dict) and "$ref" in part:
            assert resolved(part, DOCUMENT)
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            follow(inner)

    follow(DOCUMENT)


@pytest.mark.parametrize("name", MESSAGES)
def test_every_event_has_an_example_that_its_own_schema_and_class_accept(name: str) -> None:
    message = MESSAGES[name]
    assert len(message["description"]) > 10
    (example,) = message["examples"]
    assert mistakes(example["headers"], message["headers"], DOCUMENT) == []
    assert mistakes(example["payload"], message["payload"], DOCUMENT) == []
    kind = BY_TYPE[message["name"]]
    assert example["headers"]["ce-type"] == kind.type_name()
    envelope = {"event_id": example["headers"]["ce-id"], "occurred_at": example["headers"]["ce-time"]}
    event = kind.model_validate({**example["payload"], **envelope})
    assert event == EXAMPLES[kind.type_name()]
    assert headers_of(event) == example["headers"]


@pytest.mark.parametrize("kind", public_events(), ids=lambda kind: kind.__name__)
def test_a_schema_has_exactly_what_leaves(kind: type[Event]) -> None:
    body = json.loads(EXAMPLES[kind.type_name()].body())
    schema = DOCUMENT["components"]["schemas"][kind.__name__]
    assert set(schema["properties"]) == set(body)
    assert set(schema["required"]) == {name for name, field in kind.model_fields.items() if field.is_required()} - {"occurred_at"}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=lambda example: type(example).__name__)
def test_a_body_says_what_pydantic_would_say(example: Event) -> None:
    assert json.loads(example.body()) == json.loads(example.model_dump_json(exclude={"event_id", "occurred_at"}))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("booking.accepted", {"date": "Friday"}),
        ("booking.accepted", {"arrival": "7:30"}),
        ("booking.accepted", {"version": "2"}),
        ("booking.accepted", {"version": True}),
        ("booking.accepted", {"request": 7}),
        ("booking.cancelled", {"by": "nobody"}),
        ("booking.requested", {"movements": [{"booking": "b1"}]}),
        ("identity.family_changed", {"children": [None]}),
    ],
)
def test_the_check_itself_sees_what_is_wrong(name: str, wrong: dict[str, Any]) -> None:
    message = MESSAGES[name]
    payload = copy.deepcopy(message["examples"][0]["payload"])
    assert mistakes(payload | wrong, message["payload"], DOCUMENT) != []
    del payload[next(iter(wrong))]
    assert mistakes(payload, message["payload"], DOCUMENT) != []


@pytest.mark.parametrize(
    "wrong", [{"ce-type": "fr.preau.booking.refused.v1"}, {"ce-source": "/preau/carteville/billing"}, {"ce-time": "now"}]
)
def test_the_check_sees_wrong_headers_too(wrong: dict[str, str]) -> None:
    message = MESSAGES["booking.accepted"]
    assert mistakes(message["examples"][0]["headers"] | wrong, message["headers"], DOCUMENT) != []
