"""The agents' desk: attendance with and without a network, openings, families, payments, announcements."""

import datetime as dt
import re
from pathlib import Path
from typing import Any

from playwright.async_api import Error, Locator, Page, expect

from gateway.portal.texts import TEXTS
from services.audit import EMPTIED
from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.town import Town, activity, family, half_a_day_away, next_days, today
from tests.portal.browsing import DESKTOP, PHONE, TABLET, axe, is_sound, signs_in, too_wide
from tests.portal.conftest import Browse, MakeVisitor
from tests.portal.visitor import Visitor

ROSTER = "/bureau/pointage"
PLACES = [
    "/bureau/pointage",
    "/bureau/activites",
    "/bureau/familles",
    "/bureau/paiements",
    "/bureau/annonces",
    "/bureau/courriers",
    "/bureau/messages-en-echec",
]


async def a_town(found: Found, **more: Any) -> Town:
    """On its day Amalia, Paolo and Zoe have a place; Nina is enrolled, and has none."""
    day = today().isoformat()
    open_on = [day, *activity("aps")["open_on"]]
    aps = activity("aps", open_on=open_on, hours={"arrival": "00:00", "departure": "23:59"}, attendance={"close_after_days": 3}, **more)

    def booked(child: str) -> dict[str, Any]:
        return {"child": child, "activity": "aps", "date": day}

    families = [
        family("dupont", children=("amalia", "paolo"), bookings=[booked("amalia"), booked("paolo")]),
        family("martin", children=("zoe", "nina"), bookings=[booked("zoe")]),
    ]
    return await found(activities=[aps], families=families)


def day_of(town: Town) -> dt.date:
    """Today, as it was when the town was made."""
    (aps,) = town.file["activities"]
    return dt.date.fromisoformat(aps["open_on"][0])


async def at_the_desk(visitor: MakeVisitor, found: Found) -> tuple[Town, Visitor]:
    town = await a_town(found)
    one = visitor()
    await one.signs_in(town, "agent")
    return town, one


async def shown(one: Visitor, path: str) -> str:
    """The page, once there is one: whoever asks first of all may wait longer than a busy gateway does."""

    async def is_there() -> bool:
        return (await one.opens(path)).status_code == 200

    await until(is_there)
    return (await one.opens(path)).text


def form_of(html: str) -> dict[str, Any]:
    """What the roster's form sends as it stands."""
    fields: dict[str, Any] = {"enfant": re.findall(r'name="enfant" value="([^"]+)"', html)}
    fields |= dict(re.findall(r'name="((?:avant|arrivee|depart|note)-[^"]+)" value="([^"]*)"', html))
    return fields | dict(re.findall(r'name="(presence-[^"]+)" value="(\w+)" checked', html))


def counts(html: str) -> dict[str, str]:
    return dict(re.findall(r'data-count="(\w+)">(\d+)<', html))


async def test_nobody_but_an_agent_of_the_structure_finds_anything(visitor: MakeVisitor, found: Found) -> None:
    town, other = await a_town(found), await found(activities=[activity("aps")], families=[family("leroy")])
    parent, stranger = visitor(), visitor()
    await parent.signs_in(town, "dupont")
    for path in PLACES:
        assert (await parent.opens(path)).status_code == 403, path
    assert "/bureau" not in (await parent.opens("/")).text
    await stranger.signs_in(other, "agent")
    aps, number = town.named("aps"), town.file["families"][0]["number"]
    for path in (f"{ROSTER}?activite={aps}", f"/bureau/activites/{aps}", f"/bureau/familles/{number}", "/bureau/repartitions/x"):
        assert (await stranger.opens(path)).status_code == 404, path
    sent = {"activite": aps, "date": day_of(town).isoformat(), "enfant": town.named("zoe"), "presence": "PRESENT"}
    assert (await stranger.sends(f"{ROSTER}/cocher", **sent)).status_code == 404
    assert (await parent.sends(f"{ROSTER}/cocher", **sent)).status_code == 404


