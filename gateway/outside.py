"""Signing in from outside by pages: to the provider, such as FranceConnect, and back. They stand where the portal will stand.

Whoever comes back must be whoever went: the browser keeps what shows it (`binding`) in a cookie that no script reads. What an application
began by itself, it alone can end, for it has its own; nobody is shown a code to carry there, who may have been sent by somebody else.
"""

from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from gateway.client import Subgraphs, SubgraphUnavailable
from gateway.mailed import HEADERS, SIGN_OUT, ask, away, form_of, page, paragraph, trouble_above
from gateway.texts import phrase
from services.refusal import Language, language_of

COOKIE = "preau_connexion"
COOKIE_SECONDS = 600
PATH = "/connexion"
STARTED = "__typename ... on OidcStarted { url state binding } ... on Refusal { code message }"
START = f"mutation ($provider: String!) {{ startOidc(provider: $provider) {{ {STARTED} }} }}"
START_LINK = f"""mutation ($provider: String!, $token: String!) {{
  startOidcLinkByToken(provider: $provider, token: $token) {{ {STARTED} }} }}"""
USE_CODE = """mutation ($login: String!, $code: String!) { useRecoveryCode(login: $login, code: $code) {
  __typename ... on RecoveryGranted { token } ... on Refusal { code message } } }"""
FINISH = """mutation ($state: String!, $code: String!, $binding: String!) {
  finishOidc(state: $state, code: $code, binding: $binding) {
    __typename ... on SignedIn { accessToken account { firstName lastName } } ... on Refusal { code message } } }"""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the browser keeps while it is away."""

    state: str
    binding: str
    provider: str

    def written(self) -> str:
        return f"{self.state}.{self.binding}.{quote(self.provider, safe='')}"


def kept(request: Request) -> Kept | None:
    parts = request.cookies.get(COOKIE, "").split(".", 2)
    return Kept(*parts) if len(parts) == 3 and all(parts) else None


@dataclass(frozen=True, slots=True)
class Outside:
    subgraphs: Subgraphs
    public_url: str

    async def go(self, request: Request) -> Response:
        """`/connexion/PROVIDER`: to the provider's own page."""
        language, provider = language_of(request.headers.get("accept-language")), request.path_params["provider"]
        try:
            started = (await ask(self.subgraphs, request, START, {"provider": provider}))["startOidc"]
        except SubgraphUnavailable as error:
            return away(language, error)
        if started["__typename"] != "OidcStarted":
            return _failed(language, started["message"])
        return self._keeping(Response(status_code=303, headers={**HEADERS, "location": started["url"]}), started, provider)

    async def link(self, request: Request) -> Response:
        """`/connexion/PROVIDER/lier`: for whoever cannot sign in, and has a code of the town hall."""
        language, provider = language_of(request.headers.get("accept-language")), request.path_params["provider"]
        if request.method != "POST":
            return _code_form(language, provider)
        form = await form_of(request)
        if not form:
            return _code_form(language, provider)
        login, code = form.get("identifiant", ""), form.get("code", "")
        try:
            granted = (await ask(self.subgraphs, request, USE_CODE, {"login": login, "code": code}))["useRecoveryCode"]
            if granted["__typename"] != "RecoveryGranted":
                return _code_form(language, provider, granted["message"])
            token = granted["token"]
            started = (await ask(self.subgraphs, request, START_LINK, {"provider": provider, "token": token}))["startOidcLinkByToken"]
        except SubgraphUnavailable as error:
            return away(language, error)
        if started["__typename"] != "OidcStarted":
            return _failed(language, started["message"])
        # A link, and no redirect: browsers count one after a form as a form that is sent elsewhere.
        onwards = f'<p><a href="{escape(started["url"])}">{escape(phrase("OUTSIDE_GO", language))}</a></p>'
        return self._keeping(page(language, "OUTSIDE_LINK_TITLE", onwards), started, provider)

    async def back(self, request: Request) -> Response:
        """`/connexion/retour?state=&code=`: from the provider's page."""
        language, asked, mine = language_of(request.headers.get("accept-language")), request.query_params, kept(request)
        if mine is None or asked.get("state") != mine.state:
            return page(language, "OUTSIDE_FAILED", paragraph(phrase("OUTSIDE_ELSEWHERE", language)), 422)
        if "code" not in asked:
            return _forgetting(_failed(language, phrase("OUTSIDE_GIVEN_UP", language), _again(language, mine.provider)))
        values = {"state": mine.state, "code": asked["code"], "binding": mine.binding}
        try:
            answer = (await ask(self.subgraphs, request, FINISH, values))["finishOidc"]
            if answer["__typename"] == "SignedIn":
                # Nobody goes on from here, and no token is for a page's address.
                await ask(self.subgraphs, request, SIGN_OUT, {}, answer["accessToken"])
        except SubgraphUnavailable as error:
            return away(language, error)
        return _forgetting(_ended(language, answer, mine.provider))

    def _keeping(self, response: Response, started: dict[str, Any], provider: str) -> Response:
        value = Kept(started["state"], started["binding"], provider).written()
        secure = self.public_url.startswith("https:")
        response.set_cookie(COOKIE, value, COOKIE_SECONDS, path=PATH, secure=secure, httponly=True, samesite="lax")
        return response


def _forgetting(response: Response) -> Response:
    response.delete_cookie(COOKIE, path=PATH)
    return response


def _ended(language: Language, answer: dict[str, Any], provider: str) -> Response:
    if answer["__typename"] == "SignedIn":
        name = f"{answer['account']['firstName']} {answer['account']['lastName']}"
        return page(language, "OUTSIDE_DONE", paragraph(phrase("OUTSIDE_DONE_MORE", language, name=name)))
    if answer["code"] == "SECOND_FACTOR_REQUIRED":
        return page(language, "OUTSIDE_DONE", paragraph(phrase("OUTSIDE_HALF", language)))
    more = _again(language, provider)
    if answer["code"] == "IDENTITY_NOT_LINKED":
        more = f'<p><a href="{PATH}/{escape(provider)}/lier">{escape(phrase("OUTSIDE_BY_CODE", language))}</a></p>'
    return _failed(language, answer["message"], more)


def _again(language: Language, provider: str) -> str:
    return f'<p><a href="{PATH}/{escape(provider)}">{escape(phrase("OUTSIDE_AGAIN", language))}</a></p>'


def _failed(language: Language, why: str, more: str = "") -> Response:
    """`more`: HTML."""
    return page(language, "OUTSIDE_FAILED", paragraph(why) + more, 422)


def _code_form(language: Language, provider: str, trouble: str | None = None) -> Response:
    described = ' aria-describedby="probleme" aria-invalid="true"' if trouble else ""
    field = f'required maxlength="200"{described}'
    body = f"""{trouble_above(trouble)}<form method="post" action="{PATH}/{quote(provider, safe="")}/lier">
{paragraph(phrase("OUTSIDE_LINK_ASK", language))}
<p><label for="identifiant">{escape(phrase("OUTSIDE_LOGIN", language))}</label>
<input id="identifiant" name="identifiant" autocomplete="username" {field}></p>
<p><label for="code">{escape(phrase("OUTSIDE_CODE", language))}</label><input id="code" name="code" autocomplete="off" {field}></p>
<p><button>{escape(phrase("OUTSIDE_LINK_SEND", language))}</button></p>
</form>"""
    return page(language, "OUTSIDE_LINK_TITLE", body, 422 if trouble else 200)
