"""Makes a draft final: the text of every request, which answers may pass as bytes, and the projection."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec
from graphql import DocumentNode, FragmentDefinitionNode, OperationDefinitionNode, SelectionSetNode, TypeNode, print_ast
from graphql.language import ast

from gateway.checking import checker
from gateway.drafts import Block, Draft, Entry, Placed, Segment, Spot, Step
from gateway.outline import outline
from gateway.plan import Entity, Fetch, Plan
from gateway.projection import Projector
from gateway.selection import INTROSPECTION
from gateway.supergraph import Supergraph

PLAIN = frozenset({"ID", "String", "Int"})
#: A step, and one of its selection sets.
Placing = tuple[int, Block]


def compile_plan(
    supergraph: Supergraph,
    draft: Draft,
    operation: OperationDefinitionNode,
    fragments: Iterable[FragmentDefinitionNode] = (),
    checked: frozenset[str] = frozenset(),
) -> Plan:
    """`checked`: the services whose answers are not passed on unread."""
    walk = Provenance(supergraph, draft)
    untouched = frozenset(walk.untouched)
    definitions = {each.variable.name.value: print_ast(each) for each in operation.variable_definitions or ()}
    # What a subscription follows is asked as a query of the same name: its subgraph says what is true now, the gateway when to ask.
    kind = "query" if operation.operation.value == "subscription" else operation.operation.value
    return Plan(
        fetches=tuple(
            _doubted(supergraph, step, _fetch(supergraph, draft, step, definitions, kind, walk), checked) for step in draft.steps
        ),
        project=Projector(supergraph, untouched).object(draft.root, draft.entries),
        renamed=dict(draft.renamed),
        introspection=_introspection(draft, operation, fragments),
        denied=tuple(draft.denied),
        outline=outline(supergraph, {draft.root: draft.entries}),
        fields=draft.fields,
    )


def _introspection(draft: Draft, operation: OperationDefinitionNode, fragments: Iterable[FragmentDefinitionNode]) -> DocumentNode | None:
    nodes = tuple(node for entry in draft.entries if entry.selected.name in INTROSPECTION for node in entry.selected.nodes)
    if not nodes:
        return None
    asked = replace(operation, selection_set=SelectionSetNode(selections=nodes))
    return DocumentNode(definitions=(asked, *fragments))


def _fetch(supergraph: Supergraph, draft: Draft, step: Step, definitions: Mapping[str, str], kind: str, walk: "Provenance") -> Fetch:
    writer = Writer(supergraph)
    selection = writer.selection(step.block)
    variables = tuple(sorted(writer.variables))
    told = [definitions[name] for name in variables]
    entities = "representations"
    while entities in variables:
        entities += "_"
    if step.entity:
        told.insert(0, f"${entities}:[_Any!]!")
        on = supergraph.name_in(step.type, step.graph)
        text = f"query({','.join(told)}){{_entities(representations:${entities}){{...on {on}{{{selection}}}}}}}"
    else:
        text = f"{kind}{'(' + ','.join(told) + ')' if told else ''}{{{selection}}}"
    then = tuple(later.id for later in draft.steps if step.id in later.needs)
    return Fetch(
        id=step.id,
        service=supergraph.graphs[step.graph],
        head=b'{"query":' + msgspec.json.encode(text),
        variables=variables,
        brings=tuple(walk.brought.get(step.id, ())),
        entity=_entity(supergraph, step) if step.entity else None,
        mutation=kind == "mutation" and not step.entity,
        opaque=not then and not supergraph.is_abstract(step.type, step.graph) and _is_opaque(supergraph, draft, step, walk.untouched),
        check=None,
        needs=len(step.needs),
        then=then,
        bearer=step.bearer,
        representations=entities,
    )


def _doubted(supergraph: Supergraph, step: Step, fetch: Fetch, checked: frozenset[str]) -> Fetch:
    return replace(fetch, opaque=False, check=checker(supergraph, step)) if fetch.service in checked else fetch


def _entity(supergraph: Supergraph, step: Step) -> Entity:
    parts = tuple(step.representation)
    single = parts[0] if len(parts) == 1 and _is_plain(supergraph.types[step.type].fields[parts[0].name].type) else None
    return Entity(supergraph.name_in(step.type, step.graph), step.path, parts, single)


def _is_plain(node: TypeNode) -> bool:
    """Is a value of this type one string or number? A scalar of somebody's own may be anything."""
    inner = node.type if isinstance(node, ast.NonNullTypeNode) else node
    return isinstance(inner, ast.NamedTypeNode) and inner.name.value in PLAIN


