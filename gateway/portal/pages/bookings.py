"""Following bookings and waiting lists (P15, P16): what stands, what was asked for, files of it, calendars, giving back."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from starlette.responses import Response

from gateway.portal import draft, formats, news
from gateway.portal.draft import Line
from gateway.portal.following import ALL, PER_PAGE, STATUSES, Filters, Followed, line_of
from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.texts import phrase
from gateway.portal.visit import Visit

PATH = "/reservations"
#: The link to a child's calendar that was just made: it is shown once.
FEED, FEED_SECONDS = "preau_agenda", 120
_SAME = "from: $from, to: $to, child: $child, activity: $activity"
BOOKINGS = operation(
    "query Bookings($from: Date, $to: Date, $child: ID, $activity: ID, $status: [BookingStatus!], $first: Int!, $after: String) {"
    "  ...Shell me { families { id children { id firstName } } }"
    "  booking: me { families { id children { id firstName calendarFeed { createdAt } activities { id name } }"
    f" bookings({_SAME}, status: $status, first: $first, after: $after) {{ totalCount endCursor hasNextPage"
    "  nodes { id number date arrival departure status rank reason cancellable hoursChangeable child { id firstName }"
    "    activity { id name cancellationRule } } }"
    + " ".join(f"{word}: bookings({_SAME}, status: [{status}], first: 0) {{ totalCount }}" for word, status in STATUSES.items())
    + "} } }"
)
FILE = operation(
    "query BookingsFile($format: FileFormat!, $from: Date, $to: Date, $child: ID, $activity: ID, $status: [BookingStatus!]) {"
    f"  ...Shell booking: me {{ families {{ id bookingsFile(format: $format, {_SAME}, status: $status) {{ __typename"
    " ... on FileLink { url } ... on Refusal { message } } } } }"
)
DAY = operation("""query BookingOfDay($day: Date!, $child: ID, $activity: ID) { ...Shell booking: me { families { id
  bookings(from: $day, to: $day, child: $child, activity: $activity) {
    nodes { id status date arrival departure child { firstName } activity { name choosesHours } } } } } }""")
LEAVE = operation("""mutation LeaveWaitingList($booking: ID!) { cancelBooking(booking: $booking) { __typename
  ... on Booking { id status } ... on Refusal { message } } }""")
WHOSE = operation("query BookingsFamily { ...Shell me { families { id children { id firstName } } } }")
RENEW = operation("""mutation RenewFeed($child: ID!, $title: String) { renewCalendarFeed(child: $child, title: $title) { __typename
  ... on CalendarFeed { url } ... on Refusal { message } } }""")
REVOKE = operation("""mutation RevokeFeed($child: ID!) { revokeCalendarFeed(child: $child) { __typename
  ... on CalendarFeedRevoked { revoked } ... on Refusal { message } } }""")


# ----------------------------------------------------------------------------------------------------------------- page
async def show(visit: Visit) -> Response:
    return await _page(visit)


async def _page(visit: Visit, *, errors: Mapping[str, str] | None = None, warning: str = "") -> Response:
    filters = _filters(visit)
    size = ALL if filters.whole else PER_PAGE
    await visit.ask(BOOKINGS, **filters.variables, first=size, after=filters.after or None)
    told, drafted = visit.part("booking"), set(visit.choices())
    page: Mapping[str, Any] = told["bookings"] if told else {"nodes": [], "totalCount": 0, "endCursor": None, "hasNextPage": False}
    feed = _feed(visit)
    wrong = {name: phrase(code, visit.language) for name, code in filters.errors.items()} | dict(errors or {})
    return visit.page(
        "bookings.html",
        status=422 if wrong or warning else 200,
        styles=("recap", "bookings"),
        tab="bookings",
        filters=filters,
        errors=wrong,
        warning=warning,
        away=told is None,
        rows=[Followed(each, visit.today, line_of(each) in drafted) for each in page["nodes"]],
        total=page["totalCount"],
        end=page["endCursor"] if page["hasNextPage"] else None,
        counts={word: told[word]["totalCount"] for word in STATUSES} if told else {},
        children=told["children"] if told else visit.family["children"],
        activities=_activities(told["children"]) if told else [],
        feed=feed,
        many=PER_PAGE,
        live=_live(page["nodes"]),
        compressed=feed is None,
    )


def _live(bookings: Iterable[Mapping[str, Any]]) -> str:
    """The addresses that tell when waiting places move: of each child's months, the next ones."""
    return news.together(news.of_calendar(each["child"]["id"], each["date"][:7]) for each in bookings if each["status"] == "WAITLISTED")


def _filters(visit: Visit) -> Filters:
    return Filters.of(visit.request.query_params, visit.likely_today)


