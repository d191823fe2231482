"""YAML files as trees in which everything still knows its file and line, so that a mistake can name them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

MERGE_TAG = "tag:yaml.org,2002:merge"
DEEPEST = 20  #: Levels of nesting; a town file has six.


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a file."""

    file: str
    line: int  #: From 1.

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """What is wrong with a town file, and what was expected there."""

    place: Place
    what: str
    expected: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}; expected {self.expected}"


class TownFileError(Exception):
    """A town file has mistakes: nothing of it was loaded."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. `text` is as written: `003150` keeps its zeros, `18:30` is no number and `NO` no boolean."""

    place: Place
    text: str
    kind: str  #: What YAML takes it for: str, int, float, bool, null, timestamp.


@dataclass(frozen=True, slots=True)
class Listing:
    place: Place
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Entry:
    place: Place
    value: "Node"


@dataclass(frozen=True, slots=True)
class Mapping:
    place: Place
    entries: dict[str, Entry]


Node = Scalar | Listing | Mapping


def read(path: Path) -> Mapping:
    """The tree of one file. Raises TownFileError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise TownFileError([Mistake(Place(str(path), 1), f"cannot be read: {reason}", "a town file in YAML")]) from None
    return parse(text, str(path))


def parse(text: str, file: str) -> Mapping:
    """The tree of a file's text. Raises TownFileError."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise TownFileError([_syntax_mistake(error, file)]) from None
    if not isinstance(root, yaml.MappingNode):
        raise TownFileError([Mistake(Place(file, 1), "this is not a town file", "keys such as structure, wallets, activities, families")])
    tree = _Tree(file)
    node = tree.mapping(root, 0)
    if tree.mistakes:
        raise TownFileError(tree.mistakes)
    return node


def _syntax_mistake(error: yaml.YAMLError, file: str) -> Mistake:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    return Mistake(Place(file, mark.line + 1 if mark else 1), f"this is not YAML: {problem}", "YAML (is a quote or a bracket missing?)")


class _Tree:
    def __init__(self, file: str) -> None:
        self.file = file
        self.mistakes: list[Mistake] = []

    def node(self, node: yaml.Node, depth: int) -> Node:
        place = self._place(node)
        if depth > DEEPEST:
            self.mistakes.append(Mistake(place, "nested too deeply, or within itself", f"at most {DEEPEST} levels"))
            return Scalar(place, "", "null")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return Listing(place, tuple(self.node(item, depth + 1) for item in node.value))
        return Scalar(place, str(node.value), node.tag.rpartition(":")[2])

    def mapping(self, node: yaml.MappingNode, depth: int) -> Mapping:
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in node.value:
            if key.tag == MERGE_TAG:
                merged |= dict(self._merged(value, depth))
                continue
            name = str(key.value)
            if name in entries:
                expected = f"it once (it is on line {entries[name].place.line} already)"
                self.mistakes.append(Mistake(self._place(key), f"{name} stands here twice", expected))
            entries[name] = Entry(self._place(key), self.node(value, depth + 1))
        return Mapping(self._place(node), merged | entries)

    def _merged(self, node: yaml.Node, depth: int) -> Iterator[tuple[str, Entry]]:
        """`<<: *anchor` or `<<: [*one, *two]`: what the mapping's own keys do not say."""
        tree = self.node(node, depth + 1)
        for part in reversed(tree.items) if isinstance(tree, Listing) else (tree,):
            if isinstance(part, Mapping):
                yield from part.entries.items()
            else:
                self.mistakes.append(Mistake(part.place, "only keys can be merged with <<", "an alias of a mapping"))

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.file, node.start_mark.line + 1)
