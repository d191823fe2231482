"""A service small enough to see through: it keeps the newest standing that it heard of each family."""

import datetime as dt
from dataclasses import replace
from typing import Any

from sqlmodel import Field, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.database import new_metadata
from services.events import StandingChanged
from services.outbox import MailroomTable, record
from services.service import NotYetKnown, Running, Service
from services.settings import Settings


class ToyTable(SQLModel):
    metadata = new_metadata()


class Standing(ToyTable, table=True):
    family: str = Field(primary_key=True)
    in_debit: bool
    version: int
    times: int = 1  #: How often an event changed it: an effect that happens twice is seen.


def new_toy(name: str = "toy") -> Service:
    toy = Service(name, ToyTable.metadata)

    @toy.reacts_to(StandingChanged)
    async def keep(session: AsyncSession, event: StandingChanged, clock: Clock) -> None:
        if event.family == "impossible":
            raise RuntimeError("cannot be handled")
        if event.family.startswith("later") and await session.get(Standing, "known") is None:
            raise NotYetKnown("known")
        row = await session.get(Standing, event.family)
        if row is None:
            session.add(Standing(family=event.family, in_debit=event.in_debit, version=event.version))
            return
        row.times += 1  # Each time: only the inbox can keep it from being twice.
        if row.version < event.version:
            row.in_debit, row.version = event.in_debit, event.version

    return toy


async def toy_running(nats_url: str, database_url: str, *, name: str = "toy", start: bool = True) -> Running:
    settings = Settings.from_environment({})
    running = Running.of(new_toy(name), replace(settings, nats_url=nats_url, database_urls={**settings.database_urls, name: database_url}))
    async with running.database.engine.begin() as connection:
        await connection.run_sync(ToyTable.metadata.create_all)
        await connection.run_sync(MailroomTable.metadata.create_all)
    if start:
        await running.start()
    return running


def standing(family: str, version: int = 1, **more: Any) -> StandingChanged:
    values = {"in_debit": version % 2 == 1, **more}
    return StandingChanged(occurred_at=dt.datetime.now(dt.UTC), structure="carteville", family=family, version=version, **values)


async def say(running: Running, *events: StandingChanged) -> None:
    async with running.database.transaction() as session:
        record(session, *events)
    running.outbox_written()


async def standings(running: Running) -> dict[str, Standing]:
    async with running.database.reading() as session:
        return {row.family: row for row in (await session.exec(select(Standing))).all()}
