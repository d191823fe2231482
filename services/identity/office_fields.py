"""What agents can ask and do about the register. Whatever is not of a structure of theirs is Forbidden, whether it exists or not."""

import strawberry
from strawberry import ID

from services.graphql import Info
from services.identity import audit
from services.identity.agent_types import IdentityAct, IdentityActConnection
from services.identity.texts import malformed
from services.paging import MOST_PER_PAGE, cursor_of, number_of, parts_of, stays
from services.refusal import Forbidden


# --------------------------------------------------------------------------------------------------------- who may do what
def acts_for(info: Info, structure: str) -> str:
    """Raises Unauthenticated or Forbidden."""
    if structure not in info.context.signed_in().agent_of:
        raise Forbidden
    return structure


def size_of(first: int | None, info: Info) -> int:
    size = 50 if first is None else first
    if not 0 <= size <= MOST_PER_PAGE:
        raise malformed("PAGE_NOT_POSSIBLE", info.context.language, most=MOST_PER_PAGE, given=size)
    return size


def _position(cursor: str | None, info: Info) -> int | None:
    if cursor is None:
        return None
    try:
        (position,) = parts_of(cursor)
        return number_of(position)
    except ValueError:
        raise malformed("CURSOR_NOT_POSSIBLE", info.context.language) from None


# ------------------------------------------------------------------------------------------------------------------ queries
@strawberry.type
class OfficeQueries:
    @strawberry.field
    async def identity_acts(
        self,
        info: Info,
        structure: ID,
        account: ID | None = None,
        kind: str | None = None,
        family: ID | None = None,
        child: ID | None = None,
        adult: ID | None = None,
        first: int | None = 50,
        after: str | None = None,
    ) -> IdentityActConnection:
        """What agents of the structure did in its register, the newest first: the audit trail, for agents."""
        of = acts_for(info, str(structure))
        wanted = {"structure": of, "account": account, "kind": kind, "family": family, "child": child, "adult": adult}
        size, cursor = size_of(first, info), _position(after, info)
        async with info.context.database.reading() as session:
            rows = await audit.page(session, wanted, cursor, size + 1)
        page = rows[:size]
        return IdentityActConnection(
            nodes=[IdentityAct.of(row, of) for row in page],
            end_cursor=cursor_of(page[-1].position) if page else stays(rows, after),
            has_next_page=len(rows) > size,
        )
