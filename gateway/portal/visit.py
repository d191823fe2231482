"""One request at the portal: who it is, in which language and structure, what is asked of the API, and the page that answers."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from markupsafe import Markup
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from gateway.answering import gzipped, takes_gzip
from gateway.portal import assets, draft, forms, security, town_words
from gateway.portal.api import BUSY, GONE, NOT_THERE, SIGN_IN_FIRST, TOO_MUCH, Answer, Api
from gateway.portal.forms import Form
from gateway.portal.noticeboard import Noticeboard
from gateway.portal.operations import SHELL, operation
from gateway.portal.session import MARGIN_SECONDS, TOKENS, NobodyCanSay, Renewing, Session
from gateway.portal.templating import drawn
from gateway.portal.texts import COUNTED, TEXTS, count, phrase
from gateway.portal.town_words import TownWords
from services.clock import Clock
from services.refusal import Language, language_of
from services.telemetry import log

SESSION, SECRET, LANGUAGE, STRUCTURE, SAID = "preau_session", "preau_page", "preau_langue", "preau_structure", "preau_message"
OFFICE, ZONE = "preau_bureau", "preau_fuseau"
SESSION_SECONDS = 30 * 24 * 3600  #: As long as a session may last at all; whether it does, the API says.
YEAR_SECONDS = 365 * 24 * 3600
#: Forms of these pages can be sent again from the page that says that nobody answered.
RESENT = ("/bureau/", "/paiement")
SECRET_FIELD = "motdepasse"  #: What names of fields with a password begin with.
LONGEST_ID = 100
#: Of gzip: a month of 52 KB takes 11.7 and 1.2 ms of CPU, where level 1 takes 14.0 and 0.5; phones are what waits.
PAGE_LEVEL = 6
SIGN_IN = "/connexion"
#: Where the structure is, until the API or the browser says otherwise.
SOMEWHERE = "Europe/Paris"
SERVICES = frozenset({"identity", "booking", "billing", "mailer"})
#: Codes that are no outage.
_SAID_OTHERWISE = SIGN_IN_FIRST | NOT_THERE | TOO_MUCH
#: The menu: key, address, text.
TABS = [
    ("home", "/", "TAB_HOME"),
    ("book", "/reserver", "TAB_BOOK"),
    ("bookings", "/reservations", "TAB_BOOKINGS"),
    ("money", "/soldes", "TAB_MONEY"),
    ("history", "/historiques", "TAB_HISTORY"),
    ("profile", "/profil", "TAB_PROFILE"),
]
DESK_TAB = [("desk", "/bureau", "TAB_DESK")]
RENEW = operation(f"""mutation RenewSession($token: String!) {{ refreshSession(refreshToken: $token) {{
  __typename ... on SignedIn {{ {TOKENS} }} ... on Refusal {{ code }} }} }}""")


class Answered(Exception):
    """What the visitor gets instead of the page: raise it anywhere."""

    def __init__(self, response: Response) -> None:
        self.response = response


def _is_lost(answer: Answer) -> bool:
    """Nothing of it is there, or not who asks."""
    there = [each for each in answer.data.values() if each is not None]
    return bool(answer.codes) and (not there or answer.data.get("me", answer) is None)


@dataclass(frozen=True, slots=True)
class House:
    """What all visits share."""

    api: Api
    renewing: Renewing
    board: Noticeboard
    clock: Clock
    secure: bool  #: The public address is https.
    #: Where forms of the payment page lead at last.
    payment_origins: frozenset[str] = frozenset()
    town: TownWords = town_words.DEFAULT
    passkeys: bool = False  #: Browsers make keys for this address.
    site: str = ""  #: The public address.
    writing: set[str] = field(default_factory=set)  #: Accounts that are taking a long file.

    def cookie(self, name: str) -> str:
        """`__Host-`: no neighbour of ours under the same domain can set it."""
        return f"__Host-{name}" if self.secure else name


@dataclass(slots=True)
class Visit:
    request: Request
    house: House
    language: Language
    session: Session | None = None
    data: Mapping[str, Any] = field(default_factory=dict)  #: Of all questions to the API.
    partly: bool = False  #: A part of the answer is missing, for a service was away.
    away: frozenset[str] = frozenset()  #: Services that did not answer.
    unanswered: bool = False  #: Nor was a form.
    sent: Form | None = None  #: What the form told, where there is one and it is ours.
    office: Mapping[str, Any] | None = None  #: At the agents' desk: the structure that is being worked for.
    asked_at: dt.datetime | None = None  #: When the first of these questions was: all that is shown is as new as that. None: there is none.
    _cookies: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    _drafts: dict[str, str] = field(default_factory=dict)
    _secret: str = ""
    _left: bool = False  #: Whoever was signed in is not any more.

    @classmethod
    def of(cls, request: Request, house: House) -> "Visit":
        told = request.query_params.get("lang") or request.cookies.get(house.cookie(LANGUAGE))
        language: Language = "en" if told == "en" else "fr" if told == "fr" else language_of(request.headers.get("accept-language"))
        visit = cls(request, house, language, Session.read(request.cookies.get(house.cookie(SESSION), "")))
        if request.query_params.get("lang") in ("fr", "en"):
            visit.keep(LANGUAGE, language, YEAR_SECONDS)
        visit._secret = request.cookies.get(house.cookie(SECRET), "")
        return visit

    # ----------------------------------------------------------------------------------------------- what the browser keeps
    def keep(self, name: str, value: str, seconds: int | None = None) -> None:
        """In a cookie that no script reads. `seconds`: None: until the browser is closed."""
        self._cookies[name] = (value, seconds)

    def choose(self, name: str, id: str) -> None:
        """Which of several is looked at from now on. What can be none's id is left out; whether it is one's own is seen when it is used."""
        if id.isascii() and len(id) <= LONGEST_ID:
            self.keep(name, id, YEAR_SECONDS)

    def forget(self, name: str) -> None:
        self._cookies[name] = ("", 0)

    @property
    def is_anew(self) -> bool:
        """A script asks for what is shown already, for parts of it (static/live.js): nobody reads the rest of that page."""
        return "preau-anew" in self.request.headers

    def kept(self, name: str) -> str:
        """Empty: nothing."""
        return self.request.cookies.get(self.house.cookie(name), "")

    def sign_in(self, session: Session) -> None:
        self.session = session
        self.keep(SESSION, session.written(), SESSION_SECONDS)

    def sign_out(self) -> None:
        self._left = self._left or self.session is not None
        self.session, self._secret = None, ""
        for name in (SESSION, SECRET, STRUCTURE, OFFICE):
            self.forget(name)

    def forget_drafts(self) -> None:
        """Of every family that used this browser."""
        self._drafts |= {name: "" for name in self.request.cookies if name.startswith("preau_brouillon_")}

    def choices(self) -> list[draft.Line]:
        """The draft: what the family chose and did not confirm."""
        return draft.read(self.request.cookies.get(draft.cookie(self.family["id"]), ""))

    def keep_choices(self, lines: Iterable[draft.Line]) -> None:
        """Raises draft.TooLong."""
        self._drafts[draft.cookie(self.family["id"])] = draft.written(lines)

    # --------------------------------------------------------------------------------------------------- asking the API
    async def ask(self, document: str, /, **variables: Any) -> Mapping[str, Any]:
        """The answer, in `data` from now on. Raises Answered: nobody is signed in, nothing can be told, or there is no such thing."""
        if self.session is None and SHELL in document:
            raise Answered(self.to_sign_in())
        answer = await self._answer(document, variables)
        self._judge(answer)
        return answer.data

    async def seek(self, document: str, /, **variables: Any) -> Mapping[str, Any]:
        """As `ask`, where the page can do without it: nothing, if nobody can tell it now. Raises Answered for all else."""
        answer = await self._answer(document, variables)
        if _is_lost(answer) and not answer.codes & _SAID_OTHERWISE:
            self._warn(answer)
            return {}
        self._judge(answer)
        return answer.data

    async def order(self, document: str, /, **variables: Any) -> Any:
        """What became of a form: `done` of the answer. Raises Answered: nobody is signed in, or it is too much.

        What is not there, and who cannot be reached now, is a refusal as any other, with a code and a message: NOT_THERE, AWAY.
        """
        answer = await self._answer(document, variables)
        if answer.codes & NOT_THERE and not answer.codes & SIGN_IN_FIRST:
            return {"code": "NOT_THERE", "message": phrase("FORM_NOT_THERE", self.language)}
        if busy := answer.said(BUSY):
            return {"code": BUSY, "message": busy}
        if _is_lost(answer) and not answer.codes & _SAID_OTHERWISE:
            self._warn(answer)
            self.unanswered = True
            return {"code": "AWAY", "message": phrase("FORM_AWAY", self.language)}
        self._judge(answer)
        return answer.data["done"]

    async def _answer(self, document: str, variables: Mapping[str, Any]) -> Answer:
        self.asked_at = self.asked_at or self.house.clock.now()
        answer = await self.house.api.ask(self.request, self.language, document, variables, await self._token())
        told = {name: each for name, each in answer.data.items() if name != "me" or each is not None}
        self.data, self.partly, self.away = {**self.data, **told}, self.partly or bool(answer.errors), self.away | answer.away
        return answer

    async def ask_as(self, token: str | None, document: str, /, **variables: Any) -> Mapping[str, Any]:
        """As `ask`, in the name of somebody who does not stay signed in here; None: of nobody. Raises Answered."""
        answer = await self.house.api.ask(self.request, self.language, document, variables, token)
        self._judge(answer)
        return answer.data

    async def ask_all(self, token: str, document: str, /, **variables: Any) -> Mapping[str, Any]:
        """As `ask_as`, with nothing missing: a part of the answer is as good as none. Raises Answered."""
        answer = await self.house.api.ask(self.request, self.language, document, variables, token, to_the_end=True)
        self._judge(answer)
        if answer.errors:
            self._warn(answer)
            raise Answered(self.trouble("AWAY", 503))
        return answer.data

    async def look(self, document: str, /, **variables: Any) -> Mapping[str, Any] | None:
        """As `ask`, of what anybody may know, where a page can do without. None: nobody can say now."""
        answer = await self.house.api.ask(self.request, self.language, document, variables, None)
        return answer.data if answer.data and not answer.errors else None

    async def glance(self, document: str, /, **variables: Any) -> None:
        """As `ask`, for a page that everybody may read: who is signed in, if anybody is, and it can be told."""
        if self.session is not None:
            try:
                await self.ask(document, **variables)
            except Answered:
                self.data = {}

    def _judge(self, answer: Answer) -> None:
        codes = answer.codes
        if (codes & SIGN_IN_FIRST or ("me" in answer.data and answer.data["me"] is None)) and not codes - SIGN_IN_FIRST:
            raise Answered(self.to_sign_in())
        if codes & NOT_THERE:
            raise Answered(self.trouble("NOT_HERE", 404))
        if codes & TOO_MUCH:
            raise Answered(self.trouble("TOO_MUCH", 429))
        if _is_lost(answer):
            self._warn(answer)
            raise Answered(self.trouble("AWAY", 503))

    def _warn(self, answer: Answer) -> None:
        if GONE not in answer.codes:
            log().warning("a page could not be made", codes=sorted(answer.codes), path=self.request.url.path)

    async def _token(self) -> str | None:
        """Raises Answered: the session is over, or nobody can say."""
        return None if self.session is None else await self.token_for(MARGIN_SECONDS)

    async def token_for(self, seconds: float) -> str:
        """Good for that long: for what is still asked when the cookies have left. Raises Answered, also where nobody is signed in."""
        if self.session is None:
            raise Answered(self.to_sign_in())
        if self.session.until - self.house.clock.now().timestamp() > seconds:
            return self.session.access
        return (await self._renewed(self.session)).access

    async def stay(self) -> None:
        """Signed in, for as long again. Raises Answered: the session is over, or nobody can say."""
        if self.session is not None:
            await self._renewed(self.session)

    @property
    def seconds_left(self) -> int:
        """Until the session is over, if nobody does anything; 0: it is, or there is none."""
        return max(0, self.session.ends - int(self.house.clock.now().timestamp())) if self.session is not None else 0

    async def _renewed(self, session: Session) -> Session:
        try:
            renewed = await self.house.renewing.renewed(session, self._renew)
        except NobodyCanSay:
            raise Answered(self.trouble("AWAY", 503)) from None
        if renewed is None:
            self.sign_out()
            raise Answered(self.to_sign_in(over=True))
        self.sign_in(renewed)
        return renewed

    async def _renew(self, refresh: str) -> Session | None:
        """To its end, also if this browser hangs up: others wait for it, and the token is used up."""
        answer = await self.house.api.ask(self.request, self.language, RENEW, {"token": refresh}, None, to_the_end=True)
        told = answer.data.get("refreshSession")
        if told is None or (told["__typename"] != "SignedIn" and told["code"] != "INVALID_TOKEN"):
            raise NobodyCanSay
        return Session.of(told) if told["__typename"] == "SignedIn" else None

    async def follow(self, document: str, /, **variables: Any) -> Response:
        """A subscription, as server-sent events: `next` with {"data": ...} each time, then `complete`. Raises Answered."""
        token = await self._token()
        if token is None:
            raise Answered(Response(status_code=204))  # Which tells a browser not to come again.
        return Following(self, document, variables, token)

    # ------------------------------------------------------------------------------------------------------- who it is
    @property
    def families(self) -> list[Mapping[str, Any]]:
        me = self.data.get("me")
        return list(me["families"]) if me else []

    @property
    def family(self) -> Mapping[str, Any]:
        """The one whose structure is being consulted (S5). Raises Answered: there is none."""
        families = self.families
        if not families:
            raise Answered(self.trouble("NO_FAMILY", 200) if self.data.get("me") else self.to_sign_in())
        wanted = self.kept(STRUCTURE)
        return next((one for one in families if one["id"] == wanted), families[0])

    def part(self, name: str) -> Mapping[str, Any] | None:
        """What `name: me` tells of that family: by a name of its own an outage takes nothing else from the page. None: there is one."""
        told = (self.data.get(name) or {}).get("families") or ()
        return next((one for one in told if one["id"] == self.family["id"]), None)

    @property
    def household(self) -> Mapping[str, Any]:
        """That family, and from `booking: me` its `bookingAccess` and the children's `activities`. None of both: booking is away."""
        told = self.part("booking") or {}
        children = [{"activities": None, **each} for each in told.get("children") or self.family["children"]]
        return {**self.family, "bookingAccess": None, **told, "children": children}

    @property
    def today(self) -> dt.date:
        """Where the structure is. Raises Answered: there is no family."""
        return self.house.clock.today(self.family["structure"]["timezone"])

    @property
    def likely_today(self) -> dt.date:
        """The same before anybody was asked: as far as this browser has been told where its structure is."""
        zone = self.kept(ZONE)
        try:
            return self.house.clock.today(zone or SOMEWHERE)
        except (ValueError, KeyError, OSError):  # A cookie may be anything.
            return self.house.clock.today(SOMEWHERE)

    def _remember_where(self) -> None:
        zone = self.family["structure"]["timezone"] if self.families else SOMEWHERE
        if self.families and zone != (self.kept(ZONE) or SOMEWHERE):
            self.keep(ZONE, zone, YEAR_SECONDS)

    # ------------------------------------------------------------------------------------------------------ what is sent
    async def form(self) -> Form:
        """Raises Answered: it is not ours."""
        try:
            self.sent = await forms.read(self.request, self._secret)
        except forms.NotOurs:
            raise Answered(self.trouble("NOT_OURS", 403)) from None
        return self.sent

    async def large_form(self, largest: int) -> Form | None:
        """As `form`, of one that may be larger. None: it is larger still, and has no effect."""
        try:
            self.sent = await forms.read(self.request, self._secret, largest)
        except forms.TooLarge:
            return None
        except forms.NotOurs:
            raise Answered(self.trouble("NOT_OURS", 403)) from None
        return self.sent

    @property
    def page_token(self) -> str:
        """For a hidden field of a form; forms.py."""
        if not self._secret:
            self._secret = forms.new_secret()
            self.keep(SECRET, self._secret)
        return forms.token(self._secret)

    # ------------------------------------------------------------------------------------------------------------ answers
    def page(
        self,
        template: str,
        *,
        status: int = 200,
        styles: Iterable[str] = (),
        tab: str = "",
        as_of: str | dt.datetime | None = None,
        form_targets: Iterable[str] = (),
        compressed: bool = True,
        **told: Any,
    ) -> Response:
        """`styles`: of static/, beside the frame's. `tab`: of the menu. `as_of`: the newest thing shown (S6), else when it was asked.

        `compressed`: False where something stands in it that opens something: how well that compresses would tell of it (BREACH).
        """
        status = 503 if self.unanswered and status == 422 else status
        sheet = assets.styles(*styles)
        self._remember_where()
        frame = Frame(self, tab, as_of or self.asked_at or self.house.clock.now(), sheet, *self._said())
        body, headers = drawn(template, self.language, {"frame": frame, **told}).encode(), security.headers(sheet, form_targets)
        if compressed and takes_gzip(self.request.headers.get("accept-encoding", "").encode()):
            body, headers = gzipped(body, PAGE_LEVEL), headers | {"content-encoding": "gzip"}
        return HTMLResponse(body, status, headers=headers)

    def trouble(self, code: str, status: int, message: str = "") -> Response:
        """A page that says one thing: CODE_TITLE and `message`, or CODE of the texts. Of a form that reached nobody: with what it told."""
        more = {"retry-after": "10"} if status in (429, 503) else {}
        self.unanswered = self.unanswered or (code == "AWAY" and self.sent is not None)
        targets = self.house.payment_origins if self.unanswered else ()
        response = self.page("trouble.html", status=status, code=code, message=message, form_targets=sorted(targets))
        response.headers.update(more)
        return response

    def missing(self) -> Response:
        """Instead of the page of something that the API did not tell: nobody can say, or there is no such thing."""
        return self.trouble("AWAY", 503) if self.partly else self.trouble("NOT_HERE", 404)

    def see_other(
        self, path: str, said: str = "", *, undo: Iterable[draft.Line] | None = None, undo_leads: str = "", **told: str | int
    ) -> Response:
        """After something was done: the page at `path`, which says `said` of the texts once; of those that are counted, by `n`.

        `undo`: the draft as it was before, which the page offers to bring back, where it is not too long to be kept; what that does is
        CODE_UNDO of the texts, if that says it. `undo_leads`: to which page; empty: to itself.
        """
        if said:
            before = None if undo is None else draft.kept(undo)
            written = quote(json.dumps([said, told, before, undo_leads], separators=(",", ":")), safe=":|+")
            self.keep(SAID, written if len(written) <= draft.LONGEST else quote(json.dumps([said, told, None, ""])), 60)
        return RedirectResponse(path, 303, headers={"cache-control": "no-store"})

    def file(self, told: Mapping[str, Any] | None) -> Response:
        """To a file that the API gives a link to (FileLink), or why it does not. None: nobody can say."""
        if told is None:
            return self.trouble("AWAY", 503)
        if "url" not in told:
            return self.trouble("NO_FILE", 503, message=told["message"])
        return RedirectResponse(told["url"], 303, headers={"cache-control": "no-store"})

    @property
    def here(self) -> str:
        """This page, or the one whose form was sent, where the browser tells it: a path of ours."""
        url = self.request.url
        return local(self._sender or url.path + (f"?{url.query}" if url.query else ""))

    @property
    def _sender(self) -> str:
        """The page whose form was sent. Empty: none was, or the browser does not tell."""
        return "" if self.request.method in ("GET", "HEAD") else self.request.headers.get("referer", "")

    def to_sign_in(self, *, over: bool = False) -> Response:
        """And back here afterwards."""
        back = self.here if self.request.method in ("GET", "HEAD") else local(self._sender)
        over = over or self.session is not None
        self.sign_out()
        return self.see_other(f"{SIGN_IN}?suite={quote(back, safe='')}" + ("&fin=1" if over else ""))

    def dressed(self, response: Response) -> Response:
        """With the cookies that this visit leaves. Who signs out leaves no page behind: Back would show them to whoever sits there next."""
        if self._left and self.session is None:
            response.headers["clear-site-data"] = '"cache"'
        for name, (value, seconds) in self._cookies.items():
            response.set_cookie(
                self.house.cookie(name), value, max_age=seconds, path="/", secure=self.house.secure, httponly=True, samesite="lax"
            )
        for name, value in self._drafts.items():  # Scripts change it too.
            seconds = draft.KEPT_SECONDS if value else 0
            response.set_cookie(name, value, max_age=seconds, path="/", secure=self.house.secure, samesite="lax")
        return response

    def _said(self) -> tuple[str, str | None, str]:
        """What the page before has done, to be said once, the draft from before that, and where bringing it back leads; empty: here."""
        kept = self.kept(SAID)
        if not kept or self.is_anew:
            return "", None, ""
        self.forget(SAID)
        try:
            code, told, before, leads = json.loads(unquote(kept))
            text = count(code, told.pop("n"), self.language, **told) if code in COUNTED else phrase(code, self.language, **told)
            undo = None if before is None else draft.kept(draft.read(before))
            hint = f" {phrase(f'{code}_UNDO', self.language)}" if undo is not None and f"{code}_UNDO" in TEXTS else ""
            return text + hint, undo, local(leads) if leads else ""
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return "", None, ""


