"""S3, S7, SEC6: the pages that links in mails lead to. Opening one has no effect; the form that it shows does, once."""

import datetime as dt
import json
import re
from urllib.parse import urlencode

import httpx2
import pytest

from gateway.app import application
from gateway.texts import TEXTS
from services.settings import Settings
from tests.gateway.paged import FORM, Identity, refused

TOKEN = "a-token-of-43-characters"
PASSWORD, EMAIL, CANCEL, INVITATION = "/mot-de-passe/nouveau", "/courriel/confirmer", "/courriel/annuler", "/invitation"
ASKED = (
    "isLiveLink",
    "cancelEmailChange",
    "resetPassword",
    "confirmEmail",
    "signOut",
    "acceptInvitation",
    "openInvitedAccount",
    "invitation",
    "finishSignIn",
    "signIn",
)
OFFER = {"__typename": "InvitationOffer", "structureName": "Mairie <de> CarteVille", "gives": "FAMILY", "email": "leo@example.org"}
ACCEPTED = {"__typename": "InvitationAccepted", "structureName": "Mairie <de> CarteVille"}
SIGNED_IN = {"__typename": "SignedIn", "accessToken": "abc"}
NEW = "un cheval correct & pile"


async def sends(client: httpx2.AsyncClient, path: str, **fields: str) -> httpx2.Response:
    return await client.post(path, content=urlencode(fields), headers=FORM)


@pytest.mark.parametrize("path", [PASSWORD, EMAIL, CANCEL])
async def test_sec6_opening_a_link_has_no_effect_however_often_a_mail_scanner_does(
    client: httpx2.AsyncClient, identity: Identity, path: str
) -> None:
    for _ in range(3):
        assert (await client.head(path, params={"jeton": TOKEN})).status_code == 200
        page = await client.get(path, params={"jeton": TOKEN})
        assert page.status_code == 200
    assert (identity.heard, set(identity.looked)) == ([], {TOKEN})
    assert f'<form method="post" action="{path}">' in page.text
    assert f'<input type="hidden" name="jeton" value="{TOKEN}">' in page.text
    assert '<html lang="fr">' in page.text
    assert "<script" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "form-action 'self'" in page.headers["content-security-policy"]
    english = await client.get(path, params={"jeton": TOKEN}, headers={"accept-language": "en-GB"})
    assert '<html lang="en">' in english.text


async def test_s3_a_new_password_is_chosen_on_the_page_that_the_letter_leads_to(client: httpx2.AsyncClient, identity: Identity) -> None:
    identity.says["resetPassword"] = {"__typename": "SignedIn", "accessToken": "abc"}
    page = await client.get(PASSWORD, params={"jeton": TOKEN})
    for name in ("nouveau", "encore"):
        assert f'<label for="{name}">' in page.text
        assert re.search(rf'<input id="{name}" name="{name}" type="password" [^>]*autocomplete="new-password"', page.text)
    done = await sends(client, PASSWORD, jeton=TOKEN, nouveau=NEW, encore=NEW)
    assert done.status_code == 200
    assert "Votre mot de passe est changé" in done.text
    (_, reset), (headers, out) = identity.heard
    assert reset["variables"] == {"token": TOKEN, "new": NEW}
    assert "signOut" in out["query"], "nobody stays signed in on a page that cannot go on"
    assert headers["authorization"] == "Bearer abc"
    assert NEW not in done.text


async def test_s3_who_has_a_second_factor_has_changed_the_password_all_the_same(client: httpx2.AsyncClient, identity: Identity) -> None:
    identity.says["resetPassword"] = refused("SECOND_FACTOR_REQUIRED")
    assert "Votre mot de passe est changé" in (await sends(client, PASSWORD, jeton=TOKEN, nouveau=NEW, encore=NEW)).text


