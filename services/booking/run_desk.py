"""What the town's agents ask of scheduled runs, and say of families that counts in them. Of their own structures alone."""

import datetime as dt
from typing import Annotated, Self

import strawberry
from strawberry import ID, Private

from services.booking import criteria, run_queries, runs
from services.booking.activity import ActivitySpec
from services.booking.allocation_run import Decision, WishedLine
from services.booking.conductor import Conductor
from services.booking.follow_up import Family
from services.booking.ranking import as_number
from services.booking.refusals import NobodyWaits, NotScheduled, UnknownCriterion, UnknownFamily, refusal_of
from services.booking.run_types import Criterion, CriterionPoints, HeldRun, criteria_of, reasons, runs_of, weighed
from services.booking.status import BookingStatus
from services.booking.tables import AllocationDecision
from services.booking.texts import malformed, say
from services.booking.types import Activity, Booking, Child, reading_of
from services.graphql import Info
from services.idempotency import key_of
from services.paging import size_of
from services.refusal import CodedError, Forbidden, Refused
from services.viewing import Whose

MOST_DECISIONS = 1000  #: In one answer.
MOST_CRITERIA = 100


@strawberry.type
class AllocationDecisionReport:
    """One line of a run, with all that placed it."""

    row: Private[AllocationDecision]
    structure: Private[str]
    order: int = strawberry.field(description="In which the run served it, from 1.")
    family: ID
    child: Child
    date: dt.date
    outcome: BookingStatus
    rank: int | None = strawberry.field(description="Among the requests for the same activity and day. Null: a rule decided.")
    of: int | None
    points: int | None
    draw: float | None
    draw_hash: str | None
    together: bool
    code: str | None = strawberry.field(description="Why it was refused.")

    @classmethod
    def of_row(cls, row: AllocationDecision, structure: str) -> Self:
        return cls(
            row=row,
            structure=structure,
            order=row.place_order,
            family=ID(row.family),
            child=Child(id=ID(row.child)),
            date=row.date,
            outcome=BookingStatus(row.outcome),
            rank=row.rank,
            of=row.of,
            points=row.points,
            draw=None if row.draw is None else as_number(row.draw),
            draw_hash=row.draw,
            together=row.grouped,
            code=row.code,
        )

    @strawberry.field
    async def activity(self, info: Info) -> Activity:
        rules = await reading_of(info.context).rules(self.row.activity)
        assert rules is not None, f"{self.row.activity} had a run and is not there"
        return Activity.of(rules.spec, info.context.language)

    @strawberry.field
    async def booking(self, info: Info) -> Booking | None:
        """As it is now."""
        row = await reading_of(info.context).booking(self.row.booking)
        return None if row is None else Booking.of(row)

    @strawberry.field
    async def criteria(self, info: Info) -> list[CriterionPoints]:
        return await weighed(info, self.structure, self.row.criteria)

    @strawberry.field
    async def reasons(self, info: Info) -> list[str]:
        """As the family reads them."""
        return reasons(self.row, await weighed(info, self.structure, self.row.criteria), info.context.language)


@strawberry.type
class AllocationReport:
    """A run with every candidate."""

    spec: Private[ActivitySpec]
    rehearsed: Private[list[AllocationDecision] | None]
    run: HeldRun | None = strawberry.field(description="Null: it was a rehearsal, without effect, and with lots drawn for it alone.")
    candidates: int = strawberry.field(description="Lines.")
    accepted: int
    waitlisted: int
    refused: int

    @strawberry.field
    async def decisions(self, info: Info, first: int = 100, after: int = 0) -> list[AllocationDecisionReport]:
        """In the order in which the run served them; `after`: the order of the last one seen."""
        size = size_of(first, most=MOST_DECISIONS)
        if after < 0:
            raise malformed("ORDER_NOT_POSSIBLE", info.context.language, given=after)
        if self.rehearsed is not None:
            rows = self.rehearsed[after : after + size]
        else:
            assert self.run is not None, "a report is of a run or of a rehearsal"
            async with info.context.database.reading() as session:
                rows = list(await run_queries.decisions_of(session, str(self.run.id), after, size))
        structure = self.spec.structure
        reading_of(info.context).saw("ALLOCATION", (Whose(structure, row.family, row.child) for row in rows))
        return [AllocationDecisionReport.of_row(row, structure) for row in rows]


def _report(spec: ActivitySpec, run: HeldRun) -> AllocationReport:
    total = run.accepted + run.waitlisted + run.refused
    return AllocationReport(
        spec=spec, rehearsed=None, run=run, candidates=total, accepted=run.accepted, waitlisted=run.waitlisted, refused=run.refused
    )


