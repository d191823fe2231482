"""Booking's part of the graph: activities, calendars, bookings. Fields load through `Reading`, so that many cost what one costs."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Self, cast

import strawberry
from strawberry import ID, Private

from services.booking import deadlines
from services.booking.activity import ActivitySpec, ChosenHours, Scheduled
from services.booking.activity_types import ActivitySettings
from services.booking.almanac import Almanac, Page
from services.booking.calendar import DayState, Shown, aggregate, most_telling
from services.booking.draft import DraftChange, ToggleScope
from services.booking.file_types import CalendarFeed
from services.booking.lines import OF_HOURS, Rules, check_booking, check_cancelling
from services.booking.listing import observation
from services.booking.month import ANYBODY
from services.booking.observing import observed
from services.booking.queries import STANDING, Booked, Days, Owned, dates, month_around
from services.booking.reading import Answers, Reading
from services.booking.run_types import Allocation, BookingDecision, decision_on
from services.booking.status import BookingStatus
from services.booking.texts import say_closed
from services.graphql import Context, Info, LocalTime, YearMonth
from services.projection import LATER, STORED_IN, Differently, Kept, Later
from services.refusal import Forbidden

for kind in (DayState, BookingStatus, DraftChange, ToggleScope):
    strawberry.enum(kind)


def reading_of(context: Context) -> Reading:
    """This request's. Raises Unauthenticated."""
    if "booking" not in context.loaders:
        context.loaders["booking"] = Reading(context.running, context.library, almanac_of(context), context.signed_in())
    return cast(Reading, context.loaders["booking"])


def almanac_of(context: Context) -> Almanac:
    """The process's."""
    resources = context.running.resources
    if "almanac" not in resources:
        resources["almanac"] = Almanac(resources["rules"])
    return cast(Almanac, resources["almanac"])


def answers_of(context: Context) -> Answers:
    """The process's."""
    found: Answers = context.running.resources.setdefault("answers", Answers(context.database))
    return found


def month_of(month: YearMonth) -> Days:
    """Its first and its last day."""
    return month_around(dt.date.fromisoformat(f"{month}-01"))


# --------------------------------------------------------------------------------------------------------- activities
@strawberry.federation.type(keys=["id"])
class Activity:
    """What can be booked, such as "APS MATIN"."""

    spec: Private[ActivitySpec]
    id: ID
    name: str
    category: str | None
    opens_on: dt.date = strawberry.field(description="First day of the season (S20).")
    closes_on: dt.date = strawberry.field(description="Last day of the season, included.")
    limited: bool = strawberry.field(description="It has a number of places (S24).")
    arrival: LocalTime = strawberry.field(description="Its own, or the earliest that a family may choose.")
    departure: LocalTime = strawberry.field(description="Its own, or the latest that a family may choose.")
    chooses_hours: bool
    hour_step_minutes: int | None
    minimum_minutes: int | None = strawberry.field(description="The shortest time that a family may choose.")
    booking_words: Private[str]
    cancellation_words: Private[str]

    @classmethod
    def of(cls, spec: ActivitySpec, language: str) -> Self:
        chosen = spec.hours if isinstance(spec.hours, ChosenHours) else None
        return cls(
            spec=spec,
            id=ID(spec.id),
            name=spec.name,
            category=spec.category,
            opens_on=spec.opens_on,
            closes_on=spec.closes_on,
            limited=spec.limited,
            arrival=LocalTime(spec.arrival),
            departure=LocalTime(spec.departure),
            chooses_hours=chosen is not None,
            hour_step_minutes=chosen.step_minutes if chosen else None,
            minimum_minutes=chosen.minimum_minutes if chosen else None,
            booking_words=deadlines.in_words(spec.booking_deadline, language),
            cancellation_words=deadlines.in_words(spec.cancellation_deadline, language),
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: ID) -> Self | None:
        rules = await reading_of(info.context).rules(str(id))
        return None if rules is None else cls.of(rules.spec, info.context.language)

    @strawberry.field(metadata={STORED_IN: "booking_words"})  # type: ignore[untyped-decorator]  # no types for this form
    def booking_rule(self) -> str:
        """Until when it may be booked, in words."""
        return self.booking_words

    @strawberry.field
    def allocation(self, info: Info) -> Allocation:
        """How its places are given away: at once, or by a daily run."""
        return Allocation.of(self.spec, info.context.language)

    @strawberry.field(metadata={STORED_IN: "cancellation_words"})  # type: ignore[untyped-decorator]  # no types for this form
    def cancellation_rule(self) -> str:
        """Until when a booking may be cancelled, in words."""
        return self.cancellation_words

    @strawberry.field
    async def settings(self, info: Info) -> ActivitySettings | None:
        """Everything that agents may set. Null for all others."""
        return await _settings(info, self.spec)


