"""Where families live, as far as prices ask: in the town, or outside it."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing.commands import ALWAYS
from services.billing.tables import Residence, Structure
from services.clock import Clock


async def put_residence(session: AsyncSession, clock: Clock, family: str, structure: str, *, resident: bool) -> None:
    """What is said first holds for every day, what is said later from today on: prices already frozen stay."""
    latest = (
        await session.exec(select(Residence).where(Residence.family == family).order_by(col(Residence.starts_on).desc()).limit(1))
    ).first()
    if latest is None:
        session.add(Residence(family=family, starts_on=ALWAYS, resident=resident))
    elif latest.resident != resident:
        town = await session.get_one(Structure, structure)
        today = clock.today(town.timezone)
        if latest.starts_on == today:
            latest.resident = resident
        else:
            session.add(Residence(family=family, starts_on=today, resident=resident))
    await session.flush()
