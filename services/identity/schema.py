"""Identity as GraphQL: who am I, my families, the town's announcements, and the door."""

import datetime as dt
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Annotated, Any, TypeVar

import strawberry
from strawberry.dataloader import DataLoader

from services.graphql import Context, Info, Refusal, subgraph
from services.identity import commands, queries, tables
from services.identity.commands import Opened
from services.identity.entrance import RESOURCE, Entrance
from services.identity.households import age_on
from services.identity.questions import LONGEST
from services.identity.texts import say
from services.projection import LATER, STORED_IN, Later
from services.refusal import CodedError, Refused

T = TypeVar("T")


# ------------------------------------------------------------------------------------------------------------- loaders
def _load(context: Context, name: str, find: Callable[[list[str]], Awaitable[Mapping[str, T]]]) -> DataLoader[str, T | None]:
    """One select for all the keys that an answer needs, whatever asks for them."""
    if name not in context.loaders:

        async def load(keys: list[str]) -> list[T | None]:
            # Keys come from outside: what PostgreSQL could not even compare names nothing.
            found = await find([key for key in keys if isinstance(key, str) and "\0" not in key])
            return [found.get(key) for key in keys]

        context.loaders[name] = DataLoader(load)
    loader: DataLoader[str, T | None] = context.loaders[name]
    return loader


def _structures(context: Context) -> DataLoader[str, tables.Structure | None]:
    async def find(ids: Collection[str]) -> Mapping[str, tables.Structure]:
        async with context.database.reading() as session:
            return await queries.structures(session, ids)

    return _load(context, "structures", find)


def _announcements(context: Context) -> DataLoader[str, list[tables.Announcement] | None]:
    async def find(ids: Collection[str]) -> Mapping[str, list[tables.Announcement]]:
        async with context.database.reading() as session:
            return await queries.announcements_in_force(session, ids, context.now)

    return _load(context, "announcements", find)


def _adults(context: Context) -> DataLoader[str, list[tables.Account] | None]:
    async def find(ids: Collection[str]) -> Mapping[str, list[tables.Account]]:
        async with context.database.reading() as session:
            return await queries.adults(session, ids)

    return _load(context, "adults", find)


def _children(context: Context) -> DataLoader[str, list[tables.Child] | None]:
    async def find(ids: Collection[str]) -> Mapping[str, list[tables.Child]]:
        async with context.database.reading() as session:
            return await queries.children(session, ids)

    return _load(context, "children", find)


def _visible_families(context: Context) -> DataLoader[str, tables.Family | None]:
    async def find(ids: Collection[str]) -> Mapping[str, tables.Family]:
        if context.caller is None:
            return {}
        async with context.database.reading() as session:
            return await queries.visible_families(session, context.caller, ids)

    return _load(context, "visible families", find)


def _visible_children(context: Context) -> DataLoader[str, tables.Child | None]:
    async def find(ids: Collection[str]) -> Mapping[str, tables.Child]:
        if context.caller is None:
            return {}
        async with context.database.reading() as session:
            return await queries.visible_children(session, context.caller, ids)

    return _load(context, "visible children", find)


def _colleagues(context: Context) -> DataLoader[str, tables.Account | None]:
    async def find(ids: Collection[str]) -> Mapping[str, tables.Account]:
        if context.caller is None:
            return {}
        pairs = [(structure, account) for structure, _, account in (id.partition("/") for id in ids)]
        async with context.database.reading() as session:
            return await queries.colleagues(session, context.caller, pairs)

    return _load(context, "colleagues", find)


# --------------------------------------------------------------------------------------------------------------- types
@strawberry.type
class Announcement:
    id: strawberry.ID
    title: str
    body: str
    published_at: dt.datetime


@strawberry.federation.type(keys=["id"])
class Structure:
    """A town or body whose activities are shown ("structure"). Entities of it are found by those who belong to it."""

    id: strawberry.ID
    name: str
    timezone: str

    @strawberry.field
    async def announcements(self, info: Info) -> list[Announcement]:
        """Those in force now, the newest first."""
        rows = await _announcements(info.context).load(self.id) or []
        return [Announcement(id=strawberry.ID(row.id), title=row.title, body=row.body, published_at=row.published_at) for row in rows]

    @classmethod
    def of(cls, row: tables.Structure) -> "Structure":
        return cls(id=strawberry.ID(row.id), name=row.name, timezone=row.timezone)

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Structure | None":
        caller = info.context.caller
        if caller is None or (id not in caller.agent_of and id not in caller.families.values()):
            return None
        row = await _structures(info.context).load(id)
        return cls.of(row) if row else None


@strawberry.type
class Adult:
    id: strawberry.ID
    title: str | None
    first_name: str
    last_name: str


