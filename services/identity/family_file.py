"""A town's families as a spreadsheet writes them: CSV, one line for each adult and each child; lines with one number make a family.

    numero;type;identifiant;civilite;nom;prenom;email;langue;date de naissance
    3150;adulte;dupont;M.;DUPONT;Jean-Paul;jp.dupont@example.org;fr;
    3150;enfant;;;DUPONT;Amalia;;;12/04/2019

Parted by `;`, `,` or tabs. The heading says which column is which, in French or English; without `type`, who has a login is an adult.
"""

import csv
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.identity import entries
from services.identity.households import words_of
from services.refusal import Refused
from services.spreadsheets import FORMULA

MOST_LINES = 5_000  #: Of one file that is sent; a longer one is cut in several.
#: Column -> what its heading may be, as `words_of` gives it.
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "number": ("numero", "numero famille", "numero de famille", "famille", "number", "family", "family number"),
    "kind": ("type", "role"),
    "login": ("identifiant", "login"),
    "title": ("civilite", "title"),
    "last_name": ("nom", "nom de famille", "last name", "surname"),
    "first_name": ("prenom", "first name"),
    "email": ("email", "e mail", "mail", "courriel", "adresse e mail"),
    "language": ("langue", "language"),
    "birth_date": ("date de naissance", "naissance", "ne e le", "birth date", "date of birth"),
}
KINDS = {"adulte": True, "parent": True, "responsable": True, "adult": True, "enfant": False, "child": False}


@dataclass(frozen=True, slots=True)
class Adult:
    """What is empty is left as it is, or needed of a new account."""

    line: int
    login: str
    title: str | None
    first_name: str | None
    last_name: str | None
    email: str | None
    language: str | None


@dataclass(frozen=True, slots=True)
class Child:
    line: int
    first_name: str
    last_name: str
    birth_date: dt.date | None

    @property
    def known_by(self) -> tuple[str, ...]:
        return known_by(self.first_name, self.last_name)


@dataclass(slots=True)
class Household:
    """Lines of one number. With a mistake nothing of it is loaded."""

    number: str
    adults: list[Adult] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    mistakes: dict[int, Refused] = field(default_factory=dict)  #: By line.


def decoded(content: bytes) -> str:
    """UTF-8, as everybody should write, or what a French Windows does."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def known_by(first_name: str, last_name: str) -> tuple[str, ...]:
    """By what a child is known again in its family."""
    return " ".join(words_of(first_name)), " ".join(words_of(last_name))


def read(text: str, today: dt.date, most: int | None = MOST_LINES) -> list[Household]:
    """In the order of their first lines. Raises Refused INVALID_FILE."""
    rows = _rows(text.removeprefix("\ufeff"))
    _, heading = next(rows, (1, []))
    columns = _columns(heading)
    households: dict[str, Household] = {}
    for count, (line, cells) in enumerate(rows, 1):
        if most is not None and count > most:
            raise Refused("INVALID_FILE", text="FILE_TOO_LONG", most=most)
        _take(households, line, _named(columns, cells), today)
    if not households:
        raise Refused("INVALID_FILE", text="FILE_EMPTY")
    for one in households.values():
        one.mistakes |= dict(_twice(one))
    return list(households.values())


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Those that are not empty, each with the line on which it begins. Raises Refused INVALID_FILE."""
    first = text.lstrip("\r\n").partition("\n")[0]
    reader = csv.reader(text.splitlines(keepends=True), delimiter=max(";,\t", key=first.count))
    before = 0
    try:
        for row in reader:
            cells = [_plain(cell) for cell in row]
            if any(cells):
                yield before + 1, cells
            before = reader.line_num
    except csv.Error:
        raise Refused("INVALID_FILE", text="FILE_NOT_CSV", line=before + 1) from None


def _plain(cell: str) -> str:
    """Without the apostrophe that keeps a spreadsheet from calculating what begins like a formula: here nothing calculates."""
    text = cell.strip()
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text


