"""The profile (P4): what somebody changes of their own account (S7), in force at once (S8)."""

from typing import Any

from starlette.responses import Response

from gateway.portal.operations import operation
from gateway.portal.texts import phrase
from gateway.portal.visit import LANGUAGE, YEAR_SECONDS, Visit

HERE = "/profil"
PROFILE = operation("""query Profile { ...Shell
  me { pendingEmail pendingEmailFrom pendingEmailWaits securityQuestion secretQuestionOpens reports announcementsByMail undeliverable
    sessions { id device startedAt lastUsedAt current }
    families { adults { id title firstName lastName } children { id firstName lastName birthDate }
      dataExports { id askedAt state } } }
  securityQuestions }""")
CHANGE_PASSWORD = operation("""mutation ChangePassword($current: String!, $new: String!) {
  done: changePassword(current: $current, new: $new) { __typename ... on Refusal { code message } } }""")
CHANGE_EMAIL = operation("""mutation ChangeEmail($email: String!, $password: String) {
  done: changeEmail(email: $email, password: $password) { __typename ... on Refusal { code message } } }""")
CHANGE_QUESTION = operation("""mutation ChangeSecurityQuestion($question: String!, $answer: String!, $password: String!) {
  done: changeSecurityQuestion(question: $question, answer: $answer, password: $password) {
    __typename ... on Refusal { code message } } }""")
CHOOSE_MAILS = operation("""mutation ChooseMails($reports: ReportsWanted!, $announcements: Boolean!) {
  setReports(wanted: $reports) { id } setAnnouncementsByMail(wanted: $announcements) { id } }""")
SPEAK = operation("""mutation Speak($language: String!) { done: setLanguage(wanted: $language) {
  __typename ... on Refusal { code message } } }""")
END_SESSION = operation("mutation EndSession($id: ID!) { endSession(id: $id) }")
SIGN_OUT_EVERYWHERE = operation("mutation SignOutEverywhere { signOutEverywhere }")
REQUEST_DATA = operation("""mutation RequestMyData($family: ID!) { done: requestMyData(family: $family) {
  __typename ... on Refusal { code message } } }""")
DATA_FILE = operation("query DataFile { ...Shell me { families { id dataExports { id file { url } } } } }")
CLOSE = operation("""mutation CloseAccount($password: String!) { done: closeAccount(password: $password) {
  __typename ... on AccountClosed { login } ... on Refusal { code message } } }""")


async def profile(visit: Visit) -> Response:
    return await _page(visit, {})


async def _page(visit: Visit, errors: dict[str, str], **typed: str) -> Response:
    """`errors`: field -> what is wrong with it. `typed`: what was typed before, but secrets."""
    data = await visit.ask(PROFILE)
    family = visit.family if visit.families else None
    status = 422 if errors else 200
    opens = visit.house.town.secret_questions and data["me"].get("secretQuestionOpens")  # Off by default (S3).
    questions = (data.get("securityQuestions") or []) if opens else []
    told: dict[str, Any] = {"questions": questions, "family": family, "typed": typed, "errors": errors}
    return visit.page("profile.html", status=status, tab="profile", styles=("profile",), **told)


async def _after(visit: Visit, told: Any, said: str, field: str, typed: dict[str, str] | None = None, **words: Any) -> Response:
    """What follows a mutation: the page that says so, or the form with what is wrong at `field`."""
    if "code" in told:
        return await _page(visit, {field: told["message"]}, **(typed or {}))
    return visit.see_other(HERE, said, undo=None, **words)


async def password(visit: Visit) -> Response:
    form = await visit.form()
    new = form.whole("nouveau")
    if new != form.whole("encore"):
        return await _page(visit, {"encore": phrase("PROFILE_PASSWORD_DIFFERS", visit.language)})
    told = (await visit.ask(CHANGE_PASSWORD, current=form.whole("actuel"), new=new))["done"]
    return await _after(visit, told, "PROFILE_PASSWORD_DONE", "nouveau" if told.get("code") == "PASSWORD_TOO_WEAK" else "actuel")


