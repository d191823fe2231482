"""Every page that a link leads to, as a family and as an agent see it, in one language a run, with all that can be opened on it open; on a
phone and a narrow screen. Pictures are of a desktop, too.

Only the frame's rules are looked at: what a page is for, its own tests say.
"""

import re
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.async_api import Error, Page, Response
from starlette.routing import compile_path

from gateway.portal.pages import PAGES
from tests.conftest import dealt
from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import Town, activity, family, next_days
from tests.portal.browsing import DESKTOP, PHONE, axe, brings_axe, cut_off, keeps, shot, signs_in, too_wide
from tests.portal.conftest import Browse
from tests.portal.planted import bury, fail_mails
from tests.portal.visitor import french_in

#: What is no page of the portal, or ends the visit.
ELSEWHERE = re.compile(r"^/(files|ics|graphql|direct|\.well-known|portail|connexion/)|\?.*\blang=|[?&]format=|^/deconnexion")
#: The same to everybody, but for the menu: an agent's are opened, and looked at as a family's.
ALIKE = re.compile(r"^/(aide|mentions-legales|donnees-personnelles|accessibilite|connexion|mot-de-passe)\b")
MOST = 60
#: What is read and no link leads to here, and why it need not: what it is, or which test looks at it.
UNLINKED = {
    **dict.fromkeys(("/direct/calendrier", "/direct/solde", "/direct/demande/{id}"), "a stream"),
    **dict.fromkeys(("/reservations/fichier", "/paiement/{id}/recu", "/profil/donnees/{id}"), "a file"),
    **dict.fromkeys(("/bureau/journal/fichier", "/bureau/paiements/operations/fichier", "/bureau/paiements/journal"), "a file"),
    **dict.fromkeys(("/reserver/cout", "/session", "/bureau/hors-ligne.js"), "for scripts"),
    **dict.fromkeys(("/connexion/{provider}", "/mot-de-passe/question"), "leads elsewhere"),
    **dict.fromkeys(("/invitation", "/courriel/confirmer", "/courriel/annuler", "/mot-de-passe/nouveau"), "once, from a mail: test_pages"),
    "/connexion/retour": "test_refusals",
    "/double-authentification": "test_states",
    "/connexion/{provider}/lier": "test_states",
    "/paiement/{id}": "test_states",
    "/reserver/mois": "by way of /reserver, for several activities: test_several, test_states",
    "/bureau/pointage/hors-ligne": "test_refusals",
    "/bureau/repartitions/{id:path}": "only after a run: test_refusals",
}
NARROW: dict[str, Any] = {**PHONE, "viewport": {"width": 320, "height": 640}}
OPEN = "() => { for (const each of document.querySelectorAll('details')) each.open = true; }"
LINKS = "() => [...document.querySelectorAll('a[href]')].map(each => each.getAttribute('href'))"
OUTLINE = """() => [document.querySelectorAll("h1").length, document.querySelectorAll("main").length, document.title,
  [...document.querySelectorAll("[id]")].map(each => each.id).filter((id, at, all) => all.indexOf(id) !== at)]"""


async def small_town(found: Found) -> Town:
    """A family with something on each of its pages."""
    days = [f"today+{n}d" for n in (10, 11, 40)]
    bookings = [{"child": "amalia", "activity": "aps", "date": day} for day in days]
    paid = {"date": "today", "mode": "CHEQUE", "reference": "2578012", "payer": "DUPONT", "wallet": "periscolaire", "cents": 50_00}
    town = await found(
        activities=[activity("aps"), activity("etude", capacity=0, hours={"from": "16:30", "to": "18:30", "step_minutes": 15})],
        families=[family("dupont", children=("amalia", "paolo"), activities=("aps", "etude"), bookings=bookings, payments=[paid])],
    )
    dupont = await town.sign_in("dupont")
    await dupont.submits([dupont.line(day, child="paolo") for day in next_days(3)])
    return town


async def something_wrong(system: System, structure: str, type_: str | None = None) -> None:
    """A mail that was refused, and a message that could not be handled. `type_`: of one that nobody can handle now, either."""

    async def is_refused() -> bool:  # That it was sent is written a moment after the mail server has it.
        return bool(await fail_mails(system, structure))

    await until(is_refused)
    await bury(system, "booking", structure, type_=type_)


