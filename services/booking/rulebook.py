"""The activities' rules, read once per version and remembered: every line of a rush needs them."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.activity import ActivitySpec, from_json
from services.booking.lines import Rules
from services.booking.school_calendar import SchoolCalendar, followed
from services.booking.season import Holidays
from services.booking.tables import Activity, core, run
from services.bulk import one_of

A = core(Activity).c
VERSIONS = select(A.id, A.version).where(one_of(A.id, "activities"))
RULES = select(A.id, A.version, A.rules).where(one_of(A.id, "activities"))


class RuleBook:
    """One per process. It asks the table for the versions each time, so it never answers with old rules."""

    def __init__(self, school: SchoolCalendar | None = None) -> None:
        self._school = school or followed()
        self._known: dict[str, tuple[int, Rules]] = {}

    def holidays(self, spec: ActivitySpec) -> Holidays:
        """The days off of its place."""
        return self._school.holidays(spec.school_zone, spec.timezone)

    async def of(self, session: AsyncSession, activities: Iterable[str]) -> dict[str, Rules]:
        """The rules of those of the activities that exist."""
        versions = {row[0]: row[1] for row in await run(session, VERSIONS, {"activities": list(activities)})}
        return {id_: rules for id_, (_, rules) in (await self.at(session, versions)).items()}

    async def at(self, session: AsyncSession, versions: Mapping[str, int]) -> dict[str, tuple[int, Rules]]:
        """Of activities whose versions were just read: those rules, or newer ones, with the version that they are."""
        # Taken now: whoever read before us may put older ones into the book while we read.
        found = {id_: known for id_, version in versions.items() if (known := self._known.get(id_)) is not None and known[0] == version}
        stale = versions.keys() - found.keys()
        if stale:
            for id_, version, rules in await run(session, RULES, {"activities": sorted(stale)}):
                spec = from_json(dict(rules))
                found[id_] = self._known[id_] = (version, Rules(spec, self.holidays(spec)))
        return found
