"""A real Chromium that looks at the portal, and what must hold on every page that it opens."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, Response, expect

from tests.facts import until
from tests.flows.town import PASSWORD, Town
from tests.portal.visitor import guard_in

FLAGS = ("--disable-gpu", "--disable-background-networking", "--mute-audio")
#: Each page lives for a second and a new one is asked the same: what is compiled well there costs more than it brings.
SHORT_LIVED = "--js-flags=--no-opt --no-maglev"
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
TABLET: dict[str, Any] = {**PHONE, "viewport": {"width": 820, "height": 1180}}
SHOTS = Path(__file__).parents[2] / "screenshots"

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "RGAAv4"]
#: Null: it is not there.
RUN = """async ([tags, part]) => {
  if (!window.axe) window.bringAxe?.();
  return window.axe ? (await axe.run(part || document, {resultTypes: ["violations"], runOnly: {type: "tag", values: tags}, rules: {"target-size": {enabled: true}}}))
    .violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.target}: ${node.failureSummary}`)) : null;
}"""
#: Not wider than `innerWidth`: a phone's grows with what is on the page.
WIDE = """width => document.documentElement.scrollWidth <= width ? [] : [...document.querySelectorAll("body *")]
  .filter(each => each.getBoundingClientRect().right > width + 1).map(each => each.outerHTML.slice(0, 120))"""

#: What letters do not fit into (RGAA 10.4, 10.12).
CUT = """() => [...document.querySelectorAll('main button, main .btn, main .chip, main .tag, main th, nav a, .cal .day, .bulk')].filter(each =>
  each.checkVisibility() && !each.matches('.vh') && getComputedStyle(each).overflow !== 'visible'
  && (each.scrollHeight > each.clientHeight + 2 || each.scrollWidth > each.clientWidth + 2)).map(each => each.outerHTML.slice(0, 120))"""
SPACED = """() => { const sheet = new CSSStyleSheet();
  sheet.replaceSync('*{line-height:1.5!important;letter-spacing:.12em!important;word-spacing:.16em!important}p{margin-bottom:2em!important}');
  document.adoptedStyleSheets = [sheet]; }"""


async def brings_axe(page: Page) -> None:
    """For whoever looks at most pages that come: the browser keeps it, which is cheaper than being sent it for each. It runs where it is used."""
    await page.context.add_init_script(f"window.bringAxe = () => {{ {AXE}\n}}")


async def axe(page: Page, part: str = "") -> list[str]:
    """What breaks WCAG 2.2 AA on the page as it is now: the rule, where, and why. It needs a page with script. `part`: only what is there."""
    found: list[str] | None = await page.evaluate(RUN, [TAGS, part])
    if found is None:
        await page.evaluate(AXE)
        found = await page.evaluate(RUN, [TAGS, part])
    assert found is not None
    return found


async def too_wide(page: Page, width: int = 320) -> list[str]:
    """What sticks out of a screen of that many pixels (RGAA 10.11), which the page has from now on."""
    size = page.viewport_size
    if size is None or size["width"] != width:
        await page.set_viewport_size({"width": width, "height": 640})
    found: list[str] = await page.evaluate(WIDE, width)
    return found


async def cut_off(page: Page) -> list[str]:
    """What is lost, or sticks out, where letters are as far apart as WCAG 1.4.12 lets people set them, or twice as large at 640 pixels."""
    devtools = await page.context.new_cdp_session(page)
    found: list[str] = []
    try:
        await page.evaluate(SPACED)
        found += [f"spaced: {each}" for each in await too_wide(page) + await page.evaluate(CUT)]
        await page.evaluate("() => { document.adoptedStyleSheets = []; }")
        await devtools.send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})  # As in the browser's own settings.
        assert await page.evaluate("() => getComputedStyle(document.documentElement).fontSize") == "32px"
        found += [f"at 200 %: {each}" for each in await too_wide(page, 640) + await page.evaluate(CUT)]
        await devtools.send("Page.setFontSizes", {"fontSizes": {"standard": 16, "fixed": 13}})
    finally:
        await devtools.detach()
    return found


def keeps() -> bool:
    """Whether pictures are wished for, in screenshots/: PREAU_SCREENSHOTS=1."""
    if not os.environ.get("PREAU_SCREENSHOTS"):
        return False
    SHOTS.mkdir(exist_ok=True)
    return True


async def shot(page: Page, name: str) -> None:
    """A picture of the whole page, if they are wished for."""
    if keeps():
        width = (page.viewport_size or {"width": 0})["width"]
        await page.screenshot(path=SHOTS / f"{name}-{width}.png", full_page=True)


async def is_sound(page: Page, name: str, part: str = "") -> None:
    """Nothing breaks WCAG 2.2 AA, and nothing sticks out of a narrow screen. `name`: of its picture. `part`: as of `axe`."""
    await shot(page, name)
    found, size = await axe(page, part), page.viewport_size
    assert found == [], (name, found)
    wide = await too_wide(page)
    assert wide == [], (name, wide)
    if size is not None and size["width"] != 320:
        await page.set_viewport_size(size)


async def comes_to_show(page: Page, selector: str) -> None:
    """Asked for again while a service is away: what is the first question of all may take longer than a page waits."""

    async def is_there() -> bool:
        if not await page.locator(selector).count():
            await page.reload()
        return bool(await page.locator(selector).count())

    await until(is_there)


async def lands_on(page: Page, address: str) -> None:
    """Where two clicks lead: the second ends the navigation of the first, of which `wait_for_url` fails. `*` is anything but a `/`."""
    await expect(page).to_have_url(re.compile(re.escape(address).replace(r"\*", "[^/]*") + "$"))
    await page.wait_for_load_state()


async def signs_in(page: Page, town: Town, name: str) -> None:
    """By the portal's own form, without drawing it: `name` is the family's in the town, or `agent`."""
    address, request = f"{town.system.gateway}/connexion", page.context.request
    guard = guard_in(await (await request.get(address)).text())
    form = {"jeton_page": guard, "identifiant": town.named(name), "motdepasse": PASSWORD, "suite": "/"}
    answer = await request.post(address, form=form, max_redirects=0)
    assert answer.status == 303, await answer.text()


@dataclass
class Watch:
    """Over the pages of a test: they say no error, ask nobody else, do nothing that their own policy forbids."""

    origins: list[str]  #: Of ours; a test that goes to the payment site adds it.
    expected: list[str] = field(default_factory=list)  #: Parts of complaints that a test brings about on purpose.
    _complaints: list[str] = field(default_factory=list)
    _refused: set[str] = field(default_factory=set)  #: Pages that came with a status of their own, such as 422: Chromium calls it an error.

    def over(self, context: BrowserContext) -> None:
        context.on("console", self._says)
        context.on("weberror", lambda error: self._complaints.append(f"{error.error}"))
        context.on("request", self._asks)
        context.on("response", self._answers)

    def _says(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complaints.append(f"{message.text} ({message.location.get('url')})")

    def _asks(self, request: Request) -> None:
        if not request.url.startswith((*self.origins, "data:", "blob:", "about:")):
            self._complaints.append(f"a foreign request: {request.url}")

    def _answers(self, response: Response) -> None:
        if response.status >= 400 and response.request.is_navigation_request():
            self._refused.add(f"Failed to load resource: the server responded with a status of {response.status} ")

    @property
    def complaints(self) -> list[str]:
        fine = (*self.expected, *self._refused)
        return [each for each in self._complaints if not any(part in each for part in fine)]
