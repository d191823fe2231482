"""Streams and consumers have one source: what the services declare. All that is printed, committed and made comes of it."""

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from nats.js.api import RePublish, StreamSource
from nats.js.errors import APIError

from deploy.streams import declare, nack, shown
from services.bus import STREAM, Bus, NotOurs, stream
from services.listening import ears
from services.mailer.calling import DURABLE
from services.settings import SERVICES, Settings
from tests.conftest import Empty, service_of
from tests.deploy.kubernetes.rendered import ROOT, Rendered, of_kind

SETTINGS = Settings.from_environment({"NATS_REPLICAS": "3"})


def test_the_committed_resources_are_what_services_declare() -> None:
    """`make kustomize` writes them again."""
    assert (ROOT / "deploy" / "chart" / "nack.yaml").read_text(encoding="utf-8") == nack(SETTINGS)


def test_the_chart_has_them_with_as_many_copies_as_it_is_told(everything: Rendered) -> None:
    made = of_kind(everything.objects["cnpg"], "Stream", "Consumer")
    wanted = list(yaml.safe_load_all(nack(replace(SETTINGS, nats_replicas=5))))
    assert made == wanted
    assert {each["spec"]["replicas"] for each in of_kind(made, "Stream")} == {5}
    assert {each["spec"].get("streamName", each["spec"].get("name")) for each in made} == {"PREAU"}, (
        "what services tell one another is theirs"
    )


def test_what_the_chart_scales_by_exists() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "chart" / "values.yaml").read_text(encoding="utf-8"))["services"]
    for name in SERVICES:
        mine = {("PREAU_INTERNAL" if internal else "PREAU", durable) for internal, durable, _ in ears(service_of(name))}
        assert {(each["stream"], each["name"]) for each in services[name]["consumers"]} == mine - {("PREAU_INTERNAL", f"{name}-urgent")}


async def test_as_many_copies_are_kept_as_is_said_now(emptied: Empty) -> None:
    """One server cannot keep three, and says so: it was asked. Whoever says nothing does not have fewer kept."""
    settings = replace(Settings.from_environment({}), nats_url=await emptied())
    await declare(settings)
    with pytest.raises(APIError, match="replicas"):
        await declare(replace(settings, nats_replicas=3))
    await declare(replace(settings, nats_replicas=0))


COPIES: list[tuple[bool, dict[str, Any]]] = [
    (False, {"sources": [StreamSource(name="PREAU_INTERNAL")]}),
    (True, {"republish": RePublish(src="preau-internal.>", dest="elsewhere.>")}),
]


@pytest.mark.parametrize(("internal", "more"), COPIES, ids=["copies another", "is copied"])
async def test_sec8_no_service_writes_to_a_stream_that_lets_out_what_is_told_in_it(
    emptied: Empty, internal: bool, more: dict[str, Any]
) -> None:
    """Whoever may make streams, as NACK may, could have made it first."""
    bus = Bus(replace(Settings.from_environment({}), nats_url=await emptied()), "booking")
    await bus.keep_connecting()
    await bus.ensure_stream(True)
    if internal:
        await bus.jetstream.delete_stream(STREAM[True])
    await bus.jetstream.add_stream(stream(internal, 1), **more)
    with pytest.raises(NotOurs, match="delete it"):
        await bus.ensure_stream(internal)
    await bus.close()


async def test_declared_before_is_as_services_declare_it_themselves(emptied: Empty) -> None:
    settings = replace(Settings.from_environment({}), nats_url=await emptied())
    names = await declare(settings)
    assert names == await declare(settings), "safe to do twice"
    assert {"PREAU", "PREAU_INTERNAL", "PREAU/booking", "PREAU_INTERNAL/mailer-urgent"} <= set(names)
    bus = Bus(settings, "booking")
    await bus.keep_connecting()
    before = {stream: await bus.jetstream.consumers_info(stream) for stream in ("PREAU", "PREAU_INTERNAL")}
    told = json.loads(shown(settings))
    assert {(each["stream"], each["durable_name"]) for each in told["consumers"]} == {
        (stream, consumer.name) for stream, those in before.items() for consumer in those
    }
    for internal, durable, filters in ears(service_of("booking")):
        await bus.ensure_stream(internal)
        await bus.ensure_consumer(internal, durable, filters)
    await bus.ensure_consumer(False, DURABLE, ["preau.carteville.>"])  # as the mailer does where that town has a webhook
    assert await declare(settings) == names
    webhooks = await bus.jetstream.consumer_info("PREAU", DURABLE)
    assert webhooks.config.filter_subjects == ["preau.carteville.>"], "nobody else says of whom it hears"
    await bus.jetstream.delete_consumer("PREAU", DURABLE)
    after = {stream: await bus.jetstream.consumers_info(stream) for stream in before}
    for name in before:
        assert [each.config for each in after[name]] == [each.config for each in before[name]]
    await bus.close()
