"""What the owner of an account changes of it, as GraphQL (S7)."""

import datetime as dt
from collections.abc import Awaitable
from typing import Annotated

import strawberry

from services.graphql import Info
from services.identity import tables
from services.identity.entrance import entrance
from services.identity.profile import Confirmed
from services.identity.questions import LONGEST, asked, code_of, plain_answer
from services.identity.refusals import (
    AccountNeeded,
    InvalidCredentials,
    InvalidEmail,
    InvalidToken,
    PasswordTooWeak,
    TooManyAttempts,
    or_refusal,
)
from services.identity.texts import NO_QUESTION
from services.identity.types import Account
from services.personal import wipe_soon
from services.refusal import CodedError

AccountResult = Annotated[
    Account | InvalidCredentials | PasswordTooWeak | InvalidEmail | TooManyAttempts, strawberry.union("AccountResult")
]


@strawberry.type
class AccountClosed:
    """Nothing of the account is left, its login least of all."""

    login: str = strawberry.field(description="Which it had.")


CloseAccountResult = Annotated[AccountClosed | InvalidCredentials | AccountNeeded | TooManyAttempts, strawberry.union("CloseAccountResult")]


async def _closed(closing: Awaitable[str]) -> AccountClosed:
    return AccountClosed(login=await closing)


@strawberry.type
class EmailConfirmed:
    """The new address."""

    email: str
    in_force_at: dt.datetime = strawberry.field(description="Now, or in a day (`Account.pendingEmailWaits`).")


@strawberry.type
class EmailChangeCancelled:
    """The address in force stays; the account is signed out everywhere."""

    email: str = strawberry.field(description="The one that was given up.")


ConfirmEmailResult = Annotated[EmailConfirmed | InvalidToken, strawberry.union("ConfirmEmailResult")]
CancelEmailResult = Annotated[EmailChangeCancelled | InvalidToken, strawberry.union("CancelEmailResult")]


async def _confirmed(confirming: Awaitable[Confirmed]) -> EmailConfirmed:
    confirmed = await confirming
    return EmailConfirmed(email=confirmed.email, in_force_at=confirmed.in_force_at)


async def _cancelled(cancelling: Awaitable[str]) -> EmailChangeCancelled:
    return EmailChangeCancelled(email=await cancelling)


async def account_after(changing: Awaitable[tables.Account]) -> Account:
    return Account.of(await changing)


def bounded(name: str, text: str, longest: int) -> str:
    text = text.strip()
    if not 0 < len(text) <= longest or not text.isprintable():
        french = f"{name} : de 1 à {longest} caractères imprimables."
        raise CodedError("BAD_USER_INPUT", f"{name}: 1 to {longest} printable characters.", french)
    return text


@strawberry.type
class ProfileMutations:
    @strawberry.mutation
    async def change_password(self, info: Info, current: str, new: str) -> AccountResult:
        """In force at once; every other session of the account ends."""
        changed = await or_refusal(info, account_after(entrance(info).change_password(info.context.signed_in(), current, new)))
        info.context.running.outbox_written()
        return changed

    @strawberry.mutation
    async def change_email(self, info: Info, email: str, password: str | None = None) -> AccountResult:
        """Mails a link to that address, which puts it in force: until then it is pending. The address in force gives the change up.

        Without the password, and more than a quarter of an hour after signing in or showing a second factor, it comes into force a day
        after the link is used: the address in force is told, and may object. Where there is none, the password is asked for then.
        """
        changed = await or_refusal(info, account_after(entrance(info).change_email(info.context.signed_in(), email, password)))
        info.context.running.outbox_written()
        return changed

    @strawberry.mutation
    async def close_account(self, info: Info, password: str) -> CloseAccountResult:
        """For good, at once: for who stands in no family and no office any more. After two years without a sign-in it is done unasked."""
        closed = await or_refusal(info, _closed(entrance(info).close_account(info.context.signed_in(), password)))
        info.context.running.outbox_written()
        if isinstance(closed, AccountClosed):
            wipe_soon(info.context.running)
        return closed

    @strawberry.mutation
    async def confirm_email(self, info: Info, token: str) -> ConfirmEmailResult:
        """The token of the link; whoever has it need not be signed in. In force at once, unless it waits (`inForceAt`)."""
        confirmed = await or_refusal(info, _confirmed(entrance(info).confirm_email(token)))
        info.context.running.outbox_written()
        return confirmed

    @strawberry.mutation
    async def cancel_email_change(self, info: Info, token: str) -> CancelEmailResult:
        """The token of the link that went to the address in force; whoever has it need not be signed in."""
        cancelled = await or_refusal(info, _cancelled(entrance(info).cancel_email(token)))
        info.context.running.outbox_written()
        return cancelled

    @strawberry.mutation
    async def change_security_question(self, info: Info, password: str, question: str, answer: str) -> AccountResult:
        """One of `securityQuestions`. The answer opens the door only where the structure has switched secret questions on."""
        caller = info.context.signed_in()
        chosen, answer = code_of(question), bounded("answer", answer, LONGEST)
        if chosen is None or not plain_answer(answer):
            french, english = NO_QUESTION
            raise CodedError("BAD_USER_INPUT", english, french)
        changed = await or_refusal(info, account_after(entrance(info).change_security_question(caller, password, chosen, answer)))
        info.context.running.outbox_written()
        return changed


@strawberry.type
class ProfileQueries:
    @strawberry.field
    async def is_live_link(self, info: Info, token: str) -> bool:
        """Whether the token of a mailed link is still good. Asking does not use it up."""
        return await entrance(info).is_live_link(token)

    @strawberry.field
    async def security_questions(self, info: Info) -> list[str]:
        """Those that `changeSecurityQuestion` takes. The first is asked of strangers already: whoever takes it shows nobody a change."""
        codes = await entrance(info).security_questions(info.context.caller)
        return [asked(code, info.context.language) for code in codes]
