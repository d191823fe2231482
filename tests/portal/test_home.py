"""The home page (P3): what the town says (S2), the days to come, the money (S21), and what is asked of the account."""

import asyncio
import datetime as dt
import html
import json
import re
from typing import Any
from urllib.parse import quote

from playwright.async_api import Page, expect

from gateway.portal import assets
from gateway.portal.draft import Line, cookie, written
from gateway.portal.pages.home import MOST_DAYS, days_to_come
from tests.flows.conftest import Found
from tests.flows.town import Town, activity, family, half_a_day_away, next_days
from tests.portal.browsing import PHONE, axe, shot, signs_in, too_wide
from tests.portal.conftest import Browse, MakeVisitor
from tests.portal.test_money import Api, holds, text_of

ANEW = """async ([live, name]) => { const { anew } = await import(live);
  if (name) document.querySelector('.brand').textContent = name;
  return await anew() !== null; }"""
#: How long it waits before it asks again: refused three times, and told something at last.
WAITS = """async live => {
  const { listen } = await import(live), waits = [];
  let stream;
  window.EventSource = class { constructor() { stream = this; this.on = {}; } addEventListener(name, act) { this.on[name] = act; } close() {} };
  window.setTimeout = (act, wait) => { waits.push(wait); act(); };
  const end = listen('/direct/solde', () => {}, { ends: false });
  for (const told of [...Array(3).fill({ errors: [{}] }), { data: {} }]) { stream.on.next({ data: JSON.stringify(told) }); stream.on.complete(); }
  end();
  return waits; }"""
#: Keeps what a page follows; what it follows now.
COUNTED = (
    "window.streams = []; window.EventSource = class extends EventSource { constructor(address) { super(address); streams.push(this); } };"
)
FOLLOWED = "() => streams.filter(each => each.readyState !== EventSource.CLOSED).map(each => new URL(each.url).pathname).sort()"
RUN = "mutation($activity: ID!) { runAllocation(activity: $activity) { __typename } }"
TODAY = dt.date(2026, 11, 23)
NOBODY: dict[str, Any] = {"undeliverable": None, "secondFactorMissing": []}


def booking(date: str, arrival: str, child: str = "amalia") -> dict[str, Any]:
    return {"date": date, "arrival": arrival, "child": {"id": child}}


def test_the_next_days_of_each_child_by_the_hour() -> None:
    amalia, paolo = {"id": "amalia"}, {"id": "paolo"}
    days = [booking(f"2026-11-{day}", "08:00") for day in range(22, 28)]
    told = days_to_come([amalia, paolo], [booking("2026-11-23", "16:30"), *days, booking("2026-11-23", "08:00", "nobody")], TODAY)
    assert [(child["id"], len(found)) for child, found in told] == [("amalia", MOST_DAYS), ("paolo", 0)]
    first, bookings = told[0][1][0]
    assert (first, [each["arrival"] for each in bookings]) == ("2026-11-23", ["08:00", "16:30"])


def api(**told: Any) -> Api:
    """With whatever the home page asks for."""
    one = Api(**told)
    town = {"id": "t", "name": "T", "timezone": "Europe/Paris", "announcements": []}
    one.me |= NOBODY
    one.me["families"][0] |= {"structure": town, "children": []}
    return one


