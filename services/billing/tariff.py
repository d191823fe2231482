"""What a day costs: from a tariff, the family's quotient, the hours and the siblings to a price that explains itself.

All arithmetic is in whole cents. Each step is rounded as it is taken, half a cent up (262.5 -> 263), and the next step starts
from the rounded amount: so the steps that a family reads add up to the price, to the cent.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any, TypeVar

from services.billing.charged import AS_MOST_TOWNS_DO, MOST_PERCENT, Charged
from services.billing.rate import Effort, QuotientBand, TariffError, band_of, cover_once

V = TypeVar("V")

NOON = 12 * 60  #: Cuts the day into its two halves, in minutes after midnight.
FLAT_DAY = "FLAT_MONTH_DAY"  #: The step of a day that costs nothing by itself, and makes its month due.
LONGEST_ROUNDING_MINUTES = 4 * 60


class Per(StrEnum):
    """What the rate buys."""

    PRESENCE = "presence"  #: présence
    HALF_DAY = "half_day"  #: demi-journée: halves of the day, cut at noon, that the stay touches
    MEAL = "meal"  #: repas
    HOUR = "hour"  #: heure, to the minute unless the tariff rounds
    FLAT_MONTH = "flat_month"  #: forfait mensuel: once a month, whatever the days


class RoundTo(StrEnum):
    """Which way the length of a stay is rounded."""

    UP = "up"  #: toute période commencée est due
    NEAREST = "nearest"  #: au plus proche; in the middle, up
    DOWN = "down"  #: seules les périodes entières


@dataclass(frozen=True, slots=True)
class Rounding:
    """How the length of a stay is counted where it is paid by the hour: in steps of so many minutes."""

    minutes: int
    to: RoundTo = RoundTo.UP

    def __post_init__(self) -> None:
        object.__setattr__(self, "to", RoundTo(self.to))
        if not 1 <= self.minutes <= LONGEST_ROUNDING_MINUTES:
            raise TariffError(f"hours are rounded to 1 to {LONGEST_ROUNDING_MINUTES} minutes, not {self.minutes}")

    def counted(self, minutes: int) -> int:
        steps, rest = divmod(minutes, self.minutes)
        more = {RoundTo.UP: rest > 0, RoundTo.NEAREST: 2 * rest >= self.minutes, RoundTo.DOWN: False}[self.to]
        return (steps + more) * self.minutes


@dataclass(frozen=True, slots=True)
class Surcharge:
    """What a family that lives elsewhere pays more ("majoration hors commune"): a percentage, or cents a day (a month, where flat)."""

    percent: int = 0
    cents: int = 0

    def __post_init__(self) -> None:
        if (self.percent > 0) == (self.cents > 0) or min(self.percent, self.cents) < 0 or self.percent > MOST_PERCENT:
            raise TariffError(f"a surcharge is a percentage up to {MOST_PERCENT}, or cents: {self}")


@dataclass(frozen=True, slots=True)
class TariffVersion:
    """The rule in force from a date until the next version's: by bands, or by an effort rate.

    Raises TariffError if a quotient has no band, or two.
    """

    from_: dt.date
    per: Per
    bands: tuple[QuotientBand, ...] = ()
    siblings_percent: tuple[int, ...] = ()  #: Reduction of the first child, the second...; the last one goes on for all others.
    effort: Effort | None = None  #: Instead of bands.
    rounding: Rounding | None = None  #: Of hours; None: to the minute.
    outside_town: Surcharge | None = None
    charged: Charged = AS_MOST_TOWNS_DO

    def __post_init__(self) -> None:
        object.__setattr__(self, "per", Per(self.per))
        object.__setattr__(self, "bands", tuple(self.bands))
        object.__setattr__(self, "siblings_percent", tuple(self.siblings_percent))
        if not all(0 <= percent <= 100 for percent in self.siblings_percent):
            raise TariffError(f"a reduction is between 0 and 100 %: {list(self.siblings_percent)}")
        if self.rounding is not None and self.per is not Per.HOUR:
            raise TariffError(f"only hours are rounded, not what is paid per {self.per}")
        if self.effort is None:
            cover_once(self.bands)
        elif self.bands:
            raise TariffError("a tariff has bands or an effort rate, not both")

    @property
    def counts_siblings(self) -> bool:
        """Whether the price depends on who else of the family comes."""
        return any(self.siblings_percent)

    def band(self, quotient: Decimal | None) -> int:
        """Index of the band of a quotient."""
        return band_of(self.bands, quotient)

    def reduction_percent(self, sibling_rank: int) -> int:
        """For the n-th child of the family that day, from 1."""
        if not self.siblings_percent:
            return 0
        return self.siblings_percent[min(sibling_rank, len(self.siblings_percent)) - 1]

    def as_data(self) -> dict[str, Any]:
        """As it is stored and compared. What a tariff does not have is not there."""
        data: dict[str, Any] = {
            "from": self.from_.isoformat(),
            "per": self.per.value,
            "bands": [band.as_data() for band in self.bands],
            "siblings_percent": list(self.siblings_percent),
        }
        if self.effort is not None:
            data["effort"] = self.effort.as_data()
        if self.rounding is not None:
            data["rounding"] = {"minutes": self.rounding.minutes, "to": self.rounding.to.value}
        if self.outside_town is not None:
            data["outside_town"] = {"percent": self.outside_town.percent, "cents": self.outside_town.cents}
        if self.charged != AS_MOST_TOWNS_DO:
            data["charged"] = self.charged.as_data()
        return data

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> "TariffVersion":
        effort, rounding, outside_town, charged = (data.get(key) for key in ("effort", "rounding", "outside_town", "charged"))
        return cls(
            dt.date.fromisoformat(data["from"]),
            Per(data["per"]),
            tuple(QuotientBand.from_data(band) for band in data["bands"]),
            tuple(data["siblings_percent"]),
            effort=effort and Effort.from_data(effort),
            rounding=rounding and Rounding(**rounding),
            outside_town=outside_town and Surcharge(**outside_town),
            charged=Charged.from_data(charged) if charged else AS_MOST_TOWNS_DO,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an explanation: `code` and `details` become words in texts.py; no amount where the line only informs."""

    code: str
    details: dict[str, str]
    amount_cents: int | None = None

    def as_data(self) -> dict[str, Any]:
        return {"code": self.code, "details": self.details, "amount_cents": self.amount_cents}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> "Step":
        return cls(data["code"], data["details"], data["amount_cents"])


