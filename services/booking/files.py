"""What is fetched without a token: children's calendars by their secret link, and files by a sealed one (S35)."""

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services import files
from services.booking import agenda, feeds, listing, queries
from services.booking.activity import ActivitySpec
from services.booking.listing import Listed
from services.booking.queries import Booked, Wanted
from services.booking.rulebook import RuleBook
from services.booking.status import BookingStatus
from services.documents import MOST_ROWS as MOST_ON_PAPER
from services.documents import Head
from services.files import FileFormat, FileLink
from services.refusal import Language
from services.service import Running

MOST_ROWS = 20_000  #: Of a file for spreadsheets.
BOOKINGS = "bookings"  #: What a link to the follow-up is for.
NAMES = {"fr": "reservations", "en": "bookings"}
LOOK_AGAIN = "private, max-age=300"  #: A calendar may be kept for five minutes, by its owner's program alone.


# ------------------------------------------------------------------------------------------------------------------ links
async def link_to(running: Running, wanted: Wanted, format: FileFormat, language: Language, names: Mapping[str, str]) -> FileLink:
    """To the file with these bookings, the children called by these names."""
    facts = {"wanted": _to_json(wanted), "names": dict(names)}
    return await files.link_to(running, BOOKINGS, facts, NAMES[language], format, language)


def _to_json(wanted: Wanted) -> list[Any]:
    days = [day and day.isoformat() for day in (wanted.first_day, wanted.last_day)]
    statuses = None if wanted.statuses is None else sorted(wanted.statuses)
    return [wanted.family, *days, wanted.child, wanted.activity, statuses]


def _from_json(told: list[Any]) -> Wanted:
    family, first, last, child, activity, statuses = told
    first_day, last_day = (day and dt.date.fromisoformat(day) for day in (first, last))
    return Wanted(family, first_day, last_day, child, activity, None if statuses is None else frozenset(map(BookingStatus, statuses)))


def most_rows(format: FileFormat) -> int:
    return min(MOST_ROWS, MOST_ON_PAPER) if format is FileFormat.PDF else MOST_ROWS


# -------------------------------------------------------------------------------------------------------------- follow-up
async def bookings_file(request: Request) -> Response:
    running: Running = request.app.state.running
    facts = await files.opened(request, BOOKINGS)
    if isinstance(facts, Response):
        return facts
    language = facts["language"]
    wanted = _from_json(facts["wanted"])
    listed = await _listed(running, wanted, language)
    about = listing.period(wanted.first_day, wanted.last_day, language)
    async with running.database.reading() as session:
        town = await queries.town_of(session, wanted.family)
    name, timezone = (town.name, town.timezone) if town is not None else ("", "Europe/Paris")
    head = Head(name, about, running.clock.today(timezone), language)
    return await files.sent(request, NAMES[language], facts["format"], listing.sheet(listed, facts["names"], language), head)


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
        return files.no(request, "LINK_UNKNOWN", 404)
    tag = f'"{shown.tag()}"'
    headers = {"etag": tag, "cache-control": LOOK_AGAIN}
    if _has(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    content = await files.in_turn(running, partial(agenda.written, shown))
    headers["content-disposition"] = f'inline; filename="{NAMES[shown.language]}.ics"'
    return Response(content, media_type="text/calendar; charset=utf-8", headers=headers)


def _has(if_none_match: str | None, tag: str) -> bool:
    known = [one.strip().removeprefix("W/") for one in (if_none_match or "").split(",")]
    return tag in known or known == ["*"]


ROUTES = (
    Route("/ics/{secret}.ics", calendar_file, methods=["GET"]),
    Route("/files/booking/{link}/{name}", bookings_file, methods=["GET"]),
)
