"""What families take away of their money: histories on paper and in spreadsheets (S9 to S11)."""

import datetime as dt
import io
import re
from typing import Any

import httpx2
import pytest
from pypdf import PdfReader
from sqlmodel import select

from services import documents
from services.billing import commands, queries
from services.billing.certificate import Move, Moved
from services.billing.rate import QuotientBand
from services.billing.tables import Activity
from services.billing.tariff import Per, TariffVersion
from services.clock import Clock
from services.events import Contact, ContactsChanged, PaymentReceived
from services.files import LINK_LASTS, links_of
from tests.billing.bank import REFERENCE, Bank, Till
from tests.billing.conftest import AGENT, FOREIGN_AGENT, JEAN_PAUL, MONDAY, NOW, SEPTEMBER, STRANGER, WHERE, Booking, Town, closed
from tests.billing.test_counter import ADJUSTMENT, CHEQUE, REFUND, TRANSFER, does
from tests.billing.test_office import at, fetch, rows

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


# -------------------------------------------------------------------------------------------------------------- receipts
HISTORY = 'payments(month: "2026-11") { payments { kind receipt { __typename ... on FileLink { url } ... on Refusal { code } } } }'


async def receipts(town: Town, **how: Any) -> list[Any]:
    answer = await town.represents(HISTORY, DUPONT, **how)
    return answer.codes or [one["receipt"] for one in answer.data[0]["payments"]["payments"]]


async def receipt_texts(town: Town, **how: Any) -> list[str]:
    return [text_of(await fetch(town, one["url"])) for one in await receipts(town, **how)]


async def test_s11_a_receipt_says_what_was_received_and_nothing_else(town: Town) -> None:
    await town.hears(contacts())
    async with town.running.database.transaction() as session:
        await commands.put_address(session, town.running.clock, "carteville", "Place #de la [Mairie]")
    await does(town, "recordPayment", CHEQUE)
    (text,) = await receipt_texts(town)
    assert text.startswith("Mairie de CarteVille Place #de la [Mairie] Reçu de paiement n° ")
    number = text.split("Reçu de paiement n° ")[1].split()[0]
    assert re.fullmatch(r"20261120-[0-9A-F]{8}", number)
    for part in ("Mairie de CarteVille", "Compte famille : DUPONT Jean-Paul", "La somme de 50,00 € a été reçue de GUIDE DENIS le 20/11/2026.",
                 f"Numéro : {number}", "Date : 20/11/2026", "Mode : CHEQUE", "Pièce : 2578012", "Payeur : GUIDE DENIS",
                 "Banque : CREDIT AGRICOLE", "PERISCOLAIRE 50,00 €", "Total 50,00 €", "ne vaut pas attestation fiscale"):  # fmt: skip
        assert part in text
    assert "annulé" not in text
    assert "repris" not in text
    (english,) = await receipt_texts(town, language="en")
    for part in (
        f"Receipt no. {number}",
        "The sum of €50.00 was received from GUIDE DENIS on 20/11/2026.",
        "Piece: 2578012",
        "Total €50.00",
    ):
        assert part in english


async def test_a_payment_that_was_reversed_was_not_received_and_a_refund_has_words_of_its_own(town: Town) -> None:
    await town.pays("dupont", "multiaccueil", 100_00)
    payment = await does(town, "recordPayment", CHEQUE)
    await does(town, "recordPayment", {**CHEQUE, "amountCents": 60_00, "reference": "2", "idempotencyKey": "2"})
    before = (await receipts(town))[0]["url"]
    await does(town, "reversePayment", {"payment": payment["id"], "reason": "Chèque impayé"})
    await does(town, "refund", REFUND)
    texts = await receipt_texts(town)
    assert len(texts) == 5
    (reversed_one,) = [text for text in texts if "Règlement annulé n°" in text]
    for part in ("de 50,00 € au nom de GUIDE DENIS, daté du 20/11/2026, a été annulé", "Ce document ne vaut pas reçu.",
                 "Annulé le 23/11/2026 : Chèque impayé -50,00 €", "Total 0,00 €"):  # fmt: skip
        assert part in reversed_one
    assert "reçue" not in reversed_one
    (reversal,) = [text for text in texts if "Annulation de règlement n°" in text]
    assert "Rien n’a été remboursé." in reversal
    assert "Motif : Chèque impayé" in reversal
    (refund,) = [text for text in texts if "Avis de remboursement n°" in text]
    for part in ("La somme de 20,00 € a été remboursée à GUIDE DENIS le 23/11/2026.", "Bénéficiaire : GUIDE DENIS", "Motif : Départ"):
        assert part in refund
    received = [text for text in texts if "Reçu de paiement n°" in text]
    assert len(received) == 2
    assert sum("Règlement repris des comptes tenus avant ce portail." in text for text in received) == 1
    assert "Reçu" in text_of(await fetch(town, before)), "of a payment that still is one"


