"""The page that the link of an invitation leads to: it says who offers what, and takes the answer.

Opening it has no effect, for mail scanners open every link. Whoever has an account signs in and accepts with it; whoever has none opens
one. Nobody stays signed in there. It asks identity's public fields, as any client does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.client import Subgraphs, SubgraphUnavailable
from gateway.mailed import SIGN_OUT, ask, away, form_of, may_be_a_token, page, paragraph, trouble_above
from gateway.texts import phrase
from services.refusal import Language, language_of

PATH = "/invitation"
OFFER = """query ($token: String!) { invitation(token: $token) {
  __typename ... on InvitationOffer { structureName gives email } ... on Refusal { code message } } }"""
_IN = "__typename ... on SignedIn { accessToken } ... on Refusal { code message } ... on SecondFactorRequired { challenge kinds }"
SIGN_IN = f"mutation ($login: String!, $password: String!) {{ signIn(login: $login, password: $password) {{ {_IN} }} }}"
FINISH = f"mutation ($challenge: String!, $code: String!) {{ finishSignIn(challenge: $challenge, code: $code) {{ {_IN} }} }}"
ACCEPT = """mutation ($token: String!) { acceptInvitation(token: $token) {
  __typename ... on InvitationAccepted { structureName } ... on Refusal { code message } } }"""
OPEN = """mutation ($input: OpenInvitedAccountInput!) { openInvitedAccount(input: $input) {
  __typename ... on SignedIn { accessToken } ... on Refusal { code message } } }"""

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Invited:
    subgraphs: Subgraphs

    async def invitation(self, request: Request) -> Response:
        """`/invitation?jeton=`"""
        language = language_of(request.headers.get("accept-language"))
        fields: Fields = {"jeton": request.query_params.get("jeton", "")}
        if request.method == "POST":
            fields = await form_of(request)
        if not may_be_a_token(fields.get("jeton", "")):
            return _over(language)
        answer = _Answer(self.subgraphs, request, language, fields)
        steps = {"connexion": answer.with_an_account, "code": answer.with_a_code, "compte": answer.with_a_new_one}
        try:
            return await steps.get(fields.get("faire", ""), answer.look)()
        except SubgraphUnavailable as error:
            return away(language, error)


@dataclass(frozen=True, slots=True)
class _Answer:
    """One visit to the page."""

    subgraphs: Subgraphs
    request: Request
    language: Language
    fields: Fields

    @property
    def token(self) -> str:
        return self.fields["jeton"]

    async def look(self, trouble: str | None = None) -> Response:
        """The forms; what was wrong stands above them."""
        offer = (await self._ask(OFFER, token=self.token))["invitation"]
        if offer["__typename"] != "InvitationOffer":
            return _over(self.language)
        return _forms(self.language, self.fields, offer, trouble)

    async def with_an_account(self) -> Response:
        login, password = self.fields.get("identifiant", ""), self.fields.get("mot-de-passe", "")
        return await self._signed_in((await self._ask(SIGN_IN, login=login, password=password))["signIn"])

    async def with_a_code(self) -> Response:
        challenge = self.fields.get("defi", "")
        said = (await self._ask(FINISH, challenge=challenge, code=self.fields.get("code", "")))["finishSignIn"]
        if said.get("code") == "INVALID_CODE":
            return _code_form(self.language, self.token, challenge, said["message"])
        return await self._signed_in(said)

    async def _signed_in(self, said: dict[str, Any]) -> Response:
        if said.get("code") == "SECOND_FACTOR_REQUIRED":
            if "TOTP" in said["kinds"]:
                return _code_form(self.language, self.token, said["challenge"])
            return await self.look(phrase("INVITATION_PASSKEY", self.language))
        if said["__typename"] != "SignedIn":
            return await self.look(said["message"])
        bearer = said["accessToken"]
        accepted = (await self._ask(ACCEPT, bearer, token=self.token))["acceptInvitation"]
        await self._ask(SIGN_OUT, bearer)
        return await self._done(accepted, "InvitationAccepted")

    async def with_a_new_one(self) -> Response:
        if self.fields.get("nouveau", "") != self.fields.get("encore", ""):
            return await self.look(phrase("PASSWORD_DIFFERS", self.language))
        names = {"login": "nouvel-identifiant", "password": "nouveau", "firstName": "prenom", "lastName": "nom"}
        given = {name: self.fields.get(field, "") for name, field in names.items()}
        opened = (await self._ask(OPEN, input={"token": self.token, **given, "language": self.language}))["openInvitedAccount"]
        if opened["__typename"] == "SignedIn":
            await self._ask(SIGN_OUT, opened["accessToken"])
        return await self._done(opened, "SignedIn")

    async def _done(self, said: dict[str, Any], wanted: str) -> Response:
        if said["__typename"] == wanted:
            return page(self.language, "INVITATION_DONE", paragraph(phrase("INVITATION_DONE_MORE", self.language)))
        return _over(self.language) if said["code"] == "INVALID_TOKEN" else await self.look(said["message"])

    async def _ask(self, query: str, bearer: str | None = None, **variables: Any) -> dict[str, Any]:
        return await ask(self.subgraphs, self.request, query, variables, bearer)


# -------------------------------------------------------------------------------------------------------------------- HTML
def _forms(language: Language, fields: Fields, offer: dict[str, Any], trouble: str | None) -> Response:
    def said(code: str) -> str:
        return paragraph(phrase(code, language, structure=offer["structureName"], email=offer["email"]))

    body = f"""{trouble_above(trouble)}{said(f"INVITATION_{offer['gives']}")}
{said("INVITATION_SEEN")}
<h2>{escape(phrase("INVITATION_ACCOUNT", language))}</h2>
{_opening(fields["jeton"], "connexion")}
{said("INVITATION_ALONE")}
{_field("identifiant", "LOGIN", language, _LOGIN, fields)}
{_field("mot-de-passe", "PASSWORD", language, f'{_SECRET} autocomplete="current-password"')}
{_button("INVITATION_ACCEPT", language)}
<h2>{escape(phrase("INVITATION_NEW", language))}</h2>
{_opening(fields["jeton"], "compte")}
{said("INVITATION_EMAIL")}
{_field("prenom", "FIRST_NAME", language, f'{_PLAIN} autocomplete="given-name"', fields)}
{_field("nom", "LAST_NAME", language, f'{_PLAIN} autocomplete="family-name"', fields)}
{_field("nouvel-identifiant", "LOGIN", language, _LOGIN, fields)}
<p id="conseil">{escape(phrase("PASSWORD_HINT", language))}</p>
{_field("nouveau", "PASSWORD", language, _NEW)}
{_field("encore", "PASSWORD_AGAIN", language, _NEW)}
{_button("INVITATION_OPEN", language)}"""
    return page(language, "INVITATION_TITLE", body, 422 if trouble else 200)


_PLAIN = 'type="text" required maxlength="100"'
_LOGIN = f'{_PLAIN} autocapitalize="none" spellcheck="false" autocomplete="username"'
_SECRET = 'type="password" required maxlength="256"'
_NEW = f'{_SECRET} minlength="12" autocomplete="new-password" aria-describedby="conseil"'
_CODE = 'type="text" required maxlength="20" inputmode="numeric" autocomplete="one-time-code"'


def _code_form(language: Language, token: str, challenge: str, trouble: str | None = None) -> Response:
    body = f"""{trouble_above(trouble)}{_opening(token, "code")}
<input type="hidden" name="defi" value="{escape(challenge)}">
{_field("code", "INVITATION_CODE", language, _CODE)}
{_button("INVITATION_ACCEPT", language)}"""
    return page(language, "INVITATION_TITLE", body, 422 if trouble else 200)


def _opening(token: str, what: str) -> str:
    return f"""<form method="post" action="{PATH}">
<input type="hidden" name="jeton" value="{escape(token)}">
<input type="hidden" name="faire" value="{what}">"""


def _field(name: str, label: str, language: Language, attributes: str, fields: Fields | None = None) -> str:
    """With what was typed before, if it is in `fields`: what is secret never is."""
    typed = (fields or {}).get(name)
    value = f' value="{escape(typed)}"' if typed else ""
    return f'<p><label for="{name}">{escape(phrase(label, language))}</label><input id="{name}" name="{name}" {attributes}{value}></p>'


def _button(label: str, language: Language) -> str:
    return f"<p><button>{escape(phrase(label, language))}</button></p>\n</form>"


def _over(language: Language) -> Response:
    return page(language, "LINK_OVER", paragraph(phrase("INVITATION_OVER_MORE", language)), 422)
