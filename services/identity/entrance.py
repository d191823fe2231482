"""The steps of what is slow: look, check or hash outside every transaction, then write.

A hash takes longer than all the rest of a request: a transaction that waited for it would make every other writer wait too.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from sqlmodel.ext.asyncio.session import AsyncSession

from services.claims import Caller
from services.clock import Clock
from services.database import Database
from services.graphql import Info
from services.identity import closing, devices, door, profile, queries, recovery
from services.identity.browsers import named
from services.identity.challenges import Halfway
from services.identity.credentials import Weakness, plain_login, plain_password, weakness
from services.identity.devices import Visit
from services.identity.door import Door, Opened
from services.identity.hashing import Checked, Gone, Hashing, still_there, token_sum
from services.identity.keyring import Keyring
from services.identity.paper_codes import COUNTER, PRINTED, grouped, new_code
from services.identity.passkeys import Site, options_to_show
from services.identity.profile import Confirmed
from services.identity.questions import QUESTIONS, decoy, offered, plain_answer
from services.identity.second_factor import SecondFactor
from services.identity.tables import Account
from services.identity.tokens import Signer
from services.mail_addresses import is_email
from services.refusal import Forbidden, Refused, Unauthenticated

RESOURCE = "entrance"  #: Its name among a process's resources.
RESET_SECONDS = 0.15  #: What asking for a letter always takes, so that the time does not tell whether one was written.


@dataclass(frozen=True, slots=True)
class Entrance:
    """One per process. `address` is the caller's, null where it is not known; what is wrong is raised as Refused."""

    database: Database
    clock: Clock
    hashing: Hashing
    signer: Signer
    decoy_secret: bytes
    keyring: Keyring
    site: Site | None  #: What passkeys are made for; None: there are none here.
    asked: SecondFactor  #: Of agents, where their structure does not say.

    async def sign_in(self, login: str, password: str, visit: Visit, gone: Gone = still_there) -> Opened:
        async with self.hashing.turn(plain_login(login), gone):
            async with self.database.reading() as session:
                found = await door.knock(session, self.clock, login, visit)
            checked = await self.hashing.check(password, found.stored_hash)
            async with self.database.transaction() as session:
                opened = await door.sign_in(session, self.clock, found, checked, self.asked)
                if isinstance(opened, Opened):
                    opened = await self.greet(session, opened, visit)
        return self.through(opened, "INVALID_CREDENTIALS")

    async def greet(self, session: AsyncSession, opened: Opened, visit: Visit) -> Opened:
        """Whoever is in is known on this device from now on."""
        token = await devices.greet(session, self.clock, opened.account.id, opened.caller.session, visit)
        return replace(opened, device_token=token)

    def through(self, opened: Opened | Halfway | None, otherwise: str) -> Opened:
        """Raises Refused: whoever came half the way is told how to go on, whoever is not in, `otherwise`."""
        if isinstance(opened, Opened):
            return opened
        if opened is None:
            raise Refused(otherwise)
        options = options_to_show(self.site, opened.challenge, opened.passkeys) if self.site and opened.passkeys else None
        raise Refused("SECOND_FACTOR_REQUIRED", challenge=opened.challenge, kinds=list(opened.kinds), passkey_options=options)

    async def refresh(self, token: str) -> Opened:
        async with self.database.transaction() as session:
            opened = await door.refresh(session, self.clock, token, self.asked)
        if opened is None:
            raise Refused("INVALID_TOKEN")
        return opened

    async def change_password(self, caller: Caller, current: str, new: str) -> Account:
        account = await self.account(caller)
        # Before anything is checked: what is wrong with the new one says nothing about the current one.
        if plain_password(new) == plain_password(current):
            raise Refused("PASSWORD_TOO_WEAK", why=Weakness.SAME)
        await self._refuse_weak(new, account)
        new_hash = await self.hashing.hash(new)
        async with self._asked_again(caller, current) as (found, checked), self.database.transaction() as session:
            changed = await profile.change_password(session, self.clock, caller, found, checked, new_hash)
        if not changed:
            raise Refused("WRONG_PASSWORD")
        return await self.account(caller)

    async def change_email(self, caller: Caller, email: str, password: str | None) -> Account:
        """Without a password, whoever has just signed in is believed; of whoever has not, the address in force may object for a day.

        Raises Refused: INVALID_EMAIL, WRONG_PASSWORD, TOO_MANY_ATTEMPTS, PASSWORD_ASKED.
        """
        email = email.strip()
        if not is_email(email):
            raise Refused("INVALID_EMAIL")
        if password is not None:
            await self.prove(caller, password)
        async with self.database.transaction() as session:
            await profile.change_email(session, self.clock, caller, email, proven=password is not None)
        return await self.account(caller)

    async def close_account(self, caller: Caller, password: str) -> str:
        """The login that it had. Raises Refused: WRONG_PASSWORD, TOO_MANY_ATTEMPTS, ACCOUNT_NEEDED."""
        await self.prove(caller, password)
        account = await self.account(caller)
        async with self.database.transaction() as session:
            await closing.close(session, self.clock, account.id)
        return account.login

    async def confirm_email(self, token: str) -> Confirmed:
        async with self.database.transaction() as session:
            return await profile.confirm_email(session, self.clock, token)

    async def cancel_email(self, token: str) -> str:
        async with self.database.transaction() as session:
            return await profile.cancel_email(session, self.clock, token)

    async def is_live_link(self, token: str) -> bool:
        async with self.database.reading() as session:
            return await queries.is_live_link(session, token_sum(token), self.clock.now())

    async def prove(self, caller: Caller, password: str) -> None:
        """Raises Refused where it is not the password of whoever is signed in; counts that."""
        async with self._asked_again(caller, password) as (found, checked), self.database.transaction() as session:
            credential = await door.right_key(session, self.clock, found, checked)
        if credential is None:
            raise Refused("WRONG_PASSWORD")

    @asynccontextmanager
    async def _asked_again(self, caller: Caller, password: str) -> AsyncIterator[tuple[Door, Checked]]:
        """What became of the password of somebody who is signed in already. Inside, it is to be counted."""
        async with self.hashing.turn(caller.session):
            async with self.database.reading() as session:
                found = await door.knock_inside(session, self.clock, caller)
            yield found, await self.hashing.check(password, found.stored_hash)

    async def change_security_question(self, caller: Caller, password: str, question: str, answer: str) -> Account:
        await self.account(caller)
        answer_hash = await self.hashing.hash(plain_answer(answer))
        async with self._asked_again(caller, password) as (found, checked), self.database.transaction() as session:
            changed = await profile.change_security_question(session, self.clock, found, checked, question, answer_hash)
        if not changed:
            raise Refused("WRONG_PASSWORD")
        return await self.account(caller)

    async def request_password_reset(self, login: str, address: str | None) -> None:
        """Says nothing, and takes always the same time."""
        await asyncio.gather(asyncio.sleep(RESET_SECONDS), self._request_password_reset(login, address))

    async def _request_password_reset(self, login: str, address: str | None) -> None:
        async with self.database.transaction() as session:
            await recovery.request_password_reset(session, self.clock, login, address)

    async def reset_password(self, token: str, new: str, visit: Visit) -> Opened:
        """A password that is too weak does not use the token up."""
        async with self.database.reading() as session:
            account = await queries.account_of_reset(session, token_sum(token), self.clock.now())
        if account is None:
            raise Refused("INVALID_TOKEN")
        await self._refuse_weak(new, account)
        new_hash = await self.hashing.hash(new)
        async with self.database.transaction() as session:
            opened = await recovery.reset_password(session, self.clock, token, new_hash, self.asked)
            if isinstance(opened, Opened):
                opened = await self.greet(session, opened, visit)
        return self.through(opened, "INVALID_TOKEN")

    async def new_recovery_codes(self, caller: Caller, password: str) -> list[str]:
        """As they are to be printed; those before them are worth nothing any more."""
        await self.prove(caller, password)
        codes = [new_code(place) for place in PRINTED]
        hashes = [(code[0], await self.hashing.hash(code)) for code in codes]
        async with self.database.transaction() as session:
            await recovery.keep_codes(session, self.clock, caller, hashes)
        return [grouped(code) for code in codes]

    async def issue_counter_code(self, caller: Caller, account: str, reason: str, key: str) -> tuple[str | None, dt.datetime]:
        """The code and until when it is good; None where the same was asked before: it is shown once."""
        async with self.database.reading() as session:
            if not await queries.counters_of(session, caller, account):
                raise Forbidden
        code = new_code(COUNTER)
        code_hash = await self.hashing.hash(code)
        async with self.database.transaction() as session:
            issued = await recovery.issue_counter_code(session, self.clock, caller, account, reason, key, code_hash)
        return grouped(code) if issued.is_new else None, issued.expires_at

    async def use_recovery_code(self, login: str, code: str, address: str | None, gone: Gone = still_there) -> str:
        """A token for a new password. As slow whether or not there is such an account, or such a code."""
        async with self.hashing.turn(plain_login(login), gone):
            async with self.database.reading() as session:
                paper = await recovery.show_code(session, self.clock, login, code, address)
            checked = await self.hashing.check(paper.code, paper.stored_hash)
            async with self.database.transaction() as session:
                token = await recovery.use_code(session, self.clock, paper, checked)
        if token is None:
            raise Refused("INVALID_CODE_ON_PAPER")
        return token

    async def answer_recovery_question(self, login: str, answer: str, address: str | None, gone: Gone = still_there) -> str:
        """A token for a new password. Takes always the same time, whether or not there is such an account, or a question of its own."""
        rest = asyncio.ensure_future(asyncio.sleep(RESET_SECONDS))
        try:
            return await self._answer_recovery_question(login, answer, address, gone)
        finally:
            await rest

    async def _answer_recovery_question(self, login: str, answer: str, address: str | None, gone: Gone) -> str:
        async with self.hashing.turn(plain_login(login), gone):
            async with self.database.reading() as session:
                asked = await recovery.ask_question(session, self.clock, login, address)
            checked = await self.hashing.check(plain_answer(answer), asked.stored_hash)
            async with self.database.transaction() as session:
                token = await recovery.answer_question(session, self.clock, asked, checked)
        if token is None:
            raise Refused("WRONG_ANSWER")
        return token

    async def recovery_question(self, login: str) -> str:
        """A code: of its own question, or of its decoy."""
        async with self.database.reading() as session:
            found = await queries.secret_question(session, plain_login(login))
        return found[1] if found else decoy(login, self.decoy_secret)

    async def security_questions(self, caller: Caller | None) -> list[str]:
        """Codes of those that one may choose from."""
        return offered((await self.account(caller)).login, self.decoy_secret) if caller else list(QUESTIONS)

    async def _refuse_weak(self, password: str, account: Account) -> None:
        async with self.database.reading() as session:
            structures = await queries.structure_names(session, account.id)
        await self.refuse_weak(password, account.login, [account.first_name, account.last_name, *structures])

    async def refuse_weak(self, password: str, login: str, about: Sequence[str]) -> None:
        """Raises Refused PASSWORD_TOO_WEAK. `about`: what else a guesser would try first."""
        why = weakness(password, login)
        if why is None and await self.hashing.is_guessable(password, [login, *about]):
            why = Weakness.GUESSABLE
        if why is not None:
            raise Refused("PASSWORD_TOO_WEAK", why=why)

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


def visit(info: Info, token: str | None = None) -> Visit:
    """Who asks. `token`: by which a device says that it is known."""
    return Visit(info.context.address, named(info.context.user_agent), token)
