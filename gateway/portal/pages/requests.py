"""What came of a request (P14), and the list of requests (S34, S35)."""

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import Response

from gateway.portal import news
from gateway.portal.operations import operation
from gateway.portal.visit import Visit

PER_PAGE = 20
OUTCOME = operation("""query Outcome($id: ID!) { ...Shell request(id: $id) { id number submittedAt decided byAgent reason
  movements { change refusal { message } booking { id date arrival departure status rank reason child { id firstName }
    activity { id name allocation { nextRunAt } } } } } }""")
DECIDED = operation("subscription OutcomeDecided($id: ID!) { requestDecided(request: $id) { id decided } }")
REQUESTS = operation("""query Requests($first: Int!, $after: String) { ...Shell booking: me { families { id
  requests(first: $first, after: $after) { endCursor hasNextPage nodes { id number submittedAt decided
    movements { change refusal { code } booking { status } } } } } } }""")
REMARKS, ACCEPTED, CANCELLED, OPEN = "remarks", "accepted", "cancelled", "open"
ICONS = {"WAITLISTED": "hour", "SUBMITTED": "hour", "EXPIRED": "hour", "REFUSED": "full", "CANCELLED": "minus", "GONE": "minus"}


def kind_of(movement: Mapping[str, Any], *, decided: bool) -> str:
    """Where an answer stands on the page. `decided`: the whole request is."""
    status = movement["booking"]["status"]
    if movement["refusal"] is not None:
        return REMARKS
    if movement["change"] == "CANCEL":
        return CANCELLED if decided or status == "CANCELLED" else OPEN
    return {"SUBMITTED": OPEN, "ACCEPTED": ACCEPTED, "CANCELLED": ACCEPTED}.get(status, REMARKS)


def state_of(movement: Mapping[str, Any], kind: str) -> str:
    """Of MOVEMENT_..., or REFUSED, which says why in its own words."""
    status: str = movement["booking"]["status"]
    if movement["refusal"] is not None:
        return "REFUSED"
    if movement["change"] == "CANCEL":
        return "CANCELLED" if kind == CANCELLED else "SUBMITTED"
    return "GONE" if status == "CANCELLED" else status


def sorted_by_kind(request: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """Each as the request has them, with its `state` and `icon`."""
    found: dict[str, list[Mapping[str, Any]]] = {REMARKS: [], OPEN: [], ACCEPTED: [], CANCELLED: []}
    for each in request["movements"]:
        kind = kind_of(each, decided=request["decided"])
        state = state_of(each, kind)
        found[kind].append({**each, "state": state, "icon": ICONS.get(state, "check")})
    return found


def grouped(movements: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By activity, then by child, the days in their order (S37)."""

    def place(each: Mapping[str, Any]) -> tuple[str, ...]:
        booking = each["booking"]
        activity, child = booking["activity"], booking["child"]
        return activity["name"].casefold(), activity["id"], child["firstName"].casefold(), child["id"], booking["date"]

    return sorted(movements, key=place)


def title_of(found: Mapping[str, list[Mapping[str, Any]]]) -> str:
    if found[OPEN]:
        return "OUTCOME_PENDING"
    if not found[REMARKS]:
        return "OUTCOME_ALL"
    return "OUTCOME_DONE" if found[ACCEPTED] or found[CANCELLED] or _waits(found) else "OUTCOME_NONE"


def _waits(found: Mapping[str, list[Mapping[str, Any]]]) -> bool:
    return any(each["state"] == "WAITLISTED" for each in found[REMARKS])


async def outcome(visit: Visit) -> Response:
    """`/demandes/{id}`"""
    request = (await visit.ask(OUTCOME, id=visit.request.path_params["id"]))["request"]
    if request is None:
        return visit.missing()
    found = {kind: grouped(them) for kind, them in sorted_by_kind(request).items()}
    return visit.page(
        "outcome.html",
        tab="book",
        styles=("recap",),
        request=request,
        found=found,
        title=title_of(found),
        live=news.of_request(request["id"]),
        waits=_waits(found),
        refused=any(each["state"] != "WAITLISTED" for each in found[REMARKS]),
    )


async def follow(visit: Visit) -> Response:
    """`/direct/demande/{id}`: tells once when every line has its answer."""
    return await visit.follow(DECIDED, id=visit.request.path_params["id"])


async def requests(visit: Visit) -> Response:
    """`/demandes?apres=`"""
    after = visit.request.query_params.get("apres") or None
    await visit.ask(REQUESTS, first=PER_PAGE, after=after)
    told = visit.part("booking")
    page: Mapping[str, Any] = told["requests"] if told else {"nodes": [], "hasNextPage": False}
    return visit.page(
        "requests.html",
        tab="bookings",
        styles=("recap",),
        page=page,
        after=after,
        away=told is None,
        live=news.together(news.of_request(each["id"]) for each in page["nodes"] if not each["decided"]),
        counts=[{kind: len(them) for kind, them in sorted_by_kind(each).items()} for each in page["nodes"]],
    )


PAGES = [
    ("/demandes", ("GET",), requests),
    ("/demandes/{id}", ("GET",), outcome),
    ("/direct/demande/{id}", ("GET",), follow),
]
