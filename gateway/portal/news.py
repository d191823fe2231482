"""What a page follows: the addresses of streams that tell when what it shows changes, for its script (static/tracking.js)."""

from collections.abc import Iterable
from urllib.parse import quote, urlencode

#: A browser opens six connections to one address, for all its pages of it that somebody looks at.
MOST_FOLLOWED = 3
BALANCE = "/direct/solde"


def of_calendar(child: str, month: str, activity: str = "") -> str:
    """`month`: 2026-11. Empty: of all the child's activities."""
    return "/direct/calendrier?" + urlencode({"enfant": child, "mois": month} | ({"activite": activity} if activity else {}))


def of_request(request: str) -> str:
    """Until every line of it has its answer."""
    return f"/direct/demande/{quote(request, safe='')}"


def together(addresses: Iterable[str]) -> str:
    """As a page has them: the most important ones come first, and no more than it may follow."""
    return " ".join(list(dict.fromkeys(addresses))[:MOST_FOLLOWED])
