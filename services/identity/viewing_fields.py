"""The access log as GraphQL, for administrators: which agent saw which family's data, hour by hour."""

import datetime as dt

import strawberry
from strawberry import ID, Private

from services.graphql import Info
from services.identity import viewing
from services.identity.office_fields import acts_for
from services.identity.types import Agent
from services.identity.viewing import Viewed
from services.paging import cursor_of, moment_of, place_in, size_of, stays
from services.refusal import Forbidden

NEWEST = cursor_of("9999-12-31T00:00:00+00:00", "", "", "", "")  #: The cursor of what comes before all.


@strawberry.type
class ChildViewing:
    """In this hour the agent saw something of the family, once or often."""

    structure: Private[str]
    hour: dt.datetime = strawberry.field(description="When it begins.")
    account: ID = strawberry.field(description="The agent's.")
    family: ID
    child: ID | None = strawberry.field(description="Null: the family as a whole.")
    what: str = strawberry.field(
        description="FAMILY: number and adults; CHILD: name and birth date, wherever they stand; BOOKINGS: calendars, requests; "
        "ATTENDANCE: rosters; ALLOCATION: runs; MONEY: balances, payments, prices; FILE: a link to a file; ACTS: what agents did."
    )

    @classmethod
    def of(cls, row: Viewed, structure: str) -> "ChildViewing":
        child = ID(row.child) if row.child else None
        who = ID(row.account)
        return cls(structure=structure, hour=row.hour, account=who, family=ID(row.family), child=child, what=row.what)

    @strawberry.field
    async def agent(self, info: Info) -> Agent | None:
        """By name. Null: nobody is known by that account any more."""
        return await Agent.resolve_reference(info, ID(f"{self.structure}/{self.account}"))


@strawberry.type
class ChildViewingConnection:
    nodes: list[ChildViewing]
    end_cursor: str | None
    has_next_page: bool


@strawberry.type
class ViewingQueries:
    @strawberry.field
    async def child_viewings(
        self,
        info: Info,
        structure: ID,
        family: ID | None = None,
        child: ID | None = None,
        account: ID | None = None,
        first: int | None = 50,
        after: str | None = None,
    ) -> ChildViewingConnection:
        """Which agents saw data of the structure's families, the newest hours first: for its administrators."""
        of = acts_for(info, str(structure))
        if of not in info.context.signed_in().admin_of:
            raise Forbidden
        size, cursor = size_of(first), place_in(after, moment_of, str, str, str, str)
        wanted = {"structure": of, "family": family, "child": child, "account": account}
        await viewing.LOG.of(info.context.running).write()  # What this process knows is told at once.
        async with info.context.database.reading() as session:
            rows = await viewing.page(session, wanted, cursor, size + 1)
        page = rows[:size]
        last = page[-1] if page else None
        end = last and cursor_of(last.hour.isoformat(), last.account, last.family, last.child, last.what)
        return ChildViewingConnection(
            nodes=[ChildViewing.of(row, of) for row in page],
            end_cursor=end or stays(rows, after, NEWEST),
            has_next_page=len(rows) > size,
        )
