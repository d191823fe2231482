"""The events of the product: all that one service ever tells another, or the town's other systems.

An event is a fact in the past tense. Its fields may grow within a version, but never change meaning; a change of meaning is a
new class with a new version, published beside the old one. The subject is `preau.<structure>.<service>.<event>`; an event
whose class says `internal` travels under `preau-internal.` instead, where no other municipal system can listen.

Ids are the public ones (GraphQL, events and the town file agree). Dates are civil dates of the structure, `LocalTime` is
"HH:MM" in its time zone, amounts are integer euro cents. `version` grows with each change of what the event is about (a
booking, a family, an activity...): whoever keeps a copy applies only what is newer than its own.
"""

import datetime as dt
from typing import Any, ClassVar, Literal
from uuid import uuid4

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

LocalTime = str  #: "HH:MM"

PUBLIC = "preau"
INTERNAL = "preau-internal"
EVERYBODY = "all"  #: The structure of events about the installation itself, and of accounts that belong to none yet.
ENVELOPE = frozenset({"event_id", "occurred_at"})


class Event(BaseModel):
    """What every event says. The envelope's fields travel as CloudEvents headers, the others as the JSON body."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)
    service: ClassVar[str]
    name: ClassVar[str]
    type_version: ClassVar[int] = 1
    internal: ClassVar[bool] = False
    urgent: ClassVar[bool] = False  #: Heard by a consumer of its own, also while all else lets families pass. Internal events alone.
    #: Fields that open something until `expires_at`, and whose they are: the outbox forgets them then (each becomes "").
    secret: ClassVar[frozenset[str]] = frozenset()
    secret_for: ClassVar[dt.timedelta | None] = None  #: Of an event without `expires_at`: for so long after it occurred.
    #: Fields that say who somebody is, or what was said of them: emptied when those are erased (personal.py). Readers take them empty.
    personal: ClassVar[frozenset[str]] = frozenset()

    event_id: str = Field(default_factory=lambda: uuid4().hex)
    occurred_at: AwareDatetime
    structure: str

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            BY_TYPE[cls.type_name()] = cls

    @classmethod
    def type_name(cls) -> str:
        """The CloudEvents type, such as `fr.preau.booking.accepted.v1`."""
        return f"fr.preau.{cls.service}.{cls.name}.v{cls.type_version}"

    @classmethod
    def filter(cls) -> str:
        """The subject of this kind of event in every structure: what a consumer filters by."""
        return f"{INTERNAL if cls.internal else PUBLIC}.*.{cls.service}.{cls.name}"

    @property
    def subject(self) -> str:
        return self.filter().replace("*", self.structure, 1)

    @property
    def about(self) -> str:
        """The id of what the event is about: CloudEvents' `subject` attribute."""
        return self.structure

    def body(self) -> bytes:
        """The event's own data as JSON."""
        return orjson.dumps({name: value for name, value in self.__dict__.items() if name not in ENVELOPE}, _fields, orjson.OPT_UTC_Z)


def _fields(part: Any) -> dict[str, Any]:
    """Of a model within an event: for orjson, which takes a quarter of pydantic's time."""
    fields: dict[str, Any] = part.__dict__
    return fields


BY_TYPE: dict[str, type[Event]] = {}


class Seen(BaseModel):
    """Whose data an agent saw."""

    family: str
    child: str | None = None  #: Null: the family as a whole.


class LooksEvent(Event):
    """What the events say by which a service tells identity, for its access log, what an agent saw in one hour. Never what it was.

    The outbox forgets who looked when the first towns' logs do (services/retention.py); told again later, it says nobody.
    """

    internal = True
    secret = frozenset({"account"})
    secret_for = dt.timedelta(days=180)
    account: str  #: The agent's.
    hour: AwareDatetime  #: When it begins.
    what: str  #: Such as BOOKINGS or MONEY.
    seen: list[Seen]


# ------------------------------------------------------------------------------------------------------------ identity
class StructureChanged(Event):
    """A structure (a town or body whose activities are shown) was created or changed."""

    service = "identity"
    name = "structure_changed"
    version: int
    title: str  #: Its name, such as "Mairie de CarteVille".
    timezone: str  #: IANA, such as "Europe/Paris".
    school_zone: Literal["A", "B", "C"] | None
    retention: dict[str, int] = {}  #: What it keeps for how long, such as "mails_days": 30, where it says so itself.


class AccountOpened(Event):
    """A login was created."""

    service = "identity"
    name = "account_opened"
    account: str


