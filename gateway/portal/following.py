"""What a family follows: which bookings the page's address asks for, and what can still be done with each (S35, S36)."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from gateway.portal import draft
from gateway.portal.draft import Line
from gateway.portal.formats import day_of

#: As an address says it -> as the API does. In the order of the page.
STATUSES = {
    "encours": "SUBMITTED",
    "accepte": "ACCEPTED",
    "attente": "WAITLISTED",
    "refuse": "REFUSED",
    "annule": "CANCELLED",
    "expire": "EXPIRED",
}
PER_PAGE, ALL = 50, 500


@dataclass(frozen=True, slots=True)
class Filters:
    """`/reservations?enfant=&activite=&statut=&du=&au=&apres=&tout=`"""

    child: str = ""
    activity: str = ""
    status: str = ""  #: Of STATUSES; empty: any.
    first_day: str = ""  #: Empty: without a bound. What is no date, as it was typed.
    last_day: str = ""
    after: str = ""
    whole: bool = False  #: All on one page, for paper.
    errors: Mapping[str, str] = field(default_factory=dict)  #: Field -> code of what is wrong with it.

    @classmethod
    def of(cls, query: Mapping[str, str], today: dt.date) -> "Filters":
        """Where nothing is said of days: from today on."""
        first, last = query.get("du", today.isoformat()).strip(), query.get("au", "").strip()
        days = {name: day_of(text) for name, text in (("du", first), ("au", last)) if text}
        errors = {name: "PERIOD_WRONG" for name, day in days.items() if day is None}
        first, last = (f"{days.get(name) or text}" for name, text in (("du", first), ("au", last)))
        if not errors and len(days) == 2 and first > last:
            errors = {"au": "PERIOD_REVERSED"}
        status = query.get("statut", "")
        told = (query.get("enfant", ""), query.get("activite", ""), status if status in STATUSES else "")
        return cls(*told, first, last, query.get("apres", ""), query.get("tout") == "1", errors)

    @property
    def variables(self) -> dict[str, Any]:
        """Of the API's question."""
        days = {"from": self.first_day, "to": self.last_day}
        return {
            "child": self.child or None,
            "activity": self.activity or None,
            "status": [STATUSES[self.status]] if self.status else None,
            **{name: None if self.errors else text or None for name, text in days.items()},
        }

    def query(self, **other: str) -> str:
        """This page's address, with something else in it. Without where the page begins, which is another one's then."""
        told = {"enfant": self.child, "activite": self.activity, "statut": self.status, "du": self.first_day, "au": self.last_day}
        told |= {"tout": "1"} if self.whole else {}
        return urlencode({name: value for name, value in (told | other).items() if value or name == "du"})


@dataclass(frozen=True, slots=True)
class Followed:
    """One booking on the page."""

    told: Mapping[str, Any]
    today: dt.date
    drafted: bool  #: To be given back, in the draft.

    @property
    def line(self) -> str:
        """What would give it back, as a draft has it."""
        return draft.written([line_of(self.told)])

    @property
    def changes_hours(self) -> bool:
        """On the page of its day, in one act (S26)."""
        return self.can == "CANCEL" and self.told["status"] == "ACCEPTED" and bool(self.told["hoursChangeable"])

    @property
    def can(self) -> str:
        """LEAVE, CANCEL, DRAFTED; LOCKED, PAST: it stands, and that is all; empty: nothing stands any more."""
        status = self.told["status"]
        if status not in ("SUBMITTED", "ACCEPTED", "WAITLISTED"):
            return ""
        if self.drafted:
            return "DRAFTED"
        if self.told["cancellable"]:
            return "LEAVE" if status == "WAITLISTED" else "CANCEL"
        return "PAST" if dt.date.fromisoformat(self.told["date"]) < self.today else "LOCKED"


def line_of(told: Mapping[str, Any]) -> Line:
    return Line(dt.date.fromisoformat(told["date"]), told["child"]["id"], told["activity"]["id"], "CANCEL")
