"""What agents of a structure see of its register, and send."""

import datetime as dt
from typing import Annotated, Any, Self

import strawberry
from strawberry import ID, UNSET, Private

from services.audit import differences
from services.graphql import Info
from services.identity import loaders, queries, tables
from services.identity.announcing import AnnouncementState, Wording, state_of
from services.identity.audit import ActRow
from services.identity.households import ChildSpec
from services.identity.refusals import (
    AccountShared,
    AdministratorRequired,
    IdempotencyKeyReused,
    InvalidEmail,
    InvalidEntry,
    LoginTaken,
    NumberTaken,
    PasswordTooWeak,
    ReasonRequired,
    TitleTaken,
    TooManyAttempts,
    UnknownAccount,
)
from services.identity.types import Adult, Agent, Child, Family


# ------------------------------------------------------------------------------------------------------- the audit trail
@strawberry.type
class IdentityActDetail:
    name: str
    before: str | None
    after: str | None


@strawberry.type
class IdentityAct:
    """One thing that an agent did in the register: with a family, an account, an announcement, a role."""

    row: Private[ActRow]
    structure: Private[str]
    id: ID
    at: dt.datetime
    account: ID = strawberry.field(description="The agent's.")
    kind: str = strawberry.field(description="Such as CHANGE_CHILD, ADD_ADULT or SET_ROLE.")
    reason: str | None
    erased: bool = strawberry.field(
        description="Whom it is about was erased since: why, and from what to what, is not to be read any more."
    )

    @classmethod
    def of(cls, row: ActRow, structure: str) -> Self:
        return cls(
            row=row,
            structure=structure,
            id=ID(str(row.position)),
            at=row.at,
            account=ID(row.account),
            kind=row.kind,
            reason=row.reason,
            erased=row.erased,
        )

    @strawberry.field
    async def agent(self, info: Info) -> Agent | None:
        """By name. Null: nobody is known by that account any more."""
        return await Agent.resolve_reference(info, ID(f"{self.structure}/{self.row.account}"))

    @strawberry.field
    async def family(self, info: Info) -> Family | None:
        return await Family.resolve_reference(info, ID(self.row.family)) if self.row.family else None

    @strawberry.field
    async def child(self, info: Info) -> Child | None:
        return await Child.resolve_reference(info, ID(self.row.child)) if self.row.child else None

    @strawberry.field
    async def adult(self, info: Info) -> Adult | None:
        """Whose account it is about, as known today."""
        row = await loaders.colleagues(info.context).load(f"{self.structure}/{self.row.adult}") if self.row.adult else None
        return Adult.of(row, self.structure) if row else None

    @strawberry.field
    def details(self) -> list[IdentityActDetail]:
        """What changed, by name; texts as they are, everything else as JSON."""
        if self.row.erased:
            return [IdentityActDetail(name=name, before=None, after=None) for name in self.row.changed]
        found = differences(self.row.before, self.row.after)
        return [IdentityActDetail(name=name, before=before, after=after) for name, before, after in found]


@strawberry.type
class IdentityActConnection:
    nodes: list[IdentityAct]
    end_cursor: str | None
    has_next_page: bool


# --------------------------------------------------------------------------------------------------------- the register
@strawberry.type
class FamilyConnection:
    structure: Private[str]
    words: Private[list[str]]
    nodes: list[Family]
    end_cursor: str | None
    has_next_page: bool

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        async with info.context.database.reading() as session:
            return await queries.registered_count(session, self.structure, self.words)


@strawberry.input
class NewChildInput:
    first_name: str
    last_name: str
    birth_date: dt.date | None = None

    def spec(self) -> ChildSpec:
        return ChildSpec("", self.first_name, self.last_name, self.birth_date)

    def content(self) -> list[Any]:
        return [self.first_name, self.last_name, self.birth_date]


@strawberry.input
class CreateFamilyInput:
    structure: ID
    number: str
    logins: list[str] = strawberry.field(default_factory=list, description="Of its adults, in the order in which letters address them.")
    children: list[NewChildInput] = strawberry.field(default_factory=list)
    reason: str | None = None
    idempotency_key: str


@strawberry.input
class ChangeFamilyInput:
    family: ID
    number: str
    reason: str | None = None
    idempotency_key: str


@strawberry.input
class AddChildInput:
    family: ID
    child: NewChildInput
    reason: str | None = None
    idempotency_key: str


@strawberry.input
class ChangeChildInput:
    """What is left out stays as it is."""

    child: ID
    first_name: str | None = None
    last_name: str | None = None
    birth_date: dt.date | None = strawberry.field(default=UNSET, description="Null: not known.")
    reason: str | None = None
    idempotency_key: str

    def changes(self) -> dict[str, Any]:
        said = {name: text for name in ("first_name", "last_name") if (text := getattr(self, name)) is not None}
        return said if self.birth_date is UNSET else said | {"birth_date": self.birth_date}


