"""P1, P2, S1, S3, S4: the door of the portal, in both languages and in each of its states."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.portal.paged import ACCOUNT, SECRETS, SIGNED_IN, Browser, Identity, before, refused, words

GRANTED = {"__typename": "RecoveryGranted", "token": "secret-grant"}
HALF = refused("SECOND_FACTOR_REQUIRED", challenge="half-way", kinds=["TOTP", "PASSKEY"], passkeyOptions='{"challenge": "abc"}')
SECOND, FORGOTTEN, NEW_PASSWORD = "/double-authentification", "/mot-de-passe", "/mot-de-passe/nouveau"


@pytest.fixture
def identity() -> Identity:
    return Identity()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(identity: Identity) -> AsyncIterator[Browser]:
    async with before(identity) as one:
        yield one


async def signs_in(browser: Browser, suite: str = "/soldes?inclure=1", **fields: str) -> str:
    """-> where to"""
    await browser.opens("/connexion", suite=suite)
    answer = await browser.sends("/connexion", suite=suite, **({"identifiant": "dupont", "motdepasse": " x "} | fields))
    assert answer.status_code == 303
    return answer.headers["location"]


async def test_s1_whoever_signs_in_goes_on_where_they_wanted_to_go(browser: Browser, identity: Identity) -> None:
    identity.says["signIn"] = SIGNED_IN
    assert await signs_in(browser) == "/soldes?inclure=1"
    assert identity.heard == [("signIn", {"login": "dupont", "password": " x ", "device": None}, None)], "a password as it was typed"
    assert (await browser.opens("/connexion", suite="/profil")).headers["location"] == "/profil", "who is in need not knock"
    page = await browser.opens("/plan-du-site")
    assert "M. <DUPONT> Jean-Paul" in words(page)
    assert not any(secret in page.text for secret in SECRETS)
    identity.says["signOut"] = True
    out = await browser.sends("/deconnexion")
    assert out.headers["clear-site-data"] == '"cache"', "who goes Back at this computer sees nothing"
    assert "Vous êtes déconnecté." in (await browser.follows(out)).text
    assert await signs_in(browser) == "/soldes?inclure=1"
    assert identity.heard[-1][1]["device"] == "secret-device", "strangers' failures do not keep this browser waiting"


async def test_s4_whoever_signs_out_is_out_at_this_browser_even_while_identity_cannot_say(browser: Browser, identity: Identity) -> None:
    identity.says |= {"signIn": SIGNED_IN, "signOut": None}
    await signs_in(browser)
    await browser.opens("/plan-du-site")
    out = await browser.sends("/deconnexion")
    assert (out.status_code, out.headers.get("location")) == (303, "/connexion")
    assert browser.client.cookies.get("preau_session") is None


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\t//evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "//[",
        "http://[evil]/",
        "evil",
        "",
    ],
)
@pytest.mark.parametrize("of_the_door", [False, True])
async def test_nobody_is_led_elsewhere_after_signing_in(browser: Browser, identity: Identity, elsewhere: str, of_the_door: bool) -> None:
    identity.says["signIn"] = SIGNED_IN
    onward = await signs_in(browser, "/connexion?suite=/profil" if of_the_door else elsewhere)
    assert onward == "/"


async def test_what_is_wrong_is_said_once_and_tells_accounts_not_apart(browser: Browser, identity: Identity) -> None:
    await browser.opens("/connexion")
    for fields, field in (
        ({"identifiant": " ", "motdepasse": "x"}, "identifiant"),
        ({"identifiant": "<b>", "motdepasse": ""}, "motdepasse"),
    ):
        page = await browser.sends("/connexion", **fields)
        assert (page.status_code, f'<a href="#{field}">' in page.text, "<title>Erreur – " in page.text) == (422, True, True)
        assert "<b>" not in page.text.split("<main")[1].split("</summary>")[0].split("lead")[0]
    assert identity.heard == []
    for code in ("INVALID_CREDENTIALS", "TOO_MANY_ATTEMPTS"):
        identity.says["signIn"] = refused(code, "Réessayez dans 4 minutes.")
        page = await browser.sends("/connexion", identifiant="dupont", motdepasse="wrong", suite="/soldes")
        assert page.status_code == 422
        assert page.text.index('id="erreurs"') < page.text.index("<h1>"), "first in main"
        assert 'tabindex="-1" autofocus id="erreurs"' in page.text
        assert '<a href="#identifiant">Réessayez dans 4 minutes.</a>' in page.text
        assert ('value="dupont"' in page.text, "wrong" in page.text.split("<main")[1].replace('class="wrong"', "")) == (True, False)
        assert 'name="suite" value="/soldes"' in page.text
        assert browser.client.cookies.get("preau_session") is None


async def test_a_second_factor_is_asked_on_a_page_that_shows_nothing_of_the_first(browser: Browser, identity: Identity) -> None:
    identity.says["signIn"] = HALF
    assert await signs_in(browser) == SECOND
    page = await browser.opens(SECOND)
    assert ("half-way" in page.text + str(page.headers), 'autocomplete="one-time-code"' in page.text) == (False, True)
    assert 'data-options="{&#34;challenge&#34;: &#34;abc&#34;}"' in page.text
    assert (page.text.count('name="reponse"'), 'id="reponse"' in page.text) == (1, False), "form.elements has one of that name"
    assert '<a href="#code">Indiquez le code.</a>' in (await browser.sends(SECOND, code=" ")).text
    identity.says["finishSignIn"] = refused("INVALID_CODE", "Faux.")
    assert '<a href="#code">Faux.</a>' in (await browser.sends(SECOND, code="000 000")).text
    assert identity.heard[-1][1] == {"challenge": "half-way", "code": "000000", "device": None}
    identity.says["finishSignIn"] = refused("INVALID_PASSKEY", "Faux.")
    assert '<a href="#cle">Faux.</a>' in (await browser.sends(SECOND, reponse='{"id": 1}')).text
    identity.says["finishSignIn"] = SIGNED_IN
    assert (await browser.sends(SECOND, reponse='{"id": 1}')).headers["location"] == "/soldes?inclure=1"
    assert identity.heard[-1][1] == {"challenge": "half-way", "assertion": '{"id": 1}', "device": None}
    assert browser.client.cookies.get("preau_etape") is None


async def test_the_door_asks_as_nobody_whoever_was_in_before(browser: Browser, identity: Identity) -> None:
    """A session that is over takes no form along that somebody has filled in."""
    identity.says |= {"signIn": SIGNED_IN, "refreshSession": refused("INVALID_TOKEN"), "requestPasswordReset": True}
    await browser.opens("/connexion")
    browser.client.cookies.set("preau_session", "old~1~old~1", domain="preau.test")
    assert "envoyee=1" in (await browser.sends(FORGOTTEN, faire="lettre", identifiant="dupont")).headers["location"]
    browser.client.cookies.set("preau_session", "old~1~old~1", domain="preau.test")
    done = await browser.sends("/connexion", identifiant="dupont", motdepasse="x", suite="/profil")
    assert (done.headers["location"], "clear-site-data" in done.headers) == ("/profil", False)
    assert ([token for _, _, token in identity.heard], "refreshSession" in identity.asked) == ([None, None], False)


async def test_an_address_that_is_too_long_to_be_kept_is_not_returned_to(browser: Browser, identity: Identity) -> None:
    identity.says |= {"signIn": {**HALF, "kinds": ["PASSKEY"]}, "finishSignIn": SIGNED_IN}
    for letters, is_kept in ((120, True), (4_000, False)):
        wanted = "/reservations?x=" + "%C3%A9" * letters
        assert await signs_in(browser, wanted) == SECOND
        assert len(browser.client.cookies["preau_etape"]) < 3_800
        await browser.opens(SECOND)
        assert (await browser.sends(SECOND, reponse="{}")).headers["location"] == (wanted if is_kept else "/")


async def test_half_a_sign_in_that_is_too_old_begins_again(browser: Browser, identity: Identity) -> None:
    for answer in (await browser.opens(SECOND), await browser.sends(SECOND, code="123456")):
        assert "n'a pas été terminée à temps" in words(await browser.follows(answer))
    browser.client.cookies.set("preau_etape", "nonsense")
    assert (await browser.opens(SECOND)).status_code == 303
    browser.client.cookies.clear()
    identity.says |= {"signIn": HALF, "finishSignIn": refused("INVALID_TOKEN")}
    await signs_in(browser)
    await browser.opens(SECOND)
    assert (await browser.sends(SECOND, code="123456")).headers["location"] == "/connexion?delai=1"


async def test_a_passkey_alone_opens_the_door_where_browsers_make_some(identity: Identity) -> None:
    async with before(identity, "https://preau.test") as browser:
        assert 'action="/cle-d-acces"' in (await browser.opens("/connexion", suite="/profil")).text
        identity.says["startPasskeySignIn"] = {"__typename": "PasskeyStarted", "challenge": "alone", "options": "{}"}
        page = await browser.follows(await browser.sends("/cle-d-acces", suite="/profil"))
        assert ("data-at-once" in page.text, 'name="code"' in page.text) == (True, False)
        identity.says["finishSignIn"] = SIGNED_IN
        done = await browser.sends(SECOND, reponse="{}")
        assert done.headers["location"] == "/profil"
        (kept,) = [line for line in done.headers.get_list("set-cookie") if "session" in line]
        assert kept.startswith("__Host-preau_session=")
        for fact in ("HttpOnly", "SameSite=lax", "Secure", "Path=/"):
            assert fact in kept
        assert "Domain" not in kept
    async with before(identity) as browser:
        assert "/cle-d-acces" not in (await browser.opens("/connexion")).text


async def test_s3_a_letter_is_promised_in_the_same_words_whoever_asks(browser: Browser, identity: Identity) -> None:
    identity.says["requestPasswordReset"] = True
    await browser.opens(FORGOTTEN)
    assert '<a href="#identifiant">' in (await browser.sends(FORGOTTEN, faire="lettre", identifiant="")).text
    sent = await browser.follows(await browser.sends(FORGOTTEN, faire="lettre", identifiant="dupont"))
    assert "Si un compte porte cet identifiant" in sent.text
    assert "dupont" not in sent.text
    assert identity.heard == [("requestPasswordReset", {"login": "dupont"}, None)]


async def test_s3_a_code_on_paper_leads_to_a_new_password_and_its_right_stands_nowhere(browser: Browser, identity: Identity) -> None:
    await browser.opens(FORGOTTEN)
    identity.says["useRecoveryCode"] = refused("INVALID_CREDENTIALS", "Faux.")
    wrong = await browser.sends(FORGOTTEN, faire="code", code="A1", **{"identifiant-code": "dupont"})
    assert ('<a href="#code">Faux.</a>' in wrong.text, 'value="A1"' in wrong.text) == (True, False)
    identity.says["useRecoveryCode"] = GRANTED
    page = await browser.follows(await browser.sends(FORGOTTEN, faire="code", code="A1", **{"identifiant-code": "dupont"}))
    assert (page.status_code, page.url.path, "secret-grant" in page.text) == (200, NEW_PASSWORD, False)
    identity.says["resetPassword"] = SIGNED_IN
    done = await browser.sends(NEW_PASSWORD, jeton="", nouveau="un cheval correct", encore="un cheval correct")
    assert "Votre mot de passe est changé" in done.text
    assert identity.heard[-2] == ("resetPassword", {"token": "secret-grant", "new": "un cheval correct"}, None)
    assert browser.client.cookies.get("preau_session") is None


async def test_s3_questions_are_asked_only_where_the_town_has_them(
    browser: Browser, identity: Identity, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert "identifiant-question" not in (await browser.opens(FORGOTTEN)).text
    asked = {"faire": "question", "identifiant-question": "dupont"}
    await browser.sends(FORGOTTEN, **asked)
    assert identity.heard == []
    file = tmp_path_factory.mktemp("town") / "portal.yaml"
    file.write_text("secret_questions: true")
    async with before(identity, PREAU_PORTAL=str(file)) as browser:
        await browser.opens(FORGOTTEN)
        identity.says["recoveryQuestion"] = "Quel <animal> ?"
        page = await browser.sends(FORGOTTEN, **asked)
        assert "Quel &lt;animal&gt; ?" in page.text
        identity.says["answerRecoveryQuestion"] = refused("INVALID_CREDENTIALS", "Faux.")
        answer = {"identifiant": "dupont", "question": "Quel <animal> ?", "reponse": "chat"}
        again = await browser.sends(f"{FORGOTTEN}/question", **answer)
        assert ("Quel &lt;animal&gt; ?" in again.text, '<a href="#reponse">Faux.</a>' in again.text) == (True, True)
        identity.says["answerRecoveryQuestion"] = GRANTED
        assert (await browser.sends(f"{FORGOTTEN}/question", **answer)).headers["location"] == NEW_PASSWORD


async def test_whoever_has_a_password_of_the_town_hall_s_is_told_at_home(browser: Browser, identity: Identity) -> None:
    """And an agent whose structure asks for a second factor."""
    identity.says["signIn"] = SIGNED_IN
    await signs_in(browser)
    identity.says["me"] = ACCOUNT | {"passwordIsHandedOut": True, "secondFactorMissing": [{"name": "Mairie de CarteVille"}]}
    home = words(await browser.opens("/"))
    assert home.count("remis par la mairie") == 1
    assert home.count("bureau des agents : Mairie de CarteVille") == 1


async def test_an_account_that_reads_english_is_spoken_to_in_english_from_then_on(browser: Browser, identity: Identity) -> None:
    identity.says["signIn"] = SIGNED_IN | {"account": ACCOUNT | {"language": "en"}}
    assert '<html lang="fr">' in (await browser.opens("/connexion")).text
    await signs_in(browser)
    assert '<html lang="en">' in (await browser.opens("/aide")).text
    assert '<html lang="fr">' in (await browser.opens("/aide", lang="fr")).text
    assert '<html lang="fr">' in (await browser.opens("/aide", "en")).text, "what was chosen is remembered"
