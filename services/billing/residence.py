"""Where families live, as far as prices ask: in the town, or outside it."""

import datetime as dt
from zoneinfo import ZoneInfo

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing.commands import ALWAYS, town_of
from services.billing.tables import Residence, core
from services.bulk import upsert
from services.events import ResidenceTold


async def hear_residence(session: AsyncSession, event: ResidenceTold) -> None:
    """The first word holds for every day, a later one from its day on: prices already frozen stay.

    Each word has a day of its own, and of one day the last word counts: so the end is the same in whatever order they are heard.
    """
    told = {"family": event.family, "starts_on": await _first_day(session, event), "resident": event.resident, "version": event.version}
    news = upsert(session, core(Residence), told, lambda known, news: known.version < news.version)
    await (await session.connection()).execute(news)


async def _first_day(session: AsyncSession, event: ResidenceTold) -> dt.date:
    before = select(Residence.family).where(Residence.family == event.family, Residence.version == 0).limit(1)
    if event.version == 1 and (await session.exec(before)).first() is None:
        return ALWAYS
    town = await town_of(session, event.structure)
    return event.occurred_at.astimezone(ZoneInfo(town.timezone)).date()
