"""What agents see of a structure's money: debtors, the closing of a day, the journal; and files of it (S9 to S11)."""

import asyncio
import csv
import datetime as dt
import io
import zipfile
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from services import files as shared_files
from services.billing import files, queries
from services.billing.files import ROUTES
from services.clock import Clock
from services.files import LINK_LASTS, links_of
from tests.billing.conftest import AGENT, FOREIGN_AGENT, JEAN_PAUL, NOW, STRANGER, Town
from tests.billing.test_counter import ADJUSTMENT, CHEQUE, DUPONT, REFUND, does

CLOSING = """query($date: Date!) { closing(structure: "carteville", date: $date) {
  date totalCents modes { mode payments paymentsCents refunds refundsCents totalCents } } }"""
DEBTORS = """query($first: Int, $after: String) { debtors(structure: "carteville", first: $first, after: $after) {
  nodes { family { id } balanceCents inDebit } endCursor hasNextPage totalCount totalCents } }"""
JOURNAL = """query($from: Date!, $to: Date!, $format: FileFormat!) { journalFile(structure: "carteville", from: $from, to: $to, format: $format) {
  ... on FileLink { url expiresAt } ... on Refusal { code message } } }"""
TODAY = "2026-11-23"


async def asks(town: Town, query: str, name: str, caller: Any = AGENT, **variables: Any) -> Any:
    answer = await town.asks(query, caller, **variables)
    return answer.codes[0] if answer.codes else answer.data[name]


async def fetch(town: Town, url: str, **headers: str) -> httpx2.Response:
    """As a browser does, at billing's own door."""
    app = Starlette(routes=ROUTES)
    app.state.running = town.running
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=town.running.settings.public_url) as client:
        return await client.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()})


def rows(answer: httpx2.Response) -> list[list[str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), delimiter=";"))


def at(town: Town, moment: dt.datetime) -> None:
    town.running.clock = Clock(frozen_at=moment)


# -------------------------------------------------------------------------------------------------------------- debtors
async def test_debtors_stand_by_what_they_owe_whatever_is_borne_of_them(town: Town) -> None:
    await town.limits_debt(10_00)
    await town.owes("dupont", "periscolaire", 51_65)
    await town.pays("dupont", "multiaccueil", 40_00)
    await town.owes("martin", "periscolaire", 20_00)
    found = await asks(town, DEBTORS, "debtors")
    assert found["nodes"] == [
        {"family": {"id": "martin"}, "balanceCents": -20_00, "inDebit": True},
        {"family": {"id": "dupont"}, "balanceCents": -11_65, "inDebit": True},
    ]
    assert (found["totalCount"], found["totalCents"], found["hasNextPage"]) == (2, -31_65, False)
    await town.pays("dupont", "multiaccueil", 1_66)
    await town.pays("martin", "periscolaire", 20_00)
    assert (await asks(town, DEBTORS, "debtors"))["nodes"] == [{"family": {"id": "dupont"}, "balanceCents": -9_99, "inDebit": False}]
    await town.pays("dupont", "multiaccueil", 9_99)
    assert await asks(town, DEBTORS, "debtors") == {
        "nodes": [], "endCursor": None, "hasNextPage": False, "totalCount": 0, "totalCents": 0,
    }  # fmt: skip


async def test_debtors_come_page_by_page_each_once(town: Town) -> None:
    for number, cents in enumerate((5_00, 7_00, 5_00, 9_00, 5_00)):
        await town.owes(f"family-{number}", "periscolaire", cents)
    seen: list[str] = []
    page: dict[str, Any] = await asks(town, DEBTORS, "debtors", first=0)
    assert (page["nodes"], page["hasNextPage"], page["totalCount"]) == ([], True, 5)
    while page["hasNextPage"]:
        page = await asks(town, DEBTORS, "debtors", first=2, after=page["endCursor"])
        seen += [node["family"]["id"] for node in page["nodes"]]
    assert seen == ["family-3", "family-1", "family-0", "family-2", "family-4"]
    for wrong in ({"first": 501}, {"after": "x"}, {"after": "eHx5"}):
        assert await asks(town, DEBTORS, "debtors", **wrong) == "BAD_USER_INPUT"


# -------------------------------------------------------------------------------------------------------------- closings
async def test_a_closing_tells_by_mode_what_was_recorded_that_day_whatever_its_date(town: Town) -> None:
    await town.pays("dupont", "periscolaire", 150_00, mode="INTERNET")  # In the old system's books: it never passed this desk.
    await does(town, "recordPayment", CHEQUE)
    await does(town, "recordPayment", {**CHEQUE, "amountCents": 12_34, "reference": "2578013", "idempotencyKey": "k"})
    await does(town, "recordPayment", {**CHEQUE, "mode": "CASH", "amountCents": 5_00, "idempotencyKey": "kk"})
    await does(town, "refund", {**REFUND, "mode": "CASH"})
    await does(town, "adjustWallet", ADJUSTMENT)
    found = await asks(town, CLOSING, "closing", date=TODAY)
    assert found["modes"] == [
        {"mode": "CHEQUE", "payments": 2, "paymentsCents": 62_34, "refunds": 0, "refundsCents": 0, "totalCents": 62_34},
        {"mode": "CASH", "payments": 1, "paymentsCents": 5_00, "refunds": 1, "refundsCents": 20_00, "totalCents": -15_00},
    ]
    assert found["totalCents"] == 47_34
    assert (await asks(town, CLOSING, "closing", date="2026-11-20"))["modes"] == [], "the cheques' date, but not the day they were recorded"