class EmailChanged(Event):
    """An account's address changed. It carries none: the mailer has its own copy by a private way."""

    service = "identity"
    name = "email_changed"
    account: str


class PasswordResetRequested(Event):
    """A family asked for a way back in; the mailer turns it into a mail with a single-use link."""

    service = "identity"
    name = "password_reset_requested"
    account: str


class FamilyChanged(Event):
    """A family was created or changed. `children` are in order of birth, the eldest first."""

    service = "identity"
    name = "family_changed"
    version: int
    family: str
    adults: list[str]  #: Account ids.
    children: list[str]

    @property
    def about(self) -> str:
        return self.family


class AnnouncementPublished(Event):
    """A structure put an announcement on its home page (S2)."""

    service = "identity"
    name = "announcement_published"
    announcement: str


class Contact(BaseModel):
    """How a letter addresses one adult of a family."""

    account: str
    title: str | None  #: "M.", "Mme"
    first_name: str
    last_name: str
    email: str | None
    language: str  #: "fr" or "en"
    reports: Literal["at_once", "daily"] = "at_once"  #: How this adult wants to hear what became of requests.
    announcements: bool = True  #: Whether they want the structure's announcements by mail.


class ContactsChanged(Event):
    """Names and addresses that letters and receipts need, and birth dates, which certificates do: for the mailer and billing alone."""

    service = "identity"
    name = "contacts_changed"
    internal = True
    personal = frozenset({"adults", "children", "birth_dates"})
    version: int
    family: str
    adults: list[Contact]
    children: dict[str, str]  #: Child id -> "LASTNAME Firstname", as letters write it.
    birth_dates: dict[str, dt.date] = {}  #: Of those children of whom it is known.


class LinkEvent(Event):
    """What the events about a single-use link say, for the mailer alone.

    Identity's outbox forgets `token` and `email` once they are worth nothing; the stream's copy stays.
    """

    internal = True
    secret = frozenset({"token", "email"})
    personal = frozenset({"token", "email"})
    account: str
    email: str
    language: str
    token: str
    expires_at: AwareDatetime

    @property
    def about(self) -> str:
        return self.account


class ResetLinkMade(LinkEvent):
    """A single-use link for a new password: the mailer sends it to the account's own address."""

    service = "identity"
    name = "reset_link_made"


class AddressLinkMade(LinkEvent):
    """A single-use link that puts a new address in force: the mailer sends it to that address, `email`."""

    service = "identity"
    name = "address_link_made"


class InvitationMade(Event):
    """Somebody is invited to a family, or to work for a structure: the mailer sends the link, whoever has that address.

    Identity's outbox forgets `token` and `email` as a LinkEvent's.
    """

    service = "identity"
    name = "invitation_made"
    internal = True
    secret = frozenset({"token", "email"})
    personal = frozenset({"token", "email"})
    invitation: str
    family: str | None  #: Null: it is to work for the structure.
    gives: Literal["FAMILY", "AGENT", "ADMINISTRATOR"]
    email: str
    language: str
    token: str
    expires_at: AwareDatetime

    @property
    def about(self) -> str:
        return self.invitation


class AddressCancelMade(LinkEvent):
    """A new address was asked for by whoever had not just shown who they are: the one in force is told, with a link that gives it up."""

    service = "identity"
    name = "address_cancel_made"
    personal = frozenset({"token", "email", "new_email"})
    new_email: str  #: Masked.
    due_at: AwareDatetime | None  #: When it comes into force; None: a day after it is confirmed, which it is not yet.


SecurityNotice = Literal[
    "PASSWORD_CHANGED",
    "EMAIL_CHANGING",
    "EMAIL_CHANGED",
    "FACTOR_ADDED",
    "FACTOR_REMOVED",
    "RECOVERY_CODE_USED",
    "RECOVERY_CODES_MADE",
    "COUNTER_CODE_MADE",
    "QUESTION_CHANGED",
    "SIGNED_OUT_EVERYWHERE",
    "IDENTITY_LINKED",
    "IDENTITY_UNLINKED",
    "ACCOUNT_ENDING",
]


class SecurityNoticeMade(Event):
    """Something about an account changed that its owner should know of, above all if it was somebody else: the mailer tells them."""

    service = "identity"
    name = "security_notice_made"
    internal = True
    personal = frozenset({"email", "detail"})
    account: str
    email: str  #: Where they are to be told: of a changed address, the old one.
    language: str
    kind: SecurityNotice
    detail: str = ""  #: What else may be said, such as the new address, masked; never a secret.

    @property
    def about(self) -> str:
        return self.account


