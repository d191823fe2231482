"""Pages that are printed: what is for a screen stays away, a table's head stands on every sheet, and the whole process of booking is legible."""

import datetime as dt
import io

from playwright.async_api import Page
from pypdf import PdfReader

from tests.flows.conftest import Found
from tests.flows.town import activity, family, next_days, today
from tests.portal.browsing import SHOTS, is_sound, keeps, signs_in
from tests.portal.conftest import Browse

MANY = 110


async def sheets(page: Page, name: str) -> list[str]:
    """The text of each sheet of A4."""
    printed = await page.pdf(format="A4", prefer_css_page_size=False)
    if keeps():
        (SHOTS / f"{name}.pdf").write_bytes(printed)
    return [" ".join(sheet.extract_text().split()) for sheet in PdfReader(io.BytesIO(printed)).pages]


async def test_a_hundred_bookings_are_printed_with_the_head_of_the_table_on_every_sheet(browse: Browse, found: Found) -> None:
    """S35"""
    bookings = [
        {"child": child, "activity": "aps", "date": f"today+{day}d"} for child in ("ada", "bo") for day in range(10, 10 + MANY // 2)
    ]
    paid = [{"date": "today", "mode": "CHEQUE", "reference": "2578012", "payer": "DUPONT", "wallet": "periscolaire", "cents": 50_00}]
    town = await found(activities=[activity("aps")], families=[family("dupont", children=("ada", "bo"), bookings=bookings, payments=paid)])
    page = await browse()
    await signs_in(page, town, "dupont")
    await page.goto("/reservations?tout=1")
    assert await page.locator(".followed tbody tr").count() == MANY
    await is_sound(page, "bookings-hundred")
    told = await sheets(page, "bookings-hundred")
    assert len(told) > 2
    for sheet in told:
        assert "État" in sheet, sheet
        assert sheet.count("Ada") + sheet.count("Bo") > 3, sheet
        assert "Annuler" not in sheet, sheet
        assert "Se déconnecter" not in sheet, sheet
    assert sum(sheet.count("APS") for sheet in told) == MANY
    (day,) = next_days(1, start_in=100)
    dupont = await town.sign_in("dupont")
    request = await dupont.submits([dupont.line(day, child="ada"), dupont.line(day, child="bo")])
    for path, words in (
        (f"/demandes/{request['id']}", "acceptées"),
        (f"/historiques/reglements/{today():%Y-%m}", "2578012"),
        ("/soldes", "PERISCOLAIRE"),
        ("/", "DUPONT"),
        (f"/reserver/mois?enfant={town.named('ada')}&mois={day:%Y-%m}", "Libre"),
        ("/accessibilite", "conforme"),
    ):
        await page.goto(path)
        told = await sheets(page, "paper" + path.partition("?")[0].replace("/", "-").replace(request["id"], "x"))
        assert words in told[0], (path, told[0])
        assert "Se déconnecter" not in told[0], path
        assert len(told) <= (3 if path == "/accessibilite" else 1), path
    await signs_in(page, town, "agent")
    await page.goto(f"/bureau/pointage?activite={town.named('aps')}&date={today() + dt.timedelta(days=10)}")
    (roster,) = await sheets(page, "paper-roster")
    assert all(words in roster for words in ("DUPONT Ada", "DUPONT Bo", "Absent non")), roster
    assert not any(words in roster for words in ("Se déconnecter", "Afficher", "Familles", "mot de passe")), roster
