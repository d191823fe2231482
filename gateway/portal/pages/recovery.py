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
        return _page(visit)
    form = await visit.form()
    does = form.one("faire")
    if does not in FIELDS or (does == "question" and not visit.house.town.secret_questions):
        return _page(visit)
    field, secret = FIELDS[does]
    login = form.one(field)
    if not login:
        return _page(visit, {field: phrase("SIGN_IN_NO_LOGIN", visit.language)})
    if does == "lettre":
        await visit.ask_as(None, LETTER, login=login)
        return visit.see_other(f"{PATH}?envoyee=1")
    if does == "question":
        question = (await visit.ask_as(None, ASK, login=login))["recoveryQuestion"]
        return _question_page(visit, login, question)
    if not form.one(secret):
        return _page(visit, {secret: phrase("SECOND_NO_CODE", visit.language)}, form.one(field))
    told = (await visit.ask_as(None, CODE, login=login, code=form.one(secret)))["useRecoveryCode"]
    return _granted(visit, told) or _page(visit, {secret: told["message"]}, login)


async def question(visit: Visit) -> Response:
    """`/mot-de-passe/question`: the answer to what was asked."""
    if visit.request.method != "POST" or not visit.house.town.secret_questions:
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


def _page(visit: Visit, errors: Mapping[str, str] | None = None, login: str = "") -> Response:
    sent, questions = "envoyee" in visit.request.query_params, visit.house.town.secret_questions
    page = visit.page("forgotten.html", status=422 if errors else 200, errors=errors or {}, login=login, sent=sent, questions=questions)
    return security.secret(page)


def _question_page(visit: Visit, login: str, question: str, errors: Mapping[str, str] | None = None) -> Response:
    page = visit.page("question.html", status=422 if errors else 200, errors=errors or {}, login=login, question=question)
    return security.secret(page)


PAGES = [(PATH, ("GET", "POST"), forgotten), (QUESTION, ("GET", "POST"), question)]
