"""Where the parts of an embedded system are: chosen once, kept in its folder, found there by the other commands."""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy import broker
from deploy.trouble import Trouble
from services.settings import SERVICES, Settings, SettingsError

HOST = "127.0.0.1"
FILE = "addresses.json"
#: What was there is beside a database under this name while a restore goes on, and may be put back; whoever finds it was cut short.
UNFINISHED = "unfinished"
#: And then under this one. Once that of one service is, the restore has taken place, and nothing is put back any more: others follow.
FINISHED = "finished"
HALF_RESTORED = "a restore was cut short: `preau restore` the same backup again, or `preau restore --undo`, which puts back what was there"


@dataclass(frozen=True, slots=True)
class Ports:
    """All on 127.0.0.1, except the gateway's if it is told otherwise."""

    gateway: int
    identity: int
    billing: int
    booking: int
    mailer: int
    nats: int
    nats_monitor: int
    mailbox: int
    smtp: int
    sandbox: int

    def environment(self) -> dict[str, str]:
        """As the settings of the processes that are to find one another."""
        return {
            "PREAU_PORT": str(self.gateway),
            "NATS_URL": f"nats://{HOST}:{self.nats}",
            "SMTP_URL": f"smtp://{HOST}:{self.smtp}",
            "SANDBOX_URL": f"http://{HOST}:{self.sandbox}",
            **{f"{service.upper()}_URL": f"http://{HOST}:{getattr(self, service)}" for service in SERVICES},
        }


def choose(folder: Path, gateway: int, environ: Mapping[str, str]) -> Ports:
    """Those that the environment sets; else those of last time, while nobody else took them; else free ones."""
    before = _kept(folder)
    set_by = {name: f"{name.upper()}_URL" for name in ("nats", "smtp", "sandbox", *SERVICES)}
    named = {name: environ[setting] for name, setting in set_by.items() if environ.get(setting)}
    chosen = {name: _port_of(url) for name, url in named.items() if name != "smtp" or is_here(url)} | {"gateway": gateway}
    taken: list[socket.socket] = []
    for name in Ports.__dataclass_fields__.keys() - chosen.keys():
        taken.append(_free(before.get(name, 0)) or listening(HOST, 0))
        chosen[name] = taken[-1].getsockname()[1]
    for one in taken:
        one.close()
    return Ports(**chosen)


def is_here(url: str) -> bool:
    """Whether it leads to this machine."""
    return urlsplit(url).hostname in (HOST, "localhost")


def _port_of(url: str) -> int:
    text = url.rstrip("/").rpartition(":")[2]
    if not text.isdigit():
        raise Trouble(f"{url} has no port: on one machine it must name one, such as http://{HOST}:8101")
    return int(text)


def _free(port: int) -> socket.socket | None:
    """A socket that holds the port, or None if somebody else does."""
    try:
        return listening(HOST, port)
    except OSError:
        return None


def listening(host: str, port: int) -> socket.socket:
    """A socket on which connections wait until somebody takes them. Raises OSError."""
    return socket.create_server((host, port), backlog=1024)


def keep(folder: Path, ports: Ports) -> None:
    new = folder / f"{FILE}.new"
    new.write_text(json.dumps(asdict(ports), indent=2))
    new.replace(folder / FILE)


def _kept(folder: Path) -> dict[str, int]:
    try:
        kept: dict[str, Any] = json.loads((folder / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return {name: port for name, port in kept.items() if name in Ports.__dataclass_fields__ and isinstance(port, int)}


def half_restored_file(url: str) -> bool:
    """Whether that is an SQLite database which a restore began to replace, and did not come to its end."""
    from sqlalchemy import make_url  # noqa: PLC0415 -- `preau serve gateway` must not pay for it

    path = make_url(url).database or ""
    return url.startswith("sqlite") and any(Path(f"{path}.{name}").exists() for name in (UNFINISHED, FINISHED))


def missing_file(url: str) -> str | None:
    """The file of an SQLite database that is not there: connecting would make an empty one."""
    from sqlalchemy import make_url  # noqa: PLC0415 -- `preau serve gateway` must not pay for it

    path = make_url(url).database or ""
    return path if url.startswith("sqlite") and not Path(path).exists() else None


def existing(settings: Settings) -> Settings:
    """The same settings, if their databases are there. Raises Trouble."""
    for service, url in settings.database_urls.items():
        if half_restored_file(url):
            raise Trouble(f"{service}: {HALF_RESTORED}")
        if path := missing_file(url):
            raise Trouble(f"{service} has no database at {path}: is --data (or PREAU_DATA) right? `preau migrate` makes one")
    return settings


def settings_of(data: Path | None) -> Settings:
    """The settings of a command beside a running system: the environment's, completed by the embedded system's own file.

    Raises Trouble.
    """
    environ = dict(os.environ)
    if data is not None:
        environ["PREAU_DATA"] = str(data)
    kept = _kept(Path(environ.get("PREAU_DATA", "var")))
    if len(kept) == len(Ports.__dataclass_fields__):
        environ = Ports(**kept).environment() | environ
    key = broker.key_file(Path(environ.get("PREAU_DATA", "var")) / broker.FOLDER, broker.OPERATOR)
    if key.exists():
        environ.setdefault("NATS_CREDENTIALS", str(key))
    try:
        return Settings.from_environment(environ)
    except SettingsError as error:
        raise Trouble(str(error)) from None
