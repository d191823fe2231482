"""Makes plain answers quickly: most of a calendar is stored attributes, which do not need graphql-core's care, field by field.

Where everything selected below a value is attributes (no resolver, argument, permission or extension), a *projection* makes the answer
from the objects directly. It knows the usual case only. Whatever else it meets (null where none may be, an object of another class, a leaf
of a strange type) it leaves to graphql-core, which begins again at the same value: errors and odd results are always graphql-core's own.
Reading attributes twice has no effect, so nobody sees the difference. services/execution.py says when projections are used.
"""

import datetime as dt
import inspect
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from types import MemberDescriptorType
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLID,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
)
from graphql.execution.collect_fields import CollectedFields, FieldDetailsList
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.field import StrawberryField

T = TypeVar("T")
Projection = Callable[[Any], Any]  #: Of a value into its part of the answer. Raises (whatever) for what is not usual.

# What strawberry puts where nobody asked for more. Should a release call them otherwise, nothing is projected any more: slow, but right.
DEFINITION: Final = "strawberry-definition"
READS_ATTRIBUTE: Final = "GraphQLCoreConverter.from_resolver.<locals>._get_basic_result"
RESOLVES_TYPE: Final = "GraphQLCoreConverter.from_interface.<locals>._get_resolve_type.<locals>.resolve_type"
CHECKS_TYPE: Final = "GraphQLCoreConverter.from_object.<locals>._get_is_type_of.<locals>.is_type_of"

MOST_FORMS: Final = 8  #: Selections in which one kept list is remembered.

#: In a field's metadata: the name of the attribute that holds what its resolver will answer; LATER, if only the resolver knows.
STORED_IN: Final = "stored in"

#: Classes whose values are surely data: not an exception, nothing to await. Both would have a meaning of their own in graphql-core.
DATA: Final = frozenset({str, int, float, bool, dt.date, dt.datetime, dt.time, Decimal, UUID})
AS_IT_IS: Final[dict[GraphQLScalarType, type]] = {GraphQLString: str, GraphQLID: str, GraphQLBoolean: bool}


class Later(Enum):
    """Stands where a value is that nobody has looked up yet."""

    LATER = "LATER"


LATER: Final = Later.LATER


class Kept(list[T]):
    """Elements that many answers share and nobody changes: what projections make of them is kept, too."""

    __slots__ = ("made",)

    def __init__(self, elements: Iterable[T]) -> None:
        super().__init__(elements)
        self.made: dict[Projection, list[Any]] = {}

    def shown(self, project: Projection) -> list[Any]:
        """Not to be changed. `project`: of an element; None as an element is left to graphql-core."""
        found = self.made.get(project)
        if found is None:
            found = [project(element) for element in self]
            if len(self.made) >= MOST_FORMS:
                self.made.clear()
            self.made[project] = found
        return found


class Differently(list[T]):
    """A kept list, but for some of its elements, by their index: those belong to this answer alone."""

    __slots__ = ("kept", "own")

    def __init__(self, kept: Kept[T], own: dict[int, T]) -> None:
        super().__init__(kept)
        for index, element in own.items():
            self[index] = element
        self.kept = kept
        self.own = own

    def shown(self, project: Projection) -> list[Any]:
        found = self.kept.shown(project).copy()
        for index, element in self.own.items():
            found[index] = project(element)
        return found


class Unusual(Exception):
    """Left to graphql-core."""


class Shape(NamedTuple):
    """How the values of one GraphQL type are shown. `project` never takes None: it raises for it."""

    nullable: bool
    project: Projection
    form: Hashable  #: The same form: the same answer. Selections of many operations, or under many names in one, have the same.


#: Of objects, by form, while anybody uses them: what a kept list remembers for one is then there for all.
_projections: WeakValueDictionary[Hashable, Projection] = WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class Compiler:
    """Makes the projections of one selection. All raise Unusual when not everything in it is plain."""

    schema: GraphQLSchema
    collect: Callable[[GraphQLObjectType, FieldDetailsList], CollectedFields]

    def field(self, parent: GraphQLObjectType, asked: FieldDetailsList) -> Projection:
        """From the parent's value."""
        name = asked[0].node.name.value
        if name == "__typename":
            return _always(parent.name)
        origin, (attribute, (nullable, project, _)) = _class_of(parent), self._attribute(parent, asked)

        def project_field(source: Any) -> Any:
            if source.__class__ is not origin:
                raise Unusual
            found = getattr(source, attribute)
            return None if found is None and nullable else project(found)

        return project_field

    def shape(self, type_: GraphQLOutputType, asked: FieldDetailsList) -> Shape:
        nullable, inner = (False, type_.of_type) if isinstance(type_, GraphQLNonNull) else (True, type_)
        if isinstance(inner, GraphQLList):
            item = self.shape(inner.of_type, asked)
            return Shape(nullable, _list(item), (item.nullable, item.form))
        if isinstance(inner, GraphQLObjectType):
            return Shape(nullable, *self._object(inner, asked))
        if isinstance(inner, GraphQLInterfaceType):
            return Shape(nullable, *self._interface(inner, asked))
        return Shape(nullable, _leaf(inner), inner)

    def _attribute(self, parent: GraphQLObjectType, asked: FieldDetailsList) -> tuple[str, Shape]:
        if any(one.defer_usage or one.fragment_variable_values for one in asked):
            raise Unusual
        name = asked[0].node.name.value
        if name == "__typename":
            return "__class__", Shape(False, _always(parent.name), parent)  # Every object has this attribute.
        field = parent.fields.get(name)
        if field is None:
            raise Unusual
        return _attribute_of(_class_of(parent), field), self.shape(field.type, asked)

    def _object(self, type_: GraphQLObjectType, asked: FieldDetailsList) -> tuple[Projection, Hashable]:
        origin = _class_of(type_)
        selected = self.collect(type_, asked)
        if selected.new_defer_usages:
            raise Unusual
        rows = [(name, *self._attribute(type_, below)) for name, below in selected.grouped_field_set.items()]
        fields = [(name, attribute, nullable, project) for name, attribute, (nullable, project, _) in rows]
        form = type_, *((name, attribute, nullable, below) for name, attribute, (nullable, _, below) in rows)
        known = _projections.get(form)
        if known is not None:
            return known, form

        def project_object(value: Any) -> dict[str, Any]:
            if value.__class__ is not origin:
                raise Unusual
            shown: dict[str, Any] = {}
            for name, attribute, nullable, project in fields:
                found = getattr(value, attribute)
                shown[name] = None if found is None and nullable else project(found)
            return shown

        project = _projections[form] = _unless_cast(project_object) if type_.is_type_of else project_object
        return project, form

    def _interface(self, type_: GraphQLInterfaceType, asked: FieldDetailsList) -> tuple[Projection, Hashable]:
        """By class: strawberry's own way to find the type, but for `strawberry.cast`, which `_object` looks for."""
        if _name_of(type_.resolve_type) != RESOLVES_TYPE:
            raise Unusual
        projections: dict[type, Projection] = {}
        forms = []
        for possible in self.schema.get_possible_types(type_):
            try:
                projections[_class_of(possible)], form = self._object(possible, asked)
            except Unusual:
                continue  # The others may be plain.
            forms.append(form)
        return (lambda value: projections[value.__class__](value)), (type_, *forms)


