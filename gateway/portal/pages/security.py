"""The second step of signing in, recovery codes, and who else may say who somebody is."""

from typing import Any

from markupsafe import Markup
from starlette.responses import Response

from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.security import secret
from gateway.portal.visit import Visit

HERE = "/profil/securite"
LONGEST_URI = 400  #: characters
_ENDED = "{ __typename ... on Refusal { code message } }"
SECURITY = operation("""query Security { ...Shell
  me { recoveryCodesLeft secondFactorMissing { name } factors { id kind label addedAt usedAt }
    outsideIdentities { provider name linkedAt } }
  oidcProviders { id name } }""")
START_TOTP = operation("""mutation StartTotp($password: String!) { done: startTotp(password: $password) {
  __typename ... on TotpStarted { secret uri qrSvg } ... on Refusal { code message } } }""")
CONFIRM_TOTP = operation(f"mutation ConfirmTotp($code: String!) {{ done: confirmTotp(code: $code) {_ENDED} }}")
START_PASSKEY = operation("""mutation StartPasskey($password: String!) { done: startPasskey(password: $password) {
  __typename ... on PasskeyStarted { challenge options } ... on Refusal { code message } } }""")
ADD_PASSKEY = operation(f"""mutation AddPasskey($challenge: String!, $credential: String!, $label: String!) {{
  done: addPasskey(challenge: $challenge, credential: $credential, label: $label) {_ENDED} }}""")
REMOVE = operation(f"mutation RemoveFactor($id: ID!, $password: String!) {{ done: removeFactor(id: $id, password: $password) {_ENDED} }}")
NEW_CODES = operation("""mutation NewRecoveryCodes($password: String!) { done: newRecoveryCodes(password: $password) {
  __typename ... on RecoveryCodes { codes } ... on Refusal { code message } } }""")
UNLINK = operation(f"""mutation UnlinkOidc($provider: String!, $password: String!) {{
  done: unlinkOidc(provider: $provider, password: $password) {_ENDED} }}""")
SHELL_ALONE = operation("query SecurityStep { ...Shell }")


async def security(visit: Visit) -> Response:
    return await _page(visit, {})


async def _page(visit: Visit, errors: dict[str, str]) -> Response:
    data = await visit.ask(SECURITY)
    linked = {each["provider"] for each in data["me"]["outsideIdentities"] or []}
    providers = {each["id"]: each["name"] for each in data.get("oidcProviders") or []}
    told: dict[str, Any] = {"providers": providers, "linked": linked, "errors": errors}
    return visit.page("security.html", status=422 if errors else 200, tab="profile", styles=("profile",), **told)


async def _step(visit: Visit, template: str, *, errors: dict[str, str] | None = None, **told: Any) -> Response:
    """A page that only this moment can show: there is a secret on it."""
    await visit.ask(SHELL_ALONE)
    wrong = errors or {}
    page = visit.page(template, status=422 if wrong else 200, tab="profile", styles=("profile",), compressed=False, errors=wrong, **told)
    return secret(page)


async def totp(visit: Visit) -> Response:
    """The square code; and, once a code of the application is typed, its end."""
    form = await visit.form()
    if form["code"]:
        return await _totp_code(visit, form)
    told = (await visit.ask(START_TOTP, password=form.whole("motdepasse-totp")))["done"]
    if "code" in told:
        return await _page(visit, {"motdepasse-totp": told["message"]})
    return await _totp_step(visit, told["secret"], told["uri"])


async def _totp_code(visit: Visit, form: Form) -> Response:
    told = (await visit.ask(CONFIRM_TOTP, code=form.one("code")))["done"]
    if "code" not in told:
        return visit.see_other(HERE, "SECURITY_TOTP_ADDED")
    if told["code"] == "INVALID_CODE":  # The key is still the one that was shown.
        return await _totp_step(visit, form.one("cle"), form.one("adresse"), {"code": told["message"]})
    return await _page(visit, {"motdepasse-totp": told["message"]})


async def _totp_step(visit: Visit, secret: str, uri: str, errors: dict[str, str] | None = None) -> Response:
    """`uri` may come back from the form: it is drawn only where it could be ours."""
    if not uri.startswith("otpauth://totp/") or len(uri) > LONGEST_URI:
        return await _page(visit, errors or {})
    import segno  # noqa: PLC0415 -- only who adds an application needs it

    square = Markup(segno.make(uri, error="m", micro=False).svg_inline(border=4, light="white", omitsize=True))
    return await _step(visit, "security_totp.html", errors=errors, square=square, secret=secret, uri=uri)


async def passkey(visit: Visit) -> Response:
    """The page that asks the device for a key; and, with what it gave, its end."""
    form = await visit.form()
    if form["reponse"]:
        about = {"challenge": form.one("defi"), "credential": form.whole("reponse"), "label": form.one("nom")}
        told = (await visit.ask(ADD_PASSKEY, **about))["done"]
        return (
            await _page(visit, {"motdepasse-cle": told["message"]}) if "code" in told else visit.see_other(HERE, "SECURITY_PASSKEY_ADDED")
        )
    told = (await visit.ask(START_PASSKEY, password=form.whole("motdepasse-cle")))["done"]
    if "code" in told:
        return await _page(visit, {"motdepasse-cle": told["message"]})
    label = form.one("nom")[:60]
    return await _step(visit, "security_passkey.html", challenge=told["challenge"], options=told["options"], label=label)


async def remove(visit: Visit) -> Response:
    form = await visit.form()
    factor = form.one("etape")
    told = (await visit.ask(REMOVE, id=factor, password=form.whole(f"motdepasse-{factor}")))["done"]
    return await _page(visit, {f"motdepasse-{factor}": told["message"]}) if "code" in told else visit.see_other(HERE, "SECURITY_REMOVED")


async def codes(visit: Visit) -> Response:
    form = await visit.form()
    told = (await visit.ask(NEW_CODES, password=form.whole("motdepasse-codes")))["done"]
    if "code" in told:
        return await _page(visit, {"motdepasse-codes": told["message"]})
    return await _step(visit, "security_codes.html", codes=told["codes"])


async def unlink(visit: Visit) -> Response:
    form = await visit.form()
    provider = form.one("fournisseur")
    told = (await visit.ask(UNLINK, provider=provider, password=form.whole(f"motdepasse-{provider}")))["done"]
    if "code" in told:
        return await _page(visit, {f"motdepasse-{provider}": told["message"]})
    return visit.see_other(HERE, "SECURITY_OUTSIDE_UNLINKED")


PAGES = [
    (HERE, ("GET",), security),
    ("/profil/securite/application", ("POST",), totp),
    ("/profil/securite/cle", ("POST",), passkey),
    ("/profil/securite/retirer", ("POST",), remove),
    ("/profil/securite/codes", ("POST",), codes),
    ("/profil/securite/delier", ("POST",), unlink),
]
