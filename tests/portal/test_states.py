"""States of pages that a town seldom brings about, each as an API tells it: sound on a phone in French, and in English where a state is said
in words and marks of its own.

What two states draw by the same macro, with other words, is looked at once. At the door, TOO_MANY_ATTEMPTS is drawn as a wrong password is
(test_refusals), and on the question's page; a season that is over and a month without a day as one that has not begun; a payment under way
as on the balances; whatever keeps a payment from beginning as PAYMENT_UNAVAILABLE.
"""

import calendar
import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from playwright.async_api import Page, expect

from gateway.portal import town_words
from gateway.portal.app import portal
from gateway.portal.draft import Line, cookie, written
from gateway.portal.pages.bookings import STATUSES
from gateway.portal.session import Session
from gateway.trusted import Trusted
from services.settings import Settings
from tests.conftest import dealt
from tests.flows.town import today
from tests.portal.browsing import DESKTOP, PHONE, Watch, brings_axe, is_sound
from tests.portal.conftest import Browse
from tests.portal.paged import TOLD_ALL, refused
from tests.portal.test_money import BALANCE, CLOSED, LATER, OPEN, Api
from tests.portal.test_refusals import Refused, comes_to, is_looked_at
from tests.serving import at_an_address

FIRST = (today().replace(day=1) + dt.timedelta(days=32)).replace(day=1)  #: Of next month.
DAYS = [FIRST + dt.timedelta(days=number) for number in range(calendar.monthrange(FIRST.year, FIRST.month)[1])]
MONDAY = next(day for day in DAYS if day.weekday() == 0)
MOMENT = "2026-11-01T08:00:00Z"
WHERE = f"/reserver?enfant=c&activite=aps&mois={FIRST:%Y-%m}"
COPY = f"/reserver/copier?de=c:aps&du={DAYS[0]}&au={DAYS[-1]}&vers="
OFFLINE = """() => { Object.defineProperty(navigator, 'onLine', { get: () => false }); dispatchEvent(new Event('offline')); }"""


class State(NamedTuple):
    """`no`: what is opened or sent, and its answer. `told`: by the API, beside what it tells of everybody, of `me` and of the `family`.
    `draft`: what was chosen. `then`: what happens on the page, and what it shows. `also`: it is looked at in English.
    """

    no: Refused
    told: Mapping[str, Any] = {}
    me: Mapping[str, Any] = {}
    family: Mapping[str, Any] = {}
    draft: str = ""
    errors: bool = False
    signed_in: bool = True
    then: str = ""
    shows: str = ""
    also: bool = False


def opens(path: str, status: int = 200) -> Refused:
    return Refused(path, status, summary=False)


def kind(id: str, name: str, **more: Any) -> dict[str, Any]:
    rule = "la veille avant midi"
    days = {"opensOn": f"{today() - dt.timedelta(days=90)}", "closesOn": f"{today() + dt.timedelta(days=200)}"}
    hours = {"arrival": "07:30", "departure": "08:45", "choosesHours": False, "hourStepMinutes": None, "minimumMinutes": None}
    return {
        "id": id,
        "name": name,
        **days,
        **hours,
        "bookingRule": rule,
        "cancellationRule": rule,
        "allocation": {"nextRunAt": None},
    } | more


APS, SOIR = kind("aps", "Accueil du matin"), kind("soir", "Accueil du soir")
MULTI = kind("multi", "Multi-accueil", choosesHours=True, hourStepMinutes=15, minimumMinutes=60, departure="18:30")
CHILD = {"id": "c", "firstName": "Amalia", "lastName": "ALPHA", "birthDate": "2019-02-01", "activities": [APS, SOIR, MULTI]}
NOTHING = {"nodes": [], "totalCount": 0, "endCursor": None, "hasNextPage": False}
HOUSEHOLD = {
    "structure": {"id": "t", "name": "Mairie de CarteVille", "timezone": "Europe/Paris", "announcements": []},
    "children": [CHILD | {"calendarFeed": None}],
    "adults": [{"id": "a", "title": "Mme", "firstName": "Zoé", "lastName": "ALPHA"}],
    "dataExports": [],
    "bookingAccess": {"open": True, "refusal": None},
    "bookings": NOTHING,
    "requests": NOTHING,
    **{status: {"totalCount": 0} for status in STATUSES},
}
PERSON = {
    "agentOf": [], "email": "zoe@example.org", "undeliverable": None, "secondFactorMissing": [], "pendingEmail": None, "pendingEmailFrom": None,
    "pendingEmailWaits": False, "securityQuestion": None, "secretQuestionOpens": False, "reports": "EACH", "announcementsByMail": True,
    "sessions": [], "recoveryCodesLeft": 0, "factors": [], "outsideIdentities": [],
}  # fmt: skip


