"""What holds on every page: whose forms are taken, what a page may load and lead to, what is said of what is not there (P17, too)."""

import asyncio
import datetime as dt
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import cast

import pytest
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Send

from gateway.portal import assets, town_words
from gateway.portal.api import GONE, Api
from gateway.portal.noticeboard import Noticeboard
from gateway.portal.pages import PAGES, legal
from gateway.portal.session import Renewing, Session
from gateway.portal.templating import FOLDER
from gateway.portal.visit import Answered, House, Visit
from services.clock import Clock
from services.settings import SettingsError
from tests.portal.paged import ACCOUNT, FORM, SECRETS, SIGNED_IN, Guest, Identity, before, refused, words

#: Pages that anybody may open, and that identity alone answers.
PUBLIC = ["/connexion", "/mot-de-passe", "/mot-de-passe/nouveau?jeton=x", "/accessibilite", "/plan-du-site", "/aide", "/mentions-legales"]
PUBLIC += ["/donnees-personnelles", "/courriel/confirmer?jeton=x", "/connexion/fc/lier", "/nowhere"]


async def signs_in(guest: Guest, identity: Identity) -> None:
    identity.says["signIn"] = SIGNED_IN
    await guest.opens("/connexion")
    await guest.sends("/connexion", identifiant="dupont", motdepasse="x")


async def test_no_page_has_anything_inline_or_foreign_and_its_policy_says_so(guest: Guest, identity: Identity) -> None:
    async def look() -> None:
        for path in PUBLIC:
            for language in ("fr", "en"):
                page = await guest.opens(path, language)
                if page.status_code == 303:  # Who is in need not knock.
                    continue
                (sheet,) = re.findall(r"<style>(.*?)</style>", page.text, re.S)
                policy = f"default-src 'none'; script-src 'self' {assets.hash_of(assets.SCRIPTED)}; style-src {assets.hash_of(sheet)}; "
                policy += "img-src 'self' data:; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
                assert page.headers["content-security-policy"] == policy
                assert page.headers["x-content-type-options"] == "nosniff"
                assert f'<html lang="{language}">' in page.text
                body = page.text.replace(sheet, "")
                assert re.findall(r"<script>(.*?)</script>", body) == [assets.SCRIPTED]
                assert re.findall(r'\sstyle="|\son\w+="|javascript:|<iframe|<object', body) == []
                assert re.findall(r'(?:src|action)="(?:https?:)?//', body) == []
                assert body.count("<h1>") == 1
                assert not any(secret in page.text for secret in SECRETS)

    await look()
    await signs_in(guest, identity)
    guest.client.cookies.delete("preau_langue")
    await look()


async def test_a_form_counts_only_from_a_page_that_was_drawn_for_this_browser(guest: Guest, identity: Identity) -> None:
    identity.says["signIn"] = SIGNED_IN
    sent = "identifiant=dupont&motdepasse=x"
    await guest.opens("/connexion")
    own, secret = guest.token, guest.client.cookies["preau_page"]
    guest.client.cookies.clear()
    await guest.opens("/connexion")
    foreign = guest.token
    guest.client.cookies.clear()
    guest.client.cookies.set("preau_page", secret)
    for token, site in (("", "same-origin"), (foreign, "same-origin"), (own[:-2], "same-origin"), (own, "cross-site"), (own, "same-site")):
        headers = {**FORM, "sec-fetch-site": site, "accept": "text/html"}
        answer = await guest.client.post("/connexion", content=f"{sent}&jeton_page={token}", headers=headers)
        assert (answer.status_code, "Ce formulaire a expiré" in answer.text) == (403, True), (token, site)
    assert identity.heard == []
    assert (await guest.client.post("/connexion", content=f"{sent}&jeton_page={own}", headers=FORM)).status_code == 303


async def test_cookies_are_for_this_site_alone_and_for_no_script(identity: Identity) -> None:
    async with before(identity, "https://preau.test") as guest:
        await signs_in(guest, identity)
        names = [cookie.name for cookie in guest.client.cookies.jar]
        assert {"__Host-preau_session", "__Host-preau_page", "__Host-preau_appareil"} <= set(names)
        assert all(name.startswith("__Host-") for name in names)
        assert all(cookie.secure and cookie.path == "/" and cookie.has_nonstandard_attr("HttpOnly") for cookie in guest.client.cookies.jar)