# ------------------------------------------------------------------------------------------------ text


@dataclass(slots=True)
class Writer:
    """Writes a request's selection, and notes the variables that it uses."""

    supergraph: Supergraph
    variables: set[str] = field(default_factory=set)

    def selection(self, block: Block) -> str:
        own = self._fields(block.fields.get(block.type, {}))
        if not self.supergraph.is_abstract(block.type, block.graph):
            return own or "__typename"
        by_text: dict[str, list[str]] = {}
        for type_name, fields in block.fields.items():
            text = self._fields({key: placed for key, placed in fields.items() if key != "__typename"})
            if text and type_name in block.objects:
                by_text.setdefault(text, []).append(type_name)
        parts = [part for text, types in by_text.items() for part in self._conditioned(block, text, types)]
        return " ".join(["__typename", *([own] if own else []), *parts])

    def _conditioned(self, block: Block, text: str, types: list[str]) -> list[str]:
        """Fragments that ask this of these types: one on their interface where it says the same."""
        interface = self._interface(block, types) if len(types) > 1 else None
        if interface is None:
            return [f"...on {type_name}{{{text}}}" for type_name in types]
        return [text] if interface == block.type else [f"...on {interface}{{{text}}}"]

    def _interface(self, block: Block, types: list[str]) -> str | None:
        leaves = [placed for key, placed in block.fields[types[0]].items() if key != "__typename"]
        if any(placed.block or placed.arguments for placed in leaves):
            return None
        for name, possible in self.supergraph.possible_in.items():
            known = self.supergraph.types[name].fields
            if possible.get(block.graph, frozenset()) & block.objects == set(types) and all(
                placed.name in known and block.graph in known[placed.name].joins for placed in leaves
            ):
                return name
        return None

    def _fields(self, fields: Mapping[str, Placed]) -> str:
        return " ".join(self._field(key, placed) for key, placed in fields.items())

    def _field(self, key: str, placed: Placed) -> str:
        self.variables |= placed.variables
        text = placed.name if key == placed.name else f"{key}:{placed.name}"
        if placed.arguments:
            text += f"({placed.arguments})"
        return text if placed.block is None else f"{text}{{{self.selection(placed.block)}}}"


# ------------------------------------------------------------------------------------------------ bytes


