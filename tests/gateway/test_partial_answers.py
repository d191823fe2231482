"""A service that is down, slow or confused costs what it would have answered, and nothing else."""

import json
from typing import Any

import pytest
from graphql import GraphQLError, build_schema, graphql_sync

from gateway.complaints import told
from gateway.engine import MOST_ERRORS
from gateway.waiting import Patience
from services.refusal import Language, in_french
from tests.gateway.fakes import ACCOUNT, FAMILY, Gateway, Town


async def test_a_service_that_is_down_costs_its_nullable_field_and_says_so(entrance: Gateway, carteville: Town) -> None:
    carteville.down.add("identity")

    answer = await entrance.ask('{ me { login } request(id: "r1") { number } }')

    assert answer.data == {"me": None, "request": {"number": "D1"}}
    (error,) = answer.errors
    assert error["path"] == ["me"]
    assert error["extensions"] == {"code": "SUBGRAPH_UNAVAILABLE", "serviceName": "identity"}


async def test_null_goes_up_to_what_may_be_null_and_the_path_says_which_field_is_missing(entrance: Gateway, carteville: Town) -> None:
    carteville.down.add("billing")

    answer = await entrance.ask("{ me { login families { balance { inDebit } } } }")

    # Family.balance, Account.families and its elements are all non-null.
    assert answer.data == {"me": None}
    assert [error["path"] for error in answer.errors] == [["me", "families", 0, "balance"]]


async def test_a_missing_price_does_not_take_the_answer_of_a_mutation_down_silently(entrance: Gateway, carteville: Town) -> None:
    carteville.down.add("billing")

    answer = await entrance.ask(
        """
        mutation ($input: SubmitInput!) {
          s: submitBookings(input: $input) { ... on Request { movements { booking { p: priceCents } } } }
        }
        """,
        {"input": {"family": "dupont", "idempotencyKey": "k", "lines": []}},
    )

    assert answer.data is None
    assert [error["path"] for error in answer.errors] == [["s", "movements", n, "booking", "p"] for n in range(3)]


async def test_many_places_that_failed_alike_are_told_a_few_times(entrance: Gateway, carteville: Town) -> None:
    carteville.down.add("booking")
    many = " ".join(f'c{n}: calendar(month: "2026-{n:02}") {{ month }}' for n in range(1, 13))

    answer = await entrance.ask(f"{{ me {{ families {{ children {{ {many} }} }} }} }}")

    assert len(answer.errors) == MOST_ERRORS


async def test_services_that_are_each_a_little_slow_do_not_add_up_for_ever(carteville: Town) -> None:
    entrance = Gateway(carteville, patience=Patience(whole=0.0))  # the time is over when the family has been found

    await entrance.ask("{ me { families { balance { inDebit } } } }")

    assert [call.seconds <= 0 for call in carteville.calls] == [True, True]


async def test_each_service_has_its_own_time_within_the_whole(carteville: Town) -> None:
    entrance = Gateway(carteville, patience=Patience(services={"billing": 2.0, "identity": 60.0}))

    await entrance.ask("{ me { families { balance { inDebit } } } }")

    assert [(call.service, round(call.seconds)) for call in carteville.calls] == [("identity", 10), ("billing", 2)]


async def test_an_unknown_entity_is_an_error_at_its_place(entrance: Gateway, carteville: Town) -> None:
    def not_yours(found: dict[str, str]) -> dict[str, str]:
        raise PermissionError("Not yours, or not there.")

    carteville.subgraphs["billing"].entities = {"Family": not_yours}

    answer = await entrance.ask("{ me { mine: families { id balance { inDebit } } } }")

    assert answer.data == {"me": None}
    (error,) = answer.errors
    assert error["path"] == ["me", "mine", 0]
    assert error["message"] == "Not yours, or not there."
    assert error["extensions"]["serviceName"] == "billing"


async def test_an_error_inside_an_entity_keeps_its_path_for_every_object_it_stands_for(entrance: Gateway, carteville: Town) -> None:
    def no_name(_: object) -> str:
        raise ValueError("no name")

    carteville.subgraphs["identity"].entities = {"Child": lambda found: {"birthDate": no_name}}

    answer = await entrance.ask('{ request(id: "r1") { movements { booking { id who: child { born: birthDate } } } } }')

    assert [each["booking"]["who"] for each in answer.data["request"]["movements"]] == [{"born": None}] * 3
    assert [error["path"] for error in answer.errors] == [["request", "movements", n, "booking", "who", "born"] for n in range(3)]


async def test_an_entity_that_is_silently_null_is_told_by_the_gateway(entrance: Gateway, carteville: Town) -> None:
    carteville.subgraphs["billing"].entities = {"Family": lambda found: None}

    answer = await entrance.ask("{ me { families { balance { inDebit } } } }")

    assert answer.data == {"me": None}
    (error,) = answer.errors
    assert error["message"] == "Cannot return null for non-nullable field Family.balance."
    assert error["path"] == ["me", "families", 0, "balance"]


