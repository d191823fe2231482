"""The audit trail of billing (services/audit.py): what an act here is about. Who notes one has locked the structure."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.audit import EMPTIED, Trail, reason_of
from services.billing.tables import Act, core

__all__ = ["EMPTIED", "ActRow", "Done", "broken_seals", "empty", "note", "page", "reason_of"]

TRAIL = Trail(core(Act))
note, page, empty, broken_seals = TRAIL.note, TRAIL.page, TRAIL.empty, TRAIL.broken_seals


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


@dataclass(frozen=True, slots=True)
class ActRow:
    """One act, as it is read."""

    position: int
    account: str
    at: dt.datetime
    kind: str
    family: str | None
    wallet: str | None
    entry: str | None
    reason: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
