"""P1, P2, S1, S3, S4: the door of the portal, in both languages and in each of its states."""

import pytest

from gateway.portal import noticeboard
from tests.facts import until
from tests.portal.paged import ACCOUNT, SECRETS, SIGNED_IN, Guest, Identity, before, refused, words

GRANTED = {"__typename": "RecoveryGranted", "token": "secret-grant"}
HALF = refused("SECOND_FACTOR_REQUIRED", challenge="half-way", kinds=["TOTP", "PASSKEY"], passkeyOptions='{"challenge": "abc"}')
SECOND, FORGOTTEN, NEW_PASSWORD = "/double-authentification", "/mot-de-passe", "/mot-de-passe/nouveau"


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages wait for what everybody is told until it is, however busy the machine."""
    monkeypatch.setattr(noticeboard, "WAIT_SECONDS", 60.0)
    monkeypatch.setattr(noticeboard, "KEPT_SECONDS", 600.0)


async def signs_in(guest: Guest, suite: str = "/soldes?inclure=1", **fields: str) -> str:
    """-> where to"""
    await guest.opens("/connexion", suite=suite)
    answer = await guest.sends("/connexion", suite=suite, **({"identifiant": "dupont", "motdepasse": " x "} | fields))
    assert answer.status_code == 303
    return answer.headers["location"]


async def test_s1_whoever_signs_in_goes_on_where_they_wanted_to_go(guest: Guest, identity: Identity) -> None:
    identity.says["signIn"] = SIGNED_IN
    assert await signs_in(guest) == "/soldes?inclure=1"
    assert identity.heard == [("signIn", {"login": "dupont", "password": " x ", "device": None}, None)], "a password as it was typed"
    assert (await guest.opens("/connexion", suite="/profil")).headers["location"] == "/profil", "who is in need not knock"
    page = await guest.opens("/plan-du-site")
    assert "M. <DUPONT> Jean-Paul" in words(page)
    assert not any(secret in page.text for secret in SECRETS)
    identity.says["signOut"] = True
    out = await guest.sends("/deconnexion")
    assert out.headers["clear-site-data"] == '"cache"', "who goes Back at this computer sees nothing"
    assert "Vous êtes déconnecté." in (await guest.follows(out)).text
    assert await signs_in(guest) == "/soldes?inclure=1"
    assert identity.heard[-1][1]["device"] == "secret-device", "strangers' failures do not keep this browser waiting"


async def test_s4_whoever_signs_out_is_out_at_this_browser_even_while_identity_cannot_say(guest: Guest, identity: Identity) -> None:
    identity.says |= {"signIn": SIGNED_IN, "signOut": None}
    await signs_in(guest)
    await guest.opens("/plan-du-site")
    out = await guest.sends("/deconnexion")
    assert (out.status_code, out.headers.get("location")) == (303, "/connexion")
    assert guest.client.cookies.get("preau_session") is None


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
async def test_nobody_is_led_elsewhere_after_signing_in(guest: Guest, identity: Identity, elsewhere: str, of_the_door: bool) -> None:
    identity.says["signIn"] = SIGNED_IN
    onward = await signs_in(guest, "/connexion?suite=/profil" if of_the_door else elsewhere)
    assert onward == "/"


async def test_what_is_wrong_is_said_once_and_tells_accounts_not_apart(guest: Guest, identity: Identity) -> None:
    await guest.opens("/connexion")
    for fields, field in (
        ({"identifiant": " ", "motdepasse": "x"}, "identifiant"),
        ({"identifiant": "<b>", "motdepasse": ""}, "motdepasse"),
    ):
        page = await guest.sends("/connexion", **fields)
        assert (page.status_code, f'<a href="#{field}">' in page.text, "<title>Erreur – " in page.text) == (422, True, True)
        assert "<b>" not in page.text.split("<main")[1].split("</summary>")[0].split("lead")[0]
    assert identity.heard == []
    for code in ("INVALID_CREDENTIALS", "TOO_MANY_ATTEMPTS"):
        identity.says["signIn"] = refused(code, "Réessayez dans 4 minutes.")
        page = await guest.sends("/connexion", identifiant="dupont", motdepasse="wrong", suite="/soldes")
        assert page.status_code == 422
        assert page.text.index('id="erreurs"') < page.text.index("<h1>"), "first in main"
        assert 'tabindex="-1" autofocus id="erreurs"' in page.text
        assert '<a href="#identifiant">Réessayez dans 4 minutes.</a>' in page.text
        assert ('value="dupont"' in page.text, "wrong" in page.text.split("<main")[1].replace('class="wrong"', "")) == (True, False)
        assert 'name="suite" value="/soldes"' in page.text
        assert guest.client.cookies.get("preau_session") is None


@pytest.mark.usefixtures("patient")
async def test_s2_what_the_town_says_to_everybody_stands_at_the_door(guest: Guest, identity: Identity) -> None:
    """In its own words, which are French, and with the day that it was where it is."""
    assert 'id="annonces"' not in (await guest.opens("/connexion")).text
    town = {"structureName": "Mairie de <Nouméa>", "timezone": "Pacific/Noumea"}
    late = {"title": "Grève <lundi>", "body": "Pas de cantine.\n\n<b>Pensez</b>-y", "publishedAt": "2026-11-29T20:00:00Z", **town}
    early = {**late, "title": "Rentrée", "publishedAt": "2026-09-01T08:00:00Z"}
    never = {**late, "title": "Antan", "publishedAt": "0001-01-01T00:00:00Z", "timezone": "America/Martinique"}
    identity.says["publicAnnouncements"] = [late, early, never]
    for language, day in (("fr", "30 novembre 2026"), ("en", "30 November 2026")):
        async with before(identity) as one:
            page = await one.opens("/connexion", language)
            assert (page.status_code, page.text.count('<details class="news"'), page.text.count('<details class="news" open>')) == (
                200,
                2,
                1,
            )
            assert page.text.index('id="motdepasse"') < page.text.index("Grève") < page.text.index("Rentrée")
            told = words(page)
            assert ("Mairie de <Nouméa> · " + day in " ".join(told.split()), "<b>Pensez</b>-y" in told) == (True, True)
            assert ("<b>" in page.text.split("<main")[1], page.text.count('<span lang="fr">Grève &lt;lundi&gt;</span>')) == (
                False,
                language == "en",
            )
            assert page.text.count('<div lang="fr">') == (2 if language == "en" else 0)
            refusal = await one.sends("/connexion", identifiant="", motdepasse="x")
            assert "Grève" in refusal.text, "also to whoever was refused"


async def test_s2_the_door_is_whole_while_nobody_can_say_what_is_announced(guest: Guest, identity: Identity) -> None:
    identity.says["oidcProviders"] = [{"id": "fc", "name": "FranceConnect"}]

    async def is_asked() -> bool:
        return bool(identity.silent)

    for said in (None, "silence"):
        identity.says["publicAnnouncements"] = said
        async with before(identity) as one:
            page = await one.opens("/connexion")
            assert (page.status_code, 'id="annonces"' in page.text, "momentanément" in page.text) == (200, False, False)
            assert ('id="motdepasse"' in page.text, "FranceConnect" in page.text) == (True, True)
            assert (await one.opens(FORGOTTEN)).status_code == 200
            if said == "silence":
                await until(is_asked)  # Which is not answered yet: nobody waited for that.
                identity.goes_on.set()


async def test_a_second_factor_is_asked_on_a_page_that_shows_nothing_of_the_first(guest: Guest, identity: Identity) -> None:
    identity.says["signIn"] = HALF
    assert await signs_in(guest) == SECOND
    page = await guest.opens(SECOND)
    assert ("half-way" in page.text + str(page.headers), 'autocomplete="one-time-code"' in page.text) == (False, True)
    assert 'data-options="{&#34;challenge&#34;: &#34;abc&#34;}"' in page.text
    assert (page.text.count('name="reponse"'), 'id="reponse"' in page.text) == (1, False), "form.elements has one of that name"
    assert '<a href="#code">Indiquez le code.</a>' in (await guest.sends(SECOND, code=" ")).text
    identity.says["finishSignIn"] = refused("INVALID_CODE", "Faux.")
    assert '<a href="#code">Faux.</a>' in (await guest.sends(SECOND, code="000 000")).text
    assert identity.heard[-1][1] == {"challenge": "half-way", "code": "000000", "device": None}
    identity.says["finishSignIn"] = refused("INVALID_PASSKEY", "Faux.")
    assert '<a href="#cle">Faux.</a>' in (await guest.sends(SECOND, reponse='{"id": 1}')).text
    identity.says["finishSignIn"] = SIGNED_IN
    assert (await guest.sends(SECOND, reponse='{"id": 1}')).headers["location"] == "/soldes?inclure=1"
    assert identity.heard[-1][1] == {"challenge": "half-way", "assertion": '{"id": 1}', "device": None}
    assert guest.client.cookies.get("preau_etape") is None


async def test_the_door_asks_as_nobody_whoever_was_in_before(guest: Guest, identity: Identity) -> None:
    """A session that is over takes no form along that somebody has filled in."""
    identity.says |= {"signIn": SIGNED_IN, "refreshSession": refused("INVALID_TOKEN"), "requestPasswordReset": True}
    await guest.opens("/connexion")
    guest.client.cookies.set("preau_session", "old~1~old~1", domain="preau.test")
    assert "envoyee=1" in (await guest.sends(FORGOTTEN, faire="lettre", identifiant="dupont")).headers["location"]
    guest.client.cookies.set("preau_session", "old~1~old~1", domain="preau.test")
    done = await guest.sends("/connexion", identifiant="dupont", motdepasse="x", suite="/profil")
    assert (done.headers["location"], "clear-site-data" in done.headers) == ("/profil", False)
    assert ([token for _, _, token in identity.heard], "refreshSession" in identity.asked) == ([None, None], False)


async def test_an_address_that_is_too_long_to_be_kept_is_not_returned_to(guest: Guest, identity: Identity) -> None:
    identity.says |= {"signIn": {**HALF, "kinds": ["PASSKEY"]}, "finishSignIn": SIGNED_IN}
    for letters, is_kept in ((120, True), (4_000, False)):
        wanted = "/reservations?x=" + "%C3%A9" * letters
        assert await signs_in(guest, wanted) == SECOND
        assert len(guest.client.cookies["preau_etape"]) < 3_800
        await guest.opens(SECOND)
        assert (await guest.sends(SECOND, reponse="{}")).headers["location"] == (wanted if is_kept else "/")


async def test_half_a_sign_in_that_is_too_old_begins_again(guest: Guest, identity: Identity) -> None:
    for answer in (await guest.opens(SECOND), await guest.sends(SECOND, code="123456")):
        assert "n’a pas été terminée à temps" in words(await guest.follows(answer))
    guest.client.cookies.set("preau_etape", "nonsense")
    assert (await guest.opens(SECOND)).status_code == 303
    guest.client.cookies.clear()
    identity.says |= {"signIn": HALF, "finishSignIn": refused("INVALID_TOKEN")}
    await signs_in(guest)
    await guest.opens(SECOND)
    assert (await guest.sends(SECOND, code="123456")).headers["location"] == "/connexion?delai=1"


async def test_a_passkey_alone_opens_the_door_where_browsers_make_some(identity: Identity) -> None:
    async with before(identity, "https://preau.test") as guest:
        assert 'action="/cle-d-acces"' in (await guest.opens("/connexion", suite="/profil")).text
        identity.says["startPasskeySignIn"] = {"__typename": "PasskeyStarted", "challenge": "alone", "options": "{}"}
        page = await guest.follows(await guest.sends("/cle-d-acces", suite="/profil"))
        assert ("data-at-once" in page.text, 'name="code"' in page.text) == (True, False)
        identity.says["finishSignIn"] = SIGNED_IN
        done = await guest.sends(SECOND, reponse="{}")
        assert done.headers["location"] == "/profil"
        (kept,) = [line for line in done.headers.get_list("set-cookie") if "session" in line]
        assert kept.startswith("__Host-preau_session=")
        for fact in ("HttpOnly", "SameSite=lax", "Secure", "Path=/"):
            assert fact in kept
        assert "Domain" not in kept
    async with before(identity) as guest:
        assert "/cle-d-acces" not in (await guest.opens("/connexion")).text


async def test_while_identity_is_of_an_older_release_what_it_does_not_know_is_an_outage_and_not_missing(
    guest: Guest, identity: Identity
) -> None:
    """Newer gateways come before older services for a while."""
    identity.says |= {"signIn": SIGNED_IN, "requestPasswordReset": True}
    await signs_in(guest)
    for unknown in (
        "Cannot query field 'new' on type 'Account'.",
        "Unknown argument 'new' on field 'Query.me'.",
        "Variable '$input' has invalid value: Expected value of type 'Input' not to include unknown field 'new', found: {}.",
        "input : le champ « new » n’existe pas dans Input.",
    ):
        identity.complains = {"me": unknown, "requestPasswordReset": unknown}
        page = await guest.opens("/profil")
        assert (page.status_code, page.headers.get("retry-after")) == (503, "10"), unknown
        assert (await guest.sends(FORGOTTEN, faire="lettre", identifiant="dupont")).status_code == 503, unknown
    for its_own in ("day: un jour qui existe, AAAA-MM-JJ, est attendu", "Cannot be."):
        identity.complains = {"me": its_own}
        assert (await guest.opens("/profil")).status_code == 404, "what it knows, and does not take"


async def test_s3_a_letter_is_promised_in_the_same_words_whoever_asks(guest: Guest, identity: Identity) -> None:
    identity.says["requestPasswordReset"] = True
    await guest.opens(FORGOTTEN)
    assert '<a href="#identifiant">' in (await guest.sends(FORGOTTEN, faire="lettre", identifiant="")).text
    sent = await guest.follows(await guest.sends(FORGOTTEN, faire="lettre", identifiant="dupont"))
    assert "Si un compte porte cet identifiant" in sent.text
    assert "dupont" not in sent.text
    assert identity.heard == [("requestPasswordReset", {"login": "dupont"}, None)]


async def test_s3_a_code_on_paper_leads_to_a_new_password_and_its_right_stands_nowhere(guest: Guest, identity: Identity) -> None:
    await guest.opens(FORGOTTEN)
    identity.says["useRecoveryCode"] = refused("INVALID_CREDENTIALS", "Faux.")
    wrong = await guest.sends(FORGOTTEN, faire="code", code="A1", **{"identifiant-code": "dupont"})
    assert ('<a href="#code">Faux.</a>' in wrong.text, 'value="A1"' in wrong.text) == (True, False)
    identity.says["useRecoveryCode"] = GRANTED
    page = await guest.follows(await guest.sends(FORGOTTEN, faire="code", code="A1", **{"identifiant-code": "dupont"}))
    assert (page.status_code, page.url.path, "secret-grant" in page.text) == (200, NEW_PASSWORD, False)
    identity.says["resetPassword"] = SIGNED_IN
    done = await guest.sends(NEW_PASSWORD, jeton="", nouveau="un cheval correct", encore="un cheval correct")
    assert "Votre mot de passe est changé" in done.text
    assert identity.heard[-2] == ("resetPassword", {"token": "secret-grant", "new": "un cheval correct"}, None)
    assert guest.client.cookies.get("preau_session") is None


@pytest.mark.usefixtures("patient")
async def test_s3_questions_are_asked_only_where_the_town_has_them(
    guest: Guest, identity: Identity, tmp_path_factory: pytest.TempPathFactory
) -> None:
    asked = {"faire": "question", "identifiant-question": "dupont"}
    answer = {"identifiant": "dupont", "question": "Quel <animal> ?", "reponse": "chat"}
    file = tmp_path_factory.mktemp("town") / "portal.yaml"
    for said, opens in (("true", False), ("false", True)):
        identity.says["secretQuestionsOpen"] = opens
        file.write_text(f"secret_questions: {said}")
        async with before(identity, PREAU_PORTAL=str(file)) as guest:
            assert "identifiant-question" not in (await guest.opens(FORGOTTEN)).text, "either may say no"
            await guest.sends(FORGOTTEN, **asked)
            assert (await guest.sends(f"{FORGOTTEN}/question", **answer)).headers["location"] == FORGOTTEN
    assert identity.heard == []
    for said in ("{}", "secret_questions: true"):
        file.write_text(said)
        async with before(identity, PREAU_PORTAL=str(file)) as guest:
            assert "identifiant-question" in (await guest.opens(FORGOTTEN)).text
            identity.says["recoveryQuestion"] = "Quel <animal> ?"
            page = await guest.sends(FORGOTTEN, **asked)
            assert "Quel &lt;animal&gt; ?" in page.text
            identity.says["answerRecoveryQuestion"] = refused("INVALID_CREDENTIALS", "Faux.")
            again = await guest.sends(f"{FORGOTTEN}/question", **answer)
            assert ("Quel &lt;animal&gt; ?" in again.text, '<a href="#reponse">Faux.</a>' in again.text) == (True, True)
            identity.says["answerRecoveryQuestion"] = GRANTED
            assert (await guest.sends(f"{FORGOTTEN}/question", **answer)).headers["location"] == NEW_PASSWORD


async def test_whoever_has_a_password_of_the_town_hall_s_is_told_at_home(guest: Guest, identity: Identity) -> None:
    """And an agent whose structure asks for a second factor."""
    identity.says["signIn"] = SIGNED_IN
    await signs_in(guest)
    identity.says["me"] = ACCOUNT | {"passwordIsHandedOut": True, "secondFactorMissing": [{"name": "Mairie de CarteVille"}]}
    home = words(await guest.opens("/"))
    assert home.count("remis par la mairie") == 1
    assert home.count("bureau des agents : Mairie de CarteVille") == 1


async def test_an_account_that_reads_english_is_spoken_to_in_english_from_then_on(guest: Guest, identity: Identity) -> None:
    identity.says["signIn"] = SIGNED_IN | {"account": ACCOUNT | {"language": "en"}}
    assert '<html lang="fr">' in (await guest.opens("/connexion")).text
    await signs_in(guest)
    assert '<html lang="en">' in (await guest.opens("/aide")).text
    assert '<html lang="fr">' in (await guest.opens("/aide", lang="fr")).text
    assert '<html lang="fr">' in (await guest.opens("/aide", "en")).text, "what was chosen is remembered"