async def test_the_roster_by_forms_alone_until_the_day_is_closed(visitor: MakeVisitor, found: Found) -> None:
    town, one = await at_the_desk(visitor, found)
    assert "APS" in (await one.opens(ROSTER)).text
    where = {"activite": town.named("aps"), "date": day_of(town).isoformat()}
    amalia, zoe = town.named("amalia"), town.named("zoe")
    fields = form_of((await one.opens(ROSTER, **where)).text)
    told = {f"presence-{amalia}": "PRESENT", f"arrivee-{amalia}": "07:41", f"note-{amalia}": "Doudou | oublié"}
    saved = (await one.sends(ROSTER, **where, **fields | told)).text
    assert "Pointage enregistré : 1." in saved
    # Another tablet, whose page is older, sends what it changed and takes back nothing.
    both = (await one.sends(ROSTER, **where, **fields | {f"presence-{zoe}": "ABSENT_JUSTIFIED"})).text
    assert counts(both) == {"present": "1", "absent": "1", "notRecorded": "1"}
    assert 'value="07:41"' in both
    assert "Rien n’avait changé" in (await one.sends(ROSTER, **where, **form_of(both))).text
    wrong = await one.sends(ROSTER, **where, **form_of(both) | {f"depart-{amalia}": "06:00"})
    assert (wrong.status_code, 'value="06:00"' in wrong.text) == (422, True)
    rest = (await one.sends(ROSTER, **where, faire="tous", **form_of(both))).text
    assert counts(rest) == {"present": "2", "absent": "1", "notRecorded": "0"}
    searched = (await one.opens(ROSTER, **where, chercher="nina")).text
    assert "Marquer présent : Nina MARTIN" in searched
    nina = town.named("nina")
    came = (await one.sends(ROSTER, **where, enfant=nina, **{f"presence-{nina}": "PRESENT"})).text
    assert "sans réservation" in came
    closed = (await one.sends(f"{ROSTER}/clore", **where)).text
    assert "Journée close" in closed
    assert "disabled" in closed
    assert "data-print" in closed, "and is printed all the same"
    refused = await one.sends(f"{ROSTER}/cocher", **where, enfant=nina, presence="NOT_RECORDED")
    assert refused.json()["code"] == "DAY_CLOSED"
    assert 'id="motif-erreur"' in (await one.sends(f"{ROSTER}/rouvrir", **where, motif="")).text
    assert "La journée est rouverte" in (await one.sends(f"{ROSTER}/rouvrir", **where, motif="Oubli d’un enfant")).text


async def test_on_a_tablet_nothing_is_wider_than_the_screen_and_all_can_be_touched(browse: Browse, found: Found) -> None:
    town, page = await a_town(found), await browse(TABLET)
    await signs_in(page, town, "agent")
    number = town.file["families"][0]["number"]
    roster = f"{ROSTER}?activite={town.named('aps')}&date={day_of(town).isoformat()}"
    for path in (roster, f"/bureau/familles/{number}", f"/bureau/paiements?famille={number}"):
        await page.goto(path)
        assert (await too_wide(page, TABLET["viewport"]["width"]), await axe(page)) == ([], []), path


