"""Signing in from outside: bound to the browser that went, and no token in any page or address."""

import httpx2
import pytest

from tests.portal.paged import FORM, SECRETS, SIGNED_IN, Guest, Identity, before, refused, words

THERE = "https://fc.example/authorize?state=s1"
STARTED = {"__typename": "OidcStarted", "url": THERE, "state": "s1", "binding": "b1"}
BACK = "/connexion/retour"


async def goes(guest: Guest, identity: Identity, onward: str = "/soldes") -> httpx2.Response:
    identity.says["startOidc"] = STARTED
    return await guest.opens("/connexion/fc", suite=onward)


async def test_a_browser_goes_to_the_provider_and_keeps_what_shows_that_it_went(identity: Identity) -> None:
    identity.says["oidcProviders"] = [{"id": "fc", "name": "FranceConnect"}]
    async with before(identity, "https://preau.test") as guest:
        door = await guest.opens("/connexion", suite="/soldes")
        assert 'href="/connexion/fc?suite=/soldes">Se connecter avec FranceConnect' in door.text
        gone = await goes(guest, identity)
        assert (gone.status_code, gone.headers["location"]) == (303, THERE)
        cookie = gone.headers["set-cookie"]
        assert cookie.startswith("__Host-preau_connexion=s1.b1.fc.0.%2Fsoldes;")
        for fact in ("HttpOnly", "SameSite=lax", "Secure", "Path=/", "Max-Age=600"):
            assert fact in cookie
        assert identity.heard == [("startOidc", {"provider": "fc"}, None)]
    async with before(Identity(identity.says)) as guest:
        cookie = (await guest.opens("/connexion/fc")).headers["set-cookie"]
        assert ("Secure" in cookie, "__Host-" in cookie) == (False, False), "no TLS here: the browser would not keep it"


async def test_whoever_comes_back_is_signed_in_and_where_they_wanted_to_go(guest: Guest, identity: Identity) -> None:
    await goes(guest, identity)
    identity.says["finishOidc"] = SIGNED_IN
    back = await guest.opens(BACK, state="s1", code="c1")
    assert (back.status_code, back.headers["location"]) == (303, "/soldes")
    assert identity.heard[-1] == ("finishOidc", {"state": "s1", "code": "c1", "binding": "b1", "device": None}, None)
    home = await guest.opens("/plan-du-site")
    assert "<DUPONT> Jean-Paul" in words(home)
    assert not any(secret in home.text for secret in SECRETS)
    assert guest.client.cookies.get("preau_connexion") is None
    again = await guest.opens(BACK, state="s1", code="c1")
    assert (again.status_code, len(identity.heard)) == (422, 2)


async def test_whoever_has_a_second_factor_shows_it_before_they_are_in(guest: Guest, identity: Identity) -> None:
    await goes(guest, identity)
    identity.says["finishOidc"] = refused("SECOND_FACTOR_REQUIRED", challenge="half-way", kinds=["TOTP"], passkeyOptions=None)
    back = await guest.opens(BACK, state="s1", code="c1")
    assert back.headers["location"] == "/double-authentification"
    assert guest.client.cookies.get("preau_session") is None
    identity.says["finishSignIn"] = SIGNED_IN
    await guest.follows(back)
    assert (await guest.sends("/double-authentification", code="123 456")).headers["location"] == "/soldes"
    assert identity.heard[-1][1] == {"challenge": "half-way", "code": "123456", "device": None}


@pytest.mark.parametrize(
    "asked", [{"state": "s2", "code": "c2"}, {"code": "c2"}, {"state": "", "code": "c2"}, {"state": "s2", "error": "x"}]
)
async def test_what_another_browser_or_application_began_is_not_ended_here(guest: Guest, identity: Identity, asked: dict[str, str]) -> None:
    async def comes_back() -> None:
        page = await guest.opens(BACK, **asked)
        assert (page.status_code, "pas été commencée ici" in page.text) == (422, True)
        assert "c2" not in words(page), "nobody is asked to carry a code to whoever sent them"
        assert (page.headers["referrer-policy"], page.headers["cache-control"]) == ("no-referrer", "no-store")

    await comes_back()
    await goes(guest, identity)
    await comes_back()
    assert len(identity.heard) == 1
    assert guest.client.cookies.get("preau_connexion") is not None, "their own may still come back"


async def test_what_went_wrong_is_said_in_words(guest: Guest, identity: Identity) -> None:
    async def comes_back(**asked: str) -> httpx2.Response:
        await goes(guest, identity)
        return await guest.opens(BACK, state="s1", **asked)

    given_up = await comes_back(error="access_denied", error_description="<script>alert")
    assert (given_up.status_code, "abandonnée" in given_up.text, "alert" in words(given_up)) == (422, True, False)
    assert 'href="/connexion/fc"' in given_up.text
    for code, says in (
        ("IDENTITY_NOT_LINKED", 'href="/connexion/fc/lier"'),
        ("IDENTITY_REFUSED", "&lt;Non.&gt;"),
        ("INVALID_TOKEN", 'href="/connexion/fc"'),
    ):
        identity.says["finishOidc"] = refused(code, "<Non.>")
        assert says in (await comes_back(code="c1")).text
    identity.says["startOidc"] = refused("PROVIDER_UNAVAILABLE", "Absent.")
    unknown = await guest.opens("/connexion/nobody")
    assert (unknown.status_code, "Absent." in unknown.text, "set-cookie" in unknown.headers) == (422, True, False)


