"""S35 through the whole system: links that the portal gets, and that browsers and calendar programs follow without a token."""

import csv
import io
from typing import Any

import httpx2
from icalendar import Calendar
from pypdf import PdfReader

from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import Family, activity, answers, family, next_days, today

FILES = """query($format: FileFormat!, $child: ID) { me { families { id bookingsFile(format: $format, child: $child) {
  ... on FileLink { url expiresAt } ... on Refusal { code } } } } }"""
RENEW = "mutation($child: ID!) { renewCalendarFeed(child: $child) { ... on CalendarFeed { url } ... on Refusal { code } } }"


async def link(one: Family, format: str = "CSV", **more: Any) -> dict[str, Any]:
    families = (await one.ask(FILES, {"format": format, **more}))["me"]["families"]
    found: dict[str, Any] = families[0]["bookingsFile"]
    return found


async def test_s35_a_family_takes_its_follow_up_away_with_the_childrens_names(found: Found, system: System) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont", children=("amalia", "paolo")), family("martin")])
    dupont, martin = await town.everybody("dupont", "martin")
    days = next_days(2)
    await dupont.submits([dupont.line(days[0], child="amalia"), dupont.line(days[1], child="paolo")])
    await martin.asks(*days)
    made = await link(dupont)
    assert made["url"].startswith(f"{system.gateway}/files/booking/")
    assert not any(secret in made["url"] for secret in ("Amalia", "dupont", town.structure))
    async with httpx2.AsyncClient(timeout=60) as browser:
        answer = await browser.get(made["url"])
        rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), delimiter=";"))
        assert [(row[1], row[2], row[3], row[6]) for row in rows[1:]] == [
            ("Amalia", "APS", f"{days[0]:%d/%m/%Y}", "Accepté"),
            ("Paolo", "APS", f"{days[1]:%d/%m/%Y}", "Accepté"),
        ]
        assert answer.headers["cache-control"] == "private, no-store"
        xlsx = await browser.get((await link(dupont, "XLSX"))["url"])
        assert xlsx.content.startswith(b"PK")
        assert (await browser.get(made["url"].replace("/files/booking/", "/files/billing/"))).status_code == 404
        assert (await browser.get(made["url"][:-20] + "reservations.csv")).status_code == 404
    assert await link(dupont, child=town.named("martin-child")) == {"code": "UNKNOWN_CHILD"}
    signed_out = await town.post(FILES, {"format": "CSV"})
    assert signed_out["data"] == {"me": None}


MONEY = """query($month: YearMonth!, $year: Int!) { me { families { children { birthDate }
  payments(month: $month) { payments { receipt { ...link } } }
  consumptionsFile(month: $month, format: PDF) { ...link } paymentsFile(month: $month, format: PDF) { ...link }
  taxCertificate(year: $year) { provisional totalCents document { ...link } } } } }
fragment link on FileLink { url }"""


async def test_s10_a_family_takes_its_money_away_on_paper_for_some_minutes_signed_in_or_not(found: Found, system: System) -> None:
    paid = {"date": "today", "mode": "CHEQUE", "reference": "2578012", "payer": "GUIDE =DENIS", "wallet": "periscolaire", "cents": 50_00}
    town = await found(activities=[activity("aps", childcare=True)], families=[family("dupont", payments=[paid])])
    dupont = await town.sign_in("dupont")
    (home,) = (await dupont.ask(MONEY, {"month": f"{today():%Y-%m}", "year": today().year}))["me"]["families"]
    assert (home["taxCertificate"]["provisional"], home["taxCertificate"]["totalCents"]) == (True, 0)
    urls = {
        "Reçu de paiement n°": home["payments"]["payments"][0]["receipt"]["url"],
        "Consommations": home["consumptionsFile"]["url"],
        "GUIDE =DENIS": home["paymentsFile"]["url"],
        f"Attestation fiscale {today().year}": home["taxCertificate"]["document"]["url"],
    }
    assert await dupont.ask("mutation { signOut }") == {"signOut": True}
    async with httpx2.AsyncClient(timeout=60) as browser:
        for words, url in urls.items():
            assert url.startswith(f"{system.gateway}/files/billing/")
            answer = await browser.get(url, headers={"accept-language": "en"})
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
            text = " ".join(PdfReader(io.BytesIO(answer.content)).pages[0].extract_text().split())
            assert words in text
            assert "DUPONT Jean-Paul" in text, "in the language and for the family of who asked"
            assert (await browser.get(url.replace("/files/billing/", "/files/booking/"))).status_code == 404


async def test_s35_a_childs_calendar_follows_its_bookings(found: Found, system: System) -> None:
    town = await found(activities=[activity("aps", capacity=1)], families=[family("dupont"), family("martin")])
    dupont, martin = await town.everybody("dupont", "martin")
    (day,) = next_days(1)
    await dupont.asks(day)
    assert answers(await martin.submits([martin.line(day)])) == ["WAITLISTED 1"]
    child = town.named("martin-child")
    url = (await martin.ask(RENEW, {"child": child}))["renewCalendarFeed"]["url"]
    assert url.startswith(f"{system.gateway}/ics/")
    assert (await dupont.ask(RENEW, {"child": child}))["renewCalendarFeed"] == {"code": "UNKNOWN_CHILD"}
    async with httpx2.AsyncClient(timeout=60) as program:
        first = await program.get(url)
        assert statuses(first) == ["TENTATIVE"]
        assert (await program.get(url, headers={"if-none-match": first.headers["etag"]})).status_code == 304
        await dupont.cancels(day)
        assert statuses(await program.get(url, headers={"if-none-match": first.headers["etag"]})) == ["CONFIRMED"]
        assert (await program.get(f"{url[:-5]}{'y' if url[-5] == 'x' else 'x'}.ics")).status_code == 404


def statuses(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [str(event["status"]) for event in Calendar.from_ical(answer.content).walk("VEVENT")]