async def test_no_tick_is_lost_without_a_network(browse: Browse, found: Found, visitor: MakeVisitor, watch: Any) -> None:
    town = await a_town(found)
    watch.expected.append("ERR_INTERNET_DISCONNECTED")
    page = await browse(PHONE)
    await signs_in(page, town, "agent")
    await page.goto(f"{ROSTER}?activite={town.named('aps')}&date={day_of(town).isoformat()}")

    def tick(child: str, kind: str) -> Any:
        return page.locator(f'[data-child="{town.named(child)}"] .{kind} input').check()

    await tick("amalia", "PRESENT")
    await expect(page.locator("[data-count=present]")).to_have_text("1")
    await page.context.set_offline(True)
    await tick("paolo", "PRESENT")
    await tick("zoe", "ABSENT_UNJUSTIFIED")
    await page.wait_for_selector("#file:not([hidden])")
    assert "À envoyer : 2" in await page.inner_text("#file")
    assert await axe(page) == []
    await page.context.set_offline(False)
    await page.reload()
    await expect(page.locator("[data-count=absent]")).to_have_text("1")  # What broke off is tried again after 5 s.
    await expect(page.locator(".sending")).to_have_count(0)
    assert await page.inner_text("[data-count=present]") == "2"
    # Sent while the page that is shown now was on its way, which may be older: it is sent once more.
    await page.evaluate(
        """told => localStorage.setItem(`preau-pointage ${document.getElementById('pointage').dataset.account} ${told.activite} ${told.date} ${
          told.enfant}`, JSON.stringify({ ...told, sent: Date.now() + 60000 }))""",
        {"activite": town.named("aps"), "date": day_of(town).isoformat(), "enfant": town.named("paolo"), "name": "DUPONT Paolo", "at": 1}
        | {"presence": "PRESENT", "arrivee": "", "depart": "", "note": ""},
    )
    async with page.expect_response("**/bureau/pointage/cocher") as taken:
        await page.reload()
    assert (await taken.value).ok
    await expect(page.locator("[data-count=present]")).to_have_text("2")
    # Ticked while somebody else closed the day: it says so, and shows what holds.
    await page.context.set_offline(True)
    await tick("zoe", "PRESENT")
    other = visitor()
    await other.signs_in(town, "agent")
    await other.sends(f"{ROSTER}/clore", activite=town.named("aps"), date=day_of(town).isoformat())
    await page.context.set_offline(False)
    await page.wait_for_selector("#refus:not([hidden])")
    assert "MARTIN Zoe" in await page.inner_text("#refus")
    assert await page.locator(f'[data-child="{town.named("zoe")}"] .ABSENT_UNJUSTIFIED input').is_checked()
    assert await page.evaluate("localStorage.length") == 0