async def test_s19_what_was_paid_online_for_two_wallets_has_one_receipt(town: Town) -> None:
    till = Till(town, Bank())
    await till.opens()
    told = await till.starts()
    ask = "query($id: ID!) { onlinePayment(id: $id) { receipt { ... on FileLink { url } } } }"
    assert (await town.asks(ask, id=told["id"])).data["onlinePayment"] == {"receipt": None}
    till.bank.comes_to("PAID")
    await till.later(seconds=5)
    texts = await receipt_texts(town)
    assert len(texts) == 2
    assert texts[0] == texts[1]
    for part in ("La somme de 150,00 € a été reçue de .GUIDE CARTE+ le 23/11/2026.", f"Pièce : {REFERENCE}", "Mode : INTERNET",
                 'Multiaccueil "Les Tagazoux" 50,00 € PERISCOLAIRE 100,00 € Total 150,00 €'):  # fmt: skip
        assert part in texts[0]
    url = (await town.asks(ask, id=told["id"])).data["onlinePayment"]["receipt"]["url"]
    assert text_of(await fetch(town, url)) == texts[0]
    assert (await town.asks(ask, STRANGER, id=told["id"])).data == {"onlinePayment": None}


async def test_s19_the_mailer_is_told_once_what_was_received_and_of_nothing_else(town: Town) -> None:
    till = Till(town, Bank())
    await till.opens()
    await till.starts(key="refused")
    till.bank.comes_to("REFUSED")
    await till.later(seconds=5)
    assert await town.said(PaymentReceived) == []
    paid = await till.starts()
    till.bank.comes_to("PAID", session="s1")
    await till.later(seconds=5)
    await till.later(days=1)
    (told,) = await town.said(PaymentReceived)
    assert (told["payment"], told["family"], told["account"], told["amount_cents"]) == (paid["id"], "dupont", "dupont", 150_00)
    assert (told["date"], told["payer"], told["reference"]) == (NOW.date(), ".GUIDE CARTE+", REFERENCE)
    assert told["wallets"] == [
        {"title": 'Multiaccueil "Les Tagazoux"', "amount_cents": 50_00}, {"title": "PERISCOLAIRE", "amount_cents": 100_00}
    ]  # fmt: skip


async def test_a_part_that_was_taken_back_is_not_in_the_receipts_total(town: Town) -> None:
    till = Till(town, Bank())
    await till.opens()
    await till.starts()
    till.bank.comes_to("PAID")
    await till.later(seconds=5)
    answer = await town.represents('payments(month: "2026-11") { payments { id wallet { id } } }', DUPONT)
    (entry,) = [one["id"] for one in answer.data[0]["payments"]["payments"] if one["wallet"]["id"] == "periscolaire"]
    await does(town, "reversePayment", {"payment": entry, "reason": "Opposition"})
    text = next(text for text in await receipt_texts(town) if "Reçu" in text)
    assert "La somme de 50,00 € a été reçue" in text
    assert "PERISCOLAIRE 100,00 € Annulé le 23/11/2026 : Opposition -100,00 € Total 50,00 €" in text


