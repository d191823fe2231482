"""Builds resolvers' input objects quickly: what strawberry finds out for every value (names, types, defaults) is found out once per type.

Strawberry lets a type bring its own way to be built, `from_input`. Ours does for plain input types what strawberry does without one.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from typing import Any

from strawberry import UNSET
from strawberry.relay import GlobalID
from strawberry.scalars import is_scalar
from strawberry.schema import Schema
from strawberry.types.arguments import InputContext
from strawberry.types.base import StrawberryList, StrawberryMaybe, StrawberryObjectDefinition, StrawberryOptional, get_object_definition
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition

Convert = Callable[[Any], Any]  #: Of a value that is neither null nor unset.


class Unusual(Exception):
    """Left to strawberry: global ids, `Maybe`, lazy types, types in themselves, types with their own way to be built."""


@dataclass(frozen=True, slots=True)
class Builder:
    """Of one input type."""

    fields: tuple[tuple[str, str, Convert | None], ...]  #: GraphQL's name, Python's, and what is to be done if anything.
    without_default: dict[str, None]  #: Nullable, or surely given: graphql-core has checked that.

    def __call__(self, class_: type, given: Mapping[str, Any], context: InputContext | None = None) -> Any:
        arguments: dict[str, Any] = {**self.without_default}
        for name, attribute, convert in self.fields:
            if name in given:
                value = given[name]
                arguments[attribute] = value if convert is None or value is None or value is UNSET else convert(value)
        return class_(**arguments)


def quicken(schema: Schema) -> None:
    """Gives every plain input type its builder."""
    for known in schema.schema_converter.type_map.values():
        definition = known.definition
        if isinstance(definition, StrawberryObjectDefinition) and definition.is_input and definition.from_input is None:
            try:
                definition.from_input = builder(schema, definition)
            except Unusual:
                continue


def builder(schema: Schema, definition: StrawberryObjectDefinition, around: tuple[StrawberryObjectDefinition, ...] = ()) -> Builder:
    """Raises Unusual. `around`: the input types that this one is in."""
    usual = definition.from_input is None or isinstance(definition.from_input, Builder)
    if not definition.is_input or not usual or definition in around or definition.concrete_of is not None:
        raise Unusual
    around = (*around, definition)
    fields = definition.fields
    return Builder(
        fields=tuple(
            (
                schema.config.name_converter.from_field(field),
                field.python_name,
                _conversion(schema, field.resolve_type(type_definition=definition), around),
            )
            for field in fields
        ),
        without_default={
            field.python_name: None for field in fields if field.default_value is MISSING and field.default_factory is MISSING
        },
    )


def _conversion(schema: Schema, type_: Any, around: tuple[StrawberryObjectDefinition, ...]) -> Convert | None:
    """None: the value as graphql-core gives it."""
    if isinstance(type_, StrawberryMaybe) or type_ is GlobalID:
        raise Unusual
    if isinstance(type_, StrawberryOptional):
        return _conversion(schema, type_.of_type, around)
    if isinstance(type_, StrawberryList):
        return _each(_conversion(schema, type_.of_type, around))
    if (
        is_scalar(type_, schema.schema_converter.scalar_registry)
        or isinstance(type_, StrawberryEnumDefinition)
        or has_enum_definition(type_)
    ):
        return None
    definition = get_object_definition(type_)
    if definition is None:
        raise Unusual
    build = builder(schema, definition, around)
    return lambda value: build(type_, value)


def _each(convert: Convert | None) -> Convert:
    if convert is None:
        return list  # A copy: graphql-core gives the same default to everybody.
    return lambda values: [value if value is None or value is UNSET else convert(value) for value in values]