@dataclass(frozen=True, slots=True)
class Price:
    """What it costs and why: the amounts of the steps add up to `cents`."""

    cents: int
    steps: tuple[Step, ...]


FREE = Price(0, (Step("FREE", {}, 0),))


def in_order(versions: Sequence[TariffVersion]) -> tuple[TariffVersion, ...]:
    """By date. Raises TariffError where two begin on the same day."""
    ordered = tuple(sorted(versions, key=lambda version: version.from_))
    for earlier, later in pairwise(ordered):
        if earlier.from_ == later.from_:
            raise TariffError(f"two versions of the tariff begin on {later.from_}")
    return ordered


def version_on(versions: Sequence[TariffVersion], day: dt.date) -> TariffVersion:
    """The version in force on that day, of versions in order; the first also serves the days before it.

    Towns that change over in mid-season write down the current tariff only.
    """
    return next((version for version in reversed(versions) if version.from_ <= day), versions[0])


def quotient_on(quotients: Sequence[tuple[dt.date, Decimal | None]], day: dt.date) -> Decimal | None:
    """The quotient in force on that day. None: the family told none."""
    return _in_force(quotients, day, None)


def lives_outside(residences: Sequence[tuple[dt.date, bool]], day: dt.date) -> bool:
    """Whether the family lived elsewhere on that day, of (from, resident). Of whom nothing was said lives here."""
    return not _in_force(residences, day, True)


def _in_force(told: Sequence[tuple[dt.date, V]], day: dt.date, untold: V) -> V:
    """What holds on that day, of (from, value) in order of date."""
    return next((value for start, value in reversed(told) if start <= day), untold)


def sibling_rank(child: str, children: Sequence[str], present: Collection[str]) -> int:
    """Rank by birth, from 1, among the family's children (eldest first) that come to the activity that day."""
    elder = children[: children.index(child)] if child in children else ()
    return 1 + sum(1 for sibling in elder if sibling in present)


def price(
    version: TariffVersion, quotient: Decimal | None, arrival: str, departure: str, rank: int = 1, *, outside_town: bool = False
) -> Price:
    """The price of one day with hours "HH:MM", for the child of that sibling rank. A day of a flat month costs nothing by itself."""
    cents, unit = _unit(version, quotient)
    if version.per is Per.FLAT_MONTH:
        month = _adjusted(version, (Step(unit.code, unit.details, cents),), rank, outside_town=outside_town).cents
        return Price(0, (unit, Step(FLAT_DAY, {"euros": f"{month // 100}.{month % 100:02}"}, 0)))
    quantity = _quantity(version, cents, _minutes(arrival), _minutes(departure))
    steps = (Step(unit.code, unit.details, cents),) if quantity is None else (unit, quantity)
    return _adjusted(version, steps, rank, outside_town=outside_town)


