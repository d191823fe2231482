"""The rows of the mailer: copies of what others own, and the mails."""

import datetime as dt
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Index, Table, Text, text, true
from sqlmodel import Field, SQLModel

from services.database import BIGINT, Instant, as_text, new_metadata


class MailerTable(SQLModel):
    metadata = new_metadata()


def core(rows: type[MailerTable]) -> Table:
    """The table itself, for statements that must not pass through the ORM."""
    return rows.metadata.tables[str(rows.__tablename__)]


# ------------------------------------------------------------------------------------------------------------- copies
class Structure(MailerTable, table=True):
    """A town's name. Like every copy here, it changes only for a higher `version`."""

    id: str = Field(primary_key=True)
    version: int = Field(sa_type=BIGINT)
    title: str
    timezone: str
    #: What it says of services/retention.py.
    retention: dict[str, int] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class Activity(MailerTable, table=True):
    """What a report calls an activity."""

    id: str = Field(primary_key=True)
    structure: str
    version: int = Field(sa_type=BIGINT)
    title: str


class Family(MailerTable, table=True):
    """How a family is greeted and where its mails go."""

    id: str = Field(primary_key=True)
    structure: str
    version: int = Field(sa_type=BIGINT)
    adults: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))  #: The fields of addresses.Adult, in order.
    children: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))  #: Child id -> "LASTNAME Firstname".


# -------------------------------------------------------------------------------------------------------------- mails
class MailKind(StrEnum):
    """Which letter it is."""

    REPORT = "report"  #: compte rendu
    DIGEST = "digest"  #: compte rendu de la journée
    DELAYED = "delayed"  #: demande encore sans réponse
    PLACE_GIVEN = "place_given"  #: place obtenue
    PLACE_EXPIRED = "place_expired"  #: attente sans place
    BALANCE_LOW = "balance_low"  #: solde bas
    PAYMENT_RECEIVED = "payment_received"  #: paiement reçu
    PAYMENT_FAILED = "payment_failed"  #: paiement sans suite
    PASSWORD_LINK = "password_link"  #: lien de nouveau mot de passe
    ADDRESS_LINK = "address_link"  #: lien de confirmation d'une adresse
    INVITATION = "invitation"  #: invitation à rejoindre une famille, ou la structure
    ADDRESS_CANCEL = "address_cancel"  #: lien d'annulation d'un changement d'adresse
    SECURITY_NOTICE = "security_notice"  #: avis de sécurité
    ANNOUNCEMENT = "announcement"  #: annonce de la structure


#: What such a letter holds opens something: once it was sent, or never will be, it has no business in our tables.
SECRET = (MailKind.PASSWORD_LINK, MailKind.ADDRESS_LINK, MailKind.ADDRESS_CANCEL, MailKind.INVITATION)


class MailState(StrEnum):
    QUEUED = "QUEUED"  #: à envoyer
    SENT = "SENT"  #: envoyé
    FAILED = "FAILED"  #: abandonné
    WITHDRAWN = "WITHDRAWN"  #: retiré : what it said is not to be said any more
    UNADDRESSED = "UNADDRESSED"  #: sans adresse : nobody of the family has one, nothing is sent


#: Those that never reached anybody, in the words of their index.
IS_TROUBLED = "state IN ('FAILED', 'UNADDRESSED', 'WITHDRAWN')"


class Mail(MailerTable, table=True):
    """One message. It is made once per `cause`, whatever arrives twice, and its id is made from that cause."""

    __table_args__ = (
        Index(
            "ix_mail_waiting",
            "next_attempt_at",
            sqlite_where=text("state = 'QUEUED'"),
            postgresql_where=text("state = 'QUEUED'"),
        ),
        Index(
            "ix_mail_with_words",
            "created_at",
            sqlite_where=text("state <> 'QUEUED' AND subject <> ''"),
            postgresql_where=text("state <> 'QUEUED' AND subject <> ''"),
        ),
        Index("ix_mail_troubled", "structure", "created_at", sqlite_where=text(IS_TROUBLED), postgresql_where=text(IS_TROUBLED)),
    )

    id: str = Field(primary_key=True, max_length=32)  #: Also the left half of the Message-ID: the same at every attempt.
    kind: MailKind = Field(sa_type=as_text(MailKind))
    cause: str = Field(unique=True)  #: Such as "report:<request>", and "report:<request>/1" for what followed.
    structure: str
    family: str | None = Field(default=None, index=True)
    account: str | None = None  #: The adult it is addressed to, alone.
    language: str
    to_name: str | None = None
    to_address: str | None = None
    #: Whether that is the account's own address, of its profile.
    own_address: bool = Field(default=True, sa_column=Column(Boolean, nullable=False, server_default=true()))
    subject: str  #: Like the address and what follows, it is forgotten in time (forgetting.py): "" then.
    text: str = Field(sa_type=Text)
    html: str = Field(sa_type=Text)
    state: MailState = Field(sa_type=as_text(MailState))
    attempts: int = 0
    created_at: dt.datetime = Field(sa_type=Instant)
    next_attempt_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    claimed_by: str | None = None  #: The sender that has it in hand, until `claimed_until` (real time, whatever the clock says).
    claimed_until: dt.datetime | None = Field(default=None, sa_type=Instant)
    sent_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    last_error: str | None = Field(default=None, sa_type=Text)
    traceparent: str | None = None  #: What it is the end of: services/tracing.py.
    again_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: When an agent last had it sent again: patience begins anew.


