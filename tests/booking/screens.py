"""CarteVille as its families' screens see it: booking's real subgraph over a real, migrated database."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from services.booking import commands
from services.booking.activity import ActivitySpec
from services.booking.rulebook import RuleBook
from services.booking.schema import schema
from services.booking.taking_over import TakenOver, take_over
from services.claims import Caller
from services.clock import Clock
from services.events import FamilyChanged, StandingChanged
from services.graphql import Context
from services.refusal import Language
from services.service import Running

NOW = dt.datetime(2026, 9, 1, 6, tzinfo=dt.UTC)  # Tuesday 1 September, 8 o'clock in CarteVille


def signed_in(*families: str, agent_of: str | None = None) -> Caller:
    return Caller(
        account="-".join(families) or "agent",
        session="session",
        families=dict.fromkeys(families, "carteville"),
        agent_of=frozenset([agent_of] if agent_of else []),
        language="fr",
        expires_at=4e9,
    )


DUPONT = signed_in("dupont")
DURAND = signed_in("durand")
AGENT = signed_in(agent_of="carteville")
OTHER_AGENT = signed_in(agent_of="autreville")


class Screens:
    def __init__(self, running: Running) -> None:
        self.running = running
        self._version = 0

    async def opens(self, *activities: ActivitySpec) -> None:
        for spec in activities:
            async with self.running.database.transaction() as session:
                await commands.put_activity(session, self.running.clock, spec)

    async def household(self, family: str, *children: str, structure: str = "carteville") -> None:
        self._version += 1
        event = FamilyChanged(
            occurred_at=NOW, structure=structure, version=self._version, family=family, adults=[], children=list(children)
        )
        async with self.running.database.transaction() as session:
            await commands.hear_family(session, event)

    async def enrolls(self, child: str, *activities: str, family: str = "dupont", **period: dt.date) -> None:
        async with self.running.database.transaction() as session:
            for activity in activities:
                await commands.put_enrollment(session, self.running.clock, child, family, "carteville", activity, **period)

    async def has_booked(self, child: str, activity: str, *days: dt.date, family: str = "dupont") -> None:
        async with self.running.database.transaction() as session:
            taken_over = [TakenOver(child, family, activity, day) for day in days]
            assert await take_over(session, RuleBook(), self.running.clock, "carteville", taken_over) == []

    async def owes(self, family: str, in_debit: bool = True) -> None:
        self._version += 1
        event = StandingChanged(occurred_at=NOW, structure="carteville", version=self._version, family=family, in_debit=in_debit)
        async with self.running.database.transaction() as session:
            await commands.hear_standing(session, event)

    async def asks(
        self,
        query: str,
        caller: Caller | None = DUPONT,
        *,
        language: Language = "fr",
        variables: Mapping[str, Any] | None = None,
        now: dt.datetime | None = None,
    ) -> dict[str, Any]:
        """The data. An error fails the test: use `is_refused`."""
        result = await self._execute(query, caller, language, variables, now)
        assert not result.errors, result.errors
        assert result.data is not None
        return dict(result.data)

    async def is_refused(self, query: str, caller: Caller | None = DUPONT, **variables: Any) -> str:
        """The code of the one error."""
        result = await self._execute(query, caller, "fr", variables, None)
        assert result.errors, result.data
        (error,) = result.errors
        cause = error
        while getattr(cause, "original_error", None) is not None:
            cause = cause.original_error
        return str(getattr(cause, "code", None) or (cause.extensions or {}).get("code"))

    async def _execute(
        self, query: str, caller: Caller | None, language: Language, variables: Mapping[str, Any] | None, now: dt.datetime | None
    ) -> Any:
        context = Context(running=self.running, caller=caller, language=language)
        if now is not None:
            context.__dict__["now"] = now
        return await schema.execute(query, variable_values=dict(variables or {}), context_value=context)

    async def of_child(self, child: str, fields: str, caller: Caller | None = DUPONT, **more: Any) -> dict[str, Any]:
        """A child's fields, as the gateway fetches them."""
        data = await self.asks(entities("Child", child, fields), caller, **more)
        found: dict[str, Any] = data["_entities"][0]
        return found

    async def of_family(self, family: str, fields: str, caller: Caller | None = DUPONT, **more: Any) -> dict[str, Any]:
        data = await self.asks(entities("Family", family, fields), caller, **more)
        found: dict[str, Any] = data["_entities"][0]
        return found


def entities(kind: str, id_: str, fields: str) -> str:
    return f'{{ _entities(representations: [{{__typename: "{kind}", id: "{id_}"}}]) {{ ... on {kind} {{ {fields} }} }} }}'


@pytest.fixture
async def screens(running: Any) -> Screens:
    """Nothing runs in the background: what is asked is only read."""
    return Screens(await running("booking", clock=Clock(frozen_at=NOW), start=False))


@pytest.fixture
async def open_counter(running: Any) -> Screens:
    """With the desk and the allocator at work."""
    return Screens(await running("booking", clock=Clock(frozen_at=NOW)))
