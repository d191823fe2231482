"""The agents' desk: families' files, enrolments, invitations, the team, erasures. All by forms, without a browser."""

import datetime as dt
import re
from typing import Any

from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.town import Town, activity, family, next_days, today
from tests.portal.conftest import MakeVisitor
from tests.portal.visitor import Visitor

ENROLLED = """query { me { families { number children { firstName lastName birthDate activities { name } } adults { firstName
  account { login } } } } }"""


async def a_town(found: Found) -> Town:
    week = [activity("aps"), activity("etude", hours={"arrival": "16:30", "departure": "18:00"})]
    return await found(
        activities=week,
        families=[family("dupont", children=("amalia",)), family("martin", children=("zoe",))],
    )


async def at_the_desk(visitor: MakeVisitor, found: Found) -> tuple[Town, Visitor, str, dict[str, Any]]:
    """Town, agent, the address of Dupont's file, and what its forms say of it."""
    town = await a_town(found)
    await town.administrator()
    one = visitor()
    await one.signs_in(town, "agent")
    return town, one, f"/bureau/familles/{town.file['families'][0]['number']}/dossier", {"famille": town.named("dupont"), "cle": "k"}


async def test_a_new_family_with_its_children_and_an_adult_who_signs_in(visitor: MakeVisitor, found: Found) -> None:
    town = await a_town(found)
    one = visitor()
    await one.signs_in(town, "agent")
    assert 'href="/bureau/nouvelle-famille"' in (await one.opens("/bureau/familles")).text
    number = f"N-{town.structure[-8:]}"
    new = {"cle": "n", "numero": number, "prenom-1": "Léo", "nom-1": "PETIT", "naissance-1": "2019-02-28"}
    taken = await one.sends("/bureau/nouvelle-famille", **new | {"numero": town.file["families"][0]["number"]})
    assert (taken.status_code, 'id="numero-erreur"' in taken.text, 'value="Léo"' in taken.text) == (422, True, True)
    assert 'id="naissance-1-erreur"' in (await one.sends("/bureau/nouvelle-famille", **new | {"naissance-1": "hier"})).text
    assert 'id="identifiant-1-erreur"' in (await one.sends("/bureau/nouvelle-famille", **new | {"identifiant-1": "personne.ici"})).text
    for _ in range(2):  # Twice sent is once done.
        made = (await one.sends("/bureau/nouvelle-famille", **new)).text
    assert "Léo PETIT" in made
    (id,) = set(re.findall(r'name="famille" value="([^"]+)"', made))
    login = f"petit.{town.structure[-8:]}".lower()
    path, sent = f"/bureau/familles/{number}/dossier", {"famille": id, "cle": "a"}
    person = {"identifiant-adulte": login, "prenom-adulte": "Anne", "nom-adulte": "PETIT", "courriel-adulte": "anne@example.org"}
    assert 'id="prenom-adulte-erreur"' in (await one.sends(f"{path}/compte", **sent, **person | {"prenom-adulte": ""})).text
    assert 'id="courriel-adulte-erreur"' in (await one.sends(f"{path}/compte", **sent, **person | {"courriel-adulte": "anne"})).text
    weak = await one.sends(f"{path}/compte", **sent, **person, motdepasse="12345678")
    assert 'id="motdepasse-erreur"' in weak.text
    assert "12345678" not in weak.text
    word = "Trois-canards-sur-la-Loire-42"
    assert "anne@example.org" in (await one.sends(f"{path}/compte", **sent, **person, motdepasse=word)).text
    parent = visitor()
    assert "PETIT Anne" in (await parent.sends("/connexion", identifiant=login, motdepasse=word, suite="/profil")).text


