"""A town's file that is loaded again: what it says otherwise than last time is in force, and what people made of the rest stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


def newly_said(said: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the file says otherwise than `before`. None: it never said anything."""
    before = before or {}
    return {name: value for name, value in said.items() if name not in before or before[name] != value}


def members(said: Sequence[str], before: Sequence[str] | None, there: Sequence[str]) -> list[str]:
    """Whom the file names anew comes, and whom it names no longer goes; whoever else came or went has done so. None: as for words."""
    if before is None:
        return list(said)
    if list(said) == list(before):
        return list(there)
    kept = [one for one in said if one in there or one not in before]
    return [*kept, *(one for one in there if one not in said and one not in before)]


@dataclass(frozen=True, slots=True)
class Rank:
    """What an account is in a structure."""

    agent: bool = False
    administrator: bool | None = False  #: Also says who is one. None, where a file says it: as it is.


NOBODY = Rank()


def rank_of(said: Rank, before: Rank, there: Rank) -> Rank:
    """What the account is to be, by a file that said `before`. Who is no agent administers nothing."""
    news = said.administrator is not None and said.administrator != before.administrator
    agent = said.agent if said.agent != before.agent or (news and said.administrator) else there.agent
    return Rank(agent, agent and bool(said.administrator if news else there.administrator))


def keep_one(wanted: Mapping[str, Rank], there: Mapping[str, Rank]) -> dict[str, Rank]:
    """Those who keep the rank that they have: administrators, where the structure would have none any more.

    `there`: of all who work for it.
    """
    administrators = {one: rank for one, rank in there.items() if rank.administrator}
    if any(rank.administrator for rank in {**there, **wanted}.values()):
        return {}
    return administrators
