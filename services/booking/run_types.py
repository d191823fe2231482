"""How an activity allocates its places, and how its runs decided, in words and figures that anybody can check (S35)."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Self, cast

import strawberry
from strawberry import ID, Private
from strawberry.dataloader import DataLoader

from services.booking import run_queries
from services.booking.activity import ActivitySpec, Scheduled
from services.booking.ranking import KNOWN_OF_FAMILIES, SEEN_BY_THE_RUN, as_number
from services.booking.schedule import next_due
from services.booking.status import BookingStatus
from services.booking.tables import AllocationDecision, AllocationRun
from services.booking.texts import ordinal, say, time_of_day
from services.database import Database
from services.graphql import Context, Info, LocalTime
from services.paging import size_of

MOST_RUNS = 100


@strawberry.enum
class AllocationMode(Enum):
    IMMEDIATE = "immediate"  #: réponse immédiate
    SCHEDULED = "scheduled"  #: répartition à heure fixe


@strawberry.enum
class AllocationPolicy(Enum):
    ARRIVAL = "arrival"  #: ordre d'arrivée
    POINTS = "points"  #: points de priorité
    LOTTERY = "lottery"  #: tirage au sort


class Runs:
    """What one answer asks about runs, loaded in batches. Ask for what belongs to what the caller may see."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.coming: DataLoader[str, AllocationRun | None] = DataLoader(self._coming)
        self.decisions: DataLoader[str, AllocationDecision | None] = DataLoader(self._decisions)
        self.rows: DataLoader[str, AllocationRun | None] = DataLoader(self._rows)
        self.last: DataLoader[tuple[str, int], list[AllocationRun]] = DataLoader(self._last)
        self.criteria: DataLoader[str, Mapping[str, str]] = DataLoader(self._criteria)
        self.family_criteria: DataLoader[str, Sequence[str]] = DataLoader(self._family_criteria)

    async def _coming(self, activities: list[str]) -> list[AllocationRun | None]:
        async with self._database.reading() as session:
            found = await run_queries.next_runs(session, activities)
        return [found.get(activity) for activity in activities]

    async def _decisions(self, bookings: list[str]) -> list[AllocationDecision | None]:
        async with self._database.reading() as session:
            found = await run_queries.decisions(session, bookings)
        return [found.get(booking) for booking in bookings]

    async def _rows(self, ids: list[str]) -> list[AllocationRun | None]:
        async with self._database.reading() as session:
            found = await run_queries.runs(session, ids)
        return [found.get(id_) for id_ in ids]

    async def _last(self, asked: list[tuple[str, int]]) -> list[list[AllocationRun]]:
        async with self._database.reading() as session:
            found = await run_queries.last_runs(session, {activity for activity, _ in asked}, max(most for _, most in asked))
        return [found[activity][:most] for activity, most in asked]

    async def _family_criteria(self, families: list[str]) -> list[Sequence[str]]:
        async with self._database.reading() as session:
            found = await run_queries.family_criteria(session, families)
        return [found[family] for family in families]

    async def _criteria(self, structures: list[str]) -> list[Mapping[str, str]]:
        async with self._database.reading() as session:
            return [await run_queries.criteria(session, structure) for structure in structures]


def runs_of(context: Context) -> Runs:
    """This request's."""
    return cast(Runs, context.loaders.setdefault("runs", Runs(context.database)))


# ----------------------------------------------------------------------------------------------------------- criteria
@strawberry.type
class Criterion:
    """What may be true of a family, and counts where places are ranked by points."""

    id: ID
    name: str = strawberry.field(description="In words, as what is true of the child.")


@strawberry.type
class CriterionPoints:
    """A criterion, and what it counts."""

    criterion: Criterion
    points: int


async def criteria_of(info: Info, structure: str) -> list[Criterion]:
    """What may be said of a family of this structure."""
    named = await runs_of(info.context).criteria.load(structure)
    return [_criterion(id_, named, info.context.language) for id_ in (*KNOWN_OF_FAMILIES, *named)]


