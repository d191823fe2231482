"""How large an operation may be, looked at before anything expensive is done with it: by the gateway, and by each service for itself.

Every measure is linear in the document: a fragment is measured once, however often it is spread, so that a few lines that would
spell out to millions of fields cost nothing to refuse. Validation and planning see only what has passed here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    print_ast,
)
from graphql.language import ast

from services.refusal import shown


@dataclass(frozen=True, slots=True)
class Limits:
    """The most of each that an operation may have; of a document its characters, tokens and definitions."""

    characters: int
    tokens: int
    definitions: int
    variables: int
    arguments: int  #: Of one field.
    fields: int
    depth: int
    introspection_depth: int
    introspections: int  #: Of `__schema` and `__type`.
    aliases: int
    directives: int


class TooMuch(Exception):
    """The document is refused; `code` says why."""

    def __init__(self, code: str, message: str, french: str) -> None:
        super().__init__(message)
        self.code = code
        self.french = french


@dataclass(frozen=True, slots=True)
class Size:
    """What a selection comes to, its fragments spelled out."""

    fields: int = 0
    depth: int = 0
    introspection_depth: int = 0
    introspections: int = 0
    aliases: int = 0
    directives: int = 0
    counted: int = 0  #: Fields of the names that are to be counted.

    def beside(self, other: "Size") -> "Size":
        return Size(
            self.fields + other.fields,
            max(self.depth, other.depth),
            max(self.introspection_depth, other.introspection_depth),
            self.introspections + other.introspections,
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.counted + other.counted,
        )


def check(
    document: DocumentNode, limits: Limits, *, counted: frozenset[str] = frozenset(), refused: frozenset[str] = frozenset()
) -> Iterator[Size]:
    """The size of each operation in turn. Raises TooMuch, also for a field that is `refused`."""
    if len(document.definitions) > limits.definitions:
        most = limits.definitions
        english, french = (
            f"A document has at most {most} operations and fragments.",
            f"Un document a au plus {most} opérations et fragments.",
        )
        raise TooMuch("OPERATION_TOO_LARGE", english, french)
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    measure = Measure(limits, fragments, counted, refused)
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            if len(operation.variable_definitions or ()) > limits.variables:
                raise _too_large(
                    f"An operation has at most {limits.variables} variables.", f"Une opération a au plus {limits.variables} variables."
                )
            size = measure.selection(operation.selection_set)
            for excess in _excesses(size, limits):
                raise excess
            yield size


def _too_large(english: str, french: str) -> TooMuch:
    return TooMuch("OPERATION_TOO_LARGE", english, french)


def _excesses(size: Size, limits: Limits) -> Iterator[TooMuch]:
    if size.depth > limits.depth or size.introspection_depth > limits.introspection_depth:
        most = limits.depth
        yield TooMuch(
            "OPERATION_TOO_DEEP", f"An operation is at most {most} fields deep.", f"Une opération a une profondeur d’au plus {most} champs."
        )
    if size.aliases > limits.aliases:
        most = limits.aliases
        yield TooMuch("TOO_MANY_ALIASES", f"An operation has at most {most} aliases.", f"Une opération a au plus {most} alias.")
    if size.directives > limits.directives:
        most = limits.directives
        yield TooMuch("TOO_MANY_DIRECTIVES", f"An operation has at most {most} directives.", f"Une opération a au plus {most} directives.")
    if size.introspections > limits.introspections:
        most = limits.introspections
        yield TooMuch(
            "TOO_MANY_INTROSPECTIONS",
            f"An operation asks for __schema and __type at most {most} times.",
            f"Une opération demande __schema et __type au plus {most} fois.",
        )


@dataclass(slots=True)
class Measure:
    limits: Limits
    fragments: Mapping[str, FragmentDefinitionNode]
    counted: frozenset[str]
    refused: frozenset[str]
    _known: dict[str, Size] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)

    def selection(self, selections: SelectionSetNode | None) -> Size:
        size = Size()
        for node in selections.selections if selections else ():
            directives = len(node.directives or ())
            size = size.beside(Size(directives=directives)) if directives else size
            if isinstance(node, FieldNode):
                size = size.beside(self._field(node))
            elif isinstance(node, InlineFragmentNode):
                size = size.beside(self.selection(node.selection_set))
            elif isinstance(node, ast.FragmentSpreadNode):
                size = size.beside(self._fragment(node.name.value))
            if size.fields > self.limits.fields:
                most = self.limits.fields
                raise _too_large(f"An operation asks for at most {most} fields.", f"Une opération demande au plus {most} champs.")
        return size

    def _field(self, node: FieldNode) -> Size:
        name = node.name.value
        if name in self.refused:
            english, french = f"{name} is between the gateway and its services.", f"{name} est entre la passerelle et ses services."
            raise TooMuch("GRAPHQL_VALIDATION_FAILED", english, french)
        if len(node.arguments or ()) > self.limits.arguments:
            most = self.limits.arguments
            raise _too_large(f"A field has at most {most} arguments.", f"Un champ a au plus {most} arguments.")
        below = self.selection(node.selection_set)
        introspects = name.startswith("__")
        return Size(
            1 + below.fields,
            0 if introspects else 1 + below.depth,
            1 + max(below.depth, below.introspection_depth) if introspects else below.introspection_depth,
            (name in ("__schema", "__type")) + below.introspections,
            bool(node.alias) + below.aliases,
            below.directives,
            (name in self.counted) + below.counted,
        )

    def _fragment(self, name: str) -> Size:
        if name in self._open:
            english, french = f"Fragment {shown(name)!r} spreads itself.", f"Le fragment « {shown(name)} » se contient lui-même."
            raise TooMuch("GRAPHQL_VALIDATION_FAILED", english, french)
        if name not in self._known:
            self._open.add(name)
            fragment = self.fragments.get(name)
            self._known[name] = self.selection(fragment.selection_set) if fragment else Size()
            self._open.discard(name)
        return self._known[name]


# ------------------------------------------------------------------------------------------------------- under one name
def conflict(document: DocumentNode) -> str | None:
    """A name under which two different fields of one object would answer, if there is one. Linear in what has passed the limits.

    The standard rule, OverlappingFieldsCanBeMerged, is quadratic: a small document would hold a process for seconds.
    """
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    todo = [[each.selection_set] for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    while todo:
        groups: dict[tuple[str | None, str], list[FieldNode]] = {}
        _gather(todo.pop(), None, fragments, groups)
        for (_, key), nodes in groups.items():
            if len(nodes) > 1 and len({_signature(node) for node in nodes}) > 1:
                return key
            below = [node.selection_set for node in nodes if node.selection_set]
            if below:
                todo.append(below)
    return None


def _gather(
    selections: list[SelectionSetNode],
    condition: str | None,
    fragments: Mapping[str, FragmentDefinitionNode],
    groups: dict[tuple[str | None, str], list[FieldNode]],
) -> None:
    """The fields by the type they are asked of, if that is said, and by the name of the answer."""
    for each in selections:
        for node in each.selections:
            if isinstance(node, FieldNode):
                groups.setdefault((condition, (node.alias or node.name).value), []).append(node)
                continue
            part = fragments.get(node.name.value) if isinstance(node, ast.FragmentSpreadNode) else node
            if isinstance(part, FragmentDefinitionNode | InlineFragmentNode):
                named = part.type_condition.name.value if part.type_condition else condition
                _gather([part.selection_set], named, fragments, groups)


def _signature(node: FieldNode) -> tuple[str, tuple[str, ...]]:
    return node.name.value, tuple(sorted(print_ast(each) for each in node.arguments or ()))
