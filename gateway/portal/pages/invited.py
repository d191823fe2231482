"""The page that the link of an invitation leads to: it says who offers what, and takes the answer.

Opening it has no effect, for mail scanners open every link. Whoever has an account signs in and accepts with it; whoever has none opens
one. Nobody stays signed in there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from gateway.portal import security
from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.pages.mailed import LEAVE, may_be_a_token, over, password_errors
from gateway.portal.texts import phrase
from gateway.portal.visit import Visit

PATH = "/invitation"
OFFER = operation("""query Invitation($token: String!) { invitation(token: $token) {
  __typename ... on InvitationOffer { structureName gives email } ... on Refusal { code message } } }""")
_IN = "__typename ... on SignedIn { accessToken } ... on Refusal { code message } ... on SecondFactorRequired { challenge kinds }"
PASSWORD = operation(f"""mutation SignInInvited($login: String!, $password: String!) {{
  signIn(login: $login, password: $password) {{ {_IN} }} }}""")
FINISH = operation(f"""mutation FinishSignInInvited($challenge: String!, $code: String!) {{
  finishSignIn(challenge: $challenge, code: $code) {{ {_IN} }} }}""")
ACCEPT = operation("""mutation AcceptInvitation($token: String!) { acceptInvitation(token: $token) {
  __typename ... on InvitationAccepted { structureName } ... on Refusal { code message } } }""")
OPEN = operation("""mutation OpenInvitedAccount($input: OpenInvitedAccountInput!) { openInvitedAccount(input: $input) {
  __typename ... on SignedIn { accessToken } ... on Refusal { code message } } }""")
WHO = operation("query WhoIsInvited { ...Shell }")
STEP = "preau_invitation"  #: The challenge of whoever has a second factor.
STEP_SECONDS = 300
#: Fields of a new account -> of the form.
NAMES = {"login": "nouvel-identifiant", "password": "nouveau", "firstName": "prenom", "lastName": "nom"}


async def invitation(visit: Visit) -> Response:
    """`/invitation?jeton=`"""
    form = await visit.form() if visit.request.method == "POST" else Form(jeton=[visit.request.query_params.get("jeton", "")])
    if not may_be_a_token(form.one("jeton")):
        return over(visit, "INVITATION_OVER_MORE")
    answer = _Answer(visit, form)
    steps = {"moi": answer.as_who_is_here, "connexion": answer.with_an_account, "code": answer.with_a_code, "compte": answer.with_a_new_one}
    return await steps.get(form.one("faire"), answer.look)()


@dataclass(frozen=True, slots=True)
class _Answer:
    """One visit to the page."""

    visit: Visit
    form: Form

    @property
    def token(self) -> str:
        return self.form.one("jeton")

    async def look(self, errors: Mapping[str, str] | None = None) -> Response:
        """The forms; what was wrong stands above them."""
        offer = (await self.visit.ask(OFFER, token=self.token))["invitation"]
        if offer["__typename"] != "InvitationOffer":
            return over(self.visit, "INVITATION_OVER_MORE")
        status = 422 if errors else 200
        await self.visit.glance(WHO)
        page = self.visit.page("invitation.html", status=status, offer=offer, token=self.token, form=self.form, errors=errors or {})
        return security.secret(page)

    async def as_who_is_here(self) -> Response:
        """With the account that is signed in. What it may from now on stands in its next token."""
        if self.visit.session is None:
            return await self.look()
        accepted = (await self.visit.ask(ACCEPT, token=self.token))["acceptInvitation"]
        self.visit.sign_in(self.visit.session.run_out())
        return await self._done(accepted, "InvitationAccepted", "moi")

    async def with_an_account(self) -> Response:
        login, password = self.form.one("identifiant"), self.form.whole("mot-de-passe")
        return await self._signed_in((await self.visit.ask(PASSWORD, login=login, password=password))["signIn"])

    async def with_a_code(self) -> Response:
        code, challenge = "".join(self.form.one("code").split()), self.visit.kept(STEP)
        said = (await self.visit.ask(FINISH, challenge=challenge, code=code))["finishSignIn"]
        if said.get("code") == "INVALID_CODE":
            return self._code_page({"code": said["message"]})
        return await self._signed_in(said)

    async def _signed_in(self, said: Mapping[str, Any]) -> Response:
        if said.get("code") == "SECOND_FACTOR_REQUIRED":
            if "TOTP" in said["kinds"]:
                self.visit.keep(STEP, said["challenge"], STEP_SECONDS)
                return self._code_page()
            return await self.look({"identifiant": phrase("INVITATION_PASSKEY", self.visit.language)})
        if said["__typename"] != "SignedIn":
            return await self.look({"identifiant": said["message"]})
        self.visit.forget(STEP)
        bearer = said["accessToken"]
        accepted = (await self.visit.ask_as(bearer, ACCEPT, token=self.token))["acceptInvitation"]
        await self.visit.ask_as(bearer, LEAVE)
        return await self._done(accepted, "InvitationAccepted", "identifiant")

    def _code_page(self, errors: Mapping[str, str] | None = None) -> Response:
        status = 422 if errors else 200
        return security.secret(self.visit.page("invitation_code.html", status=status, token=self.token, errors=errors or {}))

    async def with_a_new_one(self) -> Response:
        if wrong := password_errors(self.visit, self.form.whole("nouveau"), self.form.whole("encore")):
            return await self.look(wrong)
        given = {name: self.form.one(id) for name, id in NAMES.items()} | {"password": self.form.whole("nouveau")}
        told = {"token": self.token, **given, "language": self.visit.language}
        opened = (await self.visit.ask(OPEN, input=told))["openInvitedAccount"]
        if opened["__typename"] == "SignedIn":
            await self.visit.ask_as(opened["accessToken"], LEAVE)
        return await self._done(opened, "SignedIn", "nouveau" if opened.get("code") == "PASSWORD_TOO_WEAK" else "nouvel-identifiant")

    async def _done(self, said: Mapping[str, Any], wanted: str, field: str) -> Response:
        """`field`: where it stands what was wrong."""
        if said["__typename"] == wanted:
            title, more = (phrase(f"INVITATION_DONE{more}", self.visit.language) for more in ("", "_MORE"))
            return security.secret(self.visit.page("mailed_done.html", title=title, more=more, door=self.visit.session is None))
        return over(self.visit, "INVITATION_OVER_MORE") if said["code"] == "INVALID_TOKEN" else await self.look({field: said["message"]})


PAGES = [(PATH, ("GET", "POST"), invitation)]
