"""A family's first visit, whole, on a phone: the invitation that was mailed, a month in three taps, the money, the receipt that is mailed."""

import datetime as dt
import re

from playwright.async_api import Page, expect

from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.test_mailed import INVITE, link_in
from tests.flows.town import activity, family, today
from tests.portal.browsing import PHONE, Watch, comes_to_show, is_sound, shot
from tests.portal.conftest import Browse

OWN = "Neige-verte-sur-le-toit-2026"
MONTH = (today().replace(day=1) + dt.timedelta(days=62)).replace(day=1)
MONDAYS = {"weekdays": ["monday"], "open_on": [], "school_holidays": "any"}


async def month_ahead(page: Page) -> None:
    await comes_to_show(page, "table.cal")
    while f"{MONTH:%Y-%m}" not in page.url:
        before = page.url
        await page.tap("a.arrow[rel=next]")
        await page.wait_for_url(lambda url, before=before: url != before)
        await comes_to_show(page, "table.cal")
    await page.wait_for_selector("table[data-ready]")


async def test_from_the_invitation_to_what_is_paid_and_mailed(browse: Browse, found: Found, system: System, watch: Watch) -> None:
    """S1, S27, S33 to S35, S15 to S19."""
    watch.origins.append(system.sandbox)
    town = await found(activities=[activity("aps", **MONDAYS)], families=[family("petit", children=["lea"])])
    login, address = f"{town.structure}.zoe", f"{town.structure}.zoe@example.org"
    invited = {"family": town.named("petit"), "email": address, "idempotencyKey": "first"}
    await town.post(INVITE, {"input": invited}, token=(await town.agent()).token)
    path, token = await link_in(system, address, "/invitation")

    page = await browse(PHONE)
    await page.goto(f"{path}?jeton={token}")
    for field, value in (("prenom", "Zoé"), ("nom", "PETIT"), ("nouvel-identifiant", login), ("nouveau", OWN), ("encore", OWN)):
        await page.fill(f"#{field}", value)
    await page.get_by_role("button", name=re.compile("compte", re.IGNORECASE)).last.tap()
    await expect(page.locator("main")).to_contain_text("enregistrée")
    await is_sound(page, "first-visit-accepted")
    await page.goto("/reserver")
    await page.fill("#identifiant", login)
    await page.fill("#motdepasse", OWN)
    await page.locator("main button.primary").tap()
    await page.wait_for_url("**/reserver?*")
    await month_ahead(page)

    # Three taps: the whole month, check, validate.
    await page.tap(".bulk.month")
    many = await page.locator(".cal .day[data-p=add]").count()
    assert many in (4, 5)
    await page.tap("#verifier")
    due = f"{131 * many / 100:.2f}".replace(".", ",")
    await expect(page.locator("main tfoot")).to_contain_text(due)
    await page.get_by_role("link", name="Modifier").tap()
    await expect(page.locator(".cal .day[data-p=add]")).to_have_count(many)  # As they were.
    await page.tap("#verifier")
    await page.get_by_role("button", name=re.compile(f"^Valider mes {many} demandes")).tap()
    await page.wait_for_url("**/demandes/*")
    await expect(page.locator("h1")).to_contain_text("Vos demandes sont acceptées")

    await page.goto("/soldes")
    await expect(page.locator("main")).to_contain_text(f"−{due}")
    await page.locator("main a.primary[href^='/paiement']").tap()
    await expect(page.locator(f"#montant-{town.named('periscolaire')}")).to_have_value(due)
    await page.locator("#payer .primary").tap()
    await page.wait_for_url(f"{system.sandbox}/pay/*")
    await page.tap("button[value=pay]")
    await expect(page.locator("h1")).to_contain_text("Paiement reçu")
    await shot(page, "first-visit-paid")
    receipt = await page.context.request.get(f"{page.url.partition('?')[0]}/recu")
    assert (await receipt.body()).startswith(b"%PDF")

    await page.goto("/soldes")
    await expect(page.locator("#chiffres")).to_contain_text(due)
    await page.goto(f"/historiques/reglements/{today():%Y-%m}")
    await expect(page.locator("main")).to_contain_text("INTERNET")
    await page.goto("/")
    await is_sound(page, "first-visit-home")
    await another_town(page, found)

    async def told() -> set[str]:
        return {mail["subject"] for mail in await system.mails(address)}

    async def is_mailed() -> bool:
        """What was paid, and what came of the request."""
        subjects = await told()
        return any(each.startswith("Paiement reçu") for each in subjects) and len(subjects) >= 3

    await until(is_mailed)


async def another_town(page: Page, found: Found) -> None:
    """S5: which invites the same adult, who then sees the same page of the one and of the other."""
    other = await found(activities=[activity("aps")], families=[family("grand")])
    address = f"{other.structure}.zoe@example.org"
    invited = {"family": other.named("grand"), "email": address, "idempotencyKey": "second"}
    answer = await other.post(INVITE, {"input": invited}, token=(await other.agent()).token)
    assert answer["data"]["inviteAdult"] == {"state": "OPEN"}
    path, token = await link_in(other.system, address, "/invitation")
    await page.goto(f"{path}?jeton={token}")
    await expect(page.locator("main")).to_contain_text(other.structure.title())
    await page.tap("#moi")
    await expect(page.locator("main")).to_contain_text("enregistrée")
    await page.goto("/soldes?jusquau=2099-12-31&inclure=attente")
    await page.select_option("#structure", value=other.named("grand"))
    await page.locator(".struct button").tap()
    await expect(page.locator(".brand")).to_contain_text(other.structure.title())
    assert page.url.endswith("/soldes?jusquau=2099-12-31&inclure=attente")
    await is_sound(page, "two-towns")
