"""What the town hall does for a family, through the whole system: it books past the deadline, the mail says why, the trail shows it."""

import json
from typing import Any

from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import activity, answers, family, next_days

BOOK = """mutation($input: BookForFamilyInput!) { bookForFamily(input: $input) { ... on Request { id byAgent reason
  movements { change booking { id status rank date } refusal { code } } } ... on Refusal { code message } } }"""
SET = """mutation($input: SetOpeningInput!) { setOpening(input: $input) { ... on Opening { open taken capacity } ... on Refusal { code } } }"""
CREATE = """mutation($input: CreateActivityInput!) { createActivity(input: $input) { ... on Activity { id settings { wallet { name } } }
  ... on Refusal { code message } } }"""
ENROLL = """mutation($input: EnrollChildInput!) { enrollChild(input: $input) { ... on Enrollment { child { firstName } } ... on Refusal { code } } }"""
ACTS = """query($structure: ID!) { acts(structure: $structure) { nodes { kind agent { firstName lastName } reason date child { firstName } family { number }
  activity { name } booking { status } details { name after } } } }"""


async def test_an_agent_books_past_the_deadline_and_the_family_is_told_why(system: System, found: Found) -> None:
    late = activity("aps", booking_deadline={"days_before": 300, "at": "09:00"}, cancellation_deadline=None)
    town = await found(activities=[late], families=[family("dupont")])
    dupont, agent = await town.sign_in("dupont"), await town.agent()
    (day,) = next_days(1)
    assert await dupont.asks(day) == ["REFUSED TOO_LATE"]
    line = {key: value for key, value in dupont.line(day).items() if key != "change"}
    order = {
        "family": dupont.id,
        "idempotencyKey": "guichet",
        "bookings": [line],
        "reason": "Inscrit au guichet le 3",
        "pastDeadlines": True,
    }
    request = (await agent.ask(BOOK, {"input": order}))["bookForFamily"]
    assert (answers(request), request["byAgent"], request["reason"]) == (["ACCEPTED"], True, "Inscrit au guichet le 3")
    await dupont.costs(131)

    async def told() -> list[dict[str, Any]]:
        return [mail for mail in await dupont.mails() if "Motif : Inscrit au guichet le 3" in mail["text"]]

    (mail,) = await until(told)
    assert "RESERVATIONS ACCEPTEES" in mail["text"]
    assert "Le délai était dépassé : une exception a été faite." in mail["text"]
    (act,) = (await agent.ask(ACTS, {"structure": town.structure}))["acts"]["nodes"]
    details = {one["name"]: one["after"] for one in act.pop("details")}
    assert act == {
        "kind": "BOOK_FOR_FAMILY",
        "agent": {"firstName": "Anne", "lastName": "MARTIN"},
        "reason": "Inscrit au guichet le 3",
        "date": day.isoformat(),
        "child": {"firstName": "Dupont-Child"},
        "family": {"number": act["family"]["number"]},
        "activity": {"name": "APS"},
        "booking": {"status": "ACCEPTED"},
    }
    assert (details["past_deadlines"], "despite_debt" in details, details["status"]) == ("true", False, "ACCEPTED")
    page = (await dupont.ask("{ me { families { requests { nodes { byAgent reason } } } } }"))["me"]["families"][0]["requests"]
    assert page["nodes"] == [{"byAgent": True, "reason": "Inscrit au guichet le 3"}, {"byAgent": False, "reason": None}]
    assert "ok      booking" in system.preau("check", check=False).stdout

    closed = {"activity": town.named("aps"), "date": day.isoformat(), "open": False, "cancelBookings": True, "reason": "Chauffage en panne"}
    assert (await agent.ask(SET, {"input": closed}))["setOpening"] == {"open": False, "taken": 0, "capacity": 10}
    await dupont.costs(0)

    async def regretted() -> bool:
        return any("Motif : Chauffage en panne" in mail["text"] and "ANNULEES" in mail["text"] for mail in await dupont.mails())

    await until(regretted)


async def test_an_activity_that_an_agent_creates_costs_what_another_one_does(found: Found) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    dupont, agent = await town.sign_in("dupont"), await town.agent()
    (day,) = next_days(1)
    settings = {
        "name": "APS DU SOIR",
        "opensOn": day.isoformat(),
        "closesOn": day.isoformat(),
        "weekdays": [],
        "openOn": [day.isoformat()],
        "capacity": 5,
        "hours": {"arrival": "16:30", "departure": "18:00"},
    }
    new = {"structure": town.structure, "code": "soir", "pricedLike": town.named("aps"), "settings": settings}
    made = (await agent.ask(CREATE, {"input": new}))["createActivity"]
    assert made == {"id": f"{town.structure}.soir", "settings": {"wallet": {"name": "PERISCOLAIRE"}}}, json.dumps(made)
    child = town.named(dupont.child)
    admitted = (await agent.ask(ENROLL, {"input": {"child": child, "activity": made["id"]}}))["enrollChild"]
    assert admitted == {"child": {"firstName": "Dupont-Child"}}
    assert answers(await dupont.submits([dupont.line(day) | {"activity": made["id"]}])) == ["ACCEPTED"]
    await dupont.costs(131)
