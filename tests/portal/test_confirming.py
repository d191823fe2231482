"""The recap, its confirmation and the follow-up through the whole system (P13-P16), as far as HTTP goes (S24, S25, S33-S36)."""

import asyncio
import datetime as dt
import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest_asyncio

from gateway.portal import draft
from gateway.portal.draft import Line
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import Town, activity, family, next_days
from tests.portal.conftest import MakeVisitor
from tests.portal.visitor import Visitor

CENTS = {"wednesday": 7_84, "aps": 1_31, "lunch": 3_79}
DAYS = next_days(4)


@dataclass
class Parent:
    """A visitor with a draft."""

    visitor: Visitor
    town: Town
    name: str

    def line(self, day: dt.date, activity: str = "aps", change: Any = "BOOK", child: str | None = None) -> Line:
        return Line(day, self.town.named(child or f"{self.name}-child"), self.town.named(activity), change)

    def chooses(self, *lines: Line) -> None:
        cookie = draft.cookie(self.town.named(self.name))
        host = self.visitor.client.base_url.host
        domain = host if "." in host else f"{host}.local"  # As Python's jar of cookies calls it.
        self.visitor.client.cookies.set(cookie, draft.written(lines), domain=domain, path="/")

    @property
    def drafted(self) -> list[Line]:
        return draft.read(self.visitor.client.cookies.get(draft.cookie(self.town.named(self.name))) or "")

    async def recap(self, **query: str) -> httpx2.Response:
        return await self.visitor.opens("/recapitulatif", **query)

    async def confirms(self, page: httpx2.Response, **fields: str) -> httpx2.Response:
        hidden = {name: hidden_in(page, name) for name in ("famille", "lignes", "vu", "envoi")}
        return await self.visitor.sends("/recapitulatif", **{**hidden, "acte": "valider", "options": "1", "attente": "1", **fields})


def hidden_in(page: httpx2.Response, name: str) -> str:
    found = re.findall(rf'name="{name}" value="([^"]*)"', page.text)
    assert found, f"no {name} in {text_of(page)}"
    return html.unescape(found[-1])


def text_of(page: httpx2.Response) -> str:
    """What stands in main, without marks."""
    main = re.sub(r"<[^>]+>", " ", page.text[page.text.find("<main") :])
    return re.sub(r"\s+", " ", html.unescape(main)).replace("\u202f", " ").replace("\xa0", " ")


def priced(name: str, **more: Any) -> dict[str, Any]:
    return activity(name, tariff=[{"from": "today-40d", "per": "presence", "bands": [{"cents": CENTS[name]}]}], **more)


@pytest_asyncio.fixture(loop_scope="session")
async def parents(found: Found, visitor: MakeVisitor) -> list[Parent]:
    """Dupont and Martin in a town whose morning care has one place, and two ranks to wait on."""
    activities = [priced("aps", capacity=1, waiting_list=2), priced("lunch"), priced("wednesday")]
    names = tuple(CENTS)
    families = [family(name, activities=names, children=(f"{name}-child", f"{name}-other")) for name in ("dupont", "martin")]
    town = await found(activities=activities, families=families)
    both = [Parent(visitor(), town, name) for name in ("dupont", "martin")]
    for one in both:
        await one.visitor.signs_in(town, one.name)
    return both


async def test_s25_s33_a_draft_is_recapped_and_booked_once_however_often_it_is_confirmed(parents: list[Parent]) -> None:
    dupont, _ = parents
    first, second, third, other = DAYS
    chosen = [dupont.line(first, "wednesday"), dupont.line(second), dupont.line(second, "lunch"), dupont.line(third)]
    dupont.chooses(*chosen)

    page = await dupont.recap()
    assert "Total 14,25 €" in text_of(page)
    assert "Vos demandes ne sont pas encore enregistrées" in text_of(page)
    assert "Valider mes 4 demandes" in text_of(page)

    dupont.chooses(*chosen, dupont.line(other))  # In another tab, meanwhile: it stays.
    twice = await asyncio.gather(dupont.confirms(page), dupont.confirms(page))
    back = await dupont.confirms(page)
    assert {str(each.url) for each in (*twice, back)} == {str(back.url)}
    assert "/demandes/" in str(back.url)
    assert "Vos demandes sont acceptées" in text_of(back)
    assert dupont.drafted == [dupont.line(other)]
    drawn = await dupont.recap(vu="A1")
    assert ("1 demande a changé pendant" in text_of(drawn), 'role="alert"><svg' in drawn.text) == (True, False)
    assert "preau_envoi" not in " ".join(drawn.headers.get_list("set-cookie")), "it may come late, and what it would leave was used up"
    assert "preau_envoi" in " ".join((await dupont.recap()).headers.get_list("set-cookie"))
    live = await dupont.visitor.client.get(f"/direct{back.url.path.replace('demandes', 'demande')}")
    assert ("event: next" in live.text, '"decided":true' in live.text, "event: complete" in live.text) == (True, True, True), live.text
    assert text_of(await dupont.visitor.opens("/demandes")).count("Demande n°") == 1


