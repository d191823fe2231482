"""deploy/nats/values.yaml and what `preau partners values` adds to it, by the official chart: what it makes of them is read by a real
server, which then lets everybody do what it lets them on one machine.

nats-2.14.2.tgz is that chart without its own tests: helm/charts/nats of https://github.com/nats-io/k8s, commit
957650fba03e2e6ad8b5d54d66358f67a431157b (Apache License 2.0, which is in it).
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import validate
from nats.aio.client import Client
from nats.errors import NoRespondersError
from nats.js.errors import APIError, NoStreamResponseError
from typer.testing import CliRunner

from deploy.broker import NACK, OURS, SYSTEM, accounts, key_file, partners_in
from deploy.cli import app
from deploy.streams import declare, shown
from services import nkeys
from services.bus import connect
from services.settings import Settings
from tests.deploy.guarded import EVERYBODY, TOWNS, Broker, every_key_against_every_class_of_subjects, serving
from tests.deploy.kubernetes.rendered import ROOT, Object, Rendered, component, named, of_kind, selects
from tests.facts import until
from tests.nats_server import NatsServer, free_port

VALUES = yaml.safe_load((ROOT / "deploy" / "nats" / "values.yaml").read_text(encoding="utf-8"))
CHART = Path(__file__).with_name("nats-2.14.2.tgz")
RENDER = """
import json, sys, yaml
from helm_python import Chart
with Chart.load(sys.argv[1]) as chart:
    files = chart.render(json.load(sys.stdin), name="preau-nats", namespace="preau")
print(json.dumps([one for text in files.values() for one in yaml.safe_load_all(text) if one]))
"""


def values_of(folder: Path) -> dict[str, Any]:
    """As an operator has them printed."""
    told = CliRunner().invoke(app, ["partners", "values", "--folder", str(folder)])
    assert told.exit_code == 0, told.output
    return dict(yaml.safe_load(told.stdout))


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """As Helm puts two values files together: maps key by key, all else as the later one has it."""
    both = {key: merged(one[key], other[key]) for key in one.keys() & other.keys() if isinstance(one[key], dict) and other[key]}
    return {**one, **other, **both}


def made_of(values: Mapping[str, Any]) -> list[Object]:
    """What the chart makes, by Helm: in a process of its own, as in conftest.py."""
    command = [sys.executable, "-c", RENDER, str(CHART)]
    done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def file_of(values: Mapping[str, Any]) -> str:
    """nats.conf, as each server is given it."""
    return str(named(made_of(values), "ConfigMap", "preau-nats-config")["data"]["nats.conf"])


def of_one(server: NatsServer, config: Mapping[str, Any]) -> str:
    """The same file, read as YAML, which it is too, at places that there are here; of one server that has no others."""
    jetstream = {**config["jetstream"], "store_dir": str(server.store), "max_file_store": 2**34}
    places = {
        "listen": f"127.0.0.1:{server.port}",
        "http": f"127.0.0.1:{server.monitor}",
        "jetstream": jetstream,
        "server_name": "preau-nats-0",
    }
    return json.dumps({**{key: config[key] for key in config.keys() - {"port", "http_port", "pid_file", "cluster"}}, **places})


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """What is made for a town without partners."""
    return made_of(merged(VALUES, values_of(tmp_path_factory.mktemp("keys"))))


def test_what_the_official_chart_makes_is_what_kubernetes_takes(chart: list[Object]) -> None:
    for one in chart:
        validate(one, "1.34", strict=True)
    assert {(each["kind"], each["metadata"]["name"]) for each in chart} == {
        *((kind, "preau-nats") for kind in ("StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy")),
        ("Service", "preau-nats-headless"),
        ("ConfigMap", "preau-nats-config"),
    }


def test_brokers_pods_are_restricted(chart: list[Object]) -> None:
    pod = named(chart, "StatefulSet", "preau-nats")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]


def test_the_brokers_policy_is_about_its_pods_and_lets_out_what_its_file_says(chart: list[Object]) -> None:
    """Its routes, and whose names it asks for: nothing else."""
    labels = named(chart, "StatefulSet", "preau-nats")["spec"]["template"]["metadata"]["labels"]
    policy = named(chart, "NetworkPolicy", "preau-nats")["spec"]
    assert selects(policy["podSelector"], labels)
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    config = yaml.safe_load(named(chart, "ConfigMap", "preau-nats-config")["data"]["nats.conf"])
    routes = {route.rpartition(":")[2] for route in config["cluster"]["routes"]}
    names, among = policy["egress"]
    assert [port["port"] for port in names["ports"]] == [53, 53]
    assert names["to"] == yaml.safe_load((ROOT / "deploy" / "chart" / "values.yaml").read_text(encoding="utf-8"))["network"]["dns"]
    assert {str(port["port"]) for port in among["ports"]} == routes == {str(config["cluster"]["port"])}
    assert all(selects(peer["podSelector"], labels) for peer in among["to"])
    assert {rule["ports"][0]["port"] for rule in policy["ingress"] if rule["from"] == among["to"]} == {config["cluster"]["port"]}
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == {
        config["port"],
        config["http_port"],
        config["cluster"]["port"],
    }


def test_three_of_them_keep_what_they_acknowledge(chart: list[Object]) -> None:
    of_all = named(chart, "StatefulSet", "preau-nats")["spec"]
    assert of_all["replicas"] == 3
    (claim,) = of_all["volumeClaimTemplates"]
    assert claim["spec"]["resources"] == {"requests": {"storage": "20Gi"}}
    assert yaml.safe_load(named(chart, "ConfigMap", "preau-nats-config")["data"]["nats.conf"])["jetstream"]["sync_interval"] == "always"
    (spread,) = of_all["template"]["spec"]["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "DoNotSchedule")
    assert spread["labelSelector"] == of_all["selector"]


@contextmanager
def three(folder: Path, config: Mapping[str, Any]) -> Iterator[list[NatsServer]]:
    """Of the chart's cluster, whose routes lead to three ports here."""
    ports = {f"preau-nats-{n}.preau-nats-headless:6222": f"127.0.0.1:{free_port()}" for n in range(3)}
    assert {route.removeprefix("nats://") for route in config["cluster"]["routes"]} == set(ports)
    servers = []
    for n, place in enumerate(ports.values()):
        (folder / str(n)).mkdir()
        server = NatsServer(folder / str(n))
        cluster = {key: config["cluster"][key] for key in config["cluster"].keys() - {"port", "routes"}}
        cluster |= {"listen": place, "routes": [f"nats://{other}" for other in ports.values()]}
        server.settings = json.dumps(json.loads(of_one(server, config)) | {"server_name": f"preau-nats-{n}", "cluster": cluster})
        servers.append(server)
    try:
        for server in servers:
            server.start(ready="/healthz?js-server-only=true")
        yield servers
    finally:
        for server in servers:
            if server.process is not None:
                server.stop(kill=True)