async def email(visit: Visit) -> Response:
    form = await visit.form()
    wanted, secret = form.one("courriel"), form.whole("motdepasse")
    told = (await visit.ask(CHANGE_EMAIL, email=wanted, password=secret or None))["done"]
    field = "motdepasse" if told.get("code") == "INVALID_CREDENTIALS" else "courriel"
    return await _after(visit, told, "PROFILE_EMAIL_SENT", field, {"courriel": wanted}, email=wanted)


async def keep_email(visit: Visit) -> Response:
    """Gives a pending change up: the address in force is asked for again."""
    await visit.form()
    now = (await visit.ask(PROFILE))["me"]["email"]
    if now is None:
        return visit.see_other(HERE)
    told = (await visit.ask(CHANGE_EMAIL, email=now, password=None))["done"]
    return await _after(visit, told, "PROFILE_EMAIL_GIVEN_UP", "courriel")


async def question(visit: Visit) -> Response:
    form = await visit.form()
    chosen, answer = form.one("question"), form.one("reponse")
    if not answer:
        return await _page(visit, {"reponse": phrase("PROFILE_ANSWER_MISSING", visit.language)}, question=chosen)
    told = (await visit.ask(CHANGE_QUESTION, question=chosen, answer=answer, password=form.whole("motdepasse-question")))["done"]
    field = "motdepasse-question" if told.get("code") == "INVALID_CREDENTIALS" else "reponse"
    return await _after(visit, told, "PROFILE_QUESTION_DONE", field, {"question": chosen})


async def mails(visit: Visit) -> Response:
    form = await visit.form()
    reports = "DAILY" if form.one("comptes-rendus") == "DAILY" else "AT_ONCE"
    await visit.ask(CHOOSE_MAILS, reports=reports, announcements=form.one("annonces") == "oui")
    return visit.see_other(HERE, "PROFILE_MAILS_DONE")


async def language(visit: Visit) -> Response:
    """Of the account, in which mails are written; the pages in this browser follow."""
    form = await visit.form()
    wanted = "en" if form.one("langue") == "en" else "fr"
    await visit.ask(SPEAK, language=wanted)
    visit.keep(LANGUAGE, wanted, YEAR_SECONDS)
    return visit.see_other(HERE, "PROFILE_MAILS_DONE")


async def end_session(visit: Visit) -> Response:
    form = await visit.form()
    await visit.ask(END_SESSION, id=form.one("session"))
    return visit.see_other(HERE, "PROFILE_ENDED")


async def end_all(visit: Visit) -> Response:
    await visit.form()
    await visit.ask(SIGN_OUT_EVERYWHERE)
    visit.sign_out()
    return visit.see_other("/connexion", "PROFILE_ENDED_ALL")


async def data_file(visit: Visit) -> Response:
    form = await visit.form()
    told = (await visit.ask(REQUEST_DATA, family=form.one("famille")))["done"]
    return await _after(visit, told, "PROFILE_DATA_ASKED", "demander-donnees")


async def fetch_data(visit: Visit) -> Response:
    """`/profil/donnees/{id}`: its link is made now, and stands in no page."""
    data = await visit.ask(DATA_FILE)
    wanted = visit.request.path_params["id"]
    found = [each for family in data["me"]["families"] for each in family["dataExports"] or () if each["id"] == wanted]
    if found and found[0]["file"]:
        return visit.file(found[0]["file"])
    return visit.missing()


async def close(visit: Visit) -> Response:
    form = await visit.form()
    told = (await visit.ask(CLOSE, password=form.whole("motdepasse-fermer")))["done"]
    if "code" in told:
        return await _page(visit, {"motdepasse-fermer": told["message"]})
    visit.sign_out()
    visit.forget_drafts()
    return visit.see_other("/connexion", "PROFILE_CLOSED", login=told["login"])


PAGES = [
    (HERE, ("GET",), profile),
    ("/profil/mot-de-passe", ("POST",), password),
    ("/profil/courriel", ("POST",), email),
    ("/profil/courriel/garder", ("POST",), keep_email),
    ("/profil/question", ("POST",), question),
    ("/profil/courriers", ("POST",), mails),
    ("/profil/langue", ("POST",), language),
    ("/profil/sessions", ("POST",), end_session),
    ("/profil/sessions/toutes", ("POST",), end_all),
    ("/profil/donnees", ("POST",), data_file),
    ("/profil/donnees/{id}", ("GET",), fetch_data),
    ("/profil/fermer", ("POST",), close),
]
