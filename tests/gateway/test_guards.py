"""@authenticated and @requiresScopes: what the caller may not ask for is null, says so, and is asked of nobody.

`guards/supergraph.graphql` is composed from the files beside it: `node gateway/compose/compose.mjs tests/gateway/guards/{people,accounts}.graphql`.
"""

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from gateway import app as gateway_app
from gateway.asking import Asked, PassedOn
from gateway.client import Subgraphs
from gateway.door import Door
from gateway.streams import Streams
from gateway.supergraph import Supergraph
from gateway.trouble import DENIED, RequestError
from services.claims import Caller, Verifier
from services.clock import Clock
from tests.gateway.fakes import SUPERGRAPH, Gateway, Subgraph, Town

HERE = Path(__file__).parent / "guards"
GUARDS = Supergraph.load((HERE / "supergraph.graphql").read_text(encoding="utf-8"))
SIGNED_IN: frozenset[str] = frozenset()
FAMILY, AGENT = frozenset({"family"}), frozenset({"agent"})
ANNE = {"id": "anne", "name": "Anne", "email": "anne@example.org", "born": "1980"}


def subgraph(name: str, *args: Any) -> Subgraph:
    return Subgraph((HERE / f"{name}.graphql").read_text(encoding="utf-8"), *args)


@pytest.fixture
def town() -> Town:
    found = [{"__typename": "Secret", "id": "s", "text": "secret"}, {"__typename": "Leaflet", "id": "l", "text": "public"}]
    roots = {"town": "CarteVille", "me": ANNE, "people": [ANNE, ANNE], "found": found, "greet": "hello", "dismiss": True}
    accounts = subgraph("accounts", {}, {"Person": lambda found: {"balance": 50_06, "note": {"text": "n"}}})
    return Town({"people": subgraph("people", roots), "accounts": accounts})


@pytest.fixture
def entrance(town: Town) -> Gateway:
    return Gateway(town, GUARDS)


def test_clients_see_nothing_that_the_guards_themselves_are_written_with() -> None:
    assert not [name for name in GUARDS.api.type_map if "__" in name.lstrip("_")]


async def test_nobody_gets_null_and_an_error_at_every_place_and_the_service_is_not_asked(entrance: Gateway, town: Town) -> None:
    answer = await entrance.ask("{ town all: people { name mail: email } me { name } }")

    assert answer.data == {"town": "CarteVille", "all": [{"name": "Anne", "mail": None}] * 2, "me": None}
    assert [error["path"] for error in answer.errors] == [["me"], ["all", 0, "mail"], ["all", 1, "mail"]]
    assert {error["extensions"]["code"] for error in answer.errors} == {DENIED}
    assert town.of("people").query == "query{town all:people{name}}"


async def test_whoever_is_signed_in_is_asked_for_no_more_than_that(entrance: Gateway) -> None:
    answer = await entrance.ask("{ me { email } }", scopes=SIGNED_IN)

    assert (answer.data, answer.errors) == ({"me": {"email": "anne@example.org"}}, [])


async def test_null_goes_up_from_what_must_not_be_null(entrance: Gateway) -> None:
    answer = await entrance.ask("{ people { born } }")

    assert answer.data is None
    assert [error["path"] for error in answer.errors] == [["people", 0, "born"], ["people", 1, "born"]]


async def test_a_guard_of_a_scalar_or_a_type_guards_every_field_that_leads_to_it(entrance: Gateway, town: Town) -> None:
    answer = await entrance.ask("{ people { balance note { text } } }")

    assert answer.data == {"people": [{"balance": None, "note": None}] * 2}
    assert town.asked() == ["people"]
    answer = await entrance.ask("{ people { balance note { text } } }", scopes=FAMILY)
    assert answer.data == {"people": [{"balance": 50_06, "note": {"text": "n"}}] * 2}


async def test_a_member_is_guarded_by_its_own_type_and_an_interface_for_whoever_asks_through_it(entrance: Gateway) -> None:
    # Composition guards an interface as its members are.
    assert (await entrance.ask("{ found { id } }")).data is None
    assert (await entrance.ask("{ found { id text: __typename } }", scopes=AGENT)).data == {
        "found": [{"id": "s", "text": "Secret"}, {"id": "l", "text": "Leaflet"}]
    }


async def test_a_mutation_that_is_denied_is_not_carried_out(entrance: Gateway, town: Town) -> None:
    answer = await entrance.ask("mutation { greet dismiss }", scopes=AGENT)

    assert answer.data == {"greet": "hello", "dismiss": None}
    assert [call.query for call in town.calls] == ["mutation{greet}"]
    for scopes in (frozenset({"operator"}), frozenset({"agent", "administrator"})):
        assert (await entrance.ask("mutation { greet dismiss }", scopes=scopes)).data == {"greet": "hello", "dismiss": True}


async def test_a_subscription_that_is_denied_does_not_begin(entrance: Gateway) -> None:
    with pytest.raises(RequestError) as refused:
        await entrance.ask("subscription { told }")

    assert refused.value.errors[0]["extensions"]["code"] == DENIED


async def test_plans_of_one_document_are_kept_apart_by_who_may_ask(entrance: Gateway) -> None:
    operation = entrance.documents.operation("{ me { name } }", None)
    plan = entrance.documents.plan

    assert plan(operation, {}) is not plan(operation, {}, scopes=SIGNED_IN)
    assert plan(operation, {}, scopes=frozenset({"operator"})) is not plan(operation, {}, scopes=SIGNED_IN)
    assert plan(operation, {}, scopes=SIGNED_IN) is plan(operation, {}, scopes=SIGNED_IN)


def token(key: OKPKey, **more: Any) -> str:
    claims = Caller("a", "s", {"dupont": "carteville"}, frozenset(), "fr", 0).claims()
    now = int(time.time())
    header = {"alg": "Ed25519", "kid": key.kid}
    return "Bearer " + jwt.encode(header, {**claims, "iat": now, "exp": now + 60, **more}, key, algorithms=["Ed25519"])


def test_tokens_are_read_only_where_something_is_guarded(entrance: Gateway) -> None:
    neighbours = gateway_app.Neighbours(Subgraphs({}))

    assert gateway_app._door(SUPERGRAPH, entrance.settings, neighbours) is None
    assert gateway_app._door(GUARDS, entrance.settings, neighbours) is not None


async def test_the_gateway_knows_whom_identitys_keys_vouch_for(entrance: Gateway) -> None:
    key, other = (OKPKey.generate_key("Ed25519", {"kid": kid}) for kid in ("1", "2"))
    looks = []

    async def keys() -> bytes:
        looks.append(1)
        return msgspec.json.encode({"keys": [key.as_dict(private=False)]})

    door = Door(Verifier(Clock()), keys)
    streams = Streams(entrance.documents, entrance.engine, entrance.live, entrance.settings.clock, door)
    operation = entrance.documents.operation("{ people { balance } }", None)

    async def asks(authorization: str | None) -> Any:
        passing = PassedOn(b"", b"", "", "fr", authorization)
        plan = await streams.plan(operation, Asked("", {}, None), passing)
        return len((await entrance.engine.run(plan, {})).errors)

    assert await asks(None) == 2
    assert looks == []
    assert await asks(token(key)) == 0
    assert await asks(token(key, families={})) == 2
    assert await asks(token(other)) == 2
    assert looks == [1]
