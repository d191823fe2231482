"""`preau up`: a whole town on one machine, which survives what happens to its processes, and ends when told to."""

import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import httpx2
import pytest

from tests.conftest import SEED
from tests.deploy.system import START_SECONDS, Preau, gone
from tests.deploy.test_checking import EXAMPLE, TEXT
from tests.forked import run
from tests.nats_server import free_port

SERVICES = {"identity", "billing", "booking", "mailer"}
EVERYBODY = SERVICES | {"gateway", "mailbox", "sandbox", "nats-server"}
PAY = "mutation($i: StartPaymentInput!) { startPayment(input: $i) { ... on OnlinePayment { id redirectUrl } ... on Refusal { code } } }"
BALANCE = "{ me { families { id balance { lines { wallet { name } balanceCents estimatedCostCents newBalanceCents } } } } }"


#: Beside the demonstration town.
OWN = """\
structure: {id: chateauneuf, name: Mairie de Châteauneuf, timezone: Europe/Paris, school_zone: B, debt_limit_cents: 0}
wallets:
  - {id: chateauneuf-cantine, name: CANTINE}
activities: []
accounts:
  - {login: chastel, password: Trois-canards-42, first_name: Anne, last_name: CHASTEL}
families:
  - id: chastel
    number: "1"
    accounts: [chastel]
    children: []
    payments:
      - {date: today, mode: CHEQUE, reference: "1", payer: CHASTEL, wallet: chateauneuf-cantine, cents: 1234}
"""


@pytest.fixture
def started() -> Iterator[list[Preau]]:
    """Whatever a test starts is gone afterwards."""
    systems: list[Preau] = []
    yield systems
    for system in systems:
        if system.process.poll() is None:
            system.process.kill()
            system.process.wait()


def mails(preau: Preau) -> list[Path]:
    return list((preau.data / "mail").glob("*.eml"))


def figures(preau: Preau, token: str) -> dict[str, list[int]]:
    (family,) = preau.ask(BALANCE, token=token)["me"]["families"]
    return {
        line["wallet"]["name"]: [line["balanceCents"], line["estimatedCostCents"], line["newBalanceCents"]]
        for line in family["balance"]["lines"]
    }


def readable(folder: Path) -> list[str]:
    """What others than the owner may read, or at least enter."""
    return [str(path) for path in (folder, *folder.rglob("*")) if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]


