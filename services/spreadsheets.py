"""Tables as files that open right in a French spreadsheet: CSV and XLSX (S10, S35). No text in them ever becomes a formula."""

import codecs
import csv
import datetime as dt
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import xlsxwriter

Format = Literal["csv", "xlsx"]


@dataclass(frozen=True, slots=True)
class Euros:
    """An amount, which spreadsheets can add up."""

    cents: int


Cell = str | int | Euros | dt.date | dt.datetime | dt.time | None  #: Times of day and datetimes are local, without a zone.

MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
#: What spreadsheets take for the beginning of a formula, the full-width forms included.
FORMULA = tuple("=+-@\t\r\n＝＋－＠")
#: Where a cell begins within one of ours, for a spreadsheet that takes commas or tabs for separators, whatever is quoted.
WITHIN = re.compile(r'([,\t\r\n][\s"]*)(?=[=+\-@＝＋－＠])')
EUROS = "#,##0.00"
#: As Excel writes them. Datetimes come first: they are dates too.
SHAPES: tuple[tuple[type, str, str], ...] = (
    (dt.datetime, "%d/%m/%Y %H:%M", "dd/mm/yyyy hh:mm"),
    (dt.date, "%d/%m/%Y", "dd/mm/yyyy"),
    (dt.time, "%H:%M", "hh:mm"),
)


@dataclass(frozen=True, slots=True)
class Column:
    heading: str
    width: int  #: In characters.


@dataclass(frozen=True, slots=True)
class Sheet:
    title: str
    columns: Sequence[Column]
    rows: Iterable[Sequence[Cell]]
    total: Sequence[Cell] | None = None  #: A last row, below the others.

    @property
    def all_rows(self) -> Iterable[Sequence[Cell]]:
        return self.rows if self.total is None else chain(self.rows, [self.total])


def written(sheet: Sheet, format: Format) -> bytes:
    return as_csv(sheet) if format == "csv" else as_xlsx(sheet)


def as_csv(sheet: Sheet, *, quoted: bool = False) -> bytes:
    """`;` between cells, CRLF, UTF-8 with a byte order mark: what Excel wants in France.

    `quoted`: every cell, and nothing is calculated where commas separate cells either.
    """
    return csv_begun((column.heading for column in sheet.columns), quoted=quoted) + csv_lines(sheet.all_rows, quoted=quoted)


def csv_begun(headings: Iterable[str], *, quoted: bool = False) -> bytes:
    """The first line of such a file."""
    return codecs.BOM_UTF8 + csv_lines([list(headings)], quoted=quoted)


def csv_lines(rows: Iterable[Sequence[Cell]], *, quoted: bool = False) -> bytes:
    """Further lines of it."""
    text = io.StringIO(newline="")
    shown = _harmless_anywhere if quoted else _plain
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n", quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerows([shown(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _harmless_anywhere(cell: Cell) -> str:
    return WITHIN.sub(r"\1'", _plain(cell)) if isinstance(cell, str) else _plain(cell)


def _plain(cell: Cell) -> str:
    for kind, shape, _ in SHAPES:
        if isinstance(cell, kind):
            return cell.strftime(shape)  # type: ignore[union-attr]  # each of these kinds has it
    if isinstance(cell, str):
        return harmless(cell)
    if isinstance(cell, Euros):
        return f"{cell.cents / 100:.2f}".replace(".", ",")
    return "" if cell is None else str(cell)


def harmless(text: str) -> str:
    """Spreadsheets show the apostrophe to nobody, and calculate nothing."""
    return f"'{text}" if text.startswith(FORMULA) else text


def as_xlsx(sheet: Sheet) -> bytes:
    """One worksheet with real dates, the headings bold and always in view."""
    file = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(file, options) as book:
        shown = [(Euros, EUROS), *((kind, shape) for kind, _, shape in SHAPES)]
        shapes = {kind: book.add_format({"num_format": shape}) for kind, shape in shown}
        page = book.add_worksheet(sheet.title[:31])
        page.freeze_panes(1, 0)
        page.write_row(0, 0, [column.heading for column in sheet.columns], book.add_format({"bold": True}))
        for place, column in enumerate(sheet.columns):
            page.set_column(place, place, column.width)
        for number, row in enumerate(sheet.all_rows, 1):
            for place, cell in enumerate(row):
                _write(page, number, place, cell, shapes)
    return file.getvalue()


def _write(page: Any, row: int, place: int, cell: Cell, shapes: dict[type, Any]) -> None:
    if isinstance(cell, str):
        page.write_string(row, place, cell)
    elif isinstance(cell, Euros):
        page.write_number(row, place, cell.cents / 100, shapes[Euros])
    elif isinstance(cell, dt.date | dt.time):
        page.write_datetime(row, place, cell, shapes[type(cell)])
    elif cell is not None:
        page.write_number(row, place, cell)
