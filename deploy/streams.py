"""The streams and consumers that the services declare: shown, made before they start, or as NACK's resources for a cluster.

But for the mailer's by which webhooks are told (services/mailer/calling.py): it makes that one itself, for whom its database says.
"""

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import yaml
from nats.js.errors import APIError

from deploy.backlog import connect
from deploy.broker import API
from services import bus
from services.bus import STREAM, Bus
from services.listening import ears
from services.service import Service
from services.settings import SERVICES, Settings

ANSWER_SECONDS = 10.0
HEAD = (
    "# The public stream and its consumers for NACK, the NATS controller. Written by `preau streams nack`: what services declare in code.\n"
    "# What services tell one another alone, links for new passwords among it, they declare themselves.\n"
)


def _service(name: str) -> Service:
    found: Service = import_module(f"services.{name}.app").service
    return found


def _ears() -> list[tuple[bool, str, list[str]]]:
    return [ear for name in SERVICES for ear in ears(_service(name))]


def shown(settings: Settings) -> str:
    """JSON, as the broker's own API and its command line take it."""
    streams = [bus.stream(internal, settings.nats_replicas).as_dict() for internal in STREAM]
    consumers = [{"stream": STREAM[internal], **bus.consumer(name, filters).as_dict()} for internal, name, filters in _ears()]
    return json.dumps({"streams": streams, "consumers": consumers}, indent=2) + "\n"


async def declare(settings: Settings) -> list[str]:
    """Make what is missing, bring consumers up to date, and have streams kept in as many copies as is said, or more.

    Safe to do twice. Returns what is there. Raises one of BROKER_TROUBLE.
    """
    broker = await connect(settings)
    try:
        for internal in STREAM:
            await broker.ensure_stream(internal)
        for internal, name, filters in _ears():
            await broker.ensure_consumer(internal, name, filters)
        for stream in STREAM.values():
            await _keep_copies(broker, stream, settings.nats_replicas)
    finally:
        await broker.close()
    return [*STREAM.values(), *(f"{STREAM[internal]}/{name}" for internal, name, _ in _ears())]


async def _keep_copies(broker: Bus, stream: str, copies: int) -> None:
    """Past our client, which leaves out of a stream's settings what it does not know. Fewer copies are never made of more."""
    config = (await _asked(broker, f"STREAM.INFO.{stream}"))["config"]
    if config["num_replicas"] < copies:
        await _asked(broker, f"STREAM.UPDATE.{stream}", {**config, "num_replicas": copies})


async def _asked(broker: Bus, what: str, wish: Mapping[str, object] | None = None) -> dict[str, Any]:
    assert broker.client is not None, "connect() has connected it"
    told = await broker.client.request(f"{API}.{what}", json.dumps(wish).encode() if wish else b"", timeout=ANSWER_SECONDS)
    answer: dict[str, Any] = json.loads(told.data)
    if "error" in answer:
        raise APIError.from_error(answer["error"])
    return answer


# ------------------------------------------------------------------------------------------------------------- Kubernetes
def nack(settings: Settings) -> str:
    """Resources of jetstream.nats.io/v1beta2, whose names are those of the chart's other objects: lower case, no underscores."""
    return HEAD + "---\n".join(yaml.safe_dump(each, sort_keys=False, width=1000) for each in _resources(settings.nats_replicas))


def _resources(replicas: int) -> Iterator[dict[str, object]]:
    wanted, stream = bus.stream(False, replicas), STREAM[False]
    spec = {
        "name": stream,
        "subjects": wanted.subjects,
        "storage": "file",
        "replicas": wanted.num_replicas,
        "duplicateWindow": f"{wanted.duplicate_window or 0:.0f}s",
        "allowAtomicPublish": wanted.allow_atomic,
        "preventDelete": True,
        "preventUpdate": True,  # its key may not: `preau streams declare`
    }
    yield _resource("Stream", _name(stream), spec)
    for name, filters in [(name, filters) for internal, name, filters in _ears() if not internal]:
        wish = bus.consumer(name, filters)
        spec = {
            "streamName": stream,
            "durableName": wish.durable_name,
            "filterSubjects": wish.filter_subjects,
            "deliverPolicy": "all",
            "ackPolicy": "explicit",
            "ackWait": f"{wish.ack_wait or 0:.0f}s",
            "maxDeliver": wish.max_deliver,
            "maxAckPending": wish.max_ack_pending,
        }
        yield _resource("Consumer", f"{_name(stream)}-{name}", spec)


def _resource(kind: str, name: str, spec: Mapping[str, object]) -> dict[str, object]:
    return {"apiVersion": "jetstream.nats.io/v1beta2", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _name(stream: str) -> str:
    return stream.lower().replace("_", "-")