async def test_the_register_is_changed_and_says_what_is_wrong_at_the_field(visitor: MakeVisitor, found: Found) -> None:
    town, one, path, sent = await at_the_desk(visitor, found)
    child, parent = town.named("amalia"), await town.sign_in("dupont")
    told = {"enfant": child, "lequel": child, f"prenom-{child}": "Amélie", f"nom-{child}": "DUPONT", f"naissance-{child}": "2016-05-01"}
    wrong = await one.sends(f"{path}/enfant-modifier", **sent, **told | {f"prenom-{child}": " "})
    assert (wrong.status_code, f'id="prenom-{child}-erreur"' in wrong.text) == (422, True)
    assert (
        f'id="naissance-{child}-erreur"'
        in (await one.sends(f"{path}/enfant-modifier", **sent, **told | {f"naissance-{child}": "1950-01-01"})).text
    )
    await one.sends(f"{path}/enfant-modifier", **sent, **told)
    await one.sends(f"{path}/enfant", **sent | {"cle": "new"}, prenom="Paolo", nom="DUPONT")
    there = (await parent.ask(ENROLLED))["me"]["families"][0]
    assert {each["firstName"] for each in there["children"]} == {"Amélie", "Paolo"}
    assert 'id="identifiant-erreur"' in (await one.sends(f"{path}/adulte", **sent, identifiant="inconnu.ici")).text
    both = (await one.sends(f"{path}/adulte", **sent | {"cle": "both"}, identifiant=town.named("martin"))).text
    accounts = re.findall(r'adulte-retirer".*?name="compte" value="([^"]+)"', both)
    assert len(accounts) == 2
    gone = {**sent, "cle": "gone", "compte": accounts[1], "lequel": accounts[1]}
    assert f'id="motif-retrait-{accounts[1]}-erreur"' in (await one.sends(f"{path}/adulte-retirer", **gone)).text
    await one.sends(f"{path}/adulte-retirer", **gone, **{f"motif-retrait-{accounts[1]}": "Séparation"})
    assert len((await parent.ask(ENROLLED))["me"]["families"][0]["adults"]) == 1
    known = re.findall(r'name="critere" value="([^"]+)"', both)
    ticked = (await one.sends(f"{path}/criteres", **sent, critere=known[:1])).text
    assert re.findall(r'name="critere" value="([^"]+)" checked', ticked) == known[:1]
    number = f"Z-{town.structure[-8:]}"
    assert number in (await one.sends(f"{path}/numero", **sent | {"cle": "number"}, numero=number)).text
    assert (await one.opens(path)).status_code == 404


async def test_a_child_is_enrolled_for_a_while_and_no_booking_is_lost_in_silence(visitor: MakeVisitor, found: Found) -> None:
    town, one, path, sent = await at_the_desk(visitor, found)
    parent, (day,) = await town.sign_in("dupont"), next_days(1)
    child, etude = town.named("amalia"), town.named("etude")
    where = {"inscrit-enfant": child, "inscrit-activite": etude}
    backwards = {"inscrit-du": day.isoformat(), "inscrit-au": today().isoformat()}
    assert 'id="inscrit-au-erreur"' in (await one.sends(f"{path}/inscrire", **sent, **where, **backwards)).text
    enrolled = (await one.sends(f"{path}/inscrire", **sent, **where, **{"inscrit-du": today().isoformat()})).text
    assert "à partir du" in enrolled
    await parent.submits([parent.line(day, child="amalia")])
    assert await parent.bookings() == {day.isoformat(): "ACCEPTED"}
    ending = {"enfant": child, "activite": town.named("aps"), "lequel": "1-1", "fin-1-1": (day - dt.timedelta(days=1)).isoformat()}
    stands = await one.sends(f"{path}/desinscrire", **sent, **ending)
    assert (stands.status_code, 'id="fin-annuler-1-1-erreur"' in stands.text) == (422, True)
    asked = await one.sends(f"{path}/desinscrire", **sent, **ending, **{"fin-annuler-1-1": "oui"})
    assert 'id="fin-motif-1-1-erreur"' in asked.text
    ended = (await one.sends(f"{path}/desinscrire", **sent, **ending, **{"fin-annuler-1-1": "oui", "fin-motif-1-1": "Déménagement"})).text
    assert "jusqu’au" in ended
    assert await parent.bookings() == {}


