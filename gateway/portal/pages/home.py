"""The home page (P3): what the town says, the days to come, the money, and what is waiting for the family.

It stays open for hours in many kitchens, so it follows as little as it can: the family's balance, which changes when something is booked
or given back, and the last request until that has its answer. All of it is drawn anew then. It follows no calendar: those wake with every
place that anybody takes, and their streams are for whoever books. So a place in a waiting line, and what costs nothing, may be older.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from starlette.responses import Response

from gateway.portal import formats, news
from gateway.portal.operations import operation
from gateway.portal.pages.requests import sorted_by_kind
from gateway.portal.visit import YEAR_SECONDS, Visit

AHEAD = dt.timedelta(days=14)  #: Bookings within so many days are shown.
MOST_DAYS = 3  #: For each child.
SEEN = "preau_annonces"
VISIT = dt.timedelta(minutes=30)  #: Whoever comes back within this is still here: what was new stays new.
#: Each part by itself: an outage of what counts the money takes no booked day from the page.
HOME = operation("""query Home($from: Date!, $to: Date!) { ...Shell
  me { undeliverable secondFactorMissing { id name }
    families { id structure { announcements { id title body publishedAt } } children { id firstName } } }
  money: me { families { id balance { balanceCents estimatedCostCents newBalanceCents inDebit } } }
  booking: me { families { id bookingAccess { open refusal { message } }
    bookings(from: $from, to: $to, status: [ACCEPTED, WAITLISTED, SUBMITTED], first: 200) {
      nodes { id date arrival departure status rank child { id } activity { id name } } }
    requests(first: 1) { nodes { id number submittedAt decided movements { change refusal { code } booking { status } } } } } } }""")


async def home(visit: Visit) -> Response:
    now = visit.house.clock.now()
    first = (now - dt.timedelta(days=1)).date()  # Wherever on earth the structure is.
    await visit.ask(HOME, **{"from": first.isoformat(), "to": (first + AHEAD).isoformat()})
    if not visit.families:
        return visit.page("home_alone.html", tab="home", styles=("home",))
    family = visit.family
    timezone = family["structure"]["timezone"]
    today = formats.local(now, timezone).date()
    announcements = family["structure"]["announcements"]
    fresh = _seen(visit, family["structure"]["id"], announcements)
    money, booking = visit.part("money"), visit.part("booking")
    last = next(iter(booking["requests"]["nodes"]), None) if booking else None
    return visit.page(
        "home.html",
        tab="home",
        styles=("home", "news"),
        fresh=[each for each in announcements if each["id"] in fresh],
        known=[each for each in announcements if each["id"] not in fresh],
        balance=money and money["balance"],
        booking=booking,
        children=days_to_come(family["children"], booking["bookings"]["nodes"], today) if booking else [],
        today=today,
        day_of=lambda instant: formats.local(instant, timezone).date(),
        last=last,
        answers={kind: len(them) for kind, them in sorted_by_kind(last).items()} if last else {},
        draft=len(visit.choices()),
        live=news.together(_streams(last)),
    )


def _streams(last: Mapping[str, Any] | None) -> Iterator[str]:
    yield news.BALANCE
    if last and not last["decided"]:
        yield news.of_request(last["id"])


def days_to_come(
    children: Iterable[Mapping[str, Any]], bookings: Iterable[Mapping[str, Any]], today: dt.date
) -> list[tuple[Mapping[str, Any], list[tuple[str, list[Mapping[str, Any]]]]]]:
    """Each child with its next days on which something is booked, and what, in order of the hour."""
    found: dict[str, dict[str, list[Mapping[str, Any]]]] = {child["id"]: {} for child in children}
    for each in sorted(bookings, key=lambda one: (one["date"], one["arrival"])):
        if each["date"] >= today.isoformat() and each["child"]["id"] in found:
            found[each["child"]["id"]].setdefault(each["date"], []).append(each)
    return [(child, list(found[child["id"]].items())[:MOST_DAYS]) for child in children]


def _seen(visit: Visit, structure: str, announcements: Iterable[Mapping[str, Any]]) -> set[str]:
    """The ids of what is new since the last visit. The cookie tells, for each structure: what was seen before, is seen now, and when."""
    latest = max((_moment(each["publishedAt"]) for each in announcements), default=0)
    now = int(visit.house.clock.now().timestamp())
    name = f"{SEEN}_{structure}"
    before, seen, at = (int(each) if each.isascii() and each.isdigit() else 0 for each in (*visit.kept(name).split("~"), "", "", "")[:3])
    if now - at > VISIT.total_seconds():
        before, seen = seen, latest
    if not visit.is_anew:  # Which lays no announcement over the page.
        visit.keep(name, f"{before}~{max(seen, latest)}~{now}", YEAR_SECONDS)
    return {each["id"] for each in announcements if _moment(each["publishedAt"]) > before}


def _moment(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp())


PAGES = [("/", ("GET",), home)]