async def _settings(info: Info, spec: ActivitySpec) -> ActivitySettings | None:
    reading = reading_of(info.context)
    if spec.structure not in reading.caller.agent_of:
        return None
    stored = await reading.settings(spec.id)
    return None if stored is None else ActivitySettings.of(*stored)


async def activity_of(info: Info, activity: str) -> Activity:
    """Of a row that the caller may see."""
    rules = await reading_of(info.context).rules(activity)
    if rules is None:
        raise Forbidden
    return Activity.of(rules.spec, info.context.language)


# ------------------------------------------------------------------------------------------------------------ bookings
@strawberry.federation.type(keys=["id"])
class Booking:
    """One child at one opening (S35)."""

    row: Private[Booked]
    known_rank: Private[int | Later | None]
    id: ID
    number: str
    date: dt.date
    arrival: LocalTime
    departure: LocalTime
    status: BookingStatus
    requested_at: dt.datetime
    decided_at: dt.datetime | None

    @classmethod
    def of(cls, row: Booked, rank: int | Later | None = LATER) -> Self:
        return cls(
            row=row,
            known_rank=rank if row.status is BookingStatus.WAITLISTED else None,
            id=ID(row.id),
            number=row.number,
            date=row.date,
            arrival=LocalTime(row.arrival),
            departure=LocalTime(row.departure),
            status=row.status,
            requested_at=row.requested_at,
            decided_at=row.decided_at,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: ID) -> Self | None:
        row = await reading_of(info.context).booking(str(id))
        return None if row is None else cls.of(row)

    @strawberry.field
    def child(self) -> "Child":
        return Child(id=ID(self.row.child))

    @strawberry.field
    async def activity(self, info: Info) -> Activity:
        return await activity_of(info, self.row.activity)

    @strawberry.field(graphql_type=int | None, metadata={STORED_IN: "known_rank"})  # type: ignore[untyped-decorator]  # no types for this form
    def rank(self, info: Info) -> Awaitable[int | None] | int | None:
        """Place in the waiting list, from 1."""
        # Not a coroutine: most bookings wait for nothing, and a task for each of them would cost more than the rest of their answer.
        return reading_of(info.context).rank(self.row.id) if self.known_rank is LATER else self.known_rank

    @strawberry.field(graphql_type=str | None)  # type: ignore[untyped-decorator]  # no types for this form
    def reason(self, info: Info) -> Awaitable[str] | str | None:
        """Why it is not simply accepted: the observation, in words (S34)."""
        row, language = self.row, info.context.language
        if self.status is BookingStatus.REFUSED and row.code == "ALREADY_BOOKED":
            return observed(reading_of(info.context), "ALREADY_BOOKED", row.child, row.activity, row.date, language)
        return observation(self.status, row.code, language)

    @strawberry.field
    async def decision(self, info: Info) -> BookingDecision | None:
        """Why a run answered so. Null: none has."""
        return await decision_on(info, self.row.id, self.row.structure)

    @strawberry.field
    async def cancellable(self, info: Info) -> bool:
        """It stands, and can be given back: until its deadline, or, while it only waits, at any time (S36)."""
        rules = await reading_of(info.context).rules(self.row.activity) if self._stands else None
        return rules is not None and self._can_be_given_back(rules, info.context.now)

    @property
    def _stands(self) -> bool:
        return self.status in STANDING and self.row.code is None

    def _can_be_given_back(self, rules: Rules, now: dt.datetime) -> bool:
        return self._stands and check_cancelling(rules.on(self.date), self.status, now=now) is None

    @strawberry.field
    async def hours_changeable(self, info: Info) -> bool:
        """Its family may have it at other hours now (S26): it can be given back, and booked again at once.

        Not where runs decide: there an accepted place would go to whoever waits, and the family would wait for the next run.
        """
        row, reading = self.row, reading_of(info.context)
        rules = await reading.rules(row.activity)
        if rules is None or not isinstance(rules.spec.hours, ChosenHours) or not self._can_be_given_back(rules, info.context.now):
            return False
        if self.status is BookingStatus.ACCEPTED and isinstance(rules.spec.allocation, Scheduled):
            return False
        enrolled = (await reading.enrolled(row.child)).get(row.activity)
        in_debit = await reading.in_debit(row.family)
        booked = row.arrival, row.departure  # The activity may have other bounds by now: others are chosen.
        return check_booking(rules.on(row.date), *booked, now=info.context.now, enrolled=enrolled, in_debit=in_debit) in (None, *OF_HOURS)


