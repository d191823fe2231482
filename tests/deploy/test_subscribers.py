"""The examples for other systems run as they stand: they hear their town, each event once, and go on where they were."""

import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.broker import key_file
from tests.deploy.test_broker import Broker, say, serving
from tests.facts import until

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "subscribers"
NODE = shutil.which("node")
INSTALLED = (FOLDER / "node_modules" / "@nats-io" / "jetstream").exists()
ABSENT = "no Node, or `npm install` was not run in deploy/subscribers: nothing is known of the example in JavaScript"
MINE = "preau.carteville.booking.accepted"


class Listening:
    """An example, whose lines are in a file."""

    def __init__(self, guarded: Broker, *command: str) -> None:
        key = str(key_file(guarded.folder, "canteen"))
        self.output = guarded.folder / f"{len(list(guarded.folder.iterdir()))}.out"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command[:2], "canteen", key, *command[2:]],
                cwd=guarded.folder,
                env={"PATH": "/usr/bin:/bin", "NATS_URL": guarded.server.url},
                stdout=output,
                stderr=output,
            )

    def lines(self) -> list[str]:
        return self.output.read_text().splitlines()

    async def hears(self, count: int) -> list[str]:
        async def so() -> bool:
            assert self.process.poll() is None, self.lines()
            return len(self.lines()) >= count

        await until(so)
        return self.lines()

    def ends(self, kind: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(kind)
        self.process.wait(60)


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Broker]:
    async with serving(tmp_path) as one:
        yield one


async def tell(guarded: Broker, *subjects: str) -> None:
    await say(guarded, *subjects)


async def all_acknowledged(guarded: Broker) -> None:
    operator = next((one for one in guarded.open if one.options["name"] == "operator"), None) or await guarded.sign_in("operator")

    async def so() -> bool:
        info = await operator.jetstream().consumer_info("PREAU", "canteen")
        return not info.num_pending and not info.num_ack_pending

    await until(so)


async def test_the_one_in_python_hears_each_event_once_though_it_is_killed_and_goes_back(guarded: Broker) -> None:
    program = (sys.executable, str(FOLDER / "subscriber.py"))
    await tell(guarded, MINE, "preau.otherville.booking.accepted")
    first = Listening(guarded, *program)
    (line,) = await first.hears(1)
    assert line.startswith("fr.preau.booking.accepted.v1 ")
    await all_acknowledged(guarded)
    first.ends(signal.SIGKILL)
    await tell(guarded, MINE)
    again = Listening(guarded, *program, "--replay")
    (other,) = await again.hears(1)
    await all_acknowledged(guarded)
    again.ends()
    assert again.process.returncode == 0
    assert again.lines() == [other], "it heard the first once more, and remembered it"
    assert other != line


@pytest.mark.skipif(not NODE or not INSTALLED, reason=ABSENT)
async def test_the_one_in_javascript_hears_its_town(guarded: Broker) -> None:
    await tell(guarded, MINE, "preau.otherville.booking.accepted", MINE)
    one = Listening(guarded, str(NODE), str(FOLDER / "subscriber.mjs"))
    lines = await one.hears(2)
    await all_acknowledged(guarded)
    one.ends()
    assert one.process.returncode == 0
    assert [line.split()[0] for line in lines] == ["fr.preau.booking.accepted.v1"] * 2