async def named(info: Info, structure: str, ids: Iterable[str]) -> list[Criterion]:
    names = await runs_of(info.context).criteria.load(structure)
    return [_criterion(id_, names, info.context.language) for id_ in ids]


async def weighed(info: Info, structure: str, points: Iterable[Sequence[Any]]) -> list[CriterionPoints]:
    names = await runs_of(info.context).criteria.load(structure)
    return [CriterionPoints(criterion=_criterion(id_, names, info.context.language), points=count) for id_, count in points]


def _criterion(id_: str, named: Mapping[str, str], language: str) -> Criterion:
    known = id_ in KNOWN_OF_FAMILIES or id_ in SEEN_BY_THE_RUN
    return Criterion(id=ID(id_), name=say(f"CRITERION_{id_.upper()}", language) if known else named.get(id_, id_))


# --------------------------------------------------------------------------------------------------------------- runs
@strawberry.type(name="AllocationRun")
class HeldRun:
    """A run that was held. With the seed, the run's id and a child's id anybody can draw that child's lot again."""

    row: Private[AllocationRun]
    id: ID
    number: int
    due_at: dt.datetime = strawberry.field(description="Whoever had asked by then was in it.")
    ran_at: dt.datetime
    policy: AllocationPolicy
    seed: str
    seed_commitment: str = strawberry.field(description="SHA-256 of the seed, as it was published before the run.")
    accepted: int
    waitlisted: int
    refused: int

    @classmethod
    def of(cls, row: AllocationRun) -> Self:
        assert row.due_at is not None, "only what was held is shown"
        assert row.ran_at is not None, "only what was held is shown"
        return cls(
            row=row,
            id=ID(row.id),
            number=row.number,
            due_at=row.due_at,
            ran_at=row.ran_at,
            policy=AllocationPolicy(row.policy),
            seed=row.seed,
            seed_commitment=row.commitment,
            accepted=row.accepted,
            waitlisted=row.waitlisted,
            refused=row.refused,
        )

    @strawberry.field
    async def points(self, info: Info) -> list[CriterionPoints]:
        """What each criterion counted."""
        return await weighed(info, self.row.structure, (self.row.points or {}).items())


@strawberry.type
class Allocation:
    """How an activity gives its places away."""

    spec: Private[ActivitySpec]
    mode: AllocationMode
    scheduled_at: LocalTime | None = strawberry.field(description="The hour of the daily run, in the structure's time zone.")
    policy: AllocationPolicy | None
    rule: str = strawberry.field(description="All this in words.")

    @classmethod
    def of(cls, spec: ActivitySpec, language: str) -> Self:
        allocation = spec.allocation
        if not isinstance(allocation, Scheduled):
            return cls(spec=spec, mode=AllocationMode.IMMEDIATE, scheduled_at=None, policy=None, rule=say("ALLOCATED_AT_ONCE", language))
        return cls(
            spec=spec,
            mode=AllocationMode.SCHEDULED,
            scheduled_at=LocalTime(allocation.at),
            policy=AllocationPolicy(allocation.policy),
            rule=say(f"ALLOCATED_BY_{allocation.policy.upper()}", language, at=time_of_day(allocation.at, language)),
        )

    @strawberry.field
    async def points(self, info: Info) -> list[CriterionPoints]:
        """What each criterion counts, where the policy is by points; equal points are settled by lot."""
        allocation = self.spec.allocation
        return await weighed(info, self.spec.structure, allocation.points) if isinstance(allocation, Scheduled) else []

    @strawberry.field
    def next_run_at(self, info: Info) -> dt.datetime | None:
        """When the run comes next. A request sent before is in it."""
        allocation = self.spec.allocation
        return next_due(allocation.at, self.spec.timezone, info.context.now) if isinstance(allocation, Scheduled) else None

    @strawberry.field
    async def next_run(self, info: Info) -> ID | None:
        """The id of the run that comes next: each child's lot depends on it."""
        coming = await self._coming(info)
        return None if coming is None else ID(coming.id)

    @strawberry.field
    async def seed_commitment(self, info: Info) -> str | None:
        """SHA-256 of the seed of the run that comes next. The seed is drawn already, and shown after the run."""
        coming = await self._coming(info)
        return None if coming is None else coming.commitment

    @strawberry.field
    async def last_runs(self, info: Info, first: int = 5) -> list[HeldRun]:
        """Newest first."""
        size = size_of(first, most=MOST_RUNS)
        return [HeldRun.of(row) for row in await runs_of(info.context).last.load((self.spec.id, size))]

    async def _coming(self, info: Info) -> AllocationRun | None:
        return await runs_of(info.context).coming.load(self.spec.id) if self.mode is AllocationMode.SCHEDULED else None


