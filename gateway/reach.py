"""What each subgraph can answer, and by which keys one gets from one subgraph to another, whatever the request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.api import type_text
from gateway.selection import Selected, Speller, Tree
from gateway.supergraph import Join, Supergraph

#: What a @provides directive lets a subgraph answer below one field: object type -> fields.
Provided = Mapping[str, Mapping[str, Selected]]
#: object type, part of a key, subgraph, what @provides adds -> can the part be had from this subgraph?
Holds = Callable[[str, Mapping[str, Selected], str, Mapping[str, Selected] | None], bool]


@dataclass(frozen=True, slots=True)
class Hop:
    """One `_entities` request: to this subgraph, with this key."""

    graph: str
    key: str


@dataclass(slots=True)
class Reach:
    supergraph: Supergraph
    partial_unions: frozenset[str] = field(init=False)  #: those whose members are not the same in all subgraphs
    _field_sets: dict[tuple[str, str], Tree] = field(default_factory=dict)
    _gathering: set[tuple[str, str, str]] = field(default_factory=set)  #: type, subgraph, key: being asked about, further up

    def __post_init__(self) -> None:
        kinds = self.supergraph.types
        per_graph = self.supergraph.possible_in.items()
        self.partial_unions = frozenset(name for name, known in per_graph if kinds[name].kind == "UNION" and len({*known.values()}) > 1)

    def field_set(self, type_name: str, text: str) -> dict[str, Selected]:
        """A key or @requires text of an object type, spelled out."""
        tree = self._field_sets.get((type_name, text))
        if tree is None:
            tree = self._field_sets[type_name, text] = Speller(self.supergraph).field_set(type_name, text)
        return tree[type_name]

    def join(self, type_name: str, name: str, graph: str) -> Join | None:
        known = self.supergraph.types[type_name].fields.get(name)
        return known.joins.get(graph) if known else None

    def requires(self, type_name: str, name: str, graph: str) -> str | None:
        join = self.join(type_name, name, graph)
        return join.requires if join else None

    def answers(
        self, type_name: str, name: str, graph: str, provided: Mapping[str, Selected] | None = None, *, internal: bool = False
    ) -> bool:
        """May this subgraph be asked for the field? `internal`: for a key, where a field that was taken over still counts."""
        if name == "__typename":
            return self.supergraph.name_in(type_name, graph) == type_name
        join = self.join(type_name, name, graph)
        if join is None or graph not in self.supergraph.types[type_name].keys:
            return False
        if self.supergraph.is_abstract(type_name, graph):
            # Each of its types may have it from elsewhere.
            objects = self.supergraph.objects(type_name)
            return all(self.answers(each, name, graph) and not self.requires(each, name, graph) for each in objects if each != type_name)
        if join.external:
            return provided is not None and name in provided
        return not join.overridden or (internal and name in self._key_fields(type_name, graph))

    def _key_fields(self, type_name: str, graph: str) -> set[str]:
        return {name for key in self.supergraph.types[type_name].keys.get(graph, ()) for name in self.field_set(type_name, key.fields)}

    def provided(self, type_name: str, name: str, graph: str, provided: Mapping[str, Selected] | None) -> Provided:
        """What @provides adds below this field: said on the field itself, or nested in what was said above it."""
        if name == "__typename":
            return {}
        below: dict[str, dict[str, Selected]] = {}
        known = self.supergraph.types[type_name].fields[name]
        join = known.joins.get(graph)
        if join and join.provides:
            for each in self.supergraph.objects(known.named):
                below[each] = dict(self._provides(known.named, join.provides).get(each, {}))
        nested = provided.get(name) if provided else None
        for each, fields in ((nested.children if nested else None) or {}).items():
            below.setdefault(each, {}).update(fields)
        return below

    def _provides(self, type_name: str, text: str) -> Tree:
        key = (type_name, text)
        if key not in self._field_sets:
            self._field_sets[key] = Speller(self.supergraph).field_set(type_name, text)
        return self._field_sets[key]

    def objects_in(self, type_name: str, graph: str) -> frozenset[str]:
        """The object types that this subgraph may answer where the type stands."""
        per_graph = self.supergraph.possible_in.get(type_name)
        return frozenset((type_name,)) if per_graph is None else per_graph.get(graph, frozenset())

    def objects_below(self, type_name: str, name: str, graph: str) -> frozenset[str]:
        """The same, where this field's value stands: its type may be narrower there."""
        known = self.supergraph.types[type_name].fields[name]
        join = known.joins.get(graph)
        return self.objects_in(join.type.strip("[]!") if join and join.type else known.named, graph)

    def type_text(self, type_name: str, name: str, graph: str) -> str:
        """The field's type as this subgraph has it."""
        if name == "__typename":
            return "String!"
        known = self.supergraph.types[type_name].fields[name]
        join = known.joins.get(graph)
        return join.type if join and join.type else type_text(known.type)

    def fully_answers(
        self,
        type_name: str,
        fields: Mapping[str, Selected],
        graph: str,
        provided: Mapping[str, Selected] | None = None,
        *,
        internal: bool = False,
    ) -> bool:
        """All of it, to the leaves, without a further request."""
        for each in fields.values():
            if not self.answers(type_name, each.name, graph, provided, internal=internal) or self.requires(type_name, each.name, graph):
                return False
            below = self.provided(type_name, each.name, graph, provided)
            for child, child_fields in self._children_in(type_name, each, graph):
                if not self.fully_answers(child, child_fields, graph, below.get(child), internal=internal):
                    return False
        return True

    def missing(self, type_name: str, fields: Mapping[str, Selected], graph: str, provided: Mapping[str, Selected] | None = None) -> int:
        """How many of these fields, to the leaves, need another request."""
        count = 0
        for each in fields.values():
            if not self.answers(type_name, each.name, graph, provided):
                count += size({each.key: each})
                continue
            count += bool(self.requires(type_name, each.name, graph))
            below = self.provided(type_name, each.name, graph, provided)
            for child, child_fields in self._children_in(type_name, each, graph):
                count += self.missing(child, child_fields, graph, below.get(child))
        return count

    def _children_in(self, type_name: str, selected: Selected, graph: str) -> list[tuple[str, dict[str, Selected]]]:
        if selected.children is None:
            return []
        here = self.objects_below(type_name, selected.name, graph)
        return [(child, fields) for child, fields in selected.children.items() if child in here]

    # ------------------------------------------------------------------------------------------- by keys from one to another

    def route(self, type_name: str, start: str, target: str, provided: Mapping[str, Selected] | None = None) -> tuple[Hop, ...] | None:
        """The hops from a subgraph that holds the object to one that is asked for more of it; None if there is no way.

        Breadth first: a key's parts may come from any subgraph already on the way.
        """
        if target == start:
            return self._route_home(type_name, start, provided)
        seen: dict[str, tuple[Hop, ...]] = {start: ()}
        while True:
            found = self._next_hops(type_name, start, seen, provided, self.holds)
            found = found or self._next_hops(type_name, start, seen, provided, self.gathers)
            if target in found:
                return found[target]
            if not found:
                return None
            seen.update(found)

    def _route_home(self, type_name: str, graph: str, provided: Mapping[str, Selected] | None) -> tuple[Hop, ...] | None:
        for key in self.supergraph.types[type_name].keys.get(graph, ()):
            fields = self.field_set(type_name, key.fields)
            if key.resolvable and self.fully_answers(type_name, fields, graph, provided, internal=True):
                return (Hop(graph, key.fields),)
        return None

    def _next_hops(
        self, type_name: str, start: str, seen: Mapping[str, tuple[Hop, ...]], provided: Mapping[str, Selected] | None, holds: Holds
    ) -> dict[str, tuple[Hop, ...]]:
        found: dict[str, tuple[Hop, ...]] = {}
        for graph, keys in self.supergraph.types[type_name].keys.items():
            for key in keys if graph not in seen else ():
                before = self._hops_for_key(type_name, key.fields, start, seen, provided, holds) if key.resolvable else None
                if before is not None:
                    found.setdefault(graph, (*before, Hop(graph, key.fields)))
        return found

    def _hops_for_key(
        self,
        type_name: str,
        key: str,
        start: str,
        seen: Mapping[str, tuple[Hop, ...]],
        provided: Mapping[str, Selected] | None,
        holds: Holds,
    ) -> tuple[Hop, ...] | None:
        chain: list[Hop] = []
        for name, part in self.field_set(type_name, key).items():
            holder = next((graph for graph in seen if holds(type_name, {name: part}, graph, provided if graph == start else None)), None)
            if holder is None:
                return None
            chain.extend(hop for hop in seen[holder] if hop not in chain)
        return tuple(chain)

    def holds(self, type_name: str, part: Mapping[str, Selected], graph: str, provided: Mapping[str, Selected] | None) -> bool:
        """Does this subgraph answer a key's part by itself?"""
        return self.fully_answers(type_name, part, graph, provided, internal=True)

    def gathers(self, type_name: str, part: Mapping[str, Selected], graph: str, provided: Mapping[str, Selected] | None) -> bool:
        """Does it answer the part's objects at least, so that others can be asked for what it lacks of them?"""
        for each in part.values():
            if not self.answers(type_name, each.name, graph, provided, internal=True) or self.requires(type_name, each.name, graph):
                return False
            below = self.provided(type_name, each.name, graph, provided)
            for child, fields in self._children_in(type_name, each, graph):
                if not all(self._gathers_one(child, {name: one}, graph, below.get(child)) for name, one in fields.items()):
                    return False
        return True

    def _gathers_one(self, type_name: str, part: Mapping[str, Selected], graph: str, provided: Mapping[str, Selected] | None) -> bool:
        if self.gathers(type_name, part, graph, provided):
            return True
        asking = (type_name, graph, next(iter(part)))
        if asking in self._gathering:
            return False
        self._gathering.add(asking)
        try:
            others = (each for each in self.supergraph.types[type_name].keys if each != graph and self.holds(type_name, part, each, None))
            return any(self.route(type_name, graph, each, provided) is not None for each in others)
        finally:
            self._gathering.discard(asking)


def size(fields: Mapping[str, Selected]) -> int:
    return sum(1 + sum(size(below) for below in (each.children or {}).values()) for each in fields.values())
