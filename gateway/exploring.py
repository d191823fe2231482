"""The page at /graphql for who tries the API in a browser: an operation, what it answers, and the schema beside it.

Its own: the usual ones are megabytes of other people's script, mostly fetched from elsewhere. This one needs nothing but its three files.
"""

from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gateway.texts import TEXTS, phrase
from services.refusal import Language, language_of

FOLDER = Path(__file__).with_name("explorer")
KINDS = {"explorer.js": "text/javascript", "explorer.css": "text/css"}
SECURITY = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex",
    "cache-control": "no-cache",
}


async def page(request: Request) -> Response:
    language = language_of(request.headers.get("accept-language"))
    return HTMLResponse(_page(language), headers={**SECURITY, "vary": "accept, accept-language"})


async def part(request: Request) -> Response:
    """The page's script, or its style."""
    name = request.path_params["name"]
    if name not in KINDS:
        raise HTTPException(404)
    return Response(_read(name), media_type=KINDS[name], headers=SECURITY)


@cache
def _page(language: Language) -> str:
    texts = {code: phrase(code, language) for code in TEXTS if code.startswith("EXPLORER_")}
    return _read("explorer.html").format(language=language, **texts)


@cache
def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
