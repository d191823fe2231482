"""What the town wrote is French, and an English page says so of each such text (RGAA 8.7), so that it is read aloud as what it is."""

import re
from datetime import timedelta

from tests.flows.conftest import Found
from tests.flows.town import activity, family, today
from tests.portal.conftest import MakeVisitor
from tests.portal.paged import ACCOUNT, Guest, Identity
from tests.portal.test_frame import signs_in
from tests.portal.visitor import unmarked

#: In each name and each reason that the town has here; its wallets and itself are called so by tests.flows.town.
OWN = ("Zargl", "PERISCOLAIRE", "Mairie")


async def test_8_7_names_and_reasons_of_the_town_are_marked_as_french(found: Found, visitor: MakeVisitor) -> None:
    closed, month = (today() + timedelta(days=20)).isoformat(), f"{today():%Y-%m}"
    etude = activity("etude", name="Zargl étude", hours={"from": "16:30", "to": "18:30", "step_minutes": 15}, capacity=0)
    aps = activity("aps", name="Zargl APS", closed_because={closed: "Zargl travaux"})
    aps["open_on"] = [f"today+{n}d" for n in range(1, 120) if n != 20]
    town = await found(activities=[aps, etude], families=[family("dupont", children=("amalia",), activities=("aps", "etude"))])
    agent, parent = visitor("en"), visitor("en")
    await agent.signs_in(town, "agent", "/bureau?lang=en")
    number, wallet = town.file["families"][0]["number"], town.named("periscolaire")
    about = {"famille": number, "id": town.named("dupont"), "cle": "k", "date": today().isoformat()}
    paid = await agent.sends("/bureau/paiements", **about, mode="CASH", payeur="M. DUPONT", **{f"montant-{wallet}": "50"})
    assert paid.status_code == 200
    back = {"porte": wallet, "mode": "CASH", "beneficiaire": "M. DUPONT", "montant": "20", "motif": "Zargl trop payé"}
    done = await agent.sends("/bureau/paiements/rembourser", **about, **{f"rembourser-{name}": value for name, value in back.items()})
    assert (done.status_code, "Zargl trop payé" in done.text) == (200, True)
    day = (today() + timedelta(days=30)).isoformat()
    asked = {"famille": town.named("dupont"), "cle": "one", "attente": "oui", "du": day, "au": day, "motif": "Zargl appel"}
    for name in ("aps", "etude"):
        asked |= {"quoi": f"{town.named('amalia')} {town.named(name)}", "cle": name}
        assert (await agent.sends(f"/bureau/familles/{number}/reserver", **asked)).status_code == 200
    await parent.signs_in(town, "dupont", "/?lang=en")
    requests = re.findall(r'href="(/demandes/[^"/?]+)"', (await parent.opens("/demandes")).text)
    child, one, other = town.named("amalia"), town.named("aps"), town.named("etude")
    of_family = ["/", "/profil", "/demandes", *requests[:1], "/reservations", f"/historiques/reglements/{month}", "/soldes", "/paiement"]
    of_family += [f"/reserver?enfant={child}&activite={one}", f"/reserver/jour?enfant={child}&date={closed}"]
    of_family += [f"/reserver/jour?enfant={child}&date={day}", f"/reserver/copier?enfant={child}&activite={one}&vers={child}:{other}"]
    at_desk = [f"/bureau/pointage?activite={one}&date={closed}", f"/bureau/activites/{one}?mois={closed[:7]}", "/bureau/nouvelle-activite"]
    at_desk += [
        f"/bureau/activites/{one}?jour={closed}",
        f"/bureau/activites/{one}/reglages",
        "/bureau/attente",
        f"/bureau/familles/{number}",
    ]
    at_desk += [f"/bureau/attente?activite={other}&date={day}", f"/bureau/paiements?famille={number}", "/bureau/paiements/operations"]
    at_desk += ["/bureau/journal?partie=ACTIVITIES", "/bureau/journal?partie=REGISTER", f"/bureau/familles/{number}/dossier"]
    bare, said = dict[str, list[str]](), ""
    for who, paths in ((parent, of_family), (agent, at_desk)):
        for path in paths:
            page = await who.opens(path)
            assert (page.status_code, '<html lang="en"' in page.text) == (200, True), path
            said += page.text
            if wrong := unmarked(page.text, *OWN):
                bare[path] = wrong
    assert bare == {}
    for words in ("Zargl travaux", "Zargl trop payé", "Zargl appel", "Zargl étude</span> asks for hours", "Zargl APS", *OWN):
        assert words in said, words


async def test_8_7_structures_to_choose_from_are_marked_as_french(guest: Guest, identity: Identity) -> None:
    def structure(id: str) -> dict[str, str]:
        return {"id": id, "name": f"Zargl {id}", "timezone": "Europe/Paris"}

    await signs_in(guest, identity)
    families = [{"id": id, "number": id, "structure": structure(id)} for id in ("a", "b")]
    identity.says["me"] = ACCOUNT | {"families": families}
    page = await guest.opens("/aide", lang="en")
    assert page.text.count("Zargl") == 3
    assert unmarked(page.text, "Zargl") == []