def preau(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    """Another command beside it."""
    return run("deploy.cli", *arguments, environ=os.environ | {"PREAU_DATA": str(data)})


def refusal(*arguments: str, **environ: str) -> str:
    """Why `preau up` does not start."""
    done = run("deploy.cli", "up", *arguments, environ=os.environ | environ)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.removeprefix("preau: ").rstrip()


def test_a_newcomer_gets_a_working_town_that_survives_its_processes(tmp_path: Path, started: list[Preau]) -> None:
    """One long story, for starting everything takes a while."""
    town = Preau(tmp_path / "data")
    started.append(town)
    town.until("ready")
    assert [line.split(" ")[0] for line in town.lines[:5]] == ["gateway", "mailbox", "smtp", "nats", "sandbox"]
    assert town.address("gateway") == f"http://127.0.0.1:{town.port}"
    assert set(town.children()) == EVERYBODY

    # The guide's own figures, through the gateway (S14).
    login, password = next(line for line in town.lines if line.startswith("login dupont")).split()[1:3]
    token = town.sign_in(login, password)
    assert figures(town, token) == {"PERISCOLAIRE": [50_06, 102_61, -52_55], 'Multiaccueil "Les Tagazoux"': [0, 0, 0]}
    # Two families asked for a day that is full: they wait, and their reports are in the mailbox.
    assert len(mails(town)) == 2
    (kone,) = town.ask(
        "{ me { families { bookings(status: [WAITLISTED]) { nodes { status rank } } } } }", token=town.sign_in("kone", "Awa-et-Moussa-2026")
    )["me"]["families"]
    assert kone["bookings"]["nodes"] == [{"status": "WAITLISTED", "rank": 2}]

    # Paying online works as it comes: 52,55 are owed, more may be paid (S16, S17, S19).
    line = {"wallet": "periscolaire", "amountCents": 52_55}
    payment = town.ask(PAY, {"i": {"family": "dupont", "lines": [line], "idempotencyKey": "k"}}, token=token)["startPayment"]
    assert payment["redirectUrl"].startswith(town.address("sandbox"))
    page = httpx2.post(payment["redirectUrl"], data={"action": "pay"}, follow_redirects=True, timeout=60)
    assert str(page.url) == f"{town.address('gateway')}/paiement/{payment['id']}"
    deadline = time.monotonic() + 60
    while figures(town, token)["PERISCOLAIRE"][0] == 50_06 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert figures(town, token)["PERISCOLAIRE"] == [102_61, 102_61, 0]
    # And has its receipt, beside the two reports.
    while len(mails(town)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)

    # The operators' commands find it by its folder.
    for command in (("check",), ("doctor",), ("dead-letters",), ("load", str(Path("deploy/demo/carteville.yaml")))):
        done = preau(*command, data=town.data)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert done.stdout == "carteville: nothing to change\n"

    # A second one on the same folder is refused.
    assert refusal("--data", str(town.data)) == (
        f"{town.data} is in use by another `preau up` (process {town.process.pid}). Stop it first, or choose another --data."
    )

    # Whoever dies is started again, on the same address; requests wait meanwhile. Of the services, which are all started alike, one by chance.
    before, one = town.children(), sorted(SERVICES)[crc32(SEED.encode()) % len(SERVICES)]
    killed = EVERYBODY if os.environ.get("PREAU_ALL") else EVERYBODY - SERVICES | {one}
    for name in sorted(killed):
        os.kill(before[name], signal.SIGKILL)
        said = "nats" if name == "nats-server" else name
        town.until(f"{said} was killed by SIGKILL; starting it again")
    assert figures(town, town.sign_in(login, password))["PERISCOLAIRE"] == [102_61, 102_61, 0]
    after = town.children()
    assert set(after) == EVERYBODY
    assert {name for name in EVERYBODY if after[name] != before[name]} == killed

    # It ends in time, and nobody stays behind.
    assert town.stop(signal.SIGTERM) < 10
    assert town.process.returncode == 0
    assert gone(after, within=0.5)
    addresses = town.lines[:5]

    # State and addresses survive; nothing is loaded a second time, beside a town of one's own.
    own = tmp_path / "own.yaml"
    own.write_text(OWN, encoding="utf-8")
    again = Preau(town.data, "--town", str(own), port=town.port)
    started.append(again)
    again.until("ready")
    assert again.lines[:5] == addresses
    assert not any(line.startswith("login") for line in again.lines)
    assert figures(again, again.sign_in(login, password))["PERISCOLAIRE"] == [102_61, 102_61, 0]
    assert figures(again, again.sign_in("chastel", "Trois-canards-42")) == {"CANTINE": [12_34, 0, 12_34]}
    assert len(mails(town)) == 3, "no mail is sent twice"
    assert preau("check", data=town.data).returncode == 0

    # Ctrl-C is as good.
    children = again.children()
    assert again.stop(signal.SIGINT) < 10
    assert again.process.returncode == 0
    assert gone(children, within=0.5)


def test_without_a_demo_it_is_empty_and_killed_it_leaves_nobody_behind(tmp_path: Path, started: list[Preau]) -> None:
    before = os.umask(0o022)
    try:
        town = Preau(tmp_path / "data", "--no-demo")
    finally:
        os.umask(before)
    started.append(town)
    deadline = time.monotonic() + START_SECONDS
    while set(children := town.children()) != EVERYBODY and time.monotonic() < deadline:
        time.sleep(0.05)
    assert set(children) == EVERYBODY
    # With no chance to say anything.
    town.process.kill()
    assert gone(children)
    # Keys and mails are for nobody else's eyes.
    assert (town.data / "mail").exists()
    assert readable(town.data) == []
    loaded = preau("load", str(EXAMPLE), data=town.data)
    assert (loaded.returncode, loaded.stdout[:32]) == (0, "carteville: wrote rows: identity"), loaded.stderr


def test_a_wrong_town_file_is_told(tmp_path: Path) -> None:
    wrong, data = tmp_path / "wrong.yaml", tmp_path / "data"
    wrong.write_text(TEXT.replace("school_zone: B", "school_zone: D"), encoding="utf-8")
    told = preau("up", "--port", str(free_port()), "--town", str(wrong), data=data)
    assert told.returncode == 1
    assert f"{wrong}:4: school_zone: 'D' is not possible; expected A, B, C" in told.stderr.splitlines()
    assert (data / "identity.sqlite").exists(), "control: it came as far as that"
    assert readable(data) == []


def test_a_port_in_use_is_told_and_a_folder_that_an_earlier_version_left_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "lock").touch()
    (tmp_path / "anybodys").mkdir()
    for folder, mode in ((tmp_path / "used", 0o700), (tmp_path / "anybodys", 0o755)):
        folder.chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            told = refusal("--data", str(folder), "--port", str(port))
        assert told == f"port {port}, for gateway, is not free (Address already in use): choose another with --port"
        assert stat.S_IMODE(folder.stat().st_mode) == mode


def test_production_is_not_for_one_machine(tmp_path: Path) -> None:
    secrets = {"PREAU_PUBLIC_URL": "https://x.example", "PREAU_SIGNING_KEY": "{}", "PREAU_MAIL_FROM": "a@example.org"}
    assert "`preau up` is for one machine" in refusal("--data", str(tmp_path / "data"), PREAU_ENV="production", **secrets)
