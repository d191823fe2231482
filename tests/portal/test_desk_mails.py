"""Mails that did not arrive, and what the services could not handle, at the agents' desk."""

import asyncio
import html
import re

from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import Family, Town, activity, family, next_days
from tests.portal.conftest import MakeVisitor
from tests.portal.planted import bury, delay, fail_mails
from tests.portal.visitor import Visitor

MAILS, DEAD_LETTERS = "/bureau/courriers", "/bureau/messages-en-echec"


async def at_the_desk(visitor: MakeVisitor, found: Found, language: str = "fr") -> tuple[Town, Family, Visitor]:
    """A family with a report, and an agent."""
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    dupont, one = await town.sign_in("dupont"), visitor()
    assert await dupont.asks(*next_days(1)) == ["ACCEPTED"]
    await until(dupont.mails)
    await one.signs_in(town, "agent")
    await one.opens("/bureau", lang=language)
    return town, dupont, one


def said(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", page.partition("<main")[2]))


async def test_a_mail_that_was_given_up_is_seen_and_sent_again(visitor: MakeVisitor, found: Found, system: System) -> None:
    town, dupont, one = await at_the_desk(visitor, found)
    failed: list[str] = []

    async def is_failed() -> bool:  # That it was sent is written a moment after the mail server has it.
        failed.extend(await fail_mails(system, town.structure))
        return bool(failed)

    await until(is_failed)
    front = (await one.opens("/bureau")).text
    assert "1 courrier en échec" in front
    page = (await one.opens(MAILS)).text
    told = said(page)
    assert "Le serveur du destinataire ne connaît pas cette adresse." in told
    assert "j***@example.org" in told
    assert "jp.dupont" not in page
    number = town.file["families"][0]["number"]
    assert f'href="/bureau/familles/{number}">Corriger' in page
    again = (await one.sends(f"{MAILS}/renvoyer", courrier=failed[0], etat="a-regarder")).text
    assert "Le courrier est remis à l’envoi." in said(again)
    trail = said((await one.opens("/bureau/journal", partie="MAILS")).text)
    assert ("Courrier renvoyé" in trail, number in trail) == (True, True)

    async def twice() -> bool:
        return len(await dupont.mails()) == 2

    await until(twice)

    async def listed() -> bool:
        return failed[0] in (await one.opens(MAILS, etat="envoyes")).text

    await until(listed)
    gone = await one.sends(f"{MAILS}/renvoyer", courrier=failed[0], etat="envoyes")
    assert (gone.status_code, "il ne se renvoie pas" in gone.text, f'href="#courrier-{failed[0]}"' in gone.text) == (422, True, True)


async def test_a_mail_that_fails_is_given_up_and_comes_back_all_the_same(visitor: MakeVisitor, found: Found, system: System) -> None:
    town, _, one = await at_the_desk(visitor, found, "en")
    failed: list[str] = []

    async def is_failed() -> bool:
        failed.extend(await fail_mails(system, town.structure))
        return bool(failed)

    await until(is_failed)
    await delay(system, failed[0])
    page = said((await one.opens(MAILS)).text)
    assert ("asks to wait" in page, "Next try on" in page, "3 tries" in page) == (True, True, True)
    assert not re.search(r"\b(Renvoyer|Abandonner|courriers?|essais?|échec)\b", page)
    given_up = said((await one.sends(f"{MAILS}/abandonner", courrier=failed[0], etat="a-regarder")).text)
    assert ("is not tried any more" in given_up, "No mail has failed." in given_up) == (True, True)
    assert failed[0] in (await one.opens(MAILS, etat="retires")).text
    assert "is being sent again" in said((await one.sends(f"{MAILS}/renvoyer", courrier=failed[0], etat="retires")).text)
    assert (await one.opens(MAILS, etat="nonsense", apres="nonsense")).status_code < 500


async def test_what_could_not_be_handled_is_seen_and_handled_again(visitor: MakeVisitor, found: Found, system: System) -> None:
    town, _, one = await at_the_desk(visitor, found)
    good, bad = await bury(system, "billing", town.structure), await bury(system, "mailer", town.structure, type_="eu.preau.nobody.knows")
    assert "2 messages en échec" in (await one.opens("/bureau")).text
    page = (await one.opens(DEAD_LETTERS)).text
    assert ("Structure modifiée" in page, "KANARINSKI" in page) == (True, False)
    done = (await one.sends(f"{DEAD_LETTERS}/reessayer", service="billing", message=good)).text
    assert ("Le message est traité." in done, good in done, bad in done) == (True, False, True)
    stays = await one.sends(f"{DEAD_LETTERS}/reessayer", service="mailer", message=bad)
    assert (stays.status_code, "ne peut toujours pas être traité" in stays.text) == (422, True)
    gone = await one.sends(f"{DEAD_LETTERS}/reessayer", service="billing", message=good)
    assert (gone.status_code, "n’est plus en échec" in gone.text) == (422, True)
    assert (await one.sends(f"{DEAD_LETTERS}/reessayer", service="kitchen", message=good)).status_code == 200
    assert "Failed message handled" in (await one.opens("/bureau/paiements", lang="en")).text


async def test_nobody_else_finds_anything(visitor: MakeVisitor, found: Found, system: System) -> None:
    town, _, _ = await at_the_desk(visitor, found)
    letter = await bury(system, "booking", town.structure)
    parent, stranger = visitor(), visitor()
    await parent.signs_in(town, "dupont")
    other = await found(activities=[activity("aps")], families=[family("leroy")])
    await stranger.signs_in(other, "agent")
    for path in (MAILS, DEAD_LETTERS):
        assert (await parent.opens(path)).status_code == 403, path
    assert letter not in (await stranger.opens(DEAD_LETTERS)).text
    refused = await stranger.sends(f"{DEAD_LETTERS}/reessayer", service="booking", message=letter)
    assert (refused.status_code, "n’est plus en échec" in refused.text) == (422, True)
    assert (await stranger.sends(f"{MAILS}/renvoyer", courrier="nobodys", etat="")).status_code == 422


async def test_while_the_mailer_is_away_the_rest_is_there(visitor: MakeVisitor, found: Found, system: System) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    letter = await bury(system, "booking", town.structure)
    name = await asyncio.to_thread(system.start_another, "gateway", MAILER_URL="http://127.0.0.1:1")
    try:
        one = visitor()
        one.client.base_url = f"http://127.0.0.1:{system.ports[name]}"
        await one.signs_in(town, "agent")
        page = await one.opens(DEAD_LETTERS)
        assert (page.status_code, letter in page.text, "Pas disponible pour le moment." in page.text) == (200, True, True)
        assert "Les courriers ne sont pas disponibles" in page.text
        assert (await one.opens("/bureau/pointage")).status_code == 200
        mails = await one.opens(MAILS)
        assert (mails.status_code, "Les courriers ne sont pas disponibles" in mails.text) == (200, True)
        unsent = await one.sends(f"{MAILS}/renvoyer", courrier="a", etat="")
        assert (unsent.status_code, "Le service ne répond pas" in unsent.text) == (503, True)
    finally:
        await asyncio.to_thread(system.terminate, name)