async def test_todays_roster_opens_without_a_network_and_for_nobody_else(browse: Browse, found: Found, watch: Any) -> None:
    town = await a_town(found)
    watch.expected += ["ERR_INTERNET_DISCONNECTED", "ERR_FAILED"]
    page = await browse(PHONE)
    await signs_in(page, town, "agent")
    roster = f"{ROSTER}?activite={town.named('aps')}&date={day_of(town).isoformat()}"

    def tick(child: str, kind: str) -> Any:
        return page.locator(f'[data-child="{town.named(child)}"] .{kind} input')

    script = """async () => { const cache = await caches.open('preau-pointage'), kept = await cache.keys();
      return kept.filter(each => new URL(each.url).pathname === '/bureau/pointage').length }"""

    async def keeps(count: int) -> None:
        """Pages of rosters, and lists of them."""

        async def does() -> bool:
            return bool(await page.evaluate(script) == count)

        await until(does)

    await page.goto(roster)
    await keeps(1)
    await tick("amalia", "PRESENT").check()

    async def is_newer() -> bool:
        return bool(await page.evaluate("localStorage.length === 0"))

    await until(is_newer)  # What was sent is on the copy, too.
    await page.context.set_offline(True)
    await page.reload()
    await expect(page.locator("#file")).to_contain_text("Sans réseau : liste de")
    await expect(tick("amalia", "PRESENT")).to_be_checked()
    assert await axe(page) == []
    await tick("zoe", "ABSENT_JUSTIFIED").check()
    await page.reload()
    await expect(tick("zoe", "ABSENT_JUSTIFIED")).to_be_checked()
    await expect(page.locator("#file")).to_contain_text("À envoyer : 1")
    await page.goto(f"{ROSTER}?date={next_days(1)[0].isoformat()}")
    await expect(page.locator("h1")).to_have_text("Pas de réseau")
    await page.goto(roster)
    await page.context.set_offline(False)
    await expect(page.locator("html:not([data-kept])")).to_have_count(1)  # It loads anew by itself, once all is sent.
    await expect(page.locator("[data-count=absent]")).to_have_text("1")
    # Who signs out leaves nothing behind.
    await keeps(1)
    await page.goto(ROSTER)
    await keeps(2)
    await page.locator('form[action="/deconnexion"] button').click()
    await page.wait_for_url("**/connexion**")
    await keeps(0)
    # Nor is anything of one account shown to another, or after its day.
    await signs_in(page, town, "agent")
    plant = """async () => { const cache = await caches.open('preau-pointage'), [key] = (await cache.keys()).filter(each =>
      new URL(each.url).pathname === '/bureau/pointage'), page = await cache.match(key, { ignoreVary: true });
      const [, day, until] = page.headers.get('preau-garde').split(' '), headers = new Headers(page.headers);
      headers.set('preau-garde', `somebody ${day} ${until}`);
      await cache.put('/bureau/pointage?activite=other', new Response('their roster', { headers }));
      headers.set('preau-garde', `somebody ${day} 1`);
      await cache.put('/bureau/pointage?activite=old', new Response('an old roster', { headers })); }"""

    async def says_that_there_is_no_network() -> bool:
        """Once the page is through with looking whose copies these are: where it finds another's, all go, this page too."""
        await page.context.set_offline(False)
        await page.goto(roster)
        await keeps(1)
        await until(lambda: page.evaluate("caches.match('/bureau/pointage/hors-ligne', { ignoreVary: true }).then(Boolean)"))
        await page.evaluate(plant)
        await page.context.set_offline(True)
        try:
            await page.goto(f"{ROSTER}?activite=old")
        except Error:
            return False
        assert "an old roster" not in await page.content()
        return await page.locator("h1").inner_text() == "Pas de réseau"

    await until(says_that_there_is_no_network)
    # Nor does whoever signs in here after somebody who never signed out find their copies, though it is no agent.
    await page.context.set_offline(False)
    await page.goto(roster)
    await keeps(1)
    await signs_in(page, town, "dupont")
    await page.goto("/aide")
    await keeps(0)


async def test_a_day_gets_other_places_and_is_closed_for_a_reason_that_families_read(visitor: MakeVisitor, found: Found) -> None:
    town, one = await at_the_desk(visitor, found)
    (day,) = next_days(1)
    path = f"/bureau/activites/{town.named('aps')}"
    assert 'name="places-avant" value="10"' in await shown(one, f"{path}?jour={day.isoformat()}")
    for odd in ("9999-12", "0001-01", "décembre"):
        assert (await one.opens(path, mois=odd)).status_code == 200, odd
    was = {"jour": day.isoformat(), "ouvert-avant": "oui", "places-avant": "10", "ouvert": "oui"}
    assert (await one.sends(f"{path}/jour", **was, places="beaucoup")).status_code == 422
    fewer = (await one.sends(f"{path}/jour", **was, places="7")).text
    assert "0 / 7" in fewer
    await one.sends(f"{path}/jour", **was | {"places-avant": "7", "ouvert": "non"}, places="7", motif="Panne de chauffage")
    parent = await town.sign_in("dupont")
    calendar = """query($activity: ID!, $month: YearMonth!) { me { families { children { id
      calendar(activity: $activity, month: $month) { days { date reason } } } } } }"""
    about = {"activity": town.named("aps"), "month": f"{day:%Y-%m}"}
    children = (await parent.ask(calendar.replace("$child: ID!, ", ""), {k: v for k, v in about.items() if k != "child"}))["me"][
        "families"
    ][0]
    days = {each["date"]: each["reason"] for each in children["children"][0]["calendar"]["days"]}
    assert "Panne de chauffage" in days[day.isoformat()]
    roster = await shown(one, f"{ROSTER}?activite={town.named('aps')}&date={day.isoformat()}")
    assert re.findall(r"(?:Fermé : )+Panne de chauffage", roster) == ["Fermé : Panne de chauffage"], "said once"


