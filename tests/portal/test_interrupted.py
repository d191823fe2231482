"""What breaks in upon an open page: its session ends, the gateway starts again, somebody takes the last place, another tab is looked at."""

import asyncio
import datetime as dt
import re
from urllib.parse import urlencode

from playwright.async_api import Page, Request, expect

from gateway.portal import draft
from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import PASSWORD, Town, activity, family, today
from tests.portal.browsing import PHONE, Watch, comes_to_show, is_sound, lands_on, signs_in
from tests.portal.conftest import Browse, MakeVisitor

#: What a browser says of a gateway that is not there.
GONE = ("ERR_CONNECTION", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_EMPTY_RESPONSE", "ERR_NETWORK_IO_SUSPENDED")
HIDE = """is => { Object.defineProperty(document, 'hidden', { value: is, configurable: true });
  document.dispatchEvent(new Event('visibilitychange')); }"""
MONTH = (today().replace(day=1) + dt.timedelta(days=62)).replace(day=1)
FIRST, SECOND, THIRD, FOURTH = (MONTH + dt.timedelta(days=number) for number in range(4))


def day(date: dt.date) -> str:
    return f".day[value='jour-{date}']"


async def chooses(page: Page, town: Town, *dates: dt.date, child: str = "dupont-child") -> None:
    await page.goto("/reserver?" + urlencode({"enfant": town.named(child), "activite": town.named("aps"), "mois": f"{MONTH:%Y-%m}"}))
    await comes_to_show(page, "table.cal")
    await page.wait_for_selector("table[data-ready]")
    for date in dates:
        await page.click(day(date))


async def drafted(page: Page) -> set[dt.date]:
    texts = [each["value"] for each in await page.context.cookies() if each["name"].startswith("preau_brouillon_")]
    return {line.date for text in texts for line in draft.read(text.strip('"'))}


async def ends_in(page: Page, seconds: int) -> None:
    """The session, as far as the browser's cookie tells."""
    (kept,) = [each for each in await page.context.cookies() if each["name"] == "preau_session"]
    *others, ends = kept["value"].split("~")
    now = await page.evaluate("() => Math.floor(Date.now() / 1000)")
    assert int(ends) > now + 6 * 3600
    await page.context.add_cookies([{**kept, "value": "~".join([*others, str(now + seconds)])}])  # type: ignore[list-item]


async def test_rgaa_13_1_a_session_warns_before_it_ends_is_prolonged_and_ends_without_losing_the_draft(
    browse: Browse, found: Found, visitor: MakeVisitor, watch: Watch
) -> None:
    """S25: on a phone, in the middle of choosing."""
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    page, elsewhere = await browse(PHONE), visitor()
    await elsewhere.signs_in(town, "dupont")
    await signs_in(page, town, "dupont")
    await ends_in(page, 20 * 60)
    await chooses(page, town, FIRST)
    bar = page.locator("#session")
    await expect(bar).to_contain_text("dans 20 min")
    await is_sound(page, "session-ends")
    await bar.get_by_role("button").click()
    await expect(bar).to_be_hidden()
    assert (await (await page.context.request.get("/session")).json())["seconds"] > 6 * 3600

    await ends_in(page, 5 * 60)
    await chooses(page, town, SECOND)
    await expect(bar).to_be_visible()
    await elsewhere.sends("/profil/sessions/toutes")  # Signed out everywhere.
    watch.expected.append(
        "403"
    )  # To who clicks when the page has asked by itself a moment before, and lost its cookies: it says so all the same.
    await bar.get_by_role("button").click()
    await expect(bar.get_by_role("link")).to_be_visible()
    await expect(bar.get_by_role("button")).to_be_hidden()
    await is_sound(page, "session-over")
    await page.click(day(THIRD))  # Choosing goes on, though another tab is led to the door.
    other = await page.context.new_page()
    await other.goto("/reservations")
    await expect(other.locator("#identifiant")).to_be_visible()
    await bar.get_by_role("link").click()
    await expect(page.locator("main .warn")).to_contain_text("session")
    await page.fill("#identifiant", town.named("dupont"))
    await page.fill("#motdepasse", PASSWORD)
    await page.click("main button.primary")
    await page.wait_for_selector("table[data-ready]")
    assert await drafted(page) == {FIRST, SECOND, THIRD}
    await page.click("#verifier")
    await page.get_by_role("button", name=re.compile("^Valider m")).click()
    await expect(page.locator("h1")).to_contain_text("Vos demandes sont acceptées")
    dupont = await town.sign_in("dupont")
    assert set(await dupont.bookings()) == {date.isoformat() for date in (FIRST, SECOND, THIRD)}
    assert await drafted(page) == set()


async def test_s24_of_two_browsers_that_want_the_last_place_one_gets_it_and_the_other_reads_why(browse: Browse, found: Found) -> None:
    """Both click twice; and whoever goes back and confirms again asks for nothing more (S33)."""
    town = await found(activities=[activity("aps", capacity=1, waiting_list=0)], families=[family("dupont"), family("martin")])
    names = ("dupont", "martin")
    pages = {"dupont": await browse(PHONE), "martin": await browse()}
    for name, page in pages.items():
        await signs_in(page, town, name)
        await chooses(page, town, FIRST, child=f"{name}-child")
        await expect(page.locator(f"{day(FIRST)} .lg")).to_have_text("À réserver")
        await page.click("#verifier")
        await expect(page.locator("main")).to_contain_text("Place disponible")
    confirm, others = re.compile("^Valider ma demande"), {name: await page.context.new_page() for name, page in pages.items()}
    for other in others.values():
        await other.goto("/recapitulatif")
    await asyncio.gather(*(page.get_by_role("button", name=confirm).dblclick() for page in pages.values()))
    answered = re.compile("Vos demandes sont acceptées|Votre demande est acceptée|activité complète")
    for page in pages.values():
        await expect(page.locator("main")).to_contain_text(answered)
    lucky = [name for name in names if "activité complète" not in await pages[name].inner_text("main")]
    assert len(lucky) == 1
    assert [name for name in names if "accept" in await pages[name].inner_text("h1")] == lucky, "nobody else is told so"
    (winner,), (loser,) = lucky, [name for name in names if name not in lucky]
    families = {name: await town.sign_in(name) for name in names}
    assert (await families[winner].bookings(), await families[loser].bookings()) == ({FIRST.isoformat(): "ACCEPTED"}, {})
    await is_sound(pages[loser], "last-place-gone")

    page = pages[winner]
    await lands_on(page, "/demandes/*")
    outcome = page.url
    kept = others[winner]
    await kept.get_by_role("button", name=confirm).dblclick()  # Still open, as a page that Back brings back.
    await lands_on(kept, outcome)
    await page.go_back()
    await expect(page.locator("main")).to_contain_text(re.compile("Aucun choix en cours|Valider ma demande"))
    await page.goto("/demandes")
    await expect(page.locator("main a[href^='/demandes/']")).to_have_count(1)
    await page.goto("/reservations")
    await expect(page.locator(".followed tbody tr")).to_have_count(1)


async def test_an_open_page_lives_on_when_the_gateway_starts_again_and_rests_while_nobody_looks(
    browse: Browse, found: Found, system: System, watch: Watch
) -> None:
    """S24, S25"""
    watch.expected.extend(GONE)
    town = await found(activities=[activity("aps", capacity=5)], families=[family("dupont"), family("martin")])
    page = await browse()
    streams: list[Request] = []
    ended: list[Request] = []
    page.on("request", lambda request: "/direct/calendrier" in request.url and streams.append(request))
    for event in ("requestfailed", "requestfinished"):
        page.on(event, lambda request: request in streams and ended.append(request))  # type: ignore[call-overload]
    await signs_in(page, town, "dupont")
    await chooses(page, town, FIRST)
    await until_so(lambda: len(streams) == 1)

    system.terminate("gateway")
    await page.click(day(SECOND))  # What was chosen without it is kept.
    system.start("gateway")
    martin = await town.sign_in("martin")
    await martin.submits([martin.line(THIRD, child="martin-child")])
    await expect(page.locator(f"{day(THIRD)} .lg")).to_have_text("4 places")
    assert await drafted(page) == {FIRST, SECOND}

    def is_closed() -> bool:
        return len(ended) == len(streams)

    await page.evaluate(HIDE, True)
    await until_so(is_closed)
    so_far = len(streams)
    await martin.submits([martin.line(FOURTH, child="martin-child")])
    assert len(streams) == so_far, "nobody looks"
    await page.evaluate(HIDE, False)
    await expect(page.locator(f"{day(FOURTH)} .lg")).to_have_text("4 places")
    assert (len(streams), is_closed()) == (so_far + 1, False)


async def until_so(fact: object) -> None:
    async def told() -> bool:
        return bool(fact())  # type: ignore[operator]

    await until(told)


async def test_s36_whoever_waits_sees_the_position_move(browse: Browse, found: Found) -> None:
    town = await found(activities=[activity("aps", capacity=1)], families=[family(name) for name in ("dupont", "martin", "leroy")])
    dupont, martin, leroy = await town.everybody("dupont", "martin", "leroy")
    for one in (martin, leroy, dupont):
        await one.asks(FIRST)
    page = await browse(PHONE)
    await signs_in(page, town, "dupont")
    await page.goto("/reservations?statut=attente")
    await expect(page.locator(".followed .tag")).to_contain_text("n° 2")
    await leroy.cancels(FIRST)
    await expect(page.locator(".followed .tag")).to_contain_text("n° 1")
    await expect(page.locator("#dit")).not_to_be_empty()