class Following(Response):
    """What the API tells from now on, passed on as it comes."""

    def __init__(self, visit: Visit, document: str, variables: Mapping[str, Any], token: str) -> None:
        super().__init__()
        self._visit, self._document, self._variables, self._token = visit, document, variables, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                cookies = [(name, value) for name, value in self.raw_headers if name == b"set-cookie"]
                message = {**message, "headers": [*message["headers"], *cookies]}
            await send(message)

        visit = self._visit
        await visit.house.api.follow(visit.request, visit.language, self._document, self._variables, self._token, sending)


@dataclass(frozen=True, slots=True)
class Resent:
    """A form that reached nobody, to be sent again as it was."""

    path: str
    fields: list[tuple[str, str]]
    secrets: list[str]  #: Fields of passwords: no page holds one, so they are typed again.

    @classmethod
    def of(cls, request: Request, form: Form) -> "Resent":
        told = [(name, value) for name, values in form.items() for value in values if name != forms.FIELD]
        secret = [name for name, value in told if name.startswith(SECRET_FIELD) and value]
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return cls(path, [(name, value) for name, value in told if not name.startswith(SECRET_FIELD)], secret)


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a page."""

    visit: Visit
    tab: str
    as_of: str | dt.datetime
    styles: str
    said: str
    undo: str | None  #: The draft as it was before what is said was done.
    undo_leads: str  #: Where bringing it back leads; empty: to this page.

    @property
    def me(self) -> Mapping[str, Any] | None:
        """Whoever is signed in, as far as this page asked. None: nobody."""
        return self.visit.data.get("me") if self.visit.session is not None else None

    @property
    def family(self) -> Mapping[str, Any] | None:
        return self.visit.family if self.visit.families else None

    @property
    def families(self) -> list[Mapping[str, Any]]:
        return self.visit.families

    @property
    def office(self) -> Mapping[str, Any] | None:
        """At the agents' desk: its structure."""
        return self.visit.office

    @property
    def place(self) -> Mapping[str, Any] | None:
        """The structure that is being consulted."""
        return self.office or (self.family["structure"] if self.family else None)

    @property
    def logo(self) -> str:
        """The address of the town's own; empty: it has none."""
        logo = self.visit.house.town.logo_of(self.place["id"] if self.place else None)
        return logo.address if logo else ""

    @property
    def timezone(self) -> str:
        place = self.place
        return place["timezone"] if place else SOMEWHERE

    @property
    def missing(self) -> list[str]:
        """What cannot be shown now, in words. Empty: nothing."""
        told = [phrase(f"AWAY_{service.upper()}", self.visit.language) for service in sorted(self.visit.away & SERVICES)]
        return told or ([phrase("PARTLY", self.visit.language)] if self.visit.partly else [])

    @property
    def resent(self) -> Resent | None:
        """What is offered to be sent again. None: nothing was lost on its way."""
        visit = self.visit
        is_one = visit.unanswered and visit.sent is not None and visit.request.url.path.startswith(RESENT)
        return Resent.of(visit.request, visit.sent) if is_one and visit.sent is not None else None

    @property
    def token(self) -> str:
        return self.visit.page_token

    @property
    def sheet(self) -> Markup:
        return Markup(self.styles)  # Ours: static/*.css.

    @property
    def tabs(self) -> list[tuple[str, str, str]]:
        me = self.me or {}
        return [*(TABS if me.get("families") else TABS[:1] + TABS[-1:]), *(DESK_TAB if me.get("agentOf") else ())]

    @property
    def asked(self) -> int:
        """When, in milliseconds since 1970, for scripts that hear what is newer."""
        return int((self.visit.asked_at or self.visit.house.clock.now()).timestamp() * 1000)

    @property
    def here(self) -> str:
        return self.visit.here

    @property
    def other_language(self) -> str:
        """This page in the other language."""
        return str(URL(self.here).include_query_params(lang="fr" if self.visit.language == "en" else "en"))


def local(address: str | None) -> str:
    """A path of this site, whatever it was made of; `/` for what is none."""
    try:
        parts = urlsplit(address or "/")
    except ValueError:  # A bracket where a host would be.
        return "/"
    path = parts.path if parts.path.startswith("/") and not parts.path.startswith(("//", "/\\")) else "/"
    return path + (f"?{parts.query}" if parts.query else "")
