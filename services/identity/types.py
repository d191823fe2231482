"""Who is who, as GraphQL types."""

import datetime as dt
from enum import Enum

import strawberry

from services.files import FileLink, link_to_file
from services.graphql import Context, Info
from services.identity import loaders, mail_choices, portability, queries, tables
from services.identity.households import ReportsWanted, age_on
from services.identity.questions import asked
from services.identity.refusals import FactorKind
from services.identity.second_factor import DEFAULT
from services.identity.viewing import saw_children
from services.projection import LATER, STORED_IN, Later

strawberry.enum(description="How an adult hears what became of requests: at once, or in one mail a day.")(ReportsWanted)


@strawberry.type
class Announcement:
    id: strawberry.ID
    title: str
    body: str
    published_at: dt.datetime
    ends_at: dt.datetime | None = strawberry.field(description="Null: until it is withdrawn.")


@strawberry.federation.type(keys=["id"])
class Structure:
    """A town or body whose activities are shown ("structure"). Entities of it are found by those who belong to it."""

    id: strawberry.ID
    name: str
    timezone: str
    secret_questions: bool = strawberry.field(description="Whether it has them on: the answer to one is a way to a new password then.")

    @strawberry.field
    async def announcements(self, info: Info) -> list[Announcement]:
        """Those in force now, the newest first."""
        rows = await loaders.announcements(info.context).load(self.id) or []
        return [
            Announcement(id=strawberry.ID(row.id), title=row.title, body=row.body, published_at=row.published_at, ends_at=row.ends_at)
            for row in rows
        ]

    @classmethod
    def of(cls, row: tables.Structure) -> "Structure":
        return cls(id=strawberry.ID(row.id), name=row.name, timezone=row.timezone, secret_questions=row.secret_questions)

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Structure | None":
        caller = info.context.caller
        if caller is None or (id not in caller.agent_of and id not in caller.families.values()):
            return None
        row = await loaders.structures(info.context).load(id)
        return cls.of(row) if row else None


@strawberry.type
class AdultAccount:
    """An adult's account, as agents of the structure see it."""

    login: str
    email: str | None = strawberry.field(description="Null: there is none, or the account belongs to another structure, too.")
    language: str
    shared: bool = strawberry.field(description="It belongs to another structure, too: agents cannot change it.")
    has_password: bool = strawberry.field(description="False: its owner has yet to choose one, with a code from the town hall.")


@strawberry.type
class Adult:
    id: strawberry.ID
    title: str | None
    first_name: str
    last_name: str
    structure_id: strawberry.Private[str]

    @strawberry.field
    async def account(self, info: Info) -> AdultAccount | None:
        """For agents of the structure; null for anybody else: parents may live apart."""
        caller = info.context.caller
        if caller is None or self.structure_id not in caller.agent_of:
            return None
        row = await loaders.registered_accounts(info.context).load(f"{self.structure_id}/{self.id}")
        if row is None:
            return None
        email = None if row.shared else row.email
        return AdultAccount(login=row.login, email=email, language=row.language, shared=row.shared, has_password=row.has_password)

    @classmethod
    def of(cls, row: tables.Account, structure: str) -> "Adult":
        id_ = strawberry.ID(row.id)
        return cls(id=id_, title=row.title, first_name=row.first_name, last_name=row.last_name, structure_id=structure)


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
        row = await loaders.visible_children(info.context).load(id)
        return cls.of(row) if row else None


@strawberry.enum
class DataExportState(Enum):
    """How far the file with all of a family's data has come."""

    ASKED = "ASKED"
    READY = "READY"
    OVER = "OVER"


@strawberry.type
class DataExport:
    """All that is known of a family, as one file (ZIP): JSON, and a page to read. It is forgotten after some days, see `expiresAt`."""

    id: strawberry.ID
    state: DataExportState
    asked_at: dt.datetime
    ready_at: dt.datetime | None
    expires_at: dt.datetime
    file: FileLink | None = strawberry.field(description="Once it is ready.")

    @classmethod
    async def of(cls, context: Context, row: tables.DataRequest) -> "DataExport":
        is_over = row.private_key is None or row.expires_at <= context.now
        state = DataExportState.OVER if is_over else DataExportState.READY if row.ready_at else DataExportState.ASKED
        file = None
        if state is DataExportState.READY:
            name = "my-data.zip" if context.language == "en" else "mes-donnees.zip"
            file = await link_to_file(context.running, portability.DATA, {"request": row.id, "language": context.language}, name)
        id_ = strawberry.ID(row.id)
        return cls(id=id_, state=state, asked_at=row.asked_at, ready_at=row.ready_at, expires_at=row.expires_at, file=file)