class AnnouncementDue(Event):
    """The day of an announcement has come: the mailer sends it to the adults of the structure's families, one mail each."""

    service = "identity"
    name = "announcement_due"
    internal = True
    announcement: str
    title: str
    text: str  #: Its body, plain; blank lines part paragraphs.

    @property
    def about(self) -> str:
        return self.announcement


class AnnouncementWithdrawn(Event):
    """An announcement that was due is withdrawn: the mailer writes and sends no more mails about it."""

    service = "identity"
    name = "announcement_withdrawn"
    internal = True
    announcement: str

    @property
    def about(self) -> str:
        return self.announcement


ErasureObstacle = Literal["OWES_MONEY", "HAS_CREDIT", "DAYS_NOT_CHARGED", "PAYMENT_UNDER_WAY", "HAS_BOOKINGS"]


class ErasureEvent(Event):
    """What the events about the erasure of one family say."""

    internal = True
    erasure: str
    family: str

    @property
    def about(self) -> str:
        return self.family


class ErasureAsked(ErasureEvent):
    """An administrator wants a family erased: billing and booking say what stands in the way."""

    service = "identity"
    name = "erasure_asked"


class ErasureRefused(ErasureEvent):
    """Something stood in the way, or nobody said in time what does: the family goes on as before."""

    service = "identity"
    name = "erasure_refused"


class FamilyErasing(ErasureEvent):
    """Identity has erased a family: billing, booking and the mailer do so too, and say when they have."""

    service = "identity"
    name = "family_erasing"
    accounts: list[str]  #: Those that were this family's alone, and are gone.
    children: list[str]
    by: str  #: The administrator's account.
    number: str  #: Of the family: what stands where its names stood.


class AccountErased(Event):
    """Identity has erased an account that stood in no family and no office: whoever keeps something for it forgets that."""

    service = "identity"
    name = "account_erased"
    internal = True
    account: str

    @property
    def about(self) -> str:
        return self.account


class DataRequested(Event):
    """Somebody wants to read all that is known of a family: billing, booking and the mailer tell it, so that identity alone can read it."""

    service = "identity"
    name = "data_requested"
    internal = True
    request: str
    family: str
    account: str | None  #: Of the adult who asked: what was said to another adult is not told. Null: an agent asked.
    key: dict[str, str]  #: A public JWK (RFC 7517), for this request alone.
    expires_at: AwareDatetime  #: When nobody needs the answer any more.

    @property
    def about(self) -> str:
        return self.request


class DataToldEvent(Event):
    """What the events say by which a service tells all that it knows of a family, in parts."""

    internal = True
    secret = frozenset({"sealed"})
    request: str
    part: int  #: From 1.
    parts: int
    sealed: str  #: JWE (RFC 7516) of a piece of zlib's bytes.
    expires_at: AwareDatetime

    @property
    def about(self) -> str:
        return self.request


class FamilyErased(Event):
    """A family's names, addresses, children and logins are gone for good: whoever keeps a copy is to erase it, too."""

    service = "identity"
    name = "family_erased"
    family: str
    children: list[str]

    @property
    def about(self) -> str:
        return self.family


class SigningKeyPublished(Event):
    """A public key that verifies access tokens, for the services' own copies."""

    service = "identity"
    name = "signing_key_published"
    internal = True
    urgent = True
    kid: str
    jwk: dict[str, str]  #: Public parts only (RFC 8037).


class KeyWithdrawn(Event):
    """A key of identity's verifies no token any more, whenever it was signed: for every service."""

    service = "identity"
    name = "key_withdrawn"
    internal = True
    urgent = True
    kid: str


class TokensRevoked(Event):
    """Access tokens of an account are refused before they run out: for every process of every service, at once.

    Those of one session, which was ended; or, without one, all that were issued before, because they grant what was taken away.
    """

    service = "identity"
    name = "tokens_revoked"
    internal = True
    urgent = True
    account: str
    session: str | None = None
    before: AwareDatetime
    until: AwareDatetime  #: Then all of them have run out anyway.


# ------------------------------------------------------------------------------------------------------------- booking
class ActivityChanged(Event):
    """An activity was created or changed."""

    service = "booking"
    name = "activity_changed"
    version: int
    activity: str
    wallet: str
    title: str  #: Its name, such as "APS MATIN".
    capacity: int | None
    waiting_list: int | None
    opens_on: dt.date
    closes_on: dt.date
    priced_like: str | None = None  #: Until it has a tariff of its own, that activity's is its.

    @property
    def about(self) -> str:
        return self.activity