async def test_the_places_of_what_is_silently_null_are_found_among_others(entrance: Gateway, carteville: Town) -> None:
    price = carteville.subgraphs["billing"].entities["Booking"]
    carteville.subgraphs["billing"].entities = {"Booking": lambda found: None if found["id"] == "b24" else price(found)}

    answer = await entrance.ask('{ request(id: "r1") { all: movements { it: booking { date cents: priceCents } } } }')

    assert [error["path"] for error in answer.errors] == [["request", "all", number, "it", "cents"] for number in (1, 2)]
    assert {error["extensions"]["code"] for error in answer.errors} == {"INCOMPLETE_ANSWER"}


async def test_each_place_that_is_silently_null_is_told_whatever_else_went_wrong(entrance: Gateway, carteville: Town) -> None:
    def fails(_: object) -> int:
        raise ValueError("no price")

    carteville.subgraphs["billing"].entities = {"Booking": lambda found: {"priceCents": fails} if found["id"] == "b23" else None}

    answer = await entrance.ask('{ request(id: "r1") { movements { booking { id priceCents } } } }')

    assert [(error["path"][2], error["path"][4:], error["extensions"]["code"]) for error in answer.errors] == [
        (0, ["priceCents"], "SUBGRAPH_ERROR"),
        (1, ["priceCents"], "INCOMPLETE_ANSWER"),
        (2, ["priceCents"], "INCOMPLETE_ANSWER"),
    ]


@pytest.mark.parametrize(
    ("families", "path"),
    [
        ("x", ["me", "families"]),
        ({"id": "x"}, ["me", "families"]),
        (["x"], ["me", "families"]),
        ([3, [["x"]]], ["me", "families"]),
        ([{"__typename": "Family", "id": ["x"]}], ["me", "families", 0, "balance"]),
        ([{"__typename": "Family", "id": {"a": 1}}], ["me", "families", 0, "balance"]),
    ],
)
async def test_a_confused_subgraph_that_nobody_checks_costs_its_part(
    entrance: Gateway, carteville: Town, families: Any, path: list[Any]
) -> None:
    carteville.says["identity"] = json.dumps({"data": {"me": {"login": "dupont", "families": families}}}).encode()

    answer = await entrance.ask('{ me { login families { balance { inDebit } } } request(id: "r1") { id } }')

    assert answer.data == {"me": None, "request": {"id": "r1"}}
    assert path in [error["path"][: len(path)] for error in answer.errors]
    assert {error["extensions"]["code"] for error in answer.errors} == {"INCOMPLETE_ANSWER"}


NONSENSE = [
    b"",
    b"<html>",
    b"[]",
    b"{}",
    b'{"data":{"_entities":3}}',
    b'{"data":[]}',
    b"null",
    b'{"errors":3}',
    b'{"errors":[3]}',
    b'{"data":3}',
]


@pytest.mark.parametrize("nonsense", NONSENSE)
async def test_what_nobody_can_read_counts_as_no_answer(entrance: Gateway, carteville: Town, nonsense: bytes) -> None:
    carteville.says["billing"] = nonsense

    answer = await entrance.ask("{ me { login families { balance { inDebit } } } }")

    assert answer.data == {"me": None}
    assert [error["extensions"]["code"] for error in answer.errors] == ["SUBGRAPH_UNAVAILABLE"]


async def test_a_services_own_code_reaches_the_client_but_not_how_it_came_about(entrance: Gateway, carteville: Town) -> None:
    carteville.says["identity"] = (
        b'{"data":{"me":null},"errors":[{"message":"Sign in first.","path":["me"],'
        b'"extensions":{"code":"UNAUTHENTICATED","stacktrace":["secret"]}}]}'
    )

    answer = await entrance.ask("{ me { login } }")

    assert answer.errors == [
        {"message": "Sign in first.", "path": ["me"], "extensions": {"code": "UNAUTHENTICATED", "serviceName": "identity"}}
    ]


# ------------------------------------------------------------------------------------------------- what was asked for another
async def test_what_a_client_never_asked_for_fails_at_the_nearest_place_that_it_knows(entrance: Gateway, carteville: Town) -> None:
    """Family.bookingsFile requires the children's first names."""

    def no_name(*_: object) -> str:
        raise GraphQLError("Kein Name.", extensions={"code": "NO_NAME"})

    family = {**FAMILY, "children": [{**child, "firstName": no_name} for child in FAMILY["children"]]}
    carteville.subgraphs["identity"].roots["me"] = {**ACCOUNT, "families": [family]}

    answer = await entrance.ask("{ me { mine: families { bookingsFile(format: CSV) { __typename } } } }")
    assert answer.data == {"me": None}
    assert [(error["message"], error["path"]) for error in answer.errors] == [("Kein Name.", ["me", "mine", 0])]

    # Whoever asks for a child's name as well is told which child's.
    answer = await entrance.ask("{ me { mine: families { bookingsFile(format: CSV) { __typename } who: children { name: firstName } } } }")
    assert answer.errors[0]["path"] == ["me", "mine", 0, "who", 0, "name"]