async def test_a_page_is_only_looked_at_by_head_and_what_is_not_there_is_said_in_both_languages(guest: Guest) -> None:
    for path in ("/aide", "/connexion"):
        answer = await guest.client.head(path)
        assert (answer.status_code, answer.content, "content-security-policy" in answer.headers) == (200, b"", True)
    for path, status, french, english in (
        ("/nowhere", 404, "Cette page n’existe pas", "There is no such page"),
        ("/deconnexion", 405, "Cette adresse ne s’ouvre pas ainsi", "This address is not opened that way"),
    ):
        for language, said in (("fr", french), ("en", english)):
            answer = await guest.opens(path, language)
            assert (answer.status_code, said in words(answer)) == (status, True)
        plain = await guest.client.get(path, headers={"accept-language": "fr"})
        assert (plain.status_code, plain.headers["content-type"]) == (status, "text/plain; charset=utf-8")


async def test_what_a_page_leads_back_to_is_always_a_page_of_ours(guest: Guest, identity: Identity) -> None:
    """The other language, trying again, the page after signing in: of an address that looks like another host's, and of a form that was sent."""
    for path in ("//evil.example/x", "/\\evil.example/x"):
        page = await guest.client.get(f"http://preau.test{path}", headers={"accept": "text/html"})
        assert (page.status_code, re.findall(r'href="[/\\\\]{2}[^"]*', page.text)) == (404, []), path
    await guest.opens("/mot-de-passe")
    came_from = {"referer": "http://preau.test/mot-de-passe?envoyee=1", "accept": "text/html"}
    page = await guest.sends("/cle-d-acces", came_from, jeton_page="x")
    assert (page.status_code, 'href="/mot-de-passe?envoyee=1&amp;lang=en"' in page.text) == (403, True)
    for referer in ("http://[", "//[", "javascript:alert(1)"):
        page = await guest.sends("/cle-d-acces", {"referer": referer, "accept": "text/html"}, jeton_page="x")
        assert (page.status_code, 'href="/?lang=en"' in page.text) == (403, True), referer


async def test_whatever_stands_in_a_cookie_or_a_choice_is_no_fault_of_the_page(guest: Guest) -> None:
    assert Session.read(f"access~{'9' * 5000}~refresh~1") is None
    assert Session.read("access~1~refresh~٣") is None
    assert Session.read("access~1~refresh~2") == Session("access", 1, "refresh", 2)
    for path, name in (("/structure", "famille"), ("/bureau/structure", "structure")):
        answer = await guest.sends(path, **{name: "€"})
        assert (answer.status_code, "preau_structure" in guest.client.cookies) == (303, False)


async def test_whoever_leaves_before_the_answer_is_no_fault_of_the_page() -> None:
    async def says_nothing(*_: object) -> None:
        """As the endpoint, once a browser that asked has gone."""

    asked = Request({"type": "http", "method": "GET", "path": "/", "headers": []})
    assert (await Api(says_nothing).ask(asked, "fr", "query X { x }", {}, None)).codes == {GONE}


async def test_a_session_is_renewed_to_the_end_and_who_waits_for_that_has_a_page_of_their_own(identity: Identity) -> None:
    """A token that renews is used up: whoever hangs up meanwhile must not take along what it brings."""
    hears: list[bool] = []

    async def never_hangs_up(_: object, receive: Receive, send: Send) -> None:
        await receive()
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                hears.append((await receive())["type"] == "http.disconnect")
        await send({"type": "http.response.body", "body": b'{"data": null, "errors": [{"extensions": {"code": "SUBGRAPH_UNAVAILABLE"}}]}'})

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    api = Api(never_hangs_up)
    house = House(api, Renewing(), Noticeboard(api), Clock(), secure=False)
    cookie = [(b"cookie", b"preau_session=access~1~refresh~99999999999")]
    visits = [
        Visit.of(Request({"type": "http", "method": "GET", "path": "/", "headers": cookie, "query_string": b""}, gone), house) for _ in "12"
    ]
    answers = await asyncio.gather(*(visit.stay() for visit in visits), return_exceptions=True)
    pages = [answer.response for answer in answers if isinstance(answer, Answered)]
    assert ([page.status_code for page in pages], len({id(page) for page in pages}), hears) == ([503, 503], 2, [])


