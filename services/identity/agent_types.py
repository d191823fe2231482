"""What agents of a structure see of its register, and send."""

import datetime as dt
from typing import Self

import strawberry
from strawberry import ID, Private

from services.audit import differences
from services.graphql import Info
from services.identity import loaders
from services.identity.audit import ActRow
from services.identity.types import Adult, Agent, Child, Family


# ------------------------------------------------------------------------------------------------------- the audit trail
@strawberry.type
class IdentityActDetail:
    name: str
    before: str | None
    after: str | None


@strawberry.type
class IdentityAct:
    """One thing that an agent did in the register: with a family, an account, an announcement, a role."""

    row: Private[ActRow]
    structure: Private[str]
    id: ID
    at: dt.datetime
    account: ID = strawberry.field(description="The agent's.")
    kind: str = strawberry.field(description="Such as CHANGE_CHILD, ADD_ADULT or SET_ROLE.")
    reason: str | None
    erased: bool = strawberry.field(
        description="Whom it is about was erased since: why, and from what to what, is not to be read any more."
    )

    @classmethod
    def of(cls, row: ActRow, structure: str) -> Self:
        return cls(
            row=row,
            structure=structure,
            id=ID(str(row.position)),
            at=row.at,
            account=ID(row.account),
            kind=row.kind,
            reason=row.reason,
            erased=row.erased,
        )

    @strawberry.field
    async def agent(self, info: Info) -> Agent | None:
        """By name. Null: nobody is known by that account any more."""
        return await Agent.resolve_reference(info, ID(f"{self.structure}/{self.row.account}"))

    @strawberry.field
    async def family(self, info: Info) -> Family | None:
        return await Family.resolve_reference(info, ID(self.row.family)) if self.row.family else None

    @strawberry.field
    async def child(self, info: Info) -> Child | None:
        return await Child.resolve_reference(info, ID(self.row.child)) if self.row.child else None

    @strawberry.field
    async def adult(self, info: Info) -> Adult | None:
        """Whose account it is about, as known today."""
        row = await loaders.colleagues(info.context).load(f"{self.structure}/{self.row.adult}") if self.row.adult else None
        return Adult.of(row) if row else None

    @strawberry.field
    def details(self) -> list[IdentityActDetail]:
        """What changed, by name; texts as they are, everything else as JSON."""
        if self.row.erased:
            return [IdentityActDetail(name=name, before=None, after=None) for name in self.row.changed]
        found = differences(self.row.before, self.row.after)
        return [IdentityActDetail(name=name, before=before, after=after) for name, before, after in found]


@strawberry.type
class IdentityActConnection:
    nodes: list[IdentityAct]
    end_cursor: str | None
    has_next_page: bool
