"""CarteVille with an activity whose requests wait for a run at 2 o'clock in the morning."""

import datetime as dt
from dataclasses import replace
from typing import Any

from services.booking import runs
from services.booking.activity import Scheduled
from services.booking.replay import differences
from services.booking.tables import AllocationRun, FamilyCriterion
from services.clock import Clock
from services.service import Running
from tests.booking.town import CANTINE, MONDAY, NOW, Town, books

LOISIRS = replace(CANTINE, id="loisirs", name="Accueil de loisirs", allocation=Scheduled("02:00", "lottery"), capacity=2)
TWO_OCLOCK = dt.datetime(2026, 11, 17, 1, tzinfo=dt.UTC)  #: The first hour set after NOW.
POINTS = Scheduled("02:00", "points", (("resident", 40), ("both_parents_work", 20), ("sibling_in", 10), ("refused_last_time", 15)))


class RunTown(Town):
    def __init__(self, running: Running, keys_from: int = 0) -> None:
        super().__init__(running)
        self._keys = keys_from

    async def founds(self, *families: str, **changes: Any) -> None:
        """The activity, and families with a child each."""
        await self.opens(LOISIRS, **changes)
        for family in families:
            await self.household(family, activities=("cantine", "loisirs"))

    async def running_at(self, now: dt.datetime) -> None:
        """From now on it is later."""
        self.clock = Clock(frozen_at=now)

    async def is_said_of(self, family: str, *criteria: str) -> None:
        async with self.running.database.transaction() as session:
            for criterion in criteria:
                session.add(FamilyCriterion(family=family, criterion=criterion, structure="carteville"))

    async def holds_run(self, now: dt.datetime = TWO_OCLOCK, activity: str = "loisirs", account: str | None = None) -> AllocationRun | None:
        clock, asked = Clock(frozen_at=now), None if account is None else runs.Asked(account)
        async with self.running.database.transaction() as session:
            until = await runs.close_list(session, self.book, clock, activity, asked)
        if until is None:
            return None
        async with self.running.database.transaction("run") as session:
            return await runs.hold(session, self.book, clock, activity, until, asked)

    async def wishes(self, *families: str, date: dt.date = MONDAY) -> None:
        for family in families:
            assert await self.asks(family, books(family, date, "loisirs")) == ["SUBMITTED"]

    async def order_of(self, activity: str = "loisirs", number: int = 1) -> list[str]:
        rows = await self.rows("SELECT child FROM allocation_decision WHERE run = :run ORDER BY place_order", run=f"{activity}/{number}")
        return [child for (child,) in rows]

    async def lots(self, activity: str = "loisirs", number: int = 1) -> dict[str, str]:
        query = "SELECT child, draw FROM allocation_decision WHERE run = :run"
        return dict(await self.rows(query, run=f"{activity}/{number}"))  # type: ignore[arg-type]

    async def replays(self, run: str = "loisirs/1") -> list[str]:
        async with self.running.database.reading() as session:
            row = await session.get(AllocationRun, run)
            assert row is not None
            return await differences(session, row)


def days(number: int) -> dt.timedelta:
    return dt.timedelta(days=number)


__all__ = ["LOISIRS", "MONDAY", "NOW", "POINTS", "TWO_OCLOCK", "RunTown", "books", "days"]
