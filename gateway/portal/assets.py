"""What pages load: their styles, which stand in the page itself, and their scripts, under an address that changes with them.

Styles in the page spare a phone half a second of its first picture. They and the one line of script are named by their hash in the
page's Content-Security-Policy, so nothing else that might get into a page is ever followed.
"""

import hashlib
import re
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.answering import takes_gzip

FOLDER = Path(__file__).parent / "static"
KEPT = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff", "vary": "accept-encoding"}
KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png"}
#: Before anything is drawn: what styles do where there is script.
SCRIPTED = "document.documentElement.className='js'"
_IMPORTED = re.compile(r"^import .* from '\./([a-z0-9_]+\.js)'", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    packed: bytes
    kind: str


@cache
def assets() -> dict[str, Asset]:
    """Name -> what is served under it."""
    import zlib  # noqa: PLC0415 -- nothing else here needs it

    found = {}
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in KINDS:
            body, packer = path.read_bytes(), zlib.compressobj(9, zlib.DEFLATED, 31)
            found[path.name] = Asset(body, packer.compress(body) + packer.flush(), KINDS[path.suffix])
    return found


@cache
def version() -> str:
    return hashlib.sha256(b"".join(name.encode() + each.body for name, each in assets().items())).hexdigest()[:12]


def address(name: str) -> str:
    """Raises KeyError: there is no such file."""
    assets()[name]
    return f"/portail/{version()}/{name}"


@cache
def module(name: str) -> Markup:
    """What loads a script, and at once with it those that it imports: found out one after another they cost a phone half a second more."""
    first = Markup('<script type="module" src="{}"></script>').format(address(name))
    return first + Markup("").join(Markup('<link rel="modulepreload" href="{}">').format(address(each)) for each in imported(name))


@cache
def imported(name: str) -> tuple[str, ...]:
    """The scripts that one needs beside itself."""
    found: dict[str, None] = {}
    for each in _IMPORTED.findall(assets()[name].body.decode()):
        found |= dict.fromkeys((each, *imported(each)))
    return tuple(found)


@cache
def styles(*names: str) -> str:
    """The named style sheets in one, as they stand in the page."""
    return "\n".join(assets()[f"{name}.css"].body.decode().strip() for name in ("frame", *names))


@cache
def hash_of(text: str) -> str:
    """As a Content-Security-Policy names it."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


async def served(request: Request) -> Response:
    """`/portail/{version}/{name}`. Of another version it is what we have now: a page of yesterday may still ask."""
    found = assets().get(request.path_params["name"])
    if found is None:
        return PlainTextResponse("", 404)
    if takes_gzip(request.headers.get("accept-encoding", "").encode()):
        return Response(found.packed, headers={**KEPT, "content-encoding": "gzip"}, media_type=found.kind)
    return Response(found.body, headers=KEPT, media_type=found.kind)