async def test_with_one_of_the_three_gone_what_is_told_is_kept(tmp_path: Path) -> None:
    """By the chart's own routes, with as many copies as the cluster's settings say."""
    keys = tmp_path / "keys"
    config = yaml.safe_load(file_of(merged(VALUES, values_of(keys))))
    with three(tmp_path, config) as servers:
        usual = Settings.from_environment({})
        operator = replace(usual, nats_url=servers[0].url, nats_credentials=str(key_file(keys, "operator")), nats_replicas=3)

        async def declared() -> bool:
            """They have found one another, and agree."""
            try:
                return bool(await declare(operator))
            except (APIError, NoStreamResponseError, NoRespondersError, TimeoutError):
                return False

        await until(declared)
        booking = await connect(replace(operator, nats_credentials=str(key_file(keys, "booking"))), "booking")
        assert (await booking.jetstream().stream_info("PREAU")).config.num_replicas == 3
        await booking.jetstream().publish("preau.carteville.booking.event", b"{}")
        servers[1].stop(kill=True)

        async def kept() -> bool:
            try:
                return bool(await booking.jetstream().publish("preau.carteville.booking.event", b"{}", timeout=2))
            except (APIError, NoStreamResponseError, TimeoutError):
                return False

        await until(kept)
        assert (await booking.jetstream().stream_info("PREAU")).state.messages >= 2
        await booking.close()


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
        file.write_text(file_of(values))
        command, environment = ["nats-server", "-t", "-c", str(file)], {**os.environ, "SERVER_NAME": "preau-nats-0"}
        tried = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert (tried.returncode == 0) is takes, tried.stderr
    assert "nkey" in tried.stderr or takes


def in_the_cluster(server: NatsServer, keys: Path) -> str:
    return of_one(server, yaml.safe_load(file_of(merged(VALUES, values_of(keys)))))


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
