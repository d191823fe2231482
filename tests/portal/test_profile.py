"""The profile (P4): what somebody changes of their own account (S7), in force at once (S8)."""

import re

import pyotp

from services.database import Database
from services.mailer import tables
from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.test_mailed import link_in
from tests.flows.town import PASSWORD, Town, activity, family, next_days
from tests.portal.browsing import PHONE, axe, shot, signs_in, too_wide
from tests.portal.conftest import Browse, MakeVisitor
from tests.portal.visitor import Visitor

NEW = "Neige-verte-sur-le-toit-2026"


async def at_home(visitor: MakeVisitor, found: Found, language: str = "fr") -> tuple[Town, Visitor]:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    one = visitor(language)
    await one.signs_in(town, "dupont", "/profil")
    return town, one


async def test_s7_a_new_password_holds_at_once_and_the_old_one_is_gone(visitor: MakeVisitor, found: Found) -> None:
    town, one = await at_home(visitor, found)
    elsewhere = visitor()
    await elsewhere.signs_in(town, "dupont")
    wrong = await one.sends("/profil/mot-de-passe", actuel="faux", nouveau=NEW, encore=NEW)
    assert (wrong.status_code, 'id="actuel-erreur"' in wrong.text) == (422, True)
    weak = await one.sends("/profil/mot-de-passe", actuel=PASSWORD, nouveau="court", encore="court")
    assert (weak.status_code, 'id="nouveau-erreur"' in weak.text) == (422, True)
    differs = await one.sends("/profil/mot-de-passe", actuel=PASSWORD, nouveau=NEW, encore="autre")
    assert 'id="encore-erreur"' in differs.text
    done = await one.sends("/profil/mot-de-passe", actuel=PASSWORD, nouveau=NEW, encore=NEW)
    assert "Votre mot de passe est changé" in done.text
    assert NEW not in done.text + differs.text + weak.text
    assert "/connexion" in str((await elsewhere.opens("/profil")).url)
    again = await visitor().sends("/connexion", identifiant=town.named("dupont"), motdepasse=NEW, suite="/profil")
    assert "Votre profil" in again.text


async def test_s7_a_new_address_is_pending_until_its_link_is_used_and_can_be_given_up(
    visitor: MakeVisitor, found: Found, system: System
) -> None:
    town, one = await at_home(visitor, found)
    new = f"{town.structure}-neuve@example.org"
    assert 'id="courriel-erreur"' in (await one.sends("/profil/courriel", courriel="nulle part")).text
    assert f"Changement demandé vers {new}" in (await one.sends("/profil/courriel", courriel=new)).text
    assert "Changement demandé" not in (await one.sends("/profil/courriel/garder")).text
    new = f"{town.structure}-autre@example.org"
    await one.sends("/profil/courriel", courriel=new, motdepasse=PASSWORD)
    path, token = await link_in(system, new, "/courriel/confirmer")
    await one.sends(path, jeton=token)
    shown = (await one.opens("/profil")).text
    assert f'<p class="strong">{new}</p>' in shown
    assert "Changement demandé" not in shown


async def test_mails_language_sessions_data_and_closing(visitor: MakeVisitor, found: Found) -> None:
    town, one = await at_home(visitor, found)
    await one.sends("/profil/courriers", **{"comptes-rendus": "DAILY"})
    chosen = (await one.opens("/profil")).text
    assert 'value="DAILY" checked' in chosen
    assert 'name="annonces" value="oui">' in chosen
    assert "Your profile" in (await one.sends("/profil/langue", langue="en")).text
    await one.sends("/profil/langue", langue="fr")
    elsewhere = visitor()
    await elsewhere.signs_in(town, "dupont")
    (session,) = re.findall(r'name="session" value="(\w+)"', (await one.opens("/profil")).text)
    assert "L’appareil est déconnecté" in (await one.sends("/profil/sessions", session=session)).text
    assert "/connexion" in str((await elsewhere.opens("/")).url)
    assert "Le fichier est demandé" in (await one.sends("/profil/donnees", famille=town.named("dupont"))).text
    wrong = await one.sends("/profil/fermer", **{"motdepasse-fermer": "faux"})
    assert 'id="motdepasse-fermer-erreur"' in wrong.text
    still = await one.sends("/profil/fermer", **{"motdepasse-fermer": PASSWORD})
    assert (still.status_code, "Ce compte sert encore" in still.text) == (422, True)
    assert "déconnecté de tous vos appareils" in (await one.sends("/profil/sessions/toutes")).text
    assert "/connexion" in str((await one.opens("/profil")).url)


