"""Every question that a schema allows, found by walking it: what is added to the contract later is asked too."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_schema,
    get_named_type,
    parse,
    type_from_ast,
    visit,
)

from gateway.api import api_schema

GATEWAY = Path(__file__).parents[2] / "gateway"
SUBGRAPHS = ("identity", "billing", "booking", "mailer")
#: Argument -> whose id it is. A new argument of type ID must be added here: then it is asked too.
NAMES = {
    "family": "family",
    "child": "child",
    "fromChild": "child",
    "toChild": "child",
    "activity": "activity",
    "fromActivity": "activity",
    "toActivity": "activity",
    "booking": "booking",
    "request": "request",
    "wallet": "wallet",
    "fromWallet": "wallet",
    "toWallet": "wallet",
    "payment": "payment",
    "payments": "payment",
    "onlinePayment": "onlinePayment",
    "structure": "structure",
    "account": "account",
    "pricedLike": "activity",
    "bookings": "booking",
    "criterion": "criterion",
    "criteria": "criterion",
    "adult": "account",
    "announcement": "announcement",
    "invitation": "invitation",
    "mail": "mail",
    "deadLetter": "deadLetter",
    "afterFamily": "family",
}
#: Arguments that are plainly called `id`: the field says whose.
BY_ID = ("onlinePayment", "allocationRun", "removeFactor", "endSession")
#: Left out: what has a default that is no id, and hours, which fixed activities do not want.
OMITTED = frozenset({"LocalTime", "Boolean", "BookingStatus", "HoldKind"})
DEEP = 3

Path_ = tuple[str | int, ...]
Ids = Mapping[str, str]  #: family, child, ... -> id


@dataclass(frozen=True)
class Slot:
    """A place in the variables where text goes."""

    path: Path_
    scalar: str  #: ID, String, Date, ...
    about: str  #: For an ID: family, child, ...; else the argument's name.


@dataclass(frozen=True)
class Question:
    """One field of a schema with everything that can be seen below it."""

    name: str  #: "Query.request", "Family.bookings"
    mutates: bool
    text: str
    variables: dict[str, Any] = field(hash=False)  #: Ids are slots' `about`, to be filled in.
    slots: tuple[Slot, ...] = ()

    @property
    def ids(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.scalar == "ID"]

    def asked(self, ids: Ids, *, instead: Mapping[Slot, Any] = {}, **values: Any) -> dict[str, Any]:
        """The variables with these ids; `instead`: another value in that place. `values`: by scalar or argument name."""
        variables = copy.deepcopy(self.variables)
        for slot in self.slots:
            put(variables, slot.path, instead.get(slot, ids[slot.about] if slot.scalar == "ID" else values.get(slot.about, ...)))
        return variables


def put(variables: Any, path: Path_, value: Any) -> None:
    if value is ...:
        return
    *way, last = path
    for step in way:
        variables = variables[step]
    variables[last] = value


# ------------------------------------------------------------------------------------------------------------- schemas
@cache
def public() -> GraphQLSchema:
    return api_schema(parse((GATEWAY / "supergraph.graphql").read_text(encoding="utf-8")))


@cache
def subgraph(name: str) -> GraphQLSchema:
    text = (GATEWAY / "subgraphs" / f"{name}.graphql").read_text(encoding="utf-8")
    return build_schema(text, assume_valid=True, assume_valid_sdl=True)


# ----------------------------------------------------------------------------------------------------------- questions
def of(schema: GraphQLSchema, samples: Mapping[str, Any], *, whole: bool = False) -> list[Question]:
    """Every field with arguments, reached from the root or from `me`. `samples`: scalar or argument name -> value.

    `whole`: with every argument and input field there is, also those that nobody needs to say.
    """
    found = []
    for root, kind in ((schema.query_type, "query"), (schema.mutation_type, "mutation")):
        for name, each in root.fields.items() if root else ():
            found.append(_question(f"{root.name}.{name}", kind, (), name, each, samples, whole=whole))
    ways = _reachable(schema)
    for type_, way in ways.items():
        for name, each in type_.fields.items():
            if each.args:
                found.append(_question(f"{type_.name}.{name}", "query", way, name, each, samples, whole=whole))
    for name, each in schema.query_type.fields.items() if schema.query_type else ():
        below = get_named_type(each.type)
        if isinstance(below, GraphQLObjectType) and below not in ways and each.args:
            found += [_within(name, each, inner, one, samples, whole=whole) for inner, one in below.fields.items() if one.args]
    return found


def _within(name: str, each: GraphQLField, inner: str, one: GraphQLField, samples: Mapping[str, Any], *, whole: bool) -> Question:
    """A field with arguments of what only a field with arguments leads to."""
    outer, asked = (_question("", "query", (), *field, samples, whole=whole) for field in ((name, each), (inner, one)))
    assert outer.variables.keys().isdisjoint(asked.variables), "one name for two arguments"
    headers = ", ".join(filter(None, (part.text[len("query(") : part.text.index(") {")] for part in (outer, asked) if part.variables)))
    start = outer.text.index("{") + 2
    call = outer.text[start : outer.text.index("{", start)]
    text = f"query({headers}) {{ {call} {{ {asked.text[asked.text.index('{') + 2 : -2]} }} }}"
    label = f"{get_named_type(each.type).name}.{inner}"
    return Question(label, False, text, outer.variables | asked.variables, outer.slots + asked.slots)


def subscriptions(schema: GraphQLSchema, samples: Mapping[str, Any]) -> list[Question]:
    root = schema.subscription_type
    fields = root.fields.items() if root else ()
    return [_question(f"Subscription.{name}", "subscription", (), name, each, samples, whole=True) for name, each in fields]


def _question(
    label: str, kind: str, way: Sequence[str], name: str, each: GraphQLField, samples: Mapping[str, Any], *, whole: bool = False
) -> Question:
    variables: dict[str, Any] = {}
    slots: list[Slot] = []
    declared = []
    for argument, one in each.args.items():
        if _omitted(argument, one, samples) and not whole:
            continue
        declared.append((argument, one))
        variables[argument] = _sample(argument, one.type, (argument,), samples, slots, name, whole=whole)
    header = "(" + ", ".join(f"${argument}: {one.type}" for argument, one in declared) + ")" if declared else ""
    passed = "(" + ", ".join(f"{argument}: ${argument}" for argument, _ in declared) + ")" if declared else ""
    text = f"{name}{passed}{selection(each.type)}"
    for step in reversed(way):
        text = f"{step} {{ {text} }}"
    return Question(label, kind == "mutation", f"{kind}{header} {{ {text} }}", variables, tuple(slots))


def _omitted(name: str, one: Any, samples: Mapping[str, Any]) -> bool:
    required = isinstance(one.type, GraphQLNonNull) and one.default is None
    named = get_named_type(one.type)
    asked = isinstance(named, GraphQLInputObjectType) or named.name in ("ID", "Date") or name in samples
    return not required and (not asked or named.name in OMITTED)


def _sample(
    name: str, type_: Any, path: Path_, samples: Mapping[str, Any], slots: list[Slot], of_field: str, *, whole: bool = False
) -> Any:
    if isinstance(type_, GraphQLNonNull):
        value = _sample(name, type_.of_type, path, samples, slots, of_field, whole=whole)
        return samples.get(type_.of_type.name) if value is None else value
    if isinstance(type_, GraphQLList):
        return [_sample(name, type_.of_type, (*path, 0), samples, slots, of_field, whole=whole)]
    if isinstance(type_, GraphQLInputObjectType):
        wanted = {key: one for key, one in type_.fields.items() if whole or not _omitted(key, one, samples)}
        return {key: _sample(key, one.type, (*path, key), samples, slots, of_field, whole=whole) for key, one in wanted.items()}
    if isinstance(type_, GraphQLEnumType):
        return next(iter(type_.values))
    about = NAMES.get(name, of_field) if type_.name == "ID" else name
    slots.append(Slot(path, type_.name, about))
    if type_.name == "ID":
        assert about in {*NAMES.values(), *BY_ID}, f"whose id is {of_field}({name})?"
    return about if type_.name == "ID" else samples.get(name, samples.get(type_.name))


def _reachable(schema: GraphQLSchema) -> dict[GraphQLObjectType, tuple[str, ...]]:
    """Object types -> the shortest way to them from `me`, by fields that need no argument."""
    assert schema.query_type is not None
    if "me" not in schema.query_type.fields:
        return {}
    first = get_named_type(schema.query_type.fields["me"].type)
    assert isinstance(first, GraphQLObjectType)
    ways: dict[GraphQLObjectType, tuple[str, ...]] = {first: ("me",)}
    queue = [first]
    for type_ in queue:
        for name, each in type_.fields.items():
            below = get_named_type(each.type)
            if isinstance(below, GraphQLObjectType) and below not in ways and not _needs(each.args):
                ways[below] = (*ways[type_], name)
                queue.append(below)
    return ways


def _needs(arguments: Mapping[str, GraphQLArgument]) -> bool:
    return any(isinstance(one.type, GraphQLNonNull) and one.default is None for one in arguments.values())


def selection(type_: Any, deep: int = DEEP) -> str:
    """Everything below, down to a depth."""
    named = get_named_type(type_)
    if isinstance(named, GraphQLUnionType):
        members = " ".join(f"... on {member.name}{selection(member, deep)}" for member in named.types)
        return f" {{ __typename {members} }}"
    if isinstance(named, GraphQLObjectType | GraphQLInterfaceType):
        return f" {{ {' '.join(_fields(named, deep))} }}"
    return ""


def _fields(type_: GraphQLObjectType | GraphQLInterfaceType, deep: int) -> Iterator[str]:
    yield "__typename"
    for name, each in type_.fields.items():
        if name.startswith("_") or _needs(each.args):
            continue
        below = get_named_type(each.type)
        if not isinstance(below, GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType):
            yield name
        elif deep > 0:
            yield name + selection(below, deep - 1)


# ------------------------------------------------------------------------------------------------------------ entities
@dataclass(frozen=True)
class Entity:
    """One field of an entity of one subgraph, asked by `_entities`."""

    service: str
    type: str
    question: Question

    @property
    def name(self) -> str:
        return f"{self.service} {self.question.name}"


def entities(service: str, samples: Mapping[str, Any]) -> list[Entity]:
    """Of every type that has a key, each field for itself."""
    found = []
    for type_ in subgraph(service).type_map.values():
        if not isinstance(type_, GraphQLObjectType) or type_.ast_node is None:
            continue
        if any(directive.name.value == "key" for directive in type_.ast_node.directives or ()):
            found += [_entity(service, type_, name, each, samples) for name, each in type_.fields.items()]
    return found


def _entity(service: str, type_: GraphQLObjectType, name: str, each: GraphQLField, samples: Mapping[str, Any]) -> Entity:
    plain = _question(f"{type_.name}.{name}", "query", (f"... on {type_.name}",), name, each, samples)
    header, _, rest = plain.text.partition("{")
    declared = header.removeprefix("query").strip().strip("()")
    declared = f"$representations: [_Any!]!, {declared}".rstrip(", ")
    text = f"query({declared}) {{ _entities(representations: $representations) {{ __typename {rest} }}"
    return Entity(service, type_.name, Question(plain.name, False, text, plain.variables, plain.slots))


# ------------------------------------------------------------------------------------------------------------ coordinates
def coordinates(schema: GraphQLSchema) -> set[str]:
    """Every field, argument and input field: "Family.bookings", "Family.bookings(first:)", "SubmitInput.lines"."""
    found = set()
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) and not type_.name.startswith("__"):
            for name, each in type_.fields.items():
                found |= {f"{type_.name}.{name}"} | {f"{type_.name}.{name}({argument}:)" for argument in each.args}
        elif isinstance(type_, GraphQLInputObjectType):
            found |= {f"{type_.name}.{name}" for name in type_.fields}
    return found


def covered(schema: GraphQLSchema, question: Question) -> set[str]:
    """The coordinates that it asks for. A field of an interface is one of each type that has it."""
    document = parse(question.text)
    info = TypeInfo(schema)
    asked = _Asked(schema, info)
    visit(document, TypeInfoVisitor(info, asked))
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    for variable in operation.variable_definitions or ():
        _cover(type_from_ast(schema, variable.type), question.variables[variable.variable.name.value], asked.found)
    return asked.found


class _Asked(Visitor):
    def __init__(self, schema: GraphQLSchema, info: TypeInfo) -> None:
        super().__init__()
        self.schema, self.info = schema, info
        self.found: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent = self.info.get_parent_type()
        assert parent is not None
        types = [parent, *(self.schema.get_possible_types(parent) if isinstance(parent, GraphQLInterfaceType) else ())]
        types += getattr(parent, "interfaces", ())
        for type_ in types:
            self.found.add(f"{type_.name}.{node.name.value}")
            self.found |= {f"{type_.name}.{node.name.value}({argument.name.value}:)" for argument in node.arguments or ()}


def _cover(type_: Any, value: Any, found: set[str]) -> None:
    if isinstance(type_, GraphQLNonNull):
        _cover(type_.of_type, value, found)
    elif isinstance(type_, GraphQLList) and isinstance(value, list):
        for one in value:
            _cover(type_.of_type, one, found)
    elif isinstance(type_, GraphQLInputObjectType) and isinstance(value, dict):
        for name, one in value.items():
            found.add(f"{type_.name}.{name}")
            _cover(type_.fields[name].type, one, found)