def days(*states: str) -> list[dict[str, Any]]:
    """Of that month, in turn."""
    told = {"placesLeft": 3, "reason": None, "reasonCode": None, "revision": 1, "booking": None}
    return [{"date": f"{day}", "state": states[number % len(states)], **told} for number, day in enumerate(DAYS)]


def month(*states: str, **more: Any) -> dict[str, Any]:
    return {"child": {"id": "c", "activities": [APS, SOIR], "calendar": {"asOf": MOMENT, "days": days(*states), "activity": APS | more}}}


def line(number: int, activity: str = "aps") -> Line:
    return Line(MONDAY + dt.timedelta(days=number), "c", activity)


def forecast(number: int, forecast: str = "ACCEPTED", cents: int | None = 1_31, code: str = "", message: str = "") -> dict[str, Any]:
    refusal = {"code": code, "message": message} if code else None
    told = {"change": "BOOK", "date": f"{line(number).date}", "arrival": "07:30", "departure": "08:45", "forecast": forecast, "rank": 2}
    named = {"child": {"id": "c", "firstName": "Amalia"}, "activity": APS, "wallet": {"id": "w", "name": "W"}}
    return told | named | {"refusal": refusal, "priceCents": cents, "explanation": [{"label": "Tarif", "amountCents": cents}]}


def preview(*lines: dict[str, Any]) -> dict[str, Any]:
    return {"previewBookings": {"__typename": "Preview", "bookings": list(lines), "cancellations": []}}


def request(status: str) -> dict[str, Any]:
    booking = {
        "id": "b",
        "date": f"{MONDAY}",
        "arrival": "07:30",
        "departure": "08:45",
        "status": status,
        "rank": None,
        "reason": "Complet.",
    }
    movement = {"change": "BOOK", "refusal": None, "booking": booking | {"child": CHILD, "activity": APS}}
    told = {"id": "r", "number": "R-1", "submittedAt": MOMENT, "decided": True, "byAgent": False, "reason": None}
    return {"request": told | {"movements": [movement, movement]}}


def plan(*added: int, skipped: int = 0) -> dict[str, Any]:
    new = [
        {"change": "BOOK", "child": {"id": "c"}, "activity": SOIR, "date": f"{line(n).date}", "arrival": None, "departure": None}
        for n in added
    ]
    no = [{"date": f"{line(3 + n).date}", "code": "FULL", "message": "Complet."} for n in range(skipped)]
    return {"copyBookings": {"__typename": "CopyPlan", "draft": new, "skipped": no}}


def at_the_door() -> list[State]:
    sent, step = {"identifiant": "zoe", "motdepasse": "faux"}, {"challenge": "c", "kinds": ["TOTP", "PASSKEY"], "passkeyOptions": "{}"}
    half = {"__typename": "SecondFactorRequired", "code": "SECOND_FACTOR_REQUIRED", **step}
    asked = {"faire": "question", "identifiant-question": "zoe"}
    answer = {"identifiant": "zoe", "question": "Votre premier animal ?", "reponse": "chat"}
    said = {"title": "Grève", "body": "Pas de cantine.", "publishedAt": MOMENT, "structureName": "Mairie", "timezone": "Europe/Paris"}
    outside = {"oidcProviders": [{"id": "fc", "name": "FranceConnect"}], "publicAnnouncements": [said]}
    many = refused("TOO_MANY_ATTEMPTS", "Trop d’essais. Réessayez dans 15 minutes.")
    states = [
        State(opens("/connexion"), outside, also=True),
        State(Refused("/connexion", 200, sent, summary=False, at="/connexion"), {"signIn": half}, also=True),
        State(opens("/mot-de-passe?envoyee=1")),
        State(Refused("/mot-de-passe", 200, asked, summary=False, at="/mot-de-passe"), {"recoveryQuestion": answer["question"]}, also=True),
        State(Refused("/mot-de-passe/question", 422, answer, at="/mot-de-passe"), {"answerRecoveryQuestion": many}),
        State(opens("/connexion/fc/lier"), also=True),
        State(opens("/paiement/p")),
        State(opens("/connexion"), {"oidcProviders": None}, errors=True, also=True),
    ]
    return [each._replace(signed_in=False) for each in states]


