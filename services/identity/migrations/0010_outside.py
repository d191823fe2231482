"""outside"""

import sqlalchemy as sa
from alembic import op

from services.database import Instant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.


def upgrade() -> None:
    op.create_table(
        "outside_identity",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("linked_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_outside_identity_account_id")),
        sa.PrimaryKeyConstraint("provider", "subject", name=op.f("pk_outside_identity")),
    )
    op.create_index(op.f("ix_outside_identity_account_id"), "outside_identity", ["account_id"], unique=False)
    op.create_table(
        "oidc_state",
        sa.Column("state_sum", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("binding_sum", sa.String(length=64), nullable=False),
        sa.Column("session_id", sa.String(), nullable=True),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("state_sum", name=op.f("pk_oidc_state")),
    )
    op.create_index("ix_oidc_state_expires_at", "oidc_state", ["expires_at"], unique=False)
