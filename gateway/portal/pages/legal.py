"""What every public site says (P17): how accessible it is, what there is, whom to ask, who publishes it, what becomes of personal data.

Whoever comes may read these, signed in or not. The town's own words are from a file (town_words.py).
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import Response

from gateway.portal.operations import operation
from gateway.portal.visit import Visit

WHO = operation("query Who { ...Shell }")
#: Parts of the site map: heading -> pages, in order: address, text.
PAGES_OF_FAMILIES: Final = {
    "MAP_BOOKING": [
        ("/reserver", "TAB_BOOK"),
        ("/reserver/jour", "MAP_DAY"),
        ("/reserver/copier", "MAP_COPY"),
        ("/recapitulatif", "MAP_RECAP"),
        ("/reservations", "TAB_BOOKINGS"),
        ("/reservations?statut=attente", "MAP_WAITING"),
        ("/demandes", "REQUESTS_TITLE"),
    ],
    "MAP_MONEY": [
        ("/soldes", "MAP_BALANCES"),
        ("/paiement", "MAP_PAYMENT"),
        ("/historiques", "MAP_CONSUMPTIONS"),
        ("/historiques/reglements", "MAP_PAYMENTS"),
        ("/historiques/attestation", "MAP_CERTIFICATE"),
    ],
}
OF_ALL: Final = [("/connexion", "SIGN_IN_TITLE"), ("/mot-de-passe", "FORGOTTEN_TITLE")]
OF_ACCOUNTS: Final = [("/", "TAB_HOME"), ("/profil", "TAB_PROFILE"), ("/profil/securite", "SECURITY_TITLE")]
OF_AGENTS: Final = [
    ("/bureau", "TAB_DESK"),
    ("/bureau/pointage", "DESK_ROSTER"),
    ("/bureau/activites", "DESK_ACTIVITIES"),
    ("/bureau/nouvelle-activite", "SETTINGS_NEW"),
    ("/bureau/attente", "LINE_TITLE"),
    ("/bureau/familles", "DESK_FAMILIES"),
    ("/bureau/paiements", "DESK_PAYMENTS"),
    ("/bureau/paiements/remises", "MONEY_PLACE_DEPOSITS"),
    ("/bureau/paiements/en-ligne", "MONEY_PLACE_ONLINE"),
    ("/bureau/paiements/impayes", "MONEY_PLACE_DEBTORS"),
    ("/bureau/paiements/caisse", "MONEY_PLACE_CLOSING"),
    ("/bureau/paiements/operations", "MONEY_PLACE_ACTS"),
    ("/bureau/nouvelle-famille", "REGISTER_NEW"),
    ("/bureau/importer-familles", "IMPORT_TITLE"),
    ("/bureau/annonces", "DESK_ANNOUNCEMENTS"),
    ("/bureau/courriers", "DESK_MAILS"),
    ("/bureau/messages-en-echec", "DESK_DEAD_LETTERS"),
    ("/bureau/equipe", "TEAM_TITLE"),
    ("/bureau/invitations", "INVITATIONS_TITLE"),
    ("/bureau/journal", "TRAIL_TITLE"),
]
OF_THE_SITE: Final = [
    ("/aide", "FOOT_HELP"),
    ("/plan-du-site", "FOOT_MAP"),
    ("/accessibilite", "ACCESSIBILITY_TITLE"),
    ("/mentions-legales", "FOOT_LEGAL"),
    ("/donnees-personnelles", "FOOT_PRIVACY"),
]
#: What is no page to go to by itself: steps of something, links of mails, what scripts ask, files.
NO_PAGES: Final = (
    "/bureau/effacements",  # For administrators alone.
    "/bureau/hors-ligne.js",
    "/bureau/journal/fichier",
    "/bureau/paiements/operations/fichier",
    "/bureau/pointage/hors-ligne",
    "/connexion/retour",
    "/bureau/paiements/journal",
    "/courriel/",
    "/direct/",
    "/double-authentification",
    "/invitation",
    "/mot-de-passe/",
    "/reservations/fichier",
    "/reserver/cout",
    "/reserver/mois",
    "/session",
)


def _saying(template: str) -> Callable[[Visit], Awaitable[Response]]:
    async def page(visit: Visit) -> Response:
        await visit.glance(WHO)
        town = visit.house.town
        return visit.page(
            template, styles=("legal",), town_words=town, site=visit.house.site, old=town.accessibility.is_too_old(visit.likely_today)
        )

    return page


async def site_map(visit: Visit) -> Response:
    """Every page that whoever asks may open, as far as it is there."""
    await visit.glance(WHO)
    me = visit.data.get("me") or {}
    parts = {"MAP_ACCOUNT": OF_ACCOUNTS} if me else {"MAP_DOOR": OF_ALL}
    parts |= PAGES_OF_FAMILIES if me.get("families") else {}
    parts |= {"TAB_DESK": OF_AGENTS} if me.get("agentOf") else {}
    parts |= {"MAP_SITE": OF_THE_SITE}
    return visit.page("site_map.html", styles=("legal",), parts=parts)


READ = ("GET",)
PAGES = [
    ("/accessibilite", READ, _saying("accessibility.html")),
    ("/plan-du-site", READ, site_map),
    ("/aide", READ, _saying("help.html")),
    ("/mentions-legales", READ, _saying("notice.html")),
    ("/donnees-personnelles", READ, _saying("privacy.html")),
]
