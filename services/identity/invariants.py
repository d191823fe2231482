"""What must always be true of identity's tables: `preau check` asks."""

from sqlalchemy import ColumnElement, exists, func
from sqlalchemy.orm import Mapped
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.identity.audit import broken_seals
from services.identity.tables import Account, AccountSession, AgentRole, Child, Credential, Family, FamilyAdult, Membership, RefreshToken


async def violations(session: AsyncSession) -> list[str]:
    """In words, one for each broken promise. Empty if all is well."""
    return [
        *await _accounts_without_password(session),
        *await _sessions_that_two_could_renew(session),
        *await _strangers(session),
        *await _children_out_of_order(session),
        *await broken_seals(session),
    ]


async def _accounts_without_password(session: AsyncSession) -> list[str]:
    found = select(Account.id).where(~exists().where(col(Credential.account_id) == col(Account.id)))
    return [f"account {account} has no password" for account in (await session.exec(found)).all()]


async def _sessions_that_two_could_renew(session: AsyncSession) -> list[str]:
    unused = select(RefreshToken.session_id).where(
        RefreshToken.session_id == AccountSession.id, col(AccountSession.ended_at).is_(None), col(RefreshToken.used_at).is_(None)
    )
    twice = unused.group_by(col(RefreshToken.session_id)).having(func.count() > 1)
    return [f"session {one} has several refresh tokens that are good" for one in (await session.exec(twice)).all()]


async def _strangers(session: AsyncSession) -> list[str]:
    """Adults and agents of a structure that was never told of their account."""

    def told(account: Mapped[str], structure: Mapped[str]) -> ColumnElement[bool]:
        return exists().where(col(Membership.account_id) == account, col(Membership.structure_id) == structure)

    adults = select(FamilyAdult.account_id, Family.structure_id).where(
        FamilyAdult.family_id == Family.id,
        ~told(col(FamilyAdult.account_id), col(Family.structure_id)),
    )
    agents = select(AgentRole.account_id, AgentRole.structure_id).where(~told(col(AgentRole.account_id), col(AgentRole.structure_id)))
    rows = [*(await session.exec(adults)).all(), *(await session.exec(agents)).all()]
    return [f"account {account} acts in {structure} without belonging to it" for account, structure in rows]


async def _children_out_of_order(session: AsyncSession) -> list[str]:
    found = select(Child.family_id).where(col(Child.listed)).group_by(col(Child.family_id), col(Child.position)).having(func.count() > 1)
    return [f"family {family} has two children in one place" for family in (await session.exec(found)).all()]
