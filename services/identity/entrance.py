"""The steps of what is slow: look, check or hash outside every transaction, then write.

A hash takes longer than all the rest of a request: a transaction that waited for it would make every other writer wait too.
"""

import asyncio
from dataclasses import dataclass
from typing import NoReturn

from services.claims import Caller
from services.clock import Clock
from services.database import Database
from services.graphql import Info
from services.identity import door, profile, queries, recovery
from services.identity.credentials import plain_login, weakness
from services.identity.door import Opened
from services.identity.hashing import DUMMY, Hashing, token_sum
from services.identity.questions import decoy, plain_answer
from services.identity.tables import Account
from services.identity.tokens import Signer
from services.refusal import Refused, Unauthenticated

RESOURCE = "entrance"  #: Its name among a process's resources.
RESET_SECONDS = 0.15  #: What asking for a letter always takes, so that the time does not tell whether one was written.


def _refuse_weak(password: str, login: str) -> None:
    if why := weakness(password, login):
        raise Refused("PASSWORD_TOO_WEAK", why=why)


@dataclass(frozen=True, slots=True)
class Entrance:
    """One per process. `address` is the caller's, null where it is not known; what is wrong is raised as Refused."""

    database: Database
    clock: Clock
    hashing: Hashing
    signer: Signer
    decoy_secret: bytes

    async def sign_in(self, login: str, password: str, address: str | None) -> Opened:
        async with self.hashing.turn(plain_login(login)):
            async with self.database.reading() as session:
                found = await door.knock(session, self.clock, login, address)
            checked = await self.hashing.check(password, found.stored_hash)
            async with self.database.transaction() as session:
                opened = await door.sign_in(session, self.clock, found, checked)
        if opened is None:
            raise Refused("INVALID_CREDENTIALS")
        return opened

    async def refresh(self, token: str) -> Opened:
        async with self.database.transaction() as session:
            opened = await door.refresh(session, self.clock, token)
        if opened is None:
            raise Refused("INVALID_TOKEN")
        return opened

    async def change_password(self, caller: Caller, current: str, new: str, address: str | None) -> Account:
        account = await self.account(caller)
        # Before anything is checked: what is wrong with the new one says nothing about the current one.
        _refuse_weak(new, account.login)
        new_hash = await self.hashing.hash(new)
        async with self.hashing.turn(account.login):
            async with self.database.reading() as session:
                found = await door.knock(session, self.clock, account.login, address)
            checked = await self.hashing.check(current, found.stored_hash)
            async with self.database.transaction() as session:
                changed = await profile.change_password(session, self.clock, caller, found, checked, new_hash)
        if not changed:
            raise Refused("INVALID_CREDENTIALS")
        return await self.account(caller)

    async def change_email(self, caller: Caller, email: str) -> Account:
        async with self.database.transaction() as session:
            await profile.change_email(session, self.clock, caller, email)
        return await self.account(caller)

    async def change_security_question(self, caller: Caller, password: str, question: str, answer: str, address: str | None) -> Account:
        account = await self.account(caller)
        answer_hash = await self.hashing.hash(plain_answer(answer))
        async with self.hashing.turn(account.login):
            async with self.database.reading() as session:
                found = await door.knock(session, self.clock, account.login, address)
            checked = await self.hashing.check(password, found.stored_hash)
            async with self.database.transaction() as session:
                changed = await profile.change_security_question(session, self.clock, found, checked, question, answer_hash)
        if not changed:
            raise Refused("INVALID_CREDENTIALS")
        return await self.account(caller)

    async def request_password_reset(self, login: str, address: str | None) -> None:
        """Says nothing, and takes always the same time."""
        await asyncio.gather(asyncio.sleep(RESET_SECONDS), self._request_password_reset(login, address))

    async def _request_password_reset(self, login: str, address: str | None) -> None:
        async with self.database.transaction() as session:
            await recovery.request_password_reset(session, self.clock, login, address)

    async def reset_password(self, token: str, new: str) -> Opened:
        """A password that is too weak does not use the token up."""
        async with self.database.reading() as session:
            account = await queries.account_of_reset(session, token_sum(token), self.clock.now())
        if account is None:
            raise Refused("INVALID_TOKEN")
        _refuse_weak(new, account.login)
        new_hash = await self.hashing.hash(new)
        async with self.database.transaction() as session:
            opened = await recovery.reset_password(session, self.clock, token, new_hash)
        if opened is None:
            raise Refused("INVALID_TOKEN")
        return opened

    async def answer_recovery_question(self, login: str, answer: str, address: str | None) -> NoReturn:
        """Always raises Refused: secret questions are off."""
        async with self.hashing.turn(plain_login(login)):
            async with self.database.transaction() as session:
                await recovery.answer_recovery_question(session, self.clock, login, address)
            await self.hashing.check(plain_answer(answer), DUMMY)
        raise Refused("INVALID_CREDENTIALS")

    def recovery_question(self, login: str, language: str) -> str:
        return decoy(login, self.decoy_secret, language)

    async def account(self, caller: Caller) -> Account:
        """Raises Unauthenticated where the session was ended."""
        async with self.database.reading() as session:
            account = await queries.signed_in_account(session, caller)
        if account is None:
            raise Unauthenticated
        return account


def entrance(info: Info) -> Entrance:
    found: Entrance = info.context.running.resources[RESOURCE]
    return found
