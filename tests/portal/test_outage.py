"""Pages while a service is away: each draws what there is and says what is missing, to families and to agents."""

import gzip
import html
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urljoin, urlsplit

import httpx2

import gateway.portal.pages as portal_pages
from gateway.app import application
from gateway.portal.assets import assets
from gateway.portal.draft import Line, cookie, written
from services.settings import Settings
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import Town, next_days
from tests.portal.conftest import MakeVisitor
from tests.portal.test_everywhere import ELSEWHERE, pattern, small_town
from tests.portal.test_money import text_of
from tests.portal.visitor import Visitor

#: A service -> what each page says of its outage that would show something of it.
MISSING = {
    "billing": "Les soldes, les prix et les règlements ne sont pas disponibles",
    "booking": "Les activités et les réservations ne sont pas disponibles",
}
NOT_NOW = "Pas disponible pour le moment."
#: What still stands on pages of a family, and of its agent, while that service is away; `{}`: the town's name for it.
STANDS = {
    ("dupont", "billing"): {"/": "Amalia", "/reservations": "APS", "/reserver": "Paolo", "/soldes": NOT_NOW, "/paiement": NOT_NOW},
    ("dupont", "booking"): {"/": "Votre crédit 50,00 €", "/soldes": "50,00 €", "/reservations": NOT_NOW, "/reserver": "Amalia"},
    ("agent", "billing"): {"/bureau/familles": "DUPONT", "/bureau/paiements": "Famille : nom", "/bureau/activites": "APS"},
    ("agent", "booking"): {"/bureau/familles": "DUPONT", "/bureau/paiements": "Opérations", "/bureau/activites": NOT_NOW},
}
#: Pages of nothing but what booking tells: without it they say that it cannot be told, and keep the menu.
BOOKINGS_ALONE = re.compile(r"^/demandes/|^/bureau/(activites/[^/]+/(reglages|inscrits)|nouvelle-activite|journal(\?partie=ACTIVITIES)?)$")
#: design/portal.md, section 10.
HEAVIEST = 30_000
SCRIPT = re.compile(r'(?:src|href)="/portail/[0-9a-f]+/([a-z0-9_]+\.js)"')
LINK = re.compile(r'<a\b[^>]*\bhref="([^"]+)"')
#: Pages that every site has alike, and files.
ALIKE = re.compile(
    r"^/(aide|plan-du-site|mentions-legales|donnees-personnelles|accessibilite|connexion|mot-de-passe|profil)|/(csv|xlsx|pdf|fichier)(\?|$)|/recu/"
)


@asynccontextmanager
async def without(system: System, service: str, like: Visitor) -> AsyncIterator[Visitor]:
    """Whoever `like` is, at a gateway that leads nowhere where that service would be."""
    with socket.socket() as nowhere:  # Nobody listens at it, and nobody else can meanwhile.
        nowhere.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nowhere.getsockname()[1]}"
        app = application(Settings.from_environment({**system.environment, f"{service.upper()}_URL": address}))
        transport, headers = httpx2.ASGITransport(app=app), like.client.headers
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url=system.gateway, headers=headers, follow_redirects=True) as client,
        ):
            client.cookies.update(like.client.cookies)
            yield Visitor(client)


def weight(page: str) -> int:
    """Bytes, as they come over the wire: the page, and the scripts that it loads."""
    return len(gzip.compress(page.encode(), 6)) + sum(len(assets()[name].packed) for name in set(SCRIPT.findall(page)))


async def walked(one: Visitor, start: str) -> list[str]:
    """The address of a page of every kind that links lead to from there. None is too heavy for a telephone."""
    ahead, seen = [start], {pattern(start)}
    for path in ahead:
        page = await one.opens(path)
        assert page.status_code == 200, path
        assert weight(page.text) <= HEAVIEST, path
        for link in LINK.findall(page.text):
            onward = urlsplit(urljoin(str(page.url), link.replace("&amp;", "&")))
            to = onward.path + (f"?{onward.query}" if onward.query else "")
            ours = onward.netloc == urlsplit(str(page.url)).netloc and not ELSEWHERE.search(to) and not ALIKE.search(to)
            if ours and pattern(to) not in seen:
                seen.add(pattern(to))
                ahead.append(to)
    return ahead


