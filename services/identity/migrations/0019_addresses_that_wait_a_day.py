"""addresses that wait a day"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.


def upgrade() -> None:
    op.add_column("account", sa.Column("pending_proven", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("account", sa.Column("pending_due_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("ix_account_pending_due_at"), "account", ["pending_due_at"])
    op.add_column("address_token", sa.Column("cancels", sa.Boolean(), server_default=sa.false(), nullable=False))
