"""Writes deploy/asyncapi.yaml, the events as other municipal systems hear them, from the event classes: `make asyncapi`.

What it writes is committed. A test says when it must be written again. Where Node is, AsyncAPI's own parser reads it, too.
"""

import ast
import inspect
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from deploy import event_pages
from deploy.examples import EXAMPLES
from services import events
from services.bus import MESSAGE_ID, REQUEST_ID, STREAM
from services.events import BY_TYPE, PUBLIC, Event

FILE = Path(__file__).resolve().parent / "asyncapi.yaml"
WRITTEN_BY = "# Written by `make asyncapi` from services/events.py: do not edit.\n"
ENVELOPE = frozenset({"event_id", "occurred_at"})  #: These travel as headers.
SCHEMAS = "#/components/schemas/"
TIME = r"^([01]\d|2[0-3]):[0-5]\d$"
TRACE = r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"

DESCRIPTION = f"""\
What happens in a town, for its other systems (canteen, accounting, schools...). This document is written from the listener's side:
every operation is a `receive`; a listener publishes nothing.

Messages are CloudEvents 1.0 in binary mode over NATS JetStream, in the stream `{STREAM[False]}`: the envelope in `ce-*` headers, the
event's own data as a JSON body. They come at least once and in order per subject: de-duplicate by `ce-id`. Everything can be replayed
from the stream's beginning with a durable consumer of one's own. Other headers that begin with `Nats-` are the broker's.

Ids are the same in events, in the GraphQL API and in the town's file. Dates are civil dates of the structure, times are "HH:MM" in
its time zone, amounts are integer euro cents. `version` grows with each change of what the event is about: whoever keeps a copy
applies only what is newer than its own. Data carries ids, never names or addresses of people. Within a version of a type a field may
be added; anything else is a new version, published beside the old one."""


class _Schemas(GenerateJsonSchema):
    """Without the titles that only repeat the fields' names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def public_events() -> list[type[Event]]:
    """In the order of services/events.py."""
    return [kind for kind in BY_TYPE.values() if not kind.internal and kind.__module__ == events.__name__]


def document() -> dict[str, Any]:
    """The whole AsyncAPI document."""
    kinds = public_events()
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Préau: events of a town", "version": "1.0.0", "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {_key(kind): _channel(kind) for kind in kinds},
        "operations": {f"receive.{_key(kind)}": _operation(kind) for kind in kinds},
        "components": {
            "messages": {_key(kind): _message(kind) for kind in kinds},
            "parameters": {"structure": {"description": "Id of the town or body, such as carteville.", "examples": ["carteville"]}},
            "schemas": {"Headers": _headers(), **_payloads(kinds)},
        },
    }


def text() -> str:
    """The document as it is committed."""
    return WRITTEN_BY + yaml.dump(document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=140)


class _Dumper(yaml.SafeDumper):
    """Every part written out where it stands: aliases are for machines."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Paragraphs as paragraphs."""
        return self.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Dumper.add_representer(str, _Dumper.represent_str)


def _key(kind: type[Event]) -> str:
    """`booking.accepted`; a later version says so."""
    return f"{kind.service}.{kind.name}" + (f".v{kind.type_version}" if kind.type_version > 1 else "")


def _channel(kind: type[Event]) -> dict[str, Any]:
    return {
        "address": f"{PUBLIC}.{{structure}}.{kind.service}.{kind.name}",
        "messages": {_key(kind): {"$ref": f"#/components/messages/{_key(kind)}"}},
        "parameters": {"structure": {"$ref": "#/components/parameters/structure"}},
    }


def _operation(kind: type[Event]) -> dict[str, Any]:
    channel = f"#/channels/{_key(kind)}"
    return {
        "action": "receive",
        "summary": _summary(kind),
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{_key(kind)}"}],
    }


def _message(kind: type[Event]) -> dict[str, Any]:
    example = EXAMPLES[kind.type_name()]
    fixed = {"ce-type": {"const": kind.type_name()}, "ce-source": {"pattern": f"^/{PUBLIC}/[^/]+/{kind.service}$"}}
    return {
        "name": kind.type_name(),
        "title": kind.__name__,
        "summary": _summary(kind),
        "description": _description(kind),
        "contentType": "application/json",
        "headers": {"allOf": [{"$ref": f"{SCHEMAS}Headers"}, {"type": "object", "properties": fixed}]},
        "payload": {"$ref": f"{SCHEMAS}{kind.__name__}"},
        "examples": [{"name": kind.__name__, "headers": headers_of(example), "payload": json.loads(example.body())}],
    }


def headers_of(event: Event) -> dict[str, str]:
    """As the relay sends them."""
    return {
        MESSAGE_ID: event.event_id,
        "ce-specversion": "1.0",
        "ce-id": event.event_id,
        "ce-type": event.type_name(),
        "ce-source": f"/{PUBLIC}/{event.structure}/{event.service}",
        "ce-subject": event.about,
        "ce-time": event.occurred_at.isoformat().replace("+00:00", "Z"),
        "ce-datacontenttype": "application/json",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }


def _headers() -> dict[str, Any]:
    def one(description: str, **more: Any) -> dict[str, Any]:
        return {"type": "string", "description": description, **more}

    properties = {
        "ce-specversion": one("CloudEvents' version.", const="1.0"),
        "ce-id": one("The event's id: the same each time the event is delivered. De-duplicate by it.", minLength=1),
        "ce-type": one("What kind of event it is.", pattern=r"^fr\.preau\.[a-z]+\.[a-z_]+\.v[1-9][0-9]*$"),
        "ce-source": one("Whose event it is: structure and service.", pattern=f"^/{PUBLIC}/[^/]+/[a-z]+$"),
        "ce-subject": one("The id of what the event is about.", minLength=1),
        "ce-time": one("When it happened, in UTC.", format="date-time"),
        "ce-datacontenttype": one("What the body is.", const="application/json"),
        MESSAGE_ID: one("The same as ce-id: JetStream drops what comes twice within two minutes.", minLength=1),
        "traceparent": one("W3C trace context of the request that caused it, where there was one.", pattern=TRACE),
        REQUEST_ID: one("That request's id, where the client gave it one: it stands in our logs.", pattern=r"^[\w.:-]{1,128}$"),
    }
    required = [name for name in properties if name not in ("traceparent", REQUEST_ID)]
    return {"type": "object", "description": "The envelope of every event.", "properties": properties, "required": required}


# ------------------------------------------------------------------------------------------------------------- payloads
def _payloads(kinds: list[type[Event]]) -> dict[str, Any]:
    # As they leave. All fields are sent; but one that came later has a default, because events from before it are replayed without.
    mode: JsonSchemaMode = "serialization"
    pairs = [(kind, mode) for kind in kinds]
    schemas: dict[str, Any] = models_json_schema(pairs, ref_template=f"{SCHEMAS}{{model}}", schema_generator=_Schemas)[1]["$defs"]
    for name, schema in schemas.items():
        _describe(getattr(events, name), schema)
    return {name: {"type": "object", **schemas[name]} for name in vars(events) if name in schemas}


def _describe(model: type[BaseModel], schema: dict[str, Any]) -> None:
    """Say what the code says in comments, and leave out what travels in the headers."""
    schema["description"] = _description(model)
    fields = schema["properties"]
    if issubclass(model, Event):
        for name in ENVELOPE:
            del fields[name]
        schema["required"] = [name for name in schema["required"] if name not in ENVELOPE]
        fields["structure"]["description"] = "Id of the town or body."
    for name, annotation, comment in _annotated(model):
        if name in fields and comment:
            fields[name]["description"] = comment
        if name in fields and "LocalTime" in annotation:
            _string_of(fields[name])["pattern"] = TIME


def _string_of(field: dict[str, Any]) -> dict[str, Any]:
    """The part of a field's schema that speaks of the text: the field may be null too."""
    parts: list[dict[str, Any]] = field.get("anyOf", [field])
    return next(part for part in parts if part["type"] == "string")


def _annotated(model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    """Name, annotation and `#:` comment of each field, as the code has them: its ancestors' too."""
    for kind in reversed(model.__mro__):
        if kind.__module__ != events.__name__:
            continue
        source = textwrap.dedent(inspect.getsource(kind))
        lines = source.splitlines()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                comment = lines[(node.end_lineno or node.lineno) - 1].partition("#: ")[2]
                yield node.target.id, ast.unparse(node.annotation), comment


# ----------------------------------------------------------------------------------------------------------- docstrings
def _description(model: type[BaseModel]) -> str:
    return inspect.getdoc(model) or ""


def _summary(kind: type[Event]) -> str:
    """The first sentence."""
    return re.split(r"(?<=\.)\s+(?=[A-Z])", _description(kind), maxsplit=1)[0]


def main() -> None:
    FILE.write_text(text(), encoding="utf-8")
    event_pages.write(document())
    sys.stdout.write(f"deploy/asyncapi.yaml: {len(public_events())} events\n")
    _parse()


def _parse() -> None:
    """Raises SystemExit with what AsyncAPI's parser complains of."""
    tools = FILE.parent / "asyncapi-parser"
    if not (which("node") and which("npm")):
        sys.stdout.write("AsyncAPI's own parser has not read it: that needs Node 20 or newer, with npm\n")
        return
    if not (tools / "node_modules").exists():
        subprocess.run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"], cwd=tools, check=True)
    done = subprocess.run(["node", str(tools / "parse.mjs"), str(FILE)], check=False)
    if done.returncode:
        raise SystemExit("deploy/asyncapi.yaml is not as AsyncAPI would have it: change what writes it (deploy/asyncapi.py)")


if __name__ == "__main__":
    main()