async def test_where_the_structure_is_the_browser_remembers(guest: Guest, identity: Identity) -> None:
    """A day is another one overseas: before the API was asked, it is the one of where the family looked last."""
    noon = Clock(frozen_at=dt.datetime(2026, 11, 30, 11, tzinfo=dt.UTC))
    api = Api(cast("ASGIApp", None))
    house = House(api, Renewing(), Noticeboard(api), noon, secure=False)
    for zone, day in (("Pacific/Auckland", 1), ("America/Martinique", 30), ("", 30), ("../../etc/passwd", 30), ("Europe", 30), ("é", 30)):
        request = Request(
            {"type": "http", "method": "GET", "path": "/", "headers": [(b"cookie", f"preau_fuseau={zone}".encode())], "query_string": b""}
        )
        assert Visit.of(request, house).likely_today.day == day, zone
    await signs_in(guest, identity)
    there = {"id": "there", "name": "Nouméa", "timezone": "Pacific/Noumea", "announcements": []}
    identity.says["me"] = ACCOUNT | {"families": [{"id": "f", "number": "1", "structure": there, "children": []}]}
    await guest.opens("/aide")
    assert guest.client.cookies["preau_fuseau"].strip('"') == "Pacific/Noumea"


@dataclass(frozen=True)
class Passing(Clock):
    """A minute later each time that somebody looks."""

    looked: Iterator[int] = field(default_factory=partial(count, 1))

    def now(self) -> dt.datetime:
        return dt.datetime(2026, 11, 30, 11, tzinfo=dt.UTC) + dt.timedelta(minutes=next(self.looked))


async def test_s6_a_page_is_up_to_date_at_when_its_data_were_asked_not_at_when_it_is_drawn() -> None:
    async def answers(_: object, receive: Receive, send: Send) -> None:
        place = {"id": "c", "name": "Mairie", "timezone": "Europe/Paris"}
        me = ACCOUNT | {"families": [{"id": "f", "number": "1", "structure": place}]}
        await receive()
        await send({"type": "http.response.body", "body": json.dumps({"data": {"me": me}}).encode()})

    cookie = [(b"cookie", b"preau_session=access~99999999999~refresh~99999999999"), (b"accept-language", b"fr")]
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": cookie, "query_string": b""})
    api = Api(answers)
    visit = Visit.of(request, House(api, Renewing(), Noticeboard(api), Passing(), secure=False))
    await visit.ask("query Asked { ...Shell }")
    assert "À jour à 12:01:00" in visit.trouble("NOT_HERE", 404).body.decode()


async def test_a_session_that_was_ended_elsewhere_leads_to_the_door_and_back(guest: Guest, identity: Identity) -> None:
    await signs_in(guest, identity)
    guest.client.cookies.set("preau_brouillon_dupont", "amalia:aps:b202612.3", domain="preau.test")
    identity.says["me"] = None
    gone = await guest.opens("/soldes?jusquau=2026-12-31")
    assert gone.headers["location"] == "/connexion?suite=%2Fsoldes%3Fjusquau%3D2026-12-31&fin=1"
    door = await guest.follows(gone)
    assert "Votre session a pris fin" in door.text
    assert guest.client.cookies.get("preau_session") is None
    assert guest.client.cookies["preau_brouillon_dupont"] == "amalia:aps:b202612.3", "what was chosen is still there"
    assert (await guest.opens("/aide")).status_code == 200
    identity.says["me"] = ACCOUNT
    answer = await guest.sends("/connexion", identifiant="dupont", motdepasse="x", suite="/soldes?jusquau=2026-12-31")
    assert answer.headers["location"] == "/soldes?jusquau=2026-12-31"
    await guest.opens("/aide")
    await guest.sends("/deconnexion")
    assert guest.client.cookies.get("preau_brouillon_dupont") is None, "the next at this computer sees nothing of it"


