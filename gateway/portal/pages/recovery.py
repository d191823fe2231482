"""The ways back in for whoever forgot the password (P2, S3): a letter, a code on paper, and a question where the town has that.

No way says whether there is such an account, and none shows a password: each leads to choosing a new one (mailed.py).
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from gateway.portal import security
from gateway.portal.operations import operation
from gateway.portal.pages.mailed import GRANT, GRANT_SECONDS, PASSWORD
from gateway.portal.texts import phrase
from gateway.portal.visit import Visit

PATH, QUESTION = "/mot-de-passe", "/mot-de-passe/question"
LETTER = operation("mutation RequestPasswordReset($login: String!) { requestPasswordReset(login: $login) }")
CODE = operation("""mutation UseRecoveryCode($login: String!, $code: String!) { useRecoveryCode(login: $login, code: $code) {
  __typename ... on RecoveryGranted { token } ... on Refusal { code message } } }""")
ASK = operation("mutation RecoveryQuestion($login: String!) { recoveryQuestion(login: $login) }")
ANSWER = operation("""mutation AnswerRecoveryQuestion($login: String!, $answer: String!) {
  answerRecoveryQuestion(login: $login, answer: $answer) {
    __typename ... on RecoveryGranted { token } ... on Refusal { code message } } }""")
#: What a form does -> the field of its login, and of its secret.
FIELDS = {"lettre": ("identifiant", ""), "code": ("identifiant-code", "code"), "question": ("identifiant-question", "")}


async def forgotten(visit: Visit) -> Response:
    """`/mot-de-passe`"""
    if visit.request.method != "POST":
        return await _page(visit)
    form = await visit.form()
    does = form.one("faire")
    if does not in FIELDS or (does == "question" and await _opens(visit) is False):
        return await _page(visit)
    field, secret = FIELDS[does]
    login = form.one(field)
    if not login:
        return await _page(visit, {field: phrase("SIGN_IN_NO_LOGIN", visit.language)})
    if does == "lettre":
        await visit.ask_as(None, LETTER, login=login)
        return visit.see_other(f"{PATH}?envoyee=1")
    if does == "question":
        question = (await visit.ask_as(None, ASK, login=login))["recoveryQuestion"]
        return _question_page(visit, login, question)
    if not form.one(secret):
        return await _page(visit, {secret: phrase("SECOND_NO_CODE", visit.language)}, form.one(field))
    told = (await visit.ask_as(None, CODE, login=login, code=form.one(secret)))["useRecoveryCode"]
    return _granted(visit, told) or await _page(visit, {secret: told["message"]}, login)


async def question(visit: Visit) -> Response:
    """`/mot-de-passe/question`: the answer to what was asked."""
    if visit.request.method != "POST" or await _opens(visit) is False:
        return visit.see_other(PATH)
    form = await visit.form()
    login, answer = form.one("identifiant"), form.one("reponse")
    told = (await visit.ask_as(None, ANSWER, login=login, answer=answer))["answerRecoveryQuestion"]
    return _granted(visit, told) or _question_page(visit, login, form.one("question"), {"reponse": told["message"]})


def _granted(visit: Visit, told: Mapping[str, Any]) -> Response | None:
    """To the new password, whose right this browser keeps. None: it was refused."""
    if told["__typename"] != "RecoveryGranted":
        return None
    visit.keep(GRANT, told["token"], GRANT_SECONDS)
    return visit.see_other(PASSWORD)


async def _opens(visit: Visit) -> bool | None:
    """Whether a question is a way back in, as identity says, which decides in the end. None: it cannot say now, so none is offered."""
    return visit.house.town.secret_questions and (await visit.house.board.read()).secret_questions


async def _page(visit: Visit, errors: Mapping[str, str] | None = None, login: str = "") -> Response:
    sent, questions = "envoyee" in visit.request.query_params, await _opens(visit)
    page = visit.page("forgotten.html", status=422 if errors else 200, errors=errors or {}, login=login, sent=sent, questions=questions)
    return security.secret(page)


def _question_page(visit: Visit, login: str, question: str, errors: Mapping[str, str] | None = None) -> Response:
    page = visit.page("question.html", status=422 if errors else 200, errors=errors or {}, login=login, question=question)
    return security.secret(page)


PAGES = [(PATH, ("GET", "POST"), forgotten), (QUESTION, ("GET", "POST"), question)]
