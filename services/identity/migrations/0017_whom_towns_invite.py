"""whom towns invite"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.


def upgrade() -> None:
    op.create_table(
        "invitation",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("token_sum", sa.String(length=64), nullable=False),
        sa.Column("structure_id", sa.String(), nullable=False),
        sa.Column("family_id", sa.String(), nullable=True),
        sa.Column("gives", sa.Enum("FAMILY", "AGENT", "ADMINISTRATOR", name="gives", native_enum=False, length=24), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("invited_by", sa.String(), nullable=False),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("account_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_invitation_account_id_account")),
        sa.ForeignKeyConstraint(["family_id"], ["family.id"], name=op.f("fk_invitation_family_id_family")),
        sa.ForeignKeyConstraint(["structure_id"], ["structure.id"], name=op.f("fk_invitation_structure_id_structure")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("token_sum", name=op.f("uq_invitation_token_sum")),
    )
    with op.batch_alter_table("invitation", schema=None) as batch_op:
        batch_op.create_index("ix_invitation_structure_id_id", ["structure_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_invitation_family_id"), ["family_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_invitation_account_id"), ["account_id"], unique=False)