async def test_s2_what_is_new_stands_first_and_stays_new_until_the_next_visit() -> None:
    one = api(money=None, booking=None)
    news = one.me["families"][0]["structure"]["announcements"]
    news += [{"id": "a", "title": "Old", "body": "One.\n\n<b>Two</b>", "publishedAt": "2026-11-01T08:00:00Z"}]
    visitor = one.visitor()
    assert [text_of((await visitor.opens("/")).text).count("New Old") for _ in (1, 2)] == [1, 1], "loaded again, it is still new"
    before, seen, at = visitor.client.cookies["preau_annonces_t"].split("~")
    visitor.client.cookies.delete("preau_annonces_t")
    visitor.client.cookies.set("preau_annonces_t", f"{before}~{seen}~{int(at) - 3600}")
    news.insert(0, {"id": "b", "title": "Fresh", "body": "", "publishedAt": "2026-11-02T08:00:00Z"})
    page = (await visitor.opens("/")).text
    shown = text_of(page)
    assert "New Fresh" in shown
    assert "New Old" not in shown
    assert shown.index("Fresh") < shown.index("Old")
    assert '<p lang="fr">' not in page
    assert "&lt;b&gt;Two&lt;/b&gt;</p>" in page
    visitor.client.cookies.delete("preau_annonces_t")
    visitor.client.cookies.set("preau_annonces_t", "x~~9")
    assert (await visitor.opens("/")).status_code == 200


async def test_what_a_script_draws_anew_uses_up_nothing_that_was_to_be_read() -> None:
    one, background = api(money=None, booking=None), {"preau-anew": "1"}
    news = one.me["families"][0]["structure"]["announcements"]
    news += [{"id": "a", "title": "Fresh", "body": "", "publishedAt": "2026-11-01T08:00:00Z"}]
    visitor = one.visitor()

    async def opens(undo: str | None, headers: dict[str, str]) -> tuple[str, list[str]]:
        told = quote(json.dumps(["LEFT", {"child": "Zoé", "activity": "APS", "day": "Monday"}, undo, ""]))
        answer = await visitor.client.get("/", headers={"cookie": f"{cookies}; preau_message={told}", **headers})
        return text_of(answer.text), sorted(each.partition("=")[0] for each in answer.headers.get_list("set-cookie"))

    cookies = "; ".join(f"{name}={value}" for name, value in visitor.client.cookies.items())
    text, left = await opens("", background)
    assert ("You have left" in text, [each for each in left if each in ("preau_message", "preau_annonces_t")]) == (False, [])
    text, left = await opens("", {})
    assert ("You have left" in text, '"Undo" asks again' in html.unescape(text)) == (True, True)
    assert {"preau_message", "preau_annonces_t"} <= set(left)
    text, _ = await opens(None, {})
    assert ("You have left" in text, "asks again" in text) == (True, False), "nothing is said of a button that is not there"


async def test_without_whoever_counts_the_money_or_the_days_there_is_still_a_home() -> None:
    page = text_of((await api(money=None, booking=None).visitor().opens("/")).text)
    assert "Hello Zoé" in page
    assert "Your credit" not in page
    assert "Pay online" not in page


async def test_what_is_asked_of_the_account_and_the_way_of_an_agent_without_family() -> None:
    one = api(money=None, booking=None)
    one.me |= {"passwordIsHandedOut": True, "families": [], "agentOf": [{"id": "t", "name": "Town", "timezone": "Europe/Paris"}]}
    one.me["secondFactorMissing"] = one.me["agentOf"]
    page = (await one.visitor().opens("/")).text
    for path, words in (
        ("/profil#mot-de-passe", "choose your own"),
        ("/profil", "Give an e-mail address"),
        ("/profil/securite", "Town"),
        ("/bureau", "desk"),
    ):
        assert f'href="{path}"' in page
        assert words in page
    assert page.count("Your password was") == 1, "said once"
    one.me |= {"email": "a@example.org", "undeliverable": "2026-11-01T08:00:00Z", "passwordIsHandedOut": False, "agentOf": []}
    page = (await one.visitor().opens("/")).text
    assert "Our mails to a@example.org come back" in page
    assert "No family" in page


async def test_s21_whoever_is_in_debt_is_told_and_led_to_pay(found: Found, visitor: MakeVisitor) -> None:
    charges = [{"date": "today-1d", "wallet": "periscolaire", "label": "Reprise", "cents": 25_80}]
    town = await found(activities=[activity("aps")], families=[family("leroy", charges=charges)])
    one = visitor()
    page = await one.signs_in(town, "leroy")
    assert "Les réservations sont fermées." in page.text
    assert "Montant dû 25,80 €" in text_of(page.text)