# ----------------------------------------------------------------------------------------------------------- calendars
@strawberry.type
class CalendarDay:
    date: dt.date
    state: DayState
    places_left: int | None = strawberry.field(description="Null when places are not counted, or the day is closed.")
    reason: str | None = strawberry.field(description="Why it is closed, in words; also where a booking stands on that day.")
    reason_code: str | None = strawberry.field(description="TOO_LATE, PUBLIC_HOLIDAY, WEEKDAY, OUT_OF_SEASON...: for a word of one's own.")
    booking: Booking | None = strawberry.field(description="Of the selected activity.")
    revision: int = strawberry.field(description="Grows with each change of places: drop what is older than what you show.")


@strawberry.type
class ActivityDay:
    activity: Activity
    date: dt.date
    state: DayState
    places_left: int | None = strawberry.field(description="Null when places are not counted, or the day is closed.")
    reason: str | None = strawberry.field(
        description="Why it is closed, in words: holiday, too late, not open, or what the town says; also where a booking stands."
    )
    reason_code: str | None
    booking: Booking | None
    revision: int = strawberry.field(description="Grows with each change of places: drop what is older than what you show.")


@strawberry.type
class Calendar:
    month: YearMonth
    activity: Activity | None = strawberry.field(description="Null: the aggregated calendar of all the child's activities (S32).")
    days: list[CalendarDay]
    as_of: dt.datetime = strawberry.field(description="Time of the newest event shown (S6).")


def _why(shown: Shown, language: str) -> str | None:
    return None if shown.why_closed is None else say_closed(shown.why_closed, shown.because, language)


def _calendar_day(date: dt.date, shown: Shown, revision: int, booking: Booked | None, language: str) -> CalendarDay:
    return CalendarDay(
        date=date,
        state=shown.state,
        places_left=shown.places_left,
        reason=_why(shown, language),
        reason_code=shown.why_closed,
        booking=None if booking is None else Booking.of(booking),
        revision=revision,
    )


@dataclass(frozen=True, slots=True)
class Differing:
    """A day that the child sees otherwise than everybody."""

    shown: Shown
    booking: Booked | None


def _differing(page: Page, activity: str, now: dt.datetime) -> dict[int, Differing]:
    """By the day's number in the month, from 0."""
    month, enrolled = page.months[activity], page.enrolled.get(activity)
    booked = {(row.date - month.dates[0]).days: row for row in page.bookings.get(activity, ())}
    elsewhere = () if enrolled is ANYBODY else [n for n, date in enumerate(month.dates) if enrolled is None or not enrolled.on(date)]

    def own(day: int) -> Differing:
        row = booked.get(day)
        return Differing(month.own(day, now, None if row is None else row.status, enrolled), row)

    return {day: own(day) for day in {*booked, *elsewhere}}


def _one_activity(page: Page, activity: str, context: Context) -> list[CalendarDay]:
    month, language = page.months[activity], context.language
    face = month.at(context.now)
    everybodys: Kept[CalendarDay] | None = face.views.get(language)
    if everybodys is None:
        rows = zip(month.dates, face.days, month.revisions, strict=True)
        everybodys = face.views[language] = Kept(_calendar_day(*row, None, language) for row in rows)
    own = {
        day: _calendar_day(month.dates[day], its.shown, month.revisions[day], its.booking, language)
        for day, its in _differing(page, activity, context.now).items()
    }
    return Differently(everybodys, own) if own else everybodys


def _all_activities(page: Page, days: Days, context: Context) -> list[CalendarDay]:
    """S32."""
    months, activities, language, shown_dates = list(page.months.values()), tuple(page.months), context.language, dates(days)
    faces = [month.at(context.now) for month in months]

    def together(day: int, shown: Sequence[Shown]) -> CalendarDay:
        return _aggregated_day(shown_dates[day], shown, sum([month.revisions[day] for month in months]), language)

    def everybodys() -> Kept[CalendarDay]:
        return Kept(together(day, [face.days[day] for face in faces]) for day in range(len(shown_dates)))

    kept = almanac_of(context).together(activities, days, language, faces, everybodys)
    differing = [_differing(page, activity, context.now) for activity in activities]
    own = {
        day: together(day, [its[day].shown if day in its else face.days[day] for its, face in zip(differing, faces, strict=True)])
        for day in set().union(*differing)
    }
    return Differently(kept, own) if own else kept


def _aggregated_day(date: dt.date, shown: Sequence[Shown], revision: int, language: str) -> CalendarDay:
    return CalendarDay(
        date=date,
        state=aggregate(each.state for each in shown),
        places_left=None,
        reason=_why_all(shown, language),
        reason_code=_code_of_all(shown),
        booking=None,
        revision=revision,
    )


def _why_all(shown: Sequence[Shown], language: str) -> str | None:
    """Only where all are closed. Two that the town closed for reasons of their own say both."""
    code = _code_of_all(shown)
    if code is None:
        return None
    return " ; ".join(sorted({_why(each, language) or "" for each in shown if each.why_closed == code}))