async def test_s7_the_language_that_is_chosen_is_that_of_the_next_mail_and_of_the_pages(
    visitor: MakeVisitor, found: Found, system: System
) -> None:
    town, one = await at_home(visitor, found)
    dupont = await town.sign_in("dupont")
    assert 'value="fr" checked' in (await one.opens("/profil")).text
    said = await one.sends("/profil/langue", langue="en")
    assert ("Your profile" in said.text, 'value="en" checked' in said.text) == (True, True)
    assert "Your profile" in (await one.opens("/profil")).text
    mailer = Database(system.databases["mailer"])

    async def mailer_knows() -> bool:
        async with mailer.reading() as session:
            return (await session.get_one(tables.Family, dupont.id)).adults[0]["language"] == "en"

    async def mails() -> list[str]:
        return [mail["text"] for mail in await dupont.mails()]

    try:
        await until(mailer_knows)
    finally:
        await mailer.close()
    assert await dupont.asks(*next_days(1)) == ["ACCEPTED"]
    (report,) = await until(mails)
    assert "BOOKINGS ACCEPTED" in report


async def test_a_second_step_by_an_application_and_codes_that_are_shown_once(visitor: MakeVisitor, found: Found) -> None:
    _, one = await at_home(visitor, found)
    assert (await one.sends("/profil/securite/application", **{"motdepasse-totp": "faux"})).status_code == 422
    square = await one.sends("/profil/securite/application", **{"motdepasse-totp": PASSWORD})
    assert "<svg" in square.text.partition('class="qr"')[2]
    assert square.headers["cache-control"] == "no-store"
    secret, uri = (re.search(f'name="{name}" value="([^"]+)"', square.text)[1] for name in ("cle", "adresse"))  # type: ignore[index]
    kept = {"cle": secret, "adresse": uri.replace("&amp;", "&")}
    wrong = await one.sends("/profil/securite/application", code="000000", **kept)
    assert (wrong.status_code, secret in wrong.text) == (422, True)
    assert "javascript:" not in (await one.sends("/profil/securite/application", code="1", cle="x", adresse="javascript:alert(1)")).text
    added = await one.sends("/profil/securite/application", code=pyotp.TOTP(secret).now(), **kept)
    assert "est ajoutée" in added.text
    codes = await one.sends("/profil/securite/codes", **{"motdepasse-codes": PASSWORD})
    assert len(re.findall(r"<li>[A-Z0-9-]{14}</li>", codes.text)) == 10
    after = await one.opens("/profil/securite")
    assert "10 codes" in after.text
    assert not re.findall(r"<li>[A-Z0-9-]{14}</li>", after.text)
    (factor,) = re.findall(r'name="etape" value="(\w+)"', after.text)
    assert "est retirée" in (await one.sends("/profil/securite/retirer", etape=factor, **{f"motdepasse-{factor}": PASSWORD})).text


async def test_the_profile_breaks_no_rule_of_accessibility(browse: Browse, found: Found) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont", children=("amalia-maria-josephine-clementine",))])
    page = await browse(PHONE)
    await signs_in(page, town, "dupont")
    await page.goto("/profil?lang=en")
    for path, state in (("/profil", "profile"), ("/profil/securite", "security")):
        await page.goto(path)
        await page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        await shot(page, state)
        assert await axe(page) == [], path
        assert await too_wide(page) == [], path
        assert not re.search(r"\b(Votre|Adresse|Mot de passe|Enregistrer)\b", await page.inner_text("main")), path
    await page.goto("/profil")
    await page.click("#mot-de-passe summary")
    await page.click("#mot-de-passe button")
    assert (await page.title()).startswith("Error")
    assert await axe(page) == []