async def test_an_old_cheque_that_bounces_is_told_the_day_it_is_taken_back(town: Town) -> None:
    """The old system's books told that it came, ours tell that it went: together they are right."""
    await town.pays("dupont", "periscolaire", 50_00)
    answer = await town.represents('payments(month: "2026-11") { payments { id } }', DUPONT)
    (payment,) = answer.data[0]["payments"]["payments"]
    await does(town, "reversePayment", {"payment": payment["id"], "reason": "Chèque impayé"})
    (mode,) = (await asks(town, CLOSING, "closing", date=TODAY))["modes"]
    assert (mode["mode"], mode["paymentsCents"], mode["refundsCents"]) == ("CHEQUE", 0, 50_00)
    _, *lines = rows(await fetch(town, (await journal(town))["url"]))
    assert [(line[3], line[4]) for line in lines] == [("Remboursement", "Familles"), ("Remboursement", "Caisse")]
    assert set((await town.cents()).values()) == {0}
    await town.is_sound()


async def test_a_day_ends_at_the_towns_midnight(town: Town) -> None:
    """23:59:59 and 00:00 in Paris, which is an hour ahead of UTC in winter."""
    for key, moment in (("a", (22, 59, 59)), ("b", (23, 0, 0))):
        at(town, dt.datetime(2026, 11, 23, *moment, tzinfo=dt.UTC))
        await does(town, "recordPayment", {**CHEQUE, "idempotencyKey": key})
    totals = [(await asks(town, CLOSING, "closing", date=day))["totalCents"] for day in ("2026-11-22", TODAY, "2026-11-24", "2026-11-25")]
    assert totals == [0, 50_00, 50_00, 0]


@pytest.mark.parametrize("caller", [JEAN_PAUL, STRANGER, FOREIGN_AGENT])
async def test_only_the_structures_agents_see_its_money(town: Town, caller: Any) -> None:
    period = {"from": TODAY, "to": TODAY, "format": "CSV"}
    for query, name, variables in ((DEBTORS, "debtors", {}), (CLOSING, "closing", {"date": TODAY}), (JOURNAL, "journalFile", period)):
        assert await asks(town, query, name, caller, **variables) == "FORBIDDEN"
        assert await asks(town, query, name, None, **variables) == "UNAUTHENTICATED"


# --------------------------------------------------------------------------------------------------------------- journal
async def journal(town: Town, first: str = TODAY, last: str = TODAY, format: str = "CSV", **how: Any) -> Any:
    return await asks(town, JOURNAL, "journalFile", **{"from": first, "to": last, "format": format}, **how)


async def test_the_journal_debits_and_credits_each_entry_once(town: Town) -> None:
    await town.pays("dupont", "periscolaire", 150_00)
    await town.owes("dupont", "periscolaire", 51_65)
    await does(town, "recordPayment", {**CHEQUE, "payer": "=GUIDE DENIS"})
    await does(town, "refund", REFUND)
    await does(town, "adjustWallet", ADJUSTMENT)
    answer = await fetch(town, (await journal(town))["url"])
    assert answer.headers["content-disposition"] == 'attachment; filename="journal.csv"'
    assert answer.headers["cache-control"] == "private, no-store"
    heading, *lines = rows(answer)
    assert heading == ["Enregistrée le", "Date", "Écriture", "Nature", "Compte", "Compte famille", "Porte-monnaie", "Mode", "Pièce",
                       "Payeur", "Libellé", "Débit", "Crédit"]  # fmt: skip
    told = sorted((line[3], line[4], line[7], line[8], line[9], line[10], line[11], line[12]) for line in lines)
    assert told == sorted([
        ("Règlement", "Caisse", "CHEQUE", "2578012", "'=GUIDE DENIS", "", "50,00", ""),
        ("Règlement", "Familles", "CHEQUE", "2578012", "'=GUIDE DENIS", "", "", "50,00"),
        ("Remboursement", "Familles", "VIREMENT", "", "GUIDE DENIS", "Départ de la commune", "20,00", ""),
        ("Remboursement", "Caisse", "VIREMENT", "", "GUIDE DENIS", "Départ de la commune", "", "20,00"),
        ("Régularisation", "Familles", "", "", "", "Repas oublié", "3,79", ""),
        ("Régularisation", "Régularisations", "", "", "", "Repas oublié", "", "3,79"),
    ])  # fmt: skip
    assert {(line[0], line[5], line[6]) for line in lines} == {("23/11/2026 08:00", "dupont", "PERISCOLAIRE")}
    assert rows(await fetch(town, (await journal(town, "2026-11-24", "2026-11-30"))["url"]))[1:] == []


