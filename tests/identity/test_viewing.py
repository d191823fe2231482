"""The access log: which agents saw whose children, hour by hour; families' own looks are nobody's business."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlmodel import select

from services.identity import installation, viewing
from services.identity.tables import Viewing
from services.identity.viewing import viewings_of
from services.viewing import Look
from tests.facts import until
from tests.identity.town import AGENT, AGENT_PASSWORD, NEIGHBOUR, NOW, RunFixture, Town

FAMILIES = '{ families(structure: "carteville") { nodes { id children { firstName } } } }'
ENTITIES = (
    """query ($keys: [_Any!]!) { _entities(representations: $keys) { __typename ... on Child { firstName } ... on Family { number } } }"""
)
VIEWINGS = """query ($family: ID, $child: ID, $first: Int, $after: String, $structure: ID = "carteville") {
  childViewings(structure: $structure, family: $family, child: $child, first: $first, after: $after) {
    nodes { hour family child what agent { lastName } } endCursor hasNextPage } }"""


@pytest.fixture
async def town(running: RunFixture) -> Town:
    town = await Town.of(running)
    await town.puts(NEIGHBOUR, replace(AGENT, login="chief", last_name="CHEF", administrator=True))
    return town


async def token(town: Town, login: str = "agent") -> str:
    return str((await town.signs_in(login, AGENT_PASSWORD))["accessToken"])


async def log(town: Town, **wanted: Any) -> list[tuple[str, str | None, str, str]]:
    nodes = (await town.answers(VIEWINGS, await token(town, "chief"), **wanted))["childViewings"]["nodes"]
    return [(one["family"], one["child"], one["what"], one["agent"]["lastName"]) for one in nodes]


async def looks_at(town: Town, kind: str, id: str, bearer: str) -> list[Any]:
    found: list[Any] = (await town.answers(ENTITIES, bearer, keys=[{"__typename": kind, "id": id}]))["_entities"]
    return found


async def test_what_an_agent_sees_of_a_family_is_noted_once_an_hour(town: Town) -> None:
    bearer = await token(town)
    for _ in range(3):
        await town.answers(FAMILIES, bearer)
        await looks_at(town, "Child", "amalia", bearer)
    assert await log(town) == [
        ("dupont", "paolo", "CHILD", "MARTIN"), ("dupont", "amalia", "CHILD", "MARTIN"), ("dupont", None, "FAMILY", "MARTIN"),
    ]  # fmt: skip
    assert await log(town, child="amalia") == [("dupont", "amalia", "CHILD", "MARTIN")]
    assert await log(town, family="nobody") == []
    town.later(minutes=59)
    await looks_at(town, "Family", "dupont", await token(town))
    town.later(minutes=2)
    await looks_at(town, "Family", "dupont", await token(town))
    assert len(await log(town, family="dupont")) == 4
    (first,) = (await town.answers(VIEWINGS, await token(town, "chief"), first=1))["childViewings"]["nodes"]
    assert first["hour"] == "2026-11-23T08:00:00Z"


async def test_two_who_write_at_once_lose_nothing(town: Town) -> None:
    """The process's own task, and an administrator who wants to read what is known by now."""
    viewings, looks = viewings_of(town.running), [Look("carteville", "agent", "dupont", child, "CHILD") for child in ("amalia", "paolo")]
    viewings.note(NOW, looks[:1])
    first, second = asyncio.create_task(viewings.write()), asyncio.create_task(viewings.write())
    await first
    viewings.note(NOW, looks[1:])
    await second
    await viewings.write()
    async with town.running.database.reading() as session:
        assert {row.child for row in (await session.exec(select(Viewing))).all()} == {"amalia", "paolo"}


async def test_families_own_looks_and_vain_ones_are_not_noted(town: Town) -> None:
    family = (await town.signs_in())["accessToken"]
    assert await looks_at(town, "Child", "amalia", family) == [{"__typename": "Child", "firstName": "Amalia"}]
    await town.puts(replace(AGENT, login="other", agent_of="autreville", structure="autreville"))
    assert await looks_at(town, "Child", "amalia", await token(town, "other")) == [None]
    assert await log(town) == []


async def test_only_administrators_of_the_structure_read_it(town: Town) -> None:
    for bearer in (await token(town), (await town.signs_in())["accessToken"], None):
        assert (await town.asked(VIEWINGS, bearer))[1]
    assert (await town.asked(VIEWINGS, await token(town, "chief"), structure="autreville"))[1]


async def test_pages_of_it(town: Town) -> None:
    bearer = await token(town)
    for child in ("amalia", "paolo"):
        await looks_at(town, "Child", child, bearer)
    await looks_at(town, "Family", "dupont", bearer)
    found, after = [], None
    for _ in range(3):
        page = (await town.answers(VIEWINGS, await token(town, "chief"), first=1, after=after))["childViewings"]
        found += [one["child"] for one in page["nodes"]]
        after = page["endCursor"]
    assert (found, page["hasNextPage"]) == (["paolo", "amalia", None], False)


async def test_a_look_waits_for_no_writer_and_is_written_in_batches(town: Town) -> None:
    bearer = await token(town)
    statements: list[str] = []
    event.listen(town.running.database.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    await asyncio.gather(*(looks_at(town, "Child", child, bearer) for child in ("amalia", "paolo") for _ in range(20)))
    assert not [one for one in statements if one.startswith("INSERT")]
    await viewings_of(town.running).write()
    await viewings_of(town.running).write()
    assert len([one for one in statements if one.startswith("INSERT")]) == 1
    other = viewing.Viewings(viewing.core(viewing.Viewing), town.running.database)
    other.note(NOW, (viewing.Look("carteville", "x", "dupont", child, "CHILD") for child in ("amalia", "amalia")))
    await other.write()
    await other.write()  # Another replica's look of the same hour is no second row.
    async with town.running.database.reading() as session:
        assert (await (await session.connection()).execute(text("SELECT count(*) FROM viewing"))).scalar_one() == 3


async def test_it_is_kept_for_a_year(town: Town) -> None:
    await looks_at(town, "Child", "amalia", await token(town))
    assert len(await log(town)) == 1
    town.later(days=364)
    async with town.running.database.transaction() as session:
        await installation.tidy(session, town.running.clock)
    assert len(await log(town)) == 1
    town.later(days=2)
    async with town.running.database.transaction() as session:
        await installation.tidy(session, town.running.clock)
    assert await log(town) == []


async def test_the_process_writes_it_by_itself_and_before_it_ends(running: RunFixture) -> None:
    identity = await running("identity")
    viewings = viewings_of(identity)

    async def rows() -> int:
        async with identity.database.reading() as session:
            return int((await (await session.connection()).execute(text("SELECT count(*) FROM viewing"))).scalar_one())

    viewings.note(NOW, [viewing.Look("carteville", "x", "dupont", "", "FAMILY")])
    assert await until(rows) == 1
