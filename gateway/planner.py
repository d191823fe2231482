"""Turns an operation into requests to subgraphs, greedily: what the subgraph at hand answers is asked of it, the rest of the best other.

An object's fields go to the request that finds it where they can; what is left is grouped by the subgraph that answers most of it,
reached by keys (and what @requires names). What even that cannot answer, because it lies below a type without a key, is handed up:
the field above is asked of another subgraph as well, and the two answers are merged.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TypeVar

from graphql import OperationDefinitionNode

from gateway.drafts import Bearer, Block, Draft, Entry, Part, Parts, Place, Placed, Segment, Shape, Signature, Source, Spot, Step
from gateway.reach import Hop, Reach, size
from gateway.selection import INTROSPECTION, Selected, Speller, Tree, shared
from gateway.unsupported import ACCESS_TOKEN, SIGNED_IN

Fields = Mapping[str, Selected]
#: A subgraph, and the @requires text that its request carries fields for.
Wanted = tuple[str, str | None]
#: Where a field went: its key in the answer, the shape below it, and what is left to ask of another subgraph.
Put = tuple[str, Shape | None, Selected | None]
T = TypeVar("T", Place, Block)


class Unplannable(Exception):
    """No subgraph can be asked for something that the schema promises: the supergraph is wrong, or the planner is."""


@dataclass(slots=True)
class Left:
    """A field still to be asked of somebody, and the entry that waits for it."""

    selected: Selected
    entry: Entry


@dataclass(slots=True)
class Planner:
    """Plans one operation; make a new one for the next."""

    reach: Reach
    steps: list[Step] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    denied: list[Spot] = field(default_factory=list)
    _used: list[set[int]] = field(default_factory=list)  #: per representation being planned: the steps that serve it
    _numbers: "count[int]" = field(default_factory=count)
    _prefix: str = ""  #: of names invented here

    def plan(self, operation: OperationDefinitionNode, speller: Speller) -> Draft:
        """Raises Unplannable, and what `Speller.operation` raises."""
        root = self.reach.supergraph.roots[operation.operation.value]
        fields = speller.operation(operation)
        self._prefix = speller.unused
        place = Place((), root, None)
        if operation.operation.value == "mutation":
            entries = self._serially(place, fields)
        else:
            entries, left = self._object(place, fields)
            if left:
                raise Unplannable(f"{root}: {', '.join(left)}")
        return Draft(root, entries, self.steps, self.renamed, speller.count, self.denied)

    def _serially(self, place: Place, fields: Fields) -> list[Entry]:
        """Mutations, in the client's order: neighbours of one subgraph in one request, each request after all before it is joined."""
        entries: list[Entry] = []
        source: Source | None = None
        for selected in fields.values():
            entry = Entry(selected)
            entries.append(entry)
            if selected.name == "__typename" or selected.name in INTROSPECTION or self._denies(place, selected):
                continue
            graph = self._best_graph(place, {selected.key: selected}, self._may_answer(place))
            if graph is None:
                raise Unplannable(f"{place.type}.{selected.name}")
            if source is None or source.step.graph != graph:
                source = self._root_source(place, graph)
                source.step.needs |= {step.id for step in self.steps[:-1]}
            entry.key, entry.shape, left = self._put(place, source, selected)
            if left:
                raise Unplannable(f"{place.type}.{selected.name}")
        return entries

    # ------------------------------------------------------------------------------------------- one object

    def _object(self, place: Place, fields: Fields, *, internal: bool = False) -> tuple[list[Entry], dict[str, Selected]]:
        """Asks for all fields of the objects at a place. -> the entries, and what nobody could be asked for."""
        entries: list[Entry] = []
        waiting: dict[str, Left] = {}
        tried: set[tuple[str, str]] = set()
        for selected in fields.values():
            entry = Entry(selected)
            entries.append(entry)
            if selected.name in INTROSPECTION or (place.home is None and selected.name == "__typename") or self._denies(place, selected):
                continue
            rest = selected if place.home is None else self._at_home(place, place.home, entry, internal=internal)
            if rest is not None:
                waiting[selected.key] = Left(rest, entry)
            if place.home is not None and not self.reach.requires(place.type, selected.name, place.home.block.graph):
                tried.add((place.home.block.graph, selected.key))
        self._elsewhere(place, waiting, tried)
        return entries, {key: left.selected for key, left in waiting.items()}

    def _denies(self, place: Place, selected: Selected) -> bool:
        if selected.denied:
            self.denied.append(Spot(place.path, selected.key))
        return selected.denied

    def _at_home(self, place: Place, home: Source, entry: Entry, *, internal: bool) -> Selected | None:
        """Ask the request that finds the object, if its subgraph can. -> what it cannot answer."""
        selected, graph = entry.selected, home.block.graph
        if not self.reach.answers(place.type, selected.name, graph, home.provided, internal=internal):
            return selected
        if self.reach.requires(place.type, selected.name, graph):
            return selected
        entry.key, entry.shape, rest = self._put(place, home, selected, internal=internal)
        return rest

    def _elsewhere(self, place: Place, waiting: dict[str, Left], tried: set[tuple[str, str]]) -> None:
        """Ask other subgraphs for what waits, the one that answers most first. What stays in `waiting` nobody could answer."""
        while waiting:
            fields = {key: left.selected for key, left in waiting.items()}
            untried = self._may_answer(place, tried)
            graph = self._best_graph(place, fields, untried)
            if graph is None:
                return
            chosen = [key for key, each in fields.items() if untried(graph, each) and not self._suits_another(place, each, graph, untried)]
            if not chosen:
                key, each = next((key, each) for key, each in fields.items() if untried(graph, each))
                graph, chosen = self._best_graph(place, {key: each}, untried) or graph, [key]
            # A field with @requires first: one without can then ride in the same request.
            chosen.sort(key=lambda key: not self.reach.requires(place.type, fields[key].name, graph))
            for key in chosen:
                tried.add((graph, key))
                rest = self._ask(place, graph, waiting[key])
                if rest is None:
                    del waiting[key]
                else:
                    waiting[key].selected = rest

    def _suits_another(self, place: Place, selected: Selected, graph: str, untried: Callable[[str, Selected], bool]) -> bool:
        """A value of many types is asked of one subgraph alone: of the one that knows most of what is wanted of it."""
        if selected.named not in self.reach.supergraph.possible:
            return False
        missing = self.reach.missing(place.type, {selected.key: selected}, graph)
        return any(
            untried(each, selected)
            and self._distance(place, each) is not None
            and self.reach.missing(place.type, {selected.key: selected}, each) < missing
            for each in self._graphs_of(place, selected)
            if missing and each != graph
        )

    def _ask(self, place: Place, graph: str, left: Left) -> Selected | None:
        """-> what is still to be asked of somebody else."""
        requires = self.reach.requires(place.type, left.selected.name, graph)
        try:
            source = self._source(place, graph, requires)
        except Unplannable:
            return left.selected
        key, shape, rest = self._put(place, source, left.selected)
        entry = left.entry
        if entry.key is None:
            entry.key, entry.shape = key, shape
        elif entry.shape is not None and shape is not None:
            if entry.key != key:
                raise Unplannable(f"{place.type}.{left.selected.name} has two names")
            entry.shape.merge(shape)
        return rest

    def _may_answer(self, place: Place, tried: set[tuple[str, str]] | None = None) -> Callable[[str, Selected], bool]:
        return lambda graph, selected: (
            (not tried or (graph, selected.key) not in tried) and self.reach.answers(place.type, selected.name, graph)
        )

    def _best_graph(self, place: Place, fields: Fields, may_answer: Callable[[str, Selected], bool]) -> str | None:
        """The subgraph that answers most of these fields; then the nearest; then the one that leaves least to ask elsewhere."""
        best: tuple[tuple[int, int, int], str] | None = None
        for graph in sorted({graph for each in fields.values() for graph in self._graphs_of(place, each)}):
            can = {key: selected for key, selected in fields.items() if may_answer(graph, selected)}
            hops = self._distance(place, graph) if can else None
            if hops is None:
                continue
            missing = self.reach.missing(place.type, can, graph)
            score = (size(can) - missing, -hops, -missing)
            if best is None or score > best[0]:
                best = score, graph
        return best[1] if best else None

    def _graphs_of(self, place: Place, selected: Selected) -> list[str]:
        known = self.reach.supergraph.types[place.type].fields.get(selected.name)
        return [graph for graph, join in known.joins.items() if not join.external and not join.overridden] if known else []

    def _distance(self, place: Place, graph: str) -> int | None:
        if place.home is None:
            return 0
        route = self._route(place, place.home, graph)
        if route is None:
            return 0 if any(known == graph for known, _ in place.others) else None
        return len(route)

    def _route(self, place: Place, home: Source, graph: str) -> tuple[Hop, ...] | None:
        return self.reach.route(place.type, home.block.graph, graph, home.provided)

    # ------------------------------------------------------------------------------------------- further requests

    def _source(self, place: Place, graph: str, requires: str | None = None, asking: tuple[Wanted, ...] = ()) -> Source:
        """The request of a subgraph for more about the objects at a place; made if there is none yet."""
        wanted = (graph, requires)
        if wanted in place.others:
            return place.others[wanted]
        if place.home is None:
            return self._root_source(place, graph)
        if requires is None:
            for (known, _), source in place.others.items():
                if known == graph and source.step.needs <= {place.home.step.id}:
                    return source
        if wanted in asking:
            raise Unplannable(f"{place.type} goes round in circles at {graph}")
        return self._entity_source(place, place.home, wanted, (*asking, wanted))

    def _root_source(self, place: Place, graph: str) -> Source:
        step = self._step(place, graph)
        source = Source(step, step.block, None)
        place.others[graph, None] = source
        return source

    def _entity_source(self, place: Place, home: Source, wanted: Wanted, asking: tuple[Wanted, ...]) -> Source:
        graph, requires = wanted
        route = self._route(place, home, graph)
        if route is None:
            raise Unplannable(f"no key leads from {home.block.graph} to {graph} for {place.type}")
        holders = [home, *(self._source(place, hop.graph, None, asking) for hop in route[:-1])]
        representation, needs = self._key_parts(place, holders, route[-1].key)
        if requires:
            parts, serving = self._required_parts(place, requires)
            representation += [part for part in parts if part.name not in {known.name for known in representation}]
            needs |= serving
        step = self._step(place, graph)
        step.entity, step.path, step.representation, step.needs = True, place.path, representation, needs
        source = Source(step, step.block, None)
        place.others[wanted] = source
        return source

    def _step(self, place: Place, graph: str) -> Step:
        block = Block(graph, place.type, self.reach.objects_in(place.type, graph), {place.type: {}})
        self.steps.append(Step(len(self.steps), graph, block, place.type))
        return self.steps[-1]

    def _key_parts(self, place: Place, holders: list[Source], key: str) -> tuple[list[Part], set[int]]:
        parts: list[Part] = []
        with self._serving() as used:
            used.add(holders[0].step.id)
            for selected in self.reach.field_set(place.type, key).values():
                name, shape, left = self._put(place, self._holder(place, holders, selected), selected, internal=True)
                if left:
                    raise Unplannable(f"{place.type}.{selected.name} is part of a key, and nobody answers all of it")
                parts.append(Part(selected.name, name, _parts(shape)))
        return parts, used

    def _holder(self, place: Place, holders: list[Source], selected: Selected) -> Source:
        """The request to put a key's part into: one that answers all of it, or else its objects."""
        for holds in (self.reach.holds, self.reach.gathers):
            for each in holders:
                if holds(place.type, {selected.key: selected}, each.block.graph, each.provided):
                    return each
        raise Unplannable(f"{place.type}.{selected.name} is part of a key, and nobody answers it")

    def _required_parts(self, place: Place, requires: str) -> tuple[list[Part], set[int]]:
        """Has the @requires fields asked for. -> them as parts of a representation, and the steps that answer them."""
        with self._serving() as used:
            entries, left = self._object(place, self.reach.field_set(place.type, requires), internal=True)
        if left:
            raise Unplannable(f"{place.type}: @requires({requires}) needs {', '.join(left)}")
        return [Part(entry.selected.name, entry.key, _parts(entry.shape)) for entry in entries if entry.key], used

    @contextmanager
    def _serving(self) -> Iterator[set[int]]:
        """Notes the steps that fields are put into meanwhile."""
        used: set[int] = set()
        self._used.append(used)
        try:
            yield used
        finally:
            self._used.pop()

    # ------------------------------------------------------------------------------------------- one field

    def _put(self, place: Place, source: Source, selected: Selected, *, internal: bool = False) -> Put:
        """Puts a field into a request."""
        for used in self._used:
            used.add(source.step.id)
        key = self._key(place, source.block, selected)
        fields = source.block.of(place.type)
        if selected.children is None:
            fields.setdefault(key, Placed(selected.name, selected.arguments, selected.variables, None))
            return key, None, None
        if key not in fields:
            objects = self.reach.objects_below(place.type, selected.name, source.block.graph)
            block = Block(source.block.graph, selected.named, objects)
            _beside(block, *source.block.under(key))
            fields[key] = Placed(selected.name, selected.arguments, selected.variables, block)
        below = fields[key].block
        assert below is not None, "the same field has children or it has not"
        if selected.named in self.reach.supergraph.interface_objects:
            return key, self._interface(place, source, key, selected, below, internal=internal), None
        shape, left = self._children(place, source, key, selected, below, internal=internal)
        if left and shape.abstract:
            raise Unplannable(f"{place.type}.{selected.name}: {source.block.graph} knows only a part of it, and no key leads to the rest")
        return key, shape, replace(selected, children=left) if left else None

    def _children(self, place: Place, source: Source, key: str, selected: Selected, block: Block, *, internal: bool) -> tuple[Shape, Tree]:
        provided = self.reach.provided(place.type, selected.name, source.block.graph, source.provided)
        shape = Shape(selected.named in self.reach.supergraph.possible, {})
        finders = self._finders(place, source, selected)
        hidden = self._hidden(place, selected, finders)
        left: Tree = {}
        for type_name, fields in (selected.children or {}).items():
            block.of(type_name)
            found = Source(source.step, block, provided.get(type_name))
            below = self._place_below(place, key, type_name, found, finders, abstract=shape.abstract)
            if type_name not in block.objects and below.home is not None and below.home.block is block:
                shape.fields[type_name] = []  # this subgraph never answers such an object here
                continue
            if type_name in hidden:
                shape.fields[type_name] = [Entry(each) for each in fields.values()]
                continue
            so_far = len(self.steps)
            shape.fields[type_name], rest = self._object(below, fields, internal=internal)
            if type_name == SIGNED_IN:
                self._admit(below, found, self.steps[so_far:])
            if rest:
                left[type_name] = rest
        return shape, left

    def _interface(self, place: Place, source: Source, key: str, selected: Selected, block: Block, *, internal: bool) -> Shape:
        """Objects that some subgraph knows as their interface alone (@interfaceObject): what is asked of all of them alike is asked of
        the interface, whatever they are. For the rest a subgraph that knows their types tells them first."""
        supergraph, interface, tree = self.reach.supergraph, selected.named, selected.children or {}
        here = Source(source.step, block, None)
        told = supergraph.is_abstract(interface, block.graph)
        every = self._place_below(place, key, interface, here, frozenset((block.graph,)), abstract=False)
        known = supergraph.types[interface].fields
        alike = {each.key: each for each in shared(tree).values() if each.name in known and each.named == known[each.name].named}
        entries, left = self._object(every, alike, internal=internal)
        of_all = {entry.selected.key: replace(entry, of_all=True) for entry in entries if entry.selected.key not in left}
        rest = {name: {each: fields[each] for each in fields if each not in of_all} for name, fields in tree.items()}
        shown = supergraph.api.type_map.keys() >= tree.keys()
        if shown and not (internal and told) and all([*of_all] == [*fields] for fields in tree.values()):
            return Shape(False, {interface: entries})
        found = here if told else self._telling(every, rest)
        shape = Shape(True, {})
        for name, fields in tree.items():
            below = self._place_below(place, key, name, found, frozenset((found.block.graph,)), abstract=True)
            if below is not every:
                _beside(below, every)
            found.block.of(name)
            more, left = self._object(below, rest[name] if name in (interface, *found.block.objects) else {}, internal=internal)
            if left:
                raise Unplannable(f"{place.type}.{selected.name}: no key leads to {', '.join(left)} of {name}")
            own = {entry.selected.key: entry for entry in more} | of_all
            shape.fields[name] = [replace(own[each], selected=fields[each]) for each in fields if each in own]
        return shape

    def _telling(self, every: Place, rest: Tree) -> Source:
        """A request that tells the types of objects found as their interface: to the subgraph that answers most of what they differ in."""
        assert every.home is not None
        best: tuple[int, int, str] | None = None
        for graph in self.reach.supergraph.types[every.type].keys:
            hops = self._distance(every, graph) if self.reach.supergraph.is_abstract(every.type, graph) else None
            if hops is not None:
                missing = sum(self.reach.missing(name, fields, graph) for name, fields in rest.items())
                best = min(best or (missing, hops, graph), (missing, hops, graph))
        if best is None:
            raise Unplannable(f"no key leads from {every.home.block.graph} to a subgraph that knows the types of {every.type}")
        return self._source(every, best[2])

    def _admit(self, place: Place, source: Source, steps: list[Step]) -> None:
        """What joins a sign-in is asked with the token that it gives: before, nobody was signed in, or somebody else."""
        if not steps:
            return
        (selected,) = self.reach.field_set(place.type, ACCESS_TOKEN).values()
        key, _, _ = self._put(place, source, selected, internal=True)
        for step in steps:
            step.bearer = Bearer(place.path, key)

    def _finders(self, place: Place, source: Source, selected: Selected) -> frozenset[str]:
        """The subgraphs that answer the field for these objects as well as this one does: by a key, or because they find them, too."""
        graph = source.block.graph
        if not self.reach.partial_unions or self.reach.join(place.type, selected.name, graph) is None:
            return frozenset((graph,))
        others = self._graphs_of(place, selected) if self.reach.answers(place.type, selected.name, graph) else ()
        found = (each for each in others if place.home is None or each in place.finders or self._distance(place, each) is not None)
        return frozenset((graph, *found))

    def _hidden(self, place: Place, selected: Selected, finders: frozenset[str]) -> frozenset[str]:
        """Members of a union that not all of the subgraphs know, of which any may be asked: what is said of one must not depend on it.

        Only those without a key: of the others every subgraph can be asked.
        """
        if selected.named not in self.reach.partial_unions or len(finders) == 1:
            return frozenset()
        known = [self.reach.objects_below(place.type, selected.name, each) for each in finders]
        kinds = self.reach.supergraph.types
        some = frozenset.union(*known) - frozenset.intersection(*known)
        return frozenset(each for each in some if not any(key.resolvable for keys in kinds[each].keys.values() for key in keys))

    def _place_below(self, place: Place, key: str, type_name: str, found: Source, finders: frozenset[str], *, abstract: bool) -> Place:
        path = (*place.path, Segment(key, type_name if abstract else None))
        places = place.below.setdefault(key, {})
        known = places.get(type_name)
        if known is None:
            known = places[type_name] = Place(path, type_name, found, finders)
        elif known.home is not None and known.home.block is not found.block and type_name in (found.block.type, *found.block.objects):
            # The same objects, found by a second request as well.
            return replace(known, home=found)
        return known

    def _key(self, place: Place, block: Block, selected: Selected) -> str:
        """The name of a field in the merged answer: the client's, unless something else there has it already."""
        key, signature = selected.key, selected.signature
        here = (self.reach.type_text(place.type, selected.name, block.graph), *signature)
        met = any(key in each.names and (each.names[key] != signature or selected.children is not None) for each in place.beside)
        met = met or (key == "__typename" and selected.name != key)  # by which objects are told apart
        if met or place.names.get(key, signature) != signature or self._clashes(block, key, here):
            again = (known for known, behind in place.names.items() if behind == signature and known in self.renamed)
            key = next(again, None) or self._invent(selected)
        place.names[key] = signature
        block.names[key] = here
        return key

    def _invent(self, selected: Selected) -> str:
        key = f"{self._prefix}{next(self._numbers)}_{selected.name}"
        self.renamed[key] = selected.key
        return key

    def _clashes(self, block: Block, key: str, signature: Signature) -> bool:
        """Would the subgraph refuse the name, because another type of the same selection set uses it for something else?"""
        return any(each.names.get(key, signature) != signature for each in (block, *block.beside))


def _beside(one: T, *others: T) -> None:
    for other in others:
        if not any(each is other for each in one.beside):
            one.beside.append(other)
            other.beside.append(one)


def _parts(shape: Shape | None) -> Parts | None:
    if shape is None:
        return None
    return Parts(
        shape.abstract,
        {
            type_name: [Part(entry.selected.name, entry.key, _parts(entry.shape)) for entry in entries if entry.key]
            for type_name, entries in shape.fields.items()
        },
    )
