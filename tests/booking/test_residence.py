"""What was said of families before billing was told of it: the migration tells."""

from pathlib import Path

from alembic import command
from sqlalchemy import text

from deploy.migrate import _config, migrate
from services.database import Database
from services.events import ResidenceTold
from services.listening import read


async def test_what_agents_said_before_reaches_billing(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/booking.db"
    database = Database(url)
    said = [("dupont", "resident"), ("dupont", "both_parents_work"), ("martin", "both_parents_work")]
    try:
        async with database.engine.connect() as connection:
            await connection.run_sync(lambda sync: command.upgrade(_config("booking", sync), "0010"))
            for family, criterion in said:
                insert = "INSERT INTO family_criterion (family, criterion, structure) VALUES (:f, :c, 'carteville')"
                await connection.execute(text(insert), {"f": family, "c": criterion})
            await connection.commit()
        await migrate("booking", url)
        async with database.reading() as session:
            connection = await session.connection()
            rows = (
                await connection.execute(text("SELECT event_id, type, occurred_at, body, subject FROM outgoing ORDER BY position"))
            ).all()
            known = (await connection.execute(text("SELECT family, resident, version FROM residence ORDER BY family"))).all()
    finally:
        await database.close()
    events = [read(row.event_id, row.type, f"{row.occurred_at}+00:00", row.body.encode()) for row in rows]
    assert [(type(event), event.model_dump(exclude={"event_id", "occurred_at"})) for event in events] == [
        (ResidenceTold, {"structure": "carteville", "version": 1, "family": family, "resident": resident})
        for family, resident in (("dupont", True), ("martin", False))
    ]
    assert [row.subject for row in rows] == [event.subject for event in events]
    assert [tuple(row) for row in known] == [("dupont", 1, 1), ("martin", 0, 1)]
