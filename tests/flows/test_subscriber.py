"""Another municipal system listens: README's subscriber as it stands there, `preau events`, and each event against the AsyncAPI document."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from deploy.asyncapi import FILE
from deploy.broker import key_file
from services.bus import MESSAGE_ID, STREAM, connect
from services.events import BY_TYPE
from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import SUBMIT, Town, activity, family, next_days
from tests.json_schema import mistakes

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
BY_NAME = {message["name"]: message for message in DOCUMENT["components"]["messages"].values()}


def five_lines(system: System, town: Town) -> tuple[str, str]:
    """README's subscriber; only the broker's address, the key's file and the partner's name are others."""
    section = README.partition("\n## Events\n")[2].partition("\n## ")[0]
    (code,) = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert len(code.splitlines()) == 5
    assert "nats://127.0.0.1:4222" in code
    assert '"canteen.nk"' in code
    partner = f"canteen-{uuid4().hex[:8]}"  # of this town alone
    system.preau("partners", "add", partner, f"{town.structure}.booking", "--folder", str(system.keys))
    for _ in range(2):  # as `preau up` has it do
        system.nats.read_again()
    file = str(key_file(system.keys, partner))
    return partner, code.replace("nats://127.0.0.1:4222", system.nats.url).replace("canteen.nk", file).replace('"canteen"', f'"{partner}"')


class Listener:
    """A program that prints what it hears."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n"))

    async def hears(self, *words: str) -> None:
        """Wait until there are lines with each of these words."""

        async def so() -> bool:
            assert self.process.returncode is None, f"it ended:\n{chr(10).join(self.lines)}"
            return all(any(word in line for line in self.lines) for word in words)

        await until(so, within=30)

    async def ends(self, by: signal.Signals) -> int:
        self.process.send_signal(by)
        await asyncio.wait_for(self._reading, 10)
        return await self.process.wait()


