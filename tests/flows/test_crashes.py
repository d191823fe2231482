"""Processes really killed, at every named crash point and in the middle of a rush: nothing lost, nothing twice, nobody oversold."""

import asyncio
import datetime as dt
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx2
import pytest
from sqlmodel import col, select

from deploy.check import check
from services.crash import CRASH_POINTS
from services.database import Database
from services.mailer.sending import CLAIM_SECONDS
from services.outbox import Outgoing
from services.settings import Settings
from tests.conftest import dealt
from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.test_paying import PAYING
from tests.flows.town import PASSWORD, SIGN_IN, SUBMIT, Family, Town, activity, answers, family, next_days

#: Which process dies where, while a family books two days: at one of two points that are beside one another.
DEATHS = [
    ("booking", "intake.before_commit", "intake.after_commit"),
    ("booking", "allocator.before_commit", "allocator.after_commit"),
    ("booking", "relay.after_read", "relay.after_publish"),
    ("billing", "reaction.before_commit", "reaction.after_commit"),
    ("billing", "relay.after_read", "relay.after_publish"),
    ("mailer", "reaction.before_commit", "reaction.after_commit"),
    ("mailer", "mailer.before_send", "mailer.after_send"),
    ("identity", "command.before_commit", "command.after_commit"),
    ("identity", "duty.before_commit", "duty.after_commit"),
]
SIDES_OF_A_COMMAND, SIDES_OF_A_RELAY = ("command.before_commit", "command.after_commit"), ("relay.after_read", "relay.after_publish")


ASK_RESET = "mutation($login: String!) { requestPasswordReset(login: $login) }"
NEW_PASSWORD = "Le-preau-apres-la-pluie-2027"
RESET = f"""mutation($token: String!) {{ resetPassword(token: $token, new: "{NEW_PASSWORD}") {{ __typename }} }}"""
LINK = re.compile(r"jeton=([\w-]+)")


def test_every_crash_point_of_the_product_has_its_story() -> None:
    elsewhere = {"run.before_commit", "run.after_commit"}  # tests/booking/test_run_races.py
    assert {point for _, *points in DEATHS for point in points} | elsewhere | {point for sides in PAYING for point in sides} == set(
        CRASH_POINTS
    )


#: Relay, reactions and commands are the kernel's: what booking and billing leave to a database when they die, these leave alike.
LIKE_THE_OTHERS = {"mailer": [pytest.mark.one_database], "identity": [pytest.mark.one_database]}


@pytest.mark.parametrize(
    ("process", "point"),
    [
        pytest.param(process, point, marks=LIKE_THE_OTHERS.get(process, []), id=f"{process} at {point}")
        for process, *sides in DEATHS
        for point in dealt(f"{process} {sides}", *sides)
    ],
)
async def test_dying_there_loses_nothing_and_does_nothing_twice(found: Found, system: System, process: str, point: str) -> None:
    town = await found(activities=[activity("aps", capacity=1)], families=[family("dupont"), family("martin")])
    dupont, martin = await town.everybody("dupont", "martin")
    days = next_days(2)
    assert await martin.asks(days[1]) == ["ACCEPTED"]
    await until(lambda: mails(martin, 1))
    system.kill(process)
    system.start(process, crash_at=point)
    # Who only asks for places is answered where the order is taken in.
    given_back = next_days(3)[2:] if point.startswith("allocator") else []
    asks = signs_in_and_insists(town, days) if process == "identity" else insists(dupont, days, given_back)
    asking = asyncio.create_task(asks)
    await asyncio.to_thread(system.died, process)
    await asyncio.to_thread(system.start, process)
    assert await asking == ["ACCEPTED", "WAITLISTED 1", *["REFUSED UNKNOWN_BOOKING" for _ in given_back]]
    assert await dupont.bookings() == {days[0].isoformat(): "ACCEPTED", days[1].isoformat(): "WAITLISTED 1"}
    await dupont.costs(131)
    await martin.costs(131)
    # SMTP cannot promise exactly one: dying between the server's yes and our note of it sends the same mail, with the same id, again.
    # What the dead mailer had in hand is free again only when its claim has lapsed.
    came = await until(lambda: mails(dupont, 1), within=CLAIM_SECONDS + 30)
    assert len({mail["message_id"] for mail in came}) == 1
    assert len(await dupont.mails()) <= (2 if point == "mailer.after_send" else 1)
    await all_is_well(system)


