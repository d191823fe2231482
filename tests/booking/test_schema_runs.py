"""Runs on screens: how an activity allocates, why a booking was answered so, and what agents ask (S35)."""

import hashlib
import re
from typing import Any

import orjson
import pytest

from services.booking import criteria
from services.booking.activity import Immediate
from services.booking.run_types import Criterion, CriterionPoints, reasons
from services.booking.tables import AllocationDecision
from tests.booking.run_town import LOISIRS, POINTS, RunTown
from tests.booking.screens import AGENT, DUPONT, DURAND, OTHER_AGENT, Screens, entities, signed_in
from tests.booking.test_emptied_days import counted
from tests.booking.town import CLOCK, MONDAY, TUESDAY, books

FAMILIES = ("dupont", "durand", "petit")
ALLOCATION = """allocation { mode scheduledAt policy rule points { criterion { id name } points } nextRunAt nextRun seedCommitment
                 lastRuns { id number dueAt ranAt policy seed seedCommitment accepted waitlisted refused points { points } } }"""
DECISION = """decision { rank of points draw drawHash together reasons criteria { criterion { id name } points } run { id seed } }"""
REPORT = """... on AllocationReport { candidates accepted waitlisted refused run { id seed }
              decisions { order family child { id } activity { id } date outcome rank of points draw together code reasons
                          criteria { criterion { id } points } booking { status } } }
            ... on Refusal { code message }"""


@pytest.fixture
async def town(running: Any) -> RunTown:
    """Three families want two places, by points."""
    made = RunTown(await running("booking", clock=CLOCK, start=False))
    await made.opens()
    await made.founds(*FAMILIES, allocation=POINTS, waiting_list=0)
    await made.is_said_of("dupont", "resident", "both_parents_work")
    await made.is_said_of("durand", "resident")
    for family in FAMILIES:
        await made.asks(family, books(family, MONDAY, "loisirs"))
    return made


@pytest.fixture
def screens(town: RunTown) -> Screens:
    return Screens(town.running)


async def test_the_runs_of_many_activities_and_the_criteria_of_many_families_cost_what_those_of_one_do(
    town: RunTown, screens: Screens
) -> None:
    await town.founds(allocation=POINTS, id="colonies")
    await town.household("dupont", activities=("cantine", "loisirs", "colonies"))
    for activity in ("loisirs", "colonies"):
        for day in (MONDAY, TUESDAY):
            await town.asks("dupont", books("dupont", day, activity))
            assert await town.holds_run(activity=activity, account="agent")
    asked = {"Activity": ("allocation { lastRuns(first: 1) { number } }", ("loisirs", "colonies")), "Family": ("criteria { id }", FAMILIES)}
    for kind, (fields, ids) in asked.items():
        query = f"query($of: [_Any!]!) {{ _entities(representations: $of) {{ ... on {kind} {{ {fields} }} }} }}"
        costs, found = [], []
        for some in (ids[:1], ids):
            with counted(town) as statements:
                told = {"of": [{"__typename": kind, "id": id_} for id_ in some]}
                found = (await screens.asks(query, AGENT, variables=told))["_entities"]
            costs.append(len(statements))
        assert costs[0] == costs[1], kind
        if kind == "Activity":
            assert found == [{"allocation": {"lastRuns": [{"number": 2}]}}] * 2
        else:
            assert [len(one["criteria"]) for one in found] == [2, 1, 0]


async def bookings(screens: Screens, family: str, fields: str, **more: Any) -> list[dict[str, Any]]:
    caller = signed_in(family)
    found = await screens.of_family(family, f"bookings {{ nodes {{ status {fields} }} }}", caller, **more)
    nodes: list[dict[str, Any]] = found["bookings"]["nodes"]
    return nodes


async def test_s35_a_family_sees_how_an_activity_allocates_and_what_is_promised_of_the_seed(town: RunTown, screens: Screens) -> None:
    (shown,) = (await screens.asks(entities("Activity", "loisirs", ALLOCATION)))["_entities"]
    allocation = shown["allocation"]
    assert (allocation["mode"], allocation["scheduledAt"], allocation["policy"]) == ("SCHEDULED", "02:00", "POINTS")
    assert allocation["rule"] == "Répartition chaque jour à 2 h, par points de priorité, puis par tirage au sort"
    assert [(one["criterion"]["id"], one["points"]) for one in allocation["points"]] == list(POINTS.points)
    assert allocation["points"][0]["criterion"]["name"] == "réside dans la commune"
    assert (allocation["nextRunAt"], allocation["nextRun"], allocation["lastRuns"]) == ("2026-11-17T01:00:00Z", "loisirs/1", [])
    assert re.fullmatch("[0-9a-f]{64}", allocation["seedCommitment"])

    await town.holds_run()
    (shown,) = (await screens.asks(entities("Activity", "loisirs", ALLOCATION)))["_entities"]
    (run,) = shown["allocation"]["lastRuns"]
    assert (run["id"], run["dueAt"], run["policy"], run["accepted"], run["refused"]) == (
        "loisirs/1",
        "2026-11-17T01:00:00Z",
        "POINTS",
        2,
        1,
    )
    assert hashlib.sha256(run["seed"].encode()).hexdigest() == run["seedCommitment"] == allocation["seedCommitment"]
    assert shown["allocation"]["nextRun"] == "loisirs/2"
    assert shown["allocation"]["seedCommitment"] != allocation["seedCommitment"]


