"""As much of a cluster as a rolling update needs, on one machine: pods are processes with an address of their own (127.x.y.z), which run
what the chart rendered from a tree laid out as the image's; a Service leads each connection to a pod that is ready; a pod that is to go is
told so, waits and drains while the others are still learning of it.
"""

import asyncio
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.deploy.kubernetes.rendered import ROOT, Object, containers, named
from tests.facts import until
from tests.forked import Forked

LEARNING_SECONDS = 1.5  #: How long connections still come after a pod was told to go.
PROBE_SECONDS = 1.0
PATIENCE = 2  #: failureThreshold of the readiness probe
PACKAGES = ("services", "gateway", "deploy")
NET = f"127.{1 + secrets.randbelow(250)}.{secrets.randbelow(250)}"  #: Ours alone, whoever else tests beside us.
#: A root that is read-only but for the pod's own folder, and no capability, as the chart says.
RESTRICTED = 'mount --bind "$0" "$0" && mount -o remount,ro,bind / && exec setpriv --bounding-set=-all --inh-caps=-all "$@"'


@cache
def can_restrict() -> bool:
    """Needs root, and a system that lets it have mounts of its own."""
    tools = all(map(shutil.which, ("unshare", "setpriv", "mount")))
    return tools and os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


def image(folder: Path, migrations: Mapping[str, Mapping[str, str]] | None = None) -> Path:
    """A tree as the Containerfile's; `migrations`: service -> file -> text, of a later version."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / "app" / package, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "bin").mkdir()
    shutil.copy(ROOT / "deploy" / "image" / "preau", folder / "bin" / "preau")
    for service, files in (migrations or {}).items():
        for name, text in files.items():
            (folder / "app" / "services" / service / "migrations" / name).write_text(text)
    return folder


def _of_image(tree: Path, pod: Path) -> dict[str, str]:
    """The image's own environment."""
    text = (ROOT / "deploy" / "image" / "Containerfile").read_text(encoding="utf-8").rpartition("FROM ")[2].replace("\\\n", " ")
    found = dict(re.findall(r"\b([A-Z]+)=(\S+)", re.findall(r"^ENV (.*)$", text, re.MULTILINE)[0]))
    assert {"PYTHONPATH", "PATH"} <= set(found)
    inside = {name: value.replace("/opt/preau/app", str(tree / "app")) for name, value in found.items()}
    return {**inside, "PREAU_DATA": str(pod / "preau"), "TMPDIR": str(pod), "PATH": os.environ["PATH"]}


@dataclass
class Pod:
    name: str
    address: str
    port: int
    process: "subprocess.Popen[bytes] | Forked"
    log: Path
    refusals: int = 0  #: How often in a row it said that it is not ready.

    async def ready(self) -> bool | None:
        """None: it did not answer in time."""
        try:
            async with asyncio.timeout(20):
                reader, writer = await asyncio.open_connection(self.address, self.port)
                try:
                    writer.write(b"GET /readyz HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n")
                    return (await reader.read()).startswith(b"HTTP/1.1 200")
                finally:
                    await _leave(writer)
        except (OSError, TimeoutError):
            return None

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


@dataclass
class Endpoint:
    """A Service: connections to its address go to one of its pods, whatever happens to that one later."""

    address: str
    port: int
    pods: list[Pod] = field(default_factory=list)
    _turn: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._lead, self.address, self.port)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        await asyncio.gather(*map(_leave, list(self._writers)))
        await self._server.wait_closed()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            self._turn += 1
            ready = [pod for pod in self.pods if pod.refusals < PATIENCE]
            pod = ready[self._turn % len(ready)]  # nobody there: the connection is closed
            inward, outward = await asyncio.open_connection(pod.address, pod.port)
            self._writers.add(outward)
            await asyncio.gather(_pass(reader, outward), _pass(inward, writer))
            self._writers.discard(outward)
        except (OSError, ZeroDivisionError):
            pass
        finally:
            self._writers.discard(writer)
            await _leave(writer)


async def _leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()
    await _leave(writer)