async def test_a_run_is_rehearsed_and_tells_why(visitor: MakeVisitor, found: Found) -> None:
    rule = {"scheduled_at": half_a_day_away(), "policy": "arrival"}
    town = await found(activities=[activity("aps", capacity=1, allocation=rule)], families=[family("dupont", children=("amalia", "paolo"))])
    parent, one = await town.sign_in("dupont"), visitor()
    (day,) = next_days(1)
    await parent.submits([parent.line(day, child="amalia"), parent.line(day, child="paolo")])
    await one.signs_in(town, "agent")
    path = f"/bureau/activites/{town.named('aps')}"
    rehearsal = (await one.sends(f"{path}/essai")).text
    assert "Acceptées : 1, en attente : 1, refusées : 0." in rehearsal
    assert "Ceci est un essai" in rehearsal
    assert f'action="{path}/repartition"' in rehearsal
    (key,) = re.findall(r'name="cle" value="([^"]+)"', rehearsal)
    decided = (await one.sends(f"{path}/repartition", cle=key)).text
    assert ("La répartition est faite." in decided, "Acceptées : 1, en attente : 1" in decided, "1 sur 2" in decided) == (True, True, True)
    assert len(set(re.findall(r'href="(/bureau/repartitions/[^"]+)"', await shown(one, path)))) == 1
    # Sent again, as after an outage, it is the same run, though somebody has asked since.
    *_, other = next_days(2)
    await parent.submits([parent.line(other, child="amalia")])
    again = await one.sends(f"{path}/repartition", cle=key)
    assert (again.status_code, str(again.url).endswith("/1"), "La répartition est faite." in again.text) == (200, True, True)
    assert len(set(re.findall(r'href="(/bureau/repartitions/[^"]+)"', await shown(one, path)))) == 1
    await one.sends(f"{path}/repartition", cle="another")
    again = await one.sends(f"{path}/repartition", cle="a third one")
    assert (again.status_code, "n’attend de répartition" in again.text) == (422, True)
    assert "Empreinte publiée avant" in decided


async def test_an_agent_books_cancels_and_lets_in_again(visitor: MakeVisitor, found: Found) -> None:
    town, one = await at_the_desk(visitor, found)
    number = town.file["families"][0]["number"]
    assert number in (await one.opens("/bureau/familles", chercher="amal")).text
    path = f"/bureau/familles/{number}"
    sent = {"famille": town.named("dupont"), "cle": "one", "quoi": f"{town.named('amalia')} {town.named('aps')}", "attente": "oui"}
    first, last = next_days(2)
    when = {"du": first.isoformat(), "au": last.isoformat()}
    assert 'id="motif-erreur"' in (await one.sends(f"{path}/reserver", **sent, **when, motif="")).text
    unread = (await one.sends(f"{path}/reserver", **sent | {"attente": ""}, du="demain", motif="Appel")).text
    assert 'id="du-erreur"' in unread
    assert 'name="attente" value="oui" checked' not in unread, "what was unticked stays so"
    for _ in range(2):  # Twice sent is once booked.
        booked = (await one.sends(f"{path}/reserver", **sent, **when, motif="Appel du père")).text
    parent = await town.sign_in("dupont")
    standing = {day: status for day, status in (await parent.bookings()).items() if day != day_of(town).isoformat()}
    assert standing == {first.isoformat(): "ACCEPTED", last.isoformat(): "ACCEPTED"}
    *_, other = next_days(3)
    moving = {"cle": "moved", "deplacer": re.findall(r'name="reservation" value="([^"]+)"', booked)[-1], "motif-deplacer": "Appel"}
    taken = await one.sends(f"{path}/deplacer", **moving, **{"deplacer-jour": first.isoformat()})
    assert (taken.status_code, 'id="deplacer-jour-erreur"' in taken.text, 'value="Appel"' in taken.text) == (422, True, True)
    assert 'value="moved"' not in taken.text, "another day is another order"
    moving["cle"] = "moved-elsewhere"
    assert (
        'id="motif-deplacer-erreur"'
        in (await one.sends(f"{path}/deplacer", **moving | {"motif-deplacer": ""}, **{"deplacer-jour": other.isoformat()})).text
    )
    moved = (await one.sends(f"{path}/deplacer", **moving, **{"deplacer-jour": other.isoformat()})).text
    assert "La réservation est déplacée au" in moved
    standing = {day: status for day, status in (await parent.bookings()).items() if day != day_of(town).isoformat()}
    assert standing == {first.isoformat(): "ACCEPTED", other.isoformat(): "ACCEPTED"}
    chosen = re.findall(r'name="reservation" value="([^"]+)"', moved)[-2:]
    away = {"famille": town.named("dupont"), "cle": "two", "reservation": chosen, "motif-annuler": "Malade"}
    assert "Annulé" in (await one.sends(f"{path}/annuler", **away)).text
    assert {day for day in await parent.bookings() if day != day_of(town).isoformat()} == set()
    (account,) = re.findall(r'name="compte" value="([^"]+)"', booked)
    paper = await one.sends(f"{path}/code", compte=account, cle="three", identifiant="dupont", **{f"motif-{account}": "Oubli"})
    assert re.search(r'class="bigcode">[A-Z0-9-]{14}<', paper.text)
    assert paper.headers["cache-control"] == "no-store"


