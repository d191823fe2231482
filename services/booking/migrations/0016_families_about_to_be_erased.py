"""families that are about to be erased"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.


def upgrade() -> None:
    op.create_table(
        "erasing",
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("erasure", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("family", "erasure", name=op.f("pk_erasing")),
    )
