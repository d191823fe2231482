"""What families take away of their money: histories on paper and in spreadsheets (S9 to S11)."""

import datetime as dt
import io
from typing import Any

import httpx2
import pytest
from pypdf import PdfReader

from services import documents
from services.clock import Clock
from services.events import Contact, ContactsChanged
from services.files import LINK_LASTS, links_of
from tests.billing.conftest import AGENT, FOREIGN_AGENT, JEAN_PAUL, MONDAY, NOW, STRANGER, WHERE, Booking, Town, closed
from tests.billing.test_office import fetch, rows

DUPONT = {"__typename": "Family", "id": "dupont"}
EVIL = '#import "x" =1+1 \u202e\r\nPaolo'


def contacts(version: int = 1, **births: dt.date) -> ContactsChanged:
    adult = {"account": "dupont", "title": "M.", "first_name": "Jean-Paul", "last_name": "DUPONT", "email": None, "language": "fr"}
    names = {"amalia": "DUPONT Amalia", "paolo": f"={EVIL}"}
    return ContactsChanged(**WHERE, version=version, family="dupont", adults=[Contact(**adult)], children=names, birth_dates=births)


async def link(town: Town, field: str, caller: Any = JEAN_PAUL, **how: Any) -> Any:
    asked = f"{field} {{ __typename ... on FileLink {{ url expiresAt }} ... on Refusal {{ code message }} }}"
    answer = await town.represents(asked, DUPONT, caller=caller, **how)
    return answer.codes[0] if answer.codes else answer.data[0][field.split("(")[0]]


