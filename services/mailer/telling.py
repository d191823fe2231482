"""From what was decided, in ids, to what a letter says, in words."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.mailer import letters
from services.mailer.addresses import Adult
from services.mailer.letters import Act, Delayed, Letter, News
from services.mailer.queries import Home, Names
from services.mailer.report import Movement, Outcome, Report, gather
from services.mailer.tables import MailKind
from services.mailer.texts import long_day, say, short_day, span, spoken, tell, time_of_day
from services.service import NotYetKnown
from services.tracing import traceparent


@dataclass(frozen=True, slots=True)
class Decided:
    """One movement of a request with its answer, in ids."""

    cancellation: bool
    outcome: Outcome
    child: str
    activity: str
    date: dt.date
    code: str | None = None
    booking: str = ""
    hours: tuple[str, str] | None = None
    was: str | None = None  #: What was given back: ACCEPTED, WAITLISTED, SUBMITTED.
    because: str | None = None  #: The booking that stood in the way of its group.
    held: str | None = None  #: What the child had there already: ACCEPTED, WAITLISTED.
    run: "AwaitedRun | None" = None


@dataclass(frozen=True, slots=True)
class AwaitedRun:
    """The run that will decide a line."""

    activity: str
    date: dt.date
    at: str  #: "HH:MM"


@dataclass(frozen=True, slots=True)
class Wish:
    """A letter that a family is to get, in ids."""

    kind: MailKind
    about: str  #: The request or the booking: there is one letter of the kind about each.
    structure: str
    family: str
    movements: Sequence[Decided]
    account: str | None = None  #: Who asked, if that is known.
    act: Act | None = None  #: An agent of the structure asked for the family.
    delayed: Delayed | None = None  #: What the letter is about.
    news: News | None = None  #: Of money: what the letter is about.
    email: str | None = None  #: Where whoever asked wants it, if they said so.
    at: dt.datetime | None = None  #: When that was decided.
    goes_on: bool = False  #: It tells of lines that a first report said would be answered later.
    trace: str | None = field(default_factory=traceparent.get, compare=False)  #: Of what brought it about.

    @property
    def cause(self) -> str:
        return f"{self.kind}:{self.about}"


def write(wish: Wish, to: Adult, home: Home, names: Names) -> Letter:
    """The letter, to that adult. Raises NotYetKnown while a name is missing."""
    structure = known(names.structures, wish.structure)
    if wish.kind is MailKind.PLACE_GIVEN:
        (line,) = wish.movements
        activity, child = known(names.activities, line.activity), known(home.children, line.child)
        return letters.place_given_letter(
            to.language, greeting=to.greeting, structure=structure, activity=activity, child=child, date=line.date
        )
    if wish.delayed is not None:
        zone = known(names.zones, wish.structure)
        return letters.delayed_letter(to.language, greeting=to.greeting, structure=structure, delayed=wish.delayed, timezone=zone)
    if wish.news is not None:
        return letters.money_letter(to.language, greeting=to.greeting, structure=structure, news=wish.news)
    report = report_of(wish, to, home, names)
    if wish.kind is MailKind.PLACE_EXPIRED:
        return letters.place_expired_letter(to.language, greeting=to.greeting, structure=structure, report=report)
    return letters.report_letter(to.language, greeting=to.greeting, structure=structure, report=report, act=wish.act, goes_on=wish.goes_on)


def report_of(wish: Wish, to: Adult, home: Home, names: Names) -> Report:
    """In the reader's language. Raises NotYetKnown while a name is missing."""
    return gather(Telling(wish, home, names, spoken(to.language)).movements())


def activities(line: Decided) -> Iterable[str]:
    yield line.activity
    if line.run:
        yield line.run.activity


@dataclass(frozen=True, slots=True)
class Telling:
    """The movements of a wish in the words of its letter."""

    wish: Wish
    home: Home
    names: Names
    language: str

    def movements(self) -> Iterable[Movement]:
        for line in self.wish.movements:
            yield Movement(
                cancellation=line.cancellation,
                outcome=_section(line),
                activity=known(self.names.activities, line.activity),
                child=known(self.home.children, line.child),
                date=line.date,
                reason=self._reason(line),
                booking=line.booking,
                hours=line.hours,
                note=self._note(line),
            )

    def _reason(self, line: Decided) -> str | None:
        if line.outcome is Outcome.REFUSED:
            return self._why_not(line)
        if self.wish.act and line.was in ("WAITLISTED", "SUBMITTED"):
            return tell(line.was, self.language)
        return None

    def _why_not(self, line: Decided) -> str:
        other = next((one for one in self.wish.movements if line.because and one.booking == line.because), None)
        if other is not None and (named := self._named(other, line)):
            return tell("GROUPED_WITH", self.language, other=named)
        if line.code == "HOURS_NOT_ALLOWED" and line.hours:
            return tell("THESE_HOURS_NOT_ALLOWED", self.language, hours=span(line.hours))
        if line.code == "ALREADY_BOOKED" and line.held == "WAITLISTED":
            return tell("ALREADY_WAITLISTED", self.language)
        return say(line.code or "OTHER", self.language)

    def _named(self, other: Decided, line: Decided) -> str:
        """As short as it can be beside the line itself."""
        words = [known(self.home.children, other.child)] if other.child != line.child else []
        words += [known(self.names.activities, other.activity)] if other.activity != line.activity else []
        words += [short_day(other.date, self.language)] if other.date != line.date else []
        return ", ".join(words)

    def _note(self, line: Decided) -> str | None:
        run = line.run
        if run is None:
            return None
        when = {"day": long_day(run.date, self.language), "at": time_of_day(run.at, self.language)}
        if run.activity == line.activity:
            return tell("RUN", self.language, **when)
        return tell("RUN_OF", self.language, activity=known(self.names.activities, run.activity), **when)


def _section(line: Decided) -> Outcome:
    if line.cancellation and line.outcome is Outcome.REFUSED:
        return Outcome.POINTLESS if line.code == "UNKNOWN_BOOKING" else Outcome.KEPT
    return line.outcome


def known(names: dict[str, str], key: str) -> str:
    if key not in names:
        raise NotYetKnown(f"the name of {key}")
    return names[key]