async def test_s3_what_is_wrong_with_a_password_stands_above_the_form_which_can_be_sent_again(
    client: httpx2.AsyncClient, identity: Identity
) -> None:
    differs = await sends(client, PASSWORD, jeton=TOKEN, nouveau=NEW, encore="another")
    assert identity.heard == []
    assert "Les deux mots de passe ne sont pas les mêmes." in differs.text
    identity.says["resetPassword"] = refused("PASSWORD_TOO_WEAK", "Ce mot de passe ne convient pas : <b>court</b>.")
    weak = await sends(client, PASSWORD, jeton=TOKEN, nouveau="court", encore="court")
    assert weak.status_code == 422
    assert '<p id="probleme" role="alert">Ce mot de passe ne convient pas : &lt;b&gt;court&lt;/b&gt;.</p>' in weak.text
    assert f'value="{TOKEN}"' in weak.text
    assert 'value="court"' not in weak.text


@pytest.mark.parametrize("path", [PASSWORD, EMAIL, CANCEL, INVITATION])
async def test_what_is_no_text_is_a_link_that_opens_nothing(client: httpx2.AsyncClient, identity: Identity, path: str) -> None:
    fields = {"faire": "compte", "nouveau": NEW, "encore": NEW}
    pages = [
        await client.get(path, params={"jeton": "a\0b"}),
        await sends(client, path, jeton="a\0b", **fields),
        await sends(client, path, jeton=TOKEN, prenom="\0", **fields),
    ]
    assert [(page.status_code, "plus valable" in page.text) for page in pages] == [(422, True)] * 3
    assert (identity.heard, identity.looked) == ([], [])


async def test_s7_an_address_is_confirmed_with_a_button(client: httpx2.AsyncClient, identity: Identity) -> None:
    now = dt.datetime.now(dt.UTC).isoformat()
    identity.says["confirmEmail"] = {"__typename": "EmailConfirmed", "email": "<paul>@example.org", "inForceAt": now}
    done = await sends(client, EMAIL, jeton=TOKEN)
    assert "Vos messages arrivent désormais à &lt;paul&gt;@example.org." in done.text
    assert [asked["variables"] for _, asked in identity.heard] == [{"token": TOKEN}]


async def test_s7_an_address_that_waits_is_not_said_to_be_in_force(client: httpx2.AsyncClient, identity: Identity) -> None:
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=24)).isoformat()
    identity.says["confirmEmail"] = {"__typename": "EmailConfirmed", "email": "paul@example.org", "inForceAt": later}
    assert "Vos messages arriveront à paul@example.org dans un jour." in (await sends(client, EMAIL, jeton=TOKEN)).text


async def test_s7_whoever_reads_the_old_address_gives_the_new_one_up(client: httpx2.AsyncClient, identity: Identity) -> None:
    identity.says["cancelEmailChange"] = {"__typename": "EmailChangeCancelled", "email": "paul@example.org"}
    assert "Ce changement est annulé" in (await sends(client, CANCEL, jeton=TOKEN)).text
    assert [asked["variables"] for _, asked in identity.heard] == [{"token": TOKEN}]


@pytest.mark.parametrize("path", [PASSWORD, EMAIL, CANCEL])
async def test_sec6_a_link_that_is_over_says_so_when_it_is_opened(client: httpx2.AsyncClient, identity: Identity, path: str) -> None:
    identity.says["isLiveLink"] = False
    page = await client.get(path, params={"jeton": TOKEN})
    assert (page.status_code, TEXTS["LINK_OVER"][0] in page.text.replace("&#x27;", "'"), "<form" in page.text) == (422, True, False)


@pytest.mark.parametrize(("path", "name"), [(PASSWORD, "resetPassword"), (EMAIL, "confirmEmail"), (CANCEL, "cancelEmailChange")])
async def test_sec6_a_link_that_is_over_says_so(client: httpx2.AsyncClient, identity: Identity, path: str, name: str) -> None:
    identity.says[name] = refused("INVALID_TOKEN")
    for answer in (
        await sends(client, path, jeton=TOKEN, nouveau=NEW, encore=NEW),
        await client.get(path),
        await client.get(path, params={"jeton": "x" * 1000}),
    ):
        assert (answer.status_code, TEXTS["LINK_OVER"][0] in answer.text.replace("&#x27;", "'")) == (422, True)


