"""The page at /evenements: every event that other systems of a town may hear, as deploy/asyncapi.yaml describes it.

`make asyncapi` writes it (deploy/event_pages.py).
"""

from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from services.refusal import language_of

FOLDER = Path(__file__).with_name("events")
KINDS = {"events.css": "text/css"}
SECURITY = {
    "content-security-policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


async def page(request: Request) -> Response:
    language = language_of(request.headers.get("accept-language"))
    return HTMLResponse(_read(f"{language}.html"), headers={**SECURITY, "vary": "accept-language"})


async def part(request: Request) -> Response:
    """The page's style."""
    name = request.path_params["name"]
    if name not in KINDS:
        raise HTTPException(404)
    return Response(_read(name), media_type=KINDS[name], headers=SECURITY)


@cache
def _read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()