async def test_an_adult_is_invited_again_and_not_at_all(visitor: MakeVisitor, found: Found) -> None:
    town, one, path, sent = await at_the_desk(visitor, found)
    assert 'id="courriel-erreur"' in (await one.sends(f"{path}/inviter", **sent, courriel="personne")).text
    address = f"grand.pere.{town.structure[-8:]}@example.org".lower()
    await one.sends(f"{path}/inviter", **sent, courriel=address)

    async def links(count: int) -> None:
        async def are_there() -> bool:
            return len(await town.system.mails(address)) == count

        await until(are_there)

    await links(1)
    (id,) = re.findall(r'/renvoyer".*?name="lequel" value="([^"]+)"', (await one.opens("/bureau/invitations")).text)
    again = {"lequel": id, "cle": "again", "courriel": address, "famille": town.named("dupont"), "donne": "FAMILY"}
    shown = (await one.sends("/bureau/invitations/renvoyer", **again)).text
    await links(2)
    (newest,) = re.findall(r'/retirer".*?name="lequel" value="([^"]+)"', shown)
    assert newest != id
    assert "retirée" in shown, "the first link is good no longer"
    assert 'id="motif-retrait-' in (await one.sends("/bureau/invitations/retirer", lequel=newest, cle="w")).text
    over = (await one.sends("/bureau/invitations/retirer", lequel=newest, cle="w", **{f"motif-retrait-{newest}": "Erreur d’adresse"})).text
    assert "/invitations/retirer" not in over


async def questions_follow(one: Visitor, visitor: MakeVisitor, town: Town, structure: dict[str, str]) -> None:
    """S3: switched on and off, secret questions are offered and no more, to families and to whoever forgot a password."""
    parent, stranger = visitor(), visitor()
    await parent.signs_in(town, "dupont")
    for said, opens in (("oui", True), ("non", False)):
        team = (await one.sends("/bureau/equipe/structure", **structure | {"cle": said, "questions": said})).text
        assert ("inchangé – permettent" in team, 'id="secret"' in (await parent.opens("/profil")).text) == (opens, opens)

        async def is_offered(opens: bool = opens) -> bool:
            return ('id="identifiant-question"' in (await stranger.opens("/mot-de-passe")).text) is opens

        await until(is_offered)


async def test_administrators_alone_say_who_may_do_what(visitor: MakeVisitor, found: Found) -> None:
    town, one, path, _ = await at_the_desk(visitor, found)
    role = {"cle": "r", "identifiant": town.named("martin"), "role": "AGENT"}
    assert 'id="motif-role-erreur"' in (await one.sends("/bureau/equipe/role", **role)).text
    team = (await one.sends("/bureau/equipe/role", **role, **{"motif-role": "Arrivée"})).text
    assert town.named("martin") in team
    colleague = visitor()
    await colleague.signs_in(town, "martin")
    seen = (await colleague.opens("/bureau/equipe")).text
    assert "Seuls les administrateurs" in seen
    assert "/bureau/equipe/role" not in seen
    refused = await colleague.sends("/bureau/equipe/role", **role | {"cle": "x", "role": "ADMINISTRATOR"}, **{"motif-role": "Moi"})
    assert (refused.status_code, "Il faut être administrateur" in refused.text) == (422, True)
    assert (await colleague.opens("/bureau/effacements")).status_code == 404
    assert "/effacer" not in (await colleague.opens(path)).text
    me = re.findall(r'/facteurs".*?name="lequel" value="([^"]+)"', team)
    last = {"cle": "l", "identifiant": town.named("agent"), "lequel": me[0], f"role-{me[0]}": "NONE", f"motif-role-{me[0]}": "Départ"}
    assert f'id="role-{me[0]}-erreur"' in (await one.sends("/bureau/equipe/role", **last)).text, "the last administrator stays"
    structure = {"cle": "s", "nom": f"Ville de {town.structure[-8:]}", "fuseau": "Europe/Nulle-part"}
    assert 'id="fuseau-erreur"' in (await one.sends("/bureau/equipe/structure", **structure)).text
    assert structure["nom"] in (await one.sends("/bureau/equipe/structure", **structure | {"fuseau": "Europe/Paris"})).text
    await questions_follow(one, visitor, town, structure | {"fuseau": "Europe/Paris"})
    invited = (
        await one.sends(
            "/bureau/equipe/inviter", cle="i", courriel=f"{town.structure[-8:]}@example.org".lower(), **{"motif-inviter": "Renfort"}
        )
    ).text
    assert "Agent" in invited


