"""Signing in and out (P1): by password, by passkey, and then by a second factor where there is one; the structure that is being consulted.

Beside it stands what towns say to everybody (S2).

Half a sign-in is kept in a cookie that no script reads: its challenge stands in no page and in no address.
"""

import asyncio
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
from starlette.responses import JSONResponse, Response

from gateway.portal.operations import operation
from gateway.portal.session import TOKENS, Session
from gateway.portal.texts import phrase
from gateway.portal.visit import LANGUAGE, SIGN_IN, STRUCTURE, YEAR_SECONDS, Answered, Visit, local

DEVICE, STEP = "preau_appareil", "preau_etape"
STEP_SECONDS = 300  #: As long as the challenge is good.
LONGEST_COOKIE, LONGEST_WAY = 3_800, 800
SECOND = "/double-authentification"
OVER, LATE = "fin", "delai"
#: What the door says above itself: parameter of the address -> text.
NOTES: Final = {OVER: "SIGN_IN_OVER", LATE: "SIGN_IN_LATE"}
#: Where nobody is led after signing in.
DOORS: Final = (SIGN_IN, "/deconnexion", "/mot-de-passe", "/structure", SECOND, "/cle-d-acces", "/invitation", "/courriel/")
CAME: Final = f"""__typename
    ... on SignedIn {{ {TOKENS} deviceToken account {{ language }} }}
    ... on Refusal {{ code message }} ... on SecondFactorRequired {{ challenge kinds passkeyOptions }}"""
PASSWORD = operation(f"""mutation SignIn($login: String!, $password: String!, $device: String) {{
  signIn(login: $login, password: $password, device: $device) {{ {CAME} }} }}""")
FINISH = operation(f"""mutation FinishSignIn($challenge: String!, $code: String, $assertion: String, $device: String) {{
  finishSignIn(challenge: $challenge, code: $code, assertion: $assertion, device: $device) {{ {CAME} }} }}""")
PASSKEY = operation("""mutation StartPasskeySignIn { startPasskeySignIn { __typename
  ... on PasskeyStarted { challenge options } ... on Refusal { code message } } }""")
SIGN_OUT = operation("mutation SignOut { signOut }")
PROVIDERS = operation("query Providers { oidcProviders { id name } }")


# ---------------------------------------------------------------------------------------------------------------- the first step
async def sign_in(visit: Visit) -> Response:
    """`/connexion?suite=`"""
    if visit.request.method == "POST":
        return await _with_password(visit)
    onward = beyond(visit.request.query_params.get("suite"))
    if visit.session is not None:
        return visit.see_other(onward)
    note = next((text for name, text in NOTES.items() if name in visit.request.query_params), "")
    return await door(visit, onward, note=note)


async def _with_password(visit: Visit) -> Response:
    form = await visit.form()
    login, password, onward = form.one("identifiant"), form.whole("motdepasse"), beyond(form.one("suite"))
    missing = {"identifiant": "SIGN_IN_NO_LOGIN"} if not login else {"motdepasse": "SIGN_IN_NO_PASSWORD"} if not password else {}
    if missing:
        return await door(visit, onward, {id: phrase(text, visit.language) for id, text in missing.items()}, login=login)
    told = (await visit.ask_as(None, PASSWORD, login=login, password=password, device=visit.kept(DEVICE) or None))["signIn"]
    return came(visit, told, onward) or await door(visit, onward, {"identifiant": told["message"]}, login=login)


async def door(visit: Visit, onward: str, errors: Mapping[str, str] | None = None, *, login: str = "", note: str = "") -> Response:
    """The page, also where identity is away: then it says so."""
    providers, notices = await asyncio.gather(visit.look(PROVIDERS), visit.house.board.read())
    return visit.page(
        "sign_in.html",
        status=422 if errors else 200,
        styles=("news",) if notices.announcements else (),
        announcements=notices.announcements,
        onward=onward,
        errors=errors or {},
        login=login,
        note=note,
        away=providers is None,
        providers=(providers or {}).get("oidcProviders", ()),
        passkeys=visit.house.passkeys,
    )


def came(visit: Visit, told: Mapping[str, Any], onward: str) -> Response | None:
    """What a sign-in leads to: `onward`, or the second step. None: it was refused."""
    if told["__typename"] == "SignedIn":
        return let_in(visit, told, onward)
    if told["code"] == "SECOND_FACTOR_REQUIRED":
        return _half(visit, {"challenge": told["challenge"], "kinds": told["kinds"], "options": told["passkeyOptions"], "onward": onward})
    return None


