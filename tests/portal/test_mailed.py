"""S3, S7, SEC6: the pages that links in mails lead to. Opening one has no effect; the form that it shows does, once."""

import datetime as dt
import re

import httpx2
import pytest

from gateway.portal.texts import TEXTS
from tests.portal.paged import FORM, SECRETS, SIGNED_IN, Guest, Identity, before, refused, words

TOKEN = "a-token-of-43-characters"
PASSWORD, EMAIL, CANCEL, INVITATION = "/mot-de-passe/nouveau", "/courriel/confirmer", "/courriel/annuler", "/invitation"
OFFER = {"__typename": "InvitationOffer", "structureName": "Mairie <de> CarteVille", "gives": "FAMILY", "email": "leo@example.org"}
ACCEPTED = {"__typename": "InvitationAccepted", "structureName": "Mairie <de> CarteVille"}
NEW = "un cheval correct & pile"
BOTH = {"nouveau": NEW, "encore": NEW}


def is_over(answer: httpx2.Response) -> bool:
    return answer.status_code == 422 and TEXTS["LINK_OVER"][0] in words(answer)


@pytest.mark.parametrize("path", [PASSWORD, EMAIL, CANCEL])
async def test_sec6_opening_a_link_has_no_effect_however_often_a_mail_scanner_does(guest: Guest, identity: Identity, path: str) -> None:
    for _ in range(3):
        assert (await guest.client.head(path, params={"jeton": TOKEN})).status_code == 200
        page = await guest.opens(path, jeton=TOKEN)
        assert page.status_code == 200
    assert (identity.heard, set(identity.looked)) == ([], {TOKEN})
    assert f'<form method="post" action="{path}"' in page.text
    assert f'<input type="hidden" name="jeton" value="{TOKEN}">' in page.text
    assert '<html lang="fr">' in page.text
    assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert page.headers["x-robots-tag"] == "noindex"
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert '<html lang="en">' in (await guest.opens(path, "en-GB", jeton=TOKEN)).text


async def test_s3_a_new_password_is_chosen_on_the_page_that_the_letter_leads_to(guest: Guest, identity: Identity) -> None:
    identity.says["resetPassword"] = SIGNED_IN
    page = await guest.opens(PASSWORD, jeton=TOKEN)
    for name in BOTH:
        assert f'<label for="{name}">' in page.text
        assert re.search(rf'<input id="{name}" name="{name}" type="password" [^>]*autocomplete="new-password"', page.text)
    done = await guest.sends(PASSWORD, jeton=TOKEN, **BOTH)
    assert (done.status_code, "Votre mot de passe est changé" in done.text) == (200, True)
    (_, reset, nobody), (out, _, token) = identity.heard
    assert (reset, nobody) == ({"token": TOKEN, "new": NEW}, None)
    assert (out, token) == ("signOut", "Bearer secret-access"), "nobody is signed in by a link"
    assert guest.client.cookies.get("preau_session") is None
    assert not any(secret in done.text for secret in (NEW, *SECRETS))


async def test_s3_who_has_a_second_factor_has_changed_the_password_all_the_same(guest: Guest, identity: Identity) -> None:
    identity.says["resetPassword"] = refused("SECOND_FACTOR_REQUIRED")
    assert "Votre mot de passe est changé" in (await guest.sends(PASSWORD, jeton=TOKEN, **BOTH)).text


async def test_s3_what_is_wrong_with_a_password_stands_at_its_field_and_the_form_can_be_sent_again(
    guest: Guest, identity: Identity
) -> None:
    differs = await guest.sends(PASSWORD, jeton=TOKEN, nouveau=NEW, encore="another")
    nothing = await guest.sends(PASSWORD, jeton=TOKEN, nouveau="", encore="")
    assert identity.heard == []
    assert '<a href="#encore">Les deux mots de passe ne sont pas les mêmes.</a>' in differs.text
    assert '<a href="#nouveau">Choisissez un mot de passe.</a>' in nothing.text
    identity.says["resetPassword"] = refused("PASSWORD_TOO_WEAK", "Ce mot de passe ne convient pas : <b>court</b>.")
    weak = await guest.sends(PASSWORD, jeton=TOKEN, nouveau="court", encore="court")
    assert (weak.status_code, weak.text.count("<title>Erreur – ")) == (422, 1)
    assert '<a href="#nouveau">Ce mot de passe ne convient pas : &lt;b&gt;court&lt;/b&gt;.</a>' in weak.text
    assert (f'value="{TOKEN}"' in weak.text, 'value="court"' in weak.text) == (True, False)


