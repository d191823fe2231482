"""Histories (P5): what was charged and what was paid, month by month, and what counts for taxes, year by year."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from gateway.portal.operations import operation
from gateway.portal.visit import Visit

FORMATS = {"csv": "CSV", "xlsx": "XLSX", "pdf": "PDF"}
FIRST_MONTH = "2000-01"
CONSUMPTIONS = operation("""query ConsumptionHistory($month: YearMonth!) { ...Shell money: me { families { id consumptions(month: $month) {
  totalCents consumptions { id date child { id firstName } activity { id name } wallet { id name } arrival departure attendance amountCents
    explanation { label amountCents } } } } } }""")
PAYMENTS = operation("""query PaymentHistory($month: YearMonth!) { ...Shell money: me { families { id payments(month: $month) {
  totalCents payments { id kind date mode reference payer bank wallet { id name } amountCents reason }
  adjustments { id date wallet { id name } amountCents reason } } } } }""")
CONSUMPTIONS_FILE = operation("""query ConsumptionHistoryFile($month: YearMonth!, $format: FileFormat!) { ...Shell money: me { families { id
  file: consumptionsFile(month: $month, format: $format) { ... on FileLink { url } ... on Refusal { message } } } } }""")
PAYMENTS_FILE = operation("""query PaymentHistoryFile($month: YearMonth!, $format: FileFormat!) { ...Shell money: me { families { id
  file: paymentsFile(month: $month, format: $format) { ... on FileLink { url } ... on Refusal { message } } } } }""")
RECEIPTS = operation("""query ReceiptOfPayment($month: YearMonth!) { ...Shell money: me { families { id payments(month: $month) {
  payments { id receipt { ... on FileLink { url } ... on Refusal { message } } } } } } }""")
CERTIFICATE = operation("""query TaxCertificate($year: Int!) { ...Shell
  money: me { families { id taxCertificate(year: $year) { provisional asOf
  totalCents children { birthDate paidCents child { id firstName lastName } activities { paidCents activity { id name } } }
  childrenWithoutBirthDate { id firstName } } } } }""")
CERTIFICATE_FILE = operation("""query TaxCertificateFile($year: Int!) { ...Shell money: me { families { id taxCertificate(year: $year) {
  document { ... on FileLink { url } ... on Refusal { message } } } } } }""")
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
_YEAR = re.compile(r"20\d\d")


def months(this: str, latest: str) -> dict[str, str | None]:
    """What the month arrows lead to; each "2026-11"."""
    return {
        "this": this,
        "previous": _moved(this, -1) if this > FIRST_MONTH else None,
        "next": _moved(this, 1) if this < latest else None,
    }


def _moved(month: str, by: int) -> str:
    number = int(month[:4]) * 12 + int(month[5:]) - 1 + by
    return f"{number // 12}-{number % 12 + 1:02}"


def _today(visit: Visit) -> str:
    return (visit.today if visit.families else visit.likely_today).isoformat()


async def consumptions(visit: Visit) -> Response:
    """`/historiques`, which is this month: sending a phone on would cost it half a second; `/historiques/consommations/{month}`."""
    return await _month(visit, CONSUMPTIONS, "consommations", "consumptions")


async def payments(visit: Visit) -> Response:
    """`/historiques/reglements`, which is this month; `/historiques/reglements/{month}`."""
    return await _month(visit, PAYMENTS, "reglements", "payments")


async def _month(visit: Visit, document: str, part: str, name: str) -> Response:
    named = visit.request.path_params.get("month")
    month = named or f"{visit.likely_today:%Y-%m}"
    if not _MONTH.fullmatch(month):
        return visit.trouble("NOT_HERE", 404)
    await visit.ask(document, month=month)
    latest = _today(visit)[:7]
    if month > latest or (named is None and month < latest):
        return visit.see_other(f"/historiques/{part}/{latest}")
    return visit.page(
        f"{name}.html",
        styles=("money",),
        tab="history",
        part=part,
        month=months(month, latest),
        history=(visit.part("money") or {name: None})[name],
        latest=latest,
    )


async def file(visit: Visit) -> Response:
    """`/historiques/{part}/{month}/{format}`: by a link that lasts some minutes."""
    told = visit.request.path_params
    document = {"consommations": CONSUMPTIONS_FILE, "reglements": PAYMENTS_FILE}.get(told["part"])
    if document is None or told["format"] not in FORMATS or not _MONTH.fullmatch(told["month"]):
        return visit.trouble("NOT_HERE", 404)
    await visit.ask(document, month=told["month"], format=FORMATS[told["format"]])
    money = visit.part("money")
    return visit.file(money and money["file"])


async def receipt(visit: Visit) -> Response:
    """`/historiques/reglements/{month}/recu/{id}`"""
    told = visit.request.path_params
    if not _MONTH.fullmatch(told["month"]):
        return visit.trouble("NOT_HERE", 404)
    await visit.ask(RECEIPTS, month=told["month"])
    history: Mapping[str, Any] = (visit.part("money") or {"payments": {"payments": []}})["payments"]
    found = next((one for one in history["payments"] if one["id"] == told["id"]), None)
    if found is None and not visit.partly:
        return visit.trouble("NOT_HERE", 404)
    return visit.file(found and found["receipt"])


async def certificate(visit: Visit) -> Response:
    """`/historiques/attestation/{year}`"""
    year = visit.request.path_params["year"]
    if not _YEAR.fullmatch(year):
        return visit.trouble("NOT_HERE", 404)
    await visit.ask(CERTIFICATE, year=int(year))
    latest = _today(visit)
    years = {"this": int(year), "previous": int(year) - 1 if year > "2000" else None, "next": int(year) + 1 if year < latest[:4] else None}
    return visit.page(
        "certificate.html",
        styles=("money",),
        tab="history",
        part="attestation",
        years=years,
        certificate=(visit.part("money") or {"taxCertificate": None})["taxCertificate"],
        latest=latest[:7],
    )


async def certificate_file(visit: Visit) -> Response:
    """`/historiques/attestation/{year}/pdf`"""
    year = visit.request.path_params["year"]
    if not _YEAR.fullmatch(year):
        return visit.trouble("NOT_HERE", 404)
    await visit.ask(CERTIFICATE_FILE, year=int(year))
    money = visit.part("money")
    return visit.file(money and money["taxCertificate"]["document"])


async def certificates(visit: Visit) -> Response:
    return visit.see_other(f"/historiques/attestation/{_today(visit)[:4]}")


PAGES = [
    ("/historiques", ("GET",), consumptions),
    ("/historiques/attestation", ("GET",), certificates),
    ("/historiques/attestation/{year}", ("GET",), certificate),
    ("/historiques/attestation/{year}/pdf", ("GET",), certificate_file),
    ("/historiques/consommations/{month}", ("GET",), consumptions),
    ("/historiques/reglements", ("GET",), payments),
    ("/historiques/reglements/{month}", ("GET",), payments),
    ("/historiques/reglements/{month}/recu/{id}", ("GET",), receipt),
    ("/historiques/{part}/{month}/{format}", ("GET",), file),
]
