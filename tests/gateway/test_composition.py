"""What is committed is what the services say: told without Node."""

import pytest

from deploy import compose
from gateway import headline
from gateway.supergraph import Supergraph, UnsupportedSupergraph
from tests.gateway.fakes import GATEWAY

SUPERGRAPH = (GATEWAY / "supergraph.graphql").read_text(encoding="utf-8")


@pytest.mark.parametrize("service", compose.SUBGRAPHS)
def test_the_committed_subgraph_is_the_services_own(service: str) -> None:
    assert compose.exported(service) == compose.committed()[service], "run `make supergraph` and commit what it writes"


def test_the_supergraph_was_composed_from_the_committed_subgraphs_and_is_what_came_of_it() -> None:
    assert SUPERGRAPH.startswith(f"{headline.line(compose.committed())}, to sha256 "), "run `make supergraph` and commit what it writes"
    assert headline.is_whole(SUPERGRAPH), "run `make supergraph` and commit what it writes"


def test_another_subgraph_or_another_supergraph_would_be_noticed() -> None:
    changed = {**compose.committed(), "billing": compose.committed()["billing"] + "\ntype New { id: ID! }\n"}

    assert not SUPERGRAPH.startswith(headline.line(changed))
    assert not headline.is_whole(SUPERGRAPH[:-40])
    assert not headline.is_whole(SUPERGRAPH + "\ntype New { id: ID! }\n")
    assert headline.is_whole("# by hand\ntype Query { me: ID }\n")


def test_clients_see_no_machinery() -> None:
    types = Supergraph.load(SUPERGRAPH).api.type_map

    assert not [name for name in types if name.startswith(("join__", "link__", "_")) and not name.startswith("__")]
    assert {"Query", "Mutation", "Subscription", "PreviewLine"} <= set(types)


JOIN = 'schema @link(url: "https://specs.apollo.dev/join/v0.5", for: EXECUTION) {more} {{ query: Query subscription: Subscription }}\n'
GRAPHS = 'enum join__Graph {{ A @join__graph(name: "a", url: "") }}\ntype Query @join__type(graph: A) {{ thing: Thing }}\n'


