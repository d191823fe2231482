"""The rows of identity. No secret is in them that could be used: passwords are argon2id hashes, tokens SHA-256 sums.

The exceptions are the keys of an embedded installation, which have no other safe place; in production they are in settings: of the
signing key the row has the public part only, and the secrets of somebody's codes are sealed by a key that is not here.
"""

import datetime as dt
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Index, Table, Text, UniqueConstraint, false, true
from sqlmodel import Field, SQLModel

from services.database import BIGINT, Instant, as_text, new_metadata
from services.identity.erasure import ErasureState
from services.identity.households import ReportsWanted
from services.identity.invitations import Gives
from services.identity.second_factor import FactorKind, SecondFactor

SHA256 = 64  #: Length in hexadecimal digits.


#: What a town's file last said of something (town_file.py): what people made of it since stands until the file says otherwise.
FileWords = dict[str, Any]


class IdentityTable(SQLModel):
    metadata = new_metadata()


def core(rows: type[IdentityTable]) -> Table:
    """The table itself, for statements that must not pass through the ORM."""
    table = rows.metadata.tables[str(rows.__tablename__)]
    return table


# --------------------------------------------------------------------------------------------------- towns and households
class Structure(IdentityTable, table=True):
    """A town or body whose activities are shown ("structure")."""

    id: str = Field(primary_key=True)
    name: str
    timezone: str
    school_zone: str | None = None
    secret_questions: bool = Field(default=False, sa_column_kwargs={"server_default": false()})  #: Whether they open a way back in (S3).
    second_factor: SecondFactor | None = Field(default=None, sa_type=as_text(SecondFactor))  #: Of its agents.
    #: What it says of services/retention.py.
    retention: dict[str, int] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    version: int = 1
    loaded: FileWords | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class Announcement(IdentityTable, table=True):
    """What a structure says on its home page (S2). The title is what it is known by: another text under it is a correction."""

    __table_args__ = (
        UniqueConstraint("structure_id", "title"),
        Index("ix_announcement_public_published_at", "public", "published_at"),
    )
    id: str = Field(primary_key=True)
    structure_id: str = Field(foreign_key="structure.id")
    title: str
    body: str = Field(sa_type=Text)
    #: As the town's file last gave them: what agents made of them stands until it changes.
    loaded_title: str | None = None
    loaded_body: str | None = Field(default=None, sa_type=Text)
    loaded: FileWords | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    published_at: dt.datetime = Field(sa_type=Instant)  #: From then on it is in force.
    ends_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: None: until it is withdrawn.
    withdrawn_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    mail: bool = Field(default=False, sa_column_kwargs={"server_default": false()})  #: Families get it as a letter, too.
    public: bool = Field(default=False, sa_column_kwargs={"server_default": false()})  #: For everybody, also whoever is not signed in.
    told_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: When other systems were told: on its day, once.


class Account(IdentityTable, table=True):
    """A login of one adult ("compte")."""

    id: str = Field(primary_key=True)
    login: str = Field(unique=True)  #: As `credentials.plain_login` gives it.
    title: str | None = None
    first_name: str
    last_name: str
    email: str | None = None  #: In force: confirmed, or the town's own.
    pending_email: str | None = None  #: What it is to be, once the link that went there is used (S7).
    #: Whether whoever wanted that had just shown who they are: then it waits for the link alone, else for a day after it, too.
    pending_proven: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    pending_due_at: dt.datetime | None = Field(default=None, sa_type=Instant, index=True)  #: When it comes into force; None: not confirmed.
    loaded_email: str | None = None  #: As the town last gave it: the family's own choice stands until the town's changes.
    language: str = "fr"
    loaded_language: str | None = None  #: The same of the language. None: as it is.
    security_question: str | None = None  #: A code of `questions`; before there was a list, the family's own words.
    opened_at: dt.datetime = Field(sa_type=Instant)
    signed_in_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: The last time.
    version: int = 1
    reports: ReportsWanted = Field(
        default=ReportsWanted.AT_ONCE, sa_column=Column(as_text(ReportsWanted), nullable=False, server_default="at_once")
    )
    announcements_by_mail: bool = Field(default=True, sa_column_kwargs={"server_default": true()})


class Unattached(IdentityTable, table=True):
    """An account that stands in no family and no office: in time it is erased (closing.py)."""

    account_id: str = Field(primary_key=True, foreign_key="account.id")
    since: dt.datetime = Field(sa_type=Instant)  #: When that was first seen.
    told_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: That it is going to be erased.


class Undeliverable(IdentityTable, table=True):
    """Mails to an account's address were given up, and none was taken since. Of another address than the account's it says nothing."""

    account_id: str = Field(primary_key=True, foreign_key="account.id")
    email: str
    kind: str  #: Of the first mail that was given up.
    since: dt.datetime = Field(sa_type=Instant)