@pytest.mark.parametrize("path", [PASSWORD, EMAIL, CANCEL, INVITATION])
async def test_what_is_no_text_is_a_link_that_opens_nothing(guest: Guest, identity: Identity, path: str) -> None:
    fields = {"faire": "compte", **BOTH}
    assert is_over(await guest.opens(path, jeton="a\0b"))
    for answer in (await guest.sends(path, jeton="a\0b", **fields), await guest.sends(path, jeton=TOKEN, prenom="\0", **fields)):
        assert answer.status_code == 403
    assert (identity.heard, identity.looked) == ([], [])


async def test_s7_an_address_is_confirmed_with_a_button(guest: Guest, identity: Identity) -> None:
    now = dt.datetime.now(dt.UTC).isoformat()
    identity.says["confirmEmail"] = {"__typename": "EmailConfirmed", "email": "<paul>@example.org", "inForceAt": now}
    done = await guest.sends(EMAIL, jeton=TOKEN)
    assert "Vos messages arrivent désormais à &lt;paul&gt;@example.org." in done.text
    assert [asked for _, asked, _ in identity.heard] == [{"token": TOKEN}]


async def test_s7_an_address_that_waits_is_not_said_to_be_in_force(guest: Guest, identity: Identity) -> None:
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=24)).isoformat()
    identity.says["confirmEmail"] = {"__typename": "EmailConfirmed", "email": "paul@example.org", "inForceAt": later}
    assert "Vos messages arriveront à paul@example.org dans un jour." in (await guest.sends(EMAIL, jeton=TOKEN)).text


async def test_s7_whoever_reads_the_old_address_gives_the_new_one_up(guest: Guest, identity: Identity) -> None:
    identity.says["cancelEmailChange"] = {"__typename": "EmailChangeCancelled", "email": "paul@example.org"}
    assert "Ce changement est annulé" in (await guest.sends(CANCEL, jeton=TOKEN)).text
    assert [asked for _, asked, _ in identity.heard] == [{"token": TOKEN}]


@pytest.mark.parametrize(("path", "name"), [(PASSWORD, "resetPassword"), (EMAIL, "confirmEmail"), (CANCEL, "cancelEmailChange")])
async def test_sec6_a_link_that_is_over_says_so(guest: Guest, identity: Identity, path: str, name: str) -> None:
    identity.says |= {name: refused("INVALID_TOKEN"), "isLiveLink": False}
    opened = await guest.opens(path, jeton=TOKEN)
    assert (is_over(opened), f'action="{path}"' in opened.text) == (True, False)
    assert is_over(await guest.sends(path, jeton=TOKEN, **BOTH))
    assert is_over(await guest.opens(path))
    assert is_over(await guest.opens(path, jeton="x" * 1000))


@pytest.mark.parametrize("path", [PASSWORD, EMAIL, INVITATION])
async def test_what_is_no_form_of_ours_is_taken_for_nothing(guest: Guest, identity: Identity, path: str) -> None:
    await guest.opens("/mot-de-passe")
    said = f"jeton_page={guest.token}&jeton={TOKEN}".encode()
    for body, kind in ((said, "text/plain"), (b"\xff\xfe", FORM["content-type"]), (said + b"&a=" + b"x" * 300_000, FORM["content-type"])):
        assert (await guest.client.post(path, content=body, headers={"content-type": kind})).status_code == 403
    elsewhere = {**FORM, "sec-fetch-site": "cross-site"}
    assert (await guest.client.post(path, content=said, headers=elsewhere)).status_code == 403, "another site's page had it sent"
    assert (await guest.client.post(path, content=f"jeton={TOKEN}", headers=FORM)).status_code == 403, "no page of ours was opened"
    assert identity.heard == []
    assert (await guest.client.put(path)).status_code == 405