@pytest.mark.one_database
@pytest.mark.parametrize("point", [*dealt("link comes", *SIDES_OF_A_COMMAND), *dealt("link comes", *SIDES_OF_A_RELAY)])
async def test_s3_a_link_for_a_new_password_comes_once_for_each_time_it_was_asked_for_wherever_identity_dies(
    found: Found, system: System, point: str
) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    (dupont,) = await town.everybody("dupont")
    asked_twice = await dies_of(system, "identity", point, lambda: town.post(ASK_RESET, {"login": dupont.id}), "requestPasswordReset")
    # The relay is woken by the commit, and by what was said before it: the death may come before the answer, or before the question.
    assert asked_twice or point.startswith("relay")
    most = int(asked_twice) + int(point != "command.before_commit")
    least = most if point.startswith("command") else 1
    await until(lambda: mails_with_links(dupont, least))
    await all_is_well(system)
    mails = await mails_with_links(dupont, least)
    assert least <= len(mails) == len({mail["message_id"] for mail in mails}) <= most
    found_in = [await sign_in_of(town, link_in(mail)) for mail in mails]
    assert found_in == ["SignedIn", *["InvalidToken"] * (len(mails) - 1)], "and once one was used, none is good any more"


@pytest.mark.one_database
@pytest.mark.parametrize("point", dealt("link is used", *SIDES_OF_A_COMMAND))
async def test_s3_a_link_for_a_new_password_is_used_once_or_not_yet_when_identity_dies(found: Found, system: System, point: str) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    (dupont,) = await town.everybody("dupont")
    await town.post(ASK_RESET, {"login": dupont.id})
    (mail,) = await until(lambda: mails_with_links(dupont, 1))
    await dies_of(system, "identity", point, lambda: town.post(RESET, {"token": link_in(mail)}), "resetPassword", again=False)
    old, new = [await can_sign_in(town, dupont, password) for password in (PASSWORD, NEW_PASSWORD)]
    done = point == "command.after_commit"
    assert (old, new) == (not done, done)
    assert await sign_in_of(town, link_in(mail)) == ("InvalidToken" if done else "SignedIn")
    assert await can_sign_in(town, dupont, NEW_PASSWORD)
    await all_is_well(system)


async def test_the_broker_is_killed_and_started_again_in_the_middle_of_a_rush(found: Found, system: System) -> None:
    names = [f"f{n}" for n in range(20)]
    town = await found(activities=[activity("aps", capacity=7, waiting_list=4)], families=[family(name) for name in names])
    families = await town.everybody(*names)
    days = next_days(8)
    said: list[str] = []
    rush = [asyncio.create_task(books_day_by_day(one, days, said)) for one in families]
    for _ in range(2):
        begun = len(said)
        await until(lambda: under_way(said, begun + 15))  # noqa: B023 -- awaited before it changes
        await asyncio.to_thread(system.nats.stop, kill=True)
        # Without a broker, requests are taken in and decided all the same.
        await until(lambda: under_way(said, begun + 45))  # noqa: B023 -- awaited before it changes
        await asyncio.to_thread(system.nats.start)
    everything = await asyncio.gather(*rush)
    await as_it_should_be(families, everything, places=7, waiting=4)
    await all_is_well(system)


@pytest.mark.parametrize("seed", [1])
async def test_processes_are_killed_at_random_in_the_middle_of_a_rush(found: Found, system: System, seed: int) -> None:
    names = [f"f{n}" for n in range(20)]
    town = await found(activities=[activity("aps", capacity=7, waiting_list=4)], families=[family(name) for name in names])
    families = await town.everybody(*names)
    days = next_days(8)
    chance = random.Random(seed)
    said: list[str] = []
    rush = [asyncio.create_task(books_day_by_day(one, days, said)) for one in families]
    killed = 0
    while not all(one.done() for one in rush):
        victim = chance.choice(["booking", "booking", "billing", "mailer", "gateway"])
        await asyncio.to_thread(system.kill, victim)
        await asyncio.to_thread(system.start, victim)
        killed += 1
    assert killed >= 2, "a rush that is over before anybody dies proves nothing"
    await as_it_should_be(families, await asyncio.gather(*rush), places=7, waiting=4)
    await all_is_well(system)