# -------------------------------------------------------------------------------------------------------- what is told later
class Announcement(MailerTable, table=True):
    """What a structure has to say to its families. Their mails are written portion by portion, in the order of the families' ids."""

    id: str = Field(primary_key=True)
    structure: str
    title: str
    text: str = Field(sa_type=Text)
    due_at: dt.datetime = Field(sa_type=Instant)
    after_family: str = ""  #: The last family that was told.
    told_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: When all were.


class DigestLine(MailerTable, table=True):
    """A report that waits for the day's one mail. It stays when that was written: nothing is told twice."""

    __tablename__ = "digest_line"
    __table_args__ = (
        Index("ix_digest_line_untold", "due_at", sqlite_where=text("told_by IS NULL"), postgresql_where=text("told_by IS NULL")),
    )
    position: int | None = Field(default=None, sa_column=Column(BIGINT, primary_key=True, autoincrement=True))
    cause: str = Field(unique=True)  #: The same as that of a mail of its own would be.
    family: str
    account: str  #: Who reads it.
    wish: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))  #: The fields of telling.Wish; none once it was told.
    due_at: dt.datetime = Field(sa_type=Instant)
    told_by: str | None = None  #: The mail that tells it.


class Pace(MailerTable, table=True):
    """From when the next mail to a provider may go, where its rate is bounded. Real time, whatever the clock says."""

    domain: str = Field(primary_key=True)
    free_at: dt.datetime = Field(sa_type=Instant)


# -------------------------------------------------------------------------------------------------- who is told without NATS
class WebhookState(StrEnum):
    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"  #: by hand, by its own word, or because it failed for too long


class Webhook(MailerTable, table=True):
    """Another system of a town, which is told events by HTTP: one after the other, in their order, until each was taken."""

    id: str = Field(primary_key=True, max_length=32)
    structure: str = Field(index=True)
    url: str
    events: list[str] = Field(sa_column=Column(JSON, nullable=False))  #: A service or an event each, such as booking.accepted; none: all.
    secret: str
    secret_before: str | None = None  #: Signs, too, until then.
    secret_before_until: dt.datetime | None = Field(default=None, sa_type=Instant)
    since: dt.datetime = Field(sa_type=Instant)  #: What happened before is not told.
    after: int = Field(sa_type=BIGINT)  #: Position of the last event that was taken, or is not to be told.
    state: WebhookState = Field(default=WebhookState.ACTIVE, sa_type=as_text(WebhookState))
    attempts: int = 0  #: Of the next event.
    failing_since: dt.datetime | None = Field(default=None, sa_type=Instant)
    next_attempt_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    taken_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    last_error: str | None = Field(default=None, sa_type=Text)
    claimed_by: str | None = None  #: The process that has it in hand, until `claimed_until` (real time, whatever the clock says).
    claimed_until: dt.datetime | None = Field(default=None, sa_type=Instant)


class OutwardEvent(MailerTable, table=True):
    """A public event of a town that has webhooks: kept for a month, so that it can be told again."""

    __tablename__ = "outward_event"
    __table_args__ = (Index("ix_outward_event_of_structure", "structure", "position"),)
    position: int | None = Field(default=None, sa_column=Column(BIGINT, primary_key=True, autoincrement=True))
    event_id: str = Field(unique=True, max_length=64)
    structure: str
    kind: str  #: Such as booking.accepted.
    type: str
    about: str
    occurred_at: dt.datetime = Field(index=True, sa_type=Instant)
    body: str = Field(sa_type=Text)


# ---------------------------------------------------------------------------------------------------------------------- trail
class Act(MailerTable, table=True):
    """One thing that an agent did. Rows are only ever added: the database refuses to change or delete one (audit.py)."""

    __tablename__ = "act"
    __table_args__ = (Index("ix_act_structure_position", "structure", "position"),)

    position: int | None = Field(default=None, sa_column=Column(BIGINT, primary_key=True, autoincrement=True))
    structure: str
    account: str  #: The agent's.
    at: dt.datetime = Field(sa_type=Instant)
    kind: str  #: UPPER_SNAKE of what was asked, such as SEND_MAIL_AGAIN.
    mail: str | None = None
    family: str | None = None
    dead_letter: str | None = None  #: The event's id.
    seal: str  #: SHA-256 of this row and of the structure's seal before it: a chain that shows a missing or changed link.
