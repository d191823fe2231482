"""Every way that a page says no, has nothing, or says that something is done: sound on a narrow phone in French and on a desktop in English, with
errors first and in focus. Of who is signed in, what stands in the frame around is test_everywhere's.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import pytest
from playwright.async_api import Page, expect

from gateway.portal import town_words
from gateway.portal.app import portal
from gateway.portal.session import Session
from gateway.trusted import Trusted
from services.settings import Settings
from tests.conftest import dealt
from tests.flows.conftest import Found
from tests.flows.town import Town, activity, family, half_a_day_away, next_days, today
from tests.portal.browsing import DESKTOP, PHONE, Watch, brings_axe, is_sound, signs_in
from tests.portal.conftest import Browse
from tests.portal.test_desk_money import in_trouble, online
from tests.portal.test_everywhere import NARROW, something_wrong
from tests.portal.test_money import LATER, Api
from tests.portal.visitor import french_in
from tests.serving import at_an_address

HOURS = {"from": "07:30", "to": "18:30", "step_minutes": 15, "minimum_minutes": 60}
#: `{name}`: what stands in the first field of the page that has that name.
SEND = """([path, fields]) => {
  const form = Object.assign(document.createElement('form'), { method: 'post', action: path });
  const told = text => text.replace(/\\{([a-z_]+)\\}/g, (_, name) => document.querySelector(`[name=${name}]`).value);
  for (const [name, values] of [['jeton_page', '{jeton_page}'], ...Object.entries(fields)]) for (const value of [values].flat())
    form.append(Object.assign(document.createElement('input'), { type: 'hidden', name: told(name), value: told(value) }));
  document.body.append(form);
  form.submit();
}"""
#: Fields that the summary's links lead to and that are not there; and how much the page says.
SUMMARY = """() => [[...document.querySelectorAll('#erreurs a')].map(each => each.hash).filter(hash => hash && !document.querySelector(hash)),
  document.querySelector('main').innerText.length]"""


class Refused(NamedTuple):
    """`fields`: of a form that is sent there; None: the page is opened. `summary`: the errors stand above it. `at`: the page of the form,
    where the form is about something on it. `alike`: drawn as others are, by the same macros: looked at in French alone.
    """

    path: str
    status: int
    fields: Mapping[str, str | list[str]] | None = None
    summary: bool = True
    at: str = ""
    alike: bool = False


async def comes_to(page: Page, no: Refused, language: str) -> None:
    for _ in range(5):
        if no.at:
            await page.goto(no.at)
        if no.fields is None:
            answer = await page.goto(no.path)
        else:
            async with page.expect_navigation() as came:
                await page.evaluate(SEND, [no.path, dict(no.fields)])
            answer = await came.value
        assert answer is not None
        if no.status == 503 or answer.status != 503:  # A service may be slow to answer the first question of all.
            break
    assert answer.status == no.status, no
    title, (lost, length) = await page.title(), await page.evaluate(SUMMARY)
    if no.summary:
        assert title.startswith("Error – " if language == "en" else "Erreur – "), no
        assert lost == [], no
        await expect(page.locator("#erreurs")).to_be_focused()
    assert length > 20, no
    if language == "en":
        assert french_in(await page.content()) == [], no


def is_looked_at(what: str) -> bool:
    """Where all tests are run, in one run of two, by chance: they are many, and drawn by the same macros. Else always."""
    return True in dealt(f"a look at {what}", True, False)


def at_the_door(town: Town) -> list[Refused]:
    wrong = {"identifiant": town.named("dupont"), "motdepasse": "faux"}
    return [
        Refused("/connexion", 422, {}),
        Refused("/connexion", 422, wrong),
        Refused("/mot-de-passe", 422, {"faire": "lettre", "identifiant": ""}),
        Refused("/mot-de-passe", 422, {"faire": "code", "identifiant-code": "dupont", "code": "A1B2"}),
        Refused("/connexion", 403, {"jeton_page": "faux"}, summary=False),
        Refused("/deconnexion", 405, summary=False),
        Refused("/double-authentification", 200, summary=False),
        Refused("/connexion/retour?state=x&code=y", 422, summary=False),
    ]


def of_a_family(town: Town) -> list[Refused]:
    amalia, multi, wallet = town.named("amalia"), town.named("multi"), town.named("periscolaire")
    (day,) = next_days(1)
    where = {"enfant": amalia, "activite": multi, "mois": f"{day:%Y-%m}"}
    there = {"enfant": amalia, "date": f"{day}", "activite": [town.named("aps"), multi], "etait0": "0", "choix0": "0", "etait1": "0"}
    short = {**there, "choix1": "1", "horaires1": "07:30-18:30", "arrivee1": "08:00", "depart1": "08:15"}
    both = {"actuel": "faux", "nouveau": "Neige-verte-sur-le-toit", "encore": "Neige-verte"}
    paid = {"cle": "k" * 20, "famille": town.named("dupont"), "faire": "payer", f"montant-{wallet}": "dix"}
    return [
        Refused("/nulle-part", 404, summary=False),
        Refused("/demandes/rien", 404, summary=False),
        Refused("/paiement/rien", 404, summary=False),
        Refused("/bureau/familles", 403, summary=False),
        Refused("/profil/mot-de-passe", 422, both),
        Refused("/profil/courriel", 422, {"courriel": "nulle part"}),
        Refused("/profil/fermer", 422, {"motdepasse-fermer": "faux"}),
        Refused("/profil/securite/application", 422, {"motdepasse-totp": "faux"}),
        Refused("/profil/securite/cle", 422, {"motdepasse-cle": "faux", "nom": "x"}),
        Refused("/profil/securite/codes", 422, {"motdepasse-codes": "faux"}),
        Refused("/soldes?jusquau=31/31&inclure=attente", 422),
        Refused("/soldes/alerte", 422, {"seuil": "beaucoup"}),
        Refused("/paiement", 422, paid),
        Refused("/reserver", 422, {**where, "bascule": f"jour-{day}", "arrivee": "09:00", "depart": "09:15"}),
        Refused("/reserver/jour", 422, short),
        Refused(f"/reserver/copier?de={amalia}:{multi}&vers=&du={day}&au={day}", 422),
        Refused("/recapitulatif", 200),
        Refused("/reservations?du=2026-12-02&au=2026-12-01", 422),
        Refused("/reservations", 422, {"acte": "annuler"}),
    ]


def with_nothing(town: Town) -> list[Refused]:
    paths = ["/", "/reservations", "/reservations?statut=attente", "/demandes", "/soldes", "/reserver", "/paiement"]
    paths += [f"/historiques/{kind}/{today():%Y-%m}" for kind in ("consommations", "reglements")]
    return [Refused(path, 200, summary=False) for path in paths]


def in_debt(town: Town) -> list[Refused]:
    nino = town.named("nino")
    (day,) = next_days(1)
    month = f"/reserver?enfant={nino}&activite={town.named('aps')}&mois={day:%Y-%m}"
    paths = ["/", "/soldes", "/paiement", "/reserver", month, f"/reserver/mois?enfant={nino}", f"/reserver/jour?enfant={nino}&date={day}"]
    return [Refused(path, 200, summary=False) for path in paths]


def of_an_agent(town: Town) -> list[Refused]:
    return [*at_the_register(town), *with_activities(town), *on_the_roster(town), *with_money(town), *with_letters(town)]


def at_the_register(town: Town) -> list[Refused]:
    number, aps, amalia = town.file["families"][0]["number"], town.named("aps"), town.named("amalia")
    here, family = f"/bureau/familles/{number}", {"famille": town.named("dupont"), "cle": "k"}
    file, child = f"{here}/dossier", {"enfant": amalia, "lequel": amalia, f"nom-{amalia}": "DUPONT"}
    books = {**family, "quoi": f"{amalia} {aps}", "du": "demain", "au": "", "motif": ""}
    code = {"cle": "code", "compte": "{compte}", "identifiant": "{identifiant}"}
    enrolled = {"inscrit-enfant": amalia, "inscrit-activite": aps, "inscrit-du": f"{next_days(1)[0]}", "inscrit-au": f"{today()}"}
    csv = "numero;type;nom;prenom;date de naissance\r\nP-1;enfant;PETIT;Ada;01/02/2019\r\nP-2;enfant;PETIT;Nino;hier\r\n"
    role = {"cle": "r", "identifiant": "{identifiant}", "lequel": "{lequel}", "role-{lequel}": "NONE", "motif-role-{lequel}": "Départ"}
    team, structure = "/bureau/equipe", {"cle": "s", "nom": "", "fuseau": "Europe/Nulle-part"}
    return [
        Refused("/bureau/familles?chercher=zzz", 200, summary=False),
        Refused("/bureau/familles/rien", 404, summary=False),
        Refused(f"{here}/reserver", 422, books),
        Refused(f"{here}/annuler", 422, {**family, "motif-annuler": ""}, alike=True),
        Refused(f"{here}/deplacer", 422, {**family, "deplacer": "", "deplacer-jour": "demain", "deplacer-arrivee": "midi"}),
        Refused(f"{here}/code", 422, {**code, "motif-{compte}": ""}, at=here),
        Refused(f"{here}/code", 200, {**code, "motif-{compte}": "Oubli"}, summary=False, at=here),
        Refused(f"{file}/enfant-modifier", 422, {**family, **child, f"prenom-{amalia}": " "}),
        Refused(f"{file}/enfant-retirer", 422, {**family, **child}, alike=True),
        Refused(f"{file}/enfant", 422, {**family, "prenom": "Ada", "nom": "PETIT", "naissance": "hier"}, alike=True),
        Refused(f"{file}/compte", 422, {**family, "identifiant-adulte": "anne", "prenom-adulte": "", "motdepasse": "12345678"}),
        Refused(f"{file}/compte-modifier", 422, {**family, "compte": "{compte}", "lequel": "{compte}", "courriel-adulte-{compte}": "x"}, at=file, alike=True),
        Refused(f"{file}/adulte", 422, {**family, "identifiant": "personne.ici"}, alike=True),
        Refused(f"{file}/adulte-retirer", 422, {**family, "compte": "{compte}", "lequel": "{compte}"}, at=file, alike=True),
        Refused(f"{file}/inscrire", 422, {**family, **enrolled}),
        Refused(f"{file}/desinscrire", 422, {**family, "enfant": amalia, "activite": aps, "lequel": "1-1", "fin-1-1": f"{today()}"}),
        Refused(f"{file}/numero", 422, {**family, "numero": ""}, alike=True),
        Refused(f"{file}/effacer", 422, {**family, "motif-effacer": ""}),
        Refused(f"{file}/effacer", 422, {**family, "cle": "e", "motif-effacer": "Demande"}),
        Refused(f"{file}/inviter", 422, {**family, "courriel": "personne"}),
        Refused(f"{file}/inviter", 200, {**family, "courriel": f"{town.structure}@example.org"}, summary=False),
        Refused("/bureau/invitations/retirer", 422, {"lequel": "{lequel}", "cle": "w"}, at="/bureau/invitations"),
        Refused("/bureau/nouvelle-famille", 422, {"cle": "n", "numero": number, "prenom-1": "Léo", "nom-1": "PETIT"}),
        Refused("/bureau/nouvelle-famille", 422, {"cle": "n", "numero": "N", "prenom-1": "Léo", "nom-1": "PETIT", "naissance-1": "hier"}),
        Refused("/bureau/importer-familles", 422, {"cle": "a", "fichier": "nom;prenom\r\nA;B", "faire": "essayer"}),
        Refused("/bureau/importer-familles", 200, {"cle": "b", "fichier": csv, "faire": "essayer"}, summary=False),
        Refused(f"{team}/role", 422, {"cle": "t", "identifiant": "personne.ici", "role": "AGENT"}),
        Refused(f"{team}/role", 422, role, at=team),
        Refused(f"{team}/facteurs", 422, {"cle": "f", "lequel": "{lequel}"}, at=team, alike=True),
        Refused(f"{team}/inviter", 422, {"cle": "i", "courriel": "", "motif-inviter": ""}, alike=True),
        Refused(f"{team}/structure", 422, structure),
    ]  # fmt: skip


def with_activities(town: Town) -> list[Refused]:
    here, run = f"/bureau/activites/{town.named('aps')}", f"/bureau/activites/{town.named('etude')}"
    (day,) = next_days(1)
    other = {"jour": f"{day}", "ouvert-avant": "oui", "places-avant": "10", "ouvert": "non", "places": "beaucoup", "motif": ""}
    odd = {"version": "1", "nom": "", "ouvre-le": "hier", "ferme-le": "", "vacances": "", "arrivee": "tôt", "depart": "", "pas": "0"}
    odd |= {"heures": "CHOSEN", "minimum": "0", "places": "beaucoup", "attente": "-1", "fermes": "demain", "ouverts": "hier"}
    odd |= {"places-jour": f"{day} beaucoup", "attente-jour": "demain 3", "reserver": "DAYS", "reserver-nombre": "x", "annuler": "HOURS"}
    odd |= {"repartition": "POINTS", "repartition-heure": "midi", "cloture": "jamais"}
    return [
        Refused(f"{here}?jour={day}", 200, summary=False),
        Refused(f"{here}/jour", 422, other),
        Refused(f"{here}/reglages", 422, odd),
        Refused("/bureau/nouvelle-activite", 422, odd),
        Refused(f"{run}/essai", 200, {}, summary=False),
        Refused(f"{run}/repartition", 200, {}, summary=False),
        Refused(f"{run}/repartition", 422, {}),
        Refused("/bureau/attente", 200, summary=False),
        Refused(f"/bureau/attente?activite={town.named('etude')}&date={day}", 200, summary=False),
    ]


def on_the_roster(town: Town) -> list[Refused]:
    here, amalia = "/bureau/pointage", town.named("amalia")
    where = {"activite": town.named("aps"), "date": f"{today()}"}
    ticked = {**where, "enfant": amalia, f"presence-{amalia}": "PRESENT", f"arrivee-{amalia}": "midi"}
    return [
        Refused(f"{here}?date=hier", 422),
        Refused(here, 422, ticked),
        Refused(f"{here}?activite={where['activite']}&date={where['date']}&chercher=nathan", 200, summary=False),
        Refused(f"{here}/clore", 200, where, summary=False),
        Refused(f"{here}/rouvrir", 422, {**where, "motif": ""}),
        Refused(f"{here}/hors-ligne", 200, summary=False),
    ]


def with_money(town: Town) -> list[Refused]:
    here, wallet = "/bureau/paiements", town.file["wallets"][0]["id"]
    about = {"famille": town.file["families"][0]["number"], "id": town.named("dupont"), "cle": "k"}
    back = {"rembourser-porte": wallet, "rembourser-mode": "CHEQUE", "rembourser-montant": "vingt"}
    over = {"transferer-porte": wallet, "transferer-vers": wallet, "transferer-montant": "1", "transferer-motif": "Erreur"}
    back_to = {"famille": about["famille"], "reglement": "{reglement}"}
    return [
        Refused(here, 422, {**about, "mode": "CHEQUE", "payeur": "", "date": "hier", f"montant-{wallet}": "cinquante"}),
        Refused(f"{here}/rembourser", 422, {**about, **back}),
        Refused(f"{here}/transferer", 422, {**about, **over}, alike=True),
        Refused(f"{here}/corriger", 422, {**about, "corriger-porte": wallet, "corriger-montant": "1,31", "corriger-sens": ""}, alike=True),
        Refused(f"{here}/contrepasser", 422, back_to, at=f"{here}?famille={about['famille']}"),
        Refused(f"{here}/remises", 422, {"cle": "d", "mode": "CHEQUE", "date": "hier"}),
        Refused(f"{here}/impayes", 200, summary=False),
        Refused(f"{here}/caisse?date=hier", 422),
        Refused(f"{here}/journal?du=hier&au=2026-02-30&format=ODS", 422),
    ]


def with_letters(town: Town) -> list[Refused]:
    number, journal, martin = town.file["families"][0]["number"], "/bureau/journal", town.file["families"][2]["number"]
    erased = {"famille": town.named("martin"), "cle": "gone", "motif-effacer": "Départ", "malgre": ["HAS_BOOKINGS"]}
    dead, told = "/bureau/messages-en-echec", {"cle": "a", "titre": "Grève", "texte": "Pas de cantine mardi."}
    paths = ["partie=REGISTER", "partie=MAILS", "partie=SEEN", f"partie=SEEN&famille={number}", "famille=personne", "acte=SET_OPENING"]
    return [
        Refused("/bureau/annonces", 422, {**told, "titre": "", "du": "demain"}),
        Refused("/bureau/annonces", 200, told, summary=False),
        Refused("/bureau/annonces/modifier", 422, {"annonce": "{annonce}", "cle": "b", "titre-{annonce}": ""}, at="/bureau/annonces"),
        Refused("/bureau/annonces/retirer", 422, {"annonce": "{annonce}", "cle": "c"}, at="/bureau/annonces"),
        Refused("/bureau/courriers", 200, summary=False),
        Refused(f"{dead}/reessayer", 422, {"service": "{service}", "message": "{message}"}, at=dead),
        *(Refused(f"{journal}?{each}", 200, summary=False) for each in paths),
        Refused(f"/bureau/familles/{martin}/dossier/effacer", 200, erased, summary=False),
    ]


async def a_town(found: Found) -> Town:
    """A family with bookings and a payment, one with nothing, one that waits, one in debt; an administrator, with letters that went wrong."""
    booked = [{"child": "amalia", "activity": "aps", "date": date} for date in ("today", "today+20d", "today+21d")]
    paid = {"date": "today", "mode": "CHEQUE", "reference": "2578012", "payer": "DUPONT", "wallet": "periscolaire", "cents": 50_00}
    owed = {"date": "today-1d", "wallet": "periscolaire", "label": "Reprise", "cents": 25_80}
    open_on, whole_day = [today().isoformat(), *activity("aps")["open_on"]], {"arrival": "00:00", "departure": "23:59"}
    town = await found(
        activities=[
            activity("aps", open_on=open_on, hours=whole_day, attendance={"close_after_days": 3}),
            activity("multi", hours=HOURS),
            activity("etude", capacity=1, allocation={"scheduled_at": half_a_day_away(), "policy": "arrival"}),
        ],
        families=[
            family("dupont", children=["amalia"], activities=["aps", "multi"], bookings=booked, payments=[paid]),
            family("leroy", children=["nathan"], activities=[]),
            family("martin", children=["lea", "tom"], activities=["aps", "etude"]),
            family("petit", children=["nino"], charges=[owed]),
        ],
    )
    (day,) = next_days(1)
    martin = await town.sign_in("martin")
    await martin.submits([martin.line(day, child=child, activity="etude") for child in ("lea", "tom")])
    await martin.submits([martin.line(day, child="lea")])
    await town.administrator()
    await something_wrong(town.system, town.structure, "eu.preau.nobody.knows")
    return town


@pytest.mark.parametrize(("language", "size"), dealt("the language of what is refused", ("fr", NARROW), ("en", DESKTOP)))
async def test_whatever_is_refused_is_said_on_a_sound_page(
    browse: Browse, found: Found, watch: Watch, language: str, size: dict[str, Any]
) -> None:
    watch.expected.append("does not conform to the required format")  # A day that is none, as it was written.
    town = await a_town(found)
    everybody = [("", at_the_door), ("dupont", of_a_family), ("leroy", with_nothing), ("petit", in_debt), ("agent", of_an_agent)]
    for who, refusals in everybody:
        page = await browse(size, language="en-GB" if language == "en" else "fr-FR")
        await brings_axe(page)
        if who:
            await signs_in(page, town, who)
        await page.goto(f"/aide?lang={language}" if who else "/connexion")
        for number, no in enumerate(refusals(town)):
            if no.alike and language == "en":
                continue
            if no.fields is not None and not await page.locator("[name=jeton_page]").count():
                await page.goto("/profil" if who else "/connexion")
            await comes_to(page, no, language)
            if is_looked_at(f"refusal {number} of {who}"):
                await is_sound(page, f"no-{who or 'door'}-{number}-{language}", "main" if who else "")


@pytest.mark.parametrize(("language", "size"), dealt("the language of outages", ("fr", PHONE), ("en", DESKTOP)))
async def test_while_the_services_are_away_or_have_enough_pages_say_so(
    browse: Browse, watch: Watch, language: str, size: dict[str, Any]
) -> None:
    watch.expected.append("EventSource's response has a MIME type")  # This API tells nothing by itself.
    no = {"cle": "k", "paiement": "p1", "montant-p1-w": "12,34", "motif-p1": ""}
    here, wants = "/bureau/paiements/en-ligne", {"__typename": "No", "code": "REASON_REQUIRED", "message": "Pourquoi ?"}
    states = {
        "away": (out_of_reach("SUBGRAPH_UNAVAILABLE", me=None), [Refused("/", 503, summary=False)]),
        "enough": (out_of_reach("RATE_LIMITED", me=None), [Refused("/", 429, summary=False)]),
        "partly": (
            out_of_reach("SUBGRAPH_UNAVAILABLE", money=None, booking=None),
            [Refused("/", 200, summary=False), Refused("/soldes/alerte", 503, {"seuil": "12,34"})],
        ),
        "online": (
            online(in_trouble(), done=wants)[0],
            [Refused(here, 200, summary=False), Refused(here, 422, no | {"fin": "x"}), Refused(here, 422, no | {"fin": "CREDITED"})],
        ),
    }
    async with AsyncExitStack() as stack:
        for name, (api, refusals) in states.items():
            app = portal(api, Settings.from_environment({}), Trusted(), town_words.DEFAULT)
            url = await stack.enter_async_context(at_an_address(app))
            watch.origins.append(url)
            page = await browse(size, language="en-GB" if language == "en" else "fr-FR", base_url=url)
            await brings_axe(page)
            session = Session("access", LATER, "refresh", LATER).written()
            await page.context.add_cookies([{"name": "preau_session", "value": session, "url": url}])
            for number, each in enumerate(refusals):
                await comes_to(page, each, language)
                await is_sound(page, f"no-{name}-{number}-{language}", "main")


def out_of_reach(code: str, **told: Any) -> Api:
    """Whatever is asked fails in that way; `told`: is answered all the same."""
    api = Api(errors=[{"message": "No.", "extensions": {"code": code}}], **told)
    api.me |= {"undeliverable": None, "secondFactorMissing": []}
    api.me["families"][0] |= {"structure": {"id": "t", "name": "T", "timezone": "Europe/Paris", "announcements": []}, "children": []}
    return api
