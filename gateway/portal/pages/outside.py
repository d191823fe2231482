"""Signing in from outside: to the provider, such as FranceConnect, and back; and linking an account to an identity there.

Whoever comes back must be whoever went: the browser keeps what shows it (`binding`) in a cookie that no script reads. What an application
began by itself, it alone can end, for it has its own; nobody is shown a code to carry there, who may have been sent by somebody else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, unquote

from starlette.responses import RedirectResponse, Response

from gateway.portal import security
from gateway.portal.operations import operation
from gateway.portal.pages.door import CAME, DEVICE, beyond, came
from gateway.portal.texts import phrase
from gateway.portal.visit import SIGN_IN, Visit

COOKIE = "preau_connexion"
COOKIE_SECONDS = 600
STARTED = "__typename ... on OidcStarted { url state binding } ... on Refusal { code message }"
START = operation(f"mutation StartOidc($provider: String!) {{ startOidc(provider: $provider) {{ {STARTED} }} }}")
START_LINK = operation(f"""mutation StartOidcLink($provider: String!, $password: String!) {{
  startOidcLink(provider: $provider, password: $password) {{ {STARTED} }} }}""")
START_LINK_BY_TOKEN = operation(f"""mutation StartOidcLinkByToken($provider: String!, $token: String!) {{
  startOidcLinkByToken(provider: $provider, token: $token) {{ {STARTED} }} }}""")
USE_CODE = operation("""mutation UseCodeToLink($login: String!, $code: String!) { useRecoveryCode(login: $login, code: $code) {
  __typename ... on RecoveryGranted { token } ... on Refusal { code message } } }""")
FINISH = operation(f"""mutation FinishOidc($state: String!, $code: String!, $binding: String!, $device: String) {{
  finishOidc(state: $state, code: $code, binding: $binding, device: $device) {{ {CAME} }} }}""")
LINK = operation("""mutation LinkOidc($state: String!, $code: String!, $binding: String!) {
  linkOidc(state: $state, code: $code, binding: $binding) { __typename ... on Account { id } ... on Refusal { code message } } }""")


@dataclass(frozen=True, slots=True)
class Gone:
    """What the browser keeps while it is away."""

    state: str
    binding: str
    provider: str
    links: str  #: "1": somebody who is signed in links an identity. Else "0": somebody signs in.
    onward: str

    def written(self) -> str:
        return ".".join(
            quote(each, safe="").replace(".", "%2E") for each in (self.state, self.binding, self.provider, self.links, self.onward)
        )

    @classmethod
    def read(cls, kept: str) -> Self | None:
        parts = [unquote(part) for part in kept.split(".")]
        return cls(*parts) if len(parts) == 5 and all(parts) else None


async def go(visit: Visit) -> Response:
    """`/connexion/PROVIDER?suite=`: to the provider's own page."""
    provider = visit.request.path_params["provider"]
    started = (await visit.ask_as(None, START, provider=provider))["startOidc"]
    if started["__typename"] != "OidcStarted":
        return _failed(visit, started["message"])
    _keep(visit, started, provider, beyond(visit.request.query_params.get("suite")))
    return RedirectResponse(started["url"], 303, headers=security.SECRET)


async def link(visit: Visit) -> Response:
    """`/connexion/PROVIDER/lier`: with the password, for whoever is signed in; with a code of the town hall, for whoever cannot."""
    provider = visit.request.path_params["provider"]
    if visit.request.method != "POST":
        return _link_page(visit, provider)
    form = await visit.form()
    if visit.session is not None:
        started = (await visit.ask(START_LINK, provider=provider, password=form.whole("motdepasse")))["startOidcLink"]
    else:
        granted = (await visit.ask(USE_CODE, login=form.one("identifiant"), code=form.one("code")))["useRecoveryCode"]
        if granted["__typename"] != "RecoveryGranted":
            return _link_page(visit, provider, {"code": granted["message"]})
        started = (await visit.ask(START_LINK_BY_TOKEN, provider=provider, token=granted["token"]))["startOidcLinkByToken"]
    if started["__typename"] != "OidcStarted":
        if started["code"] in ("INVALID_CREDENTIALS", "TOO_MANY_ATTEMPTS"):
            return _link_page(visit, provider, {"motdepasse": started["message"]})
        return _failed(visit, started["message"])
    _keep(visit, started, provider, "/profil" if visit.session is not None else "/", links=visit.session is not None)
    # A link, and no redirect: browsers count one after a form as a form that is sent elsewhere.
    return security.secret(visit.page("outside_link.html", url=started["url"], provider=provider, errors={}, by_code=False))


async def back(visit: Visit) -> Response:
    """`/connexion/retour?state=&code=`: from the provider's page."""
    asked, mine = visit.request.query_params, Gone.read(visit.kept(COOKIE))
    if mine is None or asked.get("state") != mine.state:
        return _failed(visit, phrase("OUTSIDE_ELSEWHERE", visit.language))
    if "code" not in asked:
        visit.forget(COOKIE)
        return _failed(visit, phrase("OUTSIDE_GIVEN_UP", visit.language), again=mine.provider)
    values = {"state": mine.state, "code": asked["code"], "binding": mine.binding}
    if mine.links == "1":
        told = (await visit.ask(LINK, **values))["linkOidc"]
        done = visit.see_other(mine.onward, "OUTSIDE_LINKED") if told["__typename"] == "Account" else None
    else:
        told = (await visit.ask_as(None, FINISH, device=visit.kept(DEVICE) or None, **values))["finishOidc"]
        done = came(visit, told, beyond(mine.onward))
    visit.forget(COOKIE)
    unlinked = not done and told["code"] == "IDENTITY_NOT_LINKED"
    return done or _failed(visit, told["message"], again=mine.provider, unlinked=unlinked)


def _keep(visit: Visit, started: Mapping[str, Any], provider: str, onward: str, *, links: bool = False) -> None:
    visit.keep(COOKIE, Gone(started["state"], started["binding"], provider, str(int(links)), onward).written(), COOKIE_SECONDS)


def _failed(visit: Visit, why: str, *, again: str = "", unlinked: bool = False) -> Response:
    """`again`: the provider to try once more. `unlinked`: it knows who it is, and no account is linked."""
    provider = quote(again, safe="")
    return security.secret(visit.page("outside_failed.html", status=422, why=why, provider=provider, unlinked=unlinked))


def _link_page(visit: Visit, provider: str, errors: Mapping[str, str] | None = None) -> Response:
    status, by_code = 422 if errors else 200, visit.session is None
    page = visit.page("outside_link.html", status=status, url="", provider=quote(provider, safe=""), errors=errors or {}, by_code=by_code)
    return security.secret(page)


PAGES = [
    (f"{SIGN_IN}/retour", ("GET",), back),
    (f"{SIGN_IN}/{{provider}}", ("GET",), go),
    (f"{SIGN_IN}/{{provider}}/lier", ("GET", "POST"), link),
]