async def test_s24_whoever_is_second_for_the_last_place_sees_what_changed_before_anything_is_sent(parents: list[Parent]) -> None:
    dupont, martin = parents
    pages = []
    for one in parents:
        one.chooses(one.line(DAYS[0]))
        pages.append(await one.recap())
        assert "Place disponible" in text_of(pages[-1])
    await dupont.confirms(pages[0])

    again = await martin.confirms(pages[1])
    assert (again.status_code, "1 demande a changé" in text_of(again)) == (422, True)
    assert "Liste d’attente, position 1 Avant : place disponible" in text_of(again)
    assert text_of(await martin.visitor.opens("/demandes")).count("Demande n°") == 0, "nothing was sent"

    done = await martin.confirms(again)
    assert "Mise en liste d’attente, position 1" in text_of(done)


async def test_s24_two_who_confirm_at_once_have_one_place_between_them(parents: list[Parent]) -> None:
    for one in parents:
        one.chooses(one.line(DAYS[1]))
    pages = [await one.recap() for one in parents]

    answers = await asyncio.gather(*(one.confirms(page) for one, page in zip(parents, pages, strict=True)))
    told = [text_of(each) for each in answers]
    assert sum("Vos demandes sont acceptées" in each for each in told) == 1
    assert sum("position 1" in each for each in told) == 1


async def test_nobody_else_sees_a_request_and_who_does_not_wait_is_refused(parents: list[Parent]) -> None:
    """S34"""
    dupont, martin = parents
    dupont.chooses(dupont.line(DAYS[2]))
    mine = await dupont.confirms(await dupont.recap())
    assert (await martin.visitor.opens(mine.url.path)).status_code == 404

    martin.chooses(martin.line(DAYS[2]))
    page = await martin.recap(attente="non")
    assert "Non traitée, activité complète" in text_of(page)
    refused = await martin.confirms(page, attente="")
    assert "Vos demandes n’ont pas abouti" in text_of(refused)
    assert "Non traitée, activité complète" in text_of(refused)


async def test_siblings_may_be_kept_together_and_lines_removed_and_brought_back(parents: list[Parent]) -> None:
    dupont, _ = parents
    pair = [dupont.line(DAYS[3]), dupont.line(DAYS[3], child="dupont-other")]
    dupont.chooses(*pair)

    together = await dupont.recap(ensemble="oui")
    assert text_of(together).count("Liste d’attente, position") == 2, "there is one place"
    gone = await dupont.visitor.sends(
        "/recapitulatif", famille=hidden_in(together, "famille"), lignes="", acte="retirer", ligne=draft.written(pair[:1])
    )
    assert "1 choix est retiré." in text_of(gone)
    assert dupont.drafted == pair[1:]
    await dupont.visitor.sends("/brouillon", brouillon=hidden_in(gone, "brouillon"), suite="/recapitulatif")
    assert dupont.drafted == pair

    empty = await dupont.visitor.sends("/recapitulatif", famille=hidden_in(together, "famille"), acte="abandonner")
    assert (dupont.drafted, "Aucun choix en cours" in text_of(empty)) == ([], True)
    assert "<title>Erreur" in (await dupont.recap()).text


async def test_what_is_not_there_any_more_is_left_out_and_said(parents: list[Parent]) -> None:
    dupont, _ = parents
    dupont.chooses(dupont.line(DAYS[0], "lunch"), dupont.line(DAYS[0], "gone"), dupont.line(DAYS[1], child="martin-child"))

    page = text_of(await dupont.recap())
    assert ("2 choix n’existent plus" in page, "Valider ma demande" in page) == (True, True)
    assert dupont.drafted == [dupont.line(DAYS[0], "lunch")]


async def test_a_session_that_ends_before_confirming_keeps_the_draft(parents: list[Parent], system: System) -> None:
    dupont, _ = parents
    dupont.chooses(dupont.line(DAYS[0], "lunch"))
    page = await dupont.recap()
    for name in [name for name in dupont.visitor.client.cookies if "preau_session" in name]:
        dupont.visitor.client.cookies.delete(name)

    door = await dupont.confirms(page)
    assert "/connexion" in str(door.url)
    back = await dupont.visitor.signs_in(dupont.town, dupont.name, suite="/recapitulatif")
    assert "Valider ma demande" in text_of(back)
    assert "Vos demandes sont acceptées" in text_of(await dupont.confirms(back))