def reads(who: str) -> set[str]:
    """The routes of pages that an agent opens, or a family: those that are read, and only the desk's are an agent's."""
    return {path for path, methods, _ in PAGES if "GET" in methods and path.startswith("/bureau") is (who == "agent")}


def route_of(path: str) -> str:
    """Of PAGES, as the portal finds it: the first that the address fits. Empty: none."""
    return next((route for route, methods, _ in PAGES if "GET" in methods and compile_path(route)[0].match(urlsplit(path).path)), "")


def pattern(path: str) -> str:
    """Pages that differ by a month, an id or a choice are one kind: each kind is looked at once."""
    parts = urlsplit(path)
    kind = "/".join("*" if re.search(r"\d", step) or "%" in step or len(step) > 24 else step for step in parts.path.split("/"))
    return kind + "?" + "&".join(sorted({field.partition("=")[0] for field in parts.query.split("&")}))


async def opened(page: Page, path: str) -> Response:
    """Again where a service is away: the first month that one makes on a busy machine may take longer than a page waits."""
    for _ in range(5):
        answer = await page.goto(path)
        assert answer is not None
        if answer.status != 503:
            break
    return answer


async def look_at(page: Page, path: str, wrong: list[str], name: str) -> None:
    if name.startswith("agent") and ALIKE.search(path):
        return
    await page.evaluate(OPEN)
    if name.endswith("-en"):  # The same in other words, on a screen that is narrow from the start.
        await shot(page, name + re.sub(r"\W+", "-", pattern(path)))
        wrong += [f"{path}: {each}" for each in await axe(page) + await too_wide(page)]
        wrong += [f"{path} in French: {each}" for each in french_in(await page.content())]
        return
    picture = name + re.sub(r"\W+", "-", pattern(path))
    await shot(page, picture)
    wrong += [f"{path}: {each}" for each in await axe(page)]
    wrong += [f"{path} at 320: {each}" for each in await too_wide(page)]
    wrong += [f"{path} {each}" for each in await cut_off(page)]
    if keeps():
        await page.set_viewport_size(DESKTOP["viewport"])
        await shot(page, picture)
    await page.set_viewport_size(PHONE["viewport"])


async def walk(page: Page, start: str, wrong: list[str], name: str) -> list[str]:
    """The addresses that links lead to from there."""
    seen, ahead = {pattern(start)}, [start]
    for path in ahead:
        try:
            answer = await opened(page, path)
        except Error as error:
            if "Download is starting" not in str(error):
                raise
            continue
        if answer.status >= 400:
            wrong.append(f"{path}: {answer.status}")
            continue
        headings, mains, title, twice = await page.evaluate(OUTLINE)
        if (headings, mains, twice) != (1, 1, []) or not title:
            wrong.append(f"{path}: {headings} h1, {mains} main, title {title!r}, ids there twice: {twice}")
        await look_at(page, path, wrong, name)
        for link in await page.evaluate(LINKS):
            onward = urlsplit(urljoin(page.url, link))
            to = onward.path + (f"?{onward.query}" if onward.query else "")
            if onward.netloc == urlsplit(page.url).netloc and not ELSEWHERE.search(to) and pattern(to) not in seen and len(seen) < MOST:
                seen.add(pattern(to))
                ahead.append(to)
    return ahead


@pytest.mark.parametrize("who", ["dupont", "agent"])
async def test_every_page_breaks_no_rule_of_accessibility(browse: Browse, found: Found, system: System, who: str) -> None:
    town, wrong = await small_town(found), list[str]()
    if who == "agent":
        await town.administrator()
        await something_wrong(system, town.structure)
    for language, size in dealt(f"the language of {who}", ("fr", PHONE), ("en", NARROW)):
        page = await browse(size, language="en-GB" if language == "en" else "fr-FR")
        await brings_axe(page)
        await signs_in(page, town, who)
        await page.goto(f"/aide?lang={language}")
        paths = await walk(page, "/" if who == "dupont" else "/bureau", wrong, who if language == "fr" else f"{who}-en")
        print(*paths, sep="\n")
        assert len(paths) < MOST, "some addresses were left out"
        missed = reads(who) - {route_of(path) for path in paths}
        assert missed <= set(UNLINKED) <= {path for path, _, _ in PAGES}, f"no link leads there: {missed - set(UNLINKED)}"
    assert not wrong, "\n".join(wrong)
