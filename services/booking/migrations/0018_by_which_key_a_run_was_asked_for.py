"""by which key a run was asked for"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.


def upgrade() -> None:
    with op.batch_alter_table("allocation_run", schema=None) as batch_op:
        batch_op.add_column(sa.Column("idempotency_key", sa.String(), nullable=True))
        # Of runs that nobody asked for by a key, as many as one likes.
        batch_op.create_unique_constraint(
            op.f("uq_allocation_run_activity_account_idempotency_key"), ["activity", "account", "idempotency_key"]
        )