async def test_two_processes_of_booking_share_a_rush_and_one_of_them_is_killed(found: Found, system: System) -> None:
    """Half of the families ask the one, half the other; whoever is not answered any more asks the one that is left, with the same key."""
    names = [f"f{n}" for n in range(20)]
    town = await found(activities=[activity("aps", capacity=7, waiting_list=4)], families=[family(name) for name in names])
    families = await town.everybody(*names)
    days = next_days(8)
    both = ["booking", await asyncio.to_thread(system.start_another, "booking")]
    said: list[str] = []
    asked = [Asking(system, one, both[index % 2 :] + both[: index % 2], said) for index, one in enumerate(families)]
    rush = [asyncio.create_task(one.asks_day_by_day(days)) for one in asked]
    await until(lambda: under_way(said, 40), within=60)
    assert len(said) < 140, "a rush that is over proves nothing"
    await asyncio.to_thread(system.kill, both[1])
    everything = await asyncio.gather(*rush)
    await as_it_should_be(families, everything, places=7, waiting=4)
    assert {one.answered_by[0] for one in asked} == set(both), "each of them answered"
    requests = [request for one in asked for request in one.requests.values()]
    assert [len(answered) for answered in requests] == [1] * 160, "one key is one request, whoever answers"
    assert await decided_once(system, {id_ for answered in requests for id_ in answered})
    await all_is_well(system)


async def test_told_to_stop_under_load_a_service_leaves_in_time_and_loses_nothing(found: Found, system: System) -> None:
    names = [f"f{n}" for n in range(10)]
    town = await found(activities=[activity("aps", capacity=50)], families=[family(name) for name in names])
    families = await town.everybody(*names)
    days = next_days(25)
    said: list[str] = []
    rush = [asyncio.create_task(books_day_by_day(one, days, said)) for one in families]
    await until(lambda: under_way(said, 30))
    assert len(said) < 200, "a rush that is over proves nothing"
    seconds = await asyncio.to_thread(system.terminate, "booking")
    await asyncio.to_thread(system.start, "booking")
    assert seconds < 10
    assert await asyncio.gather(*rush) == [["ACCEPTED"] * 25] * 10
    await all_is_well(system)


# ------------------------------------------------------------------------------------------------------------ the parts
async def dies_of(
    system: System, process: str, point: str, ask: Callable[[], Awaitable[dict[str, Any]]], field: str, *, again: bool = True
) -> bool:
    """The process dies there of what is asked, and is started again. Whether that had to be asked `again`, for want of an answer."""
    while not await starts_to_die(system, process, point):
        await asyncio.to_thread(system.died, process)
        await asyncio.to_thread(system.start, process)
    lost = "errors" in await ask()
    await asyncio.to_thread(system.died, process)
    await asyncio.to_thread(system.start, process)
    if lost and again:
        assert (await ask())["data"][field]
    return lost


async def starts_to_die(system: System, process: str, point: str) -> bool:
    """It waits for what is asked. False: it has died already, of what it had still to say by itself."""
    await until(partial(said_all, system, process))
    await asyncio.to_thread(system.kill, process)
    await asyncio.to_thread(system.start, process, crash_at=point)
    try:
        await asyncio.to_thread(system.wait_until_ready, process)
    except AssertionError:
        return False
    return True


async def said_all(system: System, process: str) -> bool:
    """its outbox is published"""
    database = Database(system.databases[process])
    try:
        async with database.reading() as session:
            return (await session.exec(select(Outgoing.position).where(col(Outgoing.published).is_(False)).limit(1))).first() is None
    finally:
        await database.close()


async def mails_with_links(one: Family, count: int) -> list[dict[str, Any]]:
    """so many mails have come with a link for a new password"""
    return [mail for mail in await mails(one, count) if LINK.search(str(mail))]


def link_in(mail: dict[str, Any]) -> str:
    found = LINK.search(str(mail))
    assert found is not None, mail
    return found[1]


async def sign_in_of(town: Town, token: str) -> str:
    """What came of using the link, such as SignedIn."""
    kind: str = (await town.post(RESET, {"token": token}))["data"]["resetPassword"]["__typename"]
    return kind


