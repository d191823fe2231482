"""One example of every public event, from CarteVille: what the AsyncAPI document shows to whoever listens in town."""

import datetime as dt
from typing import Any

from services.events import (
    AccountOpened,
    ActivityChanged,
    AnnouncementPublished,
    Attendance,
    BookingAccepted,
    BookingCancelled,
    BookingExpired,
    BookingRefused,
    BookingRequested,
    BookingWaitlisted,
    CapacityChanged,
    DaySettled,
    DecidedMovement,
    EmailChanged,
    EnrollmentChanged,
    EntryPosted,
    Event,
    FamilyChanged,
    FamilyErased,
    Held,
    MailFailed,
    MailSent,
    PasswordResetRequested,
    PaymentSettled,
    Released,
    RequestDecided,
    RequestedMovement,
    StandingChanged,
    StructureChanged,
)

BEGUN = dt.datetime(2026, 11, 23, 7, 0, 0, 125000, dt.UTC)
FRIDAY = dt.date(2026, 11, 27)
WEDNESDAY = dt.date(2026, 12, 9)
ACCOUNT = "567859021f6a43ac9c58783ea3c87d3d"
REQUEST = "01a2060ff57fd094101cb885928f0e14"
MORNING = "01a2060ff57f7c366d4339e873554cba"  #: Amalia's booking on Friday.
OUTING = "01a2060ff57f81c09a52be6d30f4471e"  #: Paolo's on Wednesday.

_town: dict[str, Any] = {"structure": "carteville", "occurred_at": BEGUN}
_of_family: dict[str, Any] = {**_town, "family": "dupont"}
_friday: dict[str, Any] = {"child": "amalia", "activity": "aps-matin", "date": FRIDAY}
_wednesday: dict[str, Any] = {"child": "paolo", "activity": "mercredi-matin", "date": WEDNESDAY}
_morning: dict[str, Any] = {
    **_of_family,
    **_friday,
    "booking": MORNING,
    "request": REQUEST,
    "arrival": "07:30",
    "departure": "08:45",
    "version": 2,
}
_outing: dict[str, Any] = {
    **_of_family,
    **_wednesday,
    "booking": OUTING,
    "request": REQUEST,
    "arrival": "07:30",
    "departure": "12:00",
    "version": 2,
}
_hold: dict[str, Any] = {**_of_family, "hold": MORNING, "booking": MORNING, "wallet": "periscolaire", "amount_cents": 131}
_mail: dict[str, Any] = {**_of_family, "mail": "9a8490df5a75e4a56b37a939786d4140", "kind": "report", "account": ACCOUNT}

_EVENTS: tuple[Event, ...] = (
    StructureChanged(
        **_town, version=1, title="Mairie de CarteVille", timezone="Europe/Paris", school_zone="B", retention={"mails_days": 60}
    ),
    AccountOpened(**_town, account=ACCOUNT),
    EmailChanged(**_town, account=ACCOUNT),
    PasswordResetRequested(**_town, account=ACCOUNT),
    FamilyChanged(**_of_family, version=1, adults=[ACCOUNT], children=["amalia", "paolo"]),
    AnnouncementPublished(**_town, announcement="479bc0649b934a7da9a0ad29d80ed4b1"),
    ActivityChanged(
        **_town,
        version=1,
        activity="aps-matin",
        wallet="periscolaire",
        title="APS MATIN",
        capacity=40,
        waiting_list=10,
        opens_on=dt.date(2026, 11, 1),
        closes_on=dt.date(2027, 11, 1),
    ),
    EnrollmentChanged(**_of_family, version=1, child="amalia", activity="aps-matin", starts_on=None, ends_on=dt.date(2027, 7, 2)),
    BookingRequested(
        **_of_family,
        request=REQUEST,
        movements=[
            RequestedMovement(**_friday, booking=MORNING, arrival="07:30", departure="08:45", kind="BOOK"),
            RequestedMovement(**_wednesday, booking=OUTING, arrival="07:30", departure="12:00", kind="BOOK"),
        ],
    ),
    BookingAccepted(**_morning, from_waiting_list=False),
    BookingWaitlisted(**_outing, rank=1),
    BookingRefused(**_outing, code="FULL"),
    BookingCancelled(**{**_morning, "version": 3}, by="family", was="ACCEPTED"),
    BookingExpired(**{**_outing, "version": 3}),
    CapacityChanged(**_town, version=15, activity="aps-matin", date=FRIDAY, capacity=40, taken=12, waiting=0),
    DaySettled(
        **_town,
        version=1,
        activity="aps-matin",
        date=FRIDAY,
        attendances=[
            Attendance(booking=MORNING, child="amalia", attendance="PRESENT", arrival="07:41", departure="08:45", family="dupont"),
            Attendance(
                booking="7c3b0b5f1d6a4e0b9a52f4a1c7d98e21",
                child="hugo",
                attendance="PRESENT",
                arrival="07:50",
                departure="08:45",
                family="martin",
                booked=False,
            ),
        ],
    ),
    RequestDecided(
        **_of_family,
        request=REQUEST,
        account=ACCOUNT,
        movements=[
            DecidedMovement(**_friday, booking=MORNING, kind="BOOK", outcome="ACCEPTED"),
            DecidedMovement(**_wednesday, booking=OUTING, kind="BOOK", outcome="WAITLISTED", rank=1),
        ],
    ),
    Held(**_hold, version=2),
    Released(**_hold, version=3),
    EntryPosted(**_of_family, entry="ea0e41a86e124703b8cc3defdd651e87", wallet="periscolaire", kind="PAYMENT", amount_cents=5000),
    StandingChanged(**_of_family, version=1, in_debit=True),
    PaymentSettled(
        **_of_family, payment="5f0c1f9d6c7b4b2f8f0f3a5f6a1f7c52", status="PAID", amount_cents=5000, reference="3150-N°AUTO:445401"
    ),
    FamilyErased(**_of_family, children=["amalia", "paolo"]),
    MailSent(**_mail, attempts=1),
    MailFailed(**_mail, attempts=10),
)


def _dated(number: int, event: Event) -> Event:
    """With an id of its own that is the same each time, and one second after the other."""
    return event.model_copy(update={"event_id": f"01a2060ff97f40{number:018x}", "occurred_at": BEGUN + dt.timedelta(seconds=number)})


#: Type, such as `fr.preau.booking.accepted.v1` -> the example.
EXAMPLES = {event.type_name(): _dated(number, event) for number, event in enumerate(_EVENTS)}
