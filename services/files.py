"""Files that a browser fetches without a token, by a sealed link that lasts some minutes (services/links.py), at the gateway's
`/files/<service>/<link>/<name>`.

A service that writes files has a table `link_key` with one row, `files`: what its links are sealed with.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from functools import partial
from typing import Any, cast

import strawberry
from sqlalchemy import String, column, literal_column, select, table
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from services import documents
from services.documents import Head, NotSet, Press
from services.graphql import Refusal
from services.links import Links
from services.refusal import Language, language_of
from services.service import Running
from services.spreadsheets import MEDIA_TYPES, Sheet, written
from services.telemetry import log

LINK_LASTS = dt.timedelta(minutes=5)
NOT_KEPT = "private, no-store"
KEY = select(literal_column("key", String)).select_from(table("link_key", column("name"))).where(column("name") == "files")

TYPES: dict[str, str] = {"csv": MEDIA_TYPES["csv"], "xlsx": MEDIA_TYPES["xlsx"], "pdf": "application/pdf", "zip": "application/zip"}

#: French first, English second.
TEXTS = {
    "LINK_UNKNOWN": ("Ce lien n’existe pas, ou plus.", "This link does not exist, or no longer."),
    "NOT_MADE": ("Momentanément indisponible, réessayez.", "Not available at the moment, try again."),
    "DOCUMENTS_UNAVAILABLE": (
        "Ce portail ne produit pas de PDF. Choisissez un fichier pour tableur.",
        "This portal makes no PDFs. Choose a file for spreadsheets.",
    ),
    "LINK_EXPIRED": ("Ce lien a expiré. Demandez le fichier à nouveau.", "This link has expired. Ask for the file again."),
}


@strawberry.enum
class FileFormat(Enum):
    CSV = "csv"
    XLSX = "xlsx"
    PDF = "pdf"


@strawberry.federation.type(shareable=True)
class DocumentsUnavailable(Refusal):
    """No PDFs are made here: the installation has no `documents` extra."""


@strawberry.federation.type(shareable=True)
class FileLink:
    """Fetch it by GET, without a token, before it expires. Whoever has it may."""

    url: str
    expires_at: dt.datetime


async def links_of(running: Running) -> Links:
    """The process's: the key never changes."""
    if "links" not in running.resources:
        async with running.database.reading() as session:
            key: str = (await (await session.connection()).execute(KEY)).scalar_one()
        running.resources["links"] = Links(key)
    return cast(Links, running.resources["links"])


async def link_to(running: Running, purpose: str, facts: Mapping[str, Any], name: str, format: FileFormat, language: Language) -> FileLink:
    """To the file that `facts` describe, for `opened` with the same purpose. `name`: of the file, without its ending."""
    told = {**facts, "format": format.value, "language": language}
    return await link_to_file(running, purpose, told, f"{name}.{format.value}")


async def link_to_file(running: Running, purpose: str, facts: Mapping[str, Any], name: str) -> FileLink:
    """As `link_to`, with the file's whole name."""
    expires_at = running.clock.now().replace(microsecond=0) + LINK_LASTS
    link = (await links_of(running)).seal(purpose, facts, expires_at)
    url = f"{running.settings.public_url}/files/{running.service.name}/{link}/{name}"
    return FileLink(url=url, expires_at=expires_at)


async def opened(request: Request, purpose: str) -> Mapping[str, Any] | Response:
    """What the link in the request's path says, or the answer that it opens nothing."""
    running: Running = request.app.state.running
    found = (await links_of(running)).open(purpose, request.path_params["link"], running.clock.now())
    if found is None:
        return no(request, "LINK_UNKNOWN", 404)
    return no(request, "LINK_EXPIRED", 410) if found.expired else found.facts


def unavailable(format: FileFormat, language: Language) -> DocumentsUnavailable | None:
    """Why no file of that format can be had here."""
    if format is not FileFormat.PDF or documents.available():
        return None
    return DocumentsUnavailable(code="DOCUMENTS_UNAVAILABLE", message=TEXTS["DOCUMENTS_UNAVAILABLE"][language == "en"])


async def sent(request: Request, name: str, format: str, sheet: Sheet, head: Head) -> Response:
    """A table in that format. `head` is for paper: spreadsheets have none."""
    running: Running = request.app.state.running
    if format == "pdf":
        return await sent_document(request, name, lambda press: press.sheet(sheet, head))
    return attached(await in_turn(running, partial(written, sheet, cast(Any, format))), name, format)


async def sent_document(request: Request, name: str, print_on: Callable[[Press], Awaitable[bytes]]) -> Response:
    press: Press = request.app.state.running.resources.setdefault("press", Press())
    try:
        return attached(await print_on(press), name, "pdf")
    except NotSet as trouble:
        log().error("a document was not set", name=name, reason=str(trouble))
        return no(request, "NOT_MADE", 503)


def attached(content: bytes, name: str, format: str) -> Response:
    """To be kept by whoever fetches it and nobody in between."""
    headers = {"cache-control": NOT_KEPT, "content-disposition": f'attachment; filename="{name}.{format}"'}
    return Response(content, media_type=TYPES[format], headers=headers)


async def in_turn(running: Running, write: Callable[[], bytes]) -> bytes:
    """In a thread, one at a time: nobody whom families wait for waits for a file to be written."""
    turn: asyncio.Lock = running.resources.setdefault("file_turn", asyncio.Lock())
    async with turn:
        return await asyncio.to_thread(write)


def no(request: Request, code: str, status: int) -> Response:
    text = TEXTS[code][language_of(request.headers.get("accept-language")) == "en"]
    return PlainTextResponse(text + "\n", status, headers={"cache-control": NOT_KEPT})