class Credential(IdentityTable, table=True):
    """What proves that somebody is the account's owner."""

    account_id: str = Field(primary_key=True, foreign_key="account.id")
    password_hash: str
    loaded_hash: str  #: Of the password that the town last handed out: the family's own stands until the town's changes.
    answer_hash: str | None = None
    changed_at: dt.datetime = Field(sa_type=Instant)


class Membership(IdentityTable, table=True):
    """An account that belongs, or once belonged, to a structure. Its first row there was told as `account_opened`."""

    account_id: str = Field(primary_key=True, foreign_key="account.id")
    structure_id: str = Field(primary_key=True, foreign_key="structure.id", index=True)
    loaded: FileWords | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))  #: Of the account, and of its rank there.


class AgentRole(IdentityTable, table=True):
    """The account works for the structure ("agent")."""

    __tablename__ = "agent_role"
    account_id: str = Field(primary_key=True, foreign_key="account.id")
    structure_id: str = Field(primary_key=True, foreign_key="structure.id")
    administrator: bool = Field(default=False, sa_column_kwargs={"server_default": false()})  #: Also says who is one.


class Operator(IdentityTable, table=True):
    """The account runs the installation: its structures, and who administers them. It opens no family's data."""

    account_id: str = Field(primary_key=True, foreign_key="account.id")


class Family(IdentityTable, table=True):
    """Payer, children and wallets of one household in one structure ("compte famille")."""

    __table_args__ = (Index("ix_family_structure_id_number_id", "structure_id", "number", "id"),)
    id: str = Field(primary_key=True)
    structure_id: str = Field(foreign_key="structure.id", index=True)
    number: str
    version: int = 1  #: Grows with everything that the family's events say, names and addresses of its adults included.
    #: What agents find it by (`households.looked_for_by`): written whenever its events are.
    looked_for_by: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    erased_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: Nothing is left of it but its number.
    loaded: FileWords | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))  #: Its number, and ids.


class FamilyAdult(IdentityTable, table=True):
    """The account may act for the family ("responsable légal")."""

    __tablename__ = "family_adult"
    family_id: str = Field(primary_key=True, foreign_key="family.id")
    account_id: str = Field(primary_key=True, foreign_key="account.id", index=True)
    position: int  #: In the town's order, from 0: letters are addressed to the first.


class Child(IdentityTable, table=True):
    id: str = Field(primary_key=True)
    family_id: str = Field(foreign_key="family.id", index=True)
    first_name: str
    last_name: str
    birth_date: dt.date | None = None
    position: int  #: In order of birth, from 0.
    listed: bool = True  #: False: the town took the child off the family; its past remains readable.
    loaded: FileWords | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


# --------------------------------------------------------------------------------------------------------- the audit trail
class Act(IdentityTable, table=True):
    """One thing that an agent did. Rows are only ever added: the database refuses to change or delete one (audit.py)."""

    __table_args__ = (Index("ix_act_structure_position", "structure", "position"), Index("ix_act_family_position", "family", "position"))
    position: int | None = Field(default=None, sa_column=Column(BIGINT, primary_key=True, autoincrement=True))
    structure: str
    account: str  #: The agent's.
    at: dt.datetime = Field(sa_type=Instant)
    kind: str  #: UPPER_SNAKE of what was asked, such as CHANGE_CHILD.
    family: str | None = None
    child: str | None = None
    adult: str | None = None  #: The account that it is about.
    announcement: str | None = None
    changed: list[str] = Field(sa_column=Column(JSON, nullable=False))  #: Names of what changed.
    subject: str  #: With whose key the rest is sealed: a family's, an account's or the structure's.
    sealed: str = Field(sa_type=Text)  #: Reason, before and after.
    seal: str  #: SHA-256 of this row and of the structure's seal before it: a chain that shows a missing or changed link.


class AskedOnce(IdentityTable, table=True):
    """What an agent asked for with a key, and what came of it: the same again is no second act."""

    __tablename__ = "asked_once"
    key: str = Field(primary_key=True, max_length=SHA256)  #: Of structure, agent and key.
    content: str = Field(max_length=SHA256)
    answer: str  #: An id.
    at: dt.datetime = Field(sa_type=Instant)


class Viewing(IdentityTable, table=True):
    """An agent saw something of a family in that hour (viewing.py)."""

    __table_args__ = (
        Index("ix_viewing_structure_hour", "structure", "hour"),
        Index("ix_viewing_family_hour", "family", "hour"),
    )
    structure: str = Field(primary_key=True)
    account: str = Field(primary_key=True)  #: The agent's.
    family: str = Field(primary_key=True)
    child: str = Field(primary_key=True)  #: Empty: the family as a whole.
    what: str = Field(primary_key=True)
    hour: dt.datetime = Field(sa_type=Instant, primary_key=True)


