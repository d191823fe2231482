"""The audit trail of billing (services/audit.py): what an act here is about. Who notes one has locked the structure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.audit import Trail, reason_of
from services.billing.tables import Act, core

__all__ = ["Done", "broken_seals", "note", "reason_of"]

TRAIL = Trail(core(Act))
note, broken_seals = TRAIL.note, TRAIL.broken_seals


@dataclass(frozen=True, slots=True)
class Done:
    """What an agent did. `before` and `after` hold what changed, as JSON has it; ids are the public ones."""

    kind: str  #: UPPER_SNAKE, such as RECORD_PAYMENT.
    family: str | None = None
    wallet: str | None = None
    entry: str | None = None  #: Of the ledger: the first, where there are two.
    reason: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
