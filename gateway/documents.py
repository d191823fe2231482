"""Documents, parsed, checked and planned once: what comes again costs a look-up.

The caches are bounded: whoever floods the gateway with ever new documents pushes out others' plans, and no more than that.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Generic, TypeVar, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    NameNode,
    OperationDefinitionNode,
    OperationType,
    OverlappingFieldsCanBeMergedRule,
    SelectionSetNode,
    VariableDefinitionNode,
    parse,
    specified_rules,
    validate,
)

from gateway import limits
from gateway.answering import is_public
from gateway.compiler import compile_plan
from gateway.cost import cost_of
from gateway.drafts import Draft
from gateway.metrics import DOCUMENTS, PLANNING, PLANS, READING, REMEMBERED
from gateway.plan import Follow, Plan
from gateway.planner import Planner, Unplannable
from gateway.reach import Reach
from gateway.selection import Conflict, Speller, TooWide, condition_variables
from gateway.supergraph import Guard, Supergraph
from gateway.trouble import DENIED, RequestError
from gateway.unsupported import WATCHED
from services.refusal import Language, shown
from services.telemetry import log
from services.variables import variable_values

MOST_DOCUMENTS = 512
#: Of all that are remembered. A screen asks with one or two thousand; parsed and planned, a character takes some fifty bytes.
MOST_REMEMBERED_CHARACTERS = 1_000_000
#: Of all documents, for all values of their @skip and @include variables.
MOST_PLANS = 2_048
#: Of all plans that are remembered: spelled out for every possible type, a field takes three to five hundred bytes. A screen has one or two
#: hundred, so there is room for some hundred screens, and 30 MB for whoever floods the gateway.
MOST_PLANNED_FIELDS = 60_000
MOST_COMPLAINTS = 5
#: To read variables: those of a screen take 0.01 ms, thousands of lines take long.
LONG_SECONDS = 0.002
#: Without the quadratic one: `selection.py` looks at what it looked at, in linear time.
RULES = tuple(rule for rule in specified_rules if rule is not OverlappingFieldsCanBeMergedRule)
#: What the gateway wants to know of a subscription.
WATCH = cast(OperationDefinitionNode, parse(f"{{ {' '.join(WATCHED)} }}", no_location=True).definitions[0]).selection_set

_REMEMBERED_DOCUMENT, _REMEMBERED_PLAN = DOCUMENTS.of("memory"), PLANS.of("memory")

K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True)
class Recent(Generic[K, V]):
    """The values used last: so many, and no heavier together than that."""

    most: int
    heaviest: float = math.inf
    _values: "OrderedDict[K, V]" = field(default_factory=OrderedDict)
    _weights: dict[K, int] = field(default_factory=dict)

    def get(self, key: K) -> V | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V, weight: int = 1) -> None:
        self._values[key], self._weights[key] = value, weight
        while len(self._values) > self.most or self.weight > self.heaviest:
            forgotten, _ = self._values.popitem(last=False)
            del self._weights[forgotten]

    def __contains__(self, key: K) -> bool:
        return key in self._values

    @property
    def weight(self) -> int:
        return sum(self._weights.values())

    def __len__(self) -> int:
        return len(self._values)


#: Values of the variables that @skip and @include look at; the guards that let the caller pass.
Circumstances = tuple[tuple[bool, ...], frozenset[Guard]]
NO_GUARDS: frozenset[Guard] = frozenset()


@dataclass(slots=True)
class Operation:
    """One operation of a document that was found right."""

    text: str  #: the document's
    kind: str  #: query, mutation, subscription
    name: str | None
    definitions: tuple[VariableDefinitionNode, ...]
    conditions: tuple[str, ...]  #: variables that @skip and @include look at
    node: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    public: bool  #: for everybody, and the same
    number: int


@dataclass(slots=True)
class Documents:
    supergraph: Supergraph
    most: int = MOST_DOCUMENTS
    checked: frozenset[str] = frozenset()  #: services whose answers are held against the schema
    introspection: bool = True  #: The schema is told, and names that nearly fit are suggested.
    _reach: Reach = field(init=False)
    _known: Recent[tuple[str, str | None], Operation] = field(init=False)
    plans_made: int = 0
    worked_seconds: float = 0.0  #: On plans that were not remembered, and on variables that took long.
    _plans: Recent[tuple[int, Circumstances], Plan] = field(init=False)  #: by the operation's number
    _numbers: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self._reach = Reach(self.supergraph)
        self._known = Recent(self.most, MOST_REMEMBERED_CHARACTERS)
        self._plans = Recent(MOST_PLANS, MOST_PLANNED_FIELDS)

    def knows(self, text: str, name: str | None) -> bool:
        """Nothing has to be parsed."""
        return (text, name) in self._known

    def operation(self, text: str, name: str | None) -> Operation:
        """Raises RequestError."""
        operation = self._known.get((text, name))
        if operation is None:
            with READING.time():
                operation = self._operation(text, name)
            self._known.put((text, name), operation, weight=len(text))
            REMEMBERED.of().value = len(self._known)
            DOCUMENTS.of("anew").value += 1
        else:
            _REMEMBERED_DOCUMENT.value += 1
        return operation

    def plan(
        self, operation: Operation, variables: Mapping[str, Any], language: Language = "fr", scopes: frozenset[str] | None = None
    ) -> Plan:
        """The plan for these variables' conditions, and for who asks (`scopes`: None is nobody; matters where something is guarded).

        Raises RequestError, also when the variables do not fit: in this language.
        """
        values = self._read(operation, variables, language) if operation.definitions else {}
        conditions = tuple(bool(values.get(name)) for name in operation.conditions)
        guards = self.supergraph.guards
        passed = frozenset(guard for guard in guards if guard.lets(scopes)) if guards else NO_GUARDS
        circumstances = operation.number, (conditions, passed)
        plan = self._plans.get(circumstances)
        if plan is None:
            self.plans_made += 1  # also if there turns out to be none
            begun = time.thread_time()
            try:
                with PLANNING.time():
                    plan = self._plan(operation, dict(zip(operation.conditions, conditions, strict=True)), passed)
            finally:
                self.worked_seconds += time.thread_time() - begun
            self._plans.put(circumstances, plan, weight=plan.fields)
            PLANS.of("anew").value += 1
        else:
            _REMEMBERED_PLAN.value += 1
        return plan

    def plan_for(self, operation: Operation, conditions: Mapping[str, bool]) -> Plan:
        """The plan for these values of the conditions' variables and a caller who may ask for everything. Raises RequestError."""
        return self._plan(operation, conditions, frozenset(self.supergraph.guards))

    def _read(self, operation: Operation, variables: Mapping[str, Any], language: Language) -> dict[str, Any]:
        # By the clock on the wall: to ask how busy the processor was takes a third of the time that a screen's variables take.
        begun = time.perf_counter()
        try:
            return self._coerced(operation, variables, language)
        finally:
            seconds = time.perf_counter() - begun
            if seconds >= LONG_SECONDS:
                self.worked_seconds += seconds

    def _coerced(self, operation: Operation, variables: Mapping[str, Any], language: Language) -> dict[str, Any]:
        found = variable_values(self.supergraph.api, operation.definitions, dict(variables), MOST_COMPLAINTS, not self.introspection)
        if isinstance(found, list):
            raise RequestError.unfit(found, language)
        return found.coerced

    def _operation(self, text: str, name: str | None) -> Operation:
        document = self._document(text)
        operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
        if name:
            operations = [each for each in operations if each.name and each.name.value == name]
        if len(operations) != 1:
            raise RequestError.said("OPERATION_RESOLUTION_FAILURE", "NO_SUCH_OPERATION" if name else "WHICH_OPERATION", name=shown(name))
        node = operations[0]
        fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
        return Operation(
            text=text,
            kind=node.operation.value,
            name=node.name.value if node.name else None,
            definitions=tuple(node.variable_definitions or ()),
            conditions=condition_variables((node, *fragments.values())),
            node=node,
            fragments=fragments,
            public=is_public(node, fragments),
            number=next(self._numbers),
        )

    def _document(self, text: str) -> DocumentNode:
        if len(text) > limits.MOST_CHARACTERS:
            raise RequestError.said("OPERATION_TOO_LARGE", "TOO_MANY_CHARACTERS", most=limits.MOST_CHARACTERS)
        try:
            # Without locations: they would keep every token in memory as long as the plan.
            document = parse(text, no_location=True, max_tokens=limits.MOST_TOKENS)
            limits.check(document, introspection=self.introspection)
            if validate(self.supergraph.api, document, RULES, max_errors=1):
                raise RequestError.found("GRAPHQL_VALIDATION_FAILED", self._complaints(text))
        except GraphQLError as error:
            if "Document contains more than" in error.message:
                raise RequestError.said("OPERATION_TOO_LARGE", "TOO_MANY_TOKENS", most=limits.MOST_TOKENS) from error
            raise RequestError.found("GRAPHQL_PARSE_FAILED", [error]) from error
        except RecursionError as error:
            raise RequestError.said("OPERATION_TOO_DEEP", "NESTED_TOO_DEEP") from error
        return document

    def _complaints(self, text: str) -> list[GraphQLError]:
        found = validate(self.supergraph.api, parse(text), RULES, MOST_COMPLAINTS, hide_suggestions=not self.introspection)
        return found[: MOST_COMPLAINTS + 1]

    def _plan(self, operation: Operation, conditions: Mapping[str, bool], passed: frozenset[Guard] = NO_GUARDS) -> Plan:
        try:
            draft = self._draft(operation, operation.node, conditions, passed)
            plan = compile_plan(self.supergraph, draft, operation.node, operation.fragments.values(), self.checked)
            plan = replace(plan, cost=cost_of(self.supergraph, operation.node, [entry.selected for entry in draft.entries]))
            return replace(plan, follow=self._follow(operation, draft)) if operation.kind == "subscription" else plan
        except Conflict as error:
            raise RequestError.said("GRAPHQL_VALIDATION_FAILED", detail=error) from error
        except TooWide as error:
            raise RequestError.said("OPERATION_TOO_LARGE", "TOO_WIDE") from error
        except Unplannable as error:
            log().error("no plan", operation=operation.name, error=str(error))
            raise RequestError.said("PLANNING_FAILED") from error

    def _draft(
        self, operation: Operation, node: OperationDefinitionNode, conditions: Mapping[str, bool], passed: frozenset[Guard] | None
    ) -> Draft:
        return Planner(self._reach).plan(node, Speller(self.supergraph, operation.fragments, conditions, passed))

    def _follow(self, operation: Operation, draft: Draft) -> Follow:
        (entry,) = draft.entries  # validated: one field, and no condition on it
        root = entry.selected
        if root.denied:
            raise RequestError.said(DENIED)
        node = watching(operation.node, root.nodes[0])
        return Follow(root.name, root.key, compile_plan(self.supergraph, self._draft(operation, node, {}, None), node, (), self.checked))


def watching(subscription: OperationDefinitionNode, asked: FieldNode) -> OperationDefinitionNode:
    """Asks what the field of a subscription depends on: hidden from clients, with the same arguments (services/graphql.py)."""
    key = asked.alias or asked.name
    name = NameNode(value=f"{asked.name.value}Watch")
    field = FieldNode(name=name, alias=key, arguments=asked.arguments, directives=(), selection_set=WATCH)
    selections = SelectionSetNode(selections=(field,))
    return replace(subscription, operation=OperationType.QUERY, selection_set=selections)
