"""How the values of a town file are read: each reader takes a node and gives a value, or says what is wrong and what was expected."""

import datetime as dt
import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TypeVar

from deploy.town.dates import EXPECTED as A_DATE
from deploy.town.dates import resolve
from deploy.town.reading import Entry, Listing, Mapping, Mistake, Node, Place, Scalar
from services.billing.rate import exact_quotient

T = TypeVar("T")
D = TypeVar("D")
Reader = Callable[[Node], T]

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_QUOTIENT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,2})?")
_WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})")


class Wrong(Exception):
    """A value that cannot be taken."""

    def __init__(self, what: str, expected: str, place: Place | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self.place = place


class Mistakes(list[Mistake]):
    """All that is wrong with the files, gathered so that the author hears of everything at once."""

    def note(self, place: Place, what: str, expected: str) -> None:
        self.append(Mistake(place, what, expected))


class Fields:
    """One mapping of the file while it is being read. Use it with `reading`, which reports the keys that nobody asked for.

    Where a value cannot be read the mistake is noted and a stand-in returned: what is built from it is never used.
    """

    def __init__(self, node: Node, mistakes: Mistakes, name: str) -> None:
        self.place = node.place
        self.mistakes = mistakes
        self.name = name
        self.node = node
        self._asked: list[str] = []
        self._bad: set[str] = set()
        if isinstance(node, Mapping):
            self.entries: dict[str, Entry] = node.entries
        else:
            self.entries = {}
            mistakes.note(node.place, f"{name} is {describe(node)}", "keys and values")

    def __contains__(self, key: str) -> bool:
        self._asked.append(key)
        return key in self.entries

    def says(self, key: str) -> bool:
        """It is there, and not null."""
        return key in self and not is_null(self.entries[key].value)

    def good(self, *keys: str) -> bool:
        """All of these were there and readable."""
        return all(key in self.entries and key not in self._bad for key in keys)

    def place_of(self, key: str) -> Place:
        return self.entries[key].place if key in self.entries else self.place

    def need(self, key: str, reader: Reader[T], stand_in: D) -> T | D:
        self._asked.append(key)
        if key not in self.entries:
            if isinstance(self.node, Mapping):
                self.mistakes.note(self.place, f"{key} is missing in {self.name}", f"{key}: ...")
            return stand_in
        return self._read(key, reader, stand_in)

    def may(self, key: str, reader: Reader[T], default: D) -> T | D:
        """An optional value: missing and null mean the default."""
        self._asked.append(key)
        if key not in self.entries or is_null(self.entries[key].value):
            return default
        return self._read(key, reader, default)

    def each(self, key: str, *, needed: bool = False) -> tuple[Node, ...]:
        """The items of an optional list."""
        empty: tuple[Node, ...] = ()
        return self.need(key, items, empty) if needed else self.may(key, items, empty)

    def wrong(self, key: str, what: str, expected: str) -> None:
        self._bad.add(key)
        self.mistakes.note(self.place_of(key), what, expected)

    def _read(self, key: str, reader: Reader[T], stand_in: D) -> T | D:
        entry = self.entries[key]
        try:
            return reader(entry.value)
        except Wrong as wrong:
            self._bad.add(key)
            self.mistakes.note(wrong.place or entry.value.place, f"{key}: {wrong.what}", wrong.expected)
            return stand_in

    def report_unknown(self) -> None:
        known = sorted(set(self._asked))
        for key, entry in self.entries.items():
            if key not in known:
                self.mistakes.note(entry.place, f"{key} is no key of {self.name}{suggestion(key, known)}", one_of(known))


@contextmanager
def reading(node: Node, mistakes: Mistakes, name: str) -> Iterator[Fields]:
    fields = Fields(node, mistakes, name)
    yield fields
    fields.report_unknown()


def suggestion(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def one_of(words: Collection[str]) -> str:
    return ", ".join(sorted(words)) if words else "nothing here"


def describe(node: Node) -> str:
    """What a node is, for a message."""
    match node:
        case Mapping():
            return "a group of keys"
        case Listing():
            return "a list"
        case Scalar():
            return "empty" if node.kind == "null" else repr(node.text)


def is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.kind == "null"


# ------------------------------------------------------------------------------------------------------------ readers
def items(node: Node) -> tuple[Node, ...]:
    if not isinstance(node, Listing):
        raise Wrong(f"{describe(node)} is no list", "a list: [ ... ], or lines that start with -")
    return node.items


def mapping(node: Node) -> Node:
    if not isinstance(node, Mapping):
        raise Wrong(f"{describe(node)} where keys and values belong", "keys and values")
    return node


def listing(reader: Reader[T]) -> Reader[tuple[T, ...]]:
    def read(node: Node) -> tuple[T, ...]:
        return tuple(_at(item, reader) for item in items(node))

    return read


def _at(node: Node, reader: Reader[T]) -> T:
    try:
        return reader(node)
    except Wrong as wrong:
        raise Wrong(wrong.what, wrong.expected, wrong.place or node.place) from None


def text(node: Node, expected: str = "a text") -> str:
    """Any single value, as it is written."""
    if not isinstance(node, Scalar) or node.kind == "null" or not node.text.strip():
        raise Wrong(f"{describe(node)} is no text", expected)
    if any(ord(character) < 32 and character not in "\n\t" for character in node.text):
        raise Wrong(f"{node.text!r} has characters that nobody can see", expected)
    return node.text.strip()


def identifier(node: Node) -> str:
    """An id of the town's choice, which will stand in addresses and events."""
    word = text(node, "an id, such as aps-matin")
    if not _IDENTIFIER.fullmatch(word):
        raise Wrong(f"{word!r} cannot be an id", "letters without accents, digits, - and _, at most 64, such as aps-matin")
    return word


def whole(at_least: int, at_most: int, expected: str) -> Reader[int]:
    def read(node: Node) -> int:
        word = text(node, expected)
        if not _WHOLE.fullmatch(word) or not at_least <= int(word) <= at_most:
            raise Wrong(f"{word} is not possible here", expected)
        return int(word)

    return read


def cents(at_least: int = 0) -> Reader[int]:
    """An amount, in whole cents so that nothing is ever rounded."""
    return whole(at_least, 100_000_00, f"whole euro cents, {at_least} or more (131 is 1,31 EUR)")


def quotient(node: Node) -> Decimal:
    expected = "a family quotient, such as 742 or 742.50"
    word = text(node, expected)
    if not _QUOTIENT.fullmatch(word):
        raise Wrong(f"{word!r} is no quotient", expected)
    return exact_quotient(word)


def yes_or_no(node: Node) -> bool:
    word = text(node, "true or false").lower()
    if word not in ("true", "false", "yes", "no"):
        raise Wrong(f"{word!r} is neither true nor false", "true or false")
    return word in ("true", "yes")


def time(node: Node) -> str:
    word = text(node, 'a time such as "07:30"')
    if not _TIME.fullmatch(word):
        raise Wrong(f"{word!r} is no time", 'a time such as "07:30", from "00:00" to "23:59"')
    return word


def date(today: dt.date) -> Reader[dt.date]:
    def read(node: Node) -> dt.date:
        try:
            return resolve(text(node, A_DATE), today)
        except ValueError as error:
            raise Wrong(str(error), A_DATE) from None

    return read


def by_day(today: dt.date, reader: Reader[T]) -> Reader[dict[dt.date, T | None]]:
    """What differs on single days, such as {2026-12-24: 20, today+3d: null}."""

    def read(node: Node) -> dict[dt.date, T | None]:
        if not isinstance(node, Mapping):
            raise Wrong(f"{describe(node)} where days belong", "days, such as {2026-12-24: 20}")
        found: dict[dt.date, T | None] = {}
        for key, entry in node.entries.items():
            day = _at(Scalar(entry.place, key, "str"), date(today))
            if day in found:
                raise Wrong(f"{day} stands there twice", "each day once", entry.place)
            found[day] = None if is_null(entry.value) else _at(entry.value, reader)
        return found

    return read


def choice(words: Collection[str]) -> Reader[str]:
    def read(node: Node) -> str:
        word = text(node, one_of(words))
        if word not in words:
            raise Wrong(f"{word!r} is not possible{suggestion(word, words)}", one_of(words))
        return word

    return read


def reference(kind: str, known: Collection[str]) -> Reader[str]:
    """An id that stands elsewhere in the file."""

    def read(node: Node) -> str:
        word = text(node, f"the id of one of the {kind}")
        if word not in known:
            raise Wrong(f"{word!r} is none of the {kind}{suggestion(word, known)}", f"one of the {kind}: {one_of(known)}")
        return word

    return read
