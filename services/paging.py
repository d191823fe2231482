"""Pages of long lists: cursors that say after which row one goes on, and nothing that anybody should read."""

import base64
import binascii
import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from services.refusal import CodedError

MOST_PER_PAGE = 500

T = TypeVar("T")


def size_of(first: int | None, usual: int = 50, most: int = MOST_PER_PAGE) -> int:
    """Of a page. Raises CodedError."""
    size = usual if first is None else first
    if not 0 <= size <= most:
        english = f"first: a number from 0 to {most} is expected, not {size}."
        raise CodedError("BAD_USER_INPUT", english, f"first : un nombre de 0 à {most} est attendu, et non {size}.")
    return size


# ------------------------------------------------------------------------------------------------------------- cursors


def cursor_of(*key: object) -> str:
    return base64.urlsafe_b64encode("|".join(map(str, key)).encode()).decode()


#: The cursor of what comes before all that there is.
NEWEST = cursor_of(10**18 - 1)


def stays(rows: Sequence[object], after: str | None, start: str = NEWEST) -> str | None:
    """Of a page of none (`first: 0`): whoever goes on after it misses nothing. Null: nothing follows."""
    return (after or start) if rows else None


def parts_of(cursor: str) -> list[str]:
    """Raises ValueError."""
    try:
        return base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode().split("|")
    except binascii.Error as error:
        raise ValueError(cursor) from error


def number_of(text: str) -> int:
    """Raises ValueError, also for what no column of ours can hold."""
    if len(text) > 18:
        raise ValueError(text)
    return int(text)


def moment_of(text: str) -> dt.datetime:
    """Raises ValueError, also for what is not in a year from 1 to 9999 in UTC."""
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def place_of(cursor: str | None, read: Callable[[list[str]], T]) -> T | None:
    """After which row a page begins, as `read` makes it of the cursor's parts; it raises ValueError. None: at the beginning.

    Raises CodedError for what is no cursor of ours.
    """
    if cursor is None:
        return None
    try:
        return read(parts_of(cursor))
    except ValueError:
        english = "after: the endCursor of a page before is expected."
        raise CodedError("BAD_USER_INPUT", english, "after : l’endCursor d’une page précédente est attendu.") from None


def place_in(cursor: str | None, *kinds: Callable[[str], Any]) -> Any:
    """The same where each part of the cursor is of its kind: a tuple of them, or None."""
    return place_of(cursor, lambda parts: tuple(kind(part) for kind, part in zip(kinds, parts, strict=True)))


def position_of(cursor: str | None) -> int | None:
    """The same where a place is one number."""
    found: tuple[int] | None = place_in(cursor, number_of)
    return None if found is None else found[0]
