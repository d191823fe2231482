"""Whatever somebody writes into a form of the desk: an odd value is an error at its field, with what was typed; an odd address a page."""

import re
from dataclasses import dataclass, field

from tests.flows.conftest import Found
from tests.flows.town import Town
from tests.portal.conftest import MakeVisitor
from tests.portal.test_desk import a_town, day_of
from tests.portal.test_desk_money import wrong_at

ODD_DATES = ["hier", "2026-02-30", "0000-00-00", "2026-W10-1x"]
ODD_TIMES = ["25:00", "8", "midi"]
ODD_AMOUNTS = ["douze", "1.000,00", "-5"]
ODD_IDS = ["x", "é" * 300]


@dataclass(frozen=True)
class Sent:
    """A form; what it sends that is well; field -> odd values; field -> where its error stands, if not there."""

    path: str
    well: dict[str, str]
    odd: dict[str, list[str]]
    elsewhere: dict[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()  #: What no one types into it.


def forms(town: Town) -> list[Sent]:
    day, number, aps, amalia, wallet = (
        day_of(town).isoformat(),
        town.file["families"][0]["number"],
        *map(town.named, ("aps", "amalia", "periscolaire")),
    )
    here, family, money = "/bureau/pointage", f"/bureau/familles/{number}", "/bureau/paiements"
    rolled = {"activite": aps, "date": day, "enfant": amalia, f"presence-{amalia}": "PRESENT"}
    booked = {"famille": town.named("dupont"), "cle": "k", "quoi": f"{amalia} {aps}", "du": day, "motif": "Appel"}
    paid = {"famille": number, "id": town.named("dupont"), "cle": "k", "mode": "CASH", "payeur": "GUIDE DENIS", f"montant-{wallet}": "12"}
    moved = {"famille": number, "id": town.named("dupont"), "cle": "k"}
    back = {"rembourser-porte": wallet, "rembourser-mode": "CASH", "rembourser-beneficiaire": "GUIDE", "rembourser-montant": "1"}
    over = {"transferer-porte": wallet, "transferer-vers": town.named("multi"), "transferer-montant": "1", "transferer-motif": "Erreur"}
    right = {"corriger-porte": wallet, "corriger-sens": "donner", "corriger-montant": "1", "corriger-motif": "Erreur"}
    told = {"cle": "k", "titre": "Grève", "texte": "Mardi"}
    return [
        Sent(here, rolled, {f"arrivee-{amalia}": ODD_TIMES, "date": ODD_DATES, "activite": ODD_IDS},
             {f"arrivee-{amalia}": f"enfant-{amalia}", "activite": "liste"}, ("date",)),
        Sent(here, {"activite": aps, "date": day}, {"enfant": ODD_IDS}, {"enfant": "liste"}),
        Sent(f"{here}/clore", {"activite": aps, "date": day}, {"date": ODD_DATES, "activite": ODD_IDS}, {"activite": "clore"}, ("date",)),
        Sent(f"{here}/rouvrir", {"activite": aps, "date": day, "motif": "Erreur"}, {"date": ODD_DATES, "activite": ODD_IDS}, {"activite": "motif"}, ("date",)),
        Sent(f"{family}/reserver", booked, {"du": ODD_DATES, "au": ODD_DATES, "arrivee": ODD_TIMES, "depart": ODD_TIMES, "quoi": ["", *ODD_IDS],
             "famille": ODD_IDS}, {"famille": "quoi"}),
        Sent(f"{family}/annuler", {"famille": town.named("dupont"), "cle": "k", "motif-annuler": "Malade"}, {"reservation": ODD_IDS},
             {"reservation": "annulations"}),
        Sent(f"{family}/deplacer", {"cle": "k", "deplacer": "x", "deplacer-jour": day, "motif-deplacer": "Appel"}, {"deplacer-jour": ODD_DATES,
             "deplacer-arrivee": ODD_TIMES, "deplacer-depart": ODD_TIMES, "deplacer": ["", *ODD_IDS]}),
        Sent(f"{family}/code", {"cle": "k"}, {"compte": ["x"]}, {"compte": "motif-x"}),
        Sent(f"/bureau/activites/{aps}/jour", {"jour": day, "places": "3", "motif": "Travaux"}, {"jour": ODD_DATES, "places": ODD_AMOUNTS}),
        Sent(money, paid, {"date": ODD_DATES, f"montant-{wallet}": ODD_AMOUNTS, "mode": ["x"], "id": ODD_IDS}, {"id": f"montant-{wallet}"}),
        Sent(f"{money}/contrepasser", {"famille": number, "motif-x": "Chèque sans provision"}, {"reglement": ["x"]}, {"reglement": "motif-x"}),
        Sent(f"{money}/rembourser", moved | back | {"rembourser-motif": "Départ"}, {"rembourser-montant": ODD_AMOUNTS, "rembourser-porte": ODD_IDS,
             "rembourser-mode": ["x"]}),
        Sent(f"{money}/transferer", moved | over, {"transferer-montant": ODD_AMOUNTS, "transferer-porte": ODD_IDS}),
        Sent(f"{money}/corriger", moved | right, {"corriger-montant": ODD_AMOUNTS, "corriger-porte": ODD_IDS, "corriger-sens": ["", "x"]}),
        Sent(f"{money}/remises", {"cle": "k", "mode": "CHEQUE", "piece": "x"}, {"date": ODD_DATES, "piece": ODD_IDS}, {"piece": "pieces"}),
        Sent(f"{money}/en-ligne", {"cle": "k", "fin": "NOTHING_CAME", "motif-x": "Rien"}, {"paiement": ["x"]}, {"paiement": "fin-x"}),
        Sent("/bureau/annonces", told, {"du": ODD_DATES, "au": ODD_DATES}),
        Sent("/bureau/annonces/modifier", {"cle": "k", "titre-x": "A", "texte-x": "B"}, {"annonce": ["x"]}, {"annonce": "titre-x"}),
        Sent("/bureau/annonces/retirer", {"cle": "k", "motif-retrait-x": "Erreur"}, {"annonce": ["x"]}, {"annonce": "motif-retrait-x"}),
    ]  # fmt: skip


async def test_an_odd_value_in_a_form_is_an_error_at_its_field(found: Found, visitor: MakeVisitor) -> None:
    town, one, wrong = await a_town(found), visitor(), list[str]()
    await one.signs_in(town, "agent")
    await one.opens("/bureau/paiements")
    for form in forms(town):
        for name, values in form.odd.items():
            for value in values:
                answer = await one.sends(form.path, **form.well | {name: value})
                at = form.elsewhere.get(name, name)
                said, typed = wrong_at(answer.text), re.findall(rf'name="{re.escape(name)}" [^>]*value="([^"]*)"', answer.text)
                is_time = f'name="{name}" type="time"' in answer.text  # Browsers show no odd time, and send none.
                if (
                    answer.status_code != 422
                    or at not in said
                    or (at == name and name not in form.hidden and typed and value not in typed and not is_time)
                ):
                    wrong.append(f"{form.path} {name}={value[:20]!r}: {answer.status_code}, wrong at {said}, there stands {typed}")
    assert not wrong, "\n".join(wrong)


async def test_an_odd_address_is_a_page_that_says_so(found: Found, visitor: MakeVisitor) -> None:
    town, one = await a_town(found), visitor()
    await one.signs_in(town, "agent")
    aps, long = town.named("aps"), "x" * 1500
    for path, status in (
        ("/bureau/activites/nothing", 404),
        (f"/bureau/activites/{aps}?mois=2026-99&jour=demain", 200),
        (f"/bureau/activites/{aps}?mois=9999-12", 200),
        ("/bureau/familles/nobody", 404),
        (f"/bureau/familles/{town.file['families'][0]['number']}?demande=x", 200),
        ("/bureau/familles?apres=x", 404),
        (f"/bureau/familles?chercher={long}", 200),
        ("/bureau/paiements?famille=%25%5F", 200),
        (f"/bureau/paiements?famille={long}", 200),
        ("/bureau/paiements/operations?apres=x", 404),
        ("/bureau/paiements/remises?mode=INTERNET&apres=x", 404),
        ("/bureau/paiements/remises?mode=x", 200),
        ("/bureau/paiements/en-ligne?apres=x", 404),
        ("/bureau/paiements/impayes?apres=x", 404),
        ("/bureau/paiements/caisse?date=x", 422),
        ("/bureau/paiements/caisse?date=9999-12-31", 422),
        ("/bureau/pointage?date=x", 422),
        (f"/bureau/pointage?activite={aps}&date=2026-02-30", 422),
        ("/bureau/pointage?activite=x", 404),
        (f"/bureau/repartitions/{aps}/99999999999", 404),
        ("/bureau/repartitions/x?apres=-1", 404),
    ):
        page = await one.opens(path)
        assert (page.status_code, "<h1" in page.text) == (status, True), path
