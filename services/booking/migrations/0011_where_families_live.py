"""where families live"""

import datetime as dt
from uuid import uuid4

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.

OUTGOING = sa.table(
    "outgoing",
    *(sa.column(name) for name in ("event_id", "subject", "type", "about", "body")),
    sa.column("internal", sa.Boolean()),
    sa.column("published", sa.Boolean()),
    sa.column("occurred_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    residence = op.create_table(
        "residence",
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("structure", sa.String(), nullable=False),
        sa.Column("resident", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("family", name=op.f("pk_residence")),
    )
    with op.batch_alter_table("residence", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_residence_structure"), ["structure"], unique=False)
    _tell_billing(residence)


def _tell_billing(residence: sa.Table) -> None:
    """Of families whose criteria were told: what agents said of them never left booking."""
    lives_here = "max(CASE WHEN criterion = 'resident' THEN 1 ELSE 0 END)"
    found = sa.text(f"SELECT family, structure, {lives_here} FROM family_criterion GROUP BY family, structure ORDER BY family")
    known = [(family, structure, bool(resident)) for family, structure, resident in op.get_bind().execute(found)]
    if not known:
        return
    op.bulk_insert(residence, [{"family": f, "structure": s, "resident": r, "version": 1} for f, s, r in known])
    now = dt.datetime.now(dt.UTC)
    op.bulk_insert(OUTGOING, [_event(*one, now) for one in known])


def _event(family: str, structure: str, resident: bool, now: dt.datetime) -> dict[str, object]:
    return {
        "event_id": uuid4().hex,
        "internal": True,
        "subject": f"preau-internal.{structure}.booking.residence_told",
        "type": "fr.preau.booking.residence_told.v1",
        "about": family,
        "occurred_at": now,
        "body": orjson.dumps({"structure": structure, "version": 1, "family": family, "resident": resident}).decode(),
        "published": False,
    }
