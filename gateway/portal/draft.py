"""The draft (S25): changes chosen and not confirmed. The browser keeps it, in a cookie that scripts and forms both change.

So it is there on the next page, in another tab, without a network and after signing in again, and the server keeps nothing. As it is
written, static/draft.js must write it too:

    child:activity:items|child:activity:items
    items: b202611.3fc00@07300845+c202612.1

`b` to book, `c` to cancel, the month, its days as bits in hexadecimal (the lowest is the 1st), and the hours where the family chose them.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

#: characters; a browser keeps 4,096 bytes of a cookie with its name.
LONGEST: Final = 3_600
KEPT_SECONDS: Final = 7 * 24 * 3600
#: lines; more than any cookie holds. What has more was made by hand, and reading all of it would keep everybody else waiting.
MOST: Final = 7_500
_ITEM = re.compile(r"([bc])([1-9]\d{3}(?:0[1-9]|1[0-2]))\.([0-9a-f]{1,8})(?:@(\d{4})(\d{4}))?", re.ASCII)

Change = Literal["BOOK", "CANCEL"]


class TooLong(ValueError):
    """More than a browser keeps: a part has to be confirmed first."""


@dataclass(frozen=True, slots=True)
class Line:
    date: dt.date
    child: str
    activity: str
    change: Change = "BOOK"
    arrival: str | None = None  #: HH:MM, where the family chose
    departure: str | None = None

    @property
    def input(self) -> dict[str, Any]:
        """BookingLineInput"""
        told = {"change": self.change, "child": self.child, "activity": self.activity, "date": self.date.isoformat()}
        hours = {"arrival": self.arrival, "departure": self.departure}
        return told | ({} if self.change == "CANCEL" else {name: value for name, value in hours.items() if value})


def cookie(family: str) -> str:
    """Each family has a draft of its own."""
    return f"preau_brouillon_{quote(family, safe='')}"


def read(written: str) -> list[Line]:
    """By date. What cannot be read is left out: a cookie may be anything."""
    lines = (line for group in written.split("|") for line in _group(group))
    return sorted(set(islice(lines, MOST)), key=_order)


def _order(line: Line) -> tuple[dt.date, str, str, str, str]:
    return line.date, line.child, line.activity, line.change, line.arrival or ""


def _group(group: str) -> Iterable[Line]:
    child, activity, items = (*group.split(":"), "", "")[:3]
    for item in items.split("+"):
        found = _ITEM.fullmatch(item)
        if found and child and activity:
            change, month, days, arrival, departure = found.groups()
            hours = (_hour(arrival), _hour(departure)) if arrival else (None, None)
            for date in _days(month, int(days, 16)):
                yield Line(date, unquote(child), unquote(activity), "BOOK" if change == "b" else "CANCEL", *hours)


def _days(month: str, days: int) -> Iterable[dt.date]:
    for day in range(1, 32):
        if days >> (day - 1) & 1:
            try:
                yield dt.date(int(month[:4]), int(month[4:]), day)
            except ValueError:
                return


def _hour(digits: str) -> str:
    return f"{digits[:2]}:{digits[2:]}"


def written(lines: Iterable[Line]) -> str:
    """Raises TooLong."""
    groups: dict[tuple[str, str], dict[tuple[str, str, str], int]] = {}
    for line in sorted(lines, key=_order):
        hours = "@" + (line.arrival + line.departure).replace(":", "") if line.arrival and line.departure else ""
        item = (line.change[0].lower(), f"{line.date:%Y%m}", hours)
        group = groups.setdefault((line.child, line.activity), {})
        group[item] = group.get(item, 0) | 1 << (line.date.day - 1)
    text = "|".join(
        f"{quote(child, safe='')}:{quote(activity, safe='')}:"
        + "+".join(f"{change}{month}.{days:x}{hours}" for (change, month, hours), days in sorted(group.items()))
        for (child, activity), group in sorted(groups.items())
    )
    if len(text) > LONGEST:
        raise TooLong
    return text


def kept(lines: Iterable[Line]) -> str | None:
    """As it is written; None: it is too long for that, as only a cookie can be that somebody made by hand."""
    try:
        return written(lines)
    except TooLong:
        return None


def of(told: Iterable[Mapping[str, Any]]) -> list[Line]:
    """A draft as the API tells it (BookingLine)."""
    return [
        Line(
            dt.date.fromisoformat(each["date"]),
            each["child"]["id"],
            each["activity"]["id"],
            each["change"],
            *((each["arrival"], each["departure"]) if each["change"] == "BOOK" and each["activity"]["choosesHours"] else (None, None)),
        )
        for each in told
    ]