class EnrollmentChanged(Event):
    """A child was admitted to an activity ("inscription"), or for another period, or went to another family with it."""

    service = "booking"
    name = "enrollment_changed"
    version: int
    child: str
    family: str
    activity: str
    starts_on: dt.date | None  #: Both days included; null: no bound.
    ends_on: dt.date | None

    @property
    def about(self) -> str:
        return f"{self.child}/{self.activity}"


class RequestedMovement(BaseModel):
    """One line of a confirmed draft."""

    booking: str
    child: str
    activity: str
    date: dt.date
    arrival: LocalTime
    departure: LocalTime
    kind: Literal["BOOK", "CANCEL"]


class BookingRequested(Event):
    """A family confirmed a draft. Nothing is promised yet ("non transmis")."""

    service = "booking"
    name = "requested"
    request: str
    family: str
    movements: list[RequestedMovement]

    @property
    def about(self) -> str:
        return self.request


class BookingEvent(Event):
    """What all events about one booking say. `version` is the booking's."""

    version: int
    booking: str
    request: str | None  #: The request whose movement caused it; null where the town or the system acted.
    family: str
    child: str
    activity: str
    date: dt.date
    arrival: LocalTime
    departure: LocalTime

    @property
    def about(self) -> str:
        return self.booking


class BookingAccepted(BookingEvent):
    """The child has a place ("accepté"). Billing holds the price from now on."""

    service = "booking"
    name = "accepted"
    from_waiting_list: bool = False


class BookingWaitlisted(BookingEvent):
    """The opening is full; the child waits ("mise en liste d'attente")."""

    service = "booking"
    name = "waitlisted"
    rank: int  #: Place in the line, from 1.


class BookingRefused(BookingEvent):
    """No place ("non traitée, activité complète") or another reason, in `code`."""

    service = "booking"
    name = "refused"
    code: str


class BookingCancelled(BookingEvent):
    """The place, or the rank in the line, was given back ("annulée")."""

    service = "booking"
    name = "cancelled"
    by: Literal["family", "agent", "system"]
    was: Literal["ACCEPTED", "WAITLISTED", "SUBMITTED"]


class BookingExpired(BookingEvent):
    """The booking deadline passed while the child waited."""

    service = "booking"
    name = "expired"


class CapacityChanged(Event):
    """How full one opening is now. The highest `version` wins."""

    service = "booking"
    name = "capacity_changed"
    version: int  #: The opening's revision.
    activity: str
    date: dt.date
    capacity: int | None
    taken: int
    waiting: int

    @property
    def about(self) -> str:
        return f"{self.activity}/{self.date}"


class Attendance(BaseModel):
    """What really happened on a day for one booking, or for a child that came without one."""

    booking: str  #: Where `booked` is false: an id for this presence, the same each time the day is closed.
    child: str
    attendance: str  #: PRESENT, ABSENT_JUSTIFIED, ABSENT_UNJUSTIFIED
    arrival: LocalTime | None  #: As it really was, or as booked where nobody said; null for whoever was absent.
    departure: LocalTime | None
    family: str | None = None
    booked: bool = True


class DaySettled(Event):
    """Attendance of one activity and day was closed: billing charges.

    All bookings that stand and all who came without one. A day that was opened again and closed again is told again as a whole,
    with a higher version: what an earlier one named and this one does not is nothing any more. More than 2000 attendances come
    in several parts of one version.
    """

    service = "booking"
    name = "day_settled"
    version: int = 1  #: How often the day was closed.
    activity: str
    date: dt.date
    part: int = 1  #: From 1.
    parts: int = 1
    attendances: list[Attendance]

    @property
    def about(self) -> str:
        return f"{self.activity}/{self.date}"


class ResidenceTold(Event):
    """The town said of a family whether it lives there, for the first time or otherwise than before: for billing alone.

    What is said first holds for every day, what is said later from its day on.
    """

    service = "booking"
    name = "residence_told"
    internal = True
    version: int
    family: str
    resident: bool

    @property
    def about(self) -> str:
        return self.family


