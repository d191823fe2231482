"""What becomes of ranks when a town's file is loaded again (services/file_words.py)."""

from collections.abc import Mapping
from dataclasses import dataclass


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
