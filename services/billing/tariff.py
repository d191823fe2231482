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
from typing import Any

NOON = 12 * 60  #: Cuts the day into its two halves, in minutes after midnight.


class TariffError(ValueError):
    """A tariff that would leave a family without a price, or with two. The message names the bands."""


class Per(StrEnum):
    """What the band's amount buys."""

    PRESENCE = "presence"  #: présence
    HALF_DAY = "half_day"  #: demi-journée: halves of the day, cut at noon, that the stay touches
    MEAL = "meal"  #: repas
    HOUR = "hour"  #: heure, to the minute
    FLAT_MONTH = "flat_month"  #: forfait mensuel: a single day adds nothing


def exact_quotient(value: Decimal | float | str) -> Decimal:
    """A family quotient ("quotient familial"), to two decimals. Raises ValueError if it is negative or no number."""
    quotient = Decimal(str(value))
    if not quotient.is_finite() or quotient < 0:
        raise ValueError(f"a quotient is a number from 0, not {value}")
    return quotient.quantize(Decimal("0.01")).normalize() + 0  # + 0: no exponent form such as 5E+2 below


@dataclass(frozen=True, slots=True)
class QuotientBand:
    """One rate ("tranche"): for quotients above `above`, up to and including `up_to`.

    Without `above` it begins where the band before it ends; without `up_to` it has no end.
    """

    up_to: Decimal | float | None
    cents: int
    above: Decimal | float | None = None

    def __post_init__(self) -> None:
        for name in ("up_to", "above"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else exact_quotient(value))
        if self.cents < 0:
            raise TariffError(f"a band costs 0 or more, not {self.cents} cents")

    def __str__(self) -> str:
        start = "" if self.above is None else f"above {self.above:f} "
        return f"{start}{'without end' if self.up_to is None else f'up to {self.up_to:f}'}"


@dataclass(frozen=True, slots=True)
class TariffVersion:
    """The rule in force from a date until the next version's. Raises TariffError if a quotient has no band, or two."""

    from_: dt.date
    per: Per
    bands: tuple[QuotientBand, ...]
    siblings_percent: tuple[int, ...] = ()  #: Reduction of the first child, the second...; the last one goes on for all others.

    def __post_init__(self) -> None:
        object.__setattr__(self, "per", Per(self.per))
        object.__setattr__(self, "bands", tuple(self.bands))
        object.__setattr__(self, "siblings_percent", tuple(self.siblings_percent))
        if not all(0 <= percent <= 100 for percent in self.siblings_percent):
            raise TariffError(f"a reduction is between 0 and 100 %: {list(self.siblings_percent)}")
        _cover_once(self.bands)

    @property
    def counts_siblings(self) -> bool:
        """Whether the price depends on who else of the family comes."""
        return any(self.siblings_percent)

    def band(self, quotient: Decimal | None) -> int:
        """Index of the band of a quotient. A family that told none pays the last band's rate, as towns do."""
        if quotient is None:
            return len(self.bands) - 1
        return next(i for i, band in enumerate(self.bands) if band.up_to is None or quotient <= band.up_to)

    def reduction_percent(self, sibling_rank: int) -> int:
        """For the n-th child of the family that day, from 1."""
        if not self.siblings_percent:
            return 0
        return self.siblings_percent[min(sibling_rank, len(self.siblings_percent)) - 1]

    def as_data(self) -> dict[str, Any]:
        """As it is stored and compared."""
        return {
            "from": self.from_.isoformat(),
            "per": self.per.value,
            "bands": [{"up_to": _text(band.up_to), "cents": band.cents, "above": _text(band.above)} for band in self.bands],
            "siblings_percent": list(self.siblings_percent),
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> "TariffVersion":
        bands = tuple(QuotientBand(band["up_to"], band["cents"], band["above"]) for band in data["bands"])
        return cls(dt.date.fromisoformat(data["from"]), Per(data["per"]), bands, tuple(data["siblings_percent"]))


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
    """The quotient in force on that day, of (from, value) in order of date. None: the family told none."""
    return next((value for start, value in reversed(quotients) if start <= day), None)


def sibling_rank(child: str, children: Sequence[str], present: Collection[str]) -> int:
    """Rank by birth, from 1, among the family's children (eldest first) that come to the activity that day."""
    elder = children[: children.index(child)] if child in children else ()
    return 1 + sum(1 for sibling in elder if sibling in present)


def price(version: TariffVersion, quotient: Decimal | None, arrival: str, departure: str, rank: int = 1) -> Price:
    """The price of one day with hours "HH:MM", for the child of that sibling rank."""
    number = version.band(quotient)
    band_step = _band_step(version, number, quotient)
    gross, quantity = _gross(version.per, version.bands[number].cents, _minutes(arrival), _minutes(departure))
    steps = [Step(band_step.code, band_step.details, gross)] if quantity is None else [band_step, quantity]
    percent = version.reduction_percent(rank)
    net = _half_up(gross * (100 - percent), 100)
    if percent:
        steps.append(Step("SIBLING" if rank > 1 else "FIRST_CHILD", {"rank": str(rank), "percent": str(percent)}, net - gross))
    return Price(net, tuple(steps))


def _gross(per: Per, cents: int, arrival: int, departure: int) -> tuple[int, Step | None]:
    """The amount before reductions, and the step that says how much was taken of the band's rate, where it is not simply one."""
    if per is Per.HOUR:
        minutes = max(0, departure - arrival)
        amount = _half_up(cents * minutes, 60)
        return amount, Step("HOURS", {"duration": _duration(minutes)}, amount)
    if per is Per.HALF_DAY and arrival < NOON < departure:
        return 2 * cents, Step("HALF_DAYS", {"count": "2"}, 2 * cents)
    if per is Per.FLAT_MONTH:
        return 0, Step("FLAT_MONTH", {}, 0)
    return cents, None


def _band_step(version: TariffVersion, number: int, quotient: Decimal | None) -> Step:
    if len(version.bands) == 1:
        return Step("SINGLE_RATE", {})
    if quotient is None:
        return Step("BAND_WITHOUT_QUOTIENT", {"band": str(number + 1)})
    return Step("BAND", {"band": str(number + 1), "quotient": f"{quotient:f}"})


def _cover_once(bands: Sequence[QuotientBand]) -> None:
    """Every quotient from 0 must fall in exactly one band."""
    if not bands:
        raise TariffError("a tariff has at least one band")
    if bands[0].above:
        raise TariffError(f"hole: no band before band 1 ({bands[0]})")
    for number, (lower, upper) in enumerate(pairwise(bands), start=1):
        pair = f"band {number} ({lower}) and band {number + 1} ({upper})"
        if lower.up_to is None or (upper.up_to is not None and upper.up_to <= lower.up_to):
            raise TariffError(f"overlap: {pair}")
        if upper.above is not None and upper.above != lower.up_to:
            raise TariffError(f"{'hole' if upper.above > lower.up_to else 'overlap'}: {pair}")
    if bands[-1].up_to is not None:
        raise TariffError(f"hole: no band after band {len(bands)} ({bands[-1]}); the last band has no upper limit")


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _minutes(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)


def _duration(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{rest} min"
    return f"{hours} h {rest:02}" if rest else f"{hours} h"


def _text(value: Decimal | float | None) -> str | None:
    return None if value is None else f"{value:f}"