def let_in(visit: Visit, told: Mapping[str, Any], onward: str) -> Response:
    visit.sign_in(Session.of(told))
    visit.forget(STEP)
    if told["deviceToken"]:
        visit.keep(DEVICE, told["deviceToken"], YEAR_SECONDS)
    if not visit.kept(LANGUAGE):
        visit.keep(LANGUAGE, told["account"]["language"], YEAR_SECONDS)
    return visit.see_other(onward)


def beyond(address: str | None) -> str:
    """Where somebody who signs in wants to go: a path of ours, none of the door's own, and none that is too long to be kept meanwhile."""
    path = local(address)
    return "/" if path.startswith(DOORS) or len(path) > LONGEST_WAY else path


# --------------------------------------------------------------------------------------------------------------- the second step
async def passkey(visit: Visit) -> Response:
    """`/cle-d-acces`: signing in with a passkey alone."""
    onward = beyond((await visit.form()).one("suite"))
    started = (await visit.ask_as(None, PASSKEY))["startPasskeySignIn"]
    if started["__typename"] != "PasskeyStarted":
        return await door(visit, onward, {"cle": started["message"]})
    return _half(visit, {"challenge": started["challenge"], "kinds": [], "options": started["options"], "onward": onward})


def _half(visit: Visit, step: dict[str, Any]) -> Response:
    """`kinds`: of second factors; empty: a passkey alone."""
    if len(_packed(step)) > LONGEST_COOKIE and "TOTP" in step["kinds"]:
        step = {**step, "options": None}
    visit.keep(STEP, _packed(step), STEP_SECONDS)
    return visit.see_other(SECOND)


async def second(visit: Visit) -> Response:
    """`/double-authentification`: a code, or a passkey."""
    step = _unpacked(visit.kept(STEP))
    if visit.request.method != "POST":
        return visit.see_other(f"{SIGN_IN}?{LATE}=1") if step is None else _second_page(visit, step)
    form = await visit.form()
    if step is None:
        return visit.see_other(f"{SIGN_IN}?{LATE}=1")
    code, shown = "".join(form.one("code").split()), form.one("reponse")
    if not code and not shown:
        return _second_page(visit, step, {"code": phrase("SECOND_NO_CODE", visit.language)})
    given = {"assertion": shown} if shown else {"code": code}
    told = (await visit.ask_as(None, FINISH, challenge=step["challenge"], device=visit.kept(DEVICE) or None, **given))["finishSignIn"]
    if told["__typename"] == "SignedIn":
        return let_in(visit, told, beyond(step["onward"]))
    if told["code"] == "INVALID_TOKEN":
        visit.forget(STEP)
        return visit.see_other(f"{SIGN_IN}?{LATE}=1")
    return _second_page(visit, step, {"cle" if shown else "code": told["message"]})


def _second_page(visit: Visit, step: Mapping[str, Any], errors: Mapping[str, str] | None = None) -> Response:
    return visit.page("second.html", status=422 if errors else 200, step=step, errors=errors or {})


def _packed(step: Mapping[str, Any]) -> str:
    return urlsafe_b64encode(zlib.compress(msgspec.json.encode(step))).decode()


def _unpacked(kept: str) -> dict[str, Any] | None:
    """None: it is none, or not ours any more."""
    try:
        unpacking = zlib.decompressobj()
        step = msgspec.json.decode(unpacking.decompress(urlsafe_b64decode(kept), 50_000), type=dict[str, Any])
        return step if {"challenge", "kinds", "options", "onward"} <= step.keys() else None
    except (ValueError, zlib.error):
        return None


# ------------------------------------------------------------------------------------------------------------------------------
async def sign_out(visit: Visit) -> Response:
    """Whatever identity says, or cannot say: nobody who is told so stays signed in at this browser."""
    await visit.form()
    if visit.session is not None:
        with suppress(Answered):
            await visit.ask(SIGN_OUT)
    visit.sign_out()
    visit.forget_drafts()
    return visit.see_other(SIGN_IN, "SIGNED_OUT")


async def session(visit: Visit) -> Response:
    """`/session`: for static/session.js, how long the session lasts if nobody does anything; by POST, as long again."""
    if visit.request.method == "POST":
        await visit.form()
        await visit.stay()
    return JSONResponse({"seconds": visit.seconds_left}, headers={"cache-control": "no-store"})


async def structure(visit: Visit) -> Response:
    """The switcher (S5): the same page again, of another structure."""
    form = await visit.form()
    visit.choose(STRUCTURE, form.one("famille"))
    return visit.see_other(local(form.one("suite")))


PAGES = [
    (SIGN_IN, ("GET", "POST"), sign_in),
    ("/cle-d-acces", ("POST",), passkey),
    (SECOND, ("GET", "POST"), second),
    ("/deconnexion", ("POST",), sign_out),
    ("/session", ("GET", "POST"), session),
    ("/structure", ("POST",), structure),
]