def at_home() -> list[State]:
    news = [{"id": id, "title": f"Grève {id}", "body": "Un.\n\nDeux.", "publishedAt": MOMENT} for id in "ab"]
    away = {"pendingEmail": "neuve@example.org", "pendingEmailFrom": MOMENT, "undeliverable": MOMENT, "secretQuestionOpens": True}
    asked = ["Votre premier animal ?", "Votre ville natale ?"]
    files = [{"id": state, "askedAt": MOMENT, "state": state} for state in ("READY", "OVER", "PREPARING")]
    totp = {"secret": "JBSWY3DPEHPK3PXP", "uri": "otpauth://totp/Preau:zoe?secret=JBSWY3DPEHPK3PXP", "qrSvg": ""}
    codes = [f"ABCD-{n:04}-EFGH" for n in range(10)]
    security = "/profil/securite"
    return [
        State(opens("/"), family={"structure": HOUSEHOLD["structure"] | {"announcements": news}}, also=True),
        State(opens("/profil"), {"securityQuestions": asked}, away, {"dataExports": files}, also=True),
        State(Refused(f"{security}/application", 200, {"motdepasse-totp": "x"}, False, "/profil"), {"done": {"__typename": "TotpStarted", **totp}}, also=True),
        State(Refused(f"{security}/codes", 200, {"motdepasse-codes": "x"}, False, "/profil"), {"done": {"__typename": "RecoveryCodes", "codes": codes}}),
    ]  # fmt: skip


def with_money() -> list[State]:
    pays = {"cle": "k", "famille": "f", "faire": "payer", "montant-w": "12,34"}
    payment = {"id": "p", "amountCents": 63_40, "redirectUrl": "https://bank/x", "reference": "3150-1"}
    away = refused("PAYMENT_UNAVAILABLE", "Le paiement en ligne est indisponible.")
    under_way = {"paymentAccess": OPEN | {"underWay": [{"id": "p", "amountCents": 63_40}]}}
    agent = {"agentOf": [{"id": "t", "name": "Mairie de CarteVille", "timezone": "Europe/Paris"}]}
    shut = {"paymentAccess": CLOSED | {"refusal": {"message": "Le paiement en ligne est fermé jusqu’à lundi."}}}
    return [
        State(opens("/soldes"), family=under_way, also=True),
        State(opens("/soldes"), family=shut),
        State(opens("/paiement"), family=shut),
        State(Refused("/paiement", 503, pays, False, "/paiement"), {"startPayment": away}),
        State(opens("/paiement/p"), {"onlinePayment": payment | {"status": "STARTED"}}, also=True),
        State(opens("/paiement/p"), {"onlinePayment": payment | {"status": "EXPIRED"}}),
        State(opens("/bureau/paiements/en-ligne"), {"unsettledPayments": None}, agent, errors=True, also=True),
        State(opens("/bureau/attente?activite=aps"), {"roster": None, "openings": None}, agent, errors=True, also=True),
    ]


def on_calendars() -> list[State]:
    chosen = written([line(0), line(1)])
    later = f"{today() + dt.timedelta(days=20)}"
    one_day = {"child": {"id": "c", "day": [days("AVAILABLE")[0] | {"activity": APS}, days("CLOSED")[0] | {"activity": SOIR}]}}
    here = f"/reserver/jour?enfant=c&date={line(0).date}"
    several = written([line(0, "soir"), line(0, "gone")])
    return [
        State(opens(WHERE), month("AVAILABLE"), draft=chosen, then=OFFLINE, shows="#hors-ligne", also=True),
        State(opens(WHERE), month("FULL"), draft=chosen),
        State(opens(WHERE), month("CLOSED", opensOn=later)),
        State(
            opens(f"/reserver/mois?enfant=c&mois={FIRST:%Y-%m}"), month("AVAILABLE"), draft=chosen, then=OFFLINE, shows="#net", also=True
        ),
        State(opens(here), one_day, draft=several, then=OFFLINE, shows="#net", also=True),
        State(opens(f"{COPY}c:soir"), plan(0, 1, skipped=2), also=True),
        State(opens(f"{COPY}c:soir"), plan(skipped=2)),
        State(opens(f"{COPY}c:soir"), plan()),
        State(opens(f"{COPY}c:multi"), also=True),
    ]


