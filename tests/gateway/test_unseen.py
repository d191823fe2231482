"""What clients cannot see: the schema, where the town does not tell it, and what is between the gateway and its services."""

import pytest

from gateway.documents import Documents
from gateway.trouble import RequestError
from services.settings import NEEDED, Settings
from tests.gateway.fakes import SUPERGRAPH

CLOSED = Documents(SUPERGRAPH, introspection=False)


def refusal(documents: Documents, text: str, variables: dict[str, object] | None = None) -> tuple[str, str]:
    with pytest.raises(RequestError) as refused:
        documents.plan(documents.operation(text, None), variables or {}, "en")
    errors = refused.value.errors
    return str(errors[0]["extensions"]["code"]), " ".join(str(error["message"]) for error in errors)


@pytest.mark.parametrize("text", ["{ __schema { types { name } } }", '{ ...F } fragment F on Query { a: __type(name: "Query") { name } }'])
def test_the_schema_is_told_only_where_the_town_wants_it(text: str) -> None:
    assert refusal(CLOSED, text)[0] == "INTROSPECTION_DISABLED"
    Documents(SUPERGRAPH).operation(text, None)
    CLOSED.operation("{ __typename me { __typename } }", None)


def test_production_tells_no_schema_unless_it_is_told_to() -> None:
    assert Settings.from_environment({}).introspection
    assert not Settings.from_environment({"PREAU_INTROSPECTION": "false"}).introspection
    production = {"PREAU_ENV": "production", **dict.fromkeys(NEEDED["gateway"], "http://x")}
    settings = Settings.from_environment(production, "gateway")
    assert (settings.introspection, settings.explorer) == (False, False)
    assert Settings.from_environment(production | {"PREAU_INTROSPECTION": "true"}, "gateway").introspection


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("{ mee { login } }", {}),
        ("{ me { loginn } }", {}),
        ("{ me { ... on Accountt { login } } }", {}),
        ('{ request(idd: "x") { id } }', {}),
        ("query ($s: [BookingStatus!]) { me { families { bookings(status: $s) { totalCount } } } }", {"s": ["ACEPTED"]}),
        ("query ($i: ToggleInput!) { toggleBookings(input: $i) { __typename } }", {"i": {"scop": "DAY"}}),
    ],
)
def test_no_name_is_suggested_where_the_schema_is_not_told(text: str, variables: dict[str, object]) -> None:
    assert "Did you mean" not in refusal(CLOSED, text, variables)[1]


def test_what_only_services_need_is_no_part_of_the_api() -> None:
    names = {*SUPERGRAPH.api.type_map}
    names |= {name for kind in SUPERGRAPH.api.type_map.values() for name in getattr(kind, "fields", ())}
    assert {name for name in names if name.startswith("_") and not name.startswith("__")} == set()
    assert {name for name in names if name.endswith("Watch") or "join__" in name} == set()
    hidden = {name for kind in SUPERGRAPH.types.values() for name in kind.fields} - names
    assert "calendarChangedWatch" in hidden
    for name in sorted(hidden):
        code, _ = refusal(Documents(SUPERGRAPH), f"{{ {name} }}")
        assert code == "GRAPHQL_VALIDATION_FAILED"
        near = refusal(Documents(SUPERGRAPH), f"{{ {name}X }}")[1]
        assert f"'{name}'" not in near, near
