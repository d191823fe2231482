"""The pages that links in mails lead to: a new password, a new e-mail address, or none after all.

Opening one has no effect, for mail scanners open every link: what takes effect is the form that it shows. No script is needed. They ask
identity's public mutations, as any client does.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gateway.asking import passed_on
from gateway.client import Subgraphs, SubgraphUnavailable
from gateway.headers import FORM
from gateway.home import SECURITY
from gateway.notices import bounded_body
from gateway.texts import phrase
from services.refusal import Language, language_of
from services.telemetry import log

SECONDS = 15.0
LARGEST = 16_384  #: bytes of a form
LONGEST_TOKEN = 200
A_MOMENT = dt.timedelta(minutes=5)  #: By which identity's clock may differ from ours.
HEADERS = {
    **SECURITY,
    "content-security-policy": SECURITY["content-security-policy"] + "; form-action 'self'",
    "cache-control": "no-store",
    "x-robots-tag": "noindex",
    "vary": "accept-language",
}
RESET = """mutation ($token: String!, $new: String!) { resetPassword(token: $token, new: $new) {
  __typename ... on SignedIn { accessToken } ... on Refusal { code message } } }"""
SIGN_OUT = "mutation { signOut }"
CONFIRM = """mutation ($token: String!) { confirmEmail(token: $token) {
  __typename ... on EmailConfirmed { email inForceAt } ... on Refusal { code message } } }"""
CANCEL = """mutation ($token: String!) { cancelEmailChange(token: $token) {
  __typename ... on EmailChangeCancelled { email } ... on Refusal { code message } } }"""
IS_LIVE = "query ($token: String!) { isLiveLink(token: $token) }"

_decode = msgspec.json.decode


@dataclass(frozen=True, slots=True)
class Mailed:
    subgraphs: Subgraphs

    # ----------------------------------------------------------------------------------------------------- a new password
    async def password(self, request: Request) -> Response:
        """`/mot-de-passe/nouveau?jeton=`"""
        language = language_of(request.headers.get("accept-language"))
        if request.method != "POST":
            return await self._opened(request, language, _password_form)
        form = await form_of(request)
        token, new = form.get("jeton", ""), form.get("nouveau", "")
        if not may_be_a_token(token):
            return _over(language)
        if new != form.get("encore", ""):
            return _password_form(language, token, phrase("PASSWORD_DIFFERS", language))
        try:
            answer = (await self._ask(request, RESET, {"token": token, "new": new}))["resetPassword"]
            if answer["__typename"] == "SignedIn":
                # Nobody goes on from here: whoever came by a link signs in with the new password.
                await self._ask(request, SIGN_OUT, {}, answer["accessToken"])
        except SubgraphUnavailable as error:
            return away(language, error)
        if answer["__typename"] == "SignedIn" or answer["code"] == "SECOND_FACTOR_REQUIRED":
            return page(language, "PASSWORD_DONE", paragraph(phrase("PASSWORD_DONE_MORE", language)))
        if answer["code"] == "INVALID_TOKEN":
            return _over(language)
        return _password_form(language, token, answer["message"])

    # ------------------------------------------------------------------------------------------------ a new e-mail address
    async def email(self, request: Request) -> Response:
        """`/courriel/confirmer?jeton=`"""
        language = language_of(request.headers.get("accept-language"))
        if request.method != "POST":
            return await self._opened(request, language, _email_form)
        return await self._pressed(request, language, CONFIRM, "confirmEmail", _confirmed)

    async def cancel(self, request: Request) -> Response:
        """`/courriel/annuler?jeton=`"""
        language = language_of(request.headers.get("accept-language"))
        if request.method != "POST":
            return await self._opened(request, language, _cancel_form)
        return await self._pressed(request, language, CANCEL, "cancelEmailChange", _cancelled)

    async def _pressed(
        self, request: Request, language: Language, query: str, name: str, done: Callable[[Language, dict[str, Any]], Response]
    ) -> Response:
        """What a form with nothing but a button leads to: `done`, if the mutation `name` does not refuse its token."""
        token = (await form_of(request)).get("jeton", "")
        if not may_be_a_token(token):
            return _over(language)
        try:
            answer = (await self._ask(request, query, {"token": token}))[name]
        except SubgraphUnavailable as error:
            return away(language, error)
        return _over(language) if "code" in answer else done(language, answer)

    async def _opened(self, request: Request, language: Language, form: Callable[[Language, str], Response]) -> Response:
        """The link's form, if the link is still good, or nobody can say. Looking does not use it up."""
        token = request.query_params.get("jeton", "")
        if not may_be_a_token(token):
            return _over(language)
        try:
            is_live = (await self._ask(request, IS_LIVE, {"token": token}))["isLiveLink"]
        except SubgraphUnavailable:
            is_live = True
        return form(language, token) if is_live else _over(language)

    async def _ask(self, request: Request, query: str, variables: dict[str, str], bearer: str | None = None) -> dict[str, Any]:
        return await ask(self.subgraphs, request, query, variables, bearer)