def _columns(heading: Sequence[str]) -> list[str | None]:
    """Raises Refused INVALID_FILE."""
    names = {title: name for name, titles in HEADINGS.items() for title in titles}
    columns: list[str | None] = []
    for cell in heading:
        name = names.get(" ".join(words_of(cell)))
        if cell and name is None:
            raise Refused("INVALID_FILE", text="UNKNOWN_COLUMN", column=cell[:40], known=", ".join(one[0] for one in HEADINGS.values()))
        if name in columns and name is not None:
            raise Refused("INVALID_FILE", text="COLUMN_TWICE", column=cell[:40])
        columns.append(name)
    for needed in ("number", "last_name", "first_name"):
        if needed not in columns:
            raise Refused("INVALID_FILE", text="COLUMN_MISSING", column=HEADINGS[needed][0])
    return columns


def _named(columns: Sequence[str | None], cells: Sequence[str]) -> dict[str, str]:
    found = {name: cell for name, cell in zip(columns, cells, strict=False) if name is not None}
    return {name: found.get(name, "") for name in HEADINGS}


def _take(households: dict[str, Household], line: int, cells: Mapping[str, str], today: dt.date) -> None:
    """Into the household of its number, with what is wrong with it."""
    try:
        number = entries.number_of(cells["number"])
    except Refused as no:
        # Of no family: it stands alone, whatever else is in the file.
        households[f"\n{line}"] = Household("", lines=[line], mistakes={line: no})
        return
    household = households.setdefault(number, Household(number))
    household.lines.append(line)
    try:
        if _is_adult(cells):
            household.adults.append(_adult(line, cells))
        else:
            household.children.append(_child(line, cells, today))
    except Refused as no:
        household.mistakes[line] = no


def _is_adult(cells: Mapping[str, str]) -> bool:
    """Raises Refused INVALID_ENTRY."""
    if not cells["kind"]:
        return bool(cells["login"])
    found = KINDS.get(" ".join(words_of(cells["kind"])))
    if found is None:
        raise Refused("INVALID_ENTRY", text="KIND_NOT_POSSIBLE", given=cells["kind"][:40])
    return found


def _adult(line: int, cells: Mapping[str, str]) -> Adult:
    return Adult(
        line,
        entries.login_of(cells["login"]),
        entries.title_of(cells["title"]),
        entries.name_of(cells["first_name"], "FIRST_NAME") if cells["first_name"] else None,
        entries.name_of(cells["last_name"], "LAST_NAME") if cells["last_name"] else None,
        entries.email_of(cells["email"]),
        entries.language_of(cells["language"].lower()) if cells["language"] else None,
    )


def _child(line: int, cells: Mapping[str, str], today: dt.date) -> Child:
    names = entries.name_of(cells["first_name"], "FIRST_NAME"), entries.name_of(cells["last_name"], "LAST_NAME")
    return Child(line, *names, entries.birth_date_of(_day(cells["birth_date"]), today))


def _day(text: str) -> dt.date | None:
    """Raises Refused INVALID_ENTRY."""
    if not text:
        return None
    for shape in ("%Y-%m-%d", "%d/%m/%Y"):
        try:
            return dt.datetime.strptime(text, shape).date()  # noqa: DTZ007 -- a civil date
        except ValueError:
            continue
    raise Refused("INVALID_ENTRY", text="DAY_NOT_POSSIBLE", given=text[:40])


def _twice(household: Household) -> Iterable[tuple[int, Refused]]:
    """Whoever is named on two lines."""
    seen: dict[object, list[int]] = defaultdict(list)
    for adult in household.adults:
        seen[adult.login].append(adult.line)
    for child in household.children:
        seen[child.known_by].append(child.line)
    for first, *others in seen.values():
        for line in others:
            yield line, Refused("INVALID_ENTRY", text="NAMED_TWICE", line=first)