@strawberry.federation.type(keys=["id"])
class Family:
    """Payer, children and wallets of one household in one structure ("compte famille")."""

    id: strawberry.ID
    number: str
    structure_id: strawberry.Private[str]
    known_children: strawberry.Private[list[Child] | Later] = LATER

    @strawberry.field
    async def structure(self, info: Info) -> Structure:
        row = await loaders.structures(info.context).load(self.structure_id)
        assert row is not None, "a family's structure is there: the database sees to it"
        return Structure.of(row)

    @strawberry.field
    async def adults(self, info: Info) -> list[Adult]:
        rows = await loaders.adults(info.context).load(self.id) or []
        return [Adult.of(row, self.structure_id) for row in rows]

    @strawberry.field(metadata={STORED_IN: "known_children"})  # type: ignore[untyped-decorator]  # no types for this form
    async def children(self, info: Info) -> list[Child]:
        """The eldest first."""
        if self.known_children is not LATER:
            return self.known_children
        rows = await loaders.children(info.context).load(self.id) or []
        if info.context.caller is not None:
            saw_children(info.context.running, info.context.caller, [(row, self.structure_id) for row in rows])
        return [Child.of(row) for row in rows]

    @strawberry.field
    async def data_exports(self, info: Info) -> list[DataExport]:
        """Those that the caller asked for, the newest first."""
        account = info.context.signed_in().account
        async with info.context.database.reading() as session:
            rows = await portability.requests_of(session, self.id, account)
        return [await DataExport.of(info.context, row) for row in rows]

    @classmethod
    def of(cls, row: tables.Family) -> "Family":
        return cls(id=strawberry.ID(row.id), number=row.number, structure_id=row.structure_id)

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Family | None":
        row = await loaders.visible_families(info.context).load(id)
        return cls.of(row) if row else None


@strawberry.type
class Factor:
    """What an account's owner shows beside the password."""

    id: strawberry.ID
    kind: FactorKind
    label: str
    added_at: dt.datetime
    used_at: dt.datetime | None

    @classmethod
    def of(cls, row: tables.Factor) -> "Factor":
        assert row.added_at is not None, "the others count for nothing, and are not looked up"
        return cls(id=strawberry.ID(row.id), kind=row.kind, label=row.label, added_at=row.added_at, used_at=row.used_at)


@strawberry.type
class OutsideIdentity:
    """Whom somebody else says that the account's owner is, such as FranceConnect."""

    provider: str
    name: str = strawberry.field(description="As the provider told it when it was linked; may be empty.")
    linked_at: dt.datetime