# --------------------------------------------------------------------------------------------------------------- in production
SQL = "(sqlite3.OperationalError) no such table: family [SQL: SELECT family.id FROM family]"


@pytest.mark.parametrize(
    ("extensions", "code", "says"),
    [
        ({"code": "UNAUTHENTICATED"}, "UNAUTHENTICATED", SQL),  # it is the service's own word, whatever it is
        ({"code": "INTERNAL_SERVER_ERROR", "number": "0a1b2c3d"}, "INTERNAL_SERVER_ERROR", "0a1b2c3d"),
        ({"code": "INTERNAL_SERVER_ERROR"}, "INTERNAL_SERVER_ERROR", "went wrong"),
        ({"code": "GRAPHQL_VALIDATION_FAILED"}, "INTERNAL_SERVER_ERROR", "went wrong"),
        ({"code": "sqlalchemy.exc.OperationalError"}, "INTERNAL_SERVER_ERROR", "went wrong"),
        ({"code": 7}, "INTERNAL_SERVER_ERROR", "went wrong"),
        ({}, "INTERNAL_SERVER_ERROR", "went wrong"),
        (None, "INTERNAL_SERVER_ERROR", "went wrong"),
    ],
)
async def test_errors_without_a_code_of_their_own_are_masked_in_production(
    carteville: Town, extensions: dict[str, object] | None, code: str, says: str
) -> None:
    error = {"message": SQL, "path": ["me"], "extensions": extensions and {**extensions, "class": "Engine", "stacktrace": ["line 3"]}}
    carteville.says["identity"] = json.dumps({"data": {"me": None}, "errors": [error]}).encode()

    answer = await Gateway(carteville, masks=True).ask("{ me { login } }")

    (told,) = answer.errors
    assert (told["extensions"]["code"], told["path"]) == (code, ["me"])
    assert says in told["message"]
    assert set(told["extensions"]) <= {"code", "serviceName", "number"}
    assert (SQL in told["message"]) == (says == SQL)


OLDER = build_schema("type Query { f(line: Line): Int } input Line { size: Int } type Family { id: ID }")


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize(
    ("query", "line", "is_older"),
    [
        ("{ new }", None, True),
        ("{ f(new: 1) }", None, True),
        ("{ f(line: {new: 1}) }", None, True),
        ("query ($line: New) { f(line: $line) }", None, True),
        ("{ ... on New { id } }", None, True),
        ("query ($line: Line) { f(line: $line) }", {"size": 1, "new": 2}, True),
        ("query ($line: Line) { f(line: $line) }", {"size": "x"}, False),
    ],
)
async def test_what_a_service_of_an_older_release_does_not_know_is_no_mistake_of_the_clients(
    query: str, line: object, is_older: bool, language: Language
) -> None:
    """In graphql-core's words, as services tell them: what the gateway sends has been found right before."""
    errors = graphql_sync(OLDER, query, variable_values={"line": line}).errors
    assert errors
    for error in errors:
        message = in_french(error.message) if language == "fr" else error.message
        codes = [
            told("identity", message, {"code": "BAD_USER_INPUT"}, language, masks=masks)["extensions"]["code"] for masks in (False, True)
        ]
        assert codes == (["GRAPHQL_VALIDATION_FAILED", "INTERNAL_SERVER_ERROR"] if is_older else ["BAD_USER_INPUT"] * 2), message


async def test_who_builds_a_service_sees_what_it_says(entrance: Gateway, carteville: Town) -> None:
    carteville.says["identity"] = json.dumps(
        {"data": {"me": None}, "errors": [{"message": SQL, "extensions": {"hint": "migrate"}}]}
    ).encode()

    (told,) = (await entrance.ask("{ me { login } }")).errors

    assert (told["message"], told["extensions"]["hint"]) == (SQL, "migrate")


async def test_what_is_refused_to_families_is_data_and_never_masked(carteville: Town) -> None:
    answer = await Gateway(carteville, masks=True).ask('mutation { cancelBooking(booking: "b1") { ... on Refusal { code message } } }')

    assert answer.data == {"cancelBooking": {"code": "TOO_LATE_TO_CANCEL", "message": "Trop tard."}}


@pytest.mark.parametrize(("language", "says"), [("fr", "ne peut pas répondre pour le moment"), ("en", "cannot answer at the moment")])
async def test_what_is_missing_is_said_in_the_callers_language(carteville: Town, language: Language, says: str) -> None:
    carteville.down.add("identity")
    gateway = Gateway(carteville)
    plan = gateway.documents.plan(gateway.documents.operation("{ me { login } }", None), {})

    (told,) = (await gateway.engine.run(plan, {}, b"", language)).errors

    assert says in told["message"]