class Invitation(IdentityTable, table=True):
    """Somebody was asked, at an address, to join a family or to work for a structure: whose address it is, nobody looked."""

    __table_args__ = (Index("ix_invitation_structure_id_id", "structure_id", "id"),)
    id: str = Field(primary_key=True)  #: Begins with the time.
    token_sum: str = Field(unique=True, max_length=SHA256)
    structure_id: str = Field(foreign_key="structure.id")
    family_id: str | None = Field(default=None, foreign_key="family.id", index=True)
    gives: Gives = Field(sa_type=as_text(Gives))
    email: str
    invited_by: str  #: The agent's account.
    invited_at: dt.datetime = Field(sa_type=Instant)
    expires_at: dt.datetime = Field(sa_type=Instant)
    withdrawn_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    accepted_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    account_id: str | None = Field(default=None, foreign_key="account.id", index=True)  #: Of who accepted.


class SubjectKey(IdentityTable, table=True):
    """What opens that which the audit trail says of a family, an account or a structure: erasing them deletes it."""

    __tablename__ = "subject_key"
    subject: str = Field(primary_key=True)
    key: str


class DataRequest(IdentityTable, table=True):
    """Somebody wanted to read all that is known of a family. What was told for it is forgotten after some days."""

    __tablename__ = "data_request"
    id: str = Field(primary_key=True)
    structure: str
    family: str = Field(index=True)
    account: str  #: Who asked: an adult of the family, or an agent.
    by_agent: bool
    asked_at: dt.datetime = Field(sa_type=Instant)
    ready_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    expires_at: dt.datetime = Field(sa_type=Instant)
    private_key: dict[str, str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))  #: Null: it is over.


class DataPart(IdentityTable, table=True):
    """A part of what a service told, sealed with the request's key."""

    __tablename__ = "data_part"
    request: str = Field(sa_column=Column(ForeignKey("data_request.id", ondelete="CASCADE"), primary_key=True))
    service: str = Field(primary_key=True)
    part: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    parts: int
    sealed: str = Field(sa_type=Text)


class LinkKey(IdentityTable, table=True):
    """What the links to files are sealed with (services/links.py). One row, made by the migration."""

    __tablename__ = "link_key"
    name: str = Field(primary_key=True)
    key: str


class Erasure(IdentityTable, table=True):
    """An administrator wanted a family erased: who, why, and what became of it. It stays."""

    __table_args__ = (UniqueConstraint("account", "key"), Index("ix_erasure_structure_asked_at", "structure", "asked_at"))
    id: str = Field(primary_key=True)
    key: str  #: Of the administrator's choosing: the same one is the same wish.
    structure: str
    family: str = Field(index=True)
    account: str  #: The administrator's.
    reason: str = Field(sa_type=Text)
    despite: list[str] = Field(sa_column=Column(JSON, nullable=False))  #: Obstacles that are not to stand in the way.
    asked_at: dt.datetime = Field(sa_type=Instant)
    #: Service -> its obstacles, as it answered; then, of those that have erased, service -> when.
    weighed: dict[str, list[str]] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    erased: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    state: ErasureState = Field(sa_type=as_text(ErasureState))


# ------------------------------------------------------------------------------------------------- sessions and tokens
class AccountSession(IdentityTable, table=True):
    """From signing in to signing out, on one device."""

    __tablename__ = "account_session"
    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    started_at: dt.datetime = Field(sa_type=Instant)
    ends_at: dt.datetime = Field(sa_type=Instant)  #: At the latest.
    ended_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    last_used_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: When a token of it was last given.
    device: str | None = None  #: Browser and system, as far as they say.
    factor_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: When a second factor was shown.


class RefreshToken(IdentityTable, table=True):
    """Good once. Used ones are kept as long as their session, to know them again."""

    __tablename__ = "refresh_token"
    token_sum: str = Field(primary_key=True, max_length=SHA256)
    session_id: str = Field(foreign_key="account_session.id", index=True, ondelete="CASCADE")
    expires_at: dt.datetime = Field(sa_type=Instant)
    used_at: dt.datetime | None = Field(default=None, sa_type=Instant)


class ResetToken(IdentityTable, table=True):
    """A way to a new password, good once (S3). Without an account: made for an unknown login, so that the work is the same."""

    __tablename__ = "reset_token"
    token_sum: str = Field(primary_key=True, max_length=SHA256)
    account_id: str | None = Field(default=None, foreign_key="account.id", index=True)
    expires_at: dt.datetime = Field(sa_type=Instant)
    used_at: dt.datetime | None = Field(default=None, sa_type=Instant)


