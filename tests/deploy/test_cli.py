"""The console command: what is wrong is said in one clear line, with an exit code, never with a traceback."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.migrate import migrate
from services.settings import SERVICES
from tests.deploy.test_checking import EXAMPLE, TEXT
from tests.forked import run

COMMANDS = (
    "up",
    "serve",
    "migrate",
    "load",
    "export",
    "events",
    "dead-letters",
    "plan",
    "check",
    "withdraw-key",
    "reset-factors",
    "import",
    "operator",
    "replay-allocation",
    "doctor",
    "partners",
    "webhooks",
    "backup",
    "restore",
    "upgrade",
)


def preau(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return run("deploy.cli", *arguments, environ=os.environ | environ)


def executable(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """As everybody starts it: the command that `make setup` puts beside python."""
    command = [str(Path(sys.executable).with_name("preau")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environ, timeout=60, check=False)


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, (done.stdout, done.stderr)
    (line,) = done.stderr.splitlines()
    return line


def test_every_command_of_the_contract_is_there_and_explains_itself() -> None:
    runner = CliRunner()
    listed = runner.invoke(app, ["--help"]).output
    for command in COMMANDS:
        assert f"\n  {command} " in listed
        told = runner.invoke(app, [command, "--help"])
        assert told.exit_code == 0
        assert len(told.output.split("\n\n")[1]) > 20, told.output


@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        (["check"], {"PREAU_PORT": "x"}, "preau: PREAU_PORT is a port number, not 'x'"),
        (["check"], {"PREAU_ENV": "prod"}, "preau: PREAU_ENV is embedded or production, not 'prod'"),
        (["migrate", "kitchen"], {}, "preau: there is no service kitchen: there are identity, billing, booking, mailer"),
        (["events", "kitchen"], {}, "preau: 'kitchen' is no subject: begin with preau., or with a service"),
        (["events", "booking.eaten"], {}, "preau: booking publishes no 'eaten'; it publishes: accepted"),
        (["events"], {"NATS_URL": "nats://127.0.0.1:1"}, "preau: no answer from the broker or a database"),
        (["up"], {"PREAU_PORT": "x"}, "preau: PREAU_PORT is a port number, not 'x'"),
        (["up", "--data", "/proc/nowhere"], {}, "preau: /proc/nowhere cannot be used: "),
        (["serve", "booking"], {"PREAU_CLOCK": "noon"}, "preau: PREAU_CLOCK: "),
    ],
)
def test_trouble_is_one_clear_line(arguments: list[str], environ: dict[str, str], said: str, tmp_path: Path) -> None:
    assert one_line(preau(*arguments, **{"PREAU_DATA": str(tmp_path)} | environ)).startswith(said)


@pytest.mark.parametrize("arguments", [["check"], ["export", "carteville", "-"], ["load", str(EXAMPLE)], ["dead-letters"]])
def test_databases_that_are_not_there_are_told_and_not_made(arguments: list[str], tmp_path: Path) -> None:
    said = one_line(preau(*arguments, PREAU_DATA=str(tmp_path)))
    assert said.startswith(f"preau: identity has no database at {tmp_path}/identity.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_databases_that_were_never_migrated_are_told(tmp_path: Path) -> None:
    for service in ("identity", "billing", "booking", "mailer"):
        (tmp_path / f"{service}.sqlite").touch()
    said = one_line(preau("check", PREAU_DATA=str(tmp_path)))
    assert "no such table" in said
    assert "run `preau migrate` first" in said


def test_migrating_twice_is_safe(tmp_path: Path) -> None:
    for command in (executable, preau):
        done = command("migrate", PREAU_DATA=str(tmp_path / "data"))
        assert done.stdout.splitlines() == [f"{service}: up to date" for service in ("identity", "billing", "booking", "mailer")], (
            done.stderr
        )


async def test_whether_there_are_migrations_is_said_beforehand_with_an_exit_code(tmp_path: Path) -> None:
    for service in SERVICES:
        await migrate(service, f"sqlite+aiosqlite:///{tmp_path / service}.sqlite", "0001" if service == "booking" else "head")
    late = await asyncio.to_thread(preau, "migrate", "--check", PREAU_DATA=str(tmp_path))
    assert (late.stdout, late.returncode) == ("booking: not up to date\n", 1)
    other = await asyncio.to_thread(preau, "migrate", "--check", "mailer", PREAU_DATA=str(tmp_path))
    assert (other.stdout, other.returncode) == ("up to date\n", 0)


def test_a_restore_that_was_cut_short_is_in_the_way_and_undone(tmp_path: Path) -> None:
    """Where nothing was: the one file that was put is taken away again."""
    (tmp_path / "identity.sqlite").write_bytes(b"of a backup")
    (tmp_path / "identity.sqlite.unfinished").touch()
    for command in (["migrate"], ["check"], ["backup", str(tmp_path / "backups")]):
        assert "identity: a restore was cut short" in one_line(preau(*command, PREAU_DATA=str(tmp_path))), command
    assert "say which backup, or --undo" in one_line(preau("restore", PREAU_DATA=str(tmp_path)))
    undone = preau("restore", "--undo", PREAU_DATA=str(tmp_path))
    assert (undone.stdout, undone.returncode) == ("identity: as it was before\n", 0), undone.stderr
    assert not (tmp_path / "identity.sqlite").exists()


def test_mistakes_in_a_file_are_listed_and_nothing_is_loaded(tmp_path: Path) -> None:
    assert preau("migrate", PREAU_DATA=str(tmp_path)).returncode == 0
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TEXT.replace("school_zone: B", "school_zone: D").replace("cents: 5006", "cents: -1"), encoding="utf-8")
    done = preau("load", str(EXAMPLE), str(wrong), PREAU_DATA=str(tmp_path))
    assert done.returncode == 1
    heading, *mistakes = done.stderr.splitlines()
    assert heading == "preau: nothing was loaded"
    assert [mistake.split(": ")[0] for mistake in mistakes] == [
        f"{wrong}:{TEXT[: TEXT.index(at)].count(chr(10)) + 1}" for at in ("school_zone: B", "cents: 5006")
    ]
    assert "there is no structure 'carteville'; known: none" in one_line(preau("export", "carteville", "-", PREAU_DATA=str(tmp_path)))


def test_load_says_what_it_does(tmp_path: Path) -> None:
    assert preau("migrate", PREAU_DATA=str(tmp_path)).returncode == 0
    tried = preau("load", "--dry-run", str(EXAMPLE), PREAU_DATA=str(tmp_path))
    assert tried.stdout.startswith("carteville: would write rows: identity "), tried.stderr
    assert preau("load", str(EXAMPLE), PREAU_DATA=str(tmp_path)).stdout.startswith("carteville: wrote rows: identity ")
    assert preau("load", str(EXAMPLE), PREAU_DATA=str(tmp_path)).stdout == "carteville: nothing to change\n"
    exported = tmp_path / "exported.yaml"
    assert preau("export", "carteville", str(exported), PREAU_DATA=str(tmp_path)).returncode == 0
    assert preau("load", str(exported), PREAU_DATA=str(tmp_path)).stdout == "carteville: nothing to change\n"


def test_the_doctor_says_what_to_do(tmp_path: Path) -> None:
    nowhere = {"NATS_URL": "nats://127.0.0.1:1", "SMTP_URL": "smtp://127.0.0.1:1"}
    urls = {f"{name.upper()}_URL": "http://127.0.0.1:1" for name in (*SERVICES, "gateway")}
    done = preau("doctor", PREAU_DATA=str(tmp_path), **nowhere, **urls)
    assert done.returncode == 1
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if not line.startswith(("ok    school holidays: known until ", "ok    documents: "))]
    assert [line.split()[0] for line in lines[::2]] == ["SICK"] * 12
    assert any(line.startswith("      -> preau migrate booking; or is --data") for line in lines)
    assert "      -> start nats-server, or correct NATS_URL and NATS_CREDENTIALS" in lines
    assert "      -> start it, or correct SMTP_URL; mails wait meanwhile" in lines
    assert "      -> preau serve gateway (or preau up), or correct GATEWAY_URL" in lines
