"""What a town file says, checked: ids are the file's own, dates are real dates. The loader turns it into the services' words."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from deploy.town.history import History
from deploy.town.reading import Place
from services.billing.charged import AS_MOST_TOWNS_DO, Charged
from services.billing.rate import Effort
from services.billing.tariff import Per, Rounding, Surcharge
from services.booking.activity import ActivitySpec, SchoolZone
from services.identity.households import ReportsWanted
from services.identity.second_factor import SecondFactor


@dataclass(frozen=True, slots=True)
class Structure:
    id: str
    name: str
    timezone: str
    school_zone: SchoolZone | None = None
    second_factor: SecondFactor | None = None  #: Of its agents; None: as the installation asks.
    secret_questions: bool = False  #: Whether they open a way back in.
    retention: Mapping[str, int] = field(default_factory=dict, hash=False)  #: What it says of services/retention.py.
    debt_limit_cents: int = 0
    address: str | None = None  #: On one line, for receipts and certificates.
    #: When none of its activities is open, unless it lists the day in `open_on`; and why.
    days_off: Mapping[dt.date, str | None] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Criterion:
    """What may be true of a family and counts in rankings by points, besides what every town has."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Announcement:
    title: str
    body: str
    publish_on: dt.date
    until: dt.date | None = None
    mail: bool | None = None  #: Families get it as a letter, too. None: as it is; of a new one, they do not.
    public: bool | None = None  #: For everybody, also whoever is not signed in. None: as it is; a new one is for families alone.


@dataclass(frozen=True, slots=True)
class Wallet:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Band:
    """A price for quotients up to a bound, included; None: for all that are left. It begins where the band before it ends."""

    quotient_up_to: Decimal | None
    cents: int
    quotient_above: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Tariff:
    """What an activity costs from a day on."""

    valid_from: dt.date
    per: Per
    bands: tuple[Band, ...]
    siblings_percent: tuple[int, ...] = ()  #: Taken off for the first, second, third... child; the last holds for all further ones.
    effort: Effort | None = None  #: Instead of bands.
    rounding: Rounding | None = None
    outside_town: Surcharge | None = None
    charged: Charged = AS_MOST_TOWNS_DO


@dataclass(frozen=True, slots=True)
class Activity:
    spec: ActivitySpec  #: In booking's words, except that its ids are still the file's.
    tariffs: tuple[Tariff, ...]
    childcare: bool = False  #: What families pay for it is certified for their taxes.


@dataclass(frozen=True, slots=True)
class Account:
    login: str
    password: str | None  #: None: as it is. A new account needs one.
    title: str | None
    first_name: str
    last_name: str
    email: str | None = None
    agent: bool = False
    administrator: bool | None = None  #: None: as it is.
    language: str = "fr"
    reports: ReportsWanted | None = None  #: None: as its owner chose, as announcements.
    announcements_by_mail: bool | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Enrollment:
    activity: str
    since: dt.date | None = None
    until: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Child:
    id: str
    first_name: str
    last_name: str
    birth_date: dt.date | None
    enrollments: tuple[Enrollment, ...]
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Payment:
    """Money received before this system knew the family. `cause` is the same each time the same line is loaded."""

    cause: str
    date: dt.date
    mode: str
    reference: str | None
    payer: str
    bank: str | None
    wallet: str
    cents: int


@dataclass(frozen=True, slots=True)
class Charge:
    """A debt taken over from the old system. `cause` as for payments."""

    cause: str
    date: dt.date
    wallet: str
    label: str
    cents: int


@dataclass(frozen=True, slots=True)
class TakenOverBooking:
    """A booking accepted by the old system: on `date`, or on the next `count` open days from there on."""

    place: Place
    child: str
    activity: str
    date: dt.date
    count: int | None = None
    arrival: str | None = None
    departure: str | None = None


@dataclass(frozen=True, slots=True)
class Family:
    id: str
    number: str
    accounts: tuple[str, ...]
    quotient: Decimal | None
    children: tuple[Child, ...]
    payments: tuple[Payment, ...] = ()
    charges: tuple[Charge, ...] = ()
    bookings: tuple[TakenOverBooking, ...] = ()
    debt_limit_cents: int | None = None  #: None: the structure's.
    debt_exempt: bool = False
    criteria: tuple[str, ...] | None = None  #: What is true of it, for rankings by points. None: as it is.
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Town:
    structure: Structure
    announcements: tuple[Announcement, ...]
    wallets: tuple[Wallet, ...]
    activities: tuple[Activity, ...]
    accounts: tuple[Account, ...]
    families: tuple[Family, ...]
    criteria: tuple[Criterion, ...] = ()
    history: History | None = None