class DecidedMovement(BaseModel):
    """One line of a request with its answer."""

    booking: str
    child: str
    activity: str
    date: dt.date
    kind: Literal["BOOK", "CANCEL"]
    outcome: Literal["ACCEPTED", "WAITLISTED", "REFUSED", "CANCELLED"]
    rank: int | None = None
    code: str | None = None  #: Why, where REFUSED.
    arrival: LocalTime | None = None
    departure: LocalTime | None = None
    was: Literal["ACCEPTED", "WAITLISTED", "SUBMITTED"] | None = None  #: Of what was given back, where CANCEL.
    because: str | None = None  #: Where GROUP_INCOMPLETE: the booking of this request that stood in the group's way.
    held: Literal["ACCEPTED", "WAITLISTED"] | None = None  #: Where ALREADY_BOOKED: what the child has there already.


class AwaitedMovement(BaseModel):
    """One line of a request that waits for a run."""

    booking: str
    child: str
    activity: str
    date: dt.date
    run_of: str  #: The activity whose run decides: another one's, perhaps, where lines belong together.
    run_on: dt.date
    run_at: LocalTime


class RequestDecided(Event):
    """Every movement of a request has its answer: published once per request, in the lines' order. The mailer reports it."""

    service = "booking"
    name = "request_decided"
    request: str
    family: str
    account: str | None = None  #: Who confirmed it: the report goes to that adult. Null where an agent did.
    by: Literal["family", "agent"] = "family"
    explained: bool = False  #: The family is told of it in another way: in parts, or with an agent's words, or not at all.
    movements: list[DecidedMovement]

    @property
    def about(self) -> str:
        return self.request


class RequestExplained(Event):
    """What the family is told of a request, where RequestDecided cannot say it: for the mailer alone, which reports it.

    Some lines wait for a run: a first part comes at once, another one after each run that decides some of them. Or an agent asked for
    the family: with the agent's own words to them, and not at all if nothing came of it.
    """

    service = "booking"
    name = "request_explained"
    internal = True
    personal = frozenset({"reason"})
    request: str
    family: str
    account: str | None = None  #: Who confirmed it, where the family did.
    by: Literal["family", "agent"] = "agent"
    part: int = 0  #: How often the family was told of the request before.
    reason: str = ""  #: The agent's.
    #: What else the agent did, of which this is a consequence.
    cause: Literal["DAY_CLOSED", "ACTIVITY_CHANGED", "ENROLLMENT_CHANGED"] | None = None
    overrode: list[Literal["DEADLINE", "DEBT"]] = []  #: What would have stood in the family's own way.
    movements: list[DecidedMovement]  #: What is decided and was not told before.
    awaited: list[AwaitedMovement] = []

    @property
    def about(self) -> str:
        return self.request


class RequestDelayed(Event):
    """A family's request waits for an answer for longer than it should: the mailer tells whoever asked that it stands."""

    service = "booking"
    name = "request_delayed"
    internal = True
    request: str
    number: str  #: As the family reads it.
    family: str
    account: str
    movements: int  #: How many lines it has.
    requested_at: AwareDatetime

    @property
    def about(self) -> str:
        return self.request


class PlaceGiven(Event):
    """A child that waited has a place, outside any request of the family: the mailer tells them (S36)."""

    service = "booking"
    name = "place_given"
    internal = True
    booking: str
    family: str
    child: str
    activity: str
    date: dt.date


class WaitedFor(BaseModel):
    """A day that a child waited for."""

    booking: str
    child: str
    activity: str
    date: dt.date


class PlaceExpired(Event):
    """The booking deadline passed while children of one family waited: the mailer tells whoever asked for these days."""

    service = "booking"
    name = "place_expired"
    internal = True
    family: str
    account: str | None = None  #: Who asked for them, if that is known.
    waits: list[WaitedFor]


class BookingDataTold(DataToldEvent):
    """What booking knows of a family."""

    service = "booking"
    name = "data_told"


class BookingLooksTaken(LooksEvent):
    """An agent saw bookings, rosters, runs, or what was done for a family."""

    service = "booking"
    name = "looks_taken"


class BookingErasureWeighed(ErasureEvent):
    """What booking has against the erasure of a family."""

    service = "booking"
    name = "erasure_weighed"
    obstacles: list[ErasureObstacle]


class BookingErased(ErasureEvent):
    """Booking keeps of the family what its counts are made of, and nothing else."""

    service = "booking"
    name = "erased"


# ------------------------------------------------------------------------------------------------------------- billing
class HoldEvent(Event):
    """What the events about a hold (estimated cost of one booking) say."""

    version: int
    hold: str
    booking: str
    wallet: str
    family: str
    amount_cents: int

    @property
    def about(self) -> str:
        return self.hold