async def test_an_immediate_activity_says_so(screens: Screens) -> None:
    (shown,) = (await screens.asks(entities("Activity", "cantine", ALLOCATION), language="en"))["_entities"]
    allocation = shown["allocation"]
    assert (allocation["mode"], allocation["policy"], allocation["nextRunAt"], allocation["nextRun"]) == ("IMMEDIATE", None, None, None)
    assert allocation["rule"] == "Answered at once, in order of arrival"


async def test_s35_each_family_reads_why_and_can_draw_its_own_lot_again(town: RunTown, screens: Screens) -> None:
    assert [row["decision"] for row in await bookings(screens, "dupont", DECISION)] == [None]
    await town.holds_run()
    ((dupont,), (petit,)) = [await bookings(screens, family, DECISION) for family in ("dupont", "petit")]
    decision = dupont["decision"]
    assert (dupont["status"], decision["rank"], decision["of"], decision["points"], decision["together"]) == ("ACCEPTED", 1, 3, 60, False)
    assert decision["drawHash"] == hashlib.sha256(f"{decision['run']['seed']}:loisirs/1:dupont".encode()).hexdigest()
    assert decision["draw"] == pytest.approx(int(decision["drawHash"], 16) / 16**64)
    draw = f"{decision['draw']:.4f}".replace(".", ",")
    assert decision["reasons"] == [
        "Classée 1re sur 3 demandes pour ce jour",
        "60 points : réside dans la commune 40, les deux parents travaillent 20",
        f"Tirage au sort : {draw} (les plus petits passent d’abord)",
    ]
    assert (petit["status"], petit["decision"]["rank"]) == ("REFUSED", 3)
    assert petit["decision"]["reasons"][1:] == [
        "Aucun point de priorité",
        petit["decision"]["reasons"][2],
        "Non traitée, activité complète",
    ]
    (durand,) = await bookings(screens, "durand", DECISION, language="en")
    assert durand["decision"]["reasons"][:2] == ["Ranked 2nd of 3 requests for that day", "40 points: lives in the town 40"]


def test_reasons_in_every_case() -> None:
    def said(language: str = "fr", **values: Any) -> list[str]:
        row = AllocationDecision(**{"rank": 2, "of": 5, "points": None, "draw": None, "grouped": False, "code": None} | values)
        return reasons(
            row, [CriterionPoints(criterion=Criterion(id="r", name="réside"), points=4)] if values.get("points") else [], language
        )

    assert said() == ["Classée 2e sur 5 demandes pour ce jour", "Par ordre d’arrivée"]
    assert said(rank=1, of=1, grouped=True, draw="80" + "0" * 62) == [
        "Seule demande pour ce jour",
        "Tirage au sort : 0,5000 (les plus petits passent d’abord)",
        "Demandes groupées : classées ensemble, comme la moins prioritaire d’entre elles",
    ]
    passed = "celles qui restaient ont pu aller à des demandes classées après lui"
    assert passed in said(grouped=True, outcome="WAITLISTED")[-1]
    assert said(grouped=True, outcome="ACCEPTED")[-1].startswith("Demandes groupées")
    assert said(rank=None, of=None, code="TOO_LATE") == ["Hors délai pour réserver"]
    assert said("en", rank=11, of=21, points=4)[:2] == ["Ranked 11th of 21 requests for that day", "4 points: réside 4"]
    assert said("en", rank=23, of=30)[0] == "Ranked 23rd of 30 requests for that day"


