"""Passwords and tokens become sums here, so many at a time that a rush to sign in leaves the machine to the others."""

import asyncio
import base64
import hashlib
import os
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from services.identity.credentials import MAXIMUM_LENGTH, plain_password
from services.identity.strength import is_guessable
from services.refusal import CodedError, Refused

AT_ONCE = 2
MOST_WAITING = 80  #: About a second's worth; of the gateway's 100 connections the others stay free for whoever is in already.
MOST_FOR_ONE = MOST_WAITING // 2  #: Of them, on one login: who tries one in parallel keeps nobody else out.
BUSY_SECONDS = 5
MEMORY_KIB, PASSES, LANES = 19_456, 2, 1  #: OWASP's argon2id: about 20 ms of one core.

_argon2 = PasswordHash((Argon2Hasher(memory_cost=MEMORY_KIB, time_cost=PASSES, parallelism=LANES),))


def _made_up(length: int) -> str:
    return base64.b64encode(os.urandom(length)).decode().rstrip("=")


#: No password has this hash. Checking one against it costs as much as against a real one: an unknown login must not answer faster.
DUMMY = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${_made_up(16)}${_made_up(32)}"


#: How the hash of no password at all begins: of an account whose owner has yet to choose one. The rest is made up, as above.
NO_PASSWORD = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${base64.b64encode(b'has none so far.').decode().rstrip('=')}$"


def no_password() -> str:
    """A hash that no password has."""
    return NO_PASSWORD + _made_up(32)


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a check. `better_hash` is there when the stored one was made with other settings than today's."""

    right: bool
    better_hash: str | None = None


class ClientGone(CodedError):
    """Whoever asked has hung up: nobody reads this."""

    def __init__(self) -> None:
        super().__init__("CLIENT_GONE", "Nobody waits for this answer.")


Gone = Callable[[], Awaitable[bool]]


async def still_there() -> bool:
    return False


class Hashing:
    """One per process."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._waiting: Counter[str | None] = Counter()

    @asynccontextmanager
    async def turn(self, login: str, gone: Gone = still_there) -> AsyncIterator[None]:
        """One try at a time on one login, a few on all: who tries a thousand in parallel is counted all the same.

        Looking up the failures so far, checking and counting belong inside. Raises Refused where too many wait already, ClientGone
        where nobody waits for the answer any more.
        """
        lock = self._turns.setdefault(login, asyncio.Lock())
        async with AsyncExitStack() as held:
            with self._queued(login):
                await held.enter_async_context(lock)
                await held.enter_async_context(self._places)
            if await gone():
                raise ClientGone
            yield

    @contextmanager
    def _queued(self, login: str | None = None) -> Iterator[None]:
        if self._waiting.total() >= MOST_WAITING or (login is not None and self._waiting[login] >= MOST_FOR_ONE):
            raise Refused("SIGN_IN_BUSY", wait_seconds=BUSY_SECONDS)
        self._waiting[login] += 1
        try:
            yield
        finally:
            self._waiting[login] -= 1
            if not self._waiting[login]:
                del self._waiting[login]

    async def check(self, password: str, stored: str) -> Checked:
        """Within a turn."""
        return await asyncio.to_thread(_check, password, stored)

    async def hash(self, password: str) -> str:
        """Not within a turn. Raises Refused where too many wait already."""
        async with AsyncExitStack() as held:
            with self._queued():
                await held.enter_async_context(self._places)
            return await asyncio.to_thread(hash_now, password)

    async def is_guessable(self, password: str, about: Iterable[str]) -> bool:
        """Not within a turn. Raises Refused where too many wait already."""
        async with AsyncExitStack() as held:
            with self._queued():
                await held.enter_async_context(self._places)
            return await asyncio.to_thread(is_guessable, password, about)


def hash_now(password: str) -> str:
    """Holds the thread for the whole of it."""
    return _argon2.hash(plain_password(password))


def _check(password: str, stored: str) -> Checked:
    too_long = len(password) > MAXIMUM_LENGTH
    right, better = _argon2.verify_and_update("" if too_long else plain_password(password), stored)
    return Checked(right and not too_long, better)


def check_now(password: str, stored: str) -> bool:
    """Holds the thread for the whole of it."""
    return _check(password, stored).right


def new_token() -> str:
    """256 bits that nobody can guess."""
    return secrets.token_urlsafe(32)


def token_sum(token: str) -> str:
    """What is kept of a token, and of what failed tries are counted by: its SHA-256."""
    return hashlib.sha256(token.encode()).hexdigest()
