"""Balances, paying online and what became of it, histories (P5 to P8): S9 to S19 as a family sees them."""

import json
import re
from typing import Any

import httpx2
import pytest
from playwright.async_api import Page
from starlette.datastructures import QueryParams

from gateway.portal import formats, town_words
from gateway.portal.app import payment_origins, portal
from gateway.portal.pages.history import months
from gateway.portal.pages.money import Calculation
from gateway.portal.pages.payment import Line, Sent, new_balance, suggested
from gateway.portal.session import Session
from gateway.trusted import Trusted
from services.settings import Settings
from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import Town, activity, family, next_days, today
from tests.portal.browsing import PHONE, Watch, is_sound, lands_on, signs_in
from tests.portal.conftest import Browse, MakeVisitor
from tests.portal.visitor import Visitor

CHEQUE = {"date": "2017-02-01", "mode": "CHEQUE", "reference": "2578012", "payer": "GUIDE DENIS", "bank": "CREDIT AGRICOLE"}
INTERNET = {
    "date": "2017-01-29",
    "mode": "INTERNET",
    "reference": "3150-N°AUTO:445401",
    "payer": "POUR .GUIDE CARTE+",
    "bank": "PAR INTERNET",
}
#: One day costs what the guide's bookings come to.
DEAR = activity("aps", tariff=[{"from": "today-40d", "per": "presence", "bands": [{"cents": 102_61}]}])


def holds(cents: int, **more: object) -> dict[str, object]:
    return {"date": "today-1d", "mode": "CASH", "payer": "GUIDE DENIS", "wallet": "periscolaire", "cents": cents, **more}


async def guide(found: Found, **more: object) -> Town:
    """The guide's family: 50.06 in its wallet, and 102.61 to come."""
    town = await found(activities=[DEAR], families=[family("dupont", **{"payments": [holds(50_06)], **more})])
    (dupont,) = await town.everybody("dupont")
    await dupont.asks(next_days(1)[0])
    await dupont.costs(102_61)
    return town


def text_of(html: str) -> str:
    """What somebody reads, a blank between any two words."""
    plain = re.sub(r"<[^>]+>", " ", html[html.index("<main") :])
    return " ".join(plain.replace("&#39;", "'").replace("\u202f", " ").replace("\xa0", " ").split())


# ------------------------------------------------------------------------------------------------------------- arithmetic
@pytest.mark.parametrize(
    ("balance", "cost", "payment", "left"),
    [(-51_65, 11_75, 63_40, 0), (0, 0, 0, 0), (50_06, 102_61, 52_55, 0), (60_00, 10_00, 0, 50_00)],
)
def test_s16_the_guides_examples(balance: int, cost: int, payment: int, left: int) -> None:
    assert suggested(balance, cost) == payment
    assert new_balance(balance, cost, payment) == left
    assert Line("w", "W", balance, cost, formats.plain_money(payment, "fr")).new_balance_cents == left


@pytest.mark.parametrize(
    ("written", "cents"),
    [("12,50", 12_50), ("12.5", 12_50), (" 1 250,05 € ", 1_250_05), ("0", 0), ("€7", 7_00)]
    + [(odd, None) for odd in ("", "-1", "1,234", "1e3", "١٢", "12,", ",5", "1.000,00", "5€50", "abc", "9" * 12)],
)
def test_amounts_as_people_write_them(written: str, cents: int | None) -> None:
    assert formats.cents(written) == cents


@pytest.mark.parametrize(
    ("address", "until_day", "include", "again"),
    [
        ("", None, ["CONFIRMED"], ""),
        ("jusquau=&inclure=confirmees", None, ["CONFIRMED"], ""),
        ("jusquau=2026-12-05&inclure=attente", "2026-12-05", ["PENDING"], "?jusquau=2026-12-05&inclure=attente"),
        ("jusquau=", None, [], "?jusquau="),
        ("jusquau=2026-02-30&inclure=confirmees&inclure=attente&inclure=x", None, ["CONFIRMED", "PENDING"], None),
    ],
)
def test_s13_which_bookings_count(address: str, until_day: str | None, include: list[str], again: str | None) -> None:
    calculation = Calculation.read(QueryParams(address))
    assert calculation.asked == {"until": until_day, "include": include}
    assert calculation.is_wrong is (again is None)
    assert again is None or calculation.query == again