def test_whatever_agents_did_with_money_has_words() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in Path("services/billing").glob("*.py"))
    kinds = {*re.findall(r'\bDone\("([A-Z_]+)"', sources), EMPTIED}
    assert len(kinds) == 8
    assert {f"MONEY_ACT_{kind}" for kind in kinds} <= TEXTS.keys()


async def test_s11_a_payment_is_recorded_once_to_the_cent_and_reversed_with_a_reason(visitor: MakeVisitor, found: Found) -> None:
    town, one = await at_the_desk(visitor, found)
    number, wallet = town.file["families"][0]["number"], town.file["wallets"][0]["id"]
    page = (await one.opens("/bureau/paiements", famille=number)).text
    assert "n° de pièce" in page.lower()
    amount = f"montant-{wallet}"
    sent = {
        "famille": number,
        "id": town.named("dupont"),
        "cle": "k",
        "mode": "CHEQUE",
        "payeur": "GUIDE DENIS",
        "date": day_of(town).isoformat(),
    }
    without_number = (await one.sends("/bureau/paiements", **sent, **{amount: "50,00"})).text
    assert 'id="piece-erreur"' in without_number
    assert 'name="cle" value="k"' in without_number, "sent again, what was recorded already is not recorded twice"
    assert 'id="date-erreur"' in (await one.sends("/bureau/paiements", **sent | {"date": "hier"}, **{amount: "50,00"})).text
    assert f'id="{amount}-erreur"' in (await one.sends("/bureau/paiements", **sent, **{amount: "cinquante"})).text
    cheque = sent | {"piece": "2578012", "banque": "CREDIT AGRICOLE", amount: "50,07"}
    for _ in range(2):
        paid = (await one.sends("/bureau/paiements", **cheque)).text
    parent = await town.sign_in("dupont")
    assert (await parent.balance())["balanceCents"] == 50_07
    assert "Chèque 2578012, GUIDE DENIS, CREDIT AGRICOLE" in paid
    (payment,) = re.findall(r'name="reglement" value="([^"]+)"', paid)
    back = {"famille": number, "reglement": payment}
    assert (await one.sends("/bureau/paiements/contrepasser", **back, **{f"motif-{payment}": ""})).status_code == 422
    await one.sends("/bureau/paiements/contrepasser", **back, **{f"motif-{payment}": "Chèque sans provision"})
    assert (await parent.balance())["balanceCents"] == 0


