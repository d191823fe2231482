"""What is fetched without a token: children's calendars by their secret link, and files by a sealed one (S35)."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.booking import agenda, feeds, listing, queries
from services.booking.activity import ActivitySpec
from services.booking.listing import Listed
from services.booking.queries import Booked, Wanted
from services.booking.rulebook import RuleBook
from services.booking.status import BookingStatus
from services.booking.texts import say
from services.graphql import language_of
from services.links import Links
from services.service import Running
from services.spreadsheets import MEDIA_TYPES, Format, written

LINK_LASTS = dt.timedelta(minutes=5)
MOST_ROWS = 20_000
BOOKINGS = "bookings"  #: What a link to the follow-up is for.
NAMES = {"fr": "reservations", "en": "bookings"}
NOT_KEPT = "private, no-store"
LOOK_AGAIN = "private, max-age=300"  #: A calendar may be kept for five minutes, by its owner's program alone.


# ------------------------------------------------------------------------------------------------------------------ links
async def links_of(running: Running) -> Links:
    """The process's: the key never changes."""
    if "links" not in running.resources:
        async with running.database.reading() as session:
            running.resources["links"] = Links(await queries.link_key(session))
    return cast(Links, running.resources["links"])


async def link_to(running: Running, wanted: Wanted, format: Format, language: str, names: Mapping[str, str]) -> tuple[str, dt.datetime]:
    """The address of the file, and until when it can be fetched."""
    expires_at = running.clock.now().replace(microsecond=0) + LINK_LASTS
    facts = {"wanted": _to_json(wanted), "format": format, "language": language, "names": dict(names)}
    link = (await links_of(running)).seal(BOOKINGS, facts, expires_at)
    return f"{running.settings.public_url}/files/booking/{link}/{NAMES[language]}.{format}", expires_at


def _to_json(wanted: Wanted) -> list[Any]:
    days = [day and day.isoformat() for day in (wanted.first_day, wanted.last_day)]
    statuses = None if wanted.statuses is None else sorted(wanted.statuses)
    return [wanted.family, *days, wanted.child, wanted.activity, statuses]


def _from_json(told: list[Any]) -> Wanted:
    family, first, last, child, activity, statuses = told
    first_day, last_day = (day and dt.date.fromisoformat(day) for day in (first, last))
    return Wanted(family, first_day, last_day, child, activity, None if statuses is None else frozenset(map(BookingStatus, statuses)))


# -------------------------------------------------------------------------------------------------------------- follow-up
async def bookings_file(request: Request) -> Response:
    running: Running = request.app.state.running
    opened = (await links_of(running)).open(BOOKINGS, request.path_params["link"], running.clock.now())
    if opened is None:
        return _no(request, "LINK_UNKNOWN", 404)
    if opened.expired:
        return _no(request, "LINK_EXPIRED", 410)
    facts = opened.facts
    format, language = facts["format"], facts["language"]
    listed = await _listed(running, _from_json(facts["wanted"]), language)
    content = await _in_turn(running, partial(written, listing.sheet(listed, facts["names"], language), format))
    headers = {"cache-control": NOT_KEPT, "content-disposition": f'attachment; filename="{NAMES[language]}.{format}"'}
    return Response(content, media_type=MEDIA_TYPES[cast(Format, format)], headers=headers)


async def _listed(running: Running, wanted: Wanted, language: str) -> list[Listed]:
    book: RuleBook = running.resources["rules"]
    async with running.database.reading() as session:
        rows = await queries.bookings_page(session, wanted, None, MOST_ROWS)
        rules = await book.of(session, {row.activity for row in rows}) if rows else {}
        waiting = [row.id for row in rows if row.status is BookingStatus.WAITLISTED]
        ranks = await queries.ranks(session, waiting) if waiting else {}
        there = await _already_there(session, [row for row in rows if row.code == "ALREADY_BOOKED"], language)
    return [_line(row, rules[row.activity].spec, ranks.get(row.id), there.get(row.id), language) for row in rows]


async def _already_there(session: AsyncSession, refused: Sequence[Booked], language: str) -> dict[str, str]:
    """Booking that was refused for that -> its observation: what the child has there now."""
    if not refused:
        return {}
    period = min(row.date for row in refused), max(row.date for row in refused)
    found = await queries.standing_bookings(session, {(row.child, period) for row in refused})
    stands = {row.id: found[row.child, period].get((row.activity, row.date)) for row in refused}
    ranks = await queries.ranks(session, [one.id for one in stands.values() if one is not None])
    return {
        id_: listing.already_there(None if one is None else one.status, None if one is None else ranks.get(one.id), language)
        for id_, one in stands.items()
    }


def _line(row: Booked, spec: ActivitySpec, rank: int | None, observation: str | None, language: str) -> Listed:
    return Listed(
        number=row.number,
        child=row.child,
        activity=spec.name,
        timezone=spec.timezone,
        date=row.date,
        arrival=row.arrival,
        departure=row.departure,
        status=row.status,
        rank=rank,
        observation=observation or listing.observation(row.status, row.code, language),
        requested_at=row.requested_at,
    )


# --------------------------------------------------------------------------------------------------------------- calendars
async def calendar_file(request: Request) -> Response:
    running: Running = request.app.state.running
    async with running.database.reading() as session:
        shown = await feeds.opened(session, running.resources["rules"], request.path_params["secret"], running.clock.now())
    if shown is None:
        return _no(request, "LINK_UNKNOWN", 404)
    tag = f'"{shown.tag()}"'
    headers = {"etag": tag, "cache-control": LOOK_AGAIN}
    if _has(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    content = await _in_turn(running, partial(agenda.written, shown))
    headers["content-disposition"] = f'inline; filename="{NAMES[shown.language]}.ics"'
    return Response(content, media_type="text/calendar; charset=utf-8", headers=headers)


def _has(if_none_match: str | None, tag: str) -> bool:
    known = [one.strip().removeprefix("W/") for one in (if_none_match or "").split(",")]
    return tag in known or known == ["*"]


# -------------------------------------------------------------------------------------------------------------------- both
async def _in_turn(running: Running, write: Any) -> bytes:
    """In a thread, one at a time: nobody who books waits for a file to be written."""
    turn: asyncio.Lock = running.resources.setdefault("file_turn", asyncio.Lock())
    async with turn:
        content: bytes = await asyncio.to_thread(write)
    return content


def _no(request: Request, code: str, status: int) -> Response:
    text = say(code, language_of(request.headers.get("accept-language")))
    return PlainTextResponse(text + "\n", status, headers={"cache-control": NOT_KEPT})


ROUTES = (
    Route("/ics/{secret}.ics", calendar_file, methods=["GET"]),
    Route("/files/booking/{link}/{name}", bookings_file, methods=["GET"]),
)
