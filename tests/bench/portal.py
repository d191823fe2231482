"""The portal in a phone's browser: what each page weighs, when it is seen, and what a click on a whole month costs.

python -m tests.bench.portal [--rounds 5] [--address http://127.0.0.1:8000 --login dupont --password ...]

Chromium, at Lighthouse's mobileSlow4G (562.5 ms a request, 1,474.56 kbit/s down, 675 up) and a fourth of the CPU; 412 px wide. Milliseconds
and kB, medians of the rounds: FCP, LCP, CLS; requests, bytes and bytes of script as they came over the wire. Without an address it starts a
system of its own. No TLS and no DNS in it; figures are printed, nothing is judged.
"""

import argparse
import asyncio
import json
import statistics
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from tests.bench.stage import opened
from tests.chromium import ABSENT, CHROMIUM
from tests.flows.town import PASSWORD, activity, family, renamed

PHONE: dict[str, Any] = {"viewport": {"width": 412, "height": 823}, "device_scale_factor": 1.75, "is_mobile": True, "has_touch": True}
SLOW_4G = {"offline": False, "latency": 562.5, "downloadThroughput": 1474.56 * 1024 / 8, "uploadThroughput": 675 * 1024 / 8}
CPU_RATE = 4
OBSERVE = """window.seen = { lcp: 0, cls: 0 };
new PerformanceObserver(list => { for (const each of list.getEntries()) seen.lcp = each.startTime; })
  .observe({ type: 'largest-contentful-paint', buffered: true });
new PerformanceObserver(list => { for (const each of list.getEntries()) if (!each.hadRecentInput) seen.cls += each.value; })
  .observe({ type: 'layout-shift', buffered: true });"""
SEEN = """() => ({ fcp: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0, lcp: seen.lcp, cls: seen.cls })"""
#: Twenty clicks on the whole month: the script's own time, without drawing.
BULK = """() => { const button = document.querySelector('.bulk.month'), took = [];
  for (let n = 0; n < 20; n++) { const began = performance.now(); button.click(); took.push(performance.now() - began); }
  return took; }"""
PAGES = ("/", "/reserver", "/recapitulatif", "/reservations", "/soldes", "/historiques", "/profil")


async def signed_in(browser: Browser, address: str, login: str, password: str) -> list[dict[str, Any]]:
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{address}/connexion")
    await page.fill("#identifiant", login)
    await page.fill("#motdepasse", password)
    await page.click("main button.primary")
    await page.wait_for_url(lambda url: "/connexion" not in url)
    cookies: list[Any] = await context.cookies()
    await context.close()
    return cookies


async def calendar(browser: Browser, address: str, cookies: list[Any]) -> str:
    """The address of the first child's first activity, next month."""
    context = await browser.new_context()
    await context.add_cookies(cookies)
    page = await context.new_page()
    await page.goto(f"{address}/reserver")
    for _ in range(2):  # A child, then an activity, where there are several.
        if await page.locator("table.cal").count() == 0:
            await page.locator("[role=group]").last.locator(".chip").first.click()
    await page.locator("a.arrow[rel=next]").click()
    await page.wait_for_selector("table[data-ready]")
    path = page.url.removeprefix(address)
    await context.close()
    return path


async def visit(browser: Browser, url: str, cookies: list[Any], then: Callable[[Page], Awaitable[dict[str, float]]]) -> dict[str, float]:
    context = await browser.new_context(**PHONE, user_agent="Mozilla/5.0 (Linux; Android 14) Mobile")
    await context.add_cookies(cookies)
    page = await context.new_page()
    devtools = await context.new_cdp_session(page)
    await devtools.send("Network.enable")
    await devtools.send("Network.emulateNetworkConditions", SLOW_4G)
    await devtools.send("Emulation.setCPUThrottlingRate", {"rate": CPU_RATE})
    kinds: dict[str, str] = {}
    sizes: dict[str, float] = {}
    devtools.on("Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["type"]}))
    devtools.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    await page.add_init_script(OBSERVE)
    await page.goto(url)
    await page.wait_for_timeout(1500)
    told: dict[str, float] = await page.evaluate(SEEN)
    scripts = sum(size for request, size in sizes.items() if kinds.get(request) == "Script")
    told |= {"requests": len(sizes), "kB": sum(sizes.values()) / 1000, "script kB": scripts / 1000}
    told |= await then(page)
    await context.close()
    return told


async def nothing(page: Page) -> dict[str, float]:
    return {}


async def bulk(page: Page) -> dict[str, float]:
    await page.wait_for_selector("table[data-ready]")
    took: list[float] = await page.evaluate(BULK)
    return {"whole month": statistics.median(took), "whole month, slowest": max(took)}


async def measure(address: str, login: str, password: str, rounds: int) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--disable-gpu"])
        cookies = await signed_in(browser, address, login, password)
        month = await calendar(browser, address, cookies)
        for path in ("/connexion", *PAGES, month):
            its = [] if path == "/connexion" else cookies
            reports = [await visit(browser, address + path, its, bulk if path == month else nothing) for _ in range(rounds)]
            medians = {name: round(statistics.median(report[name] for report in reports), 3) for name in reports[0]}
            print("portal", "/reserver, one month" if path == month else path, json.dumps(medians), flush=True)
        await browser.close()


async def on_stage(rounds: int) -> None:
    activities = [activity(name, open_on=[]) for name in ("canteen", "morning", "evening")]
    everybody = renamed("rush", activities, [family("home", children=["ada", "ben"], activities=["canteen", "morning", "evening"])])
    async with opened("sqlite", everybody, []) as stage:
        await measure(stage.system.gateway, "rush-home", PASSWORD, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--address", help="of a system that runs")
    parser.add_argument("--login", default="dupont")
    parser.add_argument("--password", default="Amalia-et-Paolo-2026")
    wish = parser.parse_args()
    if CHROMIUM is None:
        raise SystemExit(ABSENT)
    asyncio.run(measure(wish.address, wish.login, wish.password, wish.rounds) if wish.address else on_stage(wish.rounds))


if __name__ == "__main__":
    main()
