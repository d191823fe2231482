"""How a family stands in a town file: adults, children, and what is taken over from the old system."""

import datetime as dt
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from deploy.town import reading as tree
from deploy.town.fields import (
    Fields,
    Mistakes,
    Wrong,
    cents,
    choice,
    date,
    identifier,
    listing,
    one_of,
    quotient,
    reading,
    reference,
    suggestion,
    text,
    time,
    whole,
    yes_or_no,
)
from deploy.town.town import Activity, Charge, Child, Enrollment, Family, Payment, TakenOverBooking
from services.billing.carrying import OWN_CAUSES
from services.booking.activity import ChosenHours
from services.booking.hours import check

PAYMENT_MODES = ("CARD", "INTERNET", "CHEQUE", "CASH", "TRANSFER", "DIRECT_DEBIT", "CESU", "VOUCHER", "OTHER")
OLDEST = dt.timedelta(days=25 * 366)  #: Nobody older is a child of the town's activities.


@dataclass(frozen=True, slots=True)
class People:
    """What a family may refer to."""

    structure: str
    today: dt.date
    logins: Collection[str]
    wallets: Collection[str]
    activities: Mapping[str, Activity]
    criteria: Collection[str]


def read_family(node: tree.Node, mistakes: Mistakes, people: People) -> Family:
    with reading(node, mistakes, "a family") as fields:
        family = fields.need("id", identifier, "?")
        children = tuple(_child(child, mistakes, people) for child in fields.each("children"))
        causes = _Causes(people.structure, family)
        return Family(
            id=family,
            number=fields.need("number", text, "?"),
            accounts=fields.need("accounts", listing(reference("accounts", people.logins)), ()),
            quotient=fields.may("quotient", quotient, None),
            debt_limit_cents=fields.may("debt_limit_cents", cents(), None),
            debt_exempt=fields.may("debt_exempt", yes_or_no, False),
            criteria=fields.may("criteria", listing(reference("criteria", people.criteria)), None),
            children=children,
            payments=tuple(_payment(payment, mistakes, people, causes) for payment in fields.each("payments")),
            charges=tuple(_charge(charge, mistakes, people, causes) for charge in fields.each("charges")),
            bookings=tuple(_booking(booking, mistakes, people, children) for booking in fields.each("bookings")),
            place=node.place,
        )


# ------------------------------------------------------------------------------------------------------------- children
def _child(node: tree.Node, mistakes: Mistakes, people: People) -> Child:
    with reading(node, mistakes, "a child") as fields:
        enrollments = tuple(_enrollment(item, mistakes, people) for item in fields.each("activities"))
        birth_date = fields.may("birth_date", date(people.today), None)
        if birth_date is not None and not people.today - OLDEST < birth_date <= people.today + dt.timedelta(days=366):
            fields.wrong("birth_date", f"birth_date: {birth_date} is no child's", f"a day in the 25 years before {people.today}")
        return Child(
            id=fields.need("id", identifier, "?"),
            first_name=fields.need("first_name", text, "?"),
            last_name=fields.need("last_name", text, "?"),
            birth_date=birth_date,
            enrollments=enrollments,
            place=node.place,
        )


def _enrollment(node: tree.Node, mistakes: Mistakes, people: People) -> Enrollment:
    """`aps-matin`, or `{activity: aps-matin, from: today, until: today+3m}`."""
    activity = reference("activities", people.activities)
    if isinstance(node, tree.Mapping):
        with reading(node, mistakes, "an enrollment") as fields:
            enrollment = Enrollment(
                fields.need("activity", activity, "?"),
                fields.may("from", date(people.today), None),
                fields.may("until", date(people.today), None),
            )
            if enrollment.since and enrollment.until and enrollment.until < enrollment.since:
                fields.wrong("until", f"until: {enrollment.until} is before from ({enrollment.since})", "a later day")
            return enrollment
    try:
        return Enrollment(activity(node))
    except Wrong as wrong:
        mistakes.note(node.place, f"activities: {wrong.what}", wrong.expected)
        return Enrollment("?")


# ---------------------------------------------------------------------------------------------------------------- money
class _Causes:
    """Names for payments and charges: the same each time the same line is loaded, whatever `today-20d` means by then."""

    def __init__(self, structure: str, family: str) -> None:
        self.start = f"{structure}/{family}"
        self._seen: dict[str, int] = {}

    def name(self, kind: str, fields: Fields) -> str:
        if given := fields.may("cause", text, None):
            if given.startswith(OWN_CAUSES):
                problem = f"cause: {given!r} is what this system calls what it charges, or is paid online"
                fields.wrong("cause", problem, "a cause of the town's own; what was charged is in history, as export writes it")
            return given
        values = {key: entry.value.text for key, entry in sorted(fields.entries.items()) if isinstance(entry.value, tree.Scalar)}
        digest = hashlib.sha256(repr(values).encode()).hexdigest()[:16]
        cause = f"taken-over/{self.start}/{kind}/{digest}"
        self._seen[cause] = self._seen.get(cause, 0) + 1
        return f"{cause}/{self._seen[cause]}" if self._seen[cause] > 1 else cause