async def test_receipts_are_the_familys_and_need_the_extra(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await does(town, "recordPayment", CHEQUE)
    for caller in (STRANGER, FOREIGN_AGENT):
        assert await receipts(town, caller=caller) == ["FORBIDDEN"]
    assert "url" in (await receipts(town, caller=AGENT))[0]
    url = (await receipts(town))[0]["url"]
    assert url.endswith("/recu.pdf")
    sealed = url.split("/")[-2]
    assert (await fetch(town, url.replace(sealed, sealed[:-2] + "aa"))).status_code == 404
    town.running.clock = Clock(frozen_at=NOW + LINK_LASTS)
    assert (await fetch(town, url)).status_code == 410
    monkeypatch.setattr(documents, "available", lambda: False)
    assert (await receipts(town))[0]["code"] == "DOCUMENTS_UNAVAILABLE"


# ---------------------------------------------------------------------------------------------------------- certificates
CERTIFICATE = """taxCertificate(year: %s) { year provisional asOf totalCents childrenWithoutBirthDate { id }
  children { child { id } birthDate paidCents activities { activity { id } paidCents } }
  document { __typename ... on FileLink { url } ... on Refusal { code message } } }"""
MEAL = TariffVersion(SEPTEMBER, Per.MEAL, (QuotientBand(None, 379),))


async def certified(town: Town, year: int = 2026, **how: Any) -> Any:
    answer = await town.represents(CERTIFICATE % year, DUPONT, **how)
    return answer.codes[0] if answer.codes else answer.data[0]["taxCertificate"]


@pytest.fixture
async def cared_for(town: Town) -> Town:
    """December: Paolo (3) and Amalia (7) before school, which is childcare, and at the canteen, which is none; at the nursery once."""
    await town.prices("restauration", MEAL)
    async with town.running.database.transaction() as session:
        for activity in ("aps-matin", "multi"):
            await commands.put_childcare(session, town.running.clock, activity, True)
    await town.hears(contacts(paolo=dt.date(2023, 9, 30), amalia=dt.date(2019, 4, 12)))
    for activity in ("aps-matin", "restauration"):
        both = [Booking(f"{activity}-{child}", child, activity, departure="12:00") for child in ("paolo", "amalia")]
        await town.books(*both)
        await town.hears(closed(*(one.attended() for one in both), activity=activity))
    nursery = Booking("nursery", "paolo", "multi", arrival="08:00", departure="10:00")
    await town.books(nursery)
    await town.hears(closed(nursery.attended(), activity="multi"))
    return town


async def test_the_certificate_counts_what_was_paid_for_the_care_of_the_youngest_and_no_meals(cared_for: Town) -> None:
    nothing = await certified(cared_for)
    assert (nothing["provisional"], nothing["asOf"], nothing["totalCents"], nothing["children"]) == (True, "2026-11-23", 0, [])
    await cared_for.pays("dupont", "periscolaire", 100_00, date=dt.date(2026, 12, 1))
    await cared_for.pays("dupont", "multiaccueil", 3_00, date=dt.date(2026, 12, 20))
    found = await certified(cared_for)
    assert found["totalCents"] == 1_31 + 3_00
    (paolo,) = found["children"]
    assert (paolo["child"], paolo["birthDate"], paolo["paidCents"]) == ({"id": "paolo"}, "2023-09-30", 4_31)
    assert paolo["activities"] == [
        {"activity": {"id": "aps-matin"}, "paidCents": 1_31}, {"activity": {"id": "multi"}, "paidCents": 3_00}
    ]  # fmt: skip


async def test_the_certificate_on_paper_in_both_languages(cared_for: Town) -> None:
    await cared_for.pays("dupont", "periscolaire", 100_00, date=dt.date(2026, 12, 1))
    at(cared_for, dt.datetime(2027, 2, 1, tzinfo=dt.UTC))
    found = await certified(cared_for)
    assert found["document"]["url"].endswith("/attestation-fiscale.pdf")
    answer = await fetch(cared_for, found["document"]["url"])
    text = text_of(answer)
    for part in ("Mairie de CarteVille", "Attestation fiscale 2026 : frais de garde", "Compte famille : DUPONT Jean-Paul",
                 "La somme de 1,31 € a été payée du 01/01/2026 au 31/12/2026 pour la garde d’enfants âgés de moins de six ans au 01/01/2026.",
                 "Enfant Date de naissance Activité Somme payée", '=#import "x" =1+1 Paolo 30/09/2023 APS-MATIN 1,31 €',
                 "Total 1,31 €", "Établi le 01/02/2027"):  # fmt: skip
        assert part in text
    for part in ("rovisoire", "Amalia", "RESTAURATION"):
        assert part not in text
    english = text_of(await fetch(cared_for, (await certified(cared_for, language="en"))["document"]["url"]))
    assert "Tax certificate 2026: childcare" in english
    assert "The sum of €1.31 was paid from 01/01/2026 to 31/12/2026" in english


async def test_a_year_that_is_not_over_is_provisional_and_one_to_come_is_none(cared_for: Town) -> None:
    text = text_of(await fetch(cared_for, (await certified(cared_for))["document"]["url"]))
    for part in ("Attestation fiscale 2026 : frais de garde (provisoire)", "Document provisoire : l’année 2026 n’est pas finie.",
                 "du 01/01/2026 au 23/11/2026"):  # fmt: skip
        assert part in text
    assert (await certified(cared_for, 2025))["provisional"] is False
    for year in (2027, 1999, -1, 2**31 - 1):
        assert await certified(cared_for, year) == "BAD_USER_INPUT"


async def test_a_reversed_payment_pays_nothing_and_a_transfer_takes_its_money_along(cared_for: Town) -> None:
    cheque = await does(cared_for, "recordPayment", {**CHEQUE, "amountCents": 30_00})
    await does(cared_for, "adjustWallet", {**ADJUSTMENT, "amountCents": 4_00, "wallet": "multiaccueil"})
    at(cared_for, dt.datetime(2026, 12, 31, 12, tzinfo=dt.UTC))
    assert [child["paidCents"] for child in (await certified(cared_for))["children"]] == [1_31], "what the town gave was not paid"
    await does(cared_for, "reversePayment", {"payment": cheque["id"], "reason": "Chèque impayé"})
    assert (await certified(cared_for))["children"] == []
    await does(cared_for, "recordPayment", {**CHEQUE, "amountCents": 90_00, "idempotencyKey": "again"})
    await does(cared_for, "transfer", {**TRANSFER, "amountCents": 50_00})
    moves = await moved(cared_for)
    assert [(move.wallet, move.into, move.cents) for move in moves if move.into] == [("periscolaire", "multiaccueil", 50_00)]
    balance = sum(-move.cents if move.move >= Move.TAKEN else move.cents for move in moves if not move.into)
    assert balance == sum((await cared_for.cents()).values()), "all that is in the books, and nothing twice"


async def moved(town: Town) -> list[Moved]:
    async with town.running.database.reading() as session:
        return await queries.moves(session, "dupont")


async def test_a_child_without_a_birth_date_is_not_counted_and_named(cared_for: Town) -> None:
    await cared_for.hears(contacts(2))
    await cared_for.pays("dupont", "periscolaire", 100_00)
    found = await certified(cared_for)
    assert (found["totalCents"], found["childrenWithoutBirthDate"]) == (0, [{"id": "amalia"}, {"id": "paolo"}])
    text = text_of(await fetch(cared_for, found["document"]["url"]))
    assert 'date de naissance n’étant pas connue : DUPONT Amalia, =#import "x" =1+1 Paolo.' in text


async def test_a_child_that_left_the_family_is_still_in_its_certificate(cared_for: Town) -> None:
    await cared_for.pays("dupont", "periscolaire", 100_00)
    left = contacts(2, amalia=dt.date(2019, 4, 12)).model_copy(update={"children": {"amalia": "DUPONT Amalia"}})
    await cared_for.hears(left)
    assert [child["child"]["id"] for child in (await certified(cared_for))["children"]] == ["paolo"]


async def test_certificates_are_the_familys_and_need_the_extra(cared_for: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    for caller in (STRANGER, FOREIGN_AGENT):
        assert await certified(cared_for, caller=caller) == "FORBIDDEN"
        assert await certified(cared_for, 1, caller=caller) == "FORBIDDEN"
    url = (await certified(cared_for, caller=AGENT))["document"]["url"]
    sealed = url.split("/")[-2]
    assert (await fetch(cared_for, url.replace(sealed, sealed[:-2] + "aa"))).status_code == 404
    at(cared_for, NOW + LINK_LASTS)
    assert (await fetch(cared_for, url)).status_code == 410
    monkeypatch.setattr(documents, "available", lambda: False)
    assert (await certified(cared_for))["document"]["code"] == "DOCUMENTS_UNAVAILABLE"


async def test_an_activity_that_is_made_like_another_is_childcare_if_that_is(cared_for: Town) -> None:
    made = cared_for.activity("mercredi", "periscolaire").model_copy(update={"priced_like": "aps-matin"})
    plain = cared_for.activity("sorties", "periscolaire").model_copy(update={"priced_like": "restauration"})
    await cared_for.hears(made, plain)
    async with cared_for.running.database.reading() as session:
        rows = {row.id: row.childcare for row in (await session.exec(select(Activity))).all()}
    assert (rows["mercredi"], rows["sorties"]) == (True, False)
