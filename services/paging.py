"""Pages of long lists: cursors that say after which row one goes on, and nothing that anybody should read."""

import base64
import binascii
from collections.abc import Sequence

MOST_PER_PAGE = 500


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
