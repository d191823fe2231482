"""The payment sandbox: plays a card-payment site, with a page on which to pay, refuse or give up, and every misbehaviour of real ones.

`SANDBOX_SECRET=whsec_... python -m deploy.sandbox --data DIR --port N`. Two ways to speak with it: `/api`, which signs its notifications
(Standard Webhooks), and `/payfip`, which does not, as the French treasury's PayFiP. For trying Préau out and for tests: no money moves.

What it took is in DIR, one file for each session, on the disk before anybody hears of it. `GET /truth` tells all of it, and
`POST /misbehaviour` with a name of MISBEHAVIOURS sets what new sessions do unless their page says otherwise.
"""

import argparse
import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx2
import orjson
import uvicorn
from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from deploy.mailbox import CAREFUL, Pages, listen
from services.certificates import trusted
from services.refusal import language_of
from services.standard_webhooks import standard
from services.yielding import give_way

LATE_SECONDS = 3.0  #: Of a notification that is late, and of money that comes after all.
OLD_SECONDS = 3600
OPEN_SECONDS = 3600  #: Then nobody can pay on that page any more.
TRIES = 5  #: Of a notification that the town does not take.
ANSWERS = 2  #: Questions after the payment that are answered badly, where that is the misbehaviour.
CUSTOMER = "3150"  #: "numcli" of PayFiP.