async def test_home_in_a_browser(browse: Browse, found: Found) -> None:
    """A family with all there is to show: debtless, with days, a request, a draft; French and English, down to 320 pixels. It follows."""
    payments = [holds(50_06)]
    kids = ["amalia", "maximilien-alexandre-de-la-tour"]
    bookings = [{"child": "amalia", "activity": "aps", "next": 3}]
    town = await found(
        activities=[activity("aps"), activity("run", allocation={"scheduled_at": half_a_day_away(), "policy": "arrival"})],
        families=[family("dupont", children=kids, activities=("aps", "run"), payments=payments, bookings=bookings)],
    )
    (dupont,) = await town.everybody("dupont")
    await dupont.submits([dupont.line(next_days(1)[0], child="amalia")])
    for language, words in (("fr-FR", ("Dernière demande", "1 choix attend")), ("en-GB", ("Last request", "1 choice waits"))):
        page: Page = await browse(PHONE, language=language)
        await signs_in(page, town, "dupont")
        line = Line(next_days(2)[1], town.named("amalia"), town.named("aps"))
        told = {"name": cookie(dupont.id), "value": written([line]), "url": town.system.gateway}
        await page.context.add_cookies([told])
        await page.goto(f"/?lang={language[:2]}")
        body = await page.inner_text("main")
        assert all(each in body for each in words)
        assert "APS" in body
        await shot(page, f"home-{language[:2]}")
        assert await axe(page) == []
        assert await too_wide(page) == []
    await follows(page, town, kids[1])


async def follows(page: Page, town: Town, child: str) -> None:
    """The other parent books, and the town answers: the days to come, the balance and what came of the last request, and their list."""
    dupont, (day,) = await town.sign_in("dupont"), next_days(1, start_in=6)
    requests, (later,) = await page.context.new_page(), next_days(1, start_in=7)
    await dupont.submits([dupont.line(later, child=child, activity="run")])
    await page.add_init_script(COUNTED)
    await page.reload()
    assert len(await page.evaluate(FOLLOWED)) == 2, "the balance, and that request"
    as_of = await page.inner_text("#asof")
    await expect(page.locator(".kid").nth(1)).not_to_contain_text("APS")
    await asyncio.sleep(1)  # It tells seconds.
    await dupont.submits([dupont.line(day, child=child)])
    await expect(page.locator(".kid").nth(1)).to_contain_text("APS")
    await expect(page.locator(".purse")).to_contain_text("€43.51")  # Five days at 1.31 of the 50.06.
    await expect(page.locator("#dit")).not_to_be_empty()
    await expect(page.locator("#asof")).not_to_have_text(as_of)
    assert await page.evaluate(FOLLOWED) == ["/direct/solde"], "what is not shown any more is followed no more, though it is not over"

    await dupont.submits([dupont.line(next_days(1)[0], child=child, activity="run")])
    await page.reload()
    await requests.goto("/demandes")
    for one in (page.locator(".answers"), requests.locator("#demandes tbody tr").first):
        await expect(one).to_have_text(re.compile("1 to be answered"))
    await (await town.agent()).ask(RUN, {"activity": town.named("run")})
    for one in (page.locator(".answers"), requests.locator("#demandes tbody tr").first):
        await expect(one).to_have_text(re.compile("1 request accepted"))
    await expect(requests.locator("#dit")).not_to_be_empty()
    assert await page.evaluate(ANEW, [assets.address("live.js"), None])
    assert await requests.evaluate(WAITS, assets.address("live.js")) == [2000, 4000, 8000, 2000]
    assert not await page.evaluate(ANEW, [assets.address("live.js"), "Elsewhere"]), "of another structure nothing is laid over this page"
