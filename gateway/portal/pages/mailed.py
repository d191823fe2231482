"""What links in mails lead to: a new password, a new e-mail address, or none after all.

Opening one has no effect, for mail scanners open every link: what takes effect is the form that it shows. Nobody is signed in by one.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.responses import Response

from gateway.portal import security
from gateway.portal.operations import operation
from gateway.portal.texts import phrase
from gateway.portal.visit import Visit

PASSWORD, CONFIRM, CANCEL = "/mot-de-passe/nouveau", "/courriel/confirmer", "/courriel/annuler"
GRANT = "preau_droit"  #: What an answer or a code on paper gave: a token as a letter's, for this browser alone.
GRANT_SECONDS = 1_800
LONGEST_TOKEN = 200
A_MOMENT = dt.timedelta(minutes=5)  #: By which identity's clock may differ from ours.
RESET = operation("""mutation ResetPassword($token: String!, $new: String!) { resetPassword(token: $token, new: $new) {
  __typename ... on SignedIn { accessToken } ... on Refusal { code message } } }""")
CONFIRM_EMAIL = operation("""mutation ConfirmEmail($token: String!) { confirmEmail(token: $token) {
  __typename ... on EmailConfirmed { email inForceAt } ... on Refusal { code message } } }""")
CANCEL_EMAIL = operation("""mutation CancelEmailChange($token: String!) { cancelEmailChange(token: $token) {
  __typename ... on EmailChangeCancelled { email } ... on Refusal { code message } } }""")
IS_LIVE = operation("query IsLiveLink($token: String!) { isLiveLink(token: $token) }")
LEAVE = operation("mutation LeaveAgain { signOut }")

Words = Mapping[str, str]


# ------------------------------------------------------------------------------------------------------------- a new password
async def password(visit: Visit) -> Response:
    """`/mot-de-passe/nouveau?jeton=`; without one, with what the browser was given at `/mot-de-passe`."""
    if visit.request.method != "POST":
        token = visit.request.query_params.get("jeton", "")
        return _password_page(visit, token) if await _is_live(visit, token or visit.kept(GRANT)) else over(visit)
    form = await visit.form()
    told, new = form.one("jeton"), form.whole("nouveau")
    token = told or visit.kept(GRANT)
    if not may_be_a_token(token):
        return over(visit)
    if wrong := password_errors(visit, new, form.whole("encore")):
        return _password_page(visit, told, wrong)
    answer = (await visit.ask_as(None, RESET, token=token, new=new))["resetPassword"]
    if answer["__typename"] == "SignedIn":
        # Nobody goes on from here: whoever came by a link signs in with the new password.
        await visit.ask_as(answer["accessToken"], LEAVE)
    if answer["__typename"] == "SignedIn" or answer["code"] == "SECOND_FACTOR_REQUIRED":
        visit.sign_out()
        visit.forget(GRANT)
        return _done(visit, "PASSWORD_DONE", phrase("PASSWORD_DONE_MORE", visit.language), door=True)
    return over(visit) if answer["code"] == "INVALID_TOKEN" else _password_page(visit, told, {"nouveau": answer["message"]})


def password_errors(visit: Visit, new: str, again: str) -> dict[str, str]:
    """What is wrong with one that was typed twice, before anybody judges it."""
    wrong = {"nouveau": "PASSWORD_NONE"} if not new else {"encore": "PASSWORD_DIFFERS"} if new != again else {}
    return {id: phrase(text, visit.language) for id, text in wrong.items()}


def _password_page(visit: Visit, token: str, errors: Words | None = None) -> Response:
    return security.secret(visit.page("new_password.html", status=422 if errors else 200, token=token, errors=errors or {}))


# ------------------------------------------------------------------------------------------------------- a new e-mail address
async def email(visit: Visit) -> Response:
    """`/courriel/confirmer?jeton=`"""
    return (
        await _pressed(visit, CONFIRM_EMAIL, "confirmEmail", _confirmed)
        if visit.request.method == "POST"
        else await _button(visit, "EMAIL")
    )


async def cancel(visit: Visit) -> Response:
    """`/courriel/annuler?jeton=`"""
    return (
        await _pressed(visit, CANCEL_EMAIL, "cancelEmailChange", _cancelled)
        if visit.request.method == "POST"
        else await _button(visit, "CANCEL")
    )


async def _button(visit: Visit, what: str) -> Response:
    """A form with nothing but a button, if the link is still good. `what`: of the texts."""
    token = visit.request.query_params.get("jeton", "")
    if not await _is_live(visit, token):
        return over(visit)
    return security.secret(visit.page("mailed.html", what=what, token=token, path=visit.request.url.path))


async def _pressed(visit: Visit, document: str, name: str, done: Callable[[Visit, Mapping[str, Any]], Response]) -> Response:
    token = (await visit.form()).one("jeton")
    if not may_be_a_token(token):
        return over(visit)
    answer = (await visit.ask_as(None, document, token=token))[name]
    return over(visit) if "code" in answer else done(visit, answer)


def _confirmed(visit: Visit, answer: Mapping[str, Any]) -> Response:
    waits = dt.datetime.fromisoformat(answer["inForceAt"]) > visit.house.clock.now() + A_MOMENT
    return _done(visit, "EMAIL_DONE", phrase("EMAIL_WAITS_MORE" if waits else "EMAIL_DONE_MORE", visit.language, email=answer["email"]))


def _cancelled(visit: Visit, _: Mapping[str, Any]) -> Response:
    return _done(visit, "CANCEL_DONE", phrase("CANCEL_DONE_MORE", visit.language), door=True)


# ------------------------------------------------------------------------------------------------------------------------------
async def _is_live(visit: Visit, token: str) -> bool:
    """Or nobody can say. Looking does not use it up."""
    if not may_be_a_token(token):
        return False
    told = await visit.look(IS_LIVE, token=token)
    return told is None or bool(told["isLiveLink"])


def may_be_a_token(token: str) -> bool:
    return 0 < len(token) <= LONGEST_TOKEN and token.isprintable()


def _done(visit: Visit, title: str, more: str, *, door: bool = False) -> Response:
    return security.secret(visit.page("mailed_done.html", title=phrase(title, visit.language), more=more, door=door))


def over(visit: Visit, more: str = "LINK_OVER_MORE") -> Response:
    title, words = phrase("LINK_OVER", visit.language), phrase(more, visit.language)
    return security.secret(visit.page("mailed_done.html", status=422, title=title, more=words, door=True))


BOTH: Final = ("GET", "POST")
PAGES = [(PASSWORD, BOTH, password), (CONFIRM, BOTH, email), (CANCEL, BOTH, cancel)]
