"""Documents that somebody might send: any fields, names, fragments, variables and conditions that a schema allows, by chance."""

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
)

Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType


@dataclass
class Questioner:
    """Makes one document; make a new one for the next."""

    schema: GraphQLSchema
    chance: random.Random
    without: Collection[str] = ()  #: fields never asked for
    deepest: int = 5
    widest: int = 3
    variables: dict[str, Any] = field(default_factory=dict)
    _definitions: list[str] = field(default_factory=list)
    _fragments: list[str] = field(default_factory=list)

    def document(self, kind: str = "query") -> str:
        root = self.schema.query_type if kind == "query" else self.schema.mutation_type
        assert root is not None
        selection = self._selection(root, self.deepest)
        told = f"({', '.join(self._definitions)})" if self._definitions else ""
        return " ".join([f"{kind}{told}", selection, *self._fragments])

    def _selection(self, kind: Composite, depth: int) -> str:
        parts = [self._part(kind, depth) for _ in range(self.chance.randint(1, self.widest))]
        return "{ " + " ".join(parts) + " }"

    def _part(self, kind: Composite, depth: int) -> str:
        fields = {} if isinstance(kind, GraphQLUnionType) else kind.fields
        leaves = [name for name, each in fields.items() if depth > 1 or not is_composite_type(get_named_type(each.type))]
        choices = [name for name in leaves if name not in self.without]
        roll = self.chance.random()
        if not choices and not is_abstract_type(kind):
            return "__typename"
        if not choices or (is_abstract_type(kind) and roll < 0.6) or (roll < 0.15 and depth > 1):
            return self._fragment(kind, depth)
        return "__typename" if roll > 0.95 else self._field(kind, self.chance.choice(choices), depth)

    def _field(self, kind: Any, name: str, depth: int) -> str:
        known = kind.fields[name]
        text = name + self._arguments(known.args) + self._condition()
        if self.chance.random() < 0.1:
            # Names that others have, too: `a`, and another field's own.
            text = f"{self.chance.choice(['a', 'b', self.chance.choice(sorted(kind.fields))])}: {text}"
        below = get_named_type(known.type)
        return f"{text} {self._selection(below, depth - 1)}" if is_composite_type(below) else text

    def _fragment(self, kind: Composite, depth: int) -> str:
        others = sorted(each.name for each in self.schema.get_possible_types(kind)) if is_abstract_type(kind) else []
        wider = [each.name for each in kind.interfaces] if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) else []
        name = self.chance.choice([kind.name, *others * 2, *wider])
        below: Any = self.schema.type_map[name]
        selection = self._selection(below, depth - 1)
        if self.chance.random() < 0.3:
            called = f"F{len(self._fragments)}"
            self._fragments.append(f"fragment {called} on {name} {selection}")
            return f"... {called}{self._condition()}"
        return f"... on {name}{self._condition()} {selection}"

    def _condition(self) -> str:
        if self.chance.random() > 0.1:
            return ""
        return f" @{self.chance.choice(['skip', 'include'])}(if: {self._variable('Boolean!', self.chance.random() < 0.5)})"

    def _variable(self, kind: str, value: Any) -> str:
        name = f"v{len(self.variables)}"
        self.variables[name] = value
        self._definitions.append(f"${name}: {kind}")
        return f"${name}"

    def _arguments(self, arguments: Mapping[str, GraphQLArgument]) -> str:
        given = {name: each for name, each in arguments.items() if is_required_argument(each) or self.chance.random() < 0.2}
        told = [f"{name}: {self._variable(str(each.type), self.value(each.type))}" for name, each in given.items()]
        return f"({', '.join(told)})" if told else ""

    def value(self, kind: Any) -> Any:
        if isinstance(kind, GraphQLNonNull):
            return self.value(kind.of_type)
        if isinstance(kind, GraphQLList):
            return [self.value(kind.of_type) for _ in range(self.chance.randint(0, 2))]
        if isinstance(kind, GraphQLEnumType):
            return self.chance.choice(sorted(kind.values))
        if isinstance(kind, GraphQLInputObjectType):
            return {name: self.value(each.type) for name, each in kind.fields.items() if is_required_input_field(each)}
        return {"Boolean": True, "Int": self.chance.randrange(9), "Float": 0.5}.get(kind.name, f"{kind.name} {self.chance.randrange(9)}")