@strawberry.federation.type(keys=["id"])
class Child:
    id: strawberry.ID
    first_name: str
    last_name: str
    birth_date: dt.date | None

    @strawberry.field
    def age(self, on: dt.date) -> int | None:
        """In whole years on that day. Null: the birth date is not known, or is later."""
        return None if self.birth_date is None else age_on(on, self.birth_date)

    @classmethod
    def of(cls, row: tables.Child | queries.AnyRow) -> "Child":
        return cls(id=strawberry.ID(row.id), first_name=row.first_name, last_name=row.last_name, birth_date=row.birth_date)

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Child | None":
        row = await _visible_children(info.context).load(id)
        return cls.of(row) if row else None


@strawberry.federation.type(keys=["id"])
class Family:
    """Payer, children and wallets of one household in one structure ("compte famille")."""

    id: strawberry.ID
    number: str
    structure_id: strawberry.Private[str]
    known_children: strawberry.Private[list[Child] | Later] = LATER

    @strawberry.field
    async def structure(self, info: Info) -> Structure:
        row = await _structures(info.context).load(self.structure_id)
        assert row is not None, "a family's structure is there: the database sees to it"
        return Structure.of(row)

    @strawberry.field
    async def adults(self, info: Info) -> list[Adult]:
        rows = await _adults(info.context).load(self.id) or []
        return [Adult(id=strawberry.ID(row.id), title=row.title, first_name=row.first_name, last_name=row.last_name) for row in rows]

    @strawberry.field(metadata={STORED_IN: "known_children"})  # type: ignore[untyped-decorator]  # no types for this form
    async def children(self, info: Info) -> list[Child]:
        """The eldest first."""
        if self.known_children is not LATER:
            return self.known_children
        return [Child.of(row) for row in await _children(info.context).load(self.id) or []]

    @classmethod
    def of(cls, row: tables.Family) -> "Family":
        return cls(id=strawberry.ID(row.id), number=row.number, structure_id=row.structure_id)

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Family | None":
        row = await _visible_families(info.context).load(id)
        return cls.of(row) if row else None