@asynccontextmanager
async def running(system: System, *command: str) -> AsyncIterator[Listener]:
    environment = {**system.environment, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # A shell that starts us in the background has us, and with us our children, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    listener = Listener(process)
    try:
        yield listener
    finally:
        if process.returncode is None:
            await listener.ends(signal.SIGKILL)


@asynccontextmanager
async def stream(system: System) -> AsyncIterator[JetStreamContext]:
    client = await connect(system.settings_of("operator"), "operator")
    try:
        yield client.jetstream()
    finally:
        await client.close()


async def story(found: Found) -> tuple[Town, list[str]]:
    """One booked, one waits, one is refused, the first gives the place back. Returns the town and the types that were to leave."""
    town = await found(
        activities=[activity("aps", capacity=1, waiting_list=1)],
        families=[family(name) for name in ("dupont", "martin", "petit")],
    )
    dupont, martin, petit = await town.everybody("dupont", "martin", "petit")
    (day,) = next_days(1)
    assert await dupont.asks(day) == ["ACCEPTED"]
    assert await martin.asks(day) == ["WAITLISTED 1"]
    assert await petit.asks(day) == ["REFUSED FULL"]
    assert await dupont.cancels(day) == ["CANCELLED"]
    names = "accepted waitlisted refused cancelled requested request_decided capacity_changed activity_changed".split()
    return town, [f"fr.preau.booking.{name}.v1" for name in names]


async def test_the_five_lines_print_what_a_family_does_and_never_twice(system: System, found: Found) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    partner, program = five_lines(system, town)
    dupont = await town.sign_in("dupont")
    first, second = next_days(2)

    async with running(system, "-c", program) as listener:
        await dupont.asks(first)
        await listener.hears("booking.requested.v1", "booking.accepted.v1", "booking.request_decided.v1", "booking.capacity_changed.v1")
        (accepted,) = [line for line in listener.lines if line.startswith("fr.preau.booking.accepted.v1 ")]
        data = json.loads(accepted.partition(" ")[2])
        assert (data["family"], data["child"], data["date"]) == (dupont.id, town.named("dupont-child"), first.isoformat())
        assert not any(f".{service}." in line for line in listener.lines for service in ("billing", "identity", "mailer"))
        await all_are_acknowledged(system, partner)
        heard = set(listener.lines)
        await listener.ends(signal.SIGTERM)

    await dupont.asks(second)  # while nobody listens
    async with running(system, "-c", program) as again:
        await again.hears("booking.requested.v1", "booking.accepted.v1", "booking.request_decided.v1", "booking.capacity_changed.v1")
        await all_are_acknowledged(system, partner)
        assert not heard & set(again.lines)
        assert all(second.isoformat() in line for line in again.lines)


async def all_are_acknowledged(system: System, partner: str) -> None:
    """The broker knows that the partner has heard everything there is."""
    async with stream(system) as jetstream:

        async def so() -> bool:
            consumer = await jetstream.consumer_info(STREAM[False], partner)
            return consumer.num_pending == 0 and consumer.num_ack_pending == 0

        await until(so)


async def test_preau_events_replays_readable_lines(system: System, found: Found) -> None:
    town, types = await story(found)
    names = [".".join(kind.split(".")[2:4]) for kind in types]
    async with running(system, "-m", "deploy.cli", "events", f"preau.{town.structure}.>", "--replay") as listener:
        await listener.hears(*(f" {town.structure} {name}  " for name in names))
        line = next(line for line in listener.lines if "booking.waitlisted" in line)
        child, aps = town.named("martin-child"), town.named("aps")
        assert re.match(rf"\d\d:\d\d:\d\d {town.structure} booking\.waitlisted  version=", line)
        assert f" child={child} activity={aps} " in line
        assert line.endswith(" rank=1")
        assert len(next(line for line in listener.lines if "following" in line)) < 100
        assert await listener.ends(signal.SIGINT) in (0, 130)
        assert not any("Traceback" in line for line in listener.lines)


async def test_every_event_of_a_booking_story_is_as_the_document_says(system: System, found: Found) -> None:
    town, types = await story(found)
    wanted = {*types, "fr.preau.billing.held.v1", "fr.preau.billing.released.v1", "fr.preau.mailer.mail_sent.v1"}
    wanted |= {
        f"fr.preau.identity.{name}.v1" for name in ("structure_changed", "announcement_published", "account_opened", "family_changed")
    }

    async def all_left() -> bool:
        messages = await all_of(system, f"preau.{town.structure}.>")
        missing = wanted - {str((message.headers or {}).get("ce-type")) for message in messages}
        all_left.__doc__ = f"missing: {sorted(missing)}"
        return not missing

    await until(all_left, within=30)
    messages = await all_of(system, f"preau.{town.structure}.>")
    assert [trouble for message in messages for trouble in troubles(message, town)] == []
    ids = [(message.headers or {})["ce-id"] for message in messages]
    assert len(ids) == len(set(ids))


async def test_the_trace_of_a_request_rides_along_to_the_hold_of_its_price(system: System, found: Found) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    dupont = await town.sign_in("dupont")
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    order = {"family": dupont.id, "idempotencyKey": "traced", "lines": [dupont.line(next_days(1)[0])]}
    headers = {"authorization": f"Bearer {dupont.token}", "traceparent": trace}
    answer = await town.client.post("/graphql", json={"query": SUBMIT, "variables": {"input": order}}, headers=headers)
    assert answer.json()["data"]["submitBookings"]["decided"]
    expected = {"booking.requested", "booking.accepted", "booking.request_decided", "billing.held"}

    async def traced() -> bool:
        messages = await all_of(system, f"preau.{town.structure}.>")
        return expected <= {m.subject.split(".", 2)[2] for m in messages if (m.headers or {}).get("traceparent", "").startswith(trace[:35])}

    await until(traced, within=30)


async def all_of(system: System, subject: str) -> list[Msg]:
    """What the stream holds now."""
    async with stream(system) as jetstream:
        state = (await jetstream.stream_info(STREAM[False], subjects_filter=subject)).state
        listening = await jetstream.subscribe(subject, stream=STREAM[False], ordered_consumer=True)
        return [await listening.next_msg(timeout=60) for _ in range(sum((state.subjects or {}).values()))]


def troubles(message: Msg, town: Town) -> list[str]:
    """What the document would object to: headers, payload, subject; and what the class says of it."""
    headers = dict(message.headers or {})
    described = BY_NAME[headers["ce-type"]]
    body = json.loads(message.data)
    found = mistakes(headers, described["headers"], DOCUMENT, "headers") + mistakes(body, described["payload"], DOCUMENT, message.subject)
    _, structure, service, name = message.subject.split(".")
    if headers["ce-type"] != f"fr.preau.{service}.{name}.v1" or headers["ce-source"] != f"/preau/{town.structure}/{service}":
        found.append(f"{message.subject} and {headers} disagree")
    if (structure, body["structure"]) != (town.structure, town.structure) or headers[MESSAGE_ID] != headers["ce-id"]:
        found.append(f"{message.subject} is another's: {headers} {body}")
    event = BY_TYPE[headers["ce-type"]].model_validate({**body, "event_id": headers["ce-id"], "occurred_at": headers["ce-time"]})
    if json.loads(event.body()) != body or event.about != headers["ce-subject"]:
        found.append(f"{message.subject}: the class says {event!r}")
    return found


def test_a_wrong_message_would_be_seen() -> None:
    described = BY_NAME["fr.preau.booking.accepted.v1"]
    example = described["examples"][0]
    town = Town(system=None, structure="carteville", client=None, file={})  # type: ignore[arg-type]

    def told(headers: dict[str, str], **more: Any) -> list[str]:
        message = Msg(
            _client=None,  # type: ignore[arg-type]
            subject="preau.carteville.booking.accepted",
            data=json.dumps(example["payload"] | more).encode(),
            headers=example["headers"] | headers,
        )
        return troubles(message, town)

    assert told({}) == []
    assert told({"ce-id": "another"})
    assert told({}, more_than_we_said=1)
    with pytest.raises(ValueError, match="from_waiting_list"):
        told({}, from_waiting_list="perhaps")
