"""Documents for paper: PDFs that everybody can read (PDF/UA), set by typst from templates in files of their own (S10).

A template is told what it shows as data, never as markup: whatever a name holds comes out as plain text. typst is native code and an
extra (`preau[documents]`): it runs in a process of its own that knows nothing of ours, with little time, and few of them at once.
"""

import asyncio
import datetime as dt
import importlib.util
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from services.spreadsheets import SHAPES, Cell, Euros, Sheet

SECONDS = 25.0  #: Of one document, its wait for others included.
AT_ONCE = 2
LONGEST = 120  #: Characters of a name, or of what else people wrote.
LONGEST_TEXT = 1_000  #: Of a sentence that has some of them.
MOST_ROWS = 1_000  #: Of one document: two seconds of work, and 400 MB, where each row is full.
ROOT = Path(__file__).parent
PROGRAM = ROOT / "typesetting.py"
SHEET = ROOT / "sheet.typ"

#: One core for one document, however many there are: what it may reserve is limited.
ENVIRONMENT = {"RAYON_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}

#: French first, English second.
TEXTS = {"PAGE": ("Page", "Page"), "OF": ("sur", "of"), "ISSUED": ("Établi le {day}", "Issued on {day}")}


class NotSet(Exception):
    """The document could not be set, or not in time."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above each document."""

    structure: str  #: Its name.
    about: str  #: Whose, and of when.
    issued_on: dt.date
    language: str
    address: str = ""  #: The structure's.


def available() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("typst") is not None


class Press:
    """Sets documents, some at a time. One for each process of a service."""

    def __init__(self, at_once: int = AT_ONCE, seconds: float = SECONDS) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._seconds = seconds

    async def printed(self, template: Path, head: Head, told: Mapping[str, Any]) -> bytes:
        """The PDF. `told`: what the template shows, in JSON's own types. Raises NotSet."""
        asked = {"root": str(ROOT), "template": str(template), "told": _plain({**_head(head), **told})}
        try:
            async with asyncio.timeout(self._seconds), self._turns:
                return await _run(orjson.dumps(asked))
        except TimeoutError:
            raise NotSet(f"{template.name}: not within {self._seconds} s") from None

    async def sheet(self, sheet: Sheet, head: Head) -> bytes:
        """A table for paper: what the spreadsheet has, each page under its headings. Raises NotSet."""
        return await self.printed(SHEET, head, _table(sheet, head.language))


async def _run(asked: bytes) -> bytes:
    """In a process that sees nothing of our environment; one that nobody waits for any more is killed."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, "-I", str(PROGRAM), stdin=pipe, stdout=pipe, stderr=pipe, env=ENVIRONMENT)
    try:
        pdf, trouble = await child.communicate(asked)
    except BaseException:
        child.kill()
        await child.wait()
        raise
    if child.returncode != 0:
        raise NotSet(trouble.decode(errors="replace")[-500:] or f"it ended with {child.returncode}")
    return pdf


def _head(head: Head) -> dict[str, Any]:
    said = {name.lower(): text[head.language == "en"] for name, text in TEXTS.items()}
    said["issued"] = said["issued"].format(day=day(head.issued_on))
    return {**said, "structure": short(head.structure), "address": short(head.address), "about": head.about, "language": head.language}


def _table(sheet: Sheet, language: str) -> dict[str, Any]:
    rows = list(sheet.rows)
    money = [any(isinstance(row[place], Euros) for row in rows) for place in range(len(sheet.columns))]
    return {
        "title": sheet.title,
        "columns": [
            {"heading": column.heading, "width": column.width, "money": is_money}
            for column, is_money in zip(sheet.columns, money, strict=True)
        ],
        "rows": [[shown(cell, language) for cell in row] for row in rows],
        "total": None if sheet.total is None else [shown(cell, language) for cell in sheet.total],
    }


# ------------------------------------------------------------------------------------------------------------- as people read it
def shown(cell: Cell, language: str) -> str:
    for kind, shape, _ in SHAPES:
        if isinstance(cell, kind):
            return cell.strftime(shape)  # type: ignore[union-attr]  # each of these kinds has it
    if isinstance(cell, Euros):
        return euros(cell.cents, language)
    return "" if cell is None else short(str(cell))


def short(text: str) -> str:
    """What people wrote, as far as there is room for it."""
    return _within(LONGEST, text)


def euros(cents: int, language: str) -> str:
    """ "-1 234,50 €" with spaces at which no line ends, "-€1,234.50"."""
    amount = f"{abs(cents) // 100:,}.{abs(cents) % 100:02}"
    sign = "-" if cents < 0 else ""
    if language == "en":
        return f"{sign}€{amount}"
    return f"{sign}{amount.replace(',', NARROW).replace('.', ',')}{NO_BREAK}€"


NARROW, NO_BREAK = "\u202f", "\u00a0"


def day(date: dt.date) -> str:
    return date.strftime("%d/%m/%Y")


def _plain(told: Any) -> Any:
    """Texts on one line and not too long, in letters alone: nothing that turns the direction of what stands beside it."""
    if isinstance(told, str):
        return _line(told)
    if isinstance(told, Mapping):
        return {name: _plain(one) for name, one in told.items()}
    return [_plain(one) for one in told] if isinstance(told, Sequence) else told


def _line(text: str) -> str:
    return _within(LONGEST_TEXT, re.sub(" +", " ", "".join(map(_letter, unicodedata.normalize("NFC", text)))).strip())


def _within(most: int, text: str) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _letter(letter: str) -> str:
    """Controls and ends of lines are spaces; marks of direction and what else nobody sees is nothing."""
    kind = unicodedata.category(letter)
    if kind in ("Cc", "Zl", "Zp"):
        return " "
    return "" if kind in ("Cf", "Cs", "Co", "Cn") else letter