def test_one_page_sent_twice_is_one_payment_and_another_amount_is_another() -> None:
    sent = Sent({"a": "10,00", "b": ""}, "", "key")
    assert sent.lines == [{"wallet": "a", "amountCents": 10_00}]
    assert sent.idempotency_key == Sent({"b": "0", "a": "10"}, "", "key").idempotency_key
    others = [Sent({"a": "10,01"}, "", "key"), Sent({"a": "10"}, "x@example.org", "key"), Sent({"a": "10"}, "", "other")]
    assert len({sent.idempotency_key, *(each.idempotency_key for each in others)}) == 4


def test_the_arrows_stop_at_the_latest_month() -> None:
    assert months("2026-12", "2027-01") == {"this": "2026-12", "previous": "2026-11", "next": "2027-01"}
    assert months("2027-01", "2027-01") == {"this": "2027-01", "previous": "2026-12", "next": None}
    assert months("2000-01", "2027-01")["previous"] is None


@pytest.mark.parametrize(
    ("providers", "origins"), [("", set()), ("sandbox-unsigned", {"http://bank:1"}), ("stripe", {"https://checkout.stripe.com"})]
)
def test_forms_may_lead_to_the_payment_site_of_the_settings_alone(providers: str, origins: set[str]) -> None:
    told = {"PREAU_PAYMENT_PROVIDER": providers, "SANDBOX_URL": "http://bank:1/"}
    assert payment_origins(Settings.from_environment(told)) == origins


# --------------------------------------------------------------------------------------------------------------- balances
async def test_s14_s15_balances_and_an_alert(found: Found, visitor: MakeVisitor) -> None:
    """50.06 - 102.61 = -52.55."""
    town, one = await guide(found), visitor()
    shown = text_of((await one.signs_in(town, "dupont", "/soldes")).text)
    assert "PERISCOLAIRE 50,06 € 102,61 € −52,55 €" in shown
    assert "Votre crédit 50,06 € Montant des réservations, toutes dates 102,61 € Solde estimé −52,55 €" in shown
    day = next_days(1)[0]
    for until_day, cost in ((day.isoformat(), "102,61"), (f"{today():%Y-%m-%d}", "0,00")):  # That day is included.
        page = await one.opens("/soldes", jusquau=until_day, inclure="confirmees")
        assert f"{cost} € Solde estimé" in text_of(page.text)
    assert "0,00 € Solde estimé 50,06 €" in text_of((await one.opens("/soldes", jusquau="", inclure="attente")).text)
    wrong = await one.opens("/soldes", jusquau="31/31")
    assert (wrong.status_code, "<title>Erreur" in wrong.text) == (422, True)
    assert 'value="20,00"' in (await one.sends("/soldes/alerte", seuil="20")).text
    assert "ne serez plus" in (await one.sends("/soldes/alerte", seuil="")).text
    for odd in ("beaucoup", "99999999", "9999999"):
        refused = await one.sends("/soldes/alerte", seuil=odd)
        assert (refused.status_code, f'value="{odd}"' in refused.text) == (422, True)


# ---------------------------------------------------------------------------------------------------------------- payment
async def test_s16_to_s18_what_the_payment_page_asks_and_refuses(found: Found, visitor: MakeVisitor, system: System) -> None:
    town, one = await guide(found), visitor()
    page = await one.signs_in(town, "dupont", "/paiement")
    wallet, multi = f"montant-{town.named('periscolaire')}", f"montant-{town.named('multi')}"
    assert f'name="{wallet}" type="text" inputmode="decimal" autocomplete="off" value="52,55"' in page.text
    assert f"form-action 'self' {system.sandbox};" in page.headers["content-security-policy"]
    form = {"cle": "k" * 20, "famille": town.named("dupont"), "faire": "payer"}
    worked_out = await one.sends("/paiement", **{**form, wallet: "100", multi: "", "faire": "calculer"})
    assert (worked_out.status_code, "47,45 €" in text_of(worked_out.text)) == (200, True)
    for odd in ({wallet: "dix", multi: "1"}, {wallet: "-5"}, {wallet: "0", multi: ""}, {wallet: "9999999"}):
        refused = await one.sends("/paiement", **form, **odd)
        assert (refused.status_code, f'href="#{wallet}"' in refused.text, "k" * 20 in refused.text) == (422, True, True)
    one.client.follow_redirects = False
    first, again, other = [await one.sends("/paiement", **{**form, wallet: cents}) for cents in ("52,55", "52.55", "60")]
    assert (first.status_code, first.headers["location"]) == (303, again.headers["location"])
    assert first.headers["location"].startswith(f"{system.sandbox}/pay/")
    assert other.headers["location"] != first.headers["location"]
    assert text_of((await one.opens("/paiement")).text).count("est en cours") == 2
    foreign = await one.sends("/paiement", **{**form, "montant-nobodys": "5"})
    assert foreign.status_code == 404


