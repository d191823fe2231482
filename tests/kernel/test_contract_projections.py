"""Projections change nothing on all that can be asked of a service: each query, mutation and entity, with each field of each type below."""

import json
import random
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from graphql import GraphQLNonNull, GraphQLObjectType, GraphQLUnionType
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from tests.conftest import SEED
from tests.gateway.questions import Questioner
from tests.kernel.imagined import FULL, Asking, World, bare, imagined

#: What is between a service and the gateway, and no type of ours.
OTHERS = frozenset({"Query", "Mutation", "Subscription", "_Service"})


async def answers(schema: Any, document: str, variables: Mapping[str, Any] | None = None) -> tuple[str, list[Any]]:
    """The order of keys counts, as does the order of errors."""
    context = SimpleNamespace(language="fr", receive=None)
    result = await schema.execute(document, variable_values=dict(variables or {}), context_value=context)
    return json.dumps(result.data), [(error.formatted, type(error.original_error)) for error in result.errors or ()]


def results(schema: Any, world: World, root: GraphQLObjectType, name: str) -> Iterator[dict[str, Any]]:
    """What a field of the root may answer: each member of a union in its turn; of entities, one of each type."""
    answered = root.fields[name].type
    members = bare(answered).types if isinstance(bare(answered), GraphQLUnionType) else ()
    if name == "_entities":
        yield {name: [world.object(each, kind) for each in members for kind in (range(3) if world.odd else range(2))]}
    elif members and isinstance(answered, GraphQLNonNull) and not isinstance(answered.of_type, GraphQLNonNull):
        for each in members:
            yield {name: world.object(each, FULL)}
    else:
        yield {}


@pytest.mark.parametrize("service", ["identity", "billing", "booking", "mailer"])
@pytest.mark.parametrize("odd", [False, True], ids=["sound", "odd"])
async def test_every_operation_is_answered_as_graphql_core_answers_it(service: str, odd: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = import_module(f"services.{service}.schema").schema
    core = schema._schema
    world, asking = World(core, odd), Asking(core)
    roots = {"query": core.query_type, "mutation": core.mutation_type}
    documents = [
        (root, name, asking.document(kind, root, name)) for kind, root in roots.items() for name in root.fields if name != "_service"
    ]
    trouble = 0
    with imagined(core, world) as told:
        for root, name, document in documents:
            for answer in results(schema, world, root, name):
                told.clear()
                told.update(answer)
                projected = await answers(schema, document)
                with monkeypatch.context() as patched:
                    patched.setattr(schema, "execution_context_class", StrawberryGraphQLCoreExecutionContext)
                    assert await answers(schema, document) == projected, document
                assert odd or not projected[1], (document, projected[1][:1])
                trouble += bool(projected[1])

    assert bool(trouble) == odd
    known = {
        (type_.name, name)
        for type_ in core.type_map.values()
        if isinstance(type_, GraphQLObjectType) and type_.name not in OTHERS and not type_.name.startswith("__")
        for name in type_.fields
    }
    assert known - asking.asked == set()


#: Documents of each kind and service, others each time.
DOCUMENTS = 25
SCALARS = {"Date": "2026-11-23", "DateTime": "2026-11-23T07:00:00Z", "LocalTime": "07:30", "YearMonth": "2026-11"}


class Asker(Questioner):
    """Knows what our scalars look like."""

    def value(self, kind: Any) -> Any:
        return SCALARS.get(getattr(kind, "name", "")) or super().value(kind)


@pytest.mark.parametrize("service", ["identity", "billing", "booking", "mailer"])
@pytest.mark.parametrize("odd", [False, True], ids=["sound", "odd"])
async def test_names_fragments_and_conditions_by_chance_are_answered_as_graphql_core_answers_them(
    service: str, odd: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = import_module(f"services.{service}.schema").schema
    core = schema._schema
    found = 0
    with imagined(core, World(core, odd)):
        for kind in ("query", "mutation"):
            for number in range(DOCUMENTS):
                asker = Asker(core, random.Random(f"{SEED} {service} {kind} {number}"), {"_service", "_entities"})
                document = asker.document(kind)
                projected = await answers(schema, document, asker.variables)
                with monkeypatch.context() as patched:
                    patched.setattr(schema, "execution_context_class", StrawberryGraphQLCoreExecutionContext)
                    assert await answers(schema, document, asker.variables) == projected, (SEED, document, asker.variables)
                found += projected[0] != "null"

    assert odd or found, SEED
