"""The README's pictures of the portal, taken of the demo town.

python -m tests.pictures http://127.0.0.1:8000    # of a system that runs, with CarteVille in it

It books what it shows, so it wants a new one; and loaded some days ago, so that children are expected today: `PREAU_CLOCK=-3d make run`, end
that, `make run`. Three on a phone, 390 px wide, three on a desktop; WebP, as Chromium writes it.
"""

import argparse
import asyncio
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright, expect

from tests.chromium import ABSENT, CHROMIUM

FOLDER = Path(__file__).parents[1] / "gateway" / "portal" / "pictures"
QUALITY = 72
FAMILY, AGENT = ("dupont", "Amalia-et-Paolo-2026"), ("agent", "Mairie-CarteVille-2026")
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 960}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "device_scale_factor": 1}
expect.set_options(timeout=60_000)
MONTH = "/reserver?enfant=amalia&activite=restauration"


async def signed_in(browser: Browser, address: str, who: tuple[str, str], size: dict[str, Any]) -> Page:
    context = await browser.new_context(base_url=address, locale="fr-FR", timezone_id="Europe/Paris", **size)
    context.set_default_timeout(120_000)
    page = await context.new_page()
    await page.goto("/connexion")
    await page.fill("#identifiant", who[0])
    await page.fill("#motdepasse", who[1])
    await page.click("main button.primary")
    await page.wait_for_url(lambda url: "/connexion" not in url)
    return page


async def take(page: Page, name: str) -> None:
    """What the window shows now."""
    await expect(page.locator("h1").first).to_be_visible()
    await page.evaluate("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    devtools = await page.context.new_cdp_session(page)
    shot = await devtools.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    body = b64decode(shot["data"])
    (FOLDER / f"{name}.webp").write_bytes(body)
    print(f"{name}.webp {len(body) / 1000:.0f} kB")


async def choose(page: Page) -> None:
    """Next month: four days more, and one less."""
    await page.goto(MONTH)
    following = await page.locator("a.arrow[rel=next]").get_attribute("href")
    assert following is not None
    await page.goto(following)
    await page.wait_for_selector("table[data-ready]")
    for _ in range(4):
        await page.locator('.cal .day[data-s="AVAILABLE"]:not([data-p])').first.click()
    await page.locator('.cal .day[data-s="BOOKED"]:not([data-p])').last.click()
    await expect(page.locator("#verifier")).to_contain_text("(5)")


async def family(browser: Browser, address: str) -> None:
    phone = await signed_in(browser, address, FAMILY, PHONE)
    await take(phone, "home")
    await choose(phone)
    await expect(phone.locator("#cout")).to_have_text(re.compile("€"))
    await phone.evaluate(
        "document.querySelector('#message').hidden = true, scrollTo(0, document.querySelector('#calendrier').offsetTop - 12)"
    )
    await take(phone, "month")
    await phone.goto("/recapitulatif")
    await take(phone, "recap")
    kept: list[Any] = await phone.context.cookies()
    desktop = await (await browser.new_context(base_url=address, locale="fr-FR", timezone_id="Europe/Paris", **DESKTOP)).new_page()
    await desktop.context.add_cookies(kept)
    await desktop.goto("/recapitulatif")
    await desktop.locator("main form button.primary").first.click()
    await desktop.wait_for_url("**/demandes/*")
    await expect(desktop.locator("#resultat[data-suivre]")).to_have_count(0)
    await take(desktop, "outcome")
    await desktop.goto("/paiement")
    await take(desktop, "payment")


async def agent(browser: Browser, address: str) -> None:
    desk = await signed_in(browser, address, AGENT, DESKTOP)
    await desk.goto("/bureau/pointage")
    expected = desk.locator("main a", has_text=re.compile("Inscrits : [1-9]"))
    while await expected.count() == 0:  # A day without school.
        await desk.locator("a.arrow[rel=next]").click()
        await expect(desk.locator("h1")).to_be_visible()
    await desk.locator(f"main a[href='{await expected.first.get_attribute('href')}']").click()
    await desk.wait_for_selector(".roll")
    for child in range(min(3, await desk.locator(".roll > li").count())):
        await desk.locator(".roll > li").nth(child).locator(".tick.PRESENT").click()
    await expect(desk.locator(".roll li.sending")).to_have_count(0)
    await take(desk, "roster")


async def main(address: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--disable-gpu", "--lang=fr-FR"])
        await family(browser, address)
        await agent(browser, address)
        await browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    if CHROMIUM is None:
        raise SystemExit(ABSENT)
    asyncio.run(main(parser.parse_args().address))