def on_the_recap() -> list[State]:
    lines = written([line(0), line(1)])
    sent = {"famille": "f", "lignes": lines, "acte": "valider", "vu": "A131.A131", "envoi": "n", "options": "1", "attente": "1"}
    full, debt = ("FULL", "Complet."), ("ACCOUNT_IN_DEBIT", "Votre compte est débiteur.")
    none_told = {"previewBookings": None, "money": None}
    waits = {"id": "b", "number": 1, "date": f"{MONDAY}", "arrival": "07:30", "departure": "08:45", "status": "WAITLISTED", "rank": 2}
    waits |= {"reason": None, "cancellable": True, "hoursChangeable": False, "child": CHILD, "activity": APS}
    listed = {"bookings": NOTHING | {"nodes": [waits], "totalCount": 1}}
    leave = {"acte": "quitter", "reservation": f"b {written([Line(MONDAY, 'c', 'aps', 'CANCEL')])}"}
    feed = {"__typename": "CalendarFeed", "url": "https://preau.example.org/ics/Jf8s9dJf8s9dJf8s9dJf8s9dJf8s9dJf8s9d.ics"}
    path = "/recapitulatif"
    return [
        State(Refused(path, 422, sent, False, "/profil"), preview(forecast(0, "REFUSED", 1_31, *full), forecast(1, "WAITLISTED", 2_00)), draft=lines, also=True),
        State(Refused(path, 200), {"previewBookings": refused("UNKNOWN_CHILD", "Cet enfant n’est pas connu.")}, draft=written([line(0), line(0, "gone")])),
        State(opens(path), preview(forecast(0, "REFUSED", 1_31, *debt), forecast(1, cents=None)), draft=lines, also=True),
        State(Refused(path, 422, sent, True, "/profil"), preview(forecast(0), forecast(1)) | {"submitBookings": refused(*debt)}, draft=lines),
        State(opens(path), none_told, draft=lines, errors=True),
        State(opens("/demandes/r"), request("ACCEPTED"), also=True),
        State(opens("/demandes/r"), request("REFUSED")),
        State(Refused("/reservations", 200, {"acte": "agenda", "enfant": "c"}, False, "/profil"), {"renewCalendarFeed": feed}, also=True),
        State(Refused("/reservations", 422, leave, False, "/profil"), {"cancelBooking": refused("TOO_LATE", "Il est trop tard.")}, family=listed),
    ]  # fmt: skip


async def tells(api: Api, state: State, page: Page, url: str) -> None:
    """What the API says from now on, and what the browser keeps."""
    everybody = TOLD_ALL | {"secretQuestionsOpen": True, "securityQuestions": [], **preview()}
    api.told = dict(state.told) if state.errors else everybody | state.told
    api.me = api.me | PERSON | {"families": [{"id": "f", "number": "1", "balance": BALANCE, "balanceAlertCents": None, "paymentAccess": OPEN}
                                             | HOUSEHOLD | state.family]} | state.me  # fmt: skip
    api.wrong = [{"message": "No.", "extensions": {"code": "SUBGRAPH_UNAVAILABLE"}}] if state.errors else []
    kept = {"preau_session": Session("access", LATER, "refresh", LATER).written()} if state.signed_in else {}
    kept |= {cookie("f"): state.draft} if state.draft else {}
    await page.context.clear_cookies(name="preau_session")
    await page.context.clear_cookies(name=cookie("f"))
    await page.context.add_cookies([{"name": name, "value": value, "url": url} for name, value in kept.items()])


@pytest.mark.parametrize(("language", "size"), dealt("the language of states", ("fr", PHONE), ("en", DESKTOP)))
async def test_states_that_a_town_seldom_brings_about_are_sound(browse: Browse, watch: Watch, language: str, size: dict[str, Any]) -> None:
    watch.expected.append("EventSource's response has a MIME type")  # This API tells nothing by itself.
    api = Api()
    settings = Settings.from_environment({"PREAU_PAYMENT_PROVIDER": "sandbox", "SANDBOX_URL": "http://bank:1"})
    async with at_an_address(portal(api, settings, Trusted(), town_words.DEFAULT)) as url:
        watch.origins.append(url)
        page = await browse(size, language="en-GB" if language == "en" else "fr-FR", base_url=url)
        await brings_axe(page)
        for group in (at_the_door, at_home, with_money, on_calendars, on_the_recap):
            for number, state in enumerate(group()):
                if language == "en" and not state.also:
                    continue
                await page.goto("about:blank")  # A page that asks again by itself is not to be answered as the next one.
                await tells(api, state, page, url)
                await comes_to(page, state.no, language)
                if state.then:
                    await page.evaluate(state.then)
                    await expect(page.locator(state.shows)).to_be_visible()
                await page.evaluate("() => { for (const each of document.querySelectorAll('main details')) each.open = true; }")
                if is_looked_at(f"state {number} {group.__name__}"):
                    await is_sound(page, f"state-{group.__name__}-{number}-{language}")