@strawberry.federation.type(keys=["id"])
class Account:
    """A login of one adult ("compte"), seen by its owner alone."""

    id: strawberry.ID
    login: str
    title: str | None
    first_name: str
    last_name: str
    email: str | None = strawberry.field(description="In force: letters go there.")
    question: strawberry.Private[str | None]
    language: str
    reports: ReportsWanted
    announcements_by_mail: bool
    pending_email: str | None = strawberry.field(description="What it is to be, once the link that was mailed there is used.")
    pending_email_waits: bool = strawberry.field(
        description="It comes into force a day after its link is used: it was asked for without password, long after signing in."
    )
    pending_email_from: dt.datetime | None = strawberry.field(
        description="When that is; null: its link was not used yet, or nothing is pending."
    )
    known_families: strawberry.Private[list[Family] | Later] = LATER
    session: strawberry.Private[str | None] = None  #: Which has just begun; None: the caller's.

    @strawberry.field(metadata={STORED_IN: "known_families"})  # type: ignore[untyped-decorator]  # no types for this form
    async def families(self, info: Info) -> list[Family]:
        """One per structure that the account belongs to."""
        if self.known_families is not LATER:
            return self.known_families
        async with info.context.database.reading() as session:
            return [Family.of(row) for row in await queries.families_of(session, self.id)]

    @strawberry.field
    async def undeliverable(self, info: Info) -> dt.datetime | None:
        """Since when mails to `email` have come back. Null: as far as is known, they arrive."""
        async with info.context.database.reading() as session:
            return await mail_choices.undeliverable(session, self.id)

    @strawberry.field
    async def agent_of(self, info: Info) -> list[Structure]:
        async with info.context.database.reading() as session:
            return [Structure.of(row) for row in await queries.agent_of(session, self.id)]

    @strawberry.field
    async def factors(self, info: Info) -> list[Factor]:
        """What is asked beside the password at each sign-in, the oldest first."""
        async with info.context.database.reading() as session:
            return [Factor.of(row) for row in await queries.factors(session, self.id)]

    @strawberry.field
    async def outside_identities(self, info: Info) -> list[OutsideIdentity]:
        """What opens the account beside the password."""
        async with info.context.database.reading() as session:
            rows = await queries.outside_identities(session, self.id)
        return [OutsideIdentity(provider=row.provider, name=row.label, linked_at=row.linked_at) for row in rows]

    @strawberry.field
    async def second_factor_due(self, info: Info) -> bool:
        """Whether a rank waits for a second factor: in the structures of `secondFactorMissing`, or as who runs the installation."""
        current = self.session or info.context.signed_in().session
        async with info.context.database.reading() as session:
            return await queries.rank_waits(session, self.id, current, info.context.running.resources[DEFAULT])

    @strawberry.field
    async def second_factor_missing(self, info: Info) -> list[Structure]:
        """Those it works for, but has no rank in now: they ask for a second factor, which was not shown."""
        current = self.session or info.context.signed_in().session
        async with info.context.database.reading() as session:
            rows = await queries.waiting_for_a_factor(session, self.id, current, info.context.running.resources[DEFAULT])
            return [Structure.of(row) for row in rows]

    @strawberry.field
    def security_question(self, info: Info) -> str | None:
        return asked(self.question, info.context.language) if self.question else None

    @strawberry.field
    async def secret_question_opens(self, info: Info) -> bool:
        """Whether its answer is a way to a new password: all structures that the account belongs, or belonged, to have questions on."""
        async with info.context.database.reading() as session:
            return await queries.is_let_in_by_questions(session, self.id)

    @strawberry.field
    async def password_is_handed_out(self, info: Info) -> bool:
        """The town gave it and knows it: a portal asks for another. Of one's own account alone."""
        async with info.context.database.reading() as session:
            return await queries.has_handed_out_password(session, self.id)

    @strawberry.field
    async def recovery_codes_left(self, info: Info) -> int:
        """Printed codes that were not used yet. Of one's own account alone."""
        if self._seen_from(info) is None:
            return 0
        async with info.context.database.reading() as session:
            return await queries.printed_codes_left(session, self.id)

    @strawberry.field
    async def sessions(self, info: Info) -> "list[Session]":
        """Where the account is signed in now, the one used last first. Of one's own account alone."""
        current = self._seen_from(info)
        if current is None:
            return []
        async with info.context.database.reading() as session:
            rows = await queries.live_sessions(session, self.id, info.context.now)
        return [
            Session(
                id=strawberry.ID(row.id),
                started_at=row.started_at,
                last_used_at=row.last_used_at or row.started_at,
                device=row.device,
                current=row.id == current,
            )
            for row in rows
        ]

    def _seen_from(self, info: Info) -> str | None:
        """The session in which its owner looks, which may have begun in this very request; null: it is somebody else."""
        caller = info.context.caller
        return self.session or (caller.session if caller and caller.account == self.id else None)

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
            question=row.security_question,
            language=row.language,
            reports=ReportsWanted(row.reports),
            announcements_by_mail=row.announcements_by_mail,
            pending_email=row.pending_email,
            pending_email_waits=row.pending_email is not None and not row.pending_proven,
            pending_email_from=row.pending_due_at,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Account | None":
        return await me(info.context) if info.context.caller and info.context.caller.account == id else None


async def me(context: Context) -> Account | None:
    if context.caller is None:
        return None
    who = queries.SignedIn(context.caller.account, context.caller.session)
    home = (await context.library.find(queries.homes, [who])).get(who)
    return Account.at_home(home) if home else None


@strawberry.type
class Session:
    """From signing in to signing out, on one device."""

    id: strawberry.ID
    started_at: dt.datetime
    last_used_at: dt.datetime
    device: str | None = strawberry.field(description='Such as "Firefox, Windows". Null: it did not say.')
    current: bool


@strawberry.federation.type(keys=["id"])
class Agent:
    """Who works, or once worked, for a structure, as its agents see each other. The id is `<structure>/<account>`."""

    id: strawberry.ID
    first_name: str
    last_name: str

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Agent | None":
        row = await loaders.colleagues(info.context).load(id)
        return cls(id=id, first_name=row.first_name, last_name=row.last_name) if row else None
