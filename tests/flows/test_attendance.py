"""A day at school, through the whole system: the agent signs in, sees who comes and how old, records them, closes the day."""

import datetime as dt
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.facts import until
from tests.flows import town as towns
from tests.flows.system import System
from tests.flows.test_subscriber import all_of, troubles
from tests.flows.town import PASSWORD, SIGN_IN, Family, Town, activity, family, today

ROSTER = """query($activity: ID!, $date: Date!) { roster(activity: $activity, date: $date) { closed activity { name }
  entries { attendance enrolled child { id firstName lastName birthDate age(on: $date) } booking { id status priceCents } }
  counts { places taken notRecorded withoutBooking } } }"""
RECORD = """mutation($activity: ID!, $date: Date!, $entries: [AttendanceInput!]!) {
  recordAttendance(activity: $activity, date: $date, entries: $entries) { ... on Refusal { code }
    ... on AttendanceRecorded { answers { refusal { code message } child { firstName age(on: $date) } entry { attendance arrival } } } } }"""
CLOSE = """mutation($activity: ID!, $date: Date!) { closeDay(activity: $activity, date: $date) { ... on Refusal { code }
  ... on Roster { closed version entries { child { firstName } attendance presumed } } } }"""
REOPEN = """mutation($activity: ID!, $date: Date!, $reason: String!) { reopenDay(activity: $activity, date: $date, reason: $reason) {
  ... on Roster { closed version } ... on Refusal { code } } }"""
CONSUMED = """query($month: YearMonth!) { me { families { consumptions(month: $month) { totalCents consumptions {
  date child { firstName } activity { name } wallet { name } arrival departure attendance amountCents explanation { label amountCents }
} } } } }"""
CANCEL = "mutation($id: ID!) { cancelBooking(booking: $id) { ... on Booking { status } ... on Refusal { code } } }"


@pytest.fixture
async def town(system: System, tmp_path: Path) -> AsyncIterator[Town]:
    """Today three children have a place; Nina is enrolled, and has none. An agent keeps the roster."""
    day = today().isoformat()
    aps = activity("aps", open_on=[day], hours={"arrival": "00:00", "departure": "23:59"}, attendance={"close_after_days": 3})
    families = [
        family("dupont", children=("amalia", "paolo"), bookings=[booked("amalia", day), booked("paolo", day)]),
        family("martin", children=("zoe", "nina"), bookings=[booked("zoe", day)]),
    ]
    structure = f"town{next(towns.ids)}"
    file = towns.renamed(structure, [aps], families)
    agent = {"login": f"{structure}-agent", "password": PASSWORD, "first_name": "Anne", "last_name": "MARTIN", "agent": True}
    file["accounts"].append(agent)
    path = tmp_path / f"{structure}.yaml"
    path.write_text(yaml.safe_dump(file, allow_unicode=True, sort_keys=False))
    await towns.load_file(system, path)
    async with system.client() as client:
        yield Town(system, structure, client, file)


def booked(child: str, day: str) -> dict[str, Any]:
    return {"child": child, "activity": "aps", "date": day}