class Held(HoldEvent):
    """Estimated cost was set aside for an accepted booking."""

    service = "billing"
    name = "held"


class Released(HoldEvent):
    """Estimated cost is no longer set aside."""

    service = "billing"
    name = "released"


class EntryPosted(Event):
    """A wallet's posted balance moved."""

    service = "billing"
    name = "entry_posted"
    entry: str
    wallet: str
    family: str
    kind: Literal["PAYMENT", "CHARGE", "REFUND", "ADJUSTMENT"]
    amount_cents: int

    @property
    def about(self) -> str:
        return self.entry


class StandingChanged(Event):
    """A family fell into debt, or came out of it (S21)."""

    service = "billing"
    name = "standing_changed"
    version: int
    family: str
    in_debit: bool

    @property
    def about(self) -> str:
        return self.family


class BalanceLow(Event):
    """A family's balance fell below what it chose to be told of: the mailer tells whoever asked."""

    service = "billing"
    name = "balance_low"
    internal = True
    version: int  #: How often it was told.
    family: str
    account: str
    balance_cents: int
    below_cents: int

    @property
    def about(self) -> str:
        return self.family


class PaymentSettled(Event):
    """An online payment ended. What was refused, called off or ran out may be paid after all, and is told again with a higher version."""

    service = "billing"
    name = "payment_settled"
    version: int = 1
    payment: str
    family: str
    status: Literal["PAID", "REFUSED", "CANCELLED", "EXPIRED"]
    amount_cents: int
    reference: str | None

    @property
    def about(self) -> str:
        return self.payment


class WalletFed(BaseModel):
    """What one wallet got of a payment."""

    title: str  #: Its name.
    amount_cents: int


class PaymentReceived(Event):
    """An online payment was received: the mailer sends a receipt to whoever paid, at the address that was given for it (S18)."""

    service = "billing"
    name = "payment_received"
    internal = True
    personal = frozenset({"email", "payer"})
    payment: str
    family: str
    account: str
    email: str | None = None
    date: dt.date
    payer: str
    reference: str | None
    amount_cents: int
    wallets: list[WalletFed]

    @property
    def about(self) -> str:
        return self.payment


class PaymentFailed(Event):
    """An online payment ended without money: the mailer tells whoever wanted to pay. What the family itself called off is not told."""

    service = "billing"
    name = "payment_failed"
    internal = True
    personal = frozenset({"email"})
    payment: str
    family: str
    account: str
    email: str | None = None  #: Where whoever paid wanted the receipt.
    amount_cents: int
    status: Literal["REFUSED", "CANCELLED", "EXPIRED"]
    date: dt.date  #: When it ended, as the structure's calendar has it.

    @property
    def about(self) -> str:
        return self.payment


class BillingDataTold(DataToldEvent):
    """What billing knows of a family."""

    service = "billing"
    name = "data_told"


class BillingLooksTaken(LooksEvent):
    """An agent saw a family's money, or documents about it."""

    service = "billing"
    name = "looks_taken"


class BillingErasureWeighed(ErasureEvent):
    """What billing has against the erasure of a family."""

    service = "billing"
    name = "erasure_weighed"
    obstacles: list[ErasureObstacle]


class BillingErased(ErasureEvent):
    """Billing keeps of the family what its books must say, and nothing else."""

    service = "billing"
    name = "erased"


# -------------------------------------------------------------------------------------------------------------- mailer
class MailEvent(Event):
    """What the events about one mail say: never an address."""

    mail: str
    kind: str  #: report, place_given, password_link...
    family: str | None = None
    account: str | None = None
    attempts: int
    own_address: bool = True  #: Whether it went to the address that the account has in its profile, as far as the mailer knew.
    written_at: AwareDatetime | None = None  #: When it was addressed; null: before that was told.

    @property
    def about(self) -> str:
        return self.mail


class MailSent(MailEvent):
    """The town's mail server took the mail."""

    service = "mailer"
    name = "mail_sent"


class MailFailed(MailEvent):
    """The mail was given up."""

    service = "mailer"
    name = "mail_failed"


class MailerLooksTaken(LooksEvent):
    """An agent saw which mails a family was sent."""

    service = "mailer"
    name = "looks_taken"


class MailerDataTold(DataToldEvent):
    """What the mailer knows of an adult of a family."""

    service = "mailer"
    name = "data_told"


class MailerErased(ErasureEvent):
    """The mailer keeps nothing of the family."""

    service = "mailer"
    name = "erased"
