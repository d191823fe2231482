"""Child processes of `preau up`: started, watched, started again when they die, ended in order."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.trouble import Trouble

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 2.0
HEALTHY_SECONDS = 10.0  #: Who lived that long is started again at once.
HOPELESS = 4  #: Deaths before the system was ever ready after which `up` gives up.
LARGEST_LOG_BYTES = 10_000_000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with(parent: int) -> Callable[[], None]:
    """Run in the child before its program: the kernel kills it when `up` is gone, so that a killed `up` leaves no orphan."""

    def arrange() -> None:
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    return arrange


@dataclass(slots=True)
class Child:
    """One process. `keep` runs for as long as it is wanted."""

    name: str
    command: Sequence[str]
    environ: dict[str, str]
    log: Path
    say: Callable[[str], None]
    pass_fds: Sequence[int] = ()
    process: asyncio.subprocess.Process | None = None
    deaths: int = 0
    stopping: bool = False
    _wait: float = field(default=0.0)

    async def keep(self) -> None:
        """Start it, and again whenever it dies, with growing pauses if it keeps dying."""
        loop = asyncio.get_running_loop()
        while not self.stopping:
            begun = loop.time()
            how = await self._live()
            if self.stopping:
                return
            self.deaths += 1
            self._wait = 0.0 if loop.time() - begun > HEALTHY_SECONDS else min(self._wait * 2 or FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
            self.say(f"{self.name} {how}; starting it again{self._in()} (its log: {self.log})")
            await asyncio.sleep(self._wait)

    async def _live(self) -> str:
        """How it ended."""
        try:
            self.process = await self._start()
        except OSError as error:  # no memory, no more processes, no program
            return f"could not be started ({error})"
        return _ended(await self.process.wait())

    def _in(self) -> str:
        return f" in {self._wait:.1f} s" if self._wait else ""

    async def _start(self) -> asyncio.subprocess.Process:
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self.command,
                env=self.environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=self.pass_fds,
                start_new_session=True,  # Ctrl-C is for `up` alone: it ends the others in order.
                preexec_fn=_die_with(os.getpid()),
            )

    @property
    def hopeless(self) -> bool:
        return self.deaths >= HOPELESS

    def last_words(self, lines: int = 8) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    async def stop(self, patience_seconds: float) -> None:
        """SIGTERM, and SIGKILL for who does not leave in time."""
        self.stopping = True
        process = self.process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), patience_seconds)
        except TimeoutError:
            self.say(f"{self.name} did not end in time: killed")
            process.kill()
            await process.wait()


def _ended(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with exit code {status}"


async def stop_all(children: Sequence[Child], patience_seconds: float) -> None:
    await asyncio.gather(*(child.stop(patience_seconds) for child in children))


def give_up_on(children: Sequence[Child]) -> None:
    """Raises Trouble if one of them dies again and again."""
    for child in children:
        if child.hopeless:
            raise Trouble(f"{child.name} cannot be started. The end of {child.log}:\n{child.last_words()}")
