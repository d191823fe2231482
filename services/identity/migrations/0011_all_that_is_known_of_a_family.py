"""all that is known of a family"""

import sqlalchemy as sa
from alembic import op

from services.links import new_key

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.


def upgrade() -> None:
    op.create_table(
        "data_request",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("structure", sa.String(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("by_agent", sa.Boolean(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("private_key", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_request")),
    )
    with op.batch_alter_table("data_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_data_request_family"), ["family"], unique=False)
    op.create_table(
        "data_part",
        sa.Column("request", sa.String(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["request"], ["data_request.id"], name=op.f("fk_data_part_request"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("request", "service", "part", name=op.f("pk_data_part")),
    )
    op.create_table(
        "link_key",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_link_key")),
    )
    op.bulk_insert(sa.table("link_key", sa.column("name"), sa.column("key")), [{"name": "files", "key": new_key()}])
