"""What an operation costs: about how many values its answer has, as a large family or a busy town would get it; a mutation a hundred more.

Worked out with the plan, once: a number, or a function of the variables that say how long lists become. It is an estimate of
what services have to do, made before any of them hears of the operation; what they really did is in the metrics.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, OperationDefinitionNode, TypeNode
from graphql.language import ast

from gateway.selection import INTROSPECTION, Selected, Tree
from gateway.supergraph import Field, Supergraph

Variables = Mapping[str, Any]
#: A number, or how to find it.
Cost = int | Callable[[Variables], int]

MUTATION = 100  #: A transaction, its locks and its events.
TOLD_SCHEMA = 5_000  #: Tens of milliseconds, during which the gateway answers nobody else.
#: Of a list of which nothing is known.
USUAL = 10
PAGE = 50  #: Where no `first` is said (services/paging.py).
LARGEST_PAGE = (
    1_000  #: The largest that any service gives (of an allocation's decisions). Who asks for more is refused by the service, which says so.
)
MOST_DAYS = 400
#: Lists whose length no argument says, where it is far from usual.
LISTS: Mapping[tuple[str, str], int] = {
    ("Account", "families"): 2,
    ("Act", "details"): 4,
    ("Balance", "lines"): 5,
    ("Booking", "explanation"): 4,
    ("Calendar", "days"): 31,
    ("Child", "activities"): 6,
    ("Child", "day"): 6,
    ("Consumption", "explanation"): 4,
    ("ConsumptionHistory", "consumptions"): 60,
    ("Family", "adults"): 2,
    ("Family", "children"): 4,
    ("IdentityAct", "details"): 4,
    ("MoneyAct", "details"): 4,
    ("Preview", "bookings"): 100,
    ("PreviewLine", "explanation"): 4,
    ("Query", "activities"): 50,
    ("Request", "movements"): 50,
    ("Roster", "entries"): 100,
    ("Structure", "announcements"): 5,
    ("Toggled", "draft"): 50,
    ("CopyPlan", "draft"): 50,
}


def cost_of(supergraph: Supergraph, operation: OperationDefinitionNode, fields: list[Selected]) -> Cost:
    """Of an operation with these fields at its root."""
    estimate = _Estimate(supergraph, {each.variable.name.value: each.default_value for each in operation.variable_definitions or ()})
    kind = operation.operation.value
    own = _sum([estimate.field(supergraph.roots[kind], each, None) for each in fields])
    return _sum((own, MUTATION * len(fields))) if kind == "mutation" else own


@dataclass(frozen=True, slots=True)
class _Estimate:
    supergraph: Supergraph
    defaults: Mapping[str, ast.ConstValueNode | None]

    def field(self, type_name: str, selected: Selected, page: Cost | None) -> Cost:
        """`page`: how long a list is that is one of its object's, if that is known."""
        if selected.name in INTROSPECTION:
            return TOLD_SCHEMA
        if selected.denied:
            return 0
        if selected.name == "__typename":
            return 1
        known = self.supergraph.types[type_name].fields[selected.name]
        first = self._first(type_name, selected)
        if not _is_list(known.type):
            return _sum((1, self.tree(selected.children, first)))
        return _times(
            self._length(type_name, known, selected.nodes[0], page if first is None else first),
            _sum((1, self.tree(selected.children, None))),
        )

    def tree(self, tree: Tree | None, page: Cost | None) -> Cost:
        """Of an object that is of one of these types: the dearest of them."""
        if not tree:
            return 0
        return _most([_sum(self.field(name, each, page) for each in fields.values()) for name, fields in tree.items()])

    def _length(self, type_name: str, known: Field, node: FieldNode, page: Cost | None) -> Cost:
        """Of a list."""
        if page is not None:
            return page
        told = {each.name.value: each.value for each in node.arguments or ()}
        if "from" in told and "to" in told:
            return _days(_value(told["from"], self.defaults), _value(told["to"], self.defaults))
        return LISTS.get((type_name, known.name), USUAL)

    def _first(self, type_name: str, selected: Selected) -> Cost | None:
        """What a field with a page is asked for. None: it has none."""
        of_type: Any = self.supergraph.api.type_map.get(type_name)  # None: clients see no such type, and may meet one all the same
        known = of_type.fields.get(selected.name) if of_type is not None else None
        argument = known.args.get("first") if known is not None else None
        if argument is None:
            return None
        usual = _of_literal(argument.ast_node.default_value) if argument.ast_node and argument.ast_node.default_value else PAGE
        for each in selected.nodes[0].arguments or ():
            if each.name.value == "first":
                return _bounded(_value(each.value, self.defaults), usual)
        return usual


def _is_list(node: TypeNode) -> bool:
    return isinstance(node.type if isinstance(node, ast.NonNullTypeNode) else node, ast.ListTypeNode)


# ------------------------------------------------------------------------------------------------------------- values
Value = Callable[[Variables], Any]


def _value(node: ast.ValueNode, defaults: Mapping[str, ast.ConstValueNode | None]) -> Any:
    """A literal's value, or how to find a variable's."""
    if not isinstance(node, ast.VariableNode):
        return _of_literal(node)
    name, usual = node.name.value, defaults.get(node.name.value)
    default = None if usual is None else _of_literal(usual)
    return lambda variables: variables.get(name, default)


def _of_literal(node: Any) -> Any:
    value = getattr(node, "value", None)
    return int(value) if isinstance(node, ast.IntValueNode) and value is not None and len(value) < 10 else value


def _bounded(value: Any, usual: int) -> Cost:
    def size(told: Any) -> int:
        # 400.0 too, which GraphQL takes for 400.
        return int(told) if isinstance(told, int | float) and 0 <= told <= LARGEST_PAGE else usual

    return (lambda variables: size(value(variables))) if callable(value) else size(value)


def _days(begin: Any, end: Any) -> Cost:
    def count(variables: Variables) -> int:
        told = [each(variables) if callable(each) else each for each in (begin, end)]
        try:
            return min(max((dt.date.fromisoformat(told[1]) - dt.date.fromisoformat(told[0])).days + 1, 0), MOST_DAYS)
        except (TypeError, ValueError):
            return USUAL

    return count if callable(begin) or callable(end) else count({})


# ------------------------------------------------------------------------------------------------------------- sums
def _sum(costs: Iterable[Cost]) -> Cost:
    fixed, others = 0, []
    for cost in costs:
        if isinstance(cost, int):
            fixed += cost
        else:
            others.append(cost)
    return (lambda variables: fixed + sum(other(variables) for other in others)) if others else fixed


def _times(size: Cost, cost: Cost) -> Cost:
    if isinstance(size, int) and isinstance(cost, int):
        return size * cost
    return lambda variables: now(size, variables) * now(cost, variables)


def _most(costs: list[Cost]) -> Cost:
    fixed = [cost for cost in costs if isinstance(cost, int)]
    if len(fixed) == len(costs):
        return max(fixed)
    return lambda variables: max(now(cost, variables) for cost in costs)


def now(cost: Cost, variables: Variables) -> int:
    return cost if isinstance(cost, int) else cost(variables)
