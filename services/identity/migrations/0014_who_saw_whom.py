"""who saw whom"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.


def upgrade() -> None:
    op.create_table(
        "viewing",
        sa.Column("structure", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("child", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("structure", "account", "family", "child", "what", "hour", name=op.f("pk_viewing")),
    )
    with op.batch_alter_table("viewing", schema=None) as batch_op:
        batch_op.create_index("ix_viewing_structure_hour", ["structure", "hour"], unique=False)
        batch_op.create_index("ix_viewing_family_hour", ["family", "hour"], unique=False)
