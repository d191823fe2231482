"""How much may be asked for: at once, by an account and by an address, over every way in; and how little the counting takes."""

import math
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from gateway.asking import Asked, PassedOn
from gateway.bounds import BURST_SECONDS, KNOCK, MOST_BUCKETS, Bounds, Buckets
from gateway.cost import now
from gateway.trouble import RequestError
from tests.gateway.fakes import Gateway, Town
from tests.gateway.followers import events, served, wire

ME = "{ me { login } }"


class Hands:
    """A clock."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def from_(address: str | None = None, token: str | None = None) -> PassedOn:
    return PassedOn(b"", b"", "", "en", token, address)


def bounds(account: float = 100, address: float = 1000) -> tuple[Bounds, Hands]:
    hands = Hands()
    return Bounds(accounts=Buckets(account), addresses=Buckets(address), clock=hands), hands


def wait(one: Bounds, passing: PassedOn, points: float = KNOCK) -> int:
    with pytest.raises(RequestError) as refused:
        one.spend(passing, points)
    (error,) = refused.value.errors
    assert error["extensions"] == {"code": "TOO_MANY_REQUESTS", "waitSeconds": refused.value.wait_seconds}
    assert (refused.value.status, refused.value.malformed) == (429, True)
    return refused.value.wait_seconds


def test_an_account_spends_half_a_minute_at_once_and_then_what_comes_back() -> None:
    one, hands = bounds(account=100)
    for _ in range(31):
        one.spend(from_(token="a"), 100)
    assert wait(one, from_(token="a"), 100) == 1
    one.spend(from_(token="b"), 100)
    hands.now += 1
    one.spend(from_(token="a"), 100)
    assert wait(one, from_(token="a"), 100) == 1, "what was refused was not spent"
    hands.now += BURST_SECONDS
    for _ in range(30):
        one.spend(from_(token="a"), 100)
    wait(one, from_(token="a"), 100)


def test_nothing_is_too_dear_for_ever_and_it_is_paid_off_before_the_next() -> None:
    one, hands = bounds(account=100)
    one.spend(from_(token="a"))
    one.spend(from_(token="a"), 100_000)
    assert wait(one, from_(token="a")) == 1 + 1000 - 30
    hands.now += 1 + 1000 - 30
    one.spend(from_(token="a"), 100_000)


def test_an_address_is_counted_by_household_whoever_signs_in_there_and_this_machine_is_not() -> None:
    one, _ = bounds(account=1e9, address=100)
    for number in range(31):
        one.spend(from_(f"2001:db8:1:2::{number}", token=str(number)), 100)
    wait(one, from_("2001:db8:1:2:ffff::1", token="new"))
    one.spend(from_("2001:db8:1:3::1"), 100)
    for _ in range(100):
        one.spend(from_("127.0.0.1"), 100)
        one.spend(from_(None), 100)


def test_what_the_address_may_not_ask_the_account_has_not_spent() -> None:
    one, _ = bounds(account=100, address=100)
    for _ in range(31):
        one.spend(from_("192.0.2.1"), 100)
    wait(one, from_("192.0.2.1", token="a"))
    for _ in range(31):
        one.spend(from_("192.0.2.2", token="a"), 100)


def test_an_opening_at_eight_hurts_nobody_behind_one_address() -> None:
    """2,000 families of one telephone company, each with ten home pages in the first minute."""
    hands = Hands()
    one = Bounds(clock=hands)
    for _ in range(60):
        for number in range(2_000):
            if number % 6 == int(hands.now) % 6:
                one.spend(from_("192.0.2.1", token=f"family {number}"))
                one.admit(900, {}, from_("192.0.2.1", token=f"family {number}"))
        hands.now += 1


def test_an_impatient_family_is_not_refused_but_a_script_is() -> None:
    hands = Hands()
    one, family = Bounds(clock=hands), from_("192.0.2.1", token="a")
    for _ in range(600):  # ten minutes of ten pages a second
        for _ in range(10):
            one.spend(family)
            one.admit(900, {}, family)
        hands.now += 1
    asked = 0
    while not one.accounts.wait(hash("a"), hands.now):
        one.spend(family)
        one.admit(900, {}, family)
        asked += 1
    wait(one, family)
    assert 500 < asked < 700


def test_without_a_bound_nobody_is_counted() -> None:
    one, _ = bounds(account=0, address=0)
    for _ in range(10_000):
        one.spend(from_("192.0.2.1", token="a"), 1e9)
    assert len(one.accounts) == len(one.addresses) == 0


def test_memory_is_bounded_and_who_owes_nothing_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.bounds.MOST_BUCKETS", 100)
    one, hands = bounds(account=1)
    one.spend(from_(token="owes"), 1_000_000)
    for number in range(90):
        one.spend(from_(token=str(number)), 1)
    hands.now += 2
    for number in range(1000, 1020):
        one.spend(from_(token=str(number)), 1)
    wait(one, from_(token="owes"))
    for number in range(2000, 4000):
        one.spend(from_(token=str(number)), 1_000_000)
        assert len(one.accounts) <= 100
    assert MOST_BUCKETS == 50_000


# ------------------------------------------------------------------------------------------------------------------ over HTTP
@pytest.fixture
async def poor(carteville: Town) -> AsyncIterator[tuple[str, httpx2.AsyncClient]]:
    """A gateway at which a token is good for one request with its operation, and no more for a long time."""
    gateway = Gateway(carteville, bounds=Bounds(1000, Buckets(KNOCK / BURST_SECONDS / 2), Buckets(0)))
    async with served(gateway) as one, httpx2.AsyncClient(base_url=one.url, headers={"authorization": "Bearer t"}, timeout=60) as client:
        gateway.documents.operation(ME, None)
        gateway.bounds.spend(PassedOn(b"", b"", "", authorization="Bearer t"))
        yield one.url, client


async def test_too_much_is_429_with_when_to_come_back_whatever_form_is_wanted(
    poor: tuple[str, httpx2.AsyncClient], carteville: Town
) -> None:
    url, client = poor
    for accept in ("application/json", "application/graphql-response+json", "text/event-stream"):
        for language, said in (("fr", "Trop de demandes"), ("en", "Too much was asked")):
            response = await client.post("/graphql", json={"query": ME}, headers={"accept": accept, "accept-language": language})
            (error,) = response.json()["errors"]
            assert (response.status_code, error["extensions"]["code"]) == (429, "TOO_MANY_REQUESTS")
            assert int(response.headers["retry-after"]) == error["extensions"]["waitSeconds"] >= 1
            assert error["message"].startswith(said)
    assert (await client.get("/graphql", params={"query": ME})).status_code == 429
    async with wire(url) as socket:
        await socket.begin("t")
        await socket.follow("1", ME)
        assert await socket.refusal("1") == "TOO_MANY_REQUESTS"
    assert carteville.asked() == []
    assert (await client.post("/graphql", json={"query": ME}, headers={"authorization": "Bearer u"})).json()["data"]


DEAR = '{ families(structure: "s", first: 500) { nodes { children { activities { name } } } } }'


async def test_too_dear_is_refused_with_the_figures_before_any_service_hears_of_it(entrance: Gateway, carteville: Town) -> None:
    entrance.bounds.most_cost = 20_000
    cost = 1 + 500 * (1 + 4 * (1 + 6 * 2))
    async with served(entrance) as one, httpx2.AsyncClient(base_url=one.url, timeout=60) as client:
        french = (await client.post("/graphql", json={"query": DEAR})).json()["errors"][0]
        async with events(one.url, DEAR) as stream:
            assert await stream.refusal() == "OPERATION_TOO_EXPENSIVE"
        async with wire(one.url) as socket:
            await socket.begin()
            await socket.follow("1", DEAR)
            assert await socket.refusal("1") == "OPERATION_TOO_EXPENSIVE"

    assert french["extensions"] == {"code": "OPERATION_TOO_EXPENSIVE", "cost": cost, "most": 20_000}
    assert french["message"].startswith(f"Cette opération coûterait {cost} points ; 20000 au plus sont admis.")
    assert carteville.asked() == []


async def test_the_cost_is_told_to_whoever_asks_for_it(entrance: Gateway) -> None:
    asked: dict[str, Any] = {"query": ME, "extensions": {"cost": True}}
    async with served(entrance) as one, httpx2.AsyncClient(base_url=one.url, timeout=60) as client:
        told = (await client.post("/graphql", json=asked)).json()
        untold = (await client.post("/graphql", json={"query": ME})).json()

    assert told["extensions"] == {"cost": {"estimated": 2, "most": entrance.bounds.most_cost}}
    assert "extensions" not in untold


async def test_a_document_that_has_to_be_read_first_is_paid_for_also_when_it_is_refused(entrance: Gateway) -> None:
    """Ever new documents are what costs a gateway most."""
    async with served(entrance) as one, httpx2.AsyncClient(base_url=one.url, headers={"authorization": "Bearer t"}, timeout=60) as client:
        key = hash("Bearer t")
        entrance.bounds.clock = lambda: 0.0

        def owed() -> float:
            return entrance.bounds.accounts._paid_at.get(key, 0.0) * entrance.bounds.accounts.points

        await client.post("/graphql", json={"query": ME})
        fresh = owed()
        await client.post("/graphql", json={"query": ME})
        again = owed() - fresh
        await client.post("/graphql", json={"query": "{ " + " ".join(f"no{n}" for n in range(300)) + " }"})
        wrong = owed() - fresh - again

    assert math.isclose(again, KNOCK + 2)
    assert fresh > 2 * again
    assert wrong > fresh


async def test_a_plan_that_has_to_be_made_is_paid_for_also_of_a_document_that_is_known(entrance: Gateway) -> None:
    """Ten variables of @include are a thousand plans of one document."""
    names = [f"v{n}" for n in range(10)]
    choices = " ".join(f"a{n}: login @include(if: ${name})" for n, name in enumerate(names))
    document = (
        f"query({', '.join(f'${name}: Boolean!' for name in names)}) {{ me {{ id {choices} families {{ children {{ id firstName }} }} }} }}"
    )
    passing, one = from_(token="t"), entrance.streams
    entrance.bounds.clock = lambda: 0.0

    async def spent(chosen: int) -> float:
        before = entrance.bounds.accounts._paid_at.get(hash("t"), 0.0)
        asked = Asked(document, {name: bool(chosen >> n & 1) for n, name in enumerate(names)}, None)
        plan = await one.plan(one.operation(asked, passing), asked, passing)
        return (entrance.bounds.accounts._paid_at[hash("t")] - before) * entrance.bounds.accounts.points - now(plan.cost, asked.variables)

    await spent(0)
    assert min([await spent(chosen) for chosen in range(1, 9)]) > KNOCK
    assert min([await spent(chosen) for chosen in range(1, 9)]) < 1, "these are known"


async def test_variables_that_take_long_to_read_are_paid_for(entrance: Gateway) -> None:
    """A megabyte of lines costs as much as dozens of screens."""
    document = """query($lines: [BookingLineInput!]!) {
        previewBookings(family: "f", lines: $lines, acceptWaitingList: true) { __typename } }"""
    passing, one = from_(token="t"), entrance.streams
    entrance.bounds.clock = lambda: 0.0
    line = {"change": "BOOK", "child": "c", "activity": "a", "date": "2026-11-23"}
    asked = Asked(document, {"lines": [line] * 10_000}, None)
    operation = one.operation(asked, passing)
    await one.plan(operation, asked, passing)
    before = entrance.bounds.accounts._paid_at[hash("t")]

    await one.plan(operation, asked, passing)

    assert (entrance.bounds.accounts._paid_at[hash("t")] - before) * entrance.bounds.accounts.points > 5_000
