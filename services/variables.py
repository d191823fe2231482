"""Reads an operation's variables quickly: what graphql-core finds out of its types for every value is found out once per variable.

It knows the usual case only: every variable is given, and what is given is right. Whatever else it meets it leaves to graphql-core, which
begins again at the first variable: errors, defaults and odd values are always graphql-core's own (as in services/projection.py).
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from graphql import (
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    Undefined,
    VariableDefinitionNode,
    is_leaf_type,
    is_required_input_field,
)
from graphql.execution import executor
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValuesOrErrors, VariableValueSource, get_variable_values
from graphql.utilities.coerce_input_value import coerce_default_value

Convert = Callable[[Any], Any]  #: Raises (whatever) for what is not usual.

MOST_REMEMBERED: Final = 1000  #: Variables, of all documents.


class Unusual(Exception):
    """Left to graphql-core."""


class Known(NamedTuple):
    """A variable of a document."""

    node: VariableDefinitionNode  #: Kept, for it is told apart by its identity; its document is parsed once and used again.
    schema: GraphQLSchema
    signature: GraphQLVariableSignature
    convert: Convert


_remembered: dict[tuple[int, int], Known] = {}


def variable_values(
    schema: GraphQLSchema,
    var_def_nodes: Collection[VariableDefinitionNode],
    inputs: dict[str, Any],
    max_errors: int | None = None,
    hide_suggestions: bool = False,
) -> VariableValuesOrErrors:
    """As graphql-core's `get_variable_values`."""
    try:
        return _values(schema, var_def_nodes, inputs)
    except Exception:  # Not lost: graphql-core meets it again, and says it in its own words.
        return get_variable_values(schema, var_def_nodes, inputs, max_errors, hide_suggestions)


def forget() -> None:
    """What was found out of schemas that nobody asks any more."""
    _remembered.clear()


def take_over() -> None:
    """From now on, in this process. graphql-core has no place to say so."""
    executor.get_variable_values = variable_values  # type: ignore[attr-defined]  # it only imports the name


def _values(schema: GraphQLSchema, nodes: Collection[VariableDefinitionNode], inputs: Mapping[str, Any]) -> VariableValues:
    sources, coerced = {}, {}
    for node in nodes:
        known = _remembered.get((id(schema), id(node))) or _remember(schema, node)
        name = known.signature.name
        value = inputs[name]
        sources[name] = VariableValueSource(known.signature, value)
        coerced[name] = known.convert(value)
    return VariableValues(sources, coerced)


def _remember(schema: GraphQLSchema, node: VariableDefinitionNode) -> Known:
    signature = get_variable_signature(schema, node)
    if not isinstance(signature, GraphQLVariableSignature):
        raise Unusual
    try:
        convert = _conversion(signature.type, ())
    except Unusual:
        convert = _never
    if len(_remembered) >= MOST_REMEMBERED:
        del _remembered[next(iter(_remembered))]
    known = _remembered[id(schema), id(node)] = Known(node, schema, signature, convert)
    return known


def _never(value: Any) -> Any:
    raise Unusual


def _conversion(type_: GraphQLInputType, around: tuple[GraphQLInputType, ...]) -> Convert:
    """`around`: the input types that this one is in."""
    if isinstance(type_, GraphQLNonNull):
        return _present(_of_value(type_.of_type, around))
    convert = _of_value(type_, around)
    return lambda value: None if value is None else convert(value)


def _present(convert: Convert) -> Convert:
    def converted(value: Any) -> Any:
        if value is None:
            raise Unusual
        return convert(value)

    return converted


def _of_value(type_: GraphQLInputType, around: tuple[GraphQLInputType, ...]) -> Convert:
    if isinstance(type_, GraphQLList):
        return _each(_conversion(type_.of_type, around))
    if isinstance(type_, GraphQLInputObjectType):
        return _object(type_, around)
    if not is_leaf_type(type_):
        raise Unusual
    return _leaf(type_)


def _each(convert: Convert) -> Convert:
    def each(values: Any) -> list[Any]:
        if values.__class__ is not list:
            raise Unusual
        return [convert(value) for value in values]

    return each


def _object(type_: GraphQLInputObjectType, around: tuple[GraphQLInputType, ...]) -> Convert:
    if type_.is_one_of or type_ in around:
        raise Unusual
    fields = [
        (name, field.out_name or name, _absent(field), _conversion(field.type, (*around, type_))) for name, field in type_.fields.items()
    ]
    make = type_.out_type

    def made(given: Any) -> Any:
        if given.__class__ is not dict:
            raise Unusual
        values: dict[str, Any] = {}
        met = 0
        for name, out_name, absent, convert in fields:
            if name in given:
                values[out_name] = convert(given[name])
                met += 1
            elif absent is not None:
                values[out_name] = absent()
        if met != len(given):
            raise Unusual
        return make(values)

    return made


def _absent(field: GraphQLInputField) -> Callable[[], Any] | None:
    """What stands for it where it is not given; None: nothing does."""
    if is_required_input_field(field):
        return lambda: _never(None)
    return None if coerce_default_value(field) is Undefined else lambda: coerce_default_value(field)


def _leaf(type_: GraphQLLeafType) -> Convert:
    read = type_.coerce_input_value

    def leaf(value: Any) -> Any:
        found = read(value)
        if found is Undefined:
            raise Unusual
        return found

    return leaf