async def can_sign_in(town: Town, one: Family, password: str) -> bool:
    return "accessToken" in (await town.post(SIGN_IN, {"login": one.id, "password": password}))["data"]["signIn"]


async def insists(one: Family, days: list[dt.date], given_back: Sequence[dt.date] = ()) -> list[str]:
    lines = [one.line(day) for day in days] + [one.line(day, change="CANCEL") for day in given_back]
    return answers(await one.insists(lines, key="a double click is no second order"))


async def signs_in_and_insists(town: Town, days: list[dt.date]) -> list[str]:
    """As a parent does whose sign-in broke."""
    while True:
        try:
            one = await town.sign_in("dupont")
        except (AssertionError, TypeError, KeyError):
            await asyncio.sleep(0.1)
        else:
            return await insists(one, days)


async def books_day_by_day(one: Family, days: list[dt.date], said: list[str]) -> list[str]:
    """In one request per day, each sent until it is answered; each answer is noted in `said`, which all share."""
    result = []
    for day in days:
        result += answers(await one.insists([one.line(day)], key=f"{one.id}-{day}", within=90))
        said.append(result[-1])
    return result


@dataclass
class Asking:
    """A family that asks processes of booking themselves, past the gateway: the first one as long as it lives."""

    system: System
    family: Family
    processes: list[str]
    said: list[str]
    answered_by: list[str] = field(default_factory=list)
    requests: dict[str, set[str]] = field(default_factory=dict)  #: Key -> what came of it.

    async def asks_day_by_day(self, days: list[dt.date]) -> list[str]:
        found = []
        async with httpx2.AsyncClient(timeout=60) as client:
            for day in days:
                order = {"family": self.family.id, "idempotencyKey": f"{self.family.id}-{day}", "lines": [self.family.line(day)]}
                for _ in range(2):  # a double click
                    request = await until(lambda: self._answer(client, order), within=60)  # noqa: B023 -- awaited before it changes
                    self.requests.setdefault(str(day), set()).add(request["id"])
                found += answers(request)
                self.said.append(found[-1])
        return found

    async def _answer(self, client: httpx2.AsyncClient, order: dict[str, Any]) -> dict[str, Any]:
        """decided by one of them"""
        headers = {"authorization": f"Bearer {self.family.token}"}
        for process in self.processes:
            with suppress(httpx2.HTTPError):
                address = f"http://127.0.0.1:{self.system.ports[process]}/graphql"
                answer = await client.post(address, json={"query": SUBMIT, "variables": {"input": order}}, headers=headers)
                request: dict[str, Any] = answer.json()["data"]["submitBookings"]
                self.answered_by.append(process)
                return request if request["decided"] else {}
        return {}


async def decided_once(system: System, requests: set[str]) -> bool:
    """Each of them was told, once."""
    database = Database(system.databases["booking"])
    query = "SELECT about FROM outgoing WHERE type = 'fr.preau.booking.request_decided.v1'"
    async with database.reading() as session:
        told = Counter((await (await session.connection()).exec_driver_sql(query)).scalars())
    await database.close()
    return {told[request] for request in requests} == {1}


async def under_way(said: list[str], at_least: int) -> bool:
    """so many answers were given"""
    return len(said) >= at_least


async def as_it_should_be(families: list[Family], everything: list[list[str]], *, places: int, waiting: int) -> None:
    """Every day is sold out and its line full, never more; each family's answers are what the tables say, and cost what they cost."""
    for column in zip(*everything, strict=True):
        given = sorted(answer.split()[0] for answer in column)
        assert given.count("ACCEPTED") == places
        assert given.count("WAITLISTED") == waiting
        assert given.count("REFUSED") == len(families) - places - waiting
    for one, its_answers in zip(families, everything, strict=True):
        assert sorted((await one.bookings()).values()) == sorted(answer for answer in its_answers if not answer.startswith("REFUSED"))
        await one.costs(131 * its_answers.count("ACCEPTED"), within=60)


async def mails(one: Family, count: int) -> list[dict[str, Any]]:
    """so many mails have come"""
    found = await one.mails()
    return found if len(found) >= count else []


async def all_is_well(system: System) -> None:
    """`preau check` agrees: what it prints is shown if it does not."""
    assert await check(Settings.from_environment(system.environment))
