"""The access log: which agents saw whose children, hour by hour; families' own looks are nobody's business."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlmodel import select

from services.events import BillingLooksTaken, BookingLooksTaken, LooksEvent, Seen
from services.identity import audit, installation, portability, privacy, queries, viewing
from services.identity.tables import DataRequest, Viewing
from services.identity.viewing import LOG
from services.listening import react
from services.paging import cursor_of
from services.telling import new_key
from services.viewing import Look, Viewings
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


async def account_of(town: Town, login: str) -> str:
    caller = town.caller(await token(town, login))
    assert caller is not None
    return caller.account


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
    viewings, looks = LOG.of(town.running), [Look("carteville", "agent", "dupont", child, "CHILD") for child in ("amalia", "paolo")]
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
    for moment in ("0001-01-01T00:00:00+14:00", "2026-11-23T07:00:00", "yesterday"):
        _, errors = await town.asked(VIEWINGS, await token(town, "chief"), after=cursor_of(moment, "", "", "", ""))
        assert [error.message.split(":")[0].strip() for error in errors or ()] == ["after"], moment


async def test_a_look_waits_for_no_writer_and_is_written_in_batches(town: Town) -> None:
    bearer = await token(town)
    statements: list[str] = []
    event.listen(town.running.database.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    await asyncio.gather(*(looks_at(town, "Child", child, bearer) for child in ("amalia", "paolo") for _ in range(20)))
    assert not [one for one in statements if one.startswith("INSERT")]
    await LOG.of(town.running).write()
    await LOG.of(town.running).write()
    assert len([one for one in statements if one.startswith("INSERT")]) == 1
    other = Viewings(town.running.database, viewing.keep)
    other.note(NOW, (Look("carteville", "x", "dupont", child, "CHILD") for child in ("amalia", "amalia")))
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
    viewings = LOG.of(identity)

    async def rows() -> int:
        async with identity.database.reading() as session:
            return int((await (await session.connection()).execute(text("SELECT count(*) FROM viewing"))).scalar_one())

    viewings.note(NOW, [Look("carteville", "x", "dupont", "", "FAMILY")])
    assert await until(rows) == 1


async def test_who_reads_of_acts_and_erasures_reads_of_families(town: Town) -> None:
    async with town.running.database.transaction() as session:
        await audit.lock_structure(session, "carteville")
        await audit.note(session, NOW, "carteville", "somebody", audit.Done("CHANGE_CHILD", family="dupont", child="amalia"))
        family = (await queries.families(session, {"dupont"}))["dupont"]
        await privacy.ask(session, town.running.clock, "somebody", family, "Demande écrite", "k", ())
    chief = await token(town, "chief")
    await town.answers('{ identityActs(structure: "carteville") { nodes { kind } } }', chief)
    await town.answers('{ erasures(structure: "carteville") { reason } }', chief)
    assert set(await log(town)) == {("dupont", child, what, "CHEF") for child, what in (("amalia", "ACTS"), (None, "FAMILY"))}


# ------------------------------------------------------------------------------------------------- what other services tell
def told(kind: type[LooksEvent], what: str, *seen: Seen, account: str = "agent") -> LooksEvent:
    return kind(structure="carteville", occurred_at=NOW, hour=NOW, account=account, what=what, seen=list(seen))


async def hears(town: Town, *events: LooksEvent) -> None:
    async with town.running.database.transaction() as session:
        await react(town.running.service, session, events, town.running.clock)


async def test_what_billing_and_booking_tell_stands_in_the_same_list_once(town: Town) -> None:
    amalia, dupont = Seen(family="dupont", child="amalia"), Seen(family="dupont")
    agent = await account_of(town, "agent")
    roster, again = (told(BookingLooksTaken, "ATTENDANCE", amalia, account=agent) for _ in range(2))
    await hears(town, roster, told(BillingLooksTaken, "MONEY", dupont, amalia, account=agent))
    await hears(town, roster, again)  # Delivered twice, and told by two replicas.
    assert await log(town) == [
        ("dupont", "amalia", "MONEY", "MARTIN"), ("dupont", "amalia", "ATTENDANCE", "MARTIN"), ("dupont", None, "MONEY", "MARTIN"),
    ]  # fmt: skip


async def test_told_again_after_a_year_it_says_nobody_and_nothing_is_noted(town: Town) -> None:
    await hears(town, told(BillingLooksTaken, "MONEY", Seen(family="dupont"), account=""))
    assert await log(town) == []


async def test_a_family_is_told_when_what_of_it_was_seen_and_not_by_whom(town: Town) -> None:
    """CJUE, C-579/21: of a look, its hour and what was seen; who looked is the town's to answer for."""
    await hears(town, told(BillingLooksTaken, "MONEY", Seen(family="dupont", child="amalia"), account="the-agent"))
    request = DataRequest(id="r", structure="carteville", family="dupont", account="x", by_agent=False, asked_at=NOW, expires_at=NOW)
    request.private_key = new_key()
    async with town.running.database.reading() as session:
        mine = (await portability.everything(session, request))["identity"]["viewing"]
    assert [(row["hour"], row["child"], row["what"]) for row in mine["rows"]] == [(NOW, "amalia", "MONEY")]
    assert "the-agent" not in str(mine)
