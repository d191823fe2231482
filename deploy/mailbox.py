"""The embedded mailbox: takes every mail that the town would have sent, keeps it, and shows it on a page.

`python -m deploy.mailbox --data DIR --smtp-port N --http-port N`. A mail is one .eml file in DIR; it is on the disk before the
sender hears 250. For trying Préau out, for demonstrations and for tests: it delivers nothing to anybody.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from services.yielding import give_way

LARGEST_MAIL_BYTES = 10_000_000
PAGE_SIZE = 100  #: mails on one page
DELIVERED = "Delivered-To: "


# ----------------------------------------------------------------------------------------------------- what is kept
@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as the page and the JSON show it."""

    id: str  #: Sorts by arrival.
    from_: str
    to: list[str]  #: Addresses of the To header.
    cc: list[str]
    recipients: list[str]  #: Those whom the server was told to deliver to.
    subject: str
    date: str | None
    message_id: str | None
    text: str
    html: str
    headers: list[tuple[str, str]]

    def as_json(self) -> dict[str, Any]:
        fields = asdict(self)
        fields["from"] = fields.pop("from_")
        return fields


class Mailbox:
    """The folder. Nothing is remembered elsewhere: what was deleted by hand is gone from the page too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, Letter] = {}
        self._recipients: dict[str, frozenset[str]] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, sender: str, recipients: list[str], content: bytes) -> str:
        """Write it to the disk, whole or not at all; its id."""
        letter_id = f"{time.time_ns():020d}-{token_hex(4)}"
        trace = "".join(f"{name}: {' '.join(value.split())}\r\n" for name, value in _trace(sender, recipients))
        part = self._folder / f".{letter_id}.part"
        with part.open("wb") as file:
            file.write(trace.encode() + content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._folder / f"{letter_id}.eml")
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name too: a file without one is lost with the power
        finally:
            os.close(folder)
        return letter_id

    def letters(self, to: str | None = None, before: str | None = None) -> Iterator[Letter]:
        """Newest first; `to`: those that were delivered there; `before`: an id, older ones.

        A busy town has thousands, and one takes milliseconds to understand: only those that somebody wants are.
        """
        for letter_id in sorted((path.stem for path in self._folder.glob("*.eml")), reverse=True):
            if (before is None or letter_id < before) and (to is None or to in self._delivered(letter_id)):
                yield self._letter(letter_id)

    def raw(self, letter_id: str) -> bytes:
        """Raises KeyError."""
        path = self._folder / f"{letter_id}.eml"
        if path.parent != self._folder or not path.is_file():
            raise KeyError(letter_id)
        return path.read_bytes()

    def letter(self, letter_id: str) -> Letter:
        """Raises KeyError."""
        self.raw(letter_id)
        return self._letter(letter_id)

    def _delivered(self, letter_id: str) -> frozenset[str]:
        """What `keep` wrote at its top."""
        if letter_id not in self._recipients:
            with (self._folder / f"{letter_id}.eml").open(encoding="utf-8", errors="replace") as file:
                file.readline()
                lines = itertools.takewhile(lambda line: line.startswith(DELIVERED), file)
                self._recipients[letter_id] = frozenset(line.removeprefix(DELIVERED).strip() for line in lines)
        return self._recipients[letter_id]

    def _letter(self, letter_id: str) -> Letter:
        if letter_id not in self._read:
            self._read[letter_id] = _read(letter_id, self.raw(letter_id))
        return self._read[letter_id]


def _trace(sender: str, recipients: list[str]) -> Iterator[tuple[str, str]]:
    yield "Return-Path", f"<{sender}>"
    for recipient in recipients:
        yield DELIVERED.removesuffix(": "), recipient


def _read(letter_id: str, raw: bytes) -> Letter:
    """Any mail at all: one that no parser understands is shown as it came."""
    try:
        return _opened(letter_id, raw)
    except Exception:
        return Letter(letter_id, "", [], [], [], "", None, None, raw.decode(errors="replace"), "", [])


def _opened(letter_id: str, raw: bytes) -> Letter:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return Letter(
        id=letter_id,
        from_=_unfolded(message.get("From", "")),
        to=_addresses(message, "To"),
        cc=_addresses(message, "Cc"),
        recipients=[str(value) for value in message.get_all("Delivered-To", [])],
        subject=_unfolded(message.get("Subject", "")),
        date=message["Date"] and _unfolded(message["Date"]),
        message_id=message["Message-ID"] and _unfolded(message["Message-ID"]),
        text=_part(message, "plain"),
        html=_part(message, "html"),
        headers=[(name, _unfolded(value)) for name, value in message.items()],
    )


def _unfolded(value: object) -> str:
    """A header that is folded right after its name begins with the space of its next line: that is none of the value's."""
    return str(value).strip()