async def test_rgaa_13_1_a_session_tells_how_long_it_lasts_and_can_be_prolonged(guest: Guest, identity: Identity) -> None:
    assert (await guest.client.get("/session")).json() == {"seconds": 0}
    await signs_in(guest, identity)
    page = await guest.opens("/aide")
    assert re.search(r'id="session" data-seconds="\d{8,}"', page.text)
    identity.says["refreshSession"] = SIGNED_IN | {"refreshTokenExpiresAt": "2037-11-30T12:00:00Z", "refreshToken": "another"}
    before_, after = (await guest.client.get("/session")).json(), (await guest.sends("/session")).json()
    assert 364 < (after["seconds"] - before_["seconds"]) / 86400 < 367
    assert identity.heard[-1][1] == {"token": "secret-refresh"}
    identity.says["refreshSession"] = refused("INVALID_TOKEN")
    assert (await guest.sends("/session")).headers["location"].startswith("/connexion")


def test_no_page_loads_more_script_than_a_telephone_is_to_carry() -> None:
    """design/portal.md, section 10: 15 kB, as they come over the wire, with all that they import and what each page has."""
    named = re.compile(r"module\('([a-z0-9_]+\.js)'\)")
    templates = {path.name: set(named.findall(path.read_text())) for path in (assets.FOLDER.parent / "templates").glob("*.html")}
    every, loaded = templates.pop("frame.html"), {}
    for name, those in templates.items():
        scripts = {one for script in every | those for one in (script, *assets.imported(script))}
        loaded[name] = sum(len(assets.assets()[script].packed) for script in scripts)
    assert max(loaded.values()) <= 15_000, loaded
    assert loaded["booking_month.html"] > loaded["help.html"] > 0


# ------------------------------------------------------------------------------------------------------------------ P17
async def test_the_site_map_names_every_page_that_whoever_asks_may_open(guest: Guest, identity: Identity) -> None:
    async def links() -> set[str]:
        main = (await guest.opens("/plan-du-site")).text.split("<main")[1].split("</main>")[0]
        return set(re.findall(r'href="([^"?]+)', main))

    assert await links() == {path for path, _ in [*legal.OF_ALL, *legal.OF_THE_SITE]}
    await signs_in(guest, identity)
    family = {"id": "f", "number": "1", "structure": {"id": "c", "name": "Mairie", "timezone": "Europe/Paris"}}
    identity.says["me"] = ACCOUNT | {"families": [family], "agentOf": [{"id": "c", "name": "Mairie", "timezone": "Europe/Paris"}]}
    named = await links() | {path for path, _ in legal.OF_ALL}
    known = {path for path, methods, _ in PAGES if "GET" in methods and "{" not in path}
    assert named - known == set(), "no link leads nowhere"
    assert {path for path in known - named if not path.startswith(legal.NO_PAGES)} == set(), "say on the map where it is (pages/legal.py)"


async def test_how_accessible_the_site_is_stands_on_each_page_as_the_town_says_it(identity: Identity, tmp_path: Path) -> None:
    async with before(identity) as guest:
        page = words(await guest.opens("/accessibilite"))
        for said in ("Accessibilité : non conforme", "absence d’audit", "Défenseur des droits", "Schéma pluriannuel", "RGAA"):
            assert said in page
    file = tmp_path / "portal.yaml"
    file.write_text("""
contact: {name: Mairie de <CarteVille>, phone: 01 23 45 67 89, email: famille@carteville.example}
accessibility: {state: partial, rate: 71, audited_by: Audit SARL, established: 2026-11-30, exceptions: [Les PDF], plan: {2027: [Nouvel audit]},
  disproportionate: [Vieux reçus], not_covered: [Plans], environment: [NVDA et Firefox], tools: [Axe], pages: [Accueil]}
""")
    async with before(identity, PREAU_PORTAL=str(file)) as guest:
        page = " ".join(words(await guest.opens("/accessibilite")).split())
        for said in (
            "partiellement conforme",
            "71 %",
            "Audit SARL",
            "30 novembre 2026",
            "Les PDF",
            "Nouvel audit",
            *(
                "charge disproportionnée Vieux reçus",
                "non soumis à l’obligation d’accessibilité Plans",
                "Environnement de test NVDA et Firefox",
            ),
            *("évaluer l’accessibilité Axe", "Pages vérifiées Accueil"),
            "famille@carteville.example",
        ):
            assert said in page
        help_ = await guest.opens("/aide", "en")
        assert 'href="tel:0123456789"' in help_.text
        assert "Accessibility: partially compliant" in help_.text
        assert '<span lang="fr">Mairie de &lt;CarteVille&gt;</span>' in help_.text
        assert "renouvelée" not in page
    file.write_text("accessibility: {established: 2020-01-31}")
    async with before(identity, PREAU_PORTAL=str(file)) as guest:
        assert "plus de trois ans : elle doit être renouvelée" in words(await guest.opens("/accessibilite"))


