"""Signing in and out, the structure that is being consulted."""

from starlette.responses import Response

from gateway.portal.operations import operation
from gateway.portal.session import Session
from gateway.portal.visit import STRUCTURE, YEAR_SECONDS, Visit, local

DEVICE = "preau_appareil"
SIGN_IN = operation("""mutation SignIn($login: String!, $password: String!, $device: String) {
  signIn(login: $login, password: $password, device: $device) { __typename
    ... on SignedIn { accessToken accessTokenExpiresAt refreshToken deviceToken account { language } }
    ... on Refusal { code message } } }""")
SIGN_OUT = operation("mutation SignOut { signOut }")


async def sign_in(visit: Visit) -> Response:
    """`/connexion?suite=`"""
    if visit.request.method != "POST":
        return _sign_in_page(visit, local(visit.request.query_params.get("suite")), {}, over="fin" in visit.request.query_params)
    form = await visit.form()
    login, onward = form.one("identifiant"), local(form.one("suite"))
    data = await visit.ask(SIGN_IN, login=login, password=form.whole("motdepasse"), device=visit.kept(DEVICE) or None)
    told = data["signIn"]
    if told["__typename"] != "SignedIn":
        return _sign_in_page(visit, onward, {"identifiant": told["message"]}, login=login)
    visit.sign_in(Session.of(told))
    if told["deviceToken"]:
        visit.keep(DEVICE, told["deviceToken"], YEAR_SECONDS)
    return visit.see_other(onward)


def _sign_in_page(visit: Visit, onward: str, errors: dict[str, str], *, login: str = "", over: bool = False) -> Response:
    return visit.page("sign_in.html", status=422 if errors else 200, onward=onward, errors=errors, login=login, over=over)


async def sign_out(visit: Visit) -> Response:
    await visit.form()
    if visit.session is not None:
        await visit.ask(SIGN_OUT)
    visit.sign_out()
    visit.forget_drafts()
    return visit.see_other("/connexion", "SIGNED_OUT")


async def structure(visit: Visit) -> Response:
    """The switcher (S5): the same page again, of another structure."""
    form = await visit.form()
    visit.keep(STRUCTURE, form.one("famille"), YEAR_SECONDS)
    return visit.see_other(local(form.one("suite")))


PAGES = [
    ("/connexion", ("GET", "POST"), sign_in),
    ("/deconnexion", ("POST",), sign_out),
    ("/structure", ("POST",), structure),
]
