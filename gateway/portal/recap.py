"""The recap of a draft (S33): what it showed, and whether confirming would give less by now than it showed.

What a page showed goes along with its form, a word for each line: so what becomes worse in between is shown before anything is sent
(S24), and what only became better is not asked twice.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.portal.draft import Line

#: Forecasts from the best to the worst, each with its letter in a form.
LETTERS = {"CANCELLED": "C", "ACCEPTED": "A", "SUBMITTED": "S", "WAITLISTED": "W", "REFUSED": "R"}
ORDER = list(LETTERS)
NAMES = {letter: name for name, letter in LETTERS.items()}
#: What is so already: asked for before, by this family, perhaps by this very form.
DONE = frozenset({"ALREADY_BOOKED", "UNKNOWN_BOOKING"})
_WORD = re.compile(r"([CASWR])(-?\d{1,9})?")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a page showed of one line."""

    forecast: str
    cents: int | None  #: None: it could not be told.


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a recap: as it was chosen, as the API tells it (PreviewLine), and how it was shown before, where that was better."""

    line: Line
    told: Mapping[str, Any]
    was: Seen | None = None

    @property
    def cents(self) -> int | None:
        cents: int | None = self.told.get("priceCents")
        return cents

    @property
    def counts(self) -> bool:
        """It costs, or gives back, something."""
        return bool(self.told["forecast"] != "REFUSED")

    @property
    def seen(self) -> Seen:
        return Seen(self.told["forecast"], self.cents)


def rows_of(lines: Sequence[Line], preview: Mapping[str, Any]) -> list[Row]:
    """In the lines' order. `preview`: Preview, which has the same lines by date, child and activity."""
    told = {_key(each): each for each in (*preview["bookings"], *preview["cancellations"])}
    keys = [(line.change, line.date.isoformat(), line.child, line.activity) for line in lines]
    return [Row(line, told[key]) for line, key in zip(lines, keys, strict=True) if key in told]


def _key(told: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return told["change"], told["date"], told["child"]["id"], told["activity"]["id"]


def written(rows: Iterable[Row]) -> str:
    return ".".join(LETTERS[row.told["forecast"]] + ("" if row.cents is None else str(row.cents)) for row in rows)


def read(text: str) -> list[Seen] | None:
    """None: it is none of ours."""
    found = [_WORD.fullmatch(word) for word in text.split(".")]
    if not all(found):
        return None
    return [Seen(NAMES[one[1]], None if one[2] is None else int(one[2])) for one in found if one]


def compared(rows: Iterable[Row], lines: Sequence[Line], seen: Sequence[Seen] | None) -> list[Row]:
    """The rows, each with what it was where it is worse now. `seen`: of `lines`; if it does not fit them, all is new."""
    shown = dict(zip(lines, seen, strict=True)) if seen is not None and len(seen) == len(lines) else {}
    return [Row(row.line, row.told, _before(shown.get(row.line), row)) for row in rows]


def _before(was: Seen | None, row: Row) -> Seen | None:
    if was is None:
        return row.seen
    return was if is_worse(was, row) else None


def is_worse(was: Seen, row: Row) -> bool:
    """A place is gone, or costs more, or less is given back. A rank further behind is not: by asking again one would lose another."""
    if (row.told["refusal"] or {}).get("code") in DONE:
        return False
    if ORDER.index(row.told["forecast"]) > ORDER.index(was.forecast):
        return True
    if was.cents is None or row.cents is None or not row.counts:
        return False
    return row.cents < was.cents if row.line.change == "CANCEL" else row.cents > was.cents


def siblings(lines: Sequence[Line]) -> list[list[int]]:
    """Groups of indexes: days on which several children are to be booked, which may be decided all or none."""
    days: dict[str, list[int]] = {}
    for index, line in enumerate(lines):
        if line.change == "BOOK":
            days.setdefault(line.date.isoformat(), []).append(index)
    return [indexes for indexes in days.values() if len({lines[index].child for index in indexes}) > 1]


def key_of(nonce: str, family: str, lines: Iterable[Line], *, waits: bool, together: bool) -> str:
    """Of the request: the same draft of the same browser is the same request, however often it is sent, until it was answered."""
    words = [nonce, family, str(waits), str(together), *map(repr, lines)]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


# ----------------------------------------------------------------------------------------------------------------- money
@dataclass(frozen=True, slots=True)
class Total:
    """In cents. None: of one line it could not be told."""

    whole: int | None
    waiting: int | None  #: Of it, what is owed only once a place is given (S13).


def total_of(rows: Iterable[Row]) -> Total:
    counted = [row for row in rows if row.counts]
    return Total(_sum(counted), _sum(row for row in counted if row.told["forecast"] in ("WAITLISTED", "SUBMITTED")))


def _sum(rows: Iterable[Row]) -> int | None:
    cents = [row.cents for row in rows]
    return None if None in cents else sum(filter(None, cents))


@dataclass(frozen=True, slots=True)
class Purse:
    """A wallet that the draft touches: its estimated balance before, and after."""

    name: str
    before: int
    after: int


def purses(rows: Iterable[Row], balance: Mapping[str, Any] | None) -> list[Purse]:
    """A waiting place is not owed (S13)."""
    moves: dict[str, int] = {}
    for row in rows:
        wallet, forecast = row.told.get("wallet"), row.told["forecast"]
        if wallet is not None and row.cents is not None and forecast != "REFUSED":
            sign = {"ACCEPTED": -1, "CANCELLED": 1}.get(forecast, 0)
            moves[wallet["id"]] = moves.get(wallet["id"], 0) + sign * row.cents
    lines = balance["lines"] if balance else []
    return [
        Purse(line["wallet"]["name"], line["newBalanceCents"], line["newBalanceCents"] + moves[line["wallet"]["id"]])
        for line in lines
        if line["wallet"]["id"] in moves
    ]
