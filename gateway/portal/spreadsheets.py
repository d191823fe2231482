"""Long lists of the API as files for spreadsheets, sent while they are read: nobody ever holds one whole.

Names are identity's, and what they stand beside is another service's. Only the API tells both, so these files are made where it is asked,
of what the pages show: whoever may see the page may have the file, and that it was seen is noted as for the page.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from starlette.responses import Response, StreamingResponse

from gateway.files import SECURITY
from gateway.portal.visit import Answered, Visit
from services.spreadsheets import MEDIA_TYPES, Cell, Format, csv_begun, csv_lines

PAGE = 200  #: Lines that are asked for at once.
MOST = 100_000  #: Lines of one file.
#: So many lines come as fast as they can. Of a longer file the rest takes its time: families ask the same gateway, and what an agent may
#: ask for (gateway/bounds.py) is to last for the desk's pages meanwhile.
AT_ONCE = 5_000
LINES_A_SECOND = 300
SECONDS = 420  #: Which the longest file takes.
BUSY_SECONDS = 10
TRIES = 6

Line = Sequence[Cell]


async def pages(visit: Visit, document: str, /, **about: Any) -> AsyncIterator[list[Mapping[str, Any]]]:
    """What `told` of the answer lists, to its end, PAGE at a time: at least one page, which may be empty. Raises Answered."""
    token, after, count = await visit.token_for(SECONDS), None, 0
    while True:
        told = await _page(visit, token, document, tries=TRIES if count else 1, first=PAGE, after=after, **about)
        yield told["nodes"]
        if not told["hasNextPage"]:
            return
        after, count = told["endCursor"], count + len(told["nodes"])
        if count >= AT_ONCE:
            await asyncio.sleep(len(told["nodes"]) / LINES_A_SECOND)


async def _page(visit: Visit, token: str, document: str, *, tries: int, **about: Any) -> Mapping[str, Any]:
    """While it is too much for now, it is tried again."""
    for left in reversed(range(tries)):
        try:
            told: Mapping[str, Any] = (await visit.ask_all(token, document, **about))["told"]
            return told
        except Answered as answered:
            if answered.response.status_code != 429 or not left:
                raise
        await asyncio.sleep(BUSY_SECONDS)
    raise AssertionError("it is tried at least once")


async def sent(name: str, headings: Iterable[str], lines: AsyncIterator[Iterable[Line]], cut: str) -> Response:
    """The file `name`.csv. `lines`: page by page; of the first one it is still told what is wrong. `cut`: the last line of too long a file.

    Raises Answered. What is wrong later breaks the file off, so that no browser takes it for whole.
    """
    first = await anext(lines)
    return StreamingResponse(_written(headings, first, lines, cut), media_type=MEDIA_TYPES["csv"], headers=_headers(f"{name}.csv"))


def attached(content: bytes, name: str, format: Format) -> Response:
    """A file that is not long. `name`: without its ending."""
    return Response(content, media_type=MEDIA_TYPES[format], headers=_headers(f"{name}.{format}"))


def _headers(name: str) -> dict[str, str]:
    """To be kept by whoever fetches it and nobody in between."""
    return {"cache-control": "private, no-store", "content-disposition": f'attachment; filename="{name}"', **SECURITY}


async def _written(headings: Iterable[str], first: Iterable[Line], lines: AsyncIterator[Iterable[Line]], cut: str) -> AsyncIterator[bytes]:
    yield csv_begun(headings) + csv_lines(first)
    count = PAGE
    async for some in lines:
        if count >= MOST:
            yield csv_lines([[cut]])
            return
        yield csv_lines(some)
        count += PAGE


# ------------------------------------------------------------------------------------------------- what several of them tell
def name_of(person: Mapping[str, Any] | None) -> str | None:
    return f"{person['firstName']} {person['lastName']}" if person else None


def details_of(details: Iterable[Mapping[str, Any]]) -> str:
    """What an act changed, a line for each, as pages fold it out."""
    return "\n".join(f"{one['name']} : {_shown(one['before'])} → {_shown(one['after'])}" for one in details)


def _shown(value: str | None) -> str:
    return "–" if value is None else value