def _rehearsal(spec: ActivitySpec, decided: list[tuple[WishedLine, str, Decision]]) -> AllocationReport:
    outcomes = [decision.outcome for _, _, decision in decided]
    return AllocationReport(
        spec=spec,
        rehearsed=[_as_row(line, family, decision) for line, family, decision in decided],
        run=None,
        candidates=len(outcomes),
        accepted=outcomes.count("ACCEPTED"),
        waitlisted=outcomes.count("WAITLISTED"),
        refused=outcomes.count("REFUSED"),
    )


def _as_row(line: WishedLine, family: str, decision: Decision) -> AllocationDecision:
    told = {name: getattr(decision, name) for name in Decision.__slots__} | {"criteria": [list(pair) for pair in decision.criteria]}
    return AllocationDecision(
        run=runs.REHEARSAL, family=family, child=line.child, activity=line.activity, date=line.date, version=0, **told
    )


async def _as_agent(info: Info, activity: str) -> ActivitySpec:
    """Raises Forbidden: not an agent of its structure, or no such activity."""
    rules = await reading_of(info.context).rules(activity)
    if rules is None or rules.spec.structure not in info.context.signed_in().agent_of:
        raise Forbidden
    return rules.spec


@strawberry.type
class RunQueries:
    @strawberry.field
    async def allocation_run(self, info: Info, id: ID) -> AllocationReport:
        """A run that was held, with every candidate: for agents of its structure."""
        info.context.signed_in()
        row = await runs_of(info.context).rows.load(str(id))
        if row is None or row.ran_at is None:
            raise Forbidden
        return _report(await _as_agent(info, row.activity), HeldRun.of(row))

    @strawberry.field
    async def criteria(self, info: Info, structure: ID) -> list[Criterion]:
        """What may be said of the families of a structure: for its agents."""
        if str(structure) not in info.context.signed_in().agent_of:
            raise Forbidden
        return await criteria_of(info, str(structure))


RunAllocationResult = Annotated[AllocationReport | NotScheduled | NobodyWaits, strawberry.union("RunAllocationResult")]
FamilyCriteriaResult = Annotated[Family | UnknownFamily | UnknownCriterion, strawberry.union("FamilyCriteriaResult")]


@strawberry.type
class RunMutations:
    @strawberry.mutation
    async def run_allocation(
        self, info: Info, activity: ID, dry_run: bool = False, idempotency_key: str | None = None
    ) -> RunAllocationResult:
        """Hold the activity's run now: all that waits for it is decided. The same key is the same run, whoever has asked meanwhile.

        `dryRun` shows a ranking and changes nothing; its lots are drawn for it alone, so that nobody sees the real ones in time.
        """
        context, key = info.context, None if idempotency_key is None else key_of(idempotency_key)
        spec = await _as_agent(info, activity)
        try:
            report = await _rehearse(info, spec) if dry_run else await _run(info, spec, key)
        except Refused as no:
            refused: RunAllocationResult = refusal_of(no, context.language)
            return refused
        except runs.NotYet:
            raise CodedError("RUN_BUSY", say("RUN_BUSY", context.language)) from None
        return report

    @strawberry.mutation
    async def set_family_criteria(self, info: Info, family: ID, criteria: list[str]) -> FamilyCriteriaResult:
        """Say which criteria are true of a family, and that no others are."""
        context = info.context
        caller = context.signed_in()
        structure = await reading_of(context).family(str(family))
        try:
            if structure is None or structure not in caller.agent_of:
                raise Refused("UNKNOWN_FAMILY")
            await _set_criteria(info, structure, str(family), criteria)
        except Refused as no:
            refused: FamilyCriteriaResult = refusal_of(no, context.language)
            return refused
        context.loaders.clear()
        return Family(id=family)


async def _rehearse(info: Info, spec: ActivitySpec) -> AllocationReport:
    async with info.context.database.reading() as session:
        decided = await runs.rehearse(session, info.context.running.resources["rules"], info.context.clock, spec.id)
    if not decided:
        raise Refused("NOBODY_WAITS")
    return _rehearsal(spec, decided)


async def _run(info: Info, spec: ActivitySpec, key: str | None) -> AllocationReport:
    conductor: Conductor = info.context.running.resources["conductor"]
    held = await conductor.run_now(spec.id, spec.structure, runs.Asked(info.context.signed_in().account, key))
    info.context.loaders.clear()
    if held is None:
        raise Refused("NOBODY_WAITS")
    return _report(spec, HeldRun.of(held))


async def _set_criteria(info: Info, structure: str, family: str, told: list[str]) -> None:
    if len(told) > MOST_CRITERIA:
        raise malformed("TOO_MANY_CRITERIA", info.context.language, most=MOST_CRITERIA)
    account, now = info.context.signed_in().account, info.context.clock.now()
    async with info.context.running.database.transaction() as session:
        await criteria.set_family_criteria(session, now, structure, account, family, set(told))