# ------------------------------------------------------------------------------------------------------- misbehaviours
@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What a payment site gets wrong. Nothing, as it stands here."""

    french: str
    english: str
    notices: tuple[str, ...] = ("good",)  #: How each is sent: good, late, forged, unsigned, old, stranger.
    before_return: bool = False  #: They are sent before the browser is sent back.
    returns: bool = True  #: Whether the browser is sent back at all.
    answers: str = "good"  #: What the first questions get: good, refused (503), garbage, unknown, behind (the state before).
    more_cents: int = 0  #: Told beyond what was ordered.
    currency: str = "EUR"
    order: str | None = None  #: Told instead of ours.
    at_first: str | None = None  #: A state that comes before the one that was chosen on the page.


MISBEHAVIOURS = {
    "none": Misbehaviour("aucun", "none"),
    "early": Misbehaviour("notification avant le retour du navigateur", "notification before the browser returns", before_return=True),
    "lost": Misbehaviour("notification perdue", "notification lost", notices=()),
    "twice": Misbehaviour("notification en double", "notification sent twice", notices=("good", "good")),
    "late": Misbehaviour("notification tardive", "late notification", notices=("late",)),
    "forged": Misbehaviour("signature fausse", "forged signature", notices=("forged",)),
    "unsigned": Misbehaviour("sans signature", "without a signature", notices=("unsigned",)),
    "old": Misbehaviour("signature d'il y a une heure", "signed an hour ago", notices=("old",)),
    "stranger": Misbehaviour("notification d'un autre paiement", "notification of another payment", notices=("stranger",)),
    "storm": Misbehaviour(
        "tout à la fois", "all of that at once", notices=("forged", "good", "stranger", "old", "good", "late", "unsigned", "good")
    ),
    "no-return": Misbehaviour("le navigateur ne revient pas", "the browser does not return", returns=False),
    "nothing-at-all": Misbehaviour("ni retour ni notification", "neither return nor notification", notices=(), returns=False),
    "more": Misbehaviour("un centime de plus", "one cent more", more_cents=1),
    "less": Misbehaviour("cent centimes de moins", "a hundred cents less", more_cents=-100),
    "dollars": Misbehaviour("une autre monnaie", "another currency", currency="USD"),
    "other-order": Misbehaviour("le paiement de quelqu'un d'autre", "somebody else's payment", order="somebody-else"),
    "away": Misbehaviour("ne répond pas d'abord", "does not answer at first", answers="refused"),
    "garbage": Misbehaviour("répond n'importe quoi d'abord", "answers nonsense at first", answers="garbage"),
    "unknown": Misbehaviour("ne sait rien d'abord", "knows nothing at first", answers="unknown"),
    "behind": Misbehaviour("le statut retarde sur la notification", "the status is behind the notification", answers="behind"),
    "after-cancelled": Misbehaviour("abandonné, puis réglé quand même", "given up, then paid all the same", at_first="CANCELLED"),
    "after-expired": Misbehaviour("expiré, puis réglé quand même", "expired, then paid all the same", at_first="EXPIRED"),
}


# ----------------------------------------------------------------------------------------------------- what is kept
async def late() -> None:
    await asyncio.sleep(LATE_SECONDS)


@dataclass(slots=True)
class Session:
    """One payment as the site sees it."""

    id: str
    signed: bool  #: By /api; else by /payfip.
    order: str
    amount_cents: int
    language: str
    title: str
    notify_url: str
    return_url: str
    misbehaviour: str
    opened_at: float
    status: str = "STARTED"
    number: str | None = None  #: Of the transaction, once it is paid.
    questions: int = 0  #: Since it ended.

    @property
    def how(self) -> Misbehaviour:
        return MISBEHAVIOURS[self.misbehaviour]


@dataclass(slots=True)
class Books:
    """All sessions, each in a file that is replaced as a whole."""

    folder: Path
    sessions: dict[str, Session] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self.folder.glob("*.json")):
            one = Session(**orjson.loads(path.read_bytes()))
            self.sessions[one.id] = one

    def keep(self, one: Session) -> None:
        new = self.folder / f"{one.id}.new"
        with new.open("wb") as file:
            file.write(orjson.dumps(asdict(one)))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.folder / f"{one.id}.json")
        self.sessions[one.id] = one

    def of(self, id: str, *, signed: bool | None = None) -> Session:
        one = self.sessions.get(id)
        if one is None or signed not in (None, one.signed):
            raise HTTPException(404)
        return one


# ------------------------------------------------------------------------------------------------------------- site
@dataclass(slots=True)
class Site:
    """The site: what the town asks of it, what families see, what it tells unasked."""

    books: Books
    secret: str
    misbehaviour: str = "none"
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    # -------------------------------------------------------------------------------------------- what the town asks
    async def open(self, request: Request) -> Response:
        """By /api: the same order once more is the same page."""
        told = await _object(request)
        known = next((one for one in self.books.sessions.values() if one.signed and one.order == told.get("payment")), None)
        one = known or self._opened(told, signed=True)
        return JSONResponse({"id": one.id, "url": str(request.url_for("page", id=one.id))})

    async def open_operation(self, request: Request) -> Response:
        """By /payfip: a new page each time."""
        one = self._opened(await _object(request), signed=False)
        return JSONResponse({"idop": one.id, "url": str(request.url_for("page", id=one.id))})

    def _opened(self, told: dict[str, Any], *, signed: bool) -> Session:
        names = {name: told.get(name) for name in ("language", "title", "notify_url", "return_url")}
        cents, order = told.get("amount_cents"), told.get("payment")
        texts = (order, *names.values())
        if not isinstance(cents, int) or cents < 1 or not all(isinstance(text, str) and text for text in texts):
            raise HTTPException(400)
        language, title, notify_url, return_url = map(str, names.values())
        id, now = token_hex(16), time.time()
        one = Session(id, signed, str(order), cents, language, title, notify_url, return_url, self.misbehaviour, now)
        self.books.keep(one)
        return one

    async def status(self, request: Request) -> Response:
        one = self.books.of(request.path_params["id"], signed=True)
        bad, status = self._answered(one)
        if bad is not None:
            return bad
        facts: dict[str, Any] = {"status": status, "order": one.how.order or one.order}
        if status == "PAID":
            facts |= {"amount_cents": one.amount_cents + one.how.more_cents, "currency": one.how.currency}
            facts["reference"] = f"{CUSTOMER}-N°AUTO:{one.number}"
        return JSONResponse(facts)

    async def operation(self, request: Request) -> Response:
        """As PayFiP: P5 while nothing is certain; then what became of it, without a currency."""
        one = self.books.of(request.path_params["id"], signed=False)
        bad, status = self._answered(one)
        if bad is not None:
            return bad
        if status in ("STARTED", "EXPIRED"):
            return JSONResponse({"code": "P5" if status == "STARTED" else "P1"})
        result = {"PAID": "P", "REFUSED": "R", "CANCELLED": "A"}[status]
        cents = str(one.amount_cents + one.how.more_cents)
        facts: dict[str, str | None] = {"numcli": CUSTOMER, "refdet": one.how.order or one.order, "montant": cents, "resultrans": result}
        return JSONResponse(facts | ({"numauto": one.number} if status == "PAID" else {}))

    def _answered(self, one: Session) -> tuple[Response | None, str]:
        """An answer that is wrong, or None and the status that is told."""
        if one.status == "STARTED" and time.time() - one.opened_at > OPEN_SECONDS:
            self._come_to(one, "EXPIRED")
        if one.status == "STARTED" or one.questions >= ANSWERS:
            return None, one.status
        one.questions += 1
        self.books.keep(one)
        match one.how.answers:
            case "refused":
                return PlainTextResponse("overloaded\n", 503), one.status
            case "garbage":
                return PlainTextResponse("<html>Erreur 0</html>"), one.status
            case "unknown":
                raise HTTPException(404)
            case "behind":
                return None, "STARTED"
        return None, one.status

    # ------------------------------------------------------------------------------------------------ what families see
    async def page(self, request: Request) -> Response:
        one = self.books.of(request.path_params["id"])
        wanted = request.query_params.get("lang", one.language)
        return _shown("pay", "en" if wanted == "en" else "fr", one=one, misbehaviours=MISBEHAVIOURS)

    async def press(self, request: Request) -> Response:
        """A button of the page: `action` is pay, refuse or abandon."""
        one = self.books.of(request.path_params["id"])
        form = dict(parse_qsl((await request.body()).decode(errors="replace"), max_num_fields=20))
        status = {"pay": "PAID", "refuse": "REFUSED", "abandon": "CANCELLED"}.get(form.get("action", ""))
        if status is None:
            raise HTTPException(400)
        if one.status == "STARTED":
            wanted = form.get("misbehaviour", one.misbehaviour)
            one.misbehaviour = wanted if wanted in MISBEHAVIOURS else one.misbehaviour
            await self._ends(one, status)
        if not one.how.returns:
            return _shown("stay", "en" if one.language == "en" else "fr", one=one)
        return RedirectResponse(one.return_url, 303)

    async def _ends(self, one: Session, status: str) -> None:
        if one.how.at_first is not None and status == "PAID":
            self._come_to(one, one.how.at_first)
            self._soon(self._all_the_same(one))
            return
        self._come_to(one, status)
        if one.how.before_return:
            await self._notify(one)
        else:
            self._soon(self._notify(one))

    async def _all_the_same(self, one: Session) -> None:
        """Given up or run out, and paid in the end: each is told, and the words may overtake one another."""
        self._soon(self._notify(one))
        await late()
        self._come_to(one, "PAID")
        await self._notify(one)

    def _come_to(self, one: Session, status: str) -> None:
        one.status = status
        if status == "PAID":
            one.number = f"{int(one.id[:6], 16) % 1_000_000:06}"
        self.books.keep(one)

    # ------------------------------------------------------------------------------------------------- what is told unasked
    async def _notify(self, one: Session) -> None:
        for kind in one.how.notices:
            if kind == "late":
                self._soon(self._later(one))
            else:
                await self._send(one, kind)

    async def _later(self, one: Session) -> None:
        await late()
        await self._send(one, "good")

    async def _send(self, one: Session, kind: str) -> None:
        """Until it is taken, some times. What is forged is told once."""
        for wait in range(TRIES):
            body, headers = self._worded(one, kind)
            try:
                async with httpx2.AsyncClient(timeout=10, verify=trusted()) as client:
                    answer = await client.post(one.notify_url, content=body, headers=headers)
                if answer.is_success or answer.status_code == 400:
                    return
            except httpx2.HTTPError:
                pass
            await asyncio.sleep(0.5 * 2**wait)

    def _worded(self, one: Session, kind: str) -> tuple[bytes, dict[str, str]]:
        about = token_hex(16) if kind == "stranger" else one.id
        if not one.signed:
            form = {"content-type": "application/x-www-form-urlencoded"}
            return urlencode({"idop": about, "resultrans": "P"}).encode(), form  # It says so whatever is true: nobody may believe it.
        body = orjson.dumps({"session": about, "status": "PAID"})
        moment = int(time.time()) - (OLD_SECONDS if kind == "old" else 0)
        headers = {"content-type": "application/json", **standard(self.secret, token_hex(8), moment, body)}
        if kind == "forged":
            headers["webhook-signature"] = "v1," + headers["webhook-signature"][3:][::-1]
        if kind == "unsigned":
            headers = {"content-type": "application/json"}
        return body, headers

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    # ------------------------------------------------------------------------------------------------- for demonstrations and tests
    async def truth(self, _: Request) -> Response:
        """What it took, and told."""
        return JSONResponse([asdict(one) for one in self.books.sessions.values()])

    async def misbehave(self, request: Request) -> Response:
        name = (await _object(request)).get("name")
        if name not in MISBEHAVIOURS:
            raise HTTPException(400)
        self.misbehaviour = str(name)
        return JSONResponse({"name": name})

    async def home(self, request: Request) -> Response:
        return _shown("home", language_of(request.headers.get("accept-language")), sessions=list(self.books.sessions.values())[::-1])


async def _object(request: Request) -> dict[str, Any]:
    try:
        told = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict):
        raise HTTPException(400)
    return told


def routes(site: Site) -> list[Route]:
    def at(path: str, what: Callable[[Request], Coroutine[Any, Any, Response]], *methods: str) -> Route:
        return Route(path, what, methods=list(methods) or ["GET"], name=what.__name__)

    return [
        at("/", site.home),
        at("/api/sessions", site.open, "POST"),
        at("/api/sessions/{id}", site.status),
        at("/payfip/operations", site.open_operation, "POST"),
        at("/payfip/operations/{id}", site.operation),
        at("/pay/{id}", site.page),
        at("/pay/{id}", site.press, "POST"),
        at("/truth", site.truth),
        at("/misbehaviour", site.misbehave, "POST"),
    ]


# ------------------------------------------------------------------------------------------------------------- page
WORDS = {
    "fr": {
        "title": "Site de paiement de démonstration",
        "note": "Aucun argent ne bouge : ce site joue le rôle d'une banque.",
        "amount": "Montant",
        "for": "Pour",
        "order": "Paiement",
        "status": "État",
        "none": "Aucun paiement pour l'instant.",
        "pay": "Payer",
        "refuse": "Carte refusée",
        "abandon": "Abandonner",
        "misbehaviour": "Ce que ce site fait de travers",
        "over": "Ce paiement est terminé.",
        "back": "Revenir à l'espace famille",
        "stay": "Vous pouvez fermer cette page.",
        "other": "English",
        "STARTED": "en cours",
        "PAID": "payé",
        "REFUSED": "refusé",
        "CANCELLED": "abandonné",
        "EXPIRED": "expiré",
    },
    "en": {
        "title": "Demonstration payment site",
        "note": "No money moves: this site plays the part of a bank.",
        "amount": "Amount",
        "for": "For",
        "order": "Payment",
        "status": "Status",
        "none": "No payment yet.",
        "pay": "Pay",
        "refuse": "Card refused",
        "abandon": "Give up",
        "misbehaviour": "What this site does wrong",
        "over": "This payment is over.",
        "back": "Back to the family portal",
        "stay": "You may close this page.",
        "other": "Français",
        "STARTED": "under way",
        "PAID": "paid",
        "REFUSED": "refused",
        "CANCELLED": "given up",
        "EXPIRED": "expired",
    },
}
SHEET = """<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ say.title }}</title>
<style>
body { margin: 0 auto; max-width: 40rem; padding: 1.5rem; font: 1.1rem/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff }
a { color: #0b57a4 } button, select { font: inherit; padding: .6rem 1rem; margin: .3rem .3rem .3rem 0; max-width: 100% }
dt { font-weight: 600 } dd { margin: 0 0 .6rem }
table { width: 100%; border-collapse: collapse } th, td { text-align: left; padding: .4rem }
.first { background: #0b57a4; color: #fff; border: 1px solid #0b57a4 }
</style>
</head>
<body>
<main>
<h1>{{ say.title }}</h1>
<p>{{ say.note }}</p>
{% block main %}{% endblock %}
</main>
</body>
</html>
"""
FACTS = """<dl>
<dt>{{ say.for }}</dt><dd>{{ one.title }}</dd>
<dt>{{ say.amount }}</dt><dd>{{ money(one.amount_cents) }}</dd>
<dt>{{ say.order }}</dt><dd>{{ one.order }}</dd>
<dt>{{ say.status }}</dt><dd>{{ say[one.status] }}</dd>
</dl>
"""
PAY = """{% extends "sheet" %}
{% block main %}
<p><a hreflang="{{ 'fr' if language == 'en' else 'en' }}" href="?lang={{ 'fr' if language == 'en' else 'en' }}">{{ say.other }}</a></p>
{% include "facts" %}
{% if one.status == "STARTED" %}
<form method="post">
<p><button class="first" name="action" value="pay">{{ say.pay }}</button>
<button name="action" value="refuse">{{ say.refuse }}</button>
<button name="action" value="abandon">{{ say.abandon }}</button></p>
<p><label for="misbehaviour">{{ say.misbehaviour }}</label><br>
<select id="misbehaviour" name="misbehaviour">
{% for name, how in misbehaviours.items() %}
<option value="{{ name }}"{{ " selected" if name == one.misbehaviour }}>{{ how.english if language == "en" else how.french }}</option>
{% endfor %}
</select></p>
</form>
{% else %}
<p>{{ say.over }} <a href="{{ one.return_url }}">{{ say.back }}</a></p>
{% endif %}
{% endblock %}
"""
STAY = """{% extends "sheet" %}
{% block main %}
{% include "facts" %}
<p>{{ say.stay }}</p>
{% endblock %}
"""
HOME = """{% extends "sheet" %}
{% block main %}
{% if sessions %}
<table>
<thead><tr><th scope="col">{{ say.order }}</th><th scope="col">{{ say.amount }}</th><th scope="col">{{ say.status }}</th></tr></thead>
<tbody>
{% for one in sessions %}
<tr><td><a href="/pay/{{ one.id }}">{{ one.order }}</a></td><td>{{ money(one.amount_cents) }}</td><td>{{ say[one.status] }}</td></tr>
{% endfor %}
</tbody>
</table>
{% else %}
<p>{{ say.none }}</p>
{% endif %}
{% endblock %}
"""
PAGES = Environment(
    loader=DictLoader({"sheet": SHEET, "facts": FACTS, "pay": PAY, "stay": STAY, "home": HOME}),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)


def _shown(name: str, language: str, **facts: object) -> Response:
    def money(cents: int) -> str:
        euros = f"{cents // 100}{'.' if language == 'en' else ','}{cents % 100:02}"
        return f"€{euros}" if language == "en" else f"{euros} €"

    html = PAGES.get_template(name).render(language=language, say=WORDS[language], money=money, **facts)
    return HTMLResponse(html, headers=CAREFUL)


# ---------------------------------------------------------------------------------------------------------- process
async def serve(folder: Path, host: str, port: int, secret: str) -> None:
    """Until SIGTERM or SIGINT."""
    http = listen(host, port)
    pages = Pages(
        uvicorn.Config(Starlette(routes=list(routes(Site(Books(folder), secret)))), log_level="warning", timeout_graceful_shutdown=2)
    )
    print(f"sandbox http://{host}:{http.getsockname()[1]}", flush=True)
    with contextlib.suppress(asyncio.CancelledError):
        await pages.serve(sockets=[http])


def main() -> None:
    parser = argparse.ArgumentParser(description="The payment sandbox: plays a card-payment site.")
    parser.add_argument("--data", type=Path, required=True, help="folder of what it took")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8027, help="0: any free one")
    options = parser.parse_args()
    os.umask(0o077)
    give_way(4)  # as the mailbox: a real one runs on another machine
    asyncio.run(serve(options.data, options.host, options.port, os.environ["SANDBOX_SECRET"]))


if __name__ == "__main__":
    main()