def _code_of_all(shown: Sequence[Shown]) -> str | None:
    codes = {each.why_closed for each in shown}
    return most_telling(filter(None, codes)) if codes and None not in codes else None


def _newest(page: Page, now: dt.datetime) -> dt.datetime:
    """Nothing ever happened there: what is shown is true now."""
    openings = [month.mark.newest for month in page.months.values() if month.mark.newest is not None]
    bookings = [row.decided_at or row.requested_at for activity in page.months for row in page.bookings.get(activity, ())]
    return max(openings + bookings, default=now)


# ------------------------------------------------------------------------------------------------------------ children
@strawberry.federation.type(keys=["id"])
class Child:
    id: ID
    #: Identity's. It comes along where a field requires it, and is never kept here.
    first_name: str = strawberry.federation.field(default="", external=True)

    @classmethod
    def resolve_reference(cls, id: ID) -> Self:
        return cls(id=id)

    async def mine(self, info: Info) -> Owned:
        """Raises Forbidden: not the caller's, or no such child."""
        return await child_of(info, self.id)

    @strawberry.field
    async def activities(self, info: Info) -> list[Activity]:
        """Those that the child is enrolled in, by name."""
        found = await reading_of(info.context).activities(str(self.id))
        if found is None:
            raise Forbidden
        return [Activity.of(rules.spec, info.context.language) for rules in found]

    @strawberry.field
    async def enrollments(self, info: Info) -> list["Enrollment"]:
        """In which activities the child is, was or will be admitted, by name, and for how long."""
        await self.mine(info)
        reading = reading_of(info.context)
        periods = await reading.enrolled(str(self.id))
        found = zip(periods.values(), await asyncio.gather(*map(reading.rules, periods)), strict=True)
        return [
            Enrollment(spec=rules.spec, child=self, from_=period.starts_on, until=period.ends_on)
            for period, rules in found
            if rules is not None
        ]

    @strawberry.field(graphql_type=Calendar)  # type: ignore[untyped-decorator]  # no types for this form
    def calendar(self, info: Info, month: YearMonth, activity: ID | None = None) -> Awaitable[Calendar]:
        """Every day of the month, for one activity, or for all of the child's (S32)."""
        return calendar_of(info, str(self.id), month, activity)

    @strawberry.field
    async def calendar_feed(self, info: Info) -> CalendarFeed | None:
        """The secret link to this child's calendar (S35), if its family has made one. The link itself is not told again."""
        await self.mine(info)
        feed = await reading_of(info.context).feed(str(self.id))
        return None if feed is None else CalendarFeed(created_at=feed.created_at)

    @strawberry.field
    async def day(self, info: Info, date: dt.date) -> list[ActivityDay]:
        """Each of the child's activities on one day, by name (S32)."""
        child = await self.mine(info)
        span = await reading_of(info.context).span(child.child, date, date)
        context = info.context
        return [
            ActivityDay(
                activity=Activity.of(span.rules[activity].spec, context.language),
                date=date,
                state=day.shown.state,
                places_left=day.shown.places_left,
                reason=_why(day.shown, context.language),
                reason_code=day.shown.why_closed,
                booking=None if day.booking is None else Booking.of(day.booking),
                revision=day.revision,
            )
            for activity in span.enrolled
            for day in [span.day(activity, date, context.now)]
        ]


@strawberry.type
class Enrollment:
    """A child admitted to an activity, both days included ("inscription")."""

    spec: Private[ActivitySpec]
    child: Child
    from_: dt.date | None = strawberry.field(name="from")
    until: dt.date | None

    @strawberry.field
    def activity(self, info: Info) -> Activity:
        return Activity.of(self.spec, info.context.language)


async def child_of(info: Info, child: str) -> Owned:
    """Raises Forbidden: not the caller's, or no such child."""
    found = await reading_of(info.context).child(str(child))
    if found is None:
        raise Forbidden
    return found


async def selected_of(info: Info, child: Owned, activity: str | None) -> Activity | None:
    """Raises Forbidden: no activity of the child's town."""
    if activity is None:
        return None
    selected = await activity_of(info, str(activity))
    if selected.spec.structure != child.structure:
        raise Forbidden
    return selected


async def calendar_of(info: Info, child: str, month: YearMonth, activity: str | None) -> Calendar:
    """Raises Forbidden: not the caller's, or no such child, or no activity of its town."""
    days, selected = month_of(month), None if activity is None else str(activity)
    page = await reading_of(info.context).page(child, days, selected)
    if page is None:
        raise Forbidden
    shown = _all_activities(page, days, info.context) if selected is None else _one_activity(page, selected, info.context)
    return Calendar(
        month=month,
        activity=None if selected is None else Activity.of(page.months[selected].rules.spec, info.context.language),
        days=shown,
        as_of=_newest(page, info.context.now),
    )