async def test_nothing_of_others_is_shown(town: RunTown, screens: Screens) -> None:
    await town.holds_run()
    ((id_,),) = await town.rows("SELECT id FROM booking WHERE family = 'durand'")
    query = entities("Booking", id_, "decision { points }")
    assert (await screens.asks(query, DUPONT))["_entities"] == [None]
    assert (await screens.asks(query, OTHER_AGENT))["_entities"] == [None]
    assert (await screens.asks(query, DURAND))["_entities"] == [{"decision": {"points": 40}}]
    stranger = signed_in("x")
    for caller in (DUPONT, DURAND, OTHER_AGENT):
        assert await screens.is_refused('{ allocationRun(id: "loisirs/1") { candidates } }', caller) == "FORBIDDEN"
        assert await screens.is_refused('{ criteria(structure: "carteville") { id } }', caller) == "FORBIDDEN"
        assert await screens.is_refused('mutation { runAllocation(activity: "loisirs") { __typename } }', caller) == "FORBIDDEN"
        told = 'mutation { setFamilyCriteria(family: "durand", criteria: []) { ... on Refusal { code } } }'
        assert await screens.asks(told, caller) == {"setFamilyCriteria": {"code": "UNKNOWN_FAMILY"}}
    assert await screens.is_refused(entities("Family", "durand", "criteria { id }"), DUPONT) == "FORBIDDEN"
    assert (await screens.asks(entities("Activity", "loisirs", "allocation { seedCommitment }"), OTHER_AGENT))["_entities"] == [None]
    assert stranger.agent_of == frozenset()


@pytest.mark.parametrize(
    "query",
    [
        '{ allocationRun(id: "loisirs/1") { candidates } }',
        '{ criteria(structure: "carteville") { id } }',
        'mutation { runAllocation(activity: "loisirs") { __typename } }',
        'mutation { setFamilyCriteria(family: "durand", criteria: []) { __typename } }',
    ],
)
async def test_who_is_not_signed_in_is_told_so(screens: Screens, query: str) -> None:
    assert await screens.is_refused(query, None) == "UNAUTHENTICATED"


# -------------------------------------------------------------------------------------------------------------- agents
async def test_s35_an_agent_rehearses_and_then_holds_a_run_now(town: RunTown, screens: Screens) -> None:
    before = await town.rows("SELECT seed FROM allocation_run")
    query = f'mutation ($dry: Boolean!) {{ runAllocation(activity: "loisirs", dryRun: $dry) {{ {REPORT} }} }}'
    rehearsed = (await screens.asks(query, AGENT, variables={"dry": True}))["runAllocation"]
    assert (rehearsed["run"], rehearsed["candidates"], rehearsed["accepted"], rehearsed["refused"]) == (None, 3, 2, 1)
    assert [one["child"]["id"] for one in rehearsed["decisions"]] == ["dupont", "durand", "petit"]
    assert await town.rows("SELECT count(*) FROM booking WHERE status = 'SUBMITTED'") == [(3,)]
    assert await town.rows("SELECT seed FROM allocation_run") == before
    assert await town.told("act") == []

    held = (await screens.asks(query, AGENT, variables={"dry": False}))["runAllocation"]
    assert (held["run"], held["accepted"], held["refused"]) == ({"id": "loisirs/1", "seed": before[0][0]}, 2, 1)
    assert [(one["order"], one["family"], one["points"], one["outcome"]) for one in held["decisions"]] == [
        (1, "dupont", 60, "ACCEPTED"),
        (2, "durand", 40, "ACCEPTED"),
        (3, "petit", 0, "REFUSED"),
    ]
    # The rehearsal did not show the real lots.
    assert {one["draw"] for one in held["decisions"]}.isdisjoint(one["draw"] for one in rehearsed["decisions"])
    report = await screens.asks(f'{{ allocationRun(id: "loisirs/1") {{ {REPORT.partition("... on Refusal")[0]} }} }}', AGENT)
    assert report["allocationRun"] == held
    acts = await town.rows("SELECT account, kind, activity FROM act")
    assert acts == [("agent", "RUN_ALLOCATION", "loisirs")]
    again = (await screens.asks(query, AGENT, variables={"dry": False}))["runAllocation"]
    assert again == {"code": "NOBODY_WAITS", "message": "Aucune demande n’attend de répartition."}
    await town.is_sound()


