"""How much of a day's price is charged, by what became of the day: a town's rules, which a family's price is frozen with."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from services.billing.rate import TariffError

MOST_PERCENT = 1000  #: A town that fines is not one that ruins.


class Attendance(StrEnum):
    """What became of a child's day, in booking's words."""

    PRESENT = "PRESENT"  #: présent
    ABSENT_JUSTIFIED = "ABSENT_JUSTIFIED"  #: absent justifié
    ABSENT_UNJUSTIFIED = "ABSENT_UNJUSTIFIED"  #: absent non justifié


@dataclass(frozen=True, slots=True)
class LatePickup:
    """What is due where a child left later than booked ("départ tardif"): once, or for each period that has begun."""

    cents: int
    after_minutes: int = 0  #: So much later is borne; whoever is later than that is late from the booked hour on.
    every_minutes: int | None = None  #: Null: once, however late.

    def __post_init__(self) -> None:
        if self.cents <= 0 or self.after_minutes < 0 or (self.every_minutes is not None and self.every_minutes <= 0):
            raise TariffError(f"a late pick-up costs something, after 0 minutes or more: {self}")

    def due_cents(self, late_minutes: int) -> int:
        if late_minutes <= self.after_minutes:
            return 0
        return self.cents * (1 if self.every_minutes is None else -(-late_minutes // self.every_minutes))


@dataclass(frozen=True, slots=True)
class Charged:
    """Present: the price. Otherwise these shares of it. What is not said is what most towns do."""

    absent_justified_percent: int = 0
    absent_unjustified_percent: int = 100
    unexpected_percent: int = 100  #: A child that came without a booking: of what that day costs.
    late: LatePickup | None = None

    def __post_init__(self) -> None:
        absences = (self.absent_justified_percent, self.absent_unjustified_percent)
        if not all(0 <= percent <= 100 for percent in absences):
            raise TariffError(f"an absence costs between 0 and 100 % of the price, not {absences}")
        if not 0 <= self.unexpected_percent <= MOST_PERCENT:
            raise TariffError(f"a presence without booking costs between 0 and {MOST_PERCENT} %, not {self.unexpected_percent}")

    def percent(self, attendance: Attendance, *, booked: bool) -> int:
        match attendance:
            case Attendance.ABSENT_JUSTIFIED:
                return self.absent_justified_percent
            case Attendance.ABSENT_UNJUSTIFIED:
                return self.absent_unjustified_percent
        return 100 if booked else self.unexpected_percent

    def as_data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> "Charged":
        late = data["late"]
        return cls(**{**data, "late": None if late is None else LatePickup(**late)})


AS_MOST_TOWNS_DO = Charged()
