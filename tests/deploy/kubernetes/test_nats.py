"""deploy/nats/values.yaml and what `preau partners values` adds to it, as far as that can be tried without the official chart: on a real
server, which then lets everybody do what it lets them on one machine.
"""

import asyncio
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from nats.aio.client import Client
from typer.testing import CliRunner

from deploy.broker import NACK, OURS, SYSTEM, accounts, partners_in
from deploy.cli import app
from deploy.streams import shown
from services import nkeys
from services.bus import connect
from services.settings import Settings
from tests.deploy.guarded import EVERYBODY, TOWNS, Broker, every_key_against_every_class_of_subjects, serving
from tests.deploy.kubernetes.rendered import ROOT, Rendered, component, of_kind
from tests.nats_server import NatsServer

VALUES = yaml.safe_load((ROOT / "deploy" / "nats" / "values.yaml").read_text(encoding="utf-8"))


def values_of(folder: Path) -> dict[str, Any]:
    """As an operator has them printed."""
    told = CliRunner().invoke(app, ["partners", "values", "--folder", str(folder)])
    assert told.exit_code == 0, told.output
    return dict(yaml.safe_load(told.stdout))


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """As Helm puts two values files together: maps key by key, all else as the later one has it."""
    both = {key: merged(one[key], other[key]) for key in one.keys() & other.keys() if isinstance(one[key], dict) and other[key]}
    return {**one, **other, **both}


def configuration(server: NatsServer, values: Mapping[str, Any]) -> str:
    """Of one server: what stands in the chart's file, which is JSON."""
    config = values["config"]
    jetstream = {"store_dir": str(server.store), **config["jetstream"]["merge"]}
    places = {"listen": f"127.0.0.1:{server.port}", "http": f"127.0.0.1:{server.monitor}", "jetstream": jetstream}
    return json.dumps({**config["merge"], **places})


def test_three_of_them_keep_what_they_acknowledge() -> None:
    config = VALUES["config"]
    assert config["cluster"] == {"enabled": True, "replicas": 3}
    assert config["jetstream"]["enabled"]
    assert config["jetstream"]["merge"] == {"sync_interval": "always"}
    assert VALUES["podTemplate"]["topologySpreadConstraints"]["kubernetes.io/hostname"]["whenUnsatisfiable"] == "DoNotSchedule"


def test_each_process_has_its_key_and_no_others(everything: Rendered, tmp_path: Path) -> None:
    """By the names that the files of `preau partners` have, of which the Secret is made."""
    values_of(tmp_path)
    made = {file.name for file in (tmp_path / "keys").iterdir()}
    assert made == {f"{name}.nk" for name in (*OURS, NACK, SYSTEM)}
    read = set()
    for each in of_kind(everything.objects["whole"], "Deployment", "Job"):
        for volume in each["spec"]["template"]["spec"]["volumes"]:
            if volume["name"] == "nats-credentials":
                (item,) = volume["secret"]["items"]
                assert item["key"] == ("operator.nk" if component(each) == "streams" else f"{component(each)}.nk")
                read.add(item["key"])
    assert read == {f"{name}.nk" for name in OURS}


def test_without_accounts_no_server_starts(tmp_path: Path) -> None:
    """Rather than one that lets in everybody."""
    for values, takes in ((VALUES, False), (merged(VALUES, values_of(tmp_path)), True)):
        file = tmp_path / "nats.conf"
        file.write_text(configuration(NatsServer(tmp_path), values))
        tried = subprocess.run(["nats-server", "-t", "-c", str(file)], capture_output=True, text=True, check=False)
        assert (tried.returncode == 0) is takes, tried.stderr
    assert "nkey" in tried.stderr or takes


def in_the_cluster(server: NatsServer, keys: Path) -> str:
    return configuration(server, merged(VALUES, values_of(keys)))


async def test_sec8_every_key_may_do_the_same_as_on_one_machine(tmp_path: Path) -> None:
    async with serving(tmp_path, in_the_cluster) as guarded:
        await a_stranger_is_not_let_in(guarded)
        system = await connect(guarded.settings(SYSTEM), SYSTEM)
        for town in TOWNS:  # in an account of its own, where it is heard by nobody
            await system.publish(f"preau.{town}.booking.event", b"{}")
        await system.close()
        *others, last = EVERYBODY
        await every_key_against_every_class_of_subjects(guarded, (*others, NACK, last))


async def a_stranger_is_not_let_in(guarded: Broker) -> None:
    """Past our client, which leaves a socket open where it is refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", guarded.server.port)
    writer.write(b'CONNECT {"verbose": false}\r\nPING\r\n')
    assert b"Authorization Violation" in await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_nack_makes_what_services_declare_of_the_public_stream_and_overhears_nobody(tmp_path: Path) -> None:
    """By the subjects that its client uses (jsm.go). Its inbox has a name that it invents, so it may listen at all but ours.

    Of the other stream it makes nothing: a consumer of its own would have links for new passwords delivered to it.
    """
    async with serving(tmp_path, in_the_cluster) as guarded:
        nack, booking = await guarded.sign_in(NACK), await guarded.sign_in("booking")
        overheard = await nack.subscribe("_INBOX.>")
        await nack.flush()
        await booking.jetstream().stream_info("PREAU")

        told = json.loads(shown(Settings.from_environment({})))
        public = [stream for stream in told["streams"] if stream["name"] == "PREAU"]
        theirs = [consumer for consumer in told["consumers"] if consumer["stream"] == "PREAU"]
        assert public
        assert theirs
        for stream in public:
            for act in ("INFO", "CREATE"):
                await asked(nack, f"STREAM.{act}.{stream['name']}", {} if act == "INFO" else stream)
        for consumer in theirs:
            stream = consumer.pop("stream")
            name, filters = consumer["durable_name"], consumer["filter_subjects"]
            config = {**consumer, "name": name}
            if len(filters) == 1:
                config = {**config, "filter_subject": filters[0], "filter_subjects": None}
            where = f"{stream}.{name}" + (f".{filters[0]}" if len(filters) == 1 else "")
            await asked(nack, f"CONSUMER.CREATE.{where}", {"stream_name": stream, "config": config})
            await asked(nack, f"CONSUMER.INFO.{stream}.{name}", {})
        assert guarded.errors[NACK] == []
        heard = [overheard._pending_queue.get_nowait().subject for _ in range(overheard.pending_msgs)]
        assert heard, "its own answers come"
        assert all(subject.startswith("_INBOX.nack.") for subject in heard)


async def asked(client: Client, what: str, wish: Mapping[str, Any]) -> None:
    answer = json.loads((await client.request(f"$JS.API.{what}", json.dumps(wish).encode() if wish else b"", timeout=20)).data)
    assert "error" not in answer, (what, answer)


def test_a_partner_that_was_added_is_in_the_next_values(tmp_path: Path) -> None:
    key = nkeys.public_of(nkeys.new_seed())
    added = CliRunner().invoke(app, ["partners", "add", "canteen", "carteville.booking", "--public-key", key, "--data", str(tmp_path)])
    assert added.exit_code == 0, added.output
    told = values_of(tmp_path / "broker")["config"]["merge"]["accounts"]
    (canteen,) = partners_in(tmp_path / "broker")
    assert told["partner_canteen"] == accounts({}, [canteen])["partner_canteen"]
    assert {"stream": "preau.carteville.booking.>", "accounts": ["partner_canteen"]} in told["PREAU"]["exports"]
