"""ranks"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.


def upgrade() -> None:
    op.create_table(
        "operator",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_operator_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_operator")),
    )
    with op.batch_alter_table("agent_role", schema=None) as batch_op:
        batch_op.add_column(sa.Column("administrator", sa.Boolean(), server_default=sa.false(), nullable=False))
