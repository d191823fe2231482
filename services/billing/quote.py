"""What days will cost, for many children at once: the tariffs, quotients and siblings that a batch of days needs, and the answer."""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Self

from services.billing.tariff import FREE, Price, TariffVersion, lives_outside, month_price, price, quotient_on, sibling_rank, version_on

Presence = tuple[str, str, dt.date]  #: family, activity, date


class Unpriced(Exception):
    """There is nothing to price this day with: the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Day:
    """One child of one family at one activity on one day. Hours as "HH:MM"."""

    family: str
    child: str
    activity: str
    date: dt.date
    arrival: str
    departure: str

    @property
    def presence(self) -> Presence:
        return self.family, self.activity, self.date


def no_activity(id: str) -> Unpriced:
    return Unpriced(f"the activity {id}, its tariff or its wallet")


@dataclass(frozen=True, slots=True)
class PricedActivity:
    """An activity with the wallet it draws on and its tariff (versions in order of date; none: free)."""

    structure: str
    wallet: str
    revision: int
    versions: tuple[TariffVersion, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """A price, what it draws on, and which rule it came from."""

    wallet: str
    price: Price
    tariff_version: str
    explanation: list[dict[str, Any]]  #: The price's steps, as they are stored.

    @classmethod
    def of(cls, wallet: str, price: Price, tariff_version: str) -> Self:
        return cls(wallet, price, tariff_version, [step.as_data() for step in price.steps])


@dataclass(frozen=True, slots=True)
class Rule:
    """What prices a day or a month, now or as it was frozen: one version of a tariff, and the wallet that is drawn on."""

    wallet: str
    tariff_version: str
    version: TariffVersion | None  #: None: it is free.


@dataclass(slots=True)
class Catalogue:
    """Everything that prices a batch of days."""

    activities: Mapping[str, PricedActivity]
    children: Mapping[str, tuple[str, ...]]  #: Family -> its children, the eldest first.
    quotients: Mapping[str, list[tuple[dt.date, Decimal | None]]]  #: Family -> (from, value) in order of date.
    #: Who comes, booking -> child, by live holds and by what was said since: a child may give a day back and book it again.
    present: dict[Presence, dict[str, str]] = field(default_factory=dict)
    #: Family -> (from, lives in the town) in order of date, where a tariff asks.
    residences: Mapping[str, list[tuple[dt.date, bool]]] = field(default_factory=dict)
    #: By all that makes a price: a rush asks for the same few thousands of times.
    _quotes: dict[tuple[int, str, str, Decimal | None, str, str, int, bool], Quote] = field(default_factory=dict)

    def comes(self, booking: str, day: Day) -> None:
        self.present.setdefault(day.presence, {})[booking] = day.child

    def leaves(self, booking: str, day: Day) -> None:
        self.present.get(day.presence, {}).pop(booking, None)

    def quote(self, day: Day, leaving: Collection[str] = ()) -> Quote:
        """Its price, by the siblings that come too, without those bookings that are just being given back.

        Raises Unpriced.
        """
        return self.quote_by(self.rule(day.activity, day.date), day, self._coming(day, leaving))

    def rule(self, activity: str, date: dt.date) -> Rule:
        """What prices that day by the tariff as it is now. Raises Unpriced."""
        known = self._activity(activity)
        if not known.versions:
            return Rule(known.wallet, f"{known.revision}/", None)
        version = version_on(known.versions, date)
        return Rule(known.wallet, f"{known.revision}/{version.from_}", version)

    def quote_by(self, rule: Rule, day: Day, together: Collection[str]) -> Quote:
        """Its price by that rule, beside those children of the family. Raises Unpriced."""
        version = rule.version
        if version is None:
            return Quote.of(rule.wallet, FREE, rule.tariff_version)
        rank = self._rank(day.family, day.child, together) if version.counts_siblings else 1
        quotient = quotient_on(self.quotients.get(day.family, ()), day.date)
        outside = version.outside_town is not None and lives_outside(self.residences.get(day.family, ()), day.date)
        # The version by its identity: it lives as long as the catalogue, and comparing all its bands takes longer than a price.
        key = id(version), rule.wallet, day.activity, quotient, day.arrival, day.departure, rank, outside
        quote = self._quotes.get(key)
        if quote is None:
            worked_out = price(version, quotient, day.arrival, day.departure, rank, outside_town=outside)
            quote = self._quotes[key] = Quote.of(rule.wallet, worked_out, rule.tariff_version)
        return quote

    def quote_month(self, family: str, child: str, activity: str, month: str, together: Collection[str]) -> Quote:
        """A flat month "YYYY-MM", as of its first day, beside the siblings whose month is due too; 0 where the tariff is of another kind.

        Raises Unpriced.
        """
        rule = self.rule(activity, dt.date.fromisoformat(f"{month}-01"))
        return Quote.of(rule.wallet, self.month_by(rule.version, family, child, month, together), rule.tariff_version)

    def month_by(self, version: TariffVersion | None, family: str, child: str, month: str, together: Collection[str]) -> Price:
        """A flat month's price by that version of a tariff. Raises Unpriced."""
        if version is None:
            return Price(0, ())
        first = dt.date.fromisoformat(f"{month}-01")
        rank = self._rank(family, child, together) if version.counts_siblings else 1
        quotient = quotient_on(self.quotients.get(family, ()), first)
        outside = lives_outside(self.residences.get(family, ()), first)
        return month_price(version, quotient, month, rank, outside_town=outside)

    def _activity(self, id: str) -> PricedActivity:
        if id not in self.activities:
            raise no_activity(id)
        return self.activities[id]

    def _coming(self, day: Day, leaving: Collection[str]) -> Collection[str]:
        return {child for booking, child in self.present.get(day.presence, {}).items() if booking not in leaving}

    def _rank(self, family: str, child: str, together: Collection[str]) -> int:
        children = self.children.get(family)
        if children is None:
            raise Unpriced(f"the children of family {family}")
        return sibling_rank(child, children, together)