def month_price(version: TariffVersion, quotient: Decimal | None, month: str, rank: int = 1, *, outside_town: bool = False) -> Price:
    """What a flat month "YYYY-MM" costs, for the child of that sibling rank; nothing where the tariff is of another kind."""
    if version.per is not Per.FLAT_MONTH:
        return Price(0, ())
    cents, unit = _unit(version, quotient)
    steps = (Step("FLAT_MONTH_WHOLE", {"month": f"{month[5:]}/{month[:4]}"}), Step(unit.code, unit.details, cents))
    return _adjusted(version, steps, rank, outside_town=outside_town)


def share(whole: Price, percent: int, code: str) -> Price:
    """That much of a price, and why: nothing is said where it is all of it."""
    if percent == 100:
        return whole
    cents = half_up(whole.cents * percent, 100)
    return Price(cents, (*whole.steps, Step(code, {"percent": str(percent)}, cents - whole.cents)))


def _unit(version: TariffVersion, quotient: Decimal | None) -> tuple[int, Step]:
    """What one presence, hour or month costs, and the step that says why."""
    if version.effort is not None:
        return version.effort.cents(quotient), _effort_step(version.effort, quotient)
    number = version.band(quotient)
    return version.bands[number].cents, _band_step(version, number, quotient)


def _quantity(version: TariffVersion, cents: int, arrival: int, departure: int) -> Step | None:
    """The step that says how much was taken of the rate, where it is not simply one."""
    if version.per is Per.HOUR:
        minutes = max(0, departure - arrival)
        counted = version.rounding.counted(minutes) if version.rounding else minutes
        amount = half_up(cents * counted, 60)
        if counted == minutes:
            return Step("HOURS", {"duration": duration(minutes)}, amount)
        return Step("HOURS_ROUNDED", {"duration": duration(minutes), "counted": duration(counted)}, amount)
    if version.per is Per.HALF_DAY and arrival < NOON < departure:
        return Step("HALF_DAYS", {"count": "2"}, 2 * cents)
    return None


def _adjusted(version: TariffVersion, steps: tuple[Step, ...], rank: int, *, outside_town: bool) -> Price:
    """What siblings take off, then what living elsewhere puts on: no reduction makes a surcharge in cents smaller."""
    gross = sum(step.amount_cents or 0 for step in steps)
    found = list(steps)
    percent = version.reduction_percent(rank)
    net = half_up(gross * (100 - percent), 100)
    if percent:
        found.append(Step("SIBLING" if rank > 1 else "FIRST_CHILD", {"rank": str(rank), "percent": str(percent)}, net - gross))
    if outside_town and version.outside_town is not None:
        more = _outside_step(version.outside_town, net)
        found.append(more)
        net += more.amount_cents or 0
    return Price(net, tuple(found))


def _outside_step(surcharge: Surcharge, cents: int) -> Step:
    if surcharge.percent:
        return Step("OUTSIDE_TOWN_PERCENT", {"percent": str(surcharge.percent)}, half_up(cents * surcharge.percent, 100))
    return Step("OUTSIDE_TOWN", {}, surcharge.cents)


def _band_step(version: TariffVersion, number: int, quotient: Decimal | None) -> Step:
    if len(version.bands) == 1:
        return Step("SINGLE_RATE", {})
    if quotient is None:
        return Step("BAND_WITHOUT_QUOTIENT", {"band": str(number + 1)})
    return Step("BAND", {"band": str(number + 1), "quotient": f"{quotient:f}"})


def _effort_step(effort: Effort, quotient: Decimal | None) -> Step:
    if quotient is None:
        return Step("EFFORT_WITHOUT_QUOTIENT", {})
    wished = effort.wished_cents(quotient)
    details = {"percent": f"{effort.percent:f}", "quotient": f"{quotient:f}"}
    if wished < effort.floor_cents:
        return Step("EFFORT_FLOOR", details)
    return Step("EFFORT_CEILING" if wished > effort.ceiling_cents else "EFFORT", details)


def half_up(numerator: int, denominator: int) -> int:
    """Rounded to whole cents, half a cent up."""
    return (2 * numerator + denominator) // (2 * denominator)


def _minutes(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)


def duration(minutes: int) -> str:
    """As people say it."""
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{rest} min"
    return f"{hours} h {rest:02}" if rest else f"{hours} h"


def minutes_late(booked: str, departure: str) -> int:
    """How much later than booked, both "HH:MM"; 0 for whoever was in time."""
    return max(0, _minutes(departure) - _minutes(booked))
