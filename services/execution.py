"""Runs the operations of all subgraphs: strawberry's executor, but plain data goes through projections (services/projection.py)."""

from collections.abc import Callable
from typing import Any, Final

from graphql import FieldNode, GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLResolveInfo
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from services.projection import Compiler, Projection

MOST_REMEMBERED: Final = 1000  #: Selections, of all documents; a screen's has about five.

Compile = Callable[[Compiler, Any, FieldDetailsList], Projection]
Remembered = tuple[tuple[FieldNode, ...], Projection | None]
_LEFT: Final = object()  #: To graphql-core.

#: By what is selected, where, and the values of the operation's boolean variables: all that @skip and @include can depend on.
#: Nodes are told apart by their identity, so an entry keeps them. A parsed document is used again as long as the parser's cache has it.
_remembered: dict[tuple[object, ...], Remembered] = {}


def _compile_shape(compiler: Compiler, type_: Any, asked: FieldDetailsList) -> Projection:
    return compiler.shape(type_, asked).project


class LeanExecutionContext(StrawberryGraphQLCoreExecutionContext):
    """Answers exactly what its base class does: tests/kernel/test_projection.py and test_contract_projections.py compare them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        variables = self.variable_values.coerced.items()
        self._conditions = tuple((name, value) for name, value in variables if value.__class__ is bool)
        #: What was looked up in this operation, by the identity of the list, which the entry keeps.
        self._found: dict[tuple[Compile, int, int], tuple[FieldDetailsList, Projection | None]] = {}
        #: An extension wants to see each field being resolved.
        self._watched = self.middleware_manager is not None and bool(self.middleware_manager.middlewares)

    def execute_field(
        self, parent_type: GraphQLObjectType, source: Any, field_details_list: FieldDetailsList, path: Path, position_context: Any
    ) -> Any:
        shown = self._projected(Compiler.field, parent_type, field_details_list, source)
        if shown is not _LEFT:
            return shown
        return super().execute_field(parent_type, source, field_details_list, path, position_context)

    def complete_value(
        self, return_type: Any, field_details_list: FieldDetailsList, info: GraphQLResolveInfo[Any], path: Path, result: Any, position: Any
    ) -> Any:
        """An object that must be there, straight away: the usual way asks a dozen times of what type it is."""
        if return_type.__class__ is GraphQLNonNull and return_type.of_type.__class__ is GraphQLObjectType and result is not None:
            shown = self._projected(_compile_shape, return_type.of_type, field_details_list, result)
            if shown is not _LEFT:
                return shown
        return super().complete_value(return_type, field_details_list, info, path, result, position)

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        shown = self._projected(_compile_shape, return_type, field_details_list, result)
        if shown is not _LEFT:
            return shown
        return super().complete_object_value(return_type, field_details_list, info, path, result, position_context)

    def complete_list_value(
        self,
        return_type: GraphQLList[Any],
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        shown = self._projected(_compile_shape, return_type, field_details_list, result)
        if shown is not _LEFT:
            return shown
        return super().complete_list_value(return_type, field_details_list, info, path, result, position_context)

    def _projected(self, compile_: Compile, type_: Any, asked: FieldDetailsList, value: Any) -> Any:
        key = compile_, id(type_), id(asked)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = asked, self._projection(compile_, type_, asked)
        projection = found[1]
        if projection is None:
            return _LEFT
        try:
            return projection(value)
        except Exception:  # Not lost: graphql-core meets it again, and says it in its own words.
            return _LEFT

    def _projection(self, compile_: Compile, type_: Any, asked: FieldDetailsList) -> Projection | None:
        if self._watched:
            return None
        nodes = tuple(one.node for one in asked)
        key = compile_, type_, self._conditions, *map(id, nodes)
        remembered = _remembered.get(key)
        if remembered is None:
            try:
                remembered = nodes, compile_(Compiler(self.schema, self.collect_subfields), type_, asked)
            except Exception:  # Not all of it is plain; or it is wrong, which graphql-core will say.
                remembered = nodes, None
            if len(_remembered) >= MOST_REMEMBERED:
                del _remembered[next(iter(_remembered))]
            _remembered[key] = remembered
        return remembered[1]
