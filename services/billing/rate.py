"""What one unit costs a family, by its quotient: bands ("tranches"), or a percentage of the quotient itself ("taux d'effort")."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any

#: Finer than that no town publishes a rate: 0.0619 %.
FINEST_PERCENT = Decimal("0.0001")


class TariffError(ValueError):
    """A tariff that would leave a family without a price, or with two. The message names the bands."""


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

    def as_data(self) -> dict[str, Any]:
        return {"up_to": _text(self.up_to), "cents": self.cents, "above": _text(self.above)}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> "QuotientBand":
        return cls(data["up_to"], data["cents"], data["above"])


def band_of(bands: Sequence[QuotientBand], quotient: Decimal | None) -> int:
    """Index of the band of a quotient. A family that told none pays the last band's rate, as towns do."""
    if quotient is None:
        return len(bands) - 1
    return next(i for i, band in enumerate(bands) if band.up_to is None or quotient <= band.up_to)


def cover_once(bands: Sequence[QuotientBand]) -> None:
    """Every quotient from 0 must fall in exactly one band. Raises TariffError."""
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


@dataclass(frozen=True, slots=True)
class Effort:
    """A percentage of the quotient taken as euros ("taux d'effort"): 0.5 % of 742 is 3,71. Never below the floor or above the ceiling.

    A family that told no quotient pays the ceiling, as it pays the last band elsewhere: so there is always one.
    """

    percent: Decimal | float | str
    ceiling_cents: int  #: plafond
    floor_cents: int = 0  #: plancher

    def __post_init__(self) -> None:
        percent = Decimal(str(self.percent))
        if not percent.is_finite() or not 0 < percent <= 100 or percent != percent.quantize(FINEST_PERCENT):
            raise TariffError(f"an effort rate is above 0 % and at most 100 %, with four decimals at most, not {self.percent}")
        object.__setattr__(self, "percent", percent.normalize() + 0)
        if not 0 <= self.floor_cents <= self.ceiling_cents:
            raise TariffError(f"a floor of {self.floor_cents} cents is not between 0 and the ceiling, {self.ceiling_cents} cents")

    def cents(self, quotient: Decimal | None) -> int:
        if quotient is None:
            return self.ceiling_cents
        return min(max(self.wished_cents(quotient), self.floor_cents), self.ceiling_cents)

    def wished_cents(self, quotient: Decimal) -> int:
        """Without floor and ceiling; half a cent up. So many euros, hundredths of them and percents: they cancel out."""
        return int((quotient * Decimal(self.percent)).quantize(Decimal(1), ROUND_HALF_UP))

    def as_data(self) -> dict[str, Any]:
        return {"percent": f"{self.percent:f}", "floor_cents": self.floor_cents, "ceiling_cents": self.ceiling_cents}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> "Effort":
        return cls(data["percent"], data["ceiling_cents"], data["floor_cents"])


def _text(value: Decimal | float | None) -> str | None:
    return None if value is None else f"{value:f}"
