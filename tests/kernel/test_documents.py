"""Documents for paper: whatever a name holds comes out as plain text, and everybody can read it (S10, SEC10, PDF/UA)."""

import asyncio
import datetime as dt
import io
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from services import documents
from services.documents import LONGEST, Head, NotSet, Press
from services.spreadsheets import Column, Euros, Sheet

HEAD = Head("Mairie de CarteVille", "Compte famille : GUIDE DENIS · février 2017", dt.date(2026, 11, 23), "fr")
COLUMNS = [Column("Date", 12), Column("Payeur", 60), Column("Montant", 14)]
TOTAL = ("Total", None, Euros(200_00))

#: What a name may be in an evil family, and how it reads on paper.
CORPUS = {
    '#import "/page.typ": told': '#import "/page.typ": told',
    "#sys.inputs": "#sys.inputs",
    "#read(\"/typesetting.py\")": "#read(\"/typesetting.py\")",
    "*gras* _italique_ `code`": "*gras* _italique_ `code`",
    "$x^2$ @ref <label> \\ // rien": "$x^2$ @ref <label> \\ // rien",
    "= Titre": "= Titre",
    "- liste": "- liste",
    "a\r\nb\x00c\tz": "a b c z",
    "\u202eSINED\u202c \u2066EDIUG\u2069\u200f": "SINED EDIUG",
    "<script>alert(1)</script>": "<script>alert(1)</script>",
    "=1+1": "=1+1",
    "{{ 7 * 7 }} {% x %}": "{{ 7 * 7 }} {% x %}",
    "N°AUTO:445401 Œ É ŽŞ € – …": "N°AUTO:445401 Œ É ŽŞ € – …",
    "e\u0301le\u0300ve": "élève",
}  # fmt: skip


def reader(pdf: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(pdf))


def text_of(pdf: bytes) -> str:
    """All its text, as one line."""
    return " ".join("\n".join(page.extract_text() for page in reader(pdf).pages).split())


def sheet(*payers: str) -> Sheet:
    return Sheet("Règlements", COLUMNS, [(dt.date(2017, 2, 1), payer, Euros(1_234_50)) for payer in payers], TOTAL)


async def test_s10_a_table_on_paper_says_what_the_spreadsheet_says_in_french_forms() -> None:
    text = text_of(await Press().sheet(sheet("GUIDE DENIS"), HEAD))
    for part in ("Mairie de CarteVille", "Règlements", "Compte famille : GUIDE DENIS · février 2017", "Établi le 23/11/2026", "Page 1 sur 1",
                 "Date Payeur Montant", "01/02/2017 GUIDE DENIS 1 234,50 €", "Total 200,00 €"):  # fmt: skip
        assert part in text
    english = text_of(await Press().sheet(sheet("GUIDE DENIS"), replace(HEAD, language="en")))
    for part in ("€1,234.50", "Issued on 23/11/2026", "Page 1 of 1"):
        assert part in english


@pytest.mark.parametrize("evil", CORPUS)
async def test_sec10_whatever_a_name_holds_is_plain_text(evil: str) -> None:
    pdf = await Press().sheet(replace(sheet(evil), title=evil), replace(HEAD, structure=evil, about=evil))
    assert text_of(pdf).count(CORPUS[evil]) >= 4
    assert b"/JavaScript" not in pdf
    assert b"/URI" not in pdf


@pytest.mark.parametrize("foreign", ["日本", "😀👨‍👩‍👧", "z\u0300\u0301\u0302\u0303\u0304" * 30, "\ue000\uffff"])
async def test_what_no_font_of_ours_shows_is_marked_and_never_loses_the_rest(foreign: str) -> None:
    text = text_of(await Press().sheet(sheet(f"GUIDE {foreign} DENIS"), HEAD))
    assert "GUIDE" in text
    assert "DENIS" in text
    assert "1 234,50 €" in text