@pytest.mark.parametrize("path", [PASSWORD, EMAIL, CANCEL])
async def test_a_token_cannot_write_into_the_page(guest: Guest, path: str) -> None:
    page = await guest.opens(path, jeton='"><script>alert(1)</script>')
    assert 'value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"' in page.text
    assert "<script>alert" not in page.text


# ------------------------------------------------------------------------------------------------------------ invitations
async def test_an_invitation_says_who_invites_to_what_and_opening_it_takes_nothing(guest: Guest, identity: Identity) -> None:
    identity.says["invitation"] = OFFER
    page = await guest.opens(INVITATION, jeton=TOKEN)
    assert (page.status_code, identity.asked) == (200, ["invitation"])
    assert "Mairie &lt;de&gt; CarteVille" in page.text
    assert page.text.count(f'<form method="post" action="{INVITATION}"') == 2
    for name in ("identifiant", "mot-de-passe", "prenom", "nom", "nouvel-identifiant", "nouveau", "encore"):
        assert f'<label for="{name}">' in page.text
        assert re.search(rf'<input id="{name}" name="{name}" ', page.text)
    for gives, said in (("AGENT", "comme agent"), ("ADMINISTRATOR", "administrer")):
        identity.says["invitation"] = OFFER | {"gives": gives}
        assert said in (await guest.opens(INVITATION, jeton=TOKEN)).text
    assert '<html lang="en">' in (await guest.opens(INVITATION, "en", jeton=TOKEN)).text


async def test_whoever_has_an_account_signs_in_and_accepts(guest: Guest, identity: Identity) -> None:
    identity.says |= {"signIn": SIGNED_IN, "acceptInvitation": ACCEPTED}
    done = await guest.sends(INVITATION, jeton=TOKEN, faire="connexion", identifiant="leo", **{"mot-de-passe": "secret"})
    assert (done.status_code, "Votre réponse est enregistrée" in done.text) == (200, True)
    assert identity.asked == ["signIn", "acceptInvitation", "signOut"]
    assert identity.heard[0][1] == {"login": "leo", "password": "secret"}
    assert [token for _, _, token in identity.heard] == [None, "Bearer secret-access", "Bearer secret-access"]
    assert guest.client.cookies.get("preau_session") is None


async def test_whoever_is_signed_in_accepts_as_they_are_and_may_at_once_what_they_took(guest: Guest, identity: Identity) -> None:
    identity.says |= {"signIn": SIGNED_IN, "acceptInvitation": ACCEPTED, "invitation": OFFER, "refreshSession": SIGNED_IN}
    await guest.opens("/connexion")
    await guest.sends("/connexion", identifiant="dupont", motdepasse="x")
    page = await guest.opens(INVITATION, jeton=TOKEN)
    assert "Vous êtes connecté : Jean-Paul <DUPONT>" in words(page)
    done = await guest.sends(INVITATION, jeton=TOKEN, faire="moi")
    assert "Votre réponse est enregistrée" in done.text
    assert identity.heard[-1] == ("acceptInvitation", {"token": TOKEN}, "Bearer secret-access")
    await guest.opens("/plan-du-site")
    assert identity.heard[-1][0] == "refreshSession", "what they may stands in a new token"


async def test_whoever_has_a_second_factor_shows_it(guest: Guest, identity: Identity) -> None:
    half = refused("SECOND_FACTOR_REQUIRED", challenge="half-way", kinds=["TOTP"], passkeyOptions=None)
    identity.says |= {"signIn": half, "finishSignIn": refused("INVALID_CODE", "Ce code n’est pas correct."), "invitation": OFFER}
    with_password = {"jeton": TOKEN, "faire": "connexion", "identifiant": "leo", "mot-de-passe": "secret"}
    asked = await guest.sends(INVITATION, **with_password)
    assert ('name="code"' in asked.text, "half-way" in asked.text) == (True, False)
    again = await guest.sends(INVITATION, jeton=TOKEN, faire="code", code="000000")
    assert (again.status_code, "Ce code n’est pas correct." in words(again)) == (422, True)
    identity.says |= {"finishSignIn": SIGNED_IN, "acceptInvitation": ACCEPTED}
    done = await guest.sends(INVITATION, jeton=TOKEN, faire="code", code="123 456")
    assert "Votre réponse est enregistrée" in done.text
    assert identity.heard[-3][1] == {"challenge": "half-way", "code": "123456"}
    identity.says["signIn"] = half | {"kinds": ["PASSKEY"]}
    assert "clé d’accès" in words(await guest.sends(INVITATION, **with_password))


