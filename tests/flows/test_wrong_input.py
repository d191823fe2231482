"""Whatever nonsense arrives, the answer says what is wrong with it, comes soon, tells nothing of the inside, and nothing is lost.

All through the gateway, on the real system. `told` is the code of the refusal or of the errors, or the type of a good answer.
"""

import asyncio
import datetime as dt
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import yaml

from services.database import Database
from services.identity.hashing import token_sum
from services.identity.tables import Attempt
from services.settings import SERVICES
from tests.flows import questions, town
from tests.flows.questions import Question
from tests.flows.system import System
from tests.flows.town import Family, Town, activity, family, next_days

SECONDS = 8.0  #: For any answer. A submission may wait five for its lines to be decided.
INSIDE = ("INTERNAL_SERVER_ERROR", "Traceback", 'File "', "sqlalchemy", "sqlite", "asyncpg", "psycopg", "SELECT ", "INSERT ", "UPDATE ")
NUL = "a\0b"


@dataclass
class Scene:
    town: Town
    dupont: Family
    martin: Family
    stranger: Family  #: Of another town.
    theirs: str  #: A booking of Martin's.
    own: str  #: A booking of Dupont's.
    petits: str  #: One of Petit's, in the agents' own activity.
    agent: str  #: Access token.
    days: list[dt.date]

    async def send(self, content: bytes | str, *, token: str | None = None, **headers: str) -> httpx2.Response:
        """Any bytes, to the gateway."""
        auth = {"authorization": f"Bearer {token or self.dupont.token}"}
        sent = {"content-type": "application/json"} | auth | {name.replace("_", "-"): value for name, value in headers.items()}
        begun = time.monotonic()
        answer = await self.town.client.post("/graphql", content=content, headers=sent)
        return decent(answer, begun)

    async def ask(self, query: str, variables: dict[str, Any] | None = None, **more: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.send(json.dumps({"query": query, "variables": variables or {}}), **more)).json()
        return answer

    async def submits(self, *lines: dict[str, Any], **more: Any) -> list[str]:
        order = {"family": self.dupont.id, "idempotencyKey": uuid4().hex, "lines": list(lines)} | more
        answer = await self.ask(town.SUBMIT, {"input": order})
        return told(answer)


def decent(answer: httpx2.Response, begun: float) -> httpx2.Response:
    """Soon, no fault of ours, and nothing of the inside."""
    assert time.monotonic() - begun < SECONDS
    assert answer.status_code < 500, answer.text
    assert not any(word in answer.text for word in INSIDE), answer.text
    return answer


def told(answer: dict[str, Any]) -> list[str]:
    """["BAD_USER_INPUT"], ["UNKNOWN_CHILD"], or the answers to the lines of a request."""
    if "errors" in answer:
        for error in answer["errors"]:
            assert len(error["message"]) < 1500
        return sorted({error["extensions"]["code"] for error in answer["errors"]})
    (result,) = answer["data"].values()
    if isinstance(result, dict) and "movements" in result:
        return town.answers(result)
    return [result["code"]] if isinstance(result, dict) and "code" in result else ["OK"]


# -------------------------------------------------------------------------------------------------------------- the town
async def build(system: System, folder: Path) -> Scene:
    activities = [
        activity("aps"),
        activity("other"),
        activity("multi", hours={"from": "07:30", "to": "18:30", "step_minutes": 15, "minimum_minutes": 60}),
        activity("shut", closed_on=["today+40d"], open_on=[]),
        activity("soon", season={"from": "today-40d", "to": "today+60d"}),
        activity("atelier"),
    ]
    families = [family("dupont", activities=["aps", "multi", "shut", "soon"]), family("martin"), family("petit", activities=["atelier"])]
    async with system.client() as client:
        here = await found(system, folder, client, activities, families)
        elsewhere = await found(system, folder, client, activities, [family("stranger")])
        dupont, martin, petit = await here.everybody("dupont", "martin", "petit")
        agent = (await here.agent()).token
        stranger = await elsewhere.sign_in("stranger")
        days = next_days(60, start_in=5)
        ids = []
        for one, wish in ((martin, martin.line(days[0])), (dupont, dupont.line(days[0])), (petit, petit.line(days[0], activity="atelier"))):
            request = await one.submits([wish])
            assert town.answers(request) == ["ACCEPTED"]
            ids.append(request["movements"][0]["booking"]["id"])
    return Scene(here, dupont, martin, stranger, *ids, agent, days)


async def found(system: System, folder: Path, client: httpx2.AsyncClient, activities: Sequence[Any], families: Sequence[Any]) -> Town:
    structure = f"town{next(town.ids)}"
    file = town.renamed(structure, activities, families)
    agent = {"login": f"{structure}-agent", "password": town.PASSWORD, "first_name": "Anne", "last_name": "MARTIN", "agent": True}
    file["accounts"].append(agent)
    path = folder / f"{structure}.yaml"
    path.write_text(yaml.safe_dump(file, allow_unicode=True, sort_keys=False))
    await town.load_file(system, path)
    return Town(system, structure, client, file)