class AddressToken(IdentityTable, table=True):
    """Confirms a new address of the account, once (S7): whoever has it reads what is sent there. Or gives it up."""

    __tablename__ = "address_token"
    token_sum: str = Field(primary_key=True, max_length=SHA256)
    account_id: str = Field(foreign_key="account.id", index=True)
    email: str  #: The new one.
    cancels: bool = Field(default=False, sa_column_kwargs={"server_default": false()})  #: It went to the address in force.
    expires_at: dt.datetime = Field(sa_type=Instant)
    used_at: dt.datetime | None = Field(default=None, sa_type=Instant)


class RecoveryCode(IdentityTable, table=True):
    """A way back in that is written on paper, good once (S3): printed by the family itself, or given at the town hall's counter."""

    __tablename__ = "recovery_code"
    account_id: str = Field(primary_key=True, foreign_key="account.id")
    place: str = Field(primary_key=True, max_length=1)  #: The first character of the code: which of the account's it is.
    code_hash: str
    made_at: dt.datetime = Field(sa_type=Instant)
    expires_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: None: good until it is used.
    used_at: dt.datetime | None = Field(default=None, sa_type=Instant)


class KnownDevice(IdentityTable, table=True):
    """Where the account was signed in to before: what others try elsewhere does not keep it waiting."""

    __tablename__ = "known_device"
    token_sum: str = Field(primary_key=True, max_length=SHA256)
    account_id: str = Field(foreign_key="account.id", index=True)
    last_used_at: dt.datetime = Field(sa_type=Instant)


class Factor(IdentityTable, table=True):
    """What somebody shows beside the password."""

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    kind: FactorKind = Field(sa_type=as_text(FactorKind))
    label: str = ""
    begun_at: dt.datetime = Field(sa_type=Instant)
    added_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: None: begun, and not shown to work yet. It counts for nothing.
    used_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    sealed_secret: str | None = Field(default=None, sa_type=Text)  #: Of codes.
    last_step: int = Field(default=0, sa_type=BIGINT)  #: Of the last code that was taken: none is taken twice.
    credential_id: str | None = Field(default=None, unique=True)  #: Of a passkey, base64url.
    public_key: str | None = Field(default=None, sa_type=Text)  #: COSE, base64url.
    sign_count: int = Field(default=0, sa_type=BIGINT)


class Challenge(IdentityTable, table=True):
    """Half a sign-in, or half a passkey: good once, for minutes."""

    __table_args__ = (Index("ix_challenge_expires_at", "expires_at"),)
    token_sum: str = Field(primary_key=True, max_length=SHA256)
    purpose: str
    account_id: str | None = Field(default=None, foreign_key="account.id", index=True)
    expires_at: dt.datetime = Field(sa_type=Instant)
    tries: int = 0


class OutsideIdentity(IdentityTable, table=True):
    """Whom a provider of OpenID Connect knows by `subject`: it opens the account."""

    __tablename__ = "outside_identity"
    provider: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    label: str = ""  #: The name that the provider told, to be shown to the account's owner alone.
    linked_at: dt.datetime = Field(sa_type=Instant)


class OidcState(IdentityTable, table=True):
    """Somebody went to a provider, and is expected back: once, for minutes."""

    __tablename__ = "oidc_state"
    __table_args__ = (Index("ix_oidc_state_expires_at", "expires_at"),)
    state_sum: str = Field(primary_key=True, max_length=SHA256)
    provider: str
    binding_sum: str = Field(max_length=SHA256)  #: Of what the client keeps.
    session_id: str | None = None  #: Whose account is to be linked; None: somebody signs in.
    reset_sum: str | None = Field(default=None, max_length=SHA256)  #: Of the token by which an account is linked without a session.
    sealed: str = Field(sa_type=Text)  #: The nonce, and PKCE's verifier.
    expires_at: dt.datetime = Field(sa_type=Instant)


class Attempt(IdentityTable, table=True):
    """Failed tries of one kind by one login or address. The key is a sum: people type passwords where logins belong."""

    __table_args__ = (Index("ix_attempt_last_at", "last_at"),)
    key: str = Field(primary_key=True, max_length=SHA256)
    count: int
    last_at: dt.datetime = Field(sa_type=Instant)


# ---------------------------------------------------------------------------------------------------- the installation
class SigningKey(IdentityTable, table=True):
    """A key that signs, or signed, access tokens."""

    __tablename__ = "signing_key"
    kid: str = Field(primary_key=True)
    public_jwk: dict[str, str] = Field(sa_type=JSON)
    created_at: dt.datetime = Field(sa_type=Instant)


class Secret(IdentityTable, table=True):
    """What an installation makes up for itself once: its own signing key, the seed of its decoys."""

    name: str = Field(primary_key=True)
    value: str = Field(sa_type=Text)
