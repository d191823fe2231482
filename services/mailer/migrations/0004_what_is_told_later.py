"""what is told later: announcements, daily reports; the pace of mails; whose address a mail went to"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "announcement",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("structure", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("after_family", sa.String(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcement")),
    )
    op.create_table(
        "digest_line",
        sa.Column("position", BIGINT, autoincrement=True, nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("wish", sa.JSON(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_digest_line")),
        sa.UniqueConstraint("cause", name=op.f("uq_digest_line_cause")),
    )
    op.create_index(
        "ix_digest_line_untold",
        "digest_line",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("told_by IS NULL"),
        postgresql_where=sa.text("told_by IS NULL"),
    )
    op.create_table(
        "pace",
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("free_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_pace")),
    )
    # The old version of the code is still running: what it queues goes to people's own addresses, as all mails did so far.
    op.add_column("mail", sa.Column("own_address", sa.Boolean(), server_default=sa.true(), nullable=False))