def _activities(children: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Id and name, of all children's, by name."""
    found = {each["id"]: each["name"] for child in children for each in child["activities"]}
    return sorted(found.items(), key=lambda each: each[1].casefold())


def _feed(visit: Visit) -> tuple[str, str] | None:
    """The child and the link that was just made for it. It is not told again."""
    kept = visit.kept(FEED)
    if not kept:
        return None
    visit.forget(FEED)
    try:
        child, url = json.loads(unquote(kept))
        return str(child), str(url)
    except (ValueError, TypeError):
        return None


async def file(visit: Visit) -> Response:
    """`/reservations/fichier?format=CSV`, of what the page shows: its link is made now, for it lasts some minutes."""
    wanted = visit.request.query_params.get("format", "").upper()
    if wanted not in ("CSV", "XLSX", "PDF"):
        return visit.trouble("NOT_HERE", 404)
    filters = _filters(visit)
    if filters.errors:
        return await _page(visit)
    await visit.ask(FILE, **filters.variables, format=wanted)
    told = visit.part("booking")
    if told and told["bookingsFile"]["__typename"] != "FileLink":
        return await _page(visit, warning=told["bookingsFile"]["message"])
    return visit.file(told and told["bookingsFile"])


# ------------------------------------------------------------------------------------------------------------ what is done
async def act(visit: Visit) -> Response:
    form = await visit.form()
    match form.one("acte"):
        case "annuler":
            return await _give_back(visit, form)
        case "quitter":
            return await _leave(visit, form)
        case "agenda":
            return await _renew(visit, form)
        case "sans-agenda":
            return await _revoke(visit, form)
    return visit.see_other(_here(visit))


def _here(visit: Visit) -> str:
    query = visit.request.url.query
    return PATH + (f"?{query}" if query else "")


async def _give_back(visit: Visit, form: Form) -> Response:
    """Into the draft: the recap tells what it gives back, and confirms."""
    await visit.ask(WHOSE)
    before = visit.choices()
    more = [line for line in draft.read("|".join(form["ligne"])) if line.change == "CANCEL"]
    if not more:
        return await _page(visit, errors={"cocher": phrase("CANCEL_NONE", visit.language)})
    try:
        visit.keep_choices({*before, *more})
    except draft.TooLong:
        return await _page(visit, errors={"cocher": phrase("CANCEL_TOO_MANY", visit.language)})
    return visit.see_other("/recapitulatif", "CANCEL_CHOSEN", undo=before, n=len(more))


async def _leave(visit: Visit, form: Form) -> Response:
    """At once, unless the place was given meanwhile: giving that back is another thing."""
    booking, _, line = form.one("reservation").partition(" ")
    meant = draft.read(line)
    if not meant:
        return visit.see_other(_here(visit))
    await visit.ask(DAY, day=meant[0].date.isoformat(), child=meant[0].child, activity=meant[0].activity)
    told = visit.part("booking")
    if told is None:
        return await _page(visit, warning=phrase("FORM_AWAY", visit.language))
    found = next((each for each in told["bookings"]["nodes"] if each["id"] == booking), None)
    if found is None or found["status"] != "WAITLISTED":
        return await _page(visit, warning=phrase("LEAVE_NOT_WAITING", visit.language))
    told = (await visit.ask(LEAVE, booking=booking))["cancelBooking"]
    if told["__typename"] != "Booking":
        return await _page(visit, warning=told["message"])
    words = {"child": found["child"]["firstName"], "activity": found["activity"]["name"]}
    words["day"] = formats.date(found["date"], "day", visit.language)
    hours = (found["arrival"][:5], found["departure"][:5]) if found["activity"]["choosesHours"] else (None, None)
    again = Line(meant[0].date, meant[0].child, meant[0].activity, "BOOK", *hours)
    return visit.see_other(_here(visit), "LEFT", undo=[*visit.choices(), again], undo_leads="/recapitulatif", **words)


async def _renew(visit: Visit, form: Form) -> Response:
    await visit.ask(WHOSE)
    child = form.one("enfant")
    title = next((each["firstName"] for each in visit.family["children"] if each["id"] == child), None)
    told = (await visit.ask(RENEW, child=child, title=title))["renewCalendarFeed"]
    if told["__typename"] != "CalendarFeed":
        return await _page(visit, warning=told["message"])
    visit.keep(FEED, quote(json.dumps([child, told["url"]])), FEED_SECONDS)
    return visit.see_other(f"{_here(visit)}#agendas", "FEED_MADE")


async def _revoke(visit: Visit, form: Form) -> Response:
    told = (await visit.ask(REVOKE, child=form.one("enfant")))["revokeCalendarFeed"]
    if told["__typename"] != "CalendarFeedRevoked":
        return await _page(visit, warning=told["message"])
    return visit.see_other(f"{_here(visit)}#agendas", "FEED_GONE")


PAGES = [
    (PATH, ("GET",), show),
    (PATH, ("POST",), act),
    (f"{PATH}/fichier", ("GET",), file),
]
