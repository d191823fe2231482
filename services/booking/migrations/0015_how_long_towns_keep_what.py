"""what towns keep for how long"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.


def upgrade() -> None:
    with op.batch_alter_table("structure_copy", schema=None) as batch_op:
        batch_op.add_column(sa.Column("retention", sa.JSON(none_as_null=True), nullable=True))