# ----------------------------------------------------------------------------------------------- what may be read directly
def _name_of(function: object) -> str | None:
    return getattr(function, "__qualname__", None)


def _class_of(type_: GraphQLObjectType) -> type:
    """Whose instances keep what they are asked for in plain attributes."""
    definition = type_.extensions.get(DEFINITION)
    if not isinstance(definition, StrawberryObjectDefinition) or definition.name != type_.name or definition.concrete_of is not None:
        raise Unusual
    if type_.is_type_of is not None and _name_of(type_.is_type_of) != CHECKS_TYPE:
        raise Unusual
    origin = definition.origin
    own_way: Any = origin.__getattribute__
    if own_way is not object.__getattribute__ or hasattr(origin, "__getattr__"):
        raise Unusual
    return origin


def _attribute_of(origin: type, field: GraphQLField) -> str:
    definition = field.extensions.get(DEFINITION)
    if not isinstance(definition, StrawberryField) or field.args:
        raise Unusual
    if STORED_IN in definition.metadata:
        return str(definition.metadata[STORED_IN])
    if _name_of(field.resolve) != READS_ATTRIBUTE:
        raise Unusual
    resolver: object = definition.default_resolver
    if resolver is not getattr or _computed(origin, definition.python_name):
        raise Unusual
    return definition.python_name


def _computed(origin: type, name: str) -> bool:
    """A property, for example; a slot is not."""
    found = inspect.getattr_static(origin, name, None)
    return hasattr(type(found), "__get__") and not isinstance(found, MemberDescriptorType)


# ------------------------------------------------------------------------------------------------------------ projections
def _always(shown: str) -> Projection:
    return lambda _: shown


def _unless_cast(project: Projection) -> Projection:
    """Types with interfaces: an instance of the class is of the type unless `strawberry.cast` says otherwise."""

    def project_unless_cast(value: Any) -> Any:
        if hasattr(value, TYPE_CAST_ATTRIBUTE):
            raise Unusual
        return project(value)

    return project_unless_cast


#: Lists that show themselves.
REMEMBERING: Final = frozenset({Kept, Differently})


def _list(item: Shape) -> Projection:
    nullable, project, _ = item

    def project_list(values: Any) -> list[Any]:
        if values.__class__ is not list:
            if values.__class__ in REMEMBERING:
                shown: list[Any] = values.shown(project)
                return shown
            raise Unusual
        if nullable:
            return [None if value is None else project(value) for value in values]
        return [project(value) for value in values]

    return project_list


def _leaf(type_: GraphQLOutputType) -> Projection:
    if isinstance(type_, GraphQLEnumType):
        return _enum(type_)
    if not isinstance(type_, GraphQLScalarType):
        raise Unusual
    if type_ is GraphQLInt:
        return _integer
    return _as_it_is(AS_IT_IS[type_], _serialized(type_)) if type_ in AS_IT_IS else _serialized(type_)


def _integer(value: Any) -> int:
    if value.__class__ is not int or not GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT:
        raise Unusual
    number: int = value
    return number


def _as_it_is(usual: type, otherwise: Projection) -> Projection:
    return lambda value: value if value.__class__ is usual else otherwise(value)


def _serialized(type_: GraphQLLeafType) -> Projection:
    serialize = type_.coerce_output_value

    def project(value: Any) -> Any:
        if value.__class__ not in DATA:
            raise Unusual
        shown = serialize(value)
        if shown.__class__ not in DATA:
            raise Unusual
        return shown

    return project


def _enum(type_: GraphQLEnumType) -> Projection:
    definition = type_.extensions.get(DEFINITION)
    if not isinstance(definition, StrawberryEnumDefinition):
        raise Unusual
    # By identity: a member lives as long as its class, and its hash is computed in Python.
    members: Iterable[object] = definition.wrapped_cls
    names = {id(member): type_.coerce_output_value(member) for member in members}

    def project(member: Any) -> Any:
        return names[id(member)]

    return project