async def test_s3_a_code_of_the_town_hall_links_an_identity_for_whoever_cannot_sign_in(guest: Guest, identity: Identity) -> None:
    form = await guest.opens("/connexion/fc/lier")
    assert '<form method="post" action="/connexion/fc/lier"' in form.text
    assert identity.heard == []
    identity.says["useRecoveryCode"] = refused("INVALID_CREDENTIALS", "Le code n’est pas <correct>.")
    wrong = await guest.sends("/connexion/fc/lier", identifiant="dupont", code="A123")
    assert (wrong.status_code, "pas &lt;correct&gt;" in wrong.text, "A123" in wrong.text) == (422, True, False)
    identity.says |= {"useRecoveryCode": {"__typename": "RecoveryGranted", "token": "secret-grant"}, "startOidcLinkByToken": STARTED}
    onwards = await guest.sends("/connexion/fc/lier", identifiant="dupont", code="A123")
    assert f'href="{THERE}"' in onwards.text, "a link: a form that is led elsewhere is stopped by browsers"
    assert "secret-grant" not in onwards.text + str(onwards.headers)
    assert [asked for _, asked, _ in identity.heard[1:]] == [
        {"login": "dupont", "code": "A123"},
        {"provider": "fc", "token": "secret-grant"},
    ]
    identity.says["finishOidc"] = SIGNED_IN
    assert (await guest.opens(BACK, state="s1", code="c1")).headers["location"] == "/"


async def test_whoever_is_signed_in_links_an_identity_with_the_password(guest: Guest, identity: Identity) -> None:
    identity.says |= {"signIn": SIGNED_IN, "startOidcLink": refused("INVALID_CREDENTIALS", "Faux."), "linkOidc": ACCOUNT_LINKED}
    await guest.opens("/connexion")
    await guest.sends("/connexion", identifiant="dupont", motdepasse="x")
    await guest.opens("/connexion/fc/lier")
    wrong = await guest.sends("/connexion/fc/lier", motdepasse="y")
    assert (wrong.status_code, 'id="motdepasse-erreur"' in wrong.text, 'value="y"' in wrong.text) == (422, True, False)
    identity.says["startOidcLink"] = STARTED
    assert f'href="{THERE}"' in (await guest.sends("/connexion/fc/lier", motdepasse="y")).text
    back = await guest.opens(BACK, state="s1", code="c1")
    assert back.headers["location"] == "/profil"
    assert identity.heard[-1] == ("linkOidc", {"state": "s1", "code": "c1", "binding": "b1"}, "Bearer secret-access")


ACCOUNT_LINKED = {"__typename": "Account", "id": "a1"}


async def test_nobody_is_led_by_another_site_s_form_into_an_account_of_somebody_else_s(guest: Guest, identity: Identity) -> None:
    """Whose code it is, the form says, and the identity is that of whoever's browser sends it."""
    answer = await guest.sends("/connexion/fc/lier", {"sec-fetch-site": "cross-site"}, identifiant="stranger", code="A123")
    assert (answer.status_code, THERE in answer.text, identity.heard) == (403, False, [])
    bare = await guest.client.post("/connexion/fc/lier", content="identifiant=stranger&code=A123", headers=FORM)
    assert (bare.status_code, identity.heard) == (403, [])


async def test_a_cookie_cannot_write_into_the_page(guest: Guest) -> None:
    sent = {"cookie": "preau_connexion=s.b.<script>.0.%2F"}
    page = await guest.client.get(BACK, params={"state": "s"}, headers=sent)
    assert ('"/connexion/<script>"' in page.text, "/connexion/%3Cscript%3E" in page.text) == (False, True)


async def test_while_identity_is_away_pages_say_so(identity: Identity) -> None:
    async with before(identity, IDENTITY_URL="http://127.0.0.1:9") as guest:
        guest.client.cookies.set("preau_connexion", "s1.b1.fc.0.%2F")
        for answer in (
            await guest.opens("/connexion/fc"),
            await guest.opens(BACK, state="s1", code="c1"),
            await guest.sends("/connexion/fc/lier", identifiant="dupont", code="A123"),
        ):
            assert (answer.status_code, "momentanément indisponible" in answer.text) == (503, True)
        door = await guest.opens("/connexion")
        assert (door.status_code, "La connexion est momentanément indisponible" in door.text) == (200, True)