async def test_every_page_draws_what_there_is(system: System, found: Found, visitor: MakeVisitor) -> None:
    town, wrong = await small_town(found), []
    for who, start in (("dupont", "/"), ("agent", "/bureau")):
        usual = visitor()
        await usual.signs_in(town, who)
        paths = await walked(usual, start)
        for service, words in MISSING.items():
            drawn, stands = 0, STANDS[who, service]
            async with without(system, service, usual) as one:
                for path in paths:
                    page = await one.opens(path)
                    says, told = words in page.text, text_of(page.text) if "<main" in page.text else ""
                    whole = page.status_code == (503 if service == "booking" and BOOKINGS_ALONE.search(path) else 200)
                    if (
                        not whole
                        or (NOT_NOW in told and not says)
                        or stands.get(path, "") not in told
                        or 'class="wrap nav"' not in page.text
                    ):
                        wrong.append(f"{who}, without {service}: {page.status_code} {path}: {told[:300]}")
                    drawn += says
            assert drawn > 2, (who, service)
    assert not wrong, "\n".join(wrong)


async def test_what_was_chosen_is_kept_while_nobody_can_tell_what_would_come_of_it(
    system: System, found: Found, visitor: MakeVisitor
) -> None:
    """S25: the recap without booking; and with it again."""
    town, usual = await small_town(found), visitor()
    await usual.signs_in(town, "dupont")
    line = Line(next_days(9)[8], town.named("amalia"), town.named("aps"))
    usual.client.cookies.set(cookie(town.named("dupont")), written([line]))
    async with without(system, "booking", usual) as one:
        told = await one.opens("/recapitulatif")
        assert (told.status_code, MISSING["booking"] in told.text) == (200, True)
        assert "Votre choix est gardé" in told.text
        sent = {"famille": town.named("dupont"), "lignes": written([line]), "acte": "valider", "envoi": "n"}
        assert (await one.sends("/recapitulatif", **sent)).status_code == 503
        click = {"enfant": town.named("amalia"), "activite": town.named("aps"), "mois": f"{line.date:%Y-%m}", "bascule": "mois"}
        assert ((toggled := await one.sends("/reserver", **click)).status_code, "Amalia" in toggled.text) == (503, True)
        assert one.client.cookies[cookie(town.named("dupont"))] == written([line])
    async with without(system, "billing", usual) as one:
        one.guard = usual.guard
        alert = await one.sends("/soldes/alerte", seuil="12,34")
        assert (alert.status_code, 'value="12,34"' in alert.text, "Envoyez à nouveau" in alert.text) == (503, True, True)
        paid = {"cle": "k", "famille": town.named("dupont"), "faire": "payer", f"montant-{town.named('periscolaire')}": "5"}
        begun = await one.sends("/paiement", **paid)
        assert (begun.status_code, "Envoyez à nouveau" in begun.text, resent(begun.text).items() >= paid.items()) == (503, True, True)
    assert "Valider ma demande" in (await usual.opens("/recapitulatif")).text


def resent(page: str) -> dict[str, str]:
    """What the form would send that is offered where nobody answered."""
    found = re.search(r'<form method="post" action="[^"]*" class="again".*?</form>', page, re.S)
    told = re.findall(r'<input (?:type="hidden"|id="[^"]*") name="([^"]*)"[^>]*? value="([^"]*)"', found[0] if found else "")
    return {name: html.unescape(value) for name, value in told if name != "jeton_page"}