def _addresses(message: EmailMessage, header: str) -> list[str]:
    return [address.addr_spec for value in message.get_all(header, []) for address in value.addresses]


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    if body is None:
        return ""
    try:
        return str(body.get_content()).replace("\r\n", "\n")
    except (LookupError, KeyError):  # a character set that nobody knows
        return bytes(body.get_payload(decode=True) or b"").decode(errors="replace")


# --------------------------------------------------------------------------------------------------------- incoming
class Doorman:
    """What the SMTP server asks: it takes everything, and answers 250 when it is on the disk."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd's name
        content = envelope.content
        assert isinstance(content, bytes)
        try:
            letter_id = await asyncio.to_thread(self._mailbox.keep, envelope.mail_from or "", list(envelope.rcpt_tos), content)
        except OSError as error:
            return f"452 not kept: {error.strerror}"
        return f"250 kept as {letter_id}"


@contextlib.asynccontextmanager
async def receiving(handler: object, listening: socket.socket, **options: Any) -> AsyncIterator[None]:
    """An SMTP server on this loop, no thread. On the way out its conversations end too."""
    loop = asyncio.get_running_loop()
    open_doors: set[SMTP] = set()

    class Door(SMTP):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            open_doors.add(self)

        def connection_lost(self, error: Exception | None) -> None:
            super().connection_lost(error)
            open_doors.discard(self)

    server = await loop.create_server(
        lambda: Door(
            handler, hostname="mailbox", ident="mailbox", enable_SMTPUTF8=True, data_size_limit=LARGEST_MAIL_BYTES, loop=loop, **options
        ),
        sock=listening,
    )
    try:
        yield
    finally:
        server.close()
        for door in tuple(open_doors):
            if door.transport is not None:
                door.transport.close()
        talks = [door._handler_coroutine for door in tuple(open_doors) if door._handler_coroutine is not None]
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await server.wait_closed()


# ------------------------------------------------------------------------------------------------------------- page
WORDS = {
    "fr": {
        "title": "Boîte aux lettres",
        "empty": "Aucun message pour l'instant.",
        "note": "Rien n'est envoyé : les messages de cette installation arrivent ici.",
        "received": "Date",
        "to": "Destinataires",
        "subject": "Objet",
        "back": "Tous les messages",
        "headers": "En-têtes",
        "html": "Version HTML",
        "raw": "Message d'origine",
        "none": "(sans objet)",
        "older": "Messages plus anciens",
    },
    "en": {
        "title": "Mailbox",
        "empty": "No message yet.",
        "note": "Nothing is sent: the messages of this installation arrive here.",
        "received": "Date",
        "to": "To",
        "subject": "Subject",
        "back": "All messages",
        "headers": "Headers",
        "html": "HTML version",
        "raw": "Original message",
        "none": "(no subject)",
        "older": "Older messages",
    },
}

SHEET = """<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{% block title %}{{ say.title }}{% endblock %} - Préau</title>
<style>
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; font: 1rem/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff }
a { color: #0b57a4 } table { width: 100%; border-collapse: collapse } th, td { text-align: left; padding: .5rem; vertical-align: top }
tr { border-bottom: 1px solid #d5d9de } pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f4f5f7; padding: 1rem }
iframe { width: 100%; height: 30rem; border: 1px solid #d5d9de }
</style>
</head>
<body>
<main>{% block main %}{% endblock %}</main>
</body>
</html>
"""
LIST = """{% extends "sheet" %}
{% block main %}
<h1>{{ say.title }}</h1>
<p>{{ say.note }}</p>
{% if letters %}
<table>
<thead><tr><th scope="col">{{ say.received }}</th><th scope="col">{{ say.to }}</th><th scope="col">{{ say.subject }}</th></tr></thead>
<tbody>
{% for letter in letters %}
<tr><td>{{ moment(letter.date, language) }}</td><td>{{ letter.recipients | join(", ") }}</td>
<td><a href="/messages/{{ letter.id }}">{{ letter.subject or say.none }}</a></td></tr>
{% endfor %}
</tbody>
</table>
{% if older %}
<p><a href="/?before={{ letters[-1].id }}">{{ say.older }}</a></p>
{% endif %}
{% else %}
<p>{{ say.empty }}</p>
{% endif %}
{% endblock %}
"""
LETTER = """{% extends "sheet" %}
{% block title %}{{ letter.subject or say.none }}{% endblock %}
{% block main %}
<p><a href="/">{{ say.back }}</a></p>
<h1>{{ letter.subject or say.none }}</h1>
<pre>{{ letter.text | urlize }}</pre>
{% if letter.html %}
<h2>{{ say.html }}</h2>
<iframe sandbox="allow-popups allow-popups-to-escape-sandbox" title="{{ say.html }}" srcdoc="{{ letter.html }}"></iframe>
{% endif %}
<h2>{{ say.headers }}</h2>
<table>
{% for name, value in letter.headers %}
<tr><th scope="row">{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}
</table>
<p><a href="/messages/{{ letter.id }}/raw">{{ say.raw }}</a></p>
{% endblock %}
"""
DAYS = {"fr": ("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."), "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}


def moment(date: str | None, language: str) -> str:
    """A mail's date in this machine's time; as it came, if it is none."""
    try:
        at = parsedate_to_datetime(date or "").astimezone()
    except (ValueError, OverflowError):
        return date or ""
    return f"{DAYS[language][at.weekday()]} {at:%d/%m/%Y, %H:%M}"


PAGES = Environment(
    loader=DictLoader({"sheet": SHEET, "list": LIST, "letter": LETTER}), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
#: A mail is not ours: nothing in it may run, or load anything.
CAREFUL = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def page(mailbox: Mailbox) -> Starlette:
    def show(request: Request, name: str, **facts: object) -> Response:
        language = "en" if request.headers.get("accept-language", "fr").strip().lower().startswith("en") else "fr"
        html = PAGES.get_template(name).render(language=language, say=WORDS[language], moment=moment, **facts)
        return HTMLResponse(html, headers=CAREFUL)

    def everything(request: Request) -> Response:
        found = mailbox.letters(before=request.query_params.get("before"))
        letters = list(itertools.islice(found, PAGE_SIZE))
        return show(request, "list", letters=letters, older=next(found, None) is not None)

    def messages(request: Request) -> Response:
        letters = mailbox.letters(to=request.query_params.get("to"))
        return JSONResponse([letter.as_json() for letter in letters], headers=CAREFUL)

    def message(request: Request) -> Response:
        try:
            return show(request, "letter", letter=mailbox.letter(request.path_params["id"]))
        except KeyError:
            raise HTTPException(404) from None

    def raw(request: Request) -> Response:
        try:
            return Response(mailbox.raw(request.path_params["id"]), media_type="text/plain", headers=CAREFUL)
        except KeyError:
            raise HTTPException(404) from None

    return Starlette(
        routes=[
            Route("/", everything),
            Route("/messages", messages),
            Route("/messages/{id}", message),
            Route("/messages/{id}/raw", raw),
        ]
    )


# ---------------------------------------------------------------------------------------------------------- process
class Pages(uvicorn.Server):
    """uvicorn's own handling of signals ends the process by the signal; ours ends it cleanly."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for kind in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(kind, self._leave)
        yield

    def _leave(self) -> None:
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), backlog=128)


async def serve(folder: Path, host: str, smtp_port: int, http_port: int) -> None:
    """Until SIGTERM or SIGINT."""
    mailbox = Mailbox(folder)
    smtp, http = listen(host, smtp_port), listen(host, http_port)
    pages = Pages(uvicorn.Config(page(mailbox), log_level="warning", timeout_graceful_shutdown=2))
    print(f"mailbox http://{host}:{http.getsockname()[1]}", flush=True)
    print(f"smtp smtp://{host}:{smtp.getsockname()[1]}", flush=True)
    async with receiving(Doorman(mailbox), smtp):
        await pages.serve(sockets=[http])


def main() -> None:
    parser = argparse.ArgumentParser(description="The embedded mailbox: keeps mails and shows them.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the mails")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--smtp-port", type=int, default=8025, help="0: any free one")
    parser.add_argument("--http-port", type=int, default=8026, help="0: any free one")
    options = parser.parse_args()
    os.umask(0o077)  # mails hold links for new passwords: they are for nobody else's eyes
    give_way(4)  # a real mail server runs on another machine: in an opening rush its stand-in must not take time from those who book
    asyncio.run(serve(options.data, options.host, options.smtp_port, options.http_port))


if __name__ == "__main__":
    main()