@dataclass(slots=True)
class Provenance:
    """Finds out what comes from where: what one request brings alone, and the objects that it answers exactly as the client wants them.

    Such an object has the same fields, order and names, and nothing was added. The subgraph has completed it, nulls and all, so its bytes
    may go to the client unread.
    """

    supergraph: Supergraph
    draft: Draft
    untouched: set[int] = field(default_factory=set)  #: the ids of their lists of entries
    brought: dict[int, list[Spot]] = field(default_factory=dict)  #: step -> the topmost fields that nobody else brings
    _joined: dict[tuple[tuple[Segment, ...], str], list[Placing]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for step in self.draft.steps:
            if step.entity:
                self._joined.setdefault((step.path, step.type), []).append((step.id, step.block))
        roots = [(step.id, step.block) for step in self.draft.steps if not step.entity]
        self._mark((self.draft.root,), self.draft.entries, roots, (), None)

    def _mark(
        self, type_names: tuple[str, ...], entries: list[Entry], blocks: list[Placing], path: tuple[Segment, ...], owner: int | None
    ) -> None:
        """`type_names`: the objects' type, and what else they are asked as. `owner`: the step that alone brings the objects."""
        for entry in entries:
            known = [(step, block.fields[name]) for step, block in blocks for name in type_names if name in block.fields]
            placed = [(step, fields.get(entry.key or "")) for step, fields in known]
            answering = [(step, each) for step, each in placed if each is not None]
            alone = answering[0][0] if len({step for step, _ in answering}) == 1 else None
            at = (*path[:-1], Segment(path[-1].key, None)) if entry.of_all else path
            if alone is not None and alone != owner and entry.selected.name != "__typename":
                self._brings(alone, Spot(at, entry.selected.key))
            if entry.shape is not None and entry.key is not None:
                self._mark_below(entry, [(step, each.block) for step, each in answering if each.block], at, alone)

    def _brings(self, step: int, spot: Spot) -> None:
        spots = self.brought.setdefault(step, [])
        if spot not in spots:  # What is asked of an interface is met at each of its types.
            spots.append(spot)

    def _mark_below(self, entry: Entry, blocks: list[Placing], path: tuple[Segment, ...], owner: int | None) -> None:
        assert entry.shape is not None
        assert entry.key is not None
        interface = entry.selected.named
        of_all = (*path, Segment(entry.key, None))
        asked_as = self._joined.get((of_all, interface), []) if entry.shape.abstract else []
        if not any(self.supergraph.is_abstract(block.type, block.graph) for _, block in blocks):
            for step, block in asked_as:
                if len(block.fields) > 1:  # it tells the types: without it there is nothing of the objects
                    self._brings(step, Spot(of_all, ""))
        for below, entries in entry.shape.fields.items():
            below_path = (*path, Segment(entry.key, below)) if entry.shape.abstract else of_all
            everybody = blocks + self._joined.get((below_path, below), []) + asked_as
            self._mark((below, interface) if entry.shape.abstract else (below,), entries, everybody, below_path, owner)
            if len(everybody) == 1 and not entry.shape.abstract and self._is_same(below, entries, everybody[0][1]):
                self.untouched.add(id(entries))

    def _is_same(self, type_name: str, entries: list[Entry], block: Block) -> bool:
        placed = block.fields.get(type_name, {})
        if self.supergraph.is_abstract(block.type, block.graph) or not placed or len(placed) != len(entries):
            return False  # Where nothing is placed the request asks for a name: something must be asked.
        return all(
            entry.key == entry.selected.key == key and entry.selected.name == each.name and passes(self.supergraph, entry, self.untouched)
            for entry, (key, each) in zip(entries, placed.items(), strict=True)
        )


def passes(supergraph: Supergraph, entry: Entry, untouched: set[int] | frozenset[int]) -> bool:
    """May the field's value go out as it came?"""
    if entry.shape is None:
        return entry.selected.named not in supergraph.narrowed_enums
    return not entry.shape.abstract and all(id(entries) in untouched for entries in entry.shape.fields.values())


def _is_opaque(supergraph: Supergraph, draft: Draft, step: Step, untouched: set[int]) -> bool:
    entries = _entries_at(draft, step)
    by_key = {entry.key: entry for entry in entries}
    return all(key in by_key and passes(supergraph, by_key[key], untouched) for key in step.block.fields[step.type])


def _entries_at(draft: Draft, step: Step) -> list[Entry]:
    """What the client wants of the objects that a step is about; nothing, if they are there for the gateway's own use."""
    entries = draft.entries
    for segment in step.path:
        below = next((entry.shape for entry in entries if entry.key == segment.key and entry.shape), None)
        if below is None:
            return []
        entries = below.fields.get(segment.type, []) if segment.type else next(iter(below.fields.values()), [])
    return entries
