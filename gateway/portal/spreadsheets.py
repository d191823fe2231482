"""Long lists of the API as files for spreadsheets, sent while they are read: no file of this kind is ever held whole.

Names are identity's, and what they stand beside is another service's. Only the API tells both, so these files are made where it is asked,
of what the pages show: whoever may see the page may have the file, and that it was seen is noted as for the page.
"""

import re
from asyncio import sleep, timeout
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from time import monotonic
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.files import SECURITY
from gateway.portal.texts import phrase
from gateway.portal.visit import Answered, Visit
from services.refusal import Language
from services.spreadsheets import MEDIA_TYPES, Cell, Format, csv_begun, csv_lines
from services.telemetry import log

PAGE = 200  #: Lines that are asked for at once.
MOST = 100_000  #: Lines of one file.
#: So many lines come as fast as they can. A longer file takes its time: families ask the same gateway, and what an agent may ask for
#: (gateway/bounds.py) is to last for the desk's pages meanwhile.
AT_ONCE = 5_000
LINES_A_SECOND = 300
SECONDS = 840  #: For the longest file, and a slow client: a token is good for 900.
BUSY_SECONDS = 10
TRIES = 6

Line = Sequence[Cell]
#: What sends a file, page by page.
Lines = AsyncGenerator[Iterable[Line], None]
_ODD = re.compile(r"[^A-Za-z0-9_-]+")


async def pages(visit: Visit, document: str, /, **about: Any) -> AsyncGenerator[list[Mapping[str, Any]], None]:
    """What `told` of the answer lists, to its end, PAGE at a time: at least one page, which may be empty. Raises Answered."""
    token, after, count = await visit.token_for(SECONDS), None, 0
    while True:
        begun = monotonic()
        told = await _page(visit, token, document, tries=TRIES if count else 1, first=PAGE, after=after, **about)
        yield told["nodes"]
        if not told["hasNextPage"]:
            return
        after, count = told["endCursor"], count + len(told["nodes"])
        left = begun + len(told["nodes"]) / LINES_A_SECOND - monotonic()  # Asking and taking them took its time too.
        if count >= AT_ONCE and left > 0:
            await sleep(left)


async def _page(visit: Visit, token: str, document: str, *, tries: int, **about: Any) -> Mapping[str, Any]:
    """While it is too much for now, it is tried again."""
    for left in reversed(range(tries)):
        try:
            told: Mapping[str, Any] = (await visit.ask_all(token, document, **about))["told"]
            return told
        except Answered as answered:
            if answered.response.status_code != 429 or not left:
                raise
        await sleep(BUSY_SECONDS)
    raise AssertionError("it is tried at least once")


# --------------------------------------------------------------------------------------------------------- what is answered
async def sent(visit: Visit, name: str, headings: Iterable[str], lines: Lines, cut: str) -> Response:
    """The file `name`.csv. `lines`: page by page; of the first one it is still told what is wrong. `cut`: the last line of too long a file.

    Raises Answered: also where this account is taking a file already. What is wrong later breaks the file off, so that no browser takes it
    for whole.
    """
    if asks_headers_alone(visit):
        return attached(b"", name, "csv")
    with ExitStack() as until:
        until.enter_context(alone(visit))
        first = await anext(lines)
        return _Writing(visit, until.pop_all(), _written(headings, first, lines, cut), f"{name}.csv")


def attached(content: bytes, name: str, format: Format) -> Response:
    """A file that is not long. `name`: without its ending."""
    return Response(content, media_type=MEDIA_TYPES[format], headers=_headers(f"{name}.{format}"))


def name_for(*parts: str) -> str:
    """Of a file, without its ending: whatever an id may be, nothing in it ends the name."""
    return "-".join(_ODD.sub("-", part) for part in parts)


def asks_headers_alone(visit: Visit) -> bool:
    """Nothing is read for them, and nobody's name is noted as seen."""
    return visit.request.method == "HEAD"


@contextmanager
def alone(visit: Visit) -> Iterator[None]:
    """One file at a time for an account: several would starve its own pages. Raises Answered."""
    account, writing = visit.data["me"]["id"], visit.house.writing
    if account in writing:
        raise Answered(visit.trouble("FILE_BUSY", 429))
    writing.add(account)
    try:
        yield
    finally:
        writing.discard(account)


class _Writing(StreamingResponse):
    """A file on its way. What breaks it off leaves it without its end, which every client can tell."""

    def __init__(self, visit: Visit, until: ExitStack, written: AsyncGenerator[bytes, None], name: str) -> None:
        super().__init__(written, media_type=MEDIA_TYPES["csv"], headers=_headers(name))
        self._visit, self._until, self._whole = visit, until, written

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._until:  # Whatever becomes of the client, which may have left before anything is sent.
            async with aclosing(self._whole):
                await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        try:
            async with timeout(SECONDS):
                await super().stream_response(send)
        except Answered as answered:
            self._say(f"answered {answered.response.status_code}")
        except TimeoutError:
            self._say(f"not taken within {SECONDS} s")

    def _say(self, reason: str) -> None:
        log().warning("a file broke off", reason=reason, path=self._visit.request.url.path)


def _headers(name: str) -> dict[str, str]:
    """To be kept by whoever fetches it and nobody in between."""
    return {"cache-control": "private, no-store", "content-disposition": f'attachment; filename="{name}"', **SECURITY}


async def _written(headings: Iterable[str], first: Iterable[Line], lines: Lines, cut: str) -> AsyncGenerator[bytes, None]:
    async with aclosing(lines):
        yield csv_begun(headings, quoted=True) + csv_lines(first, quoted=True)
        count = PAGE
        async for some in lines:
            if count >= MOST:
                yield csv_lines([[cut]], quoted=True)
                return
            yield csv_lines(some, quoted=True)
            count += PAGE


# ------------------------------------------------------------------------------------------------- what several of them tell
def name_of(person: Mapping[str, Any] | None) -> str | None:
    return f"{person['firstName']} {person['lastName']}" if person else None


def details_of(details: Iterable[Mapping[str, Any]], language: Language) -> str:
    """What an act changed, a line for each, as pages fold it out."""
    return "\n".join(
        phrase("TRAIL_DETAIL", language, name=one["name"], before=_shown(one["before"]), after=_shown(one["after"])) for one in details
    )


def _shown(value: str | None) -> str:
    return "–" if value is None else value
