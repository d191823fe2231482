"""Pages by which somebody signs in from outside, until the portal has its own: bound to the browser that went, and no token in any address."""

from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from tests.gateway.paged import FORM, Identity, before, refused

THERE = "https://fc.example/authorize?state=s1"
STARTED = {"__typename": "OidcStarted", "url": THERE, "state": "s1", "binding": "b1"}
SIGNED_IN = {"__typename": "SignedIn", "accessToken": "secret-token", "account": {"firstName": "Jean-Paul", "lastName": "<DUPONT>"}}
BACK = "/connexion/retour"


async def goes(client: httpx2.AsyncClient, identity: Identity) -> httpx2.Response:
    identity.says["startOidc"] = STARTED
    return await client.get("/connexion/fc")


async def test_a_browser_goes_to_the_provider_and_keeps_what_shows_that_it_went(identity: Identity) -> None:
    async with before(identity, "https://preau.test") as client:
        gone = await goes(client, identity)
        assert (gone.status_code, gone.headers["location"]) == (303, THERE)
        cookie = gone.headers["set-cookie"]
        assert cookie.startswith("preau_connexion=s1.b1.fc;")
        for fact in ("HttpOnly", "SameSite=lax", "Secure", "Path=/connexion", "Max-Age=600"):
            assert fact in cookie
        assert [asked["variables"] for _, asked in identity.heard] == [{"provider": "fc"}]
    async with before(Identity(identity.says)) as client:
        assert "Secure" not in (await client.get("/connexion/fc")).headers["set-cookie"], "no TLS here: the browser would not keep it"


async def test_whoever_comes_back_is_told_whose_account_it_is_and_nobody_stays_signed_in(
    client: httpx2.AsyncClient, identity: Identity
) -> None:
    await goes(client, identity)
    identity.says["finishOidc"] = SIGNED_IN
    back = await client.get(BACK, params={"state": "s1", "code": "c1"})
    assert back.status_code == 200
    assert "Elle ouvre le compte de Jean-Paul &lt;DUPONT&gt;." in back.text
    assert "secret-token" not in back.text + str(back.headers)
    _, (_, finish), (headers, out) = identity.heard
    assert finish["variables"] == {"state": "s1", "code": "c1", "binding": "b1"}
    assert ("signOut" in out["query"], headers["authorization"]) == (True, "Bearer secret-token")
    assert back.headers["referrer-policy"] == "no-referrer"
    assert client.cookies.get("preau_connexion") is None
    again = await client.get(BACK, params={"state": "s1", "code": "c1"})
    assert (again.status_code, len(identity.heard)) == (422, 3)


@pytest.mark.parametrize(
    "asked", [{"state": "s2", "code": "c2"}, {"code": "c2"}, {"state": "", "code": "c2"}, {"state": "s2", "error": "x"}]
)
async def test_what_another_browser_or_application_began_is_not_ended_here(
    client: httpx2.AsyncClient, identity: Identity, asked: dict[str, str]
) -> None:
    async def comes_back() -> None:
        page = await client.get(BACK, params=asked)
        assert (page.status_code, "pas été commencée ici" in page.text) == (422, True)
        assert "c2" not in page.text, "nobody is asked to carry a code to whoever sent them"

    await comes_back()
    await goes(client, identity)
    await comes_back()
    assert len(identity.heard) == 1
    assert client.cookies.get("preau_connexion") is not None, "their own may still come back"


async def test_what_went_wrong_is_said_in_words(client: httpx2.AsyncClient, identity: Identity) -> None:
    async def comes_back(**asked: str) -> httpx2.Response:
        await goes(client, identity)
        return await client.get(BACK, params={"state": "s1"} | asked)

    given_up = await comes_back(error="access_denied", error_description="<script>")
    assert (given_up.status_code, "abandonnée" in given_up.text, "script" in given_up.text) == (422, True, False)
    assert 'href="/connexion/fc"' in given_up.text
    for code, says in (
        ("SECOND_FACTOR_REQUIRED", "demande aussi un code"),
        ("IDENTITY_NOT_LINKED", 'href="/connexion/fc/lier"'),
        ("IDENTITY_REFUSED", "&lt;Non.&gt;"),
        ("INVALID_TOKEN", 'href="/connexion/fc"'),
    ):
        identity.says["finishOidc"] = refused(code, "<Non.>")
        assert says in (await comes_back(code="c1")).text
    identity.says["startOidc"] = refused("PROVIDER_UNAVAILABLE", "Absent.")
    unknown = await client.get("/connexion/nobody")
    assert (unknown.status_code, "Absent." in unknown.text, "set-cookie" in unknown.headers) == (422, True, False)


async def links(client: httpx2.AsyncClient, **form: Any) -> httpx2.Response:
    return await client.post("/connexion/fc/lier", content=urlencode(form), headers=FORM)


async def test_s3_a_code_of_the_town_hall_links_an_identity_for_whoever_cannot_sign_in(
    client: httpx2.AsyncClient, identity: Identity
) -> None:
    form = await client.get("/connexion/fc/lier")
    assert '<form method="post" action="/connexion/fc/lier">' in form.text
    assert identity.heard == []
    identity.says["useRecoveryCode"] = refused("INVALID_CREDENTIALS", "Le code n'est pas <correct>.")
    wrong = await links(client, identifiant="dupont", code="A123")
    assert (wrong.status_code, "pas &lt;correct&gt;" in wrong.text, "A123" in wrong.text) == (422, True, False)
    identity.says |= {"useRecoveryCode": {"__typename": "RecoveryGranted", "token": "grant"}, "startOidcLinkByToken": STARTED}
    onwards = await links(client, identifiant="dupont", code="A123")
    assert f'<a href="{THERE}">' in onwards.text
    assert "grant" not in onwards.text + str(onwards.headers)
    assert [asked["variables"] for _, asked in identity.heard[1:]] == [
        {"login": "dupont", "code": "A123"},
        {"provider": "fc", "token": "grant"},
    ]
    identity.says["finishOidc"] = SIGNED_IN
    assert "Elle ouvre le compte" in (await client.get(BACK, params={"state": "s1", "code": "c1"})).text


async def test_nobody_is_led_by_another_site_s_form_into_an_account_of_somebody_else_s(
    client: httpx2.AsyncClient, identity: Identity
) -> None:
    """Whose code it is, the form says, and the identity is that of whoever's browser sends it."""
    sent = urlencode({"identifiant": "stranger", "code": "A123"})
    answer = await client.post("/connexion/fc/lier", content=sent, headers={**FORM, "sec-fetch-site": "cross-site"})
    assert (answer.status_code, THERE in answer.text, "set-cookie" in answer.headers, identity.heard) == (200, False, False, [])


async def test_a_cookie_cannot_write_into_the_page(client: httpx2.AsyncClient) -> None:
    page = await client.get(BACK, params={"state": "s"}, headers={"cookie": "preau_connexion=s.b.<script>"})
    assert ("<script>" in page.text, "/connexion/&lt;script&gt;" in page.text) == (False, True)


async def test_while_identity_is_away_pages_say_so(identity: Identity) -> None:
    async with before(identity, identity_url="http://127.0.0.1:9") as client:
        client.cookies.set("preau_connexion", "s1.b1.fc")
        for answer in (
            await client.get("/connexion/fc"),
            await client.get(BACK, params={"state": "s1", "code": "c1"}),
            await links(client, identifiant="dupont", code="A123"),
        ):
            assert (answer.status_code, "Momentanément indisponible" in answer.text) == (503, True)