@dataclass
class Cluster:
    """`secrets`: by name, as somebody made them. `names`: what leads elsewhere, such as the broker's."""

    folder: Path
    objects: list[Object]
    secrets: Mapping[str, Mapping[str, str]]
    names: Mapping[str, str]
    services: dict[str, Endpoint] = field(default_factory=dict)
    pods: list[Pod] = field(default_factory=list)  #: all that were ever started
    _numbers: int = 100

    async def open(self) -> None:
        for number, one in enumerate(each for each in self.objects if each["kind"] == "Service"):
            name = one["metadata"]["name"].removeprefix("preau-")
            if "selector" in one["spec"]:
                self.services[name] = Endpoint(f"{NET}.{10 + number}", one["spec"]["ports"][0]["port"])
                await self.services[name].open()

    async def close(self) -> None:
        for service in self.services.values():
            await service.close()
        for pod in self.pods:
            if pod.process.poll() is None:
                pod.process.kill()
                pod.process.wait(30)

    def _environment(self, container: Object) -> dict[str, str]:
        values: dict[str, str] = {}
        for entry in container.get("env", ()):
            if "valueFrom" in entry:
                wanted = entry["valueFrom"]["secretKeyRef"]
                values[entry["name"]] = self.secrets[wanted["name"]][wanted["key"]]
            else:
                values[entry["name"]] = self._found(re.sub(r"\$\(([A-Z_]+)\)", lambda match: values[match[1]], entry["value"]))
        return values

    def _found(self, text: str) -> str:
        """With names as the cluster's DNS resolves them."""
        for name, place in self.names.items():
            text = text.replace(name, place)
        return re.sub(r"//preau-([a-z]+):", lambda match: f"//{self.services[match[1]].address}:", text)

    def _run(self, name: str, container: Object, tree: Path | None, address: str) -> tuple["subprocess.Popen[bytes] | Forked", Path]:
        """`tree` None: the version that is under test, from where it lies, and already imported."""
        self._numbers += 1
        pod, log = self.folder / f"pod-{self._numbers}", self.folder / f"{name}-{self._numbers}.log"
        pod.mkdir()
        environ, args = self._environment(container), [address if each == "0.0.0.0" else each for each in container["args"]]
        if tree is None:
            environ |= {"PATH": os.environ["PATH"], "PREAU_DATA": str(pod), "TMPDIR": str(pod)}
            return Forked("deploy.cli", *args, environ=environ, output=log), log
        command = [sys.executable, str(tree / "bin" / "preau"), *args]
        if can_restrict():
            command = ["unshare", "-m", "--propagation", "private", "sh", "-c", RESTRICTED, str(pod), *command]
        with log.open("ab") as said:
            return subprocess.Popen(command, env={**_of_image(tree, pod), **environ}, cwd=pod, stdout=said, stderr=said), log

    async def start(self, name: str, tree: Path | None) -> Pod:
        """One more pod of a Deployment: its init containers, then it; in the Service once it is ready."""
        template = named(self.objects, "Deployment", f"preau-{name}")["spec"]["template"]
        *before, container = containers(template)
        self._numbers += 1
        address = f"{NET}.{self._numbers}"
        for first in before:
            await self.complete(name, first, tree)
        process, log = self._run(name, container, tree, address)
        pod = Pod(name, address, container["ports"][0]["containerPort"], process, log)
        self.pods.append(pod)

        async def ready() -> bool:
            """The pod is ready."""
            assert process.poll() is None, pod.said()
            await asyncio.sleep(PROBE_SECONDS / 4)
            return bool(await pod.ready())

        await until(ready, within=180)
        self.services[name].pods.append(pod)
        return pod

    async def complete(self, name: str, container: Object, tree: Path | None) -> None:
        process, log = self._run(f"{name}-{container['name']}", container, tree, "")
        assert await asyncio.to_thread(process.wait, 180) == 0, log.read_text()

    async def end(self, pod: Pod) -> None:
        """As the kubelet does it, while everybody else hears of it later."""
        spec = named(self.objects, "Deployment", f"preau-{pod.name}")["spec"]["template"]["spec"]
        pause = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        asyncio.get_running_loop().call_later(LEARNING_SECONDS, self._forget, pod)
        await asyncio.sleep(pause)
        pod.process.terminate()
        status = await asyncio.to_thread(pod.process.wait, 180)  # that its grace suffices test_chart.py holds, by the sums
        assert status in (0, -15), (pod.name, status, pod.said())

    def _forget(self, pod: Pod) -> None:
        if pod in self.services[pod.name].pods:
            self.services[pod.name].pods.remove(pod)

    async def roll(self, name: str, tree: Path) -> None:
        """maxSurge 1, maxUnavailable 0."""
        (old,) = self.services[name].pods
        await self.start(name, tree)
        await self.end(old)

    async def probe(self) -> None:
        """For ever: who says that it is not ready gets no connection until it says otherwise."""
        while True:
            for pod in [pod for service in self.services.values() for pod in service.pods]:
                pod.refusals = pod.refusals + 1 if await pod.ready() is False else 0
            await asyncio.sleep(PROBE_SECONDS)
