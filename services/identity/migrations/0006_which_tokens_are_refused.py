"""which tokens are refused"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.


def upgrade() -> None:
    op.create_table(
        "revoked",
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("session", sa.String(), nullable=True),
        sa.Column("before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_revoked")),
    )
    with op.batch_alter_table("revoked", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_revoked_until"), ["until"], unique=False)

    op.create_table(
        "withdrawn_key",
        sa.Column("kid", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_withdrawn_key")),
    )
    with op.batch_alter_table("verification_key", schema=None) as batch_op:
        batch_op.add_column(sa.Column("published_at", sa.DateTime(timezone=True), nullable=True))
