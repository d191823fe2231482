"""Cuts the client's answer out of the merged data: its fields, its order, its names, and null where a non-null is missing.

What a subgraph answered on its own it has already completed, so leaves are not checked again; checked is what joining can break:
an object that one subgraph knows and another did not answer for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import TypeNode
from graphql.language import ast

from gateway.drafts import Entry, Shape
from gateway.outline import Lack
from gateway.plan import Project, introspected
from gateway.selection import INTROSPECTION
from gateway.supergraph import Supergraph

#: A value, lacks -> the value as the client gets it. None itself means: it goes out as it came.
Complete = Callable[[Any, list[Lack]], Any]


@dataclass(frozen=True, slots=True)
class _Item:
    """One field of an object, ready to be cut out."""

    key: str  #: the client's
    found: str | None  #: where the merged data has it; None: `constant`
    constant: str | None
    required: str | None  #: its coordinate, if it must not be null
    complete: Complete | None


@dataclass(frozen=True, slots=True)
class Projector:
    supergraph: Supergraph
    untouched: frozenset[int]  #: ids of entry lists that one request answers exactly as asked

    def object(self, type_name: str, entries: list[Entry], field: str = "") -> Project:
        """`field`: the coordinate of what holds the object."""
        items = tuple(self._item(type_name, entry) for entry in entries)

        def project(data: dict[str, Any], lacks: list[Lack]) -> dict[str, Any] | None:
            if type(data) is not dict:
                lacks.append(Lack(field, data))
                return None
            answer: dict[str, Any] = {}
            for item in items:
                if item.found is None:
                    value: Any = item.constant
                else:
                    value = data.get(item.found)
                    if value is not None and item.complete is not None:
                        value = item.complete(value, lacks)
                if value is None and item.required is not None:
                    lacks.append(Lack(item.required, None))
                    return None
                answer[item.key] = value
            return answer

        return project

    def _item(self, type_name: str, entry: Entry) -> _Item:
        selected = entry.selected
        if selected.name in INTROSPECTION:
            return _Item(selected.key, introspected(selected.key), None, None, None)
        if selected.name == "__typename":
            return _Item(selected.key, entry.key, type_name, None, None)
        node = self.supergraph.types[type_name].fields[selected.name].type
        field = f"{type_name}.{selected.name}"
        required = field if isinstance(node, ast.NonNullTypeNode) else None
        return _Item(selected.key, entry.key, None, required, self._value(node, entry.shape, field))

    def _value(self, node: TypeNode, shape: Shape | None, field: str) -> Complete | None:
        if isinstance(node, ast.NonNullTypeNode):
            return self._value(node.type, shape, field)
        if isinstance(node, ast.ListTypeNode):
            each = self._value(node.type, shape, field)
            return _list(each, field, required=isinstance(node.type, ast.NonNullTypeNode)) if each else None
        assert isinstance(node, ast.NamedTypeNode)
        if shape is None:
            return self._enum(node.name.value) if node.name.value in self.supergraph.narrowed_enums else None
        if shape.abstract:
            return self._abstract(shape, field)
        ((type_name, entries),) = shape.fields.items()
        return None if id(entries) in self.untouched else self.object(type_name, entries, field)

    def _enum(self, name: str) -> Complete:
        shown = frozenset(getattr(self.supergraph.api.type_map[name], "values", ()))
        return lambda value, _: value if isinstance(value, str) and value in shown else None

    def _abstract(self, shape: Shape, field: str) -> Complete:
        shown = {
            type_name: self.object(type_name, entries, field)
            for type_name, entries in shape.fields.items()
            if type_name in self.supergraph.api.type_map
        }

        def complete(value: Any, lacks: list[Lack]) -> Any:
            told = value.get("__typename") if type(value) is dict else value
            if type(value) is not dict or not isinstance(told, str | None):
                lacks.append(Lack(field, value))
                return None
            project = shown.get(told or "")  # nobody may know its type
            return project(value, lacks) if project else None

        return complete


def _list(each: Complete, field: str, *, required: bool) -> Complete:
    def complete(value: Any, lacks: list[Lack]) -> Any:
        if type(value) is not list:
            lacks.append(Lack(field, value))
            return None
        answer = []
        for element in value:
            completed = None if element is None else each(element, lacks)
            if completed is None and required:
                return None
            answer.append(completed)
        return answer

    return complete