@pytest.mark.parametrize(
    ("types", "complaint"),
    [
        (
            "type Thing @join__type(graph: A, isInterfaceObject: true) { id: ID! }",
            "Thing: @interfaceObject in A is not supported: elsewhere it is no interface",
        ),
        (
            "interface Thing implements Wide @join__type(graph: A, isInterfaceObject: true)"
            ' @join__implements(graph: A, interface: "Wide") { id: ID! }'
            " interface Wide @join__type(graph: A) { id: ID! }",
            "Thing: @interfaceObject in A that implements Wide is not supported",
        ),
        (
            "interface Thing @join__type(graph: A, isInterfaceObject: true) { id: ID! } type Own implements Thing @join__type(graph: A) { id: ID! }",
            "Own: @interfaceObject Thing in A is not supported: A knows it as Own, too",
        ),
        (
            "interface Thing @join__type(graph: A, isInterfaceObject: true) { id: ID! }"
            " interface Other @join__type(graph: A, isInterfaceObject: true) { id: ID! }"
            " type Own implements Thing & Other { id: ID! }",
            "Own: @interfaceObject Other in A is not supported: A knows it as Thing, too",
        ),
        (
            "interface Thing @join__type(graph: A) { id: ID! } interface Part @join__type(graph: A, isInterfaceObject: true) { id: ID! }"
            ' type Own @join__type(graph: A) { part: Thing @join__field(graph: A, type: "Part!") }',
            "Own.part: @interfaceObject Part in A is not supported: elsewhere the field is Thing",
        ),
        (
            'type Thing @join__type(graph: A) { id: ID! @join__field(graph: A, override: "b", overrideLabel: "percent(5)") }',
            "Thing.id: @override with a label is not supported",
        ),
        (
            'type Thing @join__type(graph: A) { id: ID! @join__field(graph: A, contextArguments: [{name: "x"}]) }',
            "Thing.id: @fromContext is not supported",
        ),
        ("type Thing @join__type(graph: A) { id: ID! @policy(policies: []) }", "Thing.id: @policy is not supported"),
        ("type Thing @join__type(graph: A) @policy(policies: []) { id: ID! }", "Thing: @policy is not supported"),
        ("type Thing @join__type(graph: A) { id: ID! @listSize(assumedSize: 3) }", "Thing.id: @listSize is not supported"),
        ('type Thing @join__type(graph: A) @context(name: "x") { id: ID! }', "Thing: @context is not supported"),
        ("type Thing @join__type(graph: A) { id(n: Int @cost(weight: 3)): ID! }", "Thing.id(n): @cost is not supported"),
        ("type Thing @join__type(graph: A) { id: ID! } enum E @join__type(graph: A) { X @mine }", "E.X: @mine is not supported"),
        ("type Thing @join__type(graph: A) { id: ID! } union U @mine = Thing", "U: @mine is not supported"),
        ("type Thing @join__type(graph: A) { id: ID! } extend type Thing { n: Int }", "Thing: an extension: composition leaves none"),
        ("type Thing @join__type(graph: A) { all: [Query!]! }", "Thing.all: a field that leads back to Query is not supported"),
        ("type Thing @join__type(graph: B) { id: ID! }", "Thing: @join__type names no subgraph: B"),
        ("type Thing @join__type(graph: A) { id: ID! @join__field(graph: B) }", "Thing.id: @join__field names no subgraph: B"),
        ("type Thing @join__type(graph: A, delegated: true) { id: ID! }", "Thing: @join__type(delegated:) is not supported"),
        (
            "type Thing @join__type(graph: A) { id: ID! } type Subscription @join__type(graph: A) { thing: Thing }",
            "Subscription.thing: a subscription without Query.thing and Query.thingWatch is not supported",
        ),
        (
            "type Thing @join__type(graph: A) { id: ID! } type SignedIn @join__type(graph: A) { token: String! }",
            "SignedIn: a type of this name without accessToken is not supported",
        ),
        ('type Thing @join__type(graph: A, key: "no") { id: ID! }', "Thing: @key names what is not there: Thing.no"),
        ('type Thing @join__type(graph: A, key: "id {") { id: ID! }', "Thing: @key is not readable: id {"),
        ('interface Thing @join__type(graph: A, key: "no") { id: ID! }', "Thing: @key names what is not there: Thing.no"),
        (
            'type Thing @join__type(graph: A) { id: ID! other: Thing @join__field(graph: A, provides: "... on No { id }") }',
            "Thing.other: @provides names what is not there: No",
        ),
        (
            'type Thing @join__type(graph: A) { id: ID! other: Thing @join__field(graph: A, requires: "other { no }") }',
            "Thing.other: @requires names what is not there: Thing.no",
        ),
    ],
)
def test_what_is_not_supported_is_refused_at_load_by_name(types: str, complaint: str) -> None:
    with pytest.raises(UnsupportedSupergraph) as refused:
        Supergraph.load(JOIN.format(more="") + GRAPHS.format() + types)

    assert str(refused.value) == complaint


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        (
            '@link(url: "https://example.org/shield/v1.0", for: SECURITY)',
            "schema: the feature https://example.org/shield/v1.0 is not supported",
        ),
        (
            '@link(url: "https://specs.apollo.dev/join/v0.6", for: EXECUTION)',
            "schema: https://specs.apollo.dev/join/v0.6 is newer than join v0.5",
        ),
        (
            '@link(url: "https://specs.apollo.dev/authenticated/v0.2", for: SECURITY)',
            "schema: https://specs.apollo.dev/authenticated/v0.2 is newer than authenticated v0.1",
        ),
        (
            '@link(url: "https://specs.apollo.dev/policy/v0.1", for: SECURITY)',
            "schema: the feature https://specs.apollo.dev/policy/v0.1 is not supported",
        ),
        ('@join__directive(graphs: [A], name: "source")', "schema: @join__directive is not supported"),
    ],
)
def test_an_unknown_feature_that_changes_execution_is_refused(link: str, complaint: str) -> None:
    with pytest.raises(UnsupportedSupergraph) as refused:
        Supergraph.load(JOIN.format(more=link) + GRAPHS.format() + "type Thing @join__type(graph: A) { id: ID! }")

    assert str(refused.value) == complaint


def test_a_plain_schema_is_no_supergraph() -> None:
    with pytest.raises(UnsupportedSupergraph):
        Supergraph.load("type Query { me: String }")
