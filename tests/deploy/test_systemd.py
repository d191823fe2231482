"""deploy/systemd: what the units start is there, with options that it has, and settings that are ours."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from deploy.cli import app
from services.settings import SETTINGS, Settings

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
COMMANDS = [
    command
    for unit in sorted(FOLDER.glob("*.service"))
    for command in re.findall(r"/opt/preau/\.venv/bin/preau ([^\n']+)", unit.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_unit_starts_what_there_is(command: str) -> None:
    name, *arguments = shlex.split(command)
    commands = get_command(app).commands  # type: ignore[attr-defined]
    commands[name].make_context(name, arguments)  # it would say what is wrong with them


def test_all_is_there() -> None:
    assert len(COMMANDS) == 3
    assert (FOLDER / "preau-backup.timer").exists()


def test_systemd_finds_nothing_in_the_units(tmp_path: Path) -> None:
    """What it would pass over in silence, among it. The folder that the command is in is the one of this tree."""
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not here: the units of deploy/systemd are not verified")
    units = [unit for unit in FOLDER.iterdir() if unit.suffix != ".env"]
    for unit in units:
        text = unit.read_text(encoding="utf-8").replace("/opt/preau/.venv/bin", str(Path(sys.executable).parent))
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    (tmp_path / "preau-wrong.service").write_text("[Service]\nExecStart=/bin/true\nRestat=always\n", encoding="utf-8")
    control = subprocess.run(
        [verify, "verify", "--man=no", str(tmp_path / "preau-wrong.service")], capture_output=True, text=True, check=False
    )
    assert "preau-wrong.service" in control.stderr, f"it looks at nothing here: {control.stderr}"
    command = [verify, "verify", "--man=no", *(str(tmp_path / unit.name) for unit in units)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    about_ours = [line for line in done.stderr.splitlines() if "preau" in line]  # not what is wrong with this machine's own
    assert (len(units), about_ours) == (3, []), done.stderr


def test_the_settings_are_ours_and_can_be_read() -> None:
    lines = [line for line in (FOLDER / "preau.env").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    environ = dict(line.split("=", 1) for line in lines)
    assert environ.keys() <= SETTINGS.keys()
    assert Settings.from_environment(environ).public_url == "https://famille.example.org"
