"""Pages about somebody whom a service has not heard of yet: events arrive a moment later than who waits for the page, or much later."""

import datetime as dt
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.bus import STREAM
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.test_subscriber import stream
from tests.flows.town import all_heard
from tests.portal.conftest import MakeVisitor
from tests.portal.test_everywhere import small_town
from tests.portal.test_money import text_of

#: Of a family, and of its parent.
DESK = ("/bureau/familles/{number}/dossier", "/bureau/familles/{number}", "/bureau/paiements?famille={number}", "/bureau/familles")
HOME = ("/", "/reservations", "/reserver", "/soldes", "/historiques", "/paiement", "/demandes", "/recapitulatif", "/profil")


@asynccontextmanager
async def deaf(system: System, *services: str) -> AsyncIterator[None]:
    """What these are to hear waits until the end."""
    until = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)
    async with stream(system) as jetstream:
        ears = [(STREAM[internal], each.name) for internal in STREAM for each in await jetstream.consumers_info(STREAM[internal])]
        ears = [(where, name) for where, name in ears if name.removesuffix("-urgent") in services]
        assert {name.removesuffix("-urgent") for _, name in ears} == {*services}

        async def pause(when: dt.datetime) -> None:
            for where, name in ears:
                said = json.dumps({"pause_until": when.isoformat()}).encode()
                answer = json.loads((await jetstream._nc.request(f"$JS.API.CONSUMER.PAUSE.{where}.{name}", said)).data)
                assert "error" not in answer, answer

        await pause(until)
        try:
            yield
        finally:
            await pause(dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
    await all_heard(system)


async def test_a_family_that_others_have_not_heard_of_yet_is_there(system: System, found: Found, visitor: MakeVisitor) -> None:
    town, agent, parent, wrong = await small_town(found), visitor(), visitor(), list[str]()
    await agent.signs_in(town, "agent")
    number, login, word = f"N-{town.structure}", f"petit.{town.structure}", "Trois-canards-sur-la-Loire-42"
    async with deaf(system, "billing", "booking"):
        new = {"cle": "n", "numero": number, "prenom-1": "Léo", "nom-1": "PETIT", "naissance-1": "2019-02-28"}
        made = await agent.sends("/bureau/nouvelle-famille", **new)
        assert (made.status_code, "Léo PETIT" in made.text) == (200, True), text_of(made.text)
        (id,) = set(re.findall(r'name="famille" value="([^"]+)"', made.text))
        person = {"identifiant-adulte": login, "prenom-adulte": "Anne", "nom-adulte": "PETIT", "motdepasse": word}
        await agent.sends(f"/bureau/familles/{number}/dossier/compte", famille=id, cle="a", **person)
        await parent.sends("/connexion", identifiant=login, motdepasse=word)
        for who, paths in ((agent, DESK), (parent, HOME)):
            for path in paths:
                page = await who.opens(path.format(number=number))
                if page.status_code != 200 or not ("PETIT" in page.text or "Léo" in page.text):
                    wrong.append(f"{page.status_code} {path}: {text_of(page.text)[:400]}")
    assert not wrong, "\n".join(wrong)
    assert (await parent.opens("/")).status_code == 200