async def test_each_structure_may_have_a_logo_of_its_own(identity: Identity, tmp_path: Path) -> None:
    """Others have the one for all; and whatever stands in a picture does nothing but draw."""
    file = tmp_path / "portal.yaml"
    file.write_text("logo: all.svg\nlogos: {c: town.svg}")
    for name in ("all", "town"):
        (tmp_path / f"{name}.svg").write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg"><title>{name}</title><script>alert(1)</script></svg>'
        )
    logo = re.compile(r'<a class="brand" href="/"><img src="(/portail/logo/[0-9a-f]{16}\.svg)" alt=""')

    async def shown(path: str) -> str:
        found = logo.search((await guest.opens(path)).text)
        assert found, path
        answer = await guest.client.get(found[1])
        assert answer.headers["content-type"] == "image/svg+xml"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "immutable" in answer.headers["cache-control"]
        return re.findall("<title>(.*)</title>", answer.text)[0]

    async with before(identity, PREAU_PORTAL=str(file)) as guest:
        assert await shown("/connexion") == "all"
        assert (await guest.client.get("/portail/logo/0123456789abcdef.svg")).status_code == 404
        await signs_in(guest, identity)
        for id, wanted in (("c", "town"), ("another", "all")):
            structure = {"id": id, "name": "Mairie", "timezone": "Europe/Paris", "announcements": []}
            identity.says["me"] = ACCOUNT | {"families": [{"id": "f", "number": "1", "structure": structure, "children": []}]}
            assert await shown("/aide") == wanted
    async with before(identity) as guest:
        assert "<img" not in (await guest.opens("/connexion")).text


def test_a_declaration_holds_for_three_years() -> None:
    made = town_words.Accessibility(established=dt.date(2023, 11, 30))
    assert [made.is_too_old(day) for day in (dt.date(2026, 11, 30), dt.date(2026, 12, 1), dt.date(2026, 1, 31))] == [False, True, False]
    assert not town_words.Accessibility().is_too_old(dt.date(2099, 1, 1))


@pytest.mark.parametrize(
    "told",
    [
        "{",
        "[]",
        "contact: x",
        "contact: {fax: 1}",
        "publisher: {name: ''}",
        "secret_questions: maybe",
        "accessibility: {state: good}",
        "accessibility: {state: full}",
        "accessibility: {rate: 101}",
        "accessibility: {established: soon}",
        "accessibility: {plan: [x]}",
        "accessibility: {plan: {2027: [a], 2030: [b]}}",
        "accessibility: {tools: Axe}",
        "logo: portal.yaml",
        "logo: missing.svg",
        "logo: no.png",
        "logo: large.svg",
        "logos: logo.svg",
        "logos: {1: logo.svg}",
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_what_was_expected(told: str, tmp_path: Path) -> None:
    file = tmp_path / "portal.yaml"
    file.write_text(told)
    (tmp_path / "no.png").write_text("<svg/>")
    (tmp_path / "large.svg").write_text("<svg/>" * 5001)
    with pytest.raises(SettingsError, match="PREAU_PORTAL"):
        town_words.read(file)


def test_5_7_every_table_has_roles_of_its_own_which_rows_that_are_drawn_as_blocks_would_lose() -> None:
    """Narrow screens draw rows as blocks, and browsers then take a table for none (portal.md, 7.6)."""
    wanted = {
        **{"table": {"table"}, "thead": {"rowgroup"}, "tbody": {"rowgroup"}, "tfoot": {"rowgroup"}, "tr": {"row"}, "td": {"cell"}},
        "th": {"columnheader", "rowheader"},
    }
    tags, bare = 0, list[str]()
    for path in sorted(FOLDER.glob("*.html")):
        for tag, told in re.findall(r"<(table|thead|tbody|tfoot|tr|td|th)\b((?:\{[{%].*?[%}]\}|[^>{])*)>", path.read_text()):
            tags += 1
            if not set(re.findall(r'\brole="(\w+)"', told)) <= wanted[tag] or "role=" not in told:
                bare.append(f"{path.name}: <{tag}{told}>")
    assert bare == []
    assert tags > 300
