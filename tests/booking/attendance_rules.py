"""What becomes of a day in a story: agents note who came, close it, open it again; or it closes by itself."""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from services.booking.attendance import Attendance, Record
from services.booking.attending import Entry, close_day, record_attendance, reopen_day
from services.booking.settling import close_days_over
from services.refusal import Refused
from services.service import Running
from tests.booking.paper import ANNE
from tests.booking.paper_attendance import AttendedPaper
from tests.booking.story import REASON, Fated, Story
from tests.booking.words import CHILDREN, MONDAY, activities, fates, replicas

records = st.dictionaries(
    st.sampled_from(list(CHILDREN)),
    st.sampled_from(["PRESENT", "PRESENT", "ABSENT_JUSTIFIED", "ABSENT_UNJUSTIFIED", "NOT_RECORDED"]),
    max_size=4,
)
days_before = st.integers(0, 1)


class AttendanceRules(Story):
    paper: AttendedPaper

    @precondition(lambda self: self.paper.today < MONDAY)
    @rule(hours=st.sampled_from([0, 9, 12]))
    def the_week_begins(self, hours: int) -> None:
        """From Friday to Monday, of which so many hours have passed; deadlines were not looked at meanwhile."""
        self._moment(dt.datetime(2026, 11, 29, 23, 30, tzinfo=dt.UTC) + dt.timedelta(hours=hours))

    @rule(activity=activities, ago=days_before, seen=records, replica=replicas, fate=fates)
    def agents_note_who_comes(self, activity: str, ago: int, seen: dict[str, str], replica: int, fate: Fated) -> None:
        key = activity, self.paper.today - dt.timedelta(days=ago)
        entries = [Entry(None, child, Record(Attendance(attendance))) for child, attendance in seen.items()]
        result = self._at_the_town_hall(
            replica,
            fate,
            lambda session, running: record_attendance(session, running.resources["rules"], running.clock, key, ANNE, entries),
        )
        if result is None:
            return
        code = self.paper.why_not_noted(key)
        if isinstance(result[0], str) or code:
            assert result[0] in (code, DIED)
            return
        expected = [self.paper.notes(key, child, None if one == "NOT_RECORDED" else one) for child, one in seen.items()]
        assert result[0] is DIED or [answer.code for answer in result[0]] == expected

    @rule(activity=activities, ago=days_before, replica=replicas, fate=fates)
    def an_agent_closes_the_day(self, activity: str, ago: int, replica: int, fate: Fated) -> None:
        key = activity, self.paper.today - dt.timedelta(days=ago)
        result = self._at_the_town_hall(
            replica, fate, lambda session, running: close_day(session, running.resources["rules"], running.clock, key, ANNE)
        )
        if result is not None:
            assert result[0] in (self.paper.closes(key, ANNE), DIED)

    @rule(activity=activities, ago=days_before, replica=replicas, fate=fates)
    def an_agent_opens_it_again(self, activity: str, ago: int, replica: int, fate: Fated) -> None:
        key = activity, self.paper.today - dt.timedelta(days=ago)
        result = self._at_the_town_hall(
            replica, fate, lambda session, running: reopen_day(session, running.resources["rules"], running.clock, key, ANNE, REASON)
        )
        if result is not None:
            self.paper.opens_again(key)

    @rule(replica=replicas, fate=fates, tomorrow=st.booleans())
    def the_day_ends(self, replica: int, fate: Fated, tomorrow: bool) -> None:
        if tomorrow and self.paper.today >= MONDAY:
            self._moment(self.paper.ends(("", self.paper.today)))
        if self.does(replica, fate, close_days_over)[0]:
            self.paper.days_end()

    def _at_the_town_hall(self, replica: int, fate: Fated, what: Callable[[Any, Running], Awaitable[Any]]) -> tuple[Any] | None:
        """What came of it: the result, the code of the refusal, or DIED after it was done. None: it was not done."""

        async def in_one_transaction(running: Running) -> Any:
            try:
                async with running.database.transaction() as session:
                    return await what(session, running)
            except Refused as no:
                return no.code

        done, result = self.does(replica, fate, in_one_transaction)
        if not done:
            return None
        return (DIED,) if self.died else (result,)


DIED = object()