@pytest.mark.parametrize("path", [PASSWORD, EMAIL])
async def test_what_is_no_form_of_ours_is_taken_for_nothing(client: httpx2.AsyncClient, identity: Identity, path: str) -> None:
    identity.says = {"resetPassword": refused("INVALID_TOKEN"), "confirmEmail": refused("INVALID_TOKEN")}
    said = f"jeton={TOKEN}".encode()
    for body, kind in ((said, "text/plain"), (b"\xff\xfe", FORM["content-type"]), (said + b"&a=" + b"x" * 20_000, FORM["content-type"])):
        answer = await client.post(path, content=body, headers={"content-type": kind})
        assert answer.status_code == 422
    elsewhere = {**FORM, "sec-fetch-site": "cross-site"}
    assert (await client.post(path, content=said, headers=elsewhere)).status_code == 422, "another site's page had it sent"
    assert TOKEN not in json.dumps([asked for _, asked in identity.heard])
    await client.post(path, content=said, headers={**FORM, "sec-fetch-site": "same-origin"})
    assert (await client.put(path)).status_code == 405


@pytest.mark.parametrize("path", [PASSWORD, EMAIL])
async def test_a_token_cannot_write_into_the_page(client: httpx2.AsyncClient, path: str) -> None:
    page = await client.get(path, params={"jeton": '"><script>alert(1)</script>'})
    assert "<script>" not in page.text
    assert "&quot;&gt;&lt;script&gt;" in page.text


def asked_for(identity: Identity) -> list[str]:
    return [next(name for name in ASKED if name in asked["query"]) for _, asked in identity.heard]


async def test_an_invitation_says_who_invites_to_what_and_opening_it_takes_nothing(client: httpx2.AsyncClient, identity: Identity) -> None:
    identity.says["invitation"] = OFFER
    page = await client.get(INVITATION, params={"jeton": TOKEN})
    assert (page.status_code, asked_for(identity)) == (200, ["invitation"])
    assert "Mairie &lt;de&gt; CarteVille" in page.text
    assert page.text.count(f'<form method="post" action="{INVITATION}">') == 2
    for name in ("identifiant", "mot-de-passe", "prenom", "nom", "nouvel-identifiant", "nouveau", "encore"):
        assert f'<label for="{name}">' in page.text
        assert re.search(rf'<input id="{name}" name="{name}" ', page.text)
    for gives, said in (("AGENT", "comme agent"), ("ADMINISTRATOR", "administrer")):
        identity.says["invitation"] = OFFER | {"gives": gives}
        assert said in (await client.get(INVITATION, params={"jeton": TOKEN})).text
    english = await client.get(INVITATION, params={"jeton": TOKEN}, headers={"accept-language": "en"})
    assert '<html lang="en">' in english.text


async def test_whoever_has_an_account_signs_in_and_accepts(client: httpx2.AsyncClient, identity: Identity) -> None:
    identity.says |= {"signIn": SIGNED_IN, "acceptInvitation": ACCEPTED}
    done = await sends(client, INVITATION, jeton=TOKEN, faire="connexion", identifiant="leo", **{"mot-de-passe": "secret"})
    assert (done.status_code, "Votre réponse est enregistrée" in done.text) == (200, True)
    assert asked_for(identity) == ["signIn", "acceptInvitation", "signOut"]
    assert identity.heard[0][1]["variables"] == {"login": "leo", "password": "secret"}
    assert [headers.get("authorization") for headers, _ in identity.heard] == [None, "Bearer abc", "Bearer abc"]


async def test_whoever_has_a_second_factor_shows_it(client: httpx2.AsyncClient, identity: Identity) -> None:
    half = refused("SECOND_FACTOR_REQUIRED") | {"challenge": "half-way", "kinds": ["TOTP"]}
    identity.says |= {"signIn": half, "finishSignIn": refused("INVALID_CODE", "Ce code n'est pas correct."), "invitation": OFFER}
    asked = await sends(client, INVITATION, jeton=TOKEN, faire="connexion", identifiant="leo", **{"mot-de-passe": "secret"})
    assert '<input type="hidden" name="defi" value="half-way">' in asked.text
    again = await sends(client, INVITATION, jeton=TOKEN, faire="code", defi="half-way", code="000000")
    assert (again.status_code, "Ce code n&#x27;est pas correct." in again.text, 'value="half-way"' in again.text) == (422, True, True)
    identity.says |= {"finishSignIn": SIGNED_IN, "acceptInvitation": ACCEPTED}
    done = await sends(client, INVITATION, jeton=TOKEN, faire="code", defi="half-way", code="123456")
    assert "Votre réponse est enregistrée" in done.text
    assert identity.heard[-3][1]["variables"] == {"challenge": "half-way", "code": "123456"}
    identity.says["signIn"] = half | {"kinds": ["PASSKEY"]}
    only = await sends(client, INVITATION, jeton=TOKEN, faire="connexion", identifiant="leo", **{"mot-de-passe": "secret"})
    assert "clé d&#x27;accès" in only.text


