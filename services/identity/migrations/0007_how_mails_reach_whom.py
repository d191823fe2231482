"""how mails reach whom"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.


def upgrade() -> None:
    op.create_table(
        "undeliverable",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_undeliverable_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_undeliverable")),
    )
    op.add_column("account", sa.Column("reports", sa.String(), server_default="at_once", nullable=False))
    op.add_column("account", sa.Column("announcements_by_mail", sa.Boolean(), server_default=sa.true(), nullable=False))
