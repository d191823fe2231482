"""families that are erased"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.


def upgrade() -> None:
    op.create_table(
        "erasure",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("structure", sa.String(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("despite", sa.JSON(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("weighed", sa.JSON(), nullable=False),
        sa.Column("erased", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure")),
        sa.UniqueConstraint("account", "key", name=op.f("uq_erasure_account_key")),
    )
    with op.batch_alter_table("erasure", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_erasure_family"), ["family"], unique=False)
        batch_op.create_index("ix_erasure_structure_asked_at", ["structure", "asked_at"], unique=False)
    with op.batch_alter_table("family", schema=None) as batch_op:
        batch_op.add_column(sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