LATER = 99_999_999_999  #: seconds since 1970


class Api:
    """Answers the portal's questions as it is told to, by the name of the operation."""

    def __init__(self, **told: Any) -> None:
        shell = {"id": "a", "login": "a", "title": None, "firstName": "Zoé", "lastName": "A", "email": None, "language": "fr"}
        structure = {"id": "t", "name": "T", "timezone": "Europe/Paris"}
        family = {"id": "f", "number": "1", "structure": structure, "balance": BALANCE, "balanceAlertCents": None} | told.pop("family", {})
        self.me = {**shell, "passwordIsHandedOut": False, "agentOf": [], "families": [{"paymentAccess": OPEN, **family}]}
        self.wrong = told.pop("errors", [])  #: Of the answers.
        self.told, self.asked = told, list[Any]()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        question = json.loads((await receive())["body"])
        self.asked.append(question)
        data = {"me": self.me} if "...Shell" in question["query"] else {}
        data |= dict.fromkeys(re.findall(r"(\w+): me \{", question["query"]), self.me)
        body = json.dumps({"data": data | self.told, "errors": self.wrong}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    def visitor(self) -> Visitor:
        told = {"PREAU_PAYMENT_PROVIDER": "sandbox", "SANDBOX_URL": "http://bank:1"}
        settings = Settings.from_environment(told)
        app = portal(self, settings, Trusted(), town_words.read(settings.portal))
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://portal", headers={"accept-language": "en"})
        client.cookies.set("preau_session", Session("access", LATER, "refresh", LATER).written())
        return Visitor(client)


WALLET = {"wallet": {"id": "w", "name": "W"}, "balanceCents": -51_65, "estimatedCostCents": 11_75, "newBalanceCents": -63_40}
BALANCE = {"balanceCents": -51_65, "estimatedCostCents": 11_75, "newBalanceCents": -63_40, "inDebit": True,
           "lines": [{**WALLET, "suggestedPaymentCents": 63_40}]}  # fmt: skip
OPEN = {"open": True, "refusal": None, "leastCents": 1_00, "underWay": []}
CLOSED = {"open": False, "refusal": {"message": "Not open."}, "leastCents": None, "underWay": []}


async def test_s18_an_address_is_asked_for_where_there_is_none() -> None:
    refused = {"__typename": "EmailRequired", "code": "EMAIL_REQUIRED", "message": "An address, please."}
    api = Api(startPayment=refused)
    one = api.visitor()
    page = await one.opens("/paiement")
    assert 'id="courriel"' in page.text
    assert "At least €1.00" in text_of(page.text)
    again = await one.sends("/paiement", **{"cle": "k", "famille": "f", "montant-w": "63.40", "courriel": "zoe@"})
    assert again.status_code == 422
    assert 'href="#courriel"' in again.text
    assert 'value="zoe@"' in again.text
    assert api.asked[-2]["variables"]["input"]["email"] == "zoe@"


@pytest.mark.parametrize("code", ["PAYMENT_UNAVAILABLE", "TOO_MANY_OPEN_PAYMENTS", "IDEMPOTENCY_KEY_REUSED"])
async def test_where_the_payment_site_is_away_the_page_says_so_and_keeps_what_was_written(code: str) -> None:
    one = Api(startPayment={"__typename": "No", "code": code, "message": "Not now."}).visitor()
    await one.opens("/paiement")
    answer = await one.sends("/paiement", **{"cle": "k", "famille": "f", "montant-w": "12.34"})
    assert answer.status_code == 503
    assert "Not now." in text_of(answer.text)
    assert 'value="12.34"' in answer.text
    assert 'value="k"' in answer.text


async def test_where_paying_online_is_closed_the_pages_say_why() -> None:
    one = Api(family={"paymentAccess": CLOSED}).visitor()
    for path in ("/soldes", "/paiement"):
        told = (await one.opens(path)).text
        assert "Not open." in told
        assert 'href="/paiement"' not in told
        assert 'id="payer" class' not in told
    assert "Amount due €51.65" in text_of((await one.opens("/soldes")).text)


@pytest.mark.parametrize(
    ("status", "url", "leads"),
    [
        ("STARTED", "http://bank:1/pay/x", "http://bank:1/pay/x"),
        ("STARTED", "https://elsewhere.example/x", "/paiement/p"),  # Where no form may lead, a link does.
        ("REFUSED", "http://bank:1/pay/x", "/paiement/p"),
        ("PAID", "http://bank:1/pay/x", "/paiement/p"),
    ],
)
async def test_the_form_leads_to_the_payment_site_if_there_is_something_to_pay(status: str, url: str, leads: str) -> None:
    one = Api(startPayment={"__typename": "OnlinePayment", "id": "p", "status": status, "redirectUrl": url}).visitor()
    await one.opens("/paiement")
    answer = await one.sends("/paiement", **{"cle": "k", "famille": "f", "montant-w": "1"})
    assert (answer.status_code, answer.headers["location"]) == (303, leads)


@pytest.mark.parametrize("status", ["STARTED", "PAID", "REFUSED", "CANCELLED", "EXPIRED"])
async def test_each_end_of_a_payment_has_its_words(status: str) -> None:
    told = {"id": "p", "status": status, "amountCents": 63_40, "redirectUrl": "https://bank/<x>", "reference": "<b>"}
    told = (await Api(onlinePayment=told).visitor().opens("/paiement/p")).text
    assert "€63.40" in text_of(told)
    assert "<b>" not in told.partition("<main")[2].partition("&lt;b&gt;")[2][:50]
    assert ("https://bank/&lt;x&gt;" in told) is (status == "STARTED")
    assert ('href="/paiement"' in told) is (status in ("REFUSED", "CANCELLED", "EXPIRED"))


async def test_s19_the_return_asks_and_never_believes(found: Found, visitor: MakeVisitor) -> None:
    """S19: the address may say what it wants. Whose session has ended signs in, and is back."""
    town, one, stranger = await guide(found), visitor(), visitor()
    anybody = await one.opens("/paiement/p1", status="paid", amount="15000")
    assert (anybody.status_code, "Il n’est compté qu’une fois" in text_of(anybody.text)) == (200, True)
    assert 'href="/connexion?suite=/paiement/p1%3F' in anybody.text
    wallet = f"montant-{town.named('periscolaire')}"
    await one.signs_in(town, "dupont", "/paiement")
    one.client.follow_redirects = False
    bank = (await one.sends("/paiement", cle="k", famille=town.named("dupont"), **{wallet: "52,55"})).headers["location"]
    one.client.follow_redirects = True
    async with httpx2.AsyncClient(timeout=60) as browser:
        path = (await browser.post(bank, data={"action": "pay", "misbehaviour": "late"})).headers["location"].rpartition("/paiement/")[2]
    waiting = await one.opens(f"/paiement/{path}", status="paid")
    assert "en attente de confirmation" in text_of(waiting.text)
    assert bank in waiting.text

    async def is_paid() -> bool:
        return "Paiement reçu 52,55 €" in text_of((await one.opens(f"/paiement/{path}")).text)

    await until(is_paid)
    assert (await one.opens(f"/paiement/{path}/recu")).content.startswith(b"%PDF")
    once_more = await one.sends("/paiement", cle="k", famille=town.named("dupont"), **{wallet: "52,55"})
    assert str(once_more.url).endswith(f"/paiement/{path}"), "going back and sending it again pays nothing twice"
    month = f"{today():%Y-%m}"
    history = text_of((await one.opens(f"/historiques/reglements/{month}")).text)
    assert history.count("INTERNET 3150-N°AUTO:") == 1
    assert "POUR " in history
    assert (await one.opens("/paiement/nothing")).status_code == 404
    other = await found(activities=[activity("aps")], families=[family("martin")])
    await stranger.signs_in(other, "martin")
    assert (await stranger.opens(f"/paiement/{path}")).status_code == 404


UNHURRIED_MS = 80  #: Of a click: two in one go are one form that is sent, whatever the page does.
#: The page of a payment hears what becomes of it by its stream alone.
WITHOUT_ASKING = "{ const later = setTimeout; window.setTimeout = (what, ...more) => what.name === 'look' ? 0 : later(what, ...more); }"


async def orders(system: System, cents: int) -> list[str]:
    """What became of the payments of that amount that the payment site knows."""
    async with httpx2.AsyncClient(timeout=60) as client:
        told = (await client.get(f"{system.sandbox}/truth")).json()
    return sorted(one["status"] for one in told if one["amount_cents"] == cents)


async def test_a_journey_to_the_payment_site_declined_given_up_and_paid(
    desktop: Page, browse: Browse, found: Found, system: System, watch: Watch
) -> None:
    """S19: two clicks, one payment, asked for once; its page and the balances in another tab follow, and the receipt is mailed."""
    town = await guide(found)
    watch.origins.append(system.sandbox)
    await signs_in(desktop, town, "dupont")
    order, sent = ("POST", f"{system.gateway}/paiement"), list[str]()
    desktop.on("request", lambda request: (request.method, request.url) == order and sent.append(request.url))  # type: ignore[func-returns-value]
    balances = await desktop.context.new_page()
    await balances.goto("/soldes")
    await is_sound(balances, "balances")
    as_of = await balances.inner_text("#asof")
    wallet = f"#montant-{town.named('periscolaire')}"
    for action, end in (("refuse", "Paiement refusé"), ("abandon", "Paiement abandonné"), ("pay", "Paiement reçu")):
        await desktop.set_viewport_size({"width": 1280, "height": 900})
        if action == "pay":  # It is told late, and nothing asks by itself: the stream tells it.
            await desktop.add_init_script(WITHOUT_ASKING)
        await desktop.goto("/paiement")
        await desktop.fill(wallet, "61,00")
        assert "8,45" in await desktop.inner_text("tr:has(input:focus) td:last-child")
        assert "61,00" in await desktop.inner_text("#total")
        if action == "refuse":
            await is_sound(desktop, "payment")
        await desktop.dblclick("#payer .primary", delay=UNHURRIED_MS)
        await lands_on(desktop, f"{system.sandbox}/pay/*")
        if action == "pay":
            await desktop.select_option("[name=misbehaviour]", "late")
        await desktop.click(f"button[value={action}]")
        await desktop.wait_for_selector(f"h1:has-text('{end}')")
        await is_sound(desktop, f"payment-{action}")
    await balances.wait_for_function("() => document.querySelector('#nouvelles').textContent")
    assert "111,06" in await balances.inner_text("#chiffres")
    assert await balances.inner_text("#asof") != as_of
    assert await orders(system, 61_00) == ["CANCELLED", "PAID", "REFUSED"]
    assert len(sent) == 3
    (dupont,) = await town.everybody("dupont")

    async def is_mailed() -> bool:
        return any(mail["subject"].startswith("Paiement reçu") for mail in await dupont.mails())

    await until(is_mailed)


async def test_paying_without_script(without_script: Page, found: Found, system: System, watch: Watch) -> None:
    """Two clicks are sent twice, and are one payment."""
    town = await guide(found)
    watch.origins.append(system.sandbox)
    page = without_script
    await signs_in(page, town, "dupont")
    await page.goto("/soldes")
    await page.check("input[value=attente]")
    await page.click("text=Calculer")
    await page.click("main .primary")
    await page.fill(f"#montant-{town.named('periscolaire')}", "62,17")
    await page.dblclick("button[value=payer]", delay=UNHURRIED_MS)
    await lands_on(page, f"{system.sandbox}/pay/*")
    await page.click("button[value=pay]")
    await page.wait_for_url("**/paiement/*")

    async def is_paid() -> bool:
        await page.reload()
        return "Paiement reçu" in await page.inner_text("h1")

    await until(is_paid)
    assert await orders(system, 62_17) == ["PAID"]


# -------------------------------------------------------------------------------------------------------------- histories
async def test_s9_to_s11_the_guides_payments(found: Found, visitor: MakeVisitor) -> None:
    """S11: 01/02/2017 CHEQUE 2578012 GUIDE DENIS, CREDIT AGRICOLE, 50,00; 29/01/2017 INTERNET ..., 150,00; total 200,00."""
    lines = [holds(50_00, **CHEQUE), holds(150_00, **INTERNET)]
    formula = {**INTERNET, "date": "2017-03-01", "payer": "=1+1"}
    both = [holds(50_00, **{**CHEQUE, "date": "2017-03-02"}), holds(150_00, **formula)]
    town = await found(activities=[activity("aps")], families=[family("guide", payments=[*lines, *both])])
    one = visitor()
    february = text_of((await one.signs_in(town, "guide", "/historiques/reglements/2017-02")).text)
    assert "01/02/2017 CHEQUE 2578012 GUIDE DENIS CREDIT AGRICOLE PERISCOLAIRE Reçu 50,00 € Total 50,00 €" in february
    january = text_of((await one.opens("/historiques/reglements/2017-01")).text)
    assert "29/01/2017 INTERNET 3150-N°AUTO:445401 POUR .GUIDE CARTE+ PAR INTERNET PERISCOLAIRE Reçu 150,00 € Total 150,00 €" in january
    march = text_of((await one.opens("/historiques/reglements/2017-03")).text)
    assert march.index("02/03/2017") < march.index("01/03/2017") < march.index("Total 200,00 €")
    csv = await one.opens("/historiques/reglements/2017-03/csv")
    assert csv.content.startswith(b"\xef\xbb\xbf")
    assert ";150,00" in csv.text
    assert ";'=1+1;" in csv.text, "a spreadsheet reckons nothing out of what somebody wrote"
    for kind, begins in (("xlsx", b"PK"), ("pdf", b"%PDF")):
        assert (await one.opens(f"/historiques/reglements/2017-03/{kind}")).content.startswith(begins)
    receipt = re.search(r'href="(/historiques/reglements/2017-03/recu/[^"]+)"', (await one.opens("/historiques/reglements/2017-03")).text)
    assert receipt
    assert (await one.opens(receipt[1])).content.startswith(b"%PDF")
    await odd_addresses(one)


async def odd_addresses(one: Visitor) -> None:
    month, year = f"{today():%Y-%m}", today().year
    for this, part in (("/historiques", "consommations"), ("/historiques/reglements", "reglements")):
        at_once, named = await one.opens(this), await one.opens(f"/historiques/{part}/{month}")
        assert (at_once.history, text_of(at_once.text)) == ([], text_of(named.text)), "this month, and nobody is sent on to it"
        assert f'href="/historiques/{part}/{month}/csv"' in at_once.text
    assert str((await one.opens("/historiques/reglements/2099-01")).url).endswith(f"/historiques/reglements/{month}")
    latest = (await one.opens(f"/historiques/reglements/{month}")).text
    assert ('rel="prev"' in latest, 'rel="next"' in latest) == (True, False), "the arrows stop"
    empty = await one.opens("/historiques/consommations/2016-05")
    assert "Aucune consommation en mai 2016" in text_of(empty.text)
    assert "2016-06" in empty.text
    assert "Aucun montant" in text_of((await one.opens(f"/historiques/attestation/{year}")).text)
    assert (await one.opens(f"/historiques/attestation/{year}/pdf")).content.startswith(b"%PDF")
    odd = ("reglements/2026-13", "reglements/x", "reglements/2017-03/doc", "reglements/2017-03/recu/x", "x/2017-03/csv")
    for path in (*odd, "attestation/1789", f"attestation/{year + 1}", "attestation/x/pdf"):
        assert (await one.opens(f"/historiques/{path}")).status_code == 404, path


async def test_histories_in_a_browser_in_french_and_english(browse: Browse, found: Found) -> None:
    payments = [holds(50_00, **CHEQUE), holds(150_00, **{**INTERNET, "date": "2017-02-02"})]
    town = await found(activities=[activity("aps")], families=[family("guide", payments=payments)])
    for language in ("fr-FR", "en-GB"):
        page = await browse(PHONE, language=language)
        await signs_in(page, town, "guide")
        for part in ("reglements/2017-02", "consommations/2017-02", f"attestation/{today().year}"):
            await page.goto(f"/historiques/{part}")
            await is_sound(page, f"history-{part.partition('/')[0]}-{language[:2]}")
    await page.goto("/historiques/reglements/2017-02")
    await page.emulate_media(media="print")
    assert not await page.is_visible("nav")
    assert await page.is_visible("text=CREDIT AGRICOLE")