async def test_s35_s36_bookings_are_followed_given_back_and_waiting_places_left(parents: list[Parent]) -> None:
    _, martin = parents
    for one in parents:
        one.chooses(one.line(DAYS[0]), one.line(DAYS[1], "lunch"))
        await one.confirms(await one.recap())

    page = await martin.visitor.opens("/reservations")
    assert [word in text_of(page) for word in ("Toutes 2", "Accepté 1", "Liste d’attente 1", "Liste d’attente n° 1")] == [True] * 4
    waiting = await martin.visitor.opens("/reservations", statut="attente")
    left = await martin.visitor.sends("/reservations?statut=attente", acte="quitter", reservation=hidden_in(waiting, "reservation"))
    assert "Liste d’attente quittée" in text_of(left)
    assert "« Annuler » refait la demande" in text_of(left)
    assert "Vous n’êtes sur aucune liste d’attente" in text_of(left)
    undone = await martin.visitor.sends("/brouillon", brouillon=hidden_in(left, "brouillon"), suite=hidden_in(left, "suite"))
    assert (undone.url.path, martin.drafted) == ("/recapitulatif", [martin.line(DAYS[0])])
    assert "Liste d’attente, position 1" in text_of(undone), "at the end of the line, of which the recap tells"
    martin.chooses()

    again = await martin.visitor.sends("/reservations?statut=attente", acte="quitter", reservation=hidden_in(waiting, "reservation"))
    assert "n’est plus en liste d’attente" in text_of(again)
    none = await martin.visitor.sends("/reservations", acte="annuler")
    assert (none.status_code, "Cochez au moins une réservation" in text_of(none)) == (422, True)
    line = draft.written([martin.line(DAYS[1], "lunch", "CANCEL")])
    recap = await martin.visitor.sends("/reservations", acte="annuler", ligne=line)
    assert "−3,79 €" in text_of(recap)
    assert "Annulation enregistrée" in text_of(await martin.confirms(recap))
    assert "Annulé 2" in text_of(await martin.visitor.opens("/reservations"))


async def test_s35_files_and_calendars_are_reached_from_the_page(parents: list[Parent]) -> None:
    dupont, _ = parents
    dupont.chooses(dupont.line(DAYS[1], "lunch"))
    await dupont.confirms(await dupont.recap())

    listed = await dupont.visitor.opens("/reservations/fichier", format="CSV", du="")
    assert (listed.status_code, "LUNCH" in listed.text) == (200, True)
    child = dupont.town.named("dupont-child")
    made = await dupont.visitor.sends("/reservations", acte="agenda", enfant=child)
    link = re.findall(r'value="([^"]+/ics/[^"]+)"', made.text)[0]
    assert "LUNCH" in (await dupont.visitor.client.get(link, headers={"accept": "*/*"})).text
    assert link not in (await dupont.visitor.opens("/reservations")).text, "it is shown once"
    await dupont.visitor.sends("/reservations", acte="sans-agenda", enfant=child)
    assert (await dupont.visitor.client.get(link)).status_code == 404


async def test_odd_addresses_are_answered_with_a_page(parents: list[Parent]) -> None:
    dupont, _ = parents
    for odd in ("du=2026-02-31", "du=2026-12-01&au=2026-11-01", "du=x", "enfant=nobody", "statut=x&du=", "apres=x"):
        answer = await dupont.visitor.opens(f"/reservations?{odd}")
        assert answer.status_code in (200, 404, 422), (odd, text_of(answer))
        assert ("<title>Erreur" in answer.text) == (answer.status_code == 422), odd


async def test_a_debt_leads_to_paying_and_keeps_the_draft(found: Found, visitor: MakeVisitor) -> None:
    """S21"""
    owes = [{"date": "today-25d", "wallet": "periscolaire", "label": "Reprise de solde", "cents": 1}]
    town = await found(activities=[priced("lunch")], families=[family("dupont", activities=("lunch",), charges=owes)])
    one = Parent(visitor(), town, "dupont")
    await one.visitor.signs_in(town, "dupont")
    one.chooses(one.line(DAYS[0], "lunch"))

    page = await one.recap()
    assert ("débiteur" in text_of(page), 'href="/paiement"' in page.text, len(one.drafted)) == (True, True, 1)


async def test_english_pages_have_no_french_of_ours(parents: list[Parent], visitor: MakeVisitor) -> None:
    one = Parent(visitor(), parents[0].town, "dupont")
    await one.visitor.signs_in(one.town, "dupont")
    one.chooses(one.line(DAYS[0], "lunch"))
    page = await one.recap(lang="en")
    done = await one.confirms(page)
    pages: Iterable[httpx2.Response] = (page, done, await one.visitor.opens("/reservations"), await one.visitor.opens("/demandes"))
    for told, words in zip(pages, ("Check your requests", "Your requests are accepted", "My bookings", "My requests"), strict=True):
        assert words in text_of(told)
        assert not re.search(r"\b(demandes?|réservations|Enfant)\b", text_of(told)), text_of(told)
