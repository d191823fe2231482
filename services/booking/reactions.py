"""What booking does when it hears something: it keeps its copies."""

from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking import commands, personal
from services.booking.tables import BookingTable
from services.clock import Clock
from services.events import DataRequested, ErasureAsked, ErasureRefused, FamilyChanged, FamilyErasing, StandingChanged, StructureChanged
from services.personal import wipe_soon
from services.service import Service

service = Service("booking", BookingTable.metadata)
service.reacts_to(DataRequested)(personal.tell)
service.reacts_to(ErasureAsked)(personal.weigh)
service.reacts_to(ErasureRefused)(personal.go_on)
service.reacts_to(FamilyErasing)(personal.erase)
service.after(FamilyErasing)(wipe_soon)


@service.reacts_to(StructureChanged)
async def copy_structure(session: AsyncSession, event: StructureChanged, clock: Clock) -> None:
    await commands.hear_structure(session, event)


@service.reacts_to(FamilyChanged)
async def copy_family(session: AsyncSession, event: FamilyChanged, clock: Clock) -> None:
    await commands.hear_family(session, event)


@service.reacts_to(StandingChanged)
async def copy_standing(session: AsyncSession, event: StandingChanged, clock: Clock) -> None:
    await commands.hear_standing(session, event)