@strawberry.federation.type(keys=["id"])
class Account:
    """A login of one adult ("compte"), seen by its owner alone."""

    id: strawberry.ID
    login: str
    title: str | None
    first_name: str
    last_name: str
    email: str | None
    security_question: str | None
    language: str
    known_families: strawberry.Private[list[Family] | Later] = LATER

    @strawberry.field(metadata={STORED_IN: "known_families"})  # type: ignore[untyped-decorator]  # no types for this form
    async def families(self, info: Info) -> list[Family]:
        """One per structure that the account belongs to."""
        if self.known_families is not LATER:
            return self.known_families
        async with info.context.database.reading() as session:
            return [Family.of(row) for row in await queries.families_of(session, self.id)]

    @strawberry.field
    async def agent_of(self, info: Info) -> list[Structure]:
        async with info.context.database.reading() as session:
            return [Structure.of(row) for row in await queries.agent_of(session, self.id)]

    @classmethod
    def at_home(cls, home: queries.Home) -> "Account":
        """With its families and their children, of which nearly every screen asks."""
        account = cls.of(home.account)
        account.known_families = [
            Family(
                id=strawberry.ID(row.family_id),
                number=row.number,
                structure_id=row.structure_id,
                known_children=[Child.of(child) for child in home.children.get(row.family_id, ())],
            )
            for row in home.families
        ]
        return account

    @classmethod
    def of(cls, row: tables.Account | queries.AnyRow) -> "Account":
        return cls(
            id=strawberry.ID(row.id),
            login=row.login,
            title=row.title,
            first_name=row.first_name,
            last_name=row.last_name,
            email=row.email,
            security_question=row.security_question,
            language=row.language,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Account | None":
        return await _me(info.context) if info.context.caller and info.context.caller.account == id else None


async def _me(context: Context) -> Account | None:
    if context.caller is None:
        return None
    who = queries.SignedIn(context.caller.account, context.caller.session)
    home = (await context.library.find(queries.homes, [who])).get(who)
    return Account.at_home(home) if home else None


@strawberry.federation.type(keys=["id"])
class Agent:
    """Who works, or once worked, for a structure, as its agents see each other. The id is `<structure>/<account>`."""

    id: strawberry.ID
    first_name: str
    last_name: str

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Agent | None":
        row = await _colleagues(info.context).load(id)
        return cls(id=id, first_name=row.first_name, last_name=row.last_name) if row else None


# ------------------------------------------------------------------------------------------------------------ refusals
@strawberry.federation.type(shareable=True)
class InvalidCredentials(Refusal):
    """The login, the password or the answer is wrong; which of them is never said."""


@strawberry.federation.type(shareable=True)
class TooManyAttempts(Refusal):
    """Somebody must wait before the next try; the message says how long."""


@strawberry.federation.type(shareable=True)
class InvalidToken(Refusal):
    """A refresh or reset token is unknown, used, or has run out."""


@strawberry.federation.type(shareable=True)
class PasswordTooWeak(Refusal):
    """The new password is easily guessed; the message says why."""


@strawberry.federation.type(shareable=True)
class InvalidEmail(Refusal):
    """No mail server would take this address."""


REFUSALS: dict[str, type[Refusal]] = {
    "INVALID_CREDENTIALS": InvalidCredentials,
    "TOO_MANY_ATTEMPTS": TooManyAttempts,
    "INVALID_TOKEN": InvalidToken,
    "PASSWORD_TOO_WEAK": PasswordTooWeak,
    "INVALID_EMAIL": InvalidEmail,
}


async def _or_refusal(info: Info, work: Awaitable[T]) -> T | Any:
    """What the work gives, or the member of the mutation's union that says why not."""
    try:
        return await work
    except Refused as refused:
        message = say(refused.code, info.context.language, **refused.details)
        return REFUSALS[refused.code](code=refused.code, message=message)


# ----------------------------------------------------------------------------------------------------------- mutations
@strawberry.type
class SignedIn:
    """The access token opens every service for a quarter of an hour; the refresh token gets the next pair, once."""

    account: Account
    access_token: str
    access_token_expires_at: dt.datetime
    refresh_token: str


@strawberry.type
class RecoveryGranted:
    token: str


SignInResult = Annotated[SignedIn | InvalidCredentials | TooManyAttempts | InvalidToken | PasswordTooWeak, strawberry.union("SignInResult")]
AccountResult = Annotated[
    Account | InvalidCredentials | PasswordTooWeak | InvalidEmail | TooManyAttempts, strawberry.union("AccountResult")
]
RecoveryResult = Annotated[RecoveryGranted | InvalidCredentials | TooManyAttempts, strawberry.union("RecoveryResult")]


def _entrance(info: Info) -> Entrance:
    entrance: Entrance = info.context.running.resources[RESOURCE]
    return entrance


async def _signed_in(info: Info, opening: Awaitable[Opened]) -> SignedIn:
    opened = await opening
    return SignedIn(
        account=Account.of(opened.account),
        access_token=_entrance(info).signer.sign(opened.caller, info.context.now),
        access_token_expires_at=dt.datetime.fromtimestamp(opened.caller.expires_at, dt.UTC),
        refresh_token=opened.refresh_token,
    )


async def _account(changing: Awaitable[tables.Account]) -> Account:
    return Account.of(await changing)


def _bounded(name: str, text: str, longest: int) -> str:
    text = text.strip()
    if not 0 < len(text) <= longest or not text.isprintable():
        french = f"{name} : de 1 à {longest} caractères imprimables."
        raise CodedError("BAD_USER_INPUT", f"{name}: 1 to {longest} printable characters.", french)
    return text


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def sign_in(self, info: Info, login: str, password: str) -> SignInResult:
        return await _or_refusal(info, _signed_in(info, _entrance(info).sign_in(login, password, info.context.address)))

    @strawberry.mutation
    async def refresh_session(self, info: Info, refresh_token: str) -> SignInResult:
        """Single use: using one twice ends the whole session."""
        return await _or_refusal(info, _signed_in(info, _entrance(info).refresh(refresh_token)))

    @strawberry.mutation
    async def sign_out(self, info: Info) -> bool:
        async with info.context.database.transaction() as session:
            await commands.sign_out(session, info.context.clock, info.context.signed_in())
        return True

    @strawberry.mutation
    async def change_password(self, info: Info, current: str, new: str) -> AccountResult:
        """In force at once; every other session of the account ends."""
        caller = info.context.signed_in()
        return await _or_refusal(info, _account(_entrance(info).change_password(caller, current, new, info.context.address)))

    @strawberry.mutation
    async def change_email(self, info: Info, email: str) -> AccountResult:
        changed = await _or_refusal(info, _account(_entrance(info).change_email(info.context.signed_in(), email)))
        info.context.running.outbox_written()
        return changed

    @strawberry.mutation
    async def change_security_question(self, info: Info, password: str, question: str, answer: str) -> AccountResult:
        caller = info.context.signed_in()
        question, answer = _bounded("question", question, LONGEST), _bounded("answer", answer, LONGEST)
        changing = _entrance(info).change_security_question(caller, password, question, answer, info.context.address)
        return await _or_refusal(info, _account(changing))

    @strawberry.mutation
    async def request_password_reset(self, info: Info, login: str) -> bool:
        """Always true, always as slow; mails a single-use link where there is an account with an address."""
        await _entrance(info).request_password_reset(login, info.context.address)
        info.context.running.outbox_written()
        return True

    @strawberry.mutation
    async def recovery_question(self, info: Info, login: str) -> str:
        """An unknown login gets a stable decoy from the same list."""
        return _entrance(info).recovery_question(login, info.context.language)

    @strawberry.mutation
    async def answer_recovery_question(self, info: Info, login: str, answer: str) -> RecoveryResult:
        return await _or_refusal(info, _entrance(info).answer_recovery_question(login, answer, info.context.address))

    @strawberry.mutation
    async def reset_password(self, info: Info, token: str, new: str) -> SignInResult:
        return await _or_refusal(info, _signed_in(info, _entrance(info).reset_password(token, new)))


@strawberry.type
class Query:
    @strawberry.field
    async def me(self, info: Info) -> Account | None:
        """Null without a valid token: never an error."""
        return await _me(info.context)


schema = subgraph(Query, Mutation, types=[Structure, Family, Child, Agent])