# ----------------------------------------------------------------------------------------------------------- decisions
@strawberry.type
class BookingDecision:
    """Why a run answered a booking as it did. Of others it says nothing but how many asked."""

    row: Private[AllocationDecision]
    structure: Private[str]
    rank: int | None = strawberry.field(description="Among the requests for the same day, from 1. Null: a rule decided, not the rank.")
    of: int | None = strawberry.field(description="How many requests there were for that day.")
    points: int | None
    draw: float | None = strawberry.field(description="The lot, from 0 to 1: the lowest come first.")
    draw_hash: str | None = strawberry.field(description='SHA-256 of "seed:run:child": the lot in full.')
    together: bool = strawberry.field(description="Ranked with others that belong to it, as the last of them would be.")

    @classmethod
    def of_row(cls, row: AllocationDecision, structure: str) -> Self:
        return cls(
            row=row,
            structure=structure,
            rank=row.rank,
            of=row.of,
            points=row.points,
            draw=None if row.draw is None else as_number(row.draw),
            draw_hash=row.draw,
            together=row.grouped,
        )

    @strawberry.field
    async def run(self, info: Info) -> HeldRun:
        row = await runs_of(info.context).rows.load(self.row.run)
        assert row is not None, f"run {self.row.run} decided and is not there"
        return HeldRun.of(row)

    @strawberry.field
    async def criteria(self, info: Info) -> list[CriterionPoints]:
        """Those that were true, with what each counted."""
        return await weighed(info, self.structure, self.row.criteria)

    @strawberry.field
    async def reasons(self, info: Info) -> list[str]:
        """In words."""
        return reasons(self.row, await weighed(info, self.structure, self.row.criteria), info.context.language)


async def decision_on(info: Info, booking: str, structure: str) -> BookingDecision | None:
    """The caller may see the booking."""
    row = await runs_of(info.context).decisions.load(booking)
    return None if row is None else BookingDecision.of_row(row, structure)


def reasons(row: AllocationDecision, criteria: Iterable[CriterionPoints], language: str) -> list[str]:
    """Why a run answered so, in words."""
    if row.rank is None:
        return [say(row.code or "", language)]
    ranked = "RANKED_ALONE" if row.of == 1 else "RANKED"
    found = [say(ranked, language, rank=ordinal(row.rank, language), of=row.of)]
    if row.points is not None:
        listed = ", ".join(f"{one.criterion.name} {one.points}" for one in criteria)
        found.append(say("POINTS" if listed else "POINTS_NONE", language, points=row.points, criteria=listed))
    found.append(say("BY_ARRIVAL", language) if row.draw is None else say("DRAWN", language, draw=_decimal(as_number(row.draw), language)))
    if row.grouped:
        found.append(say("GROUPED", language))
        if row.outcome in (BookingStatus.WAITLISTED, BookingStatus.REFUSED):
            found.append(say("GROUP_PASSED", language))
    return found + ([say(row.code, language)] if row.code else [])


def _decimal(number: float, language: str) -> str:
    text = f"{number:.4f}"
    return text.replace(".", ",") if language == "fr" else text
