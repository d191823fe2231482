"""A subgraph that is not trusted: what it answers is read, and what the schema does not allow is null with an error, never passed on."""

import json
from typing import Any

import pytest

from gateway.documents import Documents
from gateway.engine import Engine
from services.settings import Settings, SettingsError
from tests.gateway.fakes import Gateway, Town, town

HOME = "{ me { id login families { id number balance { inDebit } } } }"
FAMILY = {"__typename": "Family", "id": "dupont", "number": "003150"}


class Checking(Gateway):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.documents = Documents(self.supergraph, checked=frozenset({"identity", "billing"}))
        self.engine = Engine(self.supergraph.api, self.town)


@pytest.fixture
def entrance(carteville: Town) -> Gateway:
    return Checking(carteville)


def says(**account: Any) -> bytes:
    return json.dumps({"data": {"me": {"id": "a1", "login": "dupont", "reports": "AT_ONCE", "families": [FAMILY], **account}}}).encode()


async def test_what_is_as_the_schema_says_goes_through_as_it_is(entrance: Gateway, carteville: Town) -> None:
    trusting = Gateway(town())

    assert (await entrance.ask(HOME)).errors == []
    assert (await entrance.ask(HOME)).data == (await trusting.ask(HOME)).data
    assert not any(fetch.opaque for fetch in entrance.documents.plan(entrance.documents.operation(HOME, None), {}).fetches)
    assert any(fetch.opaque for fetch in trusting.documents.plan(trusting.documents.operation(HOME, None), {}).fetches)


@pytest.mark.parametrize(
    ("account", "path"),
    [
        ({"login": 3}, ["me", "login"]),
        ({"login": None}, ["me", "login"]),
        ({"login": {"a": 1}}, ["me", "login"]),
        ({"id": ["a"]}, ["me", "id"]),
        ({"reports": "HOURLY"}, ["me", "reports"]),
        ({"reports": ["AT_ONCE"]}, ["me", "reports"]),
        ({"families": {}}, ["me", "families"]),
        ({"families": [None]}, ["me", "families", 0]),
        ({"families": [3]}, ["me", "families", 0]),
        ({"families": [{**FAMILY, "number": True}]}, ["me", "families", 0, "number"]),
        ({"families": [{"id": "dupont"}]}, ["me", "families", 0, "number"]),
    ],
)
async def test_what_the_schema_does_not_allow_is_null_and_told_at_its_place(
    entrance: Gateway, carteville: Town, account: dict[str, Any], path: list[Any]
) -> None:
    carteville.says["identity"] = says(**account)

    answer = await entrance.ask("{ me { id login reports families { id number } } }")

    assert answer.data == {"me": None}
    (error,) = answer.errors
    assert error["path"] == path
    assert error["extensions"] == {"code": "INVALID_ANSWER", "serviceName": "identity"}


async def test_an_entity_that_is_wrong_is_null_where_it_was_asked_for(entrance: Gateway, carteville: Town) -> None:
    carteville.says["billing"] = b'{"data":{"_entities":[{"balance":{"inDebit":"yes"}}]}}'

    answer = await entrance.ask("{ me { mine: families { balance { inDebit } } } }")

    assert answer.data == {"me": None}
    assert [error["path"] for error in answer.errors] == [["me", "mine", 0, "balance", "inDebit"]]


async def test_a_type_that_cannot_stand_there_is_null(entrance: Gateway, carteville: Town) -> None:
    carteville.says["identity"] = b'{"data":{"signIn":{"__typename":"Booking","code":"X"}}}'

    answer = await entrance.ask('mutation { signIn(login: "a", password: "b") { ... on Refusal { code } } }')

    assert answer.data is None
    assert answer.errors[0]["extensions"]["code"] == "INVALID_ANSWER"


async def test_an_error_of_its_own_is_not_told_twice(entrance: Gateway, carteville: Town) -> None:
    carteville.says["identity"] = b'{"data":{"me":null},"errors":[{"message":"no","path":["me","login"]}]}'

    answer = await entrance.ask("{ me { login } }")

    assert answer.data == {"me": None}
    assert [error["message"] for error in answer.errors] == ["no"]


def test_the_setting_names_subgraphs() -> None:
    assert Settings.from_environment({}).checked_subgraphs == frozenset()
    assert Settings.from_environment({"PREAU_CHECKED_SUBGRAPHS": "billing, booking"}).checked_subgraphs == {"billing", "booking"}
    with pytest.raises(SettingsError, match="PREAU_CHECKED_SUBGRAPHS"):
        Settings.from_environment({"PREAU_CHECKED_SUBGRAPHS": "kitchen"})