async def ask(subgraphs: Subgraphs, request: Request, query: str, variables: dict[str, Any], bearer: str | None = None) -> dict[str, Any]:
    """The answer's data. Raises SubgraphUnavailable, also for an answer with errors."""
    headers = {name: value for name, value in request.scope["headers"] if name in FORM}
    if bearer is not None:
        headers[b"authorization"] = b"Bearer " + bearer.encode()
    body = msgspec.json.encode({"query": query, "variables": variables})
    lines = passed_on(request.scope, headers).lines
    answer = _decode(await subgraphs.by_name["identity"].post(body, lines, seconds=SECONDS, again=False))
    if answer.get("errors") or not answer.get("data"):
        raise SubgraphUnavailable(str([error.get("extensions") for error in answer.get("errors", ())]))
    data: dict[str, Any] = answer["data"]
    return data


async def form_of(request: Request) -> dict[str, str]:
    """Its fields; what is too large, no form, sent from a page of somebody else's, or no text (NUL), has none."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return {}
    body = await bounded_body(request, LARGEST)
    if body is None or not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        return {}
    return {} if "\0" in "".join(map("".join, fields.values())) else {name: values[-1] for name, values in fields.items()}


# -------------------------------------------------------------------------------------------------------------------- HTML
def _password_form(language: Language, token: str, trouble: str | None = None) -> Response:
    if not may_be_a_token(token):
        return _over(language)
    described = 'aria-describedby="conseil probleme" aria-invalid="true"' if trouble else 'aria-describedby="conseil"'
    field = f'type="password" required minlength="12" maxlength="256" autocomplete="new-password" {described}'
    body = f"""{trouble_above(trouble)}<form method="post" action="/mot-de-passe/nouveau">
<input type="hidden" name="jeton" value="{escape(token)}">
<p id="conseil">{escape(phrase("PASSWORD_HINT", language))}</p>
<p><label for="nouveau">{escape(phrase("PASSWORD_NEW", language))}</label><input id="nouveau" name="nouveau" {field}></p>
<p><label for="encore">{escape(phrase("PASSWORD_AGAIN", language))}</label><input id="encore" name="encore" {field}></p>
<p><button>{escape(phrase("PASSWORD_SEND", language))}</button></p>
</form>"""
    return page(language, "PASSWORD_TITLE", body, 422 if trouble else 200)


def _confirmed(language: Language, answer: dict[str, Any]) -> Response:
    waits = dt.datetime.fromisoformat(answer["inForceAt"]) > dt.datetime.now(dt.UTC) + A_MOMENT
    more = phrase("EMAIL_WAITS_MORE" if waits else "EMAIL_DONE_MORE", language, email=answer["email"])
    return page(language, "EMAIL_DONE", paragraph(more))


def _cancelled(language: Language, _: dict[str, Any]) -> Response:
    return page(language, "CANCEL_DONE", paragraph(phrase("CANCEL_DONE_MORE", language)))


def _email_form(language: Language, token: str) -> Response:
    return _button(language, token, "/courriel/confirmer", "EMAIL")


def _cancel_form(language: Language, token: str) -> Response:
    return _button(language, token, "/courriel/annuler", "CANCEL")


def _button(language: Language, token: str, path: str, name: str) -> Response:
    """`name`: of the texts."""
    body = f"""<form method="post" action="{path}">
<input type="hidden" name="jeton" value="{escape(token)}">
{paragraph(phrase(f"{name}_ASK", language))}
<p><button>{escape(phrase(f"{name}_SEND", language))}</button></p>
</form>"""
    return page(language, f"{name}_TITLE", body)


def may_be_a_token(token: str) -> bool:
    return 0 < len(token) <= LONGEST_TOKEN and token.isprintable()


def _over(language: Language) -> Response:
    return page(language, "LINK_OVER", paragraph(phrase("LINK_OVER_MORE", language)), 422)


def away(language: Language, error: SubgraphUnavailable) -> Response:
    log().warning("a link of a mail could not be used", reason=str(error))
    return page(language, "LINK_FAILED", paragraph(phrase("AWAY", language)), 503)


def trouble_above(trouble: str | None) -> str:
    return f'<p id="probleme" role="alert">{escape(trouble)}</p>\n' if trouble else ""


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def page(language: Language, title: str, body: str, status: int = 200) -> Response:
    title = escape(phrase(title, language))
    return HTMLResponse(PAGE.format(language=language, title=title, body=body), status, headers=HEADERS)


PAGE = """<!doctype html>
<html lang="{language}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>{title} - Préau</title>
<style>body{{font:1.1rem/1.6 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}}label{{display:block;font-weight:600}}
input,button{{font:inherit;padding:.5rem .7rem;border:1px solid;border-radius:.3rem}}input{{width:100%;box-sizing:border-box}}
[role=alert]{{border-left:.4rem solid;padding:.3rem .8rem;font-weight:600}}
:focus-visible{{outline:3px solid;outline-offset:2px}}</style></head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""