async def test_the_agent_keeps_the_roster_and_closes_the_day_which_is_told_once(system: System, town: Town) -> None:
    login = await town.post(SIGN_IN, {"login": f"{town.structure}-agent", "password": PASSWORD})
    token, day = login["data"]["signIn"]["accessToken"], {"activity": town.named("aps"), "date": today().isoformat()}
    dupont = await town.sign_in("dupont")

    async def asks(query: str, **more: Any) -> Any:
        answer = await town.post(query, {**day, **more}, token=token)
        assert "errors" not in answer, answer
        (found,) = answer["data"].values()
        return found

    roster = await asks(ROSTER)
    assert (roster["closed"], roster["activity"]["name"]) == (False, "APS")
    assert roster["counts"] == {"places": 10, "taken": 3, "notRecorded": 3, "withoutBooking": 0}
    amalia = roster["entries"][0]
    born = dt.date(2015, 4, 12)
    age = today().year - born.year - ((today().month, today().day) < (born.month, born.day))
    assert amalia["child"] == {
        "id": town.named("amalia"),
        "firstName": "Amalia",
        "lastName": "DUPONT",
        "birthDate": "2015-04-12",
        "age": age,
    }
    assert (amalia["booking"]["status"], amalia["booking"]["priceCents"]) == ("ACCEPTED", 131)

    entries = [
        {"booking": amalia["booking"]["id"], "attendance": "PRESENT", "arrival": "07:41"},
        {"child": town.named("zoe"), "attendance": "ABSENT_JUSTIFIED", "note": "Malade"},
        {"child": town.named("nina"), "attendance": "PRESENT", "arrival": "07:50", "departure": "08:40"},
        {"child": "nobody", "attendance": "PRESENT"},
    ]
    recorded = (await asks(RECORD, entries=entries))["answers"]
    assert [one["entry"] and one["entry"]["attendance"] for one in recorded] == ["PRESENT", "ABSENT_JUSTIFIED", "PRESENT", None]
    assert recorded[2]["child"] == {"firstName": "Nina", "age": age - 1}
    assert recorded[3]["refusal"] == {"code": "UNKNOWN_CHILD", "message": "Cet enfant n’existe pas."}

    closed = await asks(CLOSE)
    assert (closed["closed"], closed["version"]) == (True, 1)
    assert [(one["child"]["firstName"], one["attendance"], one["presumed"]) for one in closed["entries"]] == [
        ("Amalia", "PRESENT", False),
        ("Paolo", "PRESENT", True),
        ("Zoe", "ABSENT_JUSTIFIED", False),
        ("Nina", "PRESENT", False),
    ]
    assert await asks(CLOSE) == closed
    cancelled = await dupont.ask(CANCEL, {"id": amalia["booking"]["id"]})
    assert cancelled["cancelBooking"]["code"] == "TOO_LATE_TO_CANCEL"

    assert (await asks(REOPEN, reason="Nina n'était pas là")) == {"closed": False, "version": 1}
    assert (await asks(RECORD, entries=[{"child": town.named("nina"), "attendance": "NOT_RECORDED"}]))["answers"][0]["refusal"] is None
    assert (await asks(CLOSE))["version"] == 2

    subject = f"preau.{town.structure}.booking.day_settled"

    async def told() -> list[Any]:
        found = await all_of(system, subject)
        return found if len(found) == 2 else []

    messages = await until(told)
    assert [trouble for message in messages for trouble in troubles(message, town)] == []
    first, second = (json.loads(message.data) for message in messages)
    assert (first["version"], second["version"]) == (1, 2)
    assert {
        (one["child"].split("-")[-1], one["attendance"], one["arrival"], one["departure"], one["booked"]) for one in first["attendances"]
    } == {
        ("amalia", "PRESENT", "07:41", "23:59", True),
        ("paolo", "PRESENT", "00:00", "23:59", True),
        ("zoe", "ABSENT_JUSTIFIED", None, None, True),
        ("nina", "PRESENT", "07:50", "08:40", False),
    }
    assert [one["child"] for one in second["attendances"]] == [town.named(name) for name in ("amalia", "paolo", "zoe")]

    await dupont.costs(0)
    martin = await town.sign_in("martin")
    await is_charged(dupont, 262)
    await is_charged(martin, 0)
    assert await consumed(dupont) == [("Amalia", "PRESENT", "07:41", "23:59", 131), ("Paolo", "PRESENT", "00:00", "23:59", 131)]
    assert await consumed(martin) == [("Zoe", "ABSENT_JUSTIFIED", None, None, 0)]

    async def cannot_book() -> bool:
        """S21: whoever owes 2,62 cannot book."""
        found = await dupont.ask("{ me { families { bookingAccess { open refusal { code } } } } }")
        return bool(found["me"]["families"][0]["bookingAccess"] == {"open": False, "refusal": {"code": "ACCOUNT_IN_DEBIT"}})

    await until(cannot_book)
    checked = system.preau("check", check=False)
    assert checked.returncode == 0, checked.stdout


async def is_charged(household: Family, cents: int) -> None:
    async def so() -> bool:
        """The wallets lost that much."""
        balance = await household.balance()
        return bool((balance["balanceCents"], balance["inDebit"]) == (-cents, cents > 0))

    await until(so)


async def consumed(household: Family) -> list[tuple[str, str, str | None, str | None, int]]:
    """S9: as the family reads it."""
    found = await household.ask(CONSUMED, {"month": f"{today():%Y-%m}"})
    (history,) = (one["consumptions"] for one in found["me"]["families"])
    lines = history["consumptions"]
    assert {(one["date"], one["activity"]["name"], one["wallet"]["name"]) for one in lines} == {
        (today().isoformat(), "APS", "PERISCOLAIRE")
    }
    assert history["totalCents"] == sum(one["amountCents"] for one in lines)
    assert all(sum(step["amountCents"] or 0 for step in one["explanation"]) == one["amountCents"] for one in lines)
    shown = ((one["child"]["firstName"], one["attendance"], one["arrival"], one["departure"], one["amountCents"]) for one in lines)
    return sorted(shown)