async def test_a_family_asks_for_its_data_and_is_erased_despite_what_stands_in_the_way(visitor: MakeVisitor, found: Found) -> None:
    town, one, path, sent = await at_the_desk(visitor, found)
    parent = await town.sign_in("dupont")
    await parent.submits([parent.line(day, child="amalia") for day in next_days(1)])
    await one.sends(f"{path}/donnees", **sent)

    async def is_ready() -> bool:
        return "Télécharger le fichier" in (await one.opens(path)).text

    await until(is_ready)
    assert 'id="motif-effacer-erreur"' in (await one.sends(f"{path}/effacer", **sent)).text
    why = {"motif-effacer": "Demande du 3 novembre"}
    stands = await one.sends(f"{path}/effacer", **sent, **why)
    assert (stands.status_code, 'value="HAS_BOOKINGS"' in stands.text) == (422, True)
    listed = (await one.sends(f"{path}/effacer", **sent | {"cle": "despite"}, **why, malgre=["HAS_BOOKINGS"])).text
    assert "Demande du 3 novembre" in listed

    async def is_erased() -> bool:
        return "faite" in (await one.opens("/bureau/effacements")).text

    await until(is_erased)


async def test_nobody_sees_or_changes_a_family_of_another_structure(visitor: MakeVisitor, found: Found) -> None:
    town, _, path, sent = await at_the_desk(visitor, found)
    other = await found(activities=[activity("aps")], families=[family("leroy")])
    await other.administrator()
    stranger, parent = visitor(), visitor()
    await stranger.signs_in(other, "agent")
    await parent.signs_in(town, "dupont")
    child = town.named("amalia")
    acts: dict[str, dict[str, Any]] = {
        "numero": {"numero": "1"},
        "enfant": {"prenom": "A", "nom": "B"},
        "enfant-modifier": {"enfant": child, "prenom": "A", "nom": "B"},
        "enfant-retirer": {"enfant": child, "motif-retrait": "Pour voir"},
        "inviter": {"courriel": "a@example.org"},
        "inscrire": {"inscrit-enfant": child, "inscrit-activite": town.named("aps")},
        "desinscrire": {"enfant": child, "activite": town.named("aps"), "fin": today().isoformat()},
        "criteres": {},
        "donnees": {},
        "effacer": {"motif-effacer": "Pour voir"},
    }
    for one, status in ((stranger, 404), (parent, 403)):
        for page in (path, "/bureau/equipe", "/bureau/invitations", "/bureau/effacements", "/bureau/nouvelle-famille"):
            wanted = 200 if one is stranger and page != path else status
            assert (await one.opens(page)).status_code == wanted, page
        for name, fields in acts.items():
            assert (await one.sends(f"{path}/{name}", **sent, **fields)).status_code == status, name
    before = (await (await town.sign_in("dupont")).ask(ENROLLED))["me"]["families"][0]
    assert [each["firstName"] for each in before["children"]] == ["Amalia"]


async def test_families_come_from_a_file_after_a_try_that_names_each_wrong_line(visitor: MakeVisitor, found: Found) -> None:
    town, one = await a_town(found), visitor()
    await one.signs_in(town, "agent")
    assert 'href="/bureau/importer-familles"' in (await one.opens("/bureau/familles")).text
    path, number = "/bureau/importer-familles", f"P-{town.structure[-8:]}"
    file = f"numero;type;nom;prenom;date de naissance\r\n{number};enfant;PETIT;Ada;01/02/2019\r\n{number}b;enfant;PETIT;Nino;hier\r\n"
    assert "fichier-erreur" in (await one.sends(path, cle="a", fichier="nom;prenom\r\nA;B", faire="essayer")).text
    tried = await one.sends(path, cle="b", fichier=file, faire="essayer")
    assert (tried.status_code, "Lignes ajoutées : 1, modifiées : 0, inchangées : 0, refusées : 1." in tried.text) == (200, True)
    assert re.search(
        rf'</span>3</th><td role="cell"><span class="mini">[^<]+</span>{number}b</td><td role="cell"><span class="tag REFUSED">refusée',
        tried.text,
    )
    assert ('value="importer"' in tried.text, "Ada;01/02/2019" in tried.text) == (True, True), "the file stands there to be put right"
    assert (await one.opens(f"/bureau/familles/{number}")).status_code == 404, "a try changes nothing"
    for _ in range(2):  # Twice sent is once done.
        done = await one.sends(path, cle="c", fichier=file, faire="importer")
        assert ("L’import est fait" in done.text, "Lignes ajoutées : 1" in done.text, "Ada;" in done.text) == (True, True, False)
    assert "Ada PETIT" in (await one.opens(f"/bureau/familles/{number}")).text
