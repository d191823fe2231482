"""deploy/nats/values.yaml, as far as it can be tried without the official chart: its part of the configuration on a real server."""

import asyncio
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import nats
import pytest
import yaml

from tests.deploy.kubernetes.rendered import ROOT, Rendered, environment, of_kind
from tests.nats_server import NatsServer

VALUES = yaml.safe_load((ROOT / "deploy" / "nats" / "values.yaml").read_text(encoding="utf-8"))
USERS = {"gateway", "identity", "billing", "booking", "mailer", "operator"}


def as_the_chart_writes_it(part: Any) -> str:
    """JSON, but for what stands between << and >>."""
    return re.sub(r'"<< (.*?) >>"', r"\1", json.dumps(part))


def test_three_of_them_keep_what_they_acknowledge() -> None:
    config = VALUES["config"]
    assert config["cluster"] == {"enabled": True, "replicas": 3}
    assert config["jetstream"]["enabled"]
    assert config["jetstream"]["merge"] == {"sync_interval": "always"}
    assert VALUES["podTemplate"]["topologySpreadConstraints"]["kubernetes.io/hostname"]["whenUnsatisfiable"] == "DoNotSchedule"


def test_passwords_are_references_and_each_user_has_one(everything: Rendered) -> None:
    env = {name: value for name, value in VALUES["container"]["env"].items() if name.endswith("PASSWORD")}
    keys = {entry["valueFrom"]["secretKeyRef"]["key"]: f"<< ${name} >>" for name, entry in env.items()}
    assert {entry["valueFrom"]["secretKeyRef"]["name"] for entry in env.values()} == {"preau-nats"}
    accounts = VALUES["config"]["merge"]["accounts"]
    users = {user["user"]: user["password"] for account in accounts.values() for user in account["users"]}
    assert users == keys
    assert set(users) == USERS | {"system"}
    for each in of_kind(everything.objects["whole"], "Deployment"):
        told = environment(each["spec"]["template"]["spec"]["containers"][0])["NATS_PASSWORD"]["valueFrom"]["secretKeyRef"]
        assert told == {"name": "preau-nats", "key": each["metadata"]["labels"]["app.kubernetes.io/component"]}


async def test_a_real_server_takes_it_and_lets_in_whom_it_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VALUES["container"]["env"]:
        if name.endswith("PASSWORD"):
            monkeypatch.setenv(name, f"p{name.lower()}")
    server = NatsServer(tmp_path)
    jetstream = {"store_dir": str(server.store), **VALUES["config"]["jetstream"]["merge"]}
    whole = {
        **VALUES["config"]["merge"],
        "listen": f"127.0.0.1:{server.port}",
        "http": f"127.0.0.1:{server.monitor}",
        "jetstream": jetstream,
    }
    server.settings = as_the_chart_writes_it(whole)
    server.start()
    try:
        for user in USERS:
            client = await nats.connect(f"nats://{user}:p{user}_password@127.0.0.1:{server.port}", allow_reconnect=False)
            assert (await client.jetstream().account_info()).streams == 0
            await client.close()
        for who in ({}, {"user": "booking", "pass": "wrong"}):
            assert b"Authorization Violation" in await said_to(server, who)
        assert subprocess.run(["nats-server", "-t", "-c", str(tmp_path / "nats.conf")], capture_output=True, check=False).returncode == 0
    finally:
        server.stop()


async def said_to(server: NatsServer, who: dict[str, str]) -> bytes:
    """Past our client, which leaves a socket open where it is refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"CONNECT %b\r\nPING\r\n" % json.dumps({"verbose": False, **who}).encode())
    told = await reader.read()
    writer.close()
    await writer.wait_closed()
    return told
