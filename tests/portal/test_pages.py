"""Pages that nobody has to sign in for, and home: in a real browser, in every state that they have."""

import re

import pytest
from playwright.async_api import Page

from tests.conftest import dealt
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.test_mailed import INVITE, link_in
from tests.flows.town import PASSWORD, activity, family
from tests.portal.browsing import PHONE, brings_axe, is_sound, signs_in
from tests.portal.conftest import Browse, MakeVisitor

OPEN = {
    "sign-in": "/connexion",
    "sign-in-again": "/connexion?suite=%2Fsoldes&fin=1",
    "not-here": "/nulle-part",
    "new-password": "/mot-de-passe/nouveau?jeton=nothing",
    "new-address": "/courriel/confirmer?jeton=nothing",
    "old-address": "/courriel/annuler?jeton=nothing",
    "invitation": "/invitation?jeton=nothing",
}


@pytest.mark.parametrize("language", dealt("the language of pages for everybody", "fr-FR", "en-GB"))
async def test_pages_for_everybody_break_no_rule_of_accessibility(browse: Browse, language: str) -> None:
    page = await browse(PHONE, language=language)
    await brings_axe(page)
    for name, path in OPEN.items():
        await page.goto(path)
        assert await page.get_attribute("html", "lang") == language[:2]
        await is_sound(page, f"{name}-{language[:2]}")


async def test_what_mails_link_to_breaks_none_either(desktop: Page, system: System, found: Found) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    await town.post("mutation($login: String!) { requestPasswordReset(login: $login) }", {"login": town.named("dupont")})
    invited = {"family": town.named("dupont"), "email": f"{town.structure}@example.org", "idempotencyKey": "x"}
    await town.post(INVITE, {"input": invited}, token=(await town.agent()).token)
    for name, address, page in (
        ("password", f"{town.named('dupont')}@example.org", "/mot-de-passe/nouveau"),
        ("invitation", f"{town.structure}@example.org", "/invitation"),
    ):
        path, token = await link_in(system, address, page)
        await desktop.goto(f"{path}?jeton={token}")
        assert await desktop.locator("form").count() > 0
        await is_sound(desktop, f"mailed-{name}")


async def test_signing_in_without_script(without_script: Page, found: Found) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    await without_script.goto("/")
    for password, heading in (("wrong", "Se connecter"), (PASSWORD, "DUPONT")):
        await without_script.fill("#identifiant", town.named("dupont"))
        await without_script.fill("#motdepasse", password)
        await without_script.click("main button.primary")
        assert heading in await without_script.inner_text("body")


async def test_home_and_a_sign_in_that_is_refused(phone: Page, found: Found) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    await phone.goto("/connexion")
    await phone.fill("#identifiant", town.named("dupont"))
    await phone.click("main button.primary")
    assert (await phone.title()).startswith("Erreur")
    await is_sound(phone, "sign-in-refused")
    await phone.set_viewport_size(PHONE["viewport"])
    await signs_in(phone, town, "dupont")
    await phone.goto("/")
    assert "DUPONT" in await phone.inner_text("header")
    await is_sound(phone, "home")


async def test_a_visitor_without_a_browser_signs_in_and_out(visitor: MakeVisitor, found: Found) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    one = visitor()
    home = await one.signs_in(town, "dupont")
    assert (home.status_code, "DUPONT" in home.text) == (200, True)
    assert "/connexion" in str((await one.sends("/deconnexion")).url)
    assert "/connexion" in str((await one.opens("/")).url)


async def test_s1_s3_the_door_tells_nobody_who_has_an_account(visitor: MakeVisitor, found: Found) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    one = visitor()

    async def answers(login: str) -> list[tuple[int, str]]:
        told = [
            await one.sends("/connexion", identifiant=login, motdepasse="faux"),
            await one.sends("/mot-de-passe", faire="lettre", identifiant=login),
            await one.sends("/mot-de-passe", faire="code", code="A1B2", **{"identifiant-code": login}),
        ]
        return [(each.status_code, re.sub(r'name="jeton_page" value="[^"]+"', "", each.text).replace(login, "somebody")) for each in told]

    assert await answers(town.named("dupont")) == await answers(town.named("nobody"))
