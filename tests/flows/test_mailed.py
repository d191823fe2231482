"""S3, S7: what links in mails lead to, through the whole system: from asking for the letter to signing in with what it gave."""

import html
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import PASSWORD, SIGN_IN, Town, activity, family

NEW = "un cheval correct en pile"
INVITE = """mutation ($input: InviteAdultInput!) { inviteAdult(input: $input) { ... on Invitation { state } ... on Refusal { code } } }"""
CHANGE = """mutation ($email: String!) { changeEmail(email: $email) { ... on Account { email pendingEmail } ... on Refusal { code } } }"""
HOME = """mutation($login: String!, $password: String!) { signIn(login: $login, password: $password) { ... on SignedIn {
  accessToken account { families { balance { inDebit } dataExports { id } } } } } }"""


async def link_in(system: System, to: str, path: str) -> tuple[str, str]:
    """The path and the token of the newest link that was mailed there."""

    async def mailed() -> list[str]:
        links = [re.search(rf"https?://\S+{path}\S+", mail["text"]) for mail in await system.mails(to)]
        return [link.group() for link in links if link]

    parts = urlsplit((await until(mailed))[-1])
    return parts.path, parse_qs(parts.query)["jeton"][0]


async def sends(town: Town, path: str, **fields: str) -> str:
    """What the page answers to its form."""
    page = await town.client.get("/mot-de-passe")
    (ours,) = set(re.findall(r'name="jeton_page" value="([^"]+)"', page.text)[:1])
    answer = await town.client.post(path, data={"jeton_page": ours, **fields})
    return html.unescape(answer.text)


async def test_s3_s7_links_in_mails_lead_to_a_new_password_and_a_new_address(system: System, found: Found) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    dupont = await town.sign_in("dupont")
    login, address = town.named("dupont"), f"{town.named('dupont')}@example.org"
    assert (await town.post("mutation($login: String!) { requestPasswordReset(login: $login) }", {"login": login}))["data"]
    path, token = await link_in(system, address, "/mot-de-passe/nouveau")
    page = await town.client.get(path, params={"jeton": token})
    assert (page.status_code, token in page.text) == (200, True)
    assert "Votre mot de passe est changé" in await sends(town, path, jeton=token, nouveau=NEW, encore=NEW)
    assert "Ce lien n’est plus valable" in await sends(town, path, jeton=token, nouveau=f"{NEW}!", encore=f"{NEW}!"), "single use"
    signed_in: dict[str, Any] = (await town.post(HOME, {"login": login, "password": NEW}))["data"]["signIn"]
    (home,) = signed_in["account"]["families"]
    assert home["balance"] == {"inDebit": False}, "billing was asked with the token that this answer brings"
    assert (await town.post("{ me { login } }", {}, token=dupont.token))["data"]["me"] is None, "whoever was signed in is out"

    new = f"neu.{address}"
    changed = await town.post(CHANGE, {"email": new}, token=signed_in["accessToken"])
    assert changed["data"]["changeEmail"] == {"email": address, "pendingEmail": new}
    path, token = await link_in(system, new, "/courriel/confirmer")
    assert (await town.client.get(path, params={"jeton": token})).status_code == 200
    me = await town.post("{ me { email } }", {}, token=signed_in["accessToken"])
    assert me["data"]["me"]["email"] == address, "opening the link changes nothing"
    assert new in await sends(town, path, jeton=token)
    me = await town.post("{ me { email sessions { current } } }", {}, token=signed_in["accessToken"])
    assert me["data"]["me"] == {"email": new, "sessions": [{"current": True}]}, "the page left no session of its own"


async def test_whom_a_town_does_not_know_answers_an_invitation(system: System, found: Found) -> None:
    """A parent of another town with the account they have; somebody else with one that they open."""
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    other = await found(activities=[activity("aps")], families=[family("petit")])
    agent, elsewhere, own = await town.agent(), other.named("petit"), "un cheval correct en agrafe"
    for who in (elsewhere, f"{town.structure}-new"):
        invited = {"family": town.named("dupont"), "email": f"{who}@example.org", "idempotencyKey": who}
        assert (await town.post(INVITE, {"input": invited}, token=agent.token))["data"]["inviteAdult"] == {"state": "OPEN"}
    path, token = await link_in(system, f"{elsewhere}@example.org", "/invitation")
    assert "vous propose" in (await town.client.get(path, params={"jeton": token})).text
    answer = {"jeton": token, "faire": "connexion", "identifiant": elsewhere, "mot-de-passe": PASSWORD}
    assert "choisissez-en d’abord un autre" in await sends(town, path, **answer), "another town knows this one"
    change = "mutation($new: String!, $current: String!) { changePassword(new: $new, current: $current) { __typename } }"
    petit = await other.sign_in("petit")
    await other.post(change, {"current": PASSWORD, "new": own}, token=petit.token)
    await other.post("mutation { signOut }", {}, token=petit.token)
    answer |= {"mot-de-passe": own}
    assert "Votre réponse est enregistrée" in await sends(town, path, **answer)
    assert "Ce lien n’est plus valable" in await sends(town, path, **answer), "single use"
    path, token = await link_in(system, f"{town.structure}-new@example.org", "/invitation")
    login = f"{town.structure}-ana"
    answer = {
        "jeton": token,
        "faire": "compte",
        "prenom": "Ana",
        "nom": "NOUVELLE",
        "nouvel-identifiant": login,
        "nouveau": NEW,
        "encore": NEW,
    }
    assert "Votre réponse est enregistrée" in await sends(town, path, **answer)
    seen = "{ me { email families { id } sessions { current } } }"
    for who, password, count in ((elsewhere, own, 2), (login, NEW, 1)):
        signed_in = (await town.post(SIGN_IN, {"login": who, "password": password}))["data"]["signIn"]
        me = (await town.post(seen, {}, token=signed_in["accessToken"]))["data"]["me"]
        assert town.named("dupont") in [one["id"] for one in me["families"]]
        assert (len(me["families"]), me["sessions"]) == (count, [{"current": True}]), "the page left no session of its own"
    assert me["email"] == f"{town.structure}-new@example.org"