@strawberry.input
class RemoveChildInput:
    child: ID
    reason: str
    idempotency_key: str


@strawberry.input
class AddAdultInput:
    family: ID
    login: str
    reason: str | None = None
    idempotency_key: str


@strawberry.input
class RemoveAdultInput:
    family: ID
    account: ID
    reason: str
    idempotency_key: str


@strawberry.input
class OpenAccountInput:
    """An adult's account. Without a password its owner chooses one, with a code from the town hall."""

    structure: ID
    family: ID | None = None
    login: str
    title: str | None = None
    first_name: str
    last_name: str
    email: str | None = None
    language: str = "fr"
    password: str | None = strawberry.field(default=None, description="Handed out by the town hall.")
    reason: str | None = None
    idempotency_key: str


@strawberry.input
class ChangeAccountInput:
    """What is left out stays as it is; an empty title or address says that there is none."""

    structure: ID
    account: ID
    title: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    language: str | None = None
    password: str | None = strawberry.field(default=None, description="Handed out by the town hall: signs the account out everywhere.")
    reason: str | None = None
    idempotency_key: str


FamilyResult = Annotated[
    Family | ReasonRequired | InvalidEntry | NumberTaken | UnknownAccount | IdempotencyKeyReused, strawberry.union("FamilyResult")
]
AdultResult = Annotated[
    Adult
    | ReasonRequired
    | InvalidEntry
    | InvalidEmail
    | PasswordTooWeak
    | LoginTaken
    | TooManyAttempts
    | AccountShared
    | AdministratorRequired
    | IdempotencyKeyReused,
    strawberry.union("AdultResult"),
]


# --------------------------------------------------------------------------------------------------------- announcements
strawberry.enum(AnnouncementState)


@strawberry.type
class OfficeAnnouncement:
    """An announcement as agents see it: also one to come, or one that is over."""

    id: ID
    title: str
    body: str
    published_at: dt.datetime
    ends_at: dt.datetime | None
    mail: bool = strawberry.field(description="Families get it as a letter, too, on its day.")
    public: bool = strawberry.field(description="It is for everybody: also whoever is not signed in sees it.")
    state: AnnouncementState
    told_at: dt.datetime | None = strawberry.field(description="When other systems were told of it, and the letters written.")

    @classmethod
    def of(cls, row: tables.Announcement, now: dt.datetime) -> Self:
        return cls(
            id=ID(row.id),
            title=row.title,
            body=row.body,
            published_at=row.published_at,
            ends_at=row.ends_at,
            mail=row.mail,
            public=row.public,
            state=state_of(row, now),
            told_at=row.told_at,
        )


@strawberry.type
class AnnouncementConnection:
    nodes: list[OfficeAnnouncement]
    end_cursor: str | None
    has_next_page: bool


@strawberry.input
class PublishAnnouncementInput:
    structure: ID
    title: str
    body: str = strawberry.field(description="Plain text; blank lines part paragraphs.")
    publish_at: dt.datetime | None = strawberry.field(default=None, description="Null: now.")
    ends_at: dt.datetime | None = strawberry.field(default=None, description="Null: it stands until it is withdrawn.")
    mail: bool = strawberry.field(default=False, description="Families get it as a letter, too, on its day.")
    public: bool = strawberry.field(default=False, description="For everybody: also whoever is not signed in sees it.")
    reason: str | None = None
    idempotency_key: str

    def wording(self) -> Wording:
        return Wording(self.title, self.body, self.publish_at, (self.ends_at,), self.mail, self.public)


@strawberry.input
class ChangeAnnouncementInput:
    """What is left out stays as it is."""

    announcement: ID
    title: str | None = None
    body: str | None = None
    publish_at: dt.datetime | None = None
    ends_at: dt.datetime | None = strawberry.field(default=UNSET, description="Null: it stands until it is withdrawn.")
    mail: bool | None = None
    public: bool | None = None
    reason: str | None = None
    idempotency_key: str

    def wording(self) -> Wording:
        ends_at = None if self.ends_at is UNSET else (self.ends_at,)
        return Wording(self.title, self.body, self.publish_at, ends_at, self.mail, self.public)


@strawberry.input
class WithdrawAnnouncementInput:
    announcement: ID
    reason: str
    idempotency_key: str


AnnouncementResult = Annotated[
    OfficeAnnouncement | ReasonRequired | InvalidEntry | TitleTaken | IdempotencyKeyReused, strawberry.union("AnnouncementResult")
]
