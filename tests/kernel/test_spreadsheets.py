"""S10, S35: files open right in a French spreadsheet, and nothing that somebody typed is ever calculated."""

import csv
import datetime as dt
import io
import re
import zipfile

import pytest

from services.spreadsheets import FORMULA, Column, Euros, Sheet, as_csv, as_xlsx, harmless

NOON = dt.datetime(2026, 9, 1, 12, 5)  # noqa: DTZ001 -- the town's own time, as a cell has it
SHEET = Sheet(
    "Réservations",
    [Column("Enfant", 18), Column("Date", 12), Column("Arrivée", 9), Column("Rang", 6), Column("Demandée le", 18)],
    [('Zoé; dite "Zo"\nla petite', dt.date(2026, 9, 14), dt.time(7, 30), None, NOON), ("=1+2", dt.date(2026, 9, 15), None, 3, NOON)],
)


def test_s35_a_csv_file_is_as_excel_writes_it_in_france() -> None:
    content = as_csv(SHEET)
    assert content.startswith(b"\xef\xbb\xbfEnfant;Date;")
    assert content.count(b"\r\n") == 3
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert rows[1:] == [
        ['Zoé; dite "Zo"\nla petite', "14/09/2026", "07:30", "", "01/09/2026 12:05"],
        ["'=1+2", "15/09/2026", "", "3", "01/09/2026 12:05"],
    ]


@pytest.mark.parametrize("text", ["=cmd()", "+33 1", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_s35_what_looks_like_a_formula_is_made_harmless(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["x,=1+cmd|'/C calc'!A0", 'x,"=1+1', "x\n=1+1", "x,\t+1", "x\r\n@SUM(A1)"])
def test_nothing_is_calculated_where_commas_separate_cells(text: str) -> None:
    content = as_csv(Sheet("", [Column("A", 1), Column("B", 1)], [("un", text)]), quoted=True).decode("utf-8-sig")
    assert content.startswith('"A";"B"\r\n"un";"')
    for comma in (",", "\t", ";"):
        cells = [cell for row in csv.reader(io.StringIO(content, newline=""), delimiter=comma) for cell in row]
        assert not [cell for cell in cells if cell.lstrip(' \t\r\n"').startswith(FORMULA)], cells


def test_words_that_begin_no_cell_stay_as_they_are_in_quotes() -> None:
    content = as_csv(Sheet("", [Column("A", 1)], [('École, 2 = 1+1; "Zoé"\nla petite',), (-3,)]), quoted=True).decode("utf-8-sig")
    rows = [*csv.reader(io.StringIO(content, newline=""), delimiter=";")]
    assert rows == [["A"], ['École, 2 = 1+1; "Zoé"\nla petite'], ["-3"]]


@pytest.mark.parametrize("text", ["", "APS MATIN", "L'école", "a=b", "'"])
def test_other_words_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


def test_s35_an_xlsx_file_has_real_dates_no_formula_and_headings_that_stay_in_view() -> None:
    with zipfile.ZipFile(io.BytesIO(as_xlsx(SHEET))) as book:
        page = book.read("xl/worksheets/sheet1.xml").decode()
        words = book.read("xl/sharedStrings.xml").decode()
        names = book.read("xl/workbook.xml").decode()
        shapes = book.read("xl/styles.xml").decode()
    assert "<f>" not in page
    assert "=1+2" in words
    assert 'name="Réservations"' in names
    assert re.search(r'<pane [^>]*topLeftCell="A2"[^>]*state="frozen"', page)
    assert re.search(r'<c r="B2" s="\d+"><v>46279</v></c>', page), page  # 14 September 2026, in days since 1900
    assert re.search(r'<c r="C2" s="\d+"><v>0.3125</v></c>', page), page  # 07:30 of a day
    assert all(shape in shapes for shape in ("dd/mm/yyyy hh:mm", 'formatCode="dd/mm/yyyy"', 'formatCode="hh:mm"'))
    assert '<col min="1" max="1" width="18.' in page
    assert 'r="D2"' not in page  # nothing is nothing, not 0


def test_s10_amounts_are_numbers_that_a_french_spreadsheet_adds_up() -> None:
    amounts = Sheet("Règlements", [Column("Montant", 12)], [(Euros(1_234_56),), (Euros(-50_00),), (Euros(5),), (Euros(-5),), (Euros(0),)])
    rows = as_csv(amounts).decode("utf-8-sig").split("\r\n")
    assert rows[1:-1] == ["1234,56", "-50,00", "0,05", "-0,05", "0,00"]
    with zipfile.ZipFile(io.BytesIO(as_xlsx(amounts))) as book:
        page = book.read("xl/worksheets/sheet1.xml").decode()
    assert re.findall(r"<v>([^<]+)</v></c></row>", page)[1:] == ["1234.56", "-50", "0.05", "-0.05", "0"]
