"""Every way that a page says no or has nothing: sound on a phone in French and on a desktop in English, with the errors first and in focus."""

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
from tests.flows.conftest import Found
from tests.flows.town import Town, activity, family, next_days, today
from tests.portal.browsing import DESKTOP, PHONE, Watch, brings_axe, is_sound, signs_in
from tests.portal.conftest import Browse
from tests.portal.test_money import LATER, Api
from tests.portal.visitor import french_in
from tests.serving import at_an_address

HOURS = {"from": "07:30", "to": "18:30", "step_minutes": 15, "minimum_minutes": 60}
SEND = """([path, fields]) => {
  const form = Object.assign(document.createElement('form'), { method: 'post', action: path });
  const guard = document.querySelector('[name=jeton_page]').value;
  for (const [name, values] of [['jeton_page', guard], ...Object.entries(fields)]) for (const value of [values].flat())
    form.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }));
  document.body.append(form);
  form.submit();
}"""
#: Fields that the summary's links lead to and that are not there; and how much the page says.
SUMMARY = """() => [[...document.querySelectorAll('#erreurs a')].map(each => each.hash).filter(hash => hash && !document.querySelector(hash)),
  document.querySelector('main').innerText.length]"""


class Refused(NamedTuple):
    """`fields`: of a form that is sent there; None: the page is opened. `summary`: the errors stand above it."""

    path: str
    status: int
    fields: Mapping[str, str | list[str]] | None = None
    summary: bool = True


async def comes_to(page: Page, no: Refused, language: str) -> None:
    for _ in range(5):
        if no.fields is None:
            answer = await page.goto(no.path)
        else:
            async with page.expect_navigation() as came:
                await page.evaluate(SEND, [no.path, dict(no.fields)])
            answer = await came.value
        assert answer is not None
        if answer.status != 503:  # A service may be slow to answer the first question of all.
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


def of_an_agent(town: Town) -> list[Refused]:
    number, aps, wallet = town.file["families"][0]["number"], town.named("aps"), town.file["wallets"][0]["id"]
    (day,) = next_days(1)
    cheque = {"famille": number, "id": town.named("dupont"), "cle": "k", "mode": "CHEQUE", "payeur": "", "date": "hier"}
    books = {"famille": town.named("dupont"), "cle": "c", "quoi": f"{town.named('amalia')} {aps}", "du": "demain", "au": "", "motif": ""}
    other = {"jour": str(day), "ouvert-avant": "oui", "places-avant": "10", "ouvert": "non", "places": "beaucoup", "motif": ""}
    return [
        Refused("/bureau/familles?chercher=zzz", 200, summary=False),
        Refused("/bureau/familles/rien", 404, summary=False),
        Refused("/bureau/annonces", 422, {"cle": "a", "titre": "", "texte": "Rien", "du": "demain"}),
        Refused("/bureau/paiements", 422, {**cheque, f"montant-{wallet}": "cinquante"}),
        Refused(f"/bureau/familles/{number}/reserver", 422, books),
        Refused(f"/bureau/familles/{number}/annuler", 422, {"famille": town.named("dupont"), "cle": "d", "motif-annuler": ""}),
        Refused(f"/bureau/activites/{aps}/jour", 422, other),
    ]


@pytest.mark.parametrize(("language", "size"), [("fr", PHONE), ("en", DESKTOP)])
async def test_whatever_is_refused_is_said_on_a_sound_page(
    browse: Browse, found: Found, watch: Watch, language: str, size: dict[str, Any]
) -> None:
    watch.expected.append("does not conform to the required format")  # A day that is none, as it was written.
    booked = [{"child": "amalia", "activity": "aps", "date": f"today+{day}d"} for day in (20, 21)]
    town = await found(
        activities=[activity("aps"), activity("multi", hours=HOURS)],
        families=[
            family("dupont", children=["amalia"], activities=["aps", "multi"], bookings=booked),
            family("leroy", children=["nathan"], activities=[]),
        ],
    )
    everybody = [("", at_the_door), ("dupont", of_a_family), ("leroy", with_nothing), ("agent", of_an_agent)]
    for who, refusals in everybody if language == "fr" else everybody[:1]:
        page = await browse(size, language="en-GB" if language == "en" else "fr-FR")
        await brings_axe(page)
        if who:
            await signs_in(page, town, who)
        await page.goto(f"/aide?lang={language}" if who else "/connexion")
        for number, no in enumerate(refusals(town)):
            if no.fields is not None and not await page.locator("[name=jeton_page]").count():
                await page.goto("/profil" if who else "/connexion")
            await comes_to(page, no, language)
            await is_sound(page, f"no-{who or 'door'}-{number}-{language}")


@pytest.mark.parametrize(("language", "size"), [("fr", PHONE), ("en", DESKTOP)])
async def test_while_the_services_are_away_or_have_enough_pages_say_so(
    browse: Browse, watch: Watch, language: str, size: dict[str, Any]
) -> None:
    states = {
        "away": ("SUBGRAPH_UNAVAILABLE", {"me": None}, 503),
        "enough": ("RATE_LIMITED", {"me": None}, 429),
        "partly": ("SUBGRAPH_UNAVAILABLE", {"money": None, "booking": None}, 200),
    }
    async with AsyncExitStack() as stack:
        for name, (code, told, status) in states.items():
            api = Api(errors=[{"message": "No.", "extensions": {"code": code}}], **told)
            api.me |= {"undeliverable": None, "secondFactorMissing": []}
            town = {"id": "t", "name": "T", "timezone": "Europe/Paris", "announcements": []}
            api.me["families"][0] |= {"structure": town, "children": []}
            app = portal(api, Settings.from_environment({}), Trusted(), town_words.DEFAULT)
            url = await stack.enter_async_context(at_an_address(app))
            watch.origins.append(url)
            page = await browse(size, language="en-GB" if language == "en" else "fr-FR", base_url=url)
            session = Session("access", LATER, "refresh", LATER).written()
            await page.context.add_cookies([{"name": "preau_session", "value": session, "url": url}])
            await comes_to(page, Refused("/", status, summary=False), language)
            await is_sound(page, f"no-{name}-{language}")