async def test_the_journal_as_an_xlsx_file_in_english(town: Town) -> None:
    await does(town, "recordPayment", CHEQUE)
    made = await journal(town, format="XLSX", language="en")
    with zipfile.ZipFile(io.BytesIO((await fetch(town, made["url"])).content)) as book:
        words, page = book.read("xl/sharedStrings.xml").decode(), book.read("xl/worksheets/sheet1.xml").decode()
    assert all(word in words for word in ("Debit", "Credit", "Cash desk", "GUIDE DENIS"))
    assert page.count("<v>50</v>") == 2


async def test_no_journal_is_longer_than_a_file_may_be(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await does(town, "recordPayment", CHEQUE)
    monkeypatch.setattr(files, "MOST_ENTRIES", 0)
    assert (await journal(town))["code"] == "TOO_MANY_ROWS"
    for first, last in ((TODAY, "2026-11-22"), ("0001-01-01", "0001-01-01"), ("9999-12-31", "9999-12-31"), ("2025-01-01", "2026-12-31")):
        assert await journal(town, first, last) == "BAD_USER_INPUT"


# ------------------------------------------------------------------------------------------------------ families' payments
async def payments_link(town: Town, caller: Any = JEAN_PAUL, format: str = "CSV", **how: Any) -> Any:
    answer = await town.represents(
        f'paymentsFile(month: "2017-02", format: {format}) {{ ... on FileLink {{ url expiresAt }} ... on Refusal {{ code }} }}',
        DUPONT,
        caller=caller,
        **how,
    )
    return answer.codes[0] if answer.codes else answer.data[0]["paymentsFile"]


async def test_s10_s11_the_guides_payments_as_a_file_with_their_total_below(town: Town) -> None:
    await town.pays("dupont", "periscolaire", 50_00, date=dt.date(2017, 2, 1))
    await town.pays("dupont", "periscolaire", 150_00, date=dt.date(2017, 2, 2), mode="INTERNET", reference="3150-N°AUTO:445401",
                    payer="POUR .GUIDE CARTE+", bank="PAR INTERNET")  # fmt: skip
    made = await payments_link(town)
    assert (made["url"].endswith("/reglements.csv"), made["expiresAt"]) == (True, "2026-11-23T07:05:00Z")
    assert rows(await fetch(town, made["url"])) == [
        ["Date", "Mode", "Pièce", "Payeur", "Banque", "Porte-monnaie", "Motif", "Montant"],
        ["02/02/2017", "INTERNET", "3150-N°AUTO:445401", "POUR .GUIDE CARTE+", "PAR INTERNET", "PERISCOLAIRE", "", "150,00"],
        ["01/02/2017", "CHEQUE", "2578012", "GUIDE DENIS", "CREDIT AGRICOLE", "PERISCOLAIRE", "", "50,00"],
        ["Total", "", "", "", "", "", "", "200,00"],
    ]
    assert (await payments_link(town, language="en"))["url"].endswith("/payments.csv")
    for caller in (STRANGER, FOREIGN_AGENT):
        assert await payments_link(town, caller) == "FORBIDDEN"
    assert "url" in await payments_link(town, AGENT)


async def test_s10_a_link_opens_its_file_for_some_minutes_and_no_other(town: Town) -> None:
    url = (await payments_link(town))["url"]
    at(town, NOW + LINK_LASTS - dt.timedelta(seconds=1))
    assert (await fetch(town, url)).status_code == 200
    at(town, NOW + LINK_LASTS)
    late = await fetch(town, url, accept_language="en")
    assert (late.status_code, late.text) == (410, "This link has expired. Ask for the file again.\n")
    other = (await links_of(town.running)).seal("bookings", {"what": "payments"}, NOW + dt.timedelta(days=1))
    for link in (other, "x", url.split("/")[-2][:-2] + "aa"):
        assert (await fetch(town, f"/files/billing/{link}/reglements.csv")).status_code == 404


async def test_one_journal_is_in_memory_at_a_time(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are fetched at once: none is read before the one before was written."""
    await does(town, "recordPayment", CHEQUE)
    urls = [(await journal(town))["url"] for _ in range(4)]
    happened: list[str] = []
    read, write = queries.entries, shared_files.in_turn

    async def reads(*what: Any) -> Any:
        happened.append("read")
        return await read(*what)

    async def writes(*what: Any) -> bytes:
        content = await write(*what)
        await asyncio.sleep(0.02)
        happened.append("written")
        return content

    monkeypatch.setattr(queries, "entries", reads)
    monkeypatch.setattr(shared_files, "in_turn", writes)
    answers = await asyncio.gather(*(fetch(town, url) for url in urls))
    assert [len(rows(answer)) for answer in answers] == [3] * 4
    assert happened == ["read", "written"] * 4