async def test_a_form_of_the_desk_that_reaches_nobody_stands_there_again(system: System, found: Found, visitor: MakeVisitor) -> None:
    """Whoever it is that does not answer; of accounts and families, it is every form, as none can be drawn."""
    town, usual, wrong = await small_town(found), visitor(), list[str]()
    await usual.signs_in(town, "agent")
    await usual.opens("/bureau/paiements")
    forms = forms_of(town)
    everywhere = [("identity", path, {"cle": "k", "motif": "Vu\r\nau « guichet »"}, []) for path in posted(town)]
    for service in ("identity", *MISSING):
        async with without(system, service, usual) as one:
            one.guard = usual.guard
            for path, fields, kept in [form[1:] for form in (*forms, *everywhere) if form[0] == service]:
                answer = await one.sends(path, **fields)
                again = resent(answer.text)
                if (
                    (answer.status_code, "Envoyez à nouveau" in answer.text) != (503, True)
                    or not all(f'value="{each}"' in answer.text for each in kept)
                    or again != {name: "" if name == "motdepasse" else told for name, told in fields.items()}
                ):
                    wrong.append(f"{path} without {service}: {answer.status_code} {again} {text_of(answer.text)[:200]}")
                assert "Trois-canards" not in answer.text, path
    assert not wrong, "\n".join(wrong)
    number = f"N-{town.structure[-8:]}"
    async with without(system, "identity", usual) as one:
        one.guard = usual.guard
        told = {"cle": "n", "numero": number, "prenom-1": "Léo", "nom-1": "PETIT"}
        away = await one.sends("/bureau/nouvelle-famille", **told)
    made = await usual.sends("/bureau/nouvelle-famille", **resent(away.text))
    assert "Léo PETIT" in made.text, text_of(made.text)


def posted(town: Town) -> list[str]:
    """Where forms of the desk are sent to. A script's are left out: it keeps them itself."""
    named = {"number": town.file["families"][0]["number"], "id": town.named("aps"), "acte": "enfant", "service": "booking"}
    pages = [page for name, module in vars(portal_pages).items() if name.startswith("desk_") for page in module.PAGES]
    paths = [re.sub(r"\{(\w+)\}", lambda found: named[found[1]], path) for path, methods, _ in pages if "POST" in methods]
    return [path for path in paths if path not in ("/bureau/structure", "/bureau/pointage/cocher")]


def forms_of(town: Town) -> list[tuple[str, str, dict[str, str], list[str]]]:
    """A service, a form that needs it, and what of it is to stand there again."""
    number, day = town.file["families"][0]["number"], next_days(1)[0].isoformat()
    about = {"famille": number, "id": town.named("dupont"), "cle": "k"}
    paid = {"mode": "CASH", "payeur": "GUIDE DENIS", "date": day, f"montant-{town.named('periscolaire')}": "12,34"}
    booked = {
        "famille": town.named("dupont"),
        "quoi": f"{town.named('amalia')} {town.named('aps')}",
        "du": day,
        "motif": "Appel",
        "cle": "k",
    }
    back = {"rembourser-porte": town.named("multi"), "rembourser-montant": "5,01", "rembourser-mode": "CASH", "rembourser-motif": "Départ"}
    slip = {"cle": "k", "mode": "CASH", "piece": "p1", "bordereau": "B-12", "date": day}
    file = f"/bureau/familles/{number}/dossier"
    adult = {
        "famille": town.named("dupont"),
        "cle": "k",
        "identifiant-adulte": "anne",
        "prenom-adulte": "Anne",
        "motdepasse": "Trois-canards-42",
    }
    enrolled = {"famille": town.named("dupont"), "cle": "k", "inscrit-enfant": town.named("amalia"), "inscrit-activite": town.named("aps")}
    ended = {"cle": "k", "fin": "NOTHING_CAME", "paiement": "x", "motif-x": "Rien reçu"}
    settings = {"nom": "Étude", "ouvre-le": "2026-09-01", "ferme-le": "2027-07-05", "arrivee": "16:30", "depart": "18:00", "version": "1"}
    return [
        ("billing", "/bureau/paiements", about | paid, ["GUIDE DENIS", "12,34", "k"]),
        ("billing", "/bureau/paiements/rembourser", about | back, [town.named("multi"), "5,01", "Départ", "k"]),
        ("billing", "/bureau/paiements/remises", slip, ["p1", "B-12", day, "k"]),
        ("billing", "/bureau/paiements/en-ligne", ended, ["k"]),
        ("booking", f"/bureau/familles/{number}/reserver", booked, [day, "Appel", "k"]),
        ("booking", f"{file}/inscrire", enrolled | {"inscrit-du": day}, [day, "k"]),
        ("booking", f"{file}/desinscrire", {"cle": "k", "enfant": "x", "activite": "y", "fin": day}, ["k"]),
        ("booking", f"/bureau/activites/{town.named('aps')}/reglages", settings, ["Étude"]),
        ("booking", "/bureau/nouvelle-activite", settings | {"code": "etude"}, ["Étude", "etude"]),
        ("identity", f"{file}/compte", adult, ["Anne", "k"]),
    ]