async def test_very_long_names_end_and_stay_on_the_page() -> None:
    pdf = await Press().sheet(sheet("A" * 10_000, "mot " * 2_000), HEAD)
    (page,) = reader(pdf).pages
    seen: list[float] = []
    page.extract_text(visitor_text=lambda text, _, matrix, *more: seen.append(matrix[4]) if text.strip() else None)
    assert max(seen) < float(page.mediabox.width)
    assert text_of(pdf).replace(" ", "").count("A") == LONGEST - 1


async def test_where_a_long_word_may_end_nothing_stands_that_is_copied_or_read_aloud() -> None:
    entry = "0123456789abcdef" * 2
    text = text_of(await Press().sheet(sheet(entry, "accès 52,55 €"), HEAD))
    assert entry in text.replace(" ", "")
    assert "accès 52,55 €" in text
    assert "\u200b" not in text


async def test_a_document_is_tagged_and_says_its_title_and_language() -> None:
    """PDF/UA-1, as far as a parser sees it: typst refuses to write what does not conform."""
    found: Any = reader(await Press().sheet(sheet("GUIDE DENIS"), HEAD))
    root = found.trailer["/Root"]
    assert (root["/Lang"], root["/MarkInfo"]["/Marked"], root["/ViewerPreferences"]["/DisplayDocTitle"]) == ("fr", True, True)
    assert b"<pdfuaid:part>1</pdfuaid:part>" in root["/Metadata"].get_data()
    assert found.metadata.title == "Règlements"
    assert {"/TH", "/TD", "/Table"} <= set(roles(root["/StructTreeRoot"]))


def roles(element: Any) -> list[str]:
    element = element.get_object()
    if not isinstance(element, dict):
        return []
    children = element.get("/K", [])
    below = children if isinstance(children, list) else [children]
    return [str(element.get("/S")), *(role for child in below for role in roles(child))]


async def test_each_page_of_a_long_table_has_its_headings() -> None:
    pages = [page.extract_text() for page in reader(await Press().sheet(sheet(*["GUIDE DENIS"] * 100), HEAD)).pages]
    assert len(pages) > 2
    assert all("Payeur" in page for page in pages)
    assert [page.count("Total") for page in pages] == [0] * (len(pages) - 1) + [1]


# ---------------------------------------------------------------------------------------------------------------- bounds
@pytest.fixture
def sleeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that notes itself and never ends, in the typesetter's place."""
    program = tmp_path / "sleeps.py"
    program.write_text(f"import os, time\nopen(r'{tmp_path}/' + str(os.getpid()), 'w').close()\ntime.sleep(60)\n")
    monkeypatch.setattr(documents, "PROGRAM", program)
    return tmp_path


def pids(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()]


async def test_a_document_that_takes_too_long_ends_and_leaves_no_process(sleeper: Path) -> None:
    press = Press(at_once=2, seconds=1)
    answers = await asyncio.gather(*(press.sheet(sheet("GUIDE"), HEAD) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(answer, NotSet) for answer in answers)
    started = pids(sleeper)
    assert 2 <= len(started) < 5, "two at once: others give up in the line, or as soon as it is their turn"
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_nobody_waits_for_a_document_but_who_asked(sleeper: Path) -> None:
    document = asyncio.ensure_future(Press(seconds=0.5).sheet(sheet("GUIDE"), HEAD))
    began, turns = time.monotonic(), 0
    while not document.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 20 * (time.monotonic() - began)
    with pytest.raises(NotSet):
        await document


async def test_a_program_that_dies_is_no_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dies.py"
    program.write_text("import os\nos.abort()\n")
    monkeypatch.setattr(documents, "PROGRAM", program)
    with pytest.raises(NotSet):
        await Press().sheet(sheet("GUIDE"), HEAD)


async def test_the_typesetter_sees_nothing_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "tells.py"
    program.write_text("import os, sys\nsys.stdout.write(repr(dict(os.environ)))\n")
    monkeypatch.setattr(documents, "PROGRAM", program)
    monkeypatch.setenv("PREAU_SIGNING_KEY", "secret")
    assert b"secret" not in await Press().sheet(sheet("GUIDE"), HEAD)


def test_whether_documents_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert documents.available()
    monkeypatch.setitem(sys.modules, "typst", None)
    assert not documents.available()
