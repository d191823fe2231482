"""Run by Alembic. Which service is being migrated is decided by the caller, in migrate.py."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection
from sqlmodel.sql.sqltypes import AutoString

from services.database import Instant


def plain_types(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Write SQLAlchemy's own types in migrations, so that none depends on our code as it is today."""
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String({f'length={item.length}' if item.length else ''})"
    if kind == "type" and isinstance(item, Instant):
        return "sa.DateTime(timezone=True)"
    return False


connection: Connection = context.config.attributes["connection"]
context.configure(
    connection,
    target_metadata=context.config.attributes["metadata"],
    render_as_batch=True,
    render_item=plain_types,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