async def test_a_run_that_is_asked_for_again_by_its_key_is_that_one_whoever_has_asked_meanwhile(town: RunTown, screens: Screens) -> None:
    query = f'mutation ($key: String) {{ runAllocation(activity: "loisirs", idempotencyKey: $key) {{ {REPORT} }} }}'

    async def runs(key: str | None) -> dict[str, Any]:
        told: dict[str, Any] = (await screens.asks(query, AGENT, variables={"key": key}))["runAllocation"]
        return told

    held = await runs("one")
    assert (held["run"]["id"], held["accepted"]) == ("loisirs/1", 2)
    for family in FAMILIES:
        await town.asks(family, books(family, TUESDAY, "loisirs"))
    assert (await runs("one"))["run"]["id"] == "loisirs/1"
    assert await town.rows("SELECT count(*) FROM booking WHERE status = 'SUBMITTED'") == [(3,)], "who asked since waits for the next one"
    assert (await runs("two"))["run"]["id"] == "loisirs/2"
    assert (await runs("three"))["code"] == (await runs(None))["code"] == "NOBODY_WAITS"
    assert await town.rows("SELECT kind FROM act") == [("RUN_ALLOCATION",)] * 2
    assert await screens.is_refused(query, AGENT, key="k" * 201) == "BAD_USER_INPUT"
    await town.opens(LOISIRS, allocation=Immediate())
    assert ((await runs("one"))["run"]["id"], (await runs("three"))["code"]) == ("loisirs/1", "NOT_SCHEDULED")
    await town.is_sound()


async def test_pages_of_a_report(town: RunTown, screens: Screens) -> None:
    await town.holds_run()
    query = '{ allocationRun(id: "loisirs/1") { decisions(first: 2, after: %s) { order } } }'
    assert (await screens.asks(query % 1, AGENT))["allocationRun"]["decisions"] == [{"order": 2}, {"order": 3}]
    for wrong in ("-1", "2, first: 9999"):
        assert (
            await screens.is_refused((query % wrong).replace("first: 2, ", "" if "first" in wrong else "first: 2, "), AGENT)
            == "BAD_USER_INPUT"
        )


async def test_an_immediate_activity_is_not_run_and_one_that_is_not_there_neither(screens: Screens) -> None:
    query = 'mutation { runAllocation(activity: "%s", dryRun: %s) { ... on Refusal { code } } }'
    for dry in ("true", "false"):
        assert await screens.asks(query % ("cantine", dry), AGENT) == {"runAllocation": {"code": "NOT_SCHEDULED"}}
        assert await screens.is_refused(query % ("nowhere", dry), AGENT) == "FORBIDDEN"


async def test_an_agent_says_what_is_true_of_a_family_and_leaves_a_trace(town: RunTown, screens: Screens) -> None:
    async with town.running.database.transaction() as session:
        await criteria.put_criteria(session, "carteville", {"large_family": "famille nombreuse"})
    assert [one["id"] for one in (await screens.asks('{ criteria(structure: "carteville") { id name } }', AGENT))["criteria"]] == [
        "resident",
        "both_parents_work",
        "large_family",
    ]
    query = """mutation ($told: [String!]!) { setFamilyCriteria(family: "petit", criteria: $told) {
                 ... on Family { id criteria { id name } } ... on Refusal { code message } } }"""
    told = (await screens.asks(query, AGENT, variables={"told": ["large_family", "resident", "resident"]}))["setFamilyCriteria"]
    assert told["criteria"] == [{"id": "large_family", "name": "famille nombreuse"}, {"id": "resident", "name": "réside dans la commune"}]
    no = (await screens.asks(query, AGENT, variables={"told": ["rich", "resident"]}))["setFamilyCriteria"]
    assert no == {"code": "UNKNOWN_CRITERION", "message": "Le critère « rich » n’existe pas."}
    await screens.asks(query, AGENT, variables={"told": ["resident", "large_family"]})  # nothing new: no trace
    await screens.asks(query, AGENT, variables={"told": ["resident"]})
    # Where the family lives makes prices: billing is told once, and again only when it is another place.
    residences = "SELECT body FROM outgoing WHERE type = 'fr.preau.booking.residence_told.v1' ORDER BY position"
    told = [orjson.loads(body) for (body,) in await town.rows(residences)]
    assert told == [{"structure": "carteville", "family": "petit", "version": 1, "resident": True}]
    await screens.asks(query, AGENT, variables={"told": []})
    await screens.asks(query, AGENT, variables={"told": ["large_family"]})
    await screens.asks(query, AGENT, variables={"told": ["resident"]})
    told = [orjson.loads(body) for (body,) in await town.rows(residences)]
    assert [(one["version"], one["resident"]) for one in told] == [(1, True), (2, False), (3, True)]
    acts = await town.rows("SELECT kind, family, before, after FROM act ORDER BY position")
    assert [(kind, family) for kind, family, *_ in acts] == [("SET_FAMILY_CRITERIA", "petit")] * 5
    assert (await screens.of_family("petit", "criteria { id }", signed_in("petit")))["criteria"] == [{"id": "resident"}]
    assert await screens.is_refused(query, AGENT, told=["resident"] * 101) == "BAD_USER_INPUT"
    await town.is_sound()