def _past(fields: Fields, today: dt.date) -> dt.date:
    day = fields.need("date", date(today), today)
    if fields.good("date") and day > today:
        fields.wrong("date", f"date: {day} has not come yet", f"a day up to {today}: it happened before this system")
    return day


def _payment(node: tree.Node, mistakes: Mistakes, people: People, causes: _Causes) -> Payment:
    with reading(node, mistakes, "a payment") as fields:
        return Payment(
            cause=causes.name("payment", fields),
            date=_past(fields, people.today),
            mode=fields.need("mode", choice(PAYMENT_MODES), "OTHER"),
            reference=fields.may("reference", text, None),
            payer=fields.need("payer", text, "?"),
            bank=fields.may("bank", text, None),
            wallet=fields.need("wallet", reference("wallets", people.wallets), "?"),
            cents=fields.need("cents", cents(1), 1),
        )


def _charge(node: tree.Node, mistakes: Mistakes, people: People, causes: _Causes) -> Charge:
    with reading(node, mistakes, "a charge") as fields:
        return Charge(
            cause=causes.name("charge", fields),
            date=_past(fields, people.today),
            wallet=fields.need("wallet", reference("wallets", people.wallets), "?"),
            label=fields.need("label", text, "?"),
            cents=fields.need("cents", cents(), 0),
        )


# ------------------------------------------------------------------------------------------------------------- bookings
def _booking(node: tree.Node, mistakes: Mistakes, people: People, children: tuple[Child, ...]) -> TakenOverBooking:
    """`{child, activity, date}`, or `{child, activity, next: 20, from: tomorrow}`: the next 20 open days."""
    with reading(node, mistakes, "a booking") as fields:
        child = fields.need("child", reference("children of this family", [child.id for child in children]), "?")
        activity = fields.need("activity", reference("activities", people.activities), "?")
        if fields.good("child", "activity"):
            _check_enrolled(fields, next(one for one in children if one.id == child), activity)
        day, count = _days(fields, people.today)
        booking = TakenOverBooking(
            node.place, child, activity, day, count, fields.may("arrival", time, None), fields.may("departure", time, None)
        )
        if fields.good("activity"):
            _check_season(fields, people.activities[activity], booking)
            _check_hours(fields, people.activities[activity], booking)
        return booking


def _days(fields: Fields, today: dt.date) -> tuple[dt.date, int | None]:
    if "next" not in fields.entries:
        return fields.need("date", date(today), today), None
    count = fields.need("next", whole(1, 400, "a number of open days, from 1 to 400"), 1)
    if "date" in fields:
        fields.wrong("date", "date: there is a next already", "a date, or a number of next open days")
    return fields.may("from", date(today), today + dt.timedelta(days=1)), count


def _check_enrolled(fields: Fields, child: Child, activity: str) -> None:
    enrolled = {enrollment.activity for enrollment in child.enrollments}
    if activity not in enrolled:
        problem = f"{child.id} is not enrolled in {activity}{suggestion(activity, enrolled)}"
        fields.wrong("activity", f"activity: {problem}", f"one of the child's activities: {one_of(enrolled)}")


def _check_season(fields: Fields, activity: Activity, booking: TakenOverBooking) -> None:
    spec = activity.spec
    key = "date" if booking.count is None else "from"
    if fields.good("activity") and fields.good(key) and not spec.opens_on <= booking.date <= spec.closes_on:
        problem = f"{key}: {booking.date} is outside the season of {spec.id}"
        fields.wrong(key, problem, f"a day from {spec.opens_on} to {spec.closes_on}")


def _check_hours(fields: Fields, activity: Activity, booking: TakenOverBooking) -> None:
    """By booking's own rule for hours (S26)."""
    hours, name = activity.spec.hours, activity.spec.id
    trouble = check(hours, booking.arrival, booking.departure)
    if trouble is None:
        return
    if not isinstance(hours, ChosenHours):
        fields.wrong("arrival", f"arrival: the hours of {name} are fixed", f"{hours.arrival} to {hours.departure}, or nothing")
    elif trouble == "HOURS_REQUIRED":
        problem = f"arrival and departure are missing: {name} lets families choose"
        fields.wrong("arrival", problem, f"times between {hours.earliest} and {hours.latest}")
    else:
        expected = f"{hours.earliest} to {hours.latest}, in steps of {hours.step_minutes} minutes, for at least {hours.minimum_minutes}"
        fields.wrong("arrival", f"arrival: {booking.arrival} to {booking.departure} is not possible in {name}", expected)