async def test_s2_an_announcement_is_published_changed_and_withdrawn(visitor: MakeVisitor, found: Found) -> None:
    town, one = await at_the_desk(visitor, found)
    parent = visitor()
    await parent.signs_in(town, "dupont")
    assert (await one.sends("/bureau/annonces", cle="a", titre="", texte="Rien")).status_code == 422
    unread = (await one.sends("/bureau/annonces", cle="a", titre="Grève", texte="Mardi", du="demain")).text
    assert 'id="du-erreur"' in unread
    until = (day_of(town) + dt.timedelta(days=3)).isoformat()
    shown = (await one.sends("/bureau/annonces", cle="b", titre="Grève mardi", texte="Pas de cantine.", au=until)).text
    assert f'value="{until}"' in shown
    assert "Grève mardi" in (await parent.opens("/")).text
    (id,) = re.findall(r'name="annonce" value="([^"]+)"', shown)[:1]
    changed = {f"titre-{id}": "Grève jeudi", f"texte-{id}": "Pas de cantine.", f"au-{id}": until}
    await one.sends("/bureau/annonces/modifier", annonce=id, cle="c", **changed)
    assert "Grève jeudi" in (await parent.opens("/")).text
    assert (await one.sends("/bureau/annonces/retirer", annonce=id, cle="d")).status_code == 422
    await one.sends("/bureau/annonces/retirer", annonce=id, cle="d", **{f"motif-retrait-{id}": "Grève levée"})
    assert "Grève jeudi" not in (await parent.opens("/")).text


async def test_s2_an_announcement_for_everybody_stands_at_the_door_until_it_is_for_families_or_gone(
    visitor: MakeVisitor, found: Found, browse: Browse
) -> None:
    """All towns of the run have one door: nothing of this may be left there."""
    town, one = await at_the_desk(visitor, found)
    stranger, title = visitor(), f"Inscriptions {town.structure} " + "é" * 60
    body = "Le 1er décembre à 8 h.\r\n\r\n" + "W" * 60

    async def at_the_door(is_there: bool, words: str = title) -> None:
        async def so() -> bool:
            return (words in (await stranger.opens("/connexion")).text) is is_there

        await until(so)

    shown = (await one.sends("/bureau/annonces", cle="a", titre=title, texte=body, tous="oui")).text
    assert "pour tout le monde" in shown
    (id,) = re.findall(r'name="annonce" value="([^"]+)"', shown)[:1]
    await at_the_door(True)
    assert re.search(f'name="tous-{id}"[^>]* checked', shown)
    for size in (DESKTOP, PHONE):
        page = await browse(size)
        shown_there = page.locator("#annonces ~ details[open]").filter(has_text=title)

        async def is_there(page: Page = page, shown: Locator = shown_there) -> bool:
            """The page waits for a moment alone for what everybody is told."""
            await page.goto("/connexion")
            return await shown.count() == 1

        await until(is_there)
        await expect(shown_there).to_contain_text("Le 1er décembre à 8 h.")
        await is_sound(page, "door")
    changed = {f"titre-{id}": title, f"texte-{id}": body}
    wrong = (await one.sends("/bureau/annonces/modifier", annonce=id, cle="b", **changed, **{f"au-{id}": "demain"})).text
    assert re.search(f'name="tous-{id}"[^>]* checked', wrong) is None, "as it was sent"
    quiet = await one.sends("/bureau/annonces/modifier", annonce=id, cle="b", **changed)
    assert re.search(f'name="tous-{id}"[^>]* checked', quiet.text) is None
    await at_the_door(False)
    await one.sends("/bureau/annonces/modifier", annonce=id, cle="c", **changed, **{f"tous-{id}": "oui"})
    await at_the_door(True)
    wrong = (await one.sends("/bureau/annonces/retirer", annonce=id, cle="d", **{f"motif-retrait-{id}": ""})).text
    assert re.search(f'name="tous-{id}"[^>]* checked', wrong), "a wrong reason keeps nothing back"
    await one.sends("/bureau/annonces/retirer", annonce=id, cle="d", **{f"motif-retrait-{id}": "Erreur de date"})
    await at_the_door(False)
