"""The recap, the outcome and the follow-up in a real browser: sound in each state, live, and good on paper (P13-P16)."""

import datetime as dt
from typing import Any

from playwright.async_api import Page, expect

from gateway.portal import draft
from gateway.portal.draft import Line
from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.town import Town, activity, family, half_a_day_away, next_days
from tests.portal.browsing import PHONE, is_sound, lands_on, shot, signs_in
from tests.portal.conftest import Browse

DAYS = next_days(3)
#: Hours of which one is seen below the other. What is there for the ear alone is a pixel large.
APART = """() => [...document.querySelectorAll('tbody tr:has(.till)')].some(row => {
  const [from, till] = ['.from', '.till'].map(each => row.querySelector(each).getBoundingClientRect());
  return till.width > 1 && till.top !== from.top; })"""
LONG = "Accueil périscolaire du matin et du soir, école Jacqueline-de-Romilly-et-Félix-Éboué"


async def chooses(page: Page, town: Town, *lines: Line) -> None:
    named = [Line(each.date, town.named(each.child), town.named(each.activity), each.change) for each in lines]
    cookie: Any = {"name": draft.cookie(town.named("dupont")), "value": draft.written(named), "url": town.system.gateway}
    await page.context.add_cookies([cookie])


async def test_from_the_recap_to_the_outcome_and_the_follow_up(phone: Page, browse: Browse, found: Found) -> None:
    town = await found(
        activities=[
            activity("aps", name=LONG, capacity=1, waiting_list=2),
            activity("run", name="Répartition du mercredi", allocation={"scheduled_at": half_a_day_away(), "policy": "arrival"}),
        ],
        families=[family("dupont", children=("ada", "bo"), activities=("aps", "run")), family("martin")],
    )
    await signs_in(phone, town, "dupont")
    await phone.goto("/recapitulatif")
    assert (await phone.title()).startswith("Erreur")
    await is_sound(phone, "recap-empty")

    day = DAYS[0]
    await chooses(
        phone, town, Line(day, "ada", "aps"), Line(day, "bo", "aps"), Line(day, "ada", "run"), Line(DAYS[1], "ada", "aps", "CANCEL")
    )
    await phone.clock.install()
    await phone.goto("/recapitulatif")
    await is_sound(phone, "recap")
    await phone.locator("details.why").first.click()
    await keeps_hours_together(phone)
    await follows(phone, town, day)
    await phone.get_by_role("button", name="Valider mes 4 demandes").dblclick()
    await lands_on(phone, "/demandes/*")
    assert await phone.locator("#remarques").is_visible()
    await is_sound(phone, "outcome")

    await phone.goto("/reservations")
    await is_sound(phone, "bookings")
    await phone.emulate_media(media="print")
    await phone.set_viewport_size({"width": 703, "height": 990})  # A4 within its margins: the head of the table is on each page.
    assert await phone.locator(".followed thead").evaluate("each => getComputedStyle(each).display") == "table-header-group"
    assert not await phone.locator(".filters, nav, .act").evaluate_all("all => all.some(each => each.checkVisibility())")
    english = await browse(language="en-GB")
    await english.context.add_cookies([each for each in await phone.context.cookies() if "langue" not in each["name"]])  # type: ignore[misc]
    for path, name in (("/reservations?statut=attente", "waiting"), ("/demandes", "requests")):
        await english.goto(path)
        assert await english.get_attribute("html", "lang") == "en"
        await is_sound(english, f"{name}-en")


async def keeps_hours_together(page: Page) -> None:
    """Where the line is too short for both, arrival and departure go to the next one."""
    for width in range(320, 430, 10):
        await page.set_viewport_size({"width": width, "height": 844})
        assert not await page.evaluate(APART), width
    await page.set_viewport_size(PHONE["viewport"])


async def follows(page: Page, town: Town, day: dt.date) -> None:
    """S24: the last place goes while somebody checks, and comes back. What was not there to be read for a moment is asked again."""
    martin, first, seen = await town.sign_in("martin"), page.locator("table.recap tbody tr").first, page.locator("[name=vu]")
    await page.clock.pause_at(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5))

    async def says(what: str) -> None:
        async def so() -> bool:
            await page.clock.run_for(250)
            return what in await first.inner_text()

        await until(so)

    shown = await seen.input_value()
    await expect(first).to_contain_text("Place disponible")
    await martin.asks(day)
    await says("position 1")
    assert "Avant" in await first.inner_text()
    assert "1 demande a changé pendant" in await page.inner_text("#avis")
    assert not await page.locator("#avis [role]").count(), "#dit says it"
    assert await first.locator("details").get_attribute("open") is not None, "what did not change stays as it is"
    await expect(page.locator("#dit")).not_to_be_empty()
    assert await seen.input_value() == shown
    await shot(page, "recap-changed")
    await page.clock.run_for(3000)
    assert await seen.input_value() != shown
    await martin.cancels(day)
    await says("Place disponible")
    await page.clock.resume()
