"""What a client asked for, spelled out: for each object type, the fields wanted of it, fragments and conditions resolved.

@skip and @include are decided here, so that nothing later knows of conditions: a plan belongs to one set of their values.
Two fields that would answer under one name are merged or refused here, in time linear in what is asked; the standard validation
rule for it is quadratic and would let a small document hold the gateway for seconds.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import FragmentDefinitionNode, Node, OperationDefinitionNode, SelectionSetNode, TypeNode, parse, print_ast
from graphql.language import ast
from graphql.utilities.sort_value_node import sort_value_node

from gateway.api import type_text
from gateway.supergraph import Guard, Supergraph

#: Fields of an operation, spelled out for every object type. A family's largest page needs a few hundred; all that a mutation may answer,
#: five levels deep, is 1,600. Planning so many takes a tenth of a second.
MOST_FIELDS = 5_000
INTROSPECTION = ("__schema", "__type")


class Conflict(Exception):
    """Two different fields would answer under one name."""


class TooWide(Exception):
    """Spelled out for every possible type, the operation is too large to plan."""


@dataclass(slots=True)
class Selected:
    """One field of one object type."""

    name: str
    key: str  #: what the client calls it
    arguments: str  #: canonical text: two fields with equal names and arguments are one
    variables: frozenset[str]
    named: str  #: its type without lists and exclamation marks
    children: "Tree | None" = None
    denied: bool = False  #: not to this caller
    nodes: tuple[ast.FieldNode, ...] = ()  #: kept for introspection alone

    @property
    def signature(self) -> tuple[str, str]:
        return self.name, self.arguments


class Asked(NamedTuple):
    """A field as it stands in the document."""

    node: ast.FieldNode
    denied: bool


#: object type -> response key -> field
Tree = dict[str, dict[str, Selected]]


def shared(tree: Tree) -> dict[str, Selected]:
    """What is asked of every type alike."""
    first, *others = tree.values()
    return {key: each for key, each in first.items() if all(key in other and _is_alike(each, other[key]) for other in others)}


def _is_alike(one: Selected, other: Selected) -> bool:
    if (one.signature, one.named, one.denied) != (other.signature, other.named, other.denied):
        return False
    if one.children is None or other.children is None:
        return one.children is other.children
    return one.children.keys() == other.children.keys() and all(
        [*fields] == [*other.children[name]] and all(_is_alike(each, other.children[name][key]) for key, each in fields.items())
        for name, fields in one.children.items()
    )


def condition_variables(definitions: Iterable[Node]) -> tuple[str, ...]:
    """Names of the variables that @skip and @include look at."""
    found: set[str] = set()
    todo: list[Any] = list(definitions)
    while todo:
        node = todo.pop()
        for directive in node.directives or ():
            if directive.name.value in ("skip", "include"):
                found |= set(variables_in(directive.arguments[0].value))
        if getattr(node, "selection_set", None):
            todo.extend(node.selection_set.selections)
    return tuple(sorted(found))


def variables_in(node: Any) -> Iterator[str]:
    if isinstance(node, ast.VariableNode):
        yield node.name.value
    for child in (*(getattr(node, "values", None) or ()), *(each.value for each in getattr(node, "fields", None) or ())):
        yield from variables_in(child)


@dataclass(slots=True)
class Speller:
    """Spells operations and field sets out."""

    supergraph: Supergraph
    fragments: Mapping[str, FragmentDefinitionNode] = field(default_factory=dict)
    conditions: Mapping[str, bool] = field(default_factory=dict)
    passed: frozenset[Guard] | None = None  #: the guards that let the caller pass; None: it is the gateway that asks
    count: int = 0
    unused: str = "_preau"  #: no name that the client gives begins so

    def operation(self, operation: OperationDefinitionNode) -> dict[str, Selected]:
        """Raises Conflict, TooWide."""
        root = self.supergraph.roots[operation.operation.value]
        return self.tree(root, [operation.selection_set])[root]

    def field_set(self, type_name: str, text: str) -> Tree:
        definition: Any = parse("{" + text + "}", no_location=True).definitions[0]
        tree = self.tree(type_name, [definition.selection_set])
        if type_name not in tree:  # an interface: of whatever object it turns out to be
            tree[type_name] = self._object(type_name, type_name, [definition.selection_set])
        return tree

    def tree(self, type_name: str, sets: list[SelectionSetNode]) -> Tree:
        tree = {each: self._object(each, type_name, sets) for each in sorted(self.supergraph.objects(type_name))}
        if len(tree) > 1:
            self._check_shapes(tree)
        return tree

    def _object(self, type_name: str, seen_as: str, sets: list[SelectionSetNode]) -> dict[str, Selected]:
        collected: dict[str, list[Asked]] = {}
        self._collect(type_name, seen_as, sets, collected, set())
        return {key: self._field(type_name, key, asked) for key, asked in collected.items()}

    def _field(self, type_name: str, key: str, asked: list[Asked]) -> Selected:
        denied = all(each.denied for each in asked)
        nodes = [each.node for each in asked if denied or not each.denied]
        self._spend()
        while key.startswith(self.unused):
            self.unused += "u"
        first = nodes[0]
        selected = Selected(
            name=first.name.value,
            key=key,
            arguments=_arguments_text(first),
            variables=frozenset(name for each in first.arguments or () for name in variables_in(each.value)),
            named="String",
            denied=denied,
            nodes=tuple(nodes),
        )
        for other in nodes[1:]:
            if (other.name.value, _arguments_text(other)) != selected.signature:
                raise Conflict(f"Fields {key!r} conflict: ask for them under different names.")
        if not selected.name.startswith("__"):
            selected.named = self.supergraph.types[type_name].fields[selected.name].named
            below = [each.selection_set for each in nodes if each.selection_set]
            selected.children = self.tree(selected.named, below) if below else None
        return selected

    def _collect(
        self, type_name: str, seen_as: str, sets: Iterable[SelectionSetNode], collected: dict[str, list[Asked]], seen: set[str]
    ) -> None:
        for node in (node for each in sets for node in each.selections if self._wanted(node)):
            if isinstance(node, ast.FieldNode):
                asked = Asked(node, self._denies(type_name, seen_as, node.name.value))
                collected.setdefault(node.alias.value if node.alias else node.name.value, []).append(asked)
                continue
            fragment: Any = node
            if isinstance(node, ast.FragmentSpreadNode):
                if node.name.value in seen:
                    continue
                seen.add(node.name.value)
                fragment = self.fragments[node.name.value]
            condition = fragment.type_condition.name.value if fragment.type_condition else seen_as
            if type_name == condition or type_name in self.supergraph.objects(condition):
                self._collect(type_name, condition, (fragment.selection_set,), collected, seen)

    def _denies(self, type_name: str, seen_as: str, name: str) -> bool:
        """What an interface guards is guarded for whoever asks through it."""
        if self.passed is None:
            return False
        known = (self.supergraph.types[each].fields.get(name) for each in {type_name, seen_as})
        return any(each is not None and not each.guards <= self.passed for each in known)

    def _spend(self) -> None:
        self.count += 1
        if self.count > MOST_FIELDS:
            raise TooWide("The operation asks for too many fields of too many types.")

    def _wanted(self, node: Any) -> bool:
        for directive in node.directives or ():
            if directive.name.value in ("skip", "include"):
                condition = directive.arguments[0].value
                holds = self.conditions[condition.name.value] if isinstance(condition, ast.VariableNode) else condition.value
                if holds == (directive.name.value == "skip"):
                    return False
        return True

    # The same name must mean the same shape whichever type the object turns out to have.

    def _check_shapes(self, tree: Tree) -> None:
        seen: dict[str, tuple[str, Selected]] = {}
        for type_name, fields in tree.items():
            for key, selected in fields.items():
                first = seen.setdefault(key, (type_name, selected))
                if first[1] is not selected:
                    self._same_shape(*first, type_name, selected)

    def _same_shape(self, one_type: str, one: Selected, other_type: str, other: Selected) -> None:
        self._spend()
        one_node, other_node = self._type_of(one_type, one), self._type_of(other_type, other)
        if _shape(one_node, one.children is None) != _shape(other_node, other.children is None):
            raise Conflict(f"Fields {one.key!r} of {one_type} and {other_type} conflict: ask for them under different names.")
        if one.children is not None and other.children is not None and one.children is not other.children:
            for left_type, left in one.children.items():
                for right_type, right in other.children.items():
                    for key in left.keys() & right.keys():
                        self._same_shape(left_type, left[key], right_type, right[key])

    def _type_of(self, type_name: str, selected: Selected) -> TypeNode | None:
        fields = self.supergraph.types[type_name].fields
        return fields[selected.name].type if selected.name in fields else None


def _shape(node: TypeNode | None, leaf: bool) -> str:
    """The type's text, for what is not a leaf without its name."""
    text = type_text(node) if node else "String!"
    return text if leaf else "".join(character for character in text if character in "[]!")


def _arguments_text(node: ast.FieldNode) -> str:
    return ",".join(sorted(f"{argument.name.value}:{print_ast(sort_value_node(argument.value))}" for argument in node.arguments or ()))