@pytest.fixture(scope="module")
def built(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """When all is over, no process has noted a fault of its own, or anything that was secret."""
    scene = asyncio.run(build(system, tmp_path_factory.mktemp("nonsense")))
    logs = {name: system.folder / f"{name}.log" for name in ("gateway", *SERVICES)}
    sizes = {name: log.stat().st_size for name, log in logs.items()}
    yield scene
    for name, log in logs.items():
        noted = log.read_bytes()[sizes[name] :].decode(errors="replace")
        for never in ('"event": "failed"', '"event": "no plan"', town.PASSWORD, scene.dupont.token):
            assert never not in noted, f"{name} notes {never}: {noted[-5000:]}"


@pytest.fixture
async def scene(built: Scene) -> AsyncIterator[Scene]:
    """After each test an ordinary booking still works, and what was booked before is still booked."""
    async with built.town.system.client() as client:
        built.town.client = built.stranger.town.client = client
        yield replace(built)
        day, first = built.days[-1], built.days[0].isoformat()
        assert await built.dupont.asks(day) == ["ACCEPTED"]
        assert (await built.dupont.bookings())[first] == "ACCEPTED"
        assert await built.martin.bookings() == {first: "ACCEPTED"}
        assert await built.dupont.cancels(day) == ["CANCELLED"]


# -------------------------------------------------------------------------------------------------- whole requests refused
def line(scene: Scene, n: int = 1, **changed: Any) -> dict[str, Any]:
    return scene.dupont.line(scene.days[n]) | changed


async def test_a_request_about_what_is_unknown_or_foreign_is_refused_whole(scene: Scene) -> None:
    foreign_child, foreign_activity = scene.stranger.town.named("stranger-child"), scene.stranger.town.named("aps")
    for changed, code in (
        ({"child": "nobody"}, "UNKNOWN_CHILD"),
        ({"child": ""}, "UNKNOWN_CHILD"),
        ({"child": scene.town.named("martin-child")}, "UNKNOWN_CHILD"),
        ({"child": foreign_child}, "UNKNOWN_CHILD"),
        ({"activity": "nothing"}, "UNKNOWN_ACTIVITY"),
        ({"activity": foreign_activity}, "UNKNOWN_ACTIVITY"),
        ({"activity": "x" * 100_000}, "UNKNOWN_ACTIVITY"),
        ({"child": "' OR 1=1 --"}, "UNKNOWN_CHILD"),
        ({"child": 12}, "UNKNOWN_CHILD"),  # ID takes numbers.
    ):
        assert await scene.submits(line(scene), line(scene, **changed)) == [code], changed
    for family_id in ("nobody", "", scene.martin.id, scene.stranger.id):
        assert await scene.submits(line(scene), family=family_id) == ["UNKNOWN_FAMILY"]
    assert sorted(await scene.dupont.bookings()) == [scene.days[0].isoformat()]


PREVIEW = """query($family: ID!, $lines: [BookingLineInput!]!) { previewBookings(family: $family, lines: $lines) {
  ... on Preview { bookings { forecast priceCents refusal { code } } } ... on Refusal { code } } }"""
TOGGLE = """query($input: ToggleInput!) { toggleBookings(input: $input) {
  ... on Toggled { draft { date } skipped { date code } } ... on Refusal { code } } }"""
COPY = """query($input: CopyInput!) { copyBookings(input: $input) {
  ... on CopyPlan { draft { date } skipped { date code } } ... on Refusal { code } } }"""


async def test_drafts_about_what_is_unknown_or_foreign_are_refused_too(scene: Scene) -> None:
    town_, child, aps = scene.town, scene.town.named("dupont-child"), scene.town.named("aps")
    month, day = scene.days[1].isoformat()[:7], scene.days[1].isoformat()
    toggle = {"scope": "DAY", "child": child, "activity": aps, "month": month, "day": day}
    copying = {"fromChild": child, "fromActivity": aps, "toChild": child, "toActivity": town_.named("soon"), "from": day, "to": day}
    for children, code in (("nobody", "UNKNOWN_CHILD"), (town_.named("martin-child"), "UNKNOWN_CHILD")):
        assert told(await scene.ask(PREVIEW, {"family": scene.dupont.id, "lines": [line(scene, child=children)]})) == [code]
        assert told(await scene.ask(TOGGLE, {"input": {**toggle, "child": children}})) == [code]
        assert told(await scene.ask(TOGGLE, {"input": {**toggle, "draft": [line(scene, child=children)]}})) == [code]
        for which in ("fromChild", "toChild"):
            assert told(await scene.ask(COPY, {"input": {**copying, which: children}})) == [code]
    assert told(await scene.ask(PREVIEW, {"family": scene.martin.id, "lines": [line(scene)]})) == ["UNKNOWN_FAMILY"]
    assert told(await scene.ask(TOGGLE, {"input": {**toggle, "activity": "nothing"}})) == ["UNKNOWN_ACTIVITY"]
    assert told(await scene.ask(TOGGLE, {"input": {**toggle, "activity": town_.named("other")}})) == ["NOT_ENROLLED"]
    assert told(await scene.ask(COPY, {"input": {**copying, "toActivity": town_.named("other")}})) == ["NOT_ENROLLED"]
    assert told(await scene.ask(TOGGLE, {"input": {**toggle, "activity": town_.named("multi")}})) == ["HOURS_REQUIRED"]
    wrong_hours = {"activity": town_.named("multi"), "arrival": "06:00", "departure": "09:00"}
    assert told(await scene.ask(TOGGLE, {"input": {**toggle, **wrong_hours}})) == ["HOURS_NOT_ALLOWED"]
    assert told(await scene.ask(TOGGLE, {"input": {**toggle, "day": None}})) == ["BAD_USER_INPUT"]
    assert told(await scene.ask(COPY, {"input": {**copying, "to": "0001-01-01"}})) == ["BAD_USER_INPUT"]
    assert told(await scene.ask(COPY, {"input": {**copying, "from": "0001-01-01", "to": "9999-12-31"}})) == ["BAD_USER_INPUT"]
    assert told(await scene.ask(PREVIEW, {"family": scene.dupont.id, "lines": [line(scene)] * 501})) == ["TOO_MANY_LINES"]
    assert told(await scene.ask(TOGGLE, {"input": {**toggle, "draft": [line(scene)] * 501}})) == ["TOO_MANY_LINES"]


async def test_too_few_and_too_many_lines(scene: Scene) -> None:
    assert await scene.submits() == ["NOTHING_TO_SUBMIT"]
    short = {**line(scene), "child": "c", "activity": "a"}
    for count in (501, 10_000):
        assert await scene.submits(*[short] * count) == ["TOO_MANY_LINES"], count
    order = {"family": scene.dupont.id, "idempotencyKey": "k", "lines": [line(scene)] * 20_000}
    answer = await scene.send(json.dumps({"query": town.SUBMIT, "variables": {"input": order}}))
    assert (answer.status_code, told(answer.json())) == (413, ["REQUEST_TOO_LARGE"])


async def test_keys_and_groups_that_cannot_be(scene: Scene) -> None:
    for key in ("", "k" * 201, "k" * 500_000, None):
        assert await scene.submits(line(scene), idempotencyKey=key) == ["BAD_USER_INPUT"]
    for together in ([[0, 1]], [[-1]], [[0], [7]], [[2**31 - 1]], [[2**31]], [[2**70]], [[0.5]], [["0"]], [[None]], [None], None, "0"):
        assert await scene.submits(line(scene), together=together) == ["BAD_USER_INPUT"], together
    assert sorted(await scene.dupont.bookings()) == [scene.days[0].isoformat()]


DATES = ("2026-02-30", "2026-13-01", "2026-00-10", "0000-01-01", "2026-1-1", "20261123", "2026-W48-1", "٢٠٢٦-01-01", "", "tomorrow")
NO_DATES: tuple[Any, ...] = (*DATES, "2026-11-23T00:00:00Z", "-2026-01-01", "99999-01-01", "2026-11-23\n", 20261123, True, [], {})
TIMES = ("25:00", "24:00", "07:60", "7:30", "07:30:00", "", "noon", "07:30\n", "٠٧:30", 730, True, [])
MONTHS = ("2026-13", "2026-00", "2026-1", "2026", "0001-01", "9999-12", "2026-11-01", "", "٢٠٢٦-11", 202611, True)


async def test_days_times_and_months_that_there_are_not(scene: Scene) -> None:
    calendar = "query($month: YearMonth!) { me { families { children { calendar(month: $month) { asOf } } } } }"
    day = "query($date: Date!) { me { families { children { day(date: $date) { state } } } } }"
    until = "query($until: Date) { me { families { balance(until: $until) { balanceCents } } } }"
    payments = "query($month: YearMonth!) { me { families { payments(month: $month) { totalCents } } } }"
    for date in NO_DATES:
        assert await scene.submits(line(scene, date=date)) == ["BAD_USER_INPUT"], date
        assert told(await scene.ask(day, {"date": date})) == ["BAD_USER_INPUT"], date
        assert told(await scene.ask(until, {"until": date})) == ["BAD_USER_INPUT"], date
    for moment in TIMES:
        for which in ("arrival", "departure"):
            assert await scene.submits(line(scene, **{which: moment})) == ["BAD_USER_INPUT"], moment
    for month in MONTHS:
        assert told(await scene.ask(calendar, {"month": month})) == ["BAD_USER_INPUT"], month
        assert told(await scene.ask(payments, {"month": month})) == ["BAD_USER_INPUT"], month
    for date in ("2026-02-30", "x"):  # Written into the document.
        assert told(await scene.ask(day.replace("($date: Date!)", "").replace("$date", f'"{date}"'))) == ["BAD_USER_INPUT"]


async def test_the_ends_of_time_are_days_like_others(scene: Scene) -> None:
    query = """query($day: Date!) { me { families { balance(until: $day) { balanceCents lines { newBalanceCents } }
      bookings(from: $day, to: $day) { totalCount } children { day(date: $day) { state reason } } } } }"""
    for day in ("0001-01-01", "1582-10-10", "1900-02-28", "9999-12-31"):
        me = (await scene.dupont.ask(query, {"day": day}))["me"]
        (shown,) = {one["state"] for one in me["families"][0]["children"][0]["day"]}
        assert shown == "CLOSED"
        assert await scene.submits(line(scene, date=day)) == ["REFUSED CLOSED"]
        assert await scene.submits(line(scene, date=day, change="CANCEL")) == ["REFUSED UNKNOWN_BOOKING"]


# -------------------------------------------------------------------------------------------------------- line by line
async def test_each_wrong_line_has_its_own_answer_and_spoils_no_other(scene: Scene) -> None:
    multi, today = scene.town.named("multi"), town.today()
    hours = [
        ("HOURS_REQUIRED", None, None),
        ("HOURS_REQUIRED", "08:00", None),
        ("HOURS_REQUIRED", None, "12:00"),
        ("HOURS_NOT_ALLOWED", "07:00", "12:00"),
        ("HOURS_NOT_ALLOWED", "08:00", "19:00"),
        ("HOURS_NOT_ALLOWED", "08:05", "12:00"),
        ("HOURS_NOT_ALLOWED", "08:00", "12:10"),
        ("HOURS_NOT_ALLOWED", "08:00", "08:45"),
        ("HOURS_NOT_ALLOWED", "12:00", "08:00"),
        ("HOURS_NOT_ALLOWED", "08:00", "08:00"),
        ("HOURS_NOT_ALLOWED", "00:00", "23:59"),
    ]
    wrong = [
        (code, line(scene, n, activity=multi, arrival=arrival, departure=departure)) for n, (code, arrival, departure) in enumerate(hours)
    ]
    wrong += [
        ("HOURS_NOT_ALLOWED", line(scene, 20, arrival="07:00", departure="08:45")),
        ("CLOSED", line(scene, activity=scene.town.named("shut"), date=(today + dt.timedelta(40)).isoformat())),
        ("CLOSED", line(scene, activity=scene.town.named("soon"), date=(today + dt.timedelta(61)).isoformat())),
        ("CLOSED", line(scene, date=(today + dt.timedelta(500)).isoformat())),
        ("CLOSED", line(scene, date=(today - dt.timedelta(500)).isoformat())),
        ("TOO_LATE", line(scene, date=(today + dt.timedelta(1)).isoformat())),
        ("NOT_ENROLLED", line(scene, activity=scene.town.named("other"))),
        ("ALREADY_BOOKED", line(scene, 0)),
        ("UNKNOWN_BOOKING", line(scene, 22, change="CANCEL")),
    ]
    good = line(scene, 21)
    found = await scene.submits(
        good, *(each for _, each in wrong), good, line(scene, 23, activity=multi, arrival="08:00", departure="18:30")
    )
    assert found == ["ACCEPTED", *(f"REFUSED {code}" for code, _ in wrong), "REFUSED ALREADY_BOOKED", "ACCEPTED"]
    back = [{**good, "change": "CANCEL"}, line(scene, 23, change="CANCEL", activity=multi, arrival="08:00", departure="18:30")]
    assert await scene.submits(*back, back[0]) == ["CANCELLED", "CANCELLED", "REFUSED UNKNOWN_BOOKING"]


async def test_cancelling_what_is_not_ones_own(scene: Scene) -> None:
    cancel = "mutation($id: ID!) { cancelBooking(booking: $id) { ... on Booking { status } ... on Refusal { code message } } }"
    for booking in (scene.theirs, "nothing", "", "x" * 100_000, "' OR 1=1 --", uuid4().hex, 7):
        assert told(await scene.ask(cancel, {"id": booking})) == ["UNKNOWN_BOOKING"]
    for booking in (None, [], {}, True, 1.5):
        assert told(await scene.ask(cancel, {"id": booking})) == ["BAD_USER_INPUT"], booking


async def test_pages_that_there_are_not(scene: Scene) -> None:
    for field in ("bookings", "requests"):
        query = f"query($first: Int, $after: String) {{ me {{ families {{ {field}(first: $first, after: $after) {{ totalCount nodes {{ id }} }} }} }} }}"
        for first in (-1, -(2**31), 501, 2**31 - 1, 2**31, 2**63, 10**400, 1.5, "10", True):
            assert told(await scene.ask(query, {"first": first})) == ["BAD_USER_INPUT"], first
        for after in ("", "x", "////", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "LTE=|", "x" * 100_000, "4pi6", "MDAwMS0wMS0wMXwx" * 9):
            assert told(await scene.ask(query, {"after": after})) == ["BAD_USER_INPUT"], after
        assert told(await scene.ask(query, {"first": 0})) == ["OK"]


PAY = "mutation($input: StartPaymentInput!) { startPayment(input: $input) { ... on Refusal { code } } }"


async def test_payments_that_cannot_be(scene: Scene) -> None:
    wallet = scene.town.named("periscolaire")

    async def pays(*lines: tuple[Any, Any], **more: Any) -> list[str]:
        paid = [{"wallet": purse, "amountCents": cents} for purse, cents in lines]
        return told(await scene.ask(PAY, {"input": {"family": scene.dupont.id, "lines": paid, "idempotencyKey": "pay"} | more}))

    assert await pays((wallet, 100)) == ["OK"]
    assert await pays((wallet, 101)) == ["IDEMPOTENCY_KEY_REUSED"]
    assert await pays((wallet, 1_000_000_01), idempotencyKey="more") == ["INVALID_AMOUNT"]
    for lines in ([], [(wallet, 0)], [(wallet, -1)], [(wallet, 1), (wallet, 1)]):
        assert await pays(*lines) == ["INVALID_AMOUNT"]
    assert await pays((wallet, 100), email="nobody") == ["EMAIL_REQUIRED"]
    for cents in (2**31, 10**400, 1.5, "100", None):
        assert await pays((wallet, cents)) == ["BAD_USER_INPUT"], cents
    for purse in ("nothing", scene.stranger.town.named("periscolaire")):
        assert await pays((purse, 100)) == ["FORBIDDEN"]
    for family_id in ("nobody", scene.martin.id, scene.stranger.id):
        assert await pays((wallet, 100), family=family_id) == ["FORBIDDEN"]


# ------------------------------------------------------------------------------------------------------------------ agents
#: What agents ask and do; each place in it is given nonsense, while the rest makes sense.
AGENTS = {
    "roster",
    "activities",
    "openings",
    "enrolledChildren",
    "acts",
    "allocationRun",
    "criteria",
    "recordAttendance",
    "closeDay",
    "reopenDay",
    "createActivity",
}
AGENTS |= {
    "changeActivity",
    "setOpening",
    "enrollChild",
    "endEnrollment",
    "bookForFamily",
    "cancelForFamily",
    "moveBooking",
    "runAllocation",
}
AGENTS |= {"setFamilyCriteria", "moneyActs", "recordPayment", "refund", "reversePayment", "adjustWallet", "transfer"}
AGENTS |= {"debtors", "closing", "journalFile", "identityActs"}
AGENTS |= {"families", "changeFamily", "changeChild", "addAdult", "inviteAdult", "invitations"}
AGENTS |= {"agents", "childViewings", "importFamilies", "setRole", "changeStructure"}
AGENTS |= {"announcementsOf", "publishAnnouncement", "changeAnnouncement"}
#: Also asked for, though nobody must say them.
SAID = {"capacity": 5, "waitingList": 5, "stepMinutes": 15, "minimumMinutes": 15, "daysBefore": 1, "weeksBefore": 1, "closeAfterDays": 0}
SAID |= {"places": 5, "points": 5, "first": 5, "version": 1, "note": "mot", "category": "mot", "reason": "parce que", "after": None}
#: What its scalar takes, and what it does not: of the latter each place gets one, in turn.
NONSENSE: dict[str, tuple[Sequence[Any], Sequence[Any]]] = {
    "ID": (("nobody", "' OR 1=1 --" * 500), (None, [], 1.5)),
    "Date": (("0001-01-01", "9999-12-31"), ("2026-02-30", None)),
    "LocalTime": (("00:00",), ("24:00", None)),
    "Int": ((-1, 2**31 - 1), (2**31, 1.5, None)),
    "String": (("", "\u202e\ufeff😀\n" * 2_000), (7, None)),
}


async def test_agents_too_are_told_what_is_wrong_whatever_they_send(scene: Scene) -> None:
    here, day = scene.town, scene.days[0].isoformat()
    ids = dict.fromkeys((*questions.NAMES.values(), *questions.BY_ID), "nobody") | {
        "structure": here.structure,
        "activity": here.named("atelier"),
        "family": here.named("petit"),
        "child": here.named("petit-child"),
        "booking": scene.petits,
        "wallet": here.named("periscolaire"),
        "criterion": "resident",
    }
    samples = {"Date": day, "YearMonth": day[:7], "LocalTime": "08:00", "Int": 5, "String": "mot"} | SAID
    asked = [one for one in questions.of(questions.public(), samples) if one.name.split(".")[0] in ("Query", "Mutation")]
    asked = [one for one in asked if one.name.split(".")[1] in AGENTS]
    assert {one.name.split(".")[1] for one in asked} == AGENTS
    found: dict[str, set[str]] = {}
    for question in asked:
        for place, slot in enumerate(question.slots):
            taken, mistaken = NONSENSE[slot.scalar]
            for value in (*taken, mistaken[place % len(mistaken)]):
                variables = question.asked(ids, instead={slot: value}, idempotencyKey=uuid4().hex)
                answer = await scene.ask(question.text, variables, token=scene.agent)
                found.setdefault(question.name, set()).update(told(answer))
                for error in answer.get("errors", ()):
                    assert error["extensions"]["code"] in ("BAD_USER_INPUT", "FORBIDDEN"), (question.name, slot.path, value, error)
    for name in ("roster", "activities", "openings", "acts", "allocationRun", "criteria"):
        assert {"BAD_USER_INPUT", "FORBIDDEN"} <= found[f"Query.{name}"] <= {"BAD_USER_INPUT", "FORBIDDEN", "OK"}, (name, found)
    assert all("BAD_USER_INPUT" in codes and len(codes) > 1 for codes in found.values()), found


async def test_lists_without_end_are_refused_to_agents_too(scene: Scene) -> None:
    activity, day = scene.town.named("atelier"), scene.days[0].isoformat()
    wanted = {"child": "c", "activity": "a", "date": day}
    order = {"family": scene.town.named("petit"), "idempotencyKey": "k", "reason": "parce que"}
    forms = {"bookForFamily": "BookForFamilyInput", "cancelForFamily": "CancelForFamilyInput"}
    for name, bookings in (("bookForFamily", [wanted] * 5_000), ("cancelForFamily", ["b"] * 5_000)):
        query = f"mutation($input: {forms[name]}!) {{ {name}(input: $input) {{ ... on Refusal {{ code }} }} }}"
        assert told(await scene.ask(query, {"input": {**order, "bookings": bookings}}, token=scene.agent)) == ["TOO_MANY_LINES"]
    query = """mutation($activity: ID!, $date: Date!, $entries: [AttendanceInput!]!) {
      recordAttendance(activity: $activity, date: $date, entries: $entries) { ... on Refusal { code } } }"""
    entries = [{"child": "c", "attendance": "PRESENT"}] * 5_000
    assert told(await scene.ask(query, {"activity": activity, "date": day, "entries": entries}, token=scene.agent)) == ["TOO_MANY_LINES"]
    query = 'query($activity: ID!) { openings(activity: $activity, from: "0001-01-01", to: "9999-12-31") { date } }'
    assert told(await scene.ask(query, {"activity": activity}, token=scene.agent)) == ["BAD_USER_INPUT"]
    query = "mutation($family: ID!, $criteria: [String!]!) { setFamilyCriteria(family: $family, criteria: $criteria) { __typename } }"
    assert told(await scene.ask(query, {"family": order["family"], "criteria": ["x"] * 5_000}, token=scene.agent)) == ["BAD_USER_INPUT"]


async def test_what_is_wrong_is_said_in_french_or_in_english_as_it_is_asked_for(scene: Scene) -> None:
    """With the place of the value, so that a screen can show it beside its field."""
    dated = {"input": {"family": scene.dupont.id, "idempotencyKey": "k", "lines": [line(scene), line(scene, date="2026-02-30")]}}
    foreign = 'query { roster(activity: "nothing", date: "2026-12-01") { version } }'
    paged = "query { me { families { bookings(first: 501) { totalCount } } } }"
    for query, variables, french, english in (
        (
            town.SUBMIT,
            dated,
            "input.lines[1].date : un jour qui existe, AAAA-MM-JJ, est attendu, et non « 2026-02-30 ».",
            'input.lines[1].date: An existing day, as YYYY-MM-DD, is expected, not "2026-02-30".',
        ),
        (
            town.SUBMIT,
            {"input": {"family": scene.dupont.id, "idempotencyKey": "k", "lines": [line(scene, change="TAKE")]}},
            "input.lines[0].change : « TAKE » n’est pas une valeur de DraftChange.",
            "Variable '$input' has invalid value at .lines[0].change: Value 'TAKE' does not exist in 'DraftChange' enum.",
        ),
        (
            town.SUBMIT,
            {},
            "input : une valeur est attendue.",
            "Variable '$input' has invalid value: Expected a value of non-null type 'SubmitInput!' to be provided.",
        ),
        (foreign, {}, "Cela n’est pas à vous, ou n’existe pas.", "Not yours, or not there."),
        (paged, {}, "first : un nombre de 0 à 500 est attendu, et non 501.", "first: a number from 0 to 500 is expected, not 501."),
    ):
        for language, message in (("fr", french), ("de", french), ("en-GB", english)):
            (error,) = (await scene.ask(query, variables, accept_language=language))["errors"]
            assert error["message"] == message


# ------------------------------------------------------------------------------------------------------ text and characters
def texts() -> list[tuple[Question, Any]]:
    """Every place of the public schema that takes text."""
    samples = {
        "Date": "2026-12-01",
        "YearMonth": "2026-12",
        "LocalTime": "08:00",
        "Int": 100,
        "String": "mot",
        "after": "mot",
        "month": "2026-12",
    }
    return [(question, slot) for question in questions.of(questions.public(), samples) for slot in question.slots if slot.scalar != "Int"]


async def test_text_that_no_database_keeps_is_told_so_wherever_text_goes(scene: Scene) -> None:
    ids = dict.fromkeys((*questions.NAMES.values(), *questions.BY_ID), "nobody")
    places = texts()
    assert len(places) >= 40
    for question, slot in places:
        variables = question.asked(ids, instead={slot: NUL})
        answer = await scene.ask(question.text, variables)
        assert told(answer) == ["BAD_USER_INPUT"], (question.name, slot.path, answer)
        # As JSON writes half a character: Python's own JSON takes it, and nothing else does.
        half = await scene.send(json.dumps({"query": question.text, "variables": question.asked(ids, instead={slot: "a\ud800b"})}))
        assert (half.status_code, told(half.json())) == (400, ["BAD_REQUEST"]), (question.name, slot.path)


async def test_text_that_no_database_keeps_written_into_the_document(scene: Scene) -> None:
    for written in (r"a\u0000b", r"a\u{0}b", r"a\u{0000}b", "a\0b"):
        assert told(await scene.ask(f'{{ request(id: "{written}") {{ id }} }}')) == ["BAD_USER_INPUT"], written
        assert told(await scene.ask(f'mutation {{ cancelBooking(booking: "{written}") {{ __typename }} }}')) == ["BAD_USER_INPUT"], written
    for written in (r"\ud800", r"\udc00\ud800", r"\u{d800}", r"\u{110000}", r"\u{}", r"\x"):
        assert told(await scene.ask(f'{{ request(id: "{written}") {{ id }} }}')) == ["GRAPHQL_PARSE_FAILED"], written
    for wonder in ("😀" * 50, "\u202e\u0301" * 50, "\ufeff", "ﷺ" * 1000, "\x01\x1f\x7f", "%00%0a", "\\u0000"):
        assert told(await scene.ask("query($id: ID!) { request(id: $id) { id } }", {"id": wonder})) in (["OK"], ["BAD_USER_INPUT"]), wonder


# --------------------------------------------------------------------------------------------------------- GraphQL, malformed
async def test_documents_that_say_nothing_right(scene: Scene) -> None:
    request = "query($id: ID!) { request(id: $id) { id } }"
    for query, variables, code in (
        ("{ me { login ", {}, "GRAPHQL_PARSE_FAILED"),
        ("}", {}, "GRAPHQL_PARSE_FAILED"),
        ("# nothing", {}, "GRAPHQL_PARSE_FAILED"),
        ("{ me { shoeSize } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ me }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ me { login { x } } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ request { id } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ request(id: $id) { id } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query($id: Nothing!) { me { login } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ _service { sdl } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("type Query { me: Int }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query A { me { login } } query B { me { login } }", {}, "OPERATION_RESOLUTION_FAILURE"),
        ("{ me { families { bookings(status: [EATEN]) { totalCount } } } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ me { families { bookings(first: 99999999999999999999) { totalCount } } } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { balanceChanged(family: \"x\") { balanceCents } }", {}, "NOT_ACCEPTABLE"),
        (request, {}, "BAD_USER_INPUT"),
        (request, {"id": None}, "BAD_USER_INPUT"),
        (request, {"id": {"id": "x"}}, "BAD_USER_INPUT"),
        (town.SUBMIT, {"input": {}}, "BAD_USER_INPUT"),
        (town.SUBMIT, {"input": []}, "BAD_USER_INPUT"),
        (TOGGLE, {"input": {"scope": "YEAR"}}, "BAD_USER_INPUT"),
    ):  # fmt: skip
        assert code in told(await scene.ask(query, variables)), query
    assert await scene.submits(line(scene, change="EAT")) == ["BAD_USER_INPUT"]
    assert await scene.submits(line(scene, change=1)) == ["BAD_USER_INPUT"]
    assert await scene.submits(line(scene, colour="red")) == ["BAD_USER_INPUT"]
    assert await scene.submits(line(scene), wish="more") == ["BAD_USER_INPUT"]
    assert await scene.submits(line(scene), acceptWaitingList="yes") == ["BAD_USER_INPUT"]


async def test_documents_that_would_never_end(scene: Scene) -> None:
    bomb = "".join(f"fragment f{n} on Account {{ ...f{n + 1} ...f{n + 1} }}\n" for n in range(40)) + "fragment f40 on Account { login }"
    ring = "{ me { ...a } } fragment a on Account { families { ...b } } fragment b on Family { structure { ...c } } fragment c on Structure { ...c }"
    deep = "{ me " + "{ families { children { activities " * 60 + "{ id }" + " } }" * 60 + " }"
    for query, wanted in (
        (f"{{ me {{ ...f0 }} }} {bomb}", {"OPERATION_TOO_LARGE"}),
        (ring, {"GRAPHQL_VALIDATION_FAILED"}),
        (deep, {"OPERATION_TOO_DEEP", "GRAPHQL_PARSE_FAILED"}),
        ("{" * 30_000, {"OPERATION_TOO_DEEP", "GRAPHQL_PARSE_FAILED", "OPERATION_TOO_LARGE"}),
        ("query($v: [Int]) { me { login } " + "(" * 9_000, {"GRAPHQL_PARSE_FAILED", "OPERATION_TOO_LARGE"}),
        ("{ me { login } x(y: " + "[" * 9_000 + " }", {"OPERATION_TOO_DEEP", "GRAPHQL_PARSE_FAILED", "OPERATION_TOO_LARGE"}),
        ("{ " + " ".join(f"a{n}: me {{ login }}" for n in range(2_000)) + " }", {"OPERATION_TOO_LARGE", "TOO_MANY_ALIASES"}),
        ("{ " + " ".join(f"a{n}: me {{ login }}" for n in range(400)) + " }", {"TOO_MANY_ALIASES"}),
        ("{ " + " ".join("me { login }" for n in range(900)) + " }", {"OPERATION_TOO_LARGE"}),
        ("{ me { login " + "@include(if: true) " * 400 + "} }", {"TOO_MANY_DIRECTIVES", "GRAPHQL_VALIDATION_FAILED"}),
        ("{ me { login } } #" + "x" * 900_000, {"OPERATION_TOO_LARGE", "GRAPHQL_PARSE_FAILED"}),
        ('mutation { a: signIn(login: "a", password: "b") { __typename } b: signIn(login: "a", password: "c") { __typename } }',
         {"ONE_AUTHENTICATION_A_REQUEST"}),
        ('mutation { a: requestPasswordReset(login: "a") b: requestPasswordReset(login: "b") }', {"ONE_AUTHENTICATION_A_REQUEST"}),
    ):  # fmt: skip
        found = told(await scene.ask(query))
        assert len(found) == 1, (query[:80], found)
        assert found[0] in wanted, (query[:80], found)


# -------------------------------------------------------------------------------------------------------------- HTTP, malformed
async def test_bodies_that_are_no_requests(scene: Scene) -> None:
    good = json.dumps({"query": "{ me { login } }"})
    nested = '{"query": "{ me { login } }", "variables": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}"
    for body, code in (
        (b"", "BAD_REQUEST"),
        (b"{", "BAD_REQUEST"),
        (b"null", "BAD_REQUEST"),
        (b"12", "BAD_REQUEST"),
        (b'"{ me { login } }"', "BAD_REQUEST"),
        (b"{ me { login } }", "BAD_REQUEST"),
        (b"{}", "BAD_REQUEST"),
        (b'{"query": null}', "BAD_REQUEST"),
        (b'{"query": 1}', "BAD_REQUEST"),
        (b'{"query": ["{ me { login } }"]}', "BAD_REQUEST"),
        (b'{"query": " "}', "BAD_REQUEST"),
        (b'{"query": "{ me { login } }", "variables": []}', "BAD_REQUEST"),
        (b'{"query": "{ me { login } }", "variables": "{}"}', "BAD_REQUEST"),
        (b'{"query": "{ me { login } }", "operationName": 1}', "BAD_REQUEST"),
        (b'{"query": "{ me { login } }", "extensions": 1}', "BAD_REQUEST"),
        (b'{"query": "{ me { login } }", "variables": {"a": NaN}}', "BAD_REQUEST"),
        (b'{"query": "{ me { login } }"} {}', "BAD_REQUEST"),
        (b'\xef\xbb\xbf{"query": "{ me { login } }"}', "BAD_REQUEST"),
        (b'{"query": "{ me { login } } # \xff\xfe"}', "BAD_REQUEST"),
        (good.encode("utf-16"), "BAD_REQUEST"),
        (nested.encode(), "BAD_REQUEST"),
        (f"[{good}]".encode(), "BATCHES_REFUSED"),
        (("[" + ",".join([good] * 500) + "]").encode(), "BATCHES_REFUSED"),
        (b"[]", "BATCHES_REFUSED"),
        (b'{"query": "' + b"x" * 1_100_000 + b'"}', "REQUEST_TOO_LARGE"),
        (b"\x1f\x8b\x08\x00" + b"\x00" * 50, "BAD_REQUEST"),
    ):
        answer = await scene.send(body)
        assert (answer.status_code, told(answer.json())) == (413 if code == "REQUEST_TOO_LARGE" else 400, [code]), body[:80]


async def test_methods_and_content_types_that_are_not_ours(scene: Scene) -> None:
    good = json.dumps({"query": "{ me { login } }"})
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "text/json",
        "",
    ):
        answer = await scene.send(good, content_type=kind)
        assert (answer.status_code, told(answer.json())) == (415, ["UNSUPPORTED_MEDIA_TYPE"]), kind
    assert (await scene.send(good, content_type="application/json; charset=utf-16")).status_code == 415
    assert (await scene.send(good, accept="text/html")).status_code == 406
    client = scene.town.client
    assert (await client.options("/graphql")).status_code == 204
    assert (await client.head("/graphql")).status_code == 400, "GET without a query"
    for method in ("PUT", "DELETE", "PATCH", "TRACE"):
        answer = decent(await client.request(method, "/graphql", content=good), time.monotonic())
        assert answer.status_code == 405, method
    headers = {"authorization": f"Bearer {scene.dupont.token}"}
    cancel = f'mutation {{ cancelBooking(booking: "{scene.own}") {{ __typename }} }}'
    begun = time.monotonic()
    answer = decent(await client.get("/graphql", params={"query": cancel}, headers=headers), begun)
    assert (answer.status_code, told(answer.json())) == (405, ["METHOD_NOT_ALLOWED"])
    for parameters in ("", "?query", "?query=", "?query=%7B", "?query=%FF", "?query={me{login}}&variables=x", "?query={me{login}}&variables=[]",
                       "?" + "a=1&" * 500, "?query=" + "%00"):  # fmt: skip
        answer = decent(await client.get(f"/graphql{parameters}", headers=headers), begun)
        assert told(answer.json())[0] in ("BAD_REQUEST", "GRAPHQL_PARSE_FAILED"), parameters
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "eA=="}
    assert decent(await client.get("/graphql", headers=upgrade), begun).status_code >= 400
    for path in ("/graphql/", "/nothing", "/../etc/passwd", "/%00", "/.env"):
        assert decent(await client.get(path), begun).status_code in (404, 307), path