async def test_whoever_has_none_opens_one(client: httpx2.AsyncClient, identity: Identity) -> None:
    identity.says |= {"openInvitedAccount": SIGNED_IN, "invitation": OFFER}
    fields = {"jeton": TOKEN, "faire": "compte", "prenom": "Léo", "nom": "PETIT", "nouvel-identifiant": "leo", "nouveau": NEW}
    differs = await sends(client, INVITATION, **fields, encore="another")
    assert "Les deux mots de passe ne sont pas les mêmes." in differs.text
    assert asked_for(identity) == ["invitation"]
    done = await sends(client, INVITATION, **fields, encore=NEW)
    assert (done.status_code, "leo@example.org" in done.text) == (200, False)
    assert asked_for(identity)[1:] == ["openInvitedAccount", "signOut"]
    said = {"login": "leo", "password": NEW, "firstName": "Léo", "lastName": "PETIT", "language": "fr"}
    assert identity.heard[1][1]["variables"] == {"input": {"token": TOKEN, **said}}
    assert NEW not in done.text


@pytest.mark.parametrize(("faire", "name"), [("connexion", "signIn"), ("compte", "openInvitedAccount")])
async def test_what_is_wrong_stands_above_the_forms_which_can_be_sent_again(
    client: httpx2.AsyncClient, identity: Identity, faire: str, name: str
) -> None:
    identity.says |= {name: refused("NO", "Non <b>merci</b>."), "invitation": OFFER}
    fields = {"identifiant": "leo", "mot-de-passe": "secret", "nouvel-identifiant": "leo", "prenom": "Léo", "nouveau": NEW, "encore": NEW}
    page = await sends(client, INVITATION, jeton=TOKEN, faire=faire, **fields)
    assert (page.status_code, 'role="alert">Non &lt;b&gt;merci&lt;/b&gt;.' in page.text) == (422, True)
    assert ('value="leo"' in page.text, NEW in page.text, "secret" in page.text) == (True, False, False)


async def test_sec6_an_invitation_that_is_over_says_so(client: httpx2.AsyncClient, identity: Identity) -> None:
    over = refused("INVALID_TOKEN")
    identity.says = {"invitation": over, "signIn": SIGNED_IN, "acceptInvitation": over, "openInvitedAccount": over}
    for answer in (
        await client.get(INVITATION, params={"jeton": TOKEN}),
        await client.get(INVITATION),
        await client.get(INVITATION, params={"jeton": "x" * 1000}),
        await sends(client, INVITATION, jeton=TOKEN, faire="connexion", identifiant="leo", **{"mot-de-passe": "x"}),
        await sends(client, INVITATION, jeton=TOKEN, faire="compte", nouveau=NEW, encore=NEW),
        await sends(client, INVITATION, jeton=TOKEN),
        await client.post(INVITATION, content=b"jeton=x", headers={"content-type": "text/plain"}),
    ):
        assert (answer.status_code, TEXTS["LINK_OVER"][0] in answer.text.replace("&#x27;", "'")) == (422, True)
    assert "signOut" in asked_for(identity), "whoever signed in for it is out again"


async def test_while_identity_is_away_the_link_is_not_lost() -> None:
    app = application(Settings.from_environment({"IDENTITY_URL": "http://127.0.0.1:9"}))
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://x") as client:
        for path in (PASSWORD, EMAIL, CANCEL, INVITATION):
            if path != INVITATION:
                assert "<form" in (await client.get(path, params={"jeton": TOKEN})).text, "nobody can say that it is over"
            fields = {"jeton": TOKEN, "nouveau": NEW, "encore": NEW, "faire": "compte"}
            answer = await client.post(path, content=urlencode(fields), headers=FORM)
            assert (answer.status_code, "Momentanément indisponible" in answer.text) == (503, True)