async def paper(town: Town, field: str, **how: Any) -> str:
    """The text of the PDF, as one line."""
    answer = await fetch(town, (await link(town, field, **how))["url"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf"), answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    return text_of(answer)


def text_of(answer: httpx2.Response) -> str:
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages]
    return " ".join("\n".join(pages).replace("\u200b", "").split())


@pytest.fixture
async def attended(town: Town) -> Town:
    """December: Amalia was there twice, Paolo was absent once."""
    lines = [Booking("1"), Booking("2", date=MONDAY + dt.timedelta(1)), Booking("3", "paolo")]
    await town.hears(contacts())
    await town.books(*lines)
    await town.hears(
        closed(lines[0].attended(), lines[2].attended("ABSENT_UNJUSTIFIED")), closed(lines[1].attended(), date=MONDAY + dt.timedelta(1))
    )
    return town


async def test_s9_s10_the_months_consumptions_as_a_file_with_their_total_below(attended: Town) -> None:
    made = await link(attended, 'consumptionsFile(month: "2026-12", format: CSV)')
    assert (made["url"].endswith("/consommations.csv"), made["expiresAt"]) == (True, "2026-11-23T07:05:00Z")
    heading, *lines = rows(await fetch(attended, made["url"]))
    assert heading == ["Date", "Enfant", "Activité", "Arrivée", "Départ", "Présence", "Porte-monnaie", "Tarif", "Montant"]
    band = "Tranche 2 (QF 742)"
    assert lines == [
        ["08/12/2026", "DUPONT Amalia", "APS-MATIN", "07:30", "08:45", "Présent", "PERISCOLAIRE", band, "1,31"],
        ["07/12/2026", "DUPONT Amalia", "APS-MATIN", "07:30", "08:45", "Présent", "PERISCOLAIRE", band, "1,31"],
        ["07/12/2026", f"'={EVIL}", "APS-MATIN", "", "", "Absence non justifiée", "PERISCOLAIRE", band, "1,31"],
        ["Total", "", "", "", "", "", "", "", "3,93"],
    ]  # fmt: skip
    empty = await fetch(attended, (await link(attended, 'consumptionsFile(month: "2026-11", format: CSV)'))["url"])
    assert rows(empty)[1:] == [["Total", "", "", "", "", "", "", "", "0,00"]]
    xlsx = await fetch(attended, (await link(attended, 'consumptionsFile(month: "2026-12", format: XLSX)'))["url"])
    assert xlsx.content.startswith(b"PK")


async def test_s10_the_months_consumptions_on_paper_in_both_languages(attended: Town) -> None:
    text = await paper(attended, 'consumptionsFile(month: "2026-12", format: PDF)')
    for part in ("Mairie de CarteVille", "Consommations", "Compte famille : DUPONT Jean-Paul · décembre 2026", "Total 3,93 €",
                 "08/12/2026 DUPONT Amalia APS-MATIN 07:30 08:45 Présent PERISCOLAIRE", '=#import "x" =1+1 Paolo', "Établi le 23/11/2026"):  # fmt: skip
        assert part in text
    english = await paper(attended, 'consumptionsFile(month: "2026-12", format: PDF)', language="en")
    for part in ("Consumptions", "Family account: DUPONT Jean-Paul · December 2026", "€3.93", "Unjustified absence"):
        assert part in english


async def test_s10_s11_the_guides_payments_on_paper(town: Town) -> None:
    await town.pays("dupont", "periscolaire", 50_00, date=dt.date(2017, 2, 1))
    await town.pays("dupont", "periscolaire", 150_00, date=dt.date(2017, 2, 2), mode="INTERNET", reference="3150-N°AUTO:445401",
                    payer="POUR .GUIDE CARTE+", bank="PAR INTERNET")  # fmt: skip
    text = await paper(town, 'paymentsFile(month: "2017-02", format: PDF)')
    newest, oldest = "02/02/2017 INTERNET 3150-N°AUTO:445401 POUR .GUIDE CARTE+ PAR INTERNET PERISCOLAIRE 150,00 €", "01/02/2017 CHEQUE"
    assert text.index("Règlements") < text.index(newest) < text.index(oldest) < text.index("Total 200,00 €")
    assert "février 2017" in text


FIELDS = ['consumptionsFile(month: "2026-12", format: %s)', 'paymentsFile(month: "2026-12", format: %s)']


@pytest.mark.parametrize("field", FIELDS)
async def test_s10_a_link_is_the_familys_and_opens_its_own_file_for_some_minutes(town: Town, field: str) -> None:
    field %= "PDF"
    for caller in (STRANGER, FOREIGN_AGENT):
        assert await link(town, field, caller) == "FORBIDDEN"
    assert await link(town, field, None) == "UNAUTHENTICATED"
    assert "url" in await link(town, field, AGENT)
    url = (await link(town, field, language="en"))["url"]
    french = (await link(town, field))["url"]
    assert text_of(await fetch(town, url, accept_language="fr")) != text_of(await fetch(town, french, accept_language="en"))
    sealed = url.split("/")[-2]
    for other in (sealed[:-2] + "aa", sealed[:30] + ("A" if sealed[30] != "A" else "B") + sealed[31:], "x"):
        assert (await fetch(town, url.replace(sealed, other))).status_code == 404
    another = (await links_of(town.running)).seal("bookings", {"what": "payments"}, NOW + dt.timedelta(days=1))
    assert (await fetch(town, url.replace(sealed, another))).status_code == 404
    town.running.clock = Clock(frozen_at=NOW + LINK_LASTS)
    assert (await fetch(town, url)).status_code == 410


@pytest.mark.parametrize("field", FIELDS)
async def test_without_the_extra_pdfs_are_refused_in_words_and_nothing_else_is(
    town: Town, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = (await link(town, field % "PDF"))["url"]
    monkeypatch.setattr(documents, "available", lambda: False)
    refused = await link(town, field % "PDF")
    assert (refused["__typename"], refused["code"]) == ("DocumentsUnavailable", "DOCUMENTS_UNAVAILABLE")
    assert refused["message"].startswith("Ce portail ne produit pas de PDF")
    assert "url" in await link(town, field % "CSV")
    assert await link(town, field % "PDF", STRANGER) == "FORBIDDEN"
    monkeypatch.setattr(documents, "PROGRAM", documents.ROOT / "not_there.py")
    late = await fetch(town, url)
    assert (late.status_code, late.text) == (503, "Momentanément indisponible, réessayez.\n")