async def test_whoever_has_none_opens_one(guest: Guest, identity: Identity) -> None:
    identity.says |= {"openInvitedAccount": SIGNED_IN, "invitation": OFFER}
    fields = {"jeton": TOKEN, "faire": "compte", "prenom": "Léo", "nom": "PETIT", "nouvel-identifiant": "leo", "nouveau": NEW}
    differs = await guest.sends(INVITATION, **fields, encore="another")
    assert "Les deux mots de passe ne sont pas les mêmes." in differs.text
    assert ('value="Léo"' in differs.text, NEW in differs.text, identity.asked) == (True, False, ["invitation"])
    done = await guest.sends(INVITATION, **fields, encore=NEW)
    assert (done.status_code, "leo@example.org" in done.text) == (200, False)
    assert identity.asked[1:] == ["openInvitedAccount", "signOut"]
    said = {"login": "leo", "password": NEW, "firstName": "Léo", "lastName": "PETIT", "language": "fr"}
    assert identity.heard[1][1] == {"input": {"token": TOKEN, **said}}


@pytest.mark.parametrize(
    ("faire", "name", "code", "field"),
    [
        ("connexion", "signIn", "INVALID_CREDENTIALS", "identifiant"),
        ("compte", "openInvitedAccount", "LOGIN_TAKEN", "nouvel-identifiant"),
        ("compte", "openInvitedAccount", "PASSWORD_TOO_WEAK", "nouveau"),
    ],
)
async def test_what_is_wrong_stands_at_its_field(guest: Guest, identity: Identity, faire: str, name: str, code: str, field: str) -> None:
    identity.says |= {name: refused(code, "Non <b>merci</b>."), "invitation": OFFER}
    fields = {"identifiant": "leo", "mot-de-passe": "secret", "nouvel-identifiant": "leo", "prenom": "Léo", **BOTH}
    page = await guest.sends(INVITATION, jeton=TOKEN, faire=faire, **fields)
    assert (page.status_code, f'<a href="#{field}">Non &lt;b&gt;merci&lt;/b&gt;.' in page.text) == (422, True)
    assert ('value="leo"' in page.text, NEW in page.text, "secret" in page.text) == (True, False, False)


async def test_sec6_an_invitation_that_is_over_says_so(guest: Guest, identity: Identity) -> None:
    over = refused("INVALID_TOKEN")
    identity.says |= {"invitation": over, "signIn": SIGNED_IN, "acceptInvitation": over, "openInvitedAccount": over}
    for answer in (
        await guest.opens(INVITATION, jeton=TOKEN),
        await guest.opens(INVITATION),
        await guest.opens(INVITATION, jeton="x" * 1000),
        await guest.sends(INVITATION, jeton=TOKEN, faire="connexion", identifiant="leo", **{"mot-de-passe": "x"}),
        await guest.sends(INVITATION, jeton=TOKEN, faire="compte", **BOTH),
        await guest.sends(INVITATION, jeton=TOKEN),
    ):
        assert is_over(answer)
    assert "signOut" in identity.asked, "whoever signed in for it is out again"


async def test_while_identity_is_away_the_link_is_not_lost(identity: Identity) -> None:
    async with before(identity, IDENTITY_URL="http://127.0.0.1:9") as guest:
        for path in (PASSWORD, EMAIL, CANCEL, INVITATION):
            if path != INVITATION:
                assert "<form" in (await guest.opens(path, jeton=TOKEN)).text, "nobody can say that it is over"
            answer = await guest.sends(path, jeton=TOKEN, faire="compte", **BOTH)
            assert (answer.status_code, "momentanément indisponible" in answer.text) == (503, True)
    assert identity.heard == []