async def test_headers_that_say_nothing_right(scene: Scene) -> None:
    good = json.dumps({"query": "{ me { login } }"})
    for headers in (
        {"accept_language": "\\" * 5_000},
        {"accept_language": "tlh, en;q=x"},
        {"traceparent": "00-" + "f" * 400},
        {"x_request_id": "a b\tc"},
        {"x_forwarded_for": "1.2.3.4, ::1, nonsense"},
        {"cookie": "a=" + "b" * 10_000},
        {"authorization": "Basic YTpi"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer " + "x" * 20_000},
    ):
        answer = await scene.send(good, **headers)
        assert told(answer.json()) == ["OK"]
        assert answer.json() == {"data": {"me": None if "authorization" in headers else {"login": scene.dupont.id}}}


async def test_nobody_gets_more_tries_by_saying_that_they_come_from_elsewhere(scene: Scene) -> None:
    """The gateway believes no address that a client claims, and the account's own patience ends in any case."""
    login = f"nobody-{uuid4().hex}"
    sign_in = {"query": town.SIGN_IN, "variables": {"login": login, "password": "guess"}}
    found = []
    for _ in range(6):
        found += told((await scene.send(json.dumps(sign_in), x_forwarded_for="203.0.113.77")).json())
    assert found == ["INVALID_CREDENTIALS"] * 5 + ["TOO_MANY_ATTEMPTS"]
    database = Database(scene.town.system.databases["identity"])
    try:
        async with database.reading() as session:
            assert await session.get(Attempt, token_sum(f"door login {login}")) is not None
            assert await session.get(Attempt, token_sum("door address 203.0.113.77")) is None
    finally:
        await database.close()
    tried = {"query": town.SIGN_IN, "variables": {"login": scene.dupont.id, "password": town.PASSWORD}}
    assert "accessToken" in (await scene.send(json.dumps(tried), x_forwarded_for="203.0.113.77")).text
