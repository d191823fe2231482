"""what agents do about mails"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.

TROUBLED = sa.text("state IN ('FAILED', 'UNADDRESSED', 'WITHDRAWN')")


def upgrade() -> None:
    op.add_column("mail", sa.Column("again_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_mail_troubled", "mail", ["structure", "created_at"], sqlite_where=TROUBLED, postgresql_where=TROUBLED)
    op.create_table(
        "act",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("structure", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("mail", sa.String(), nullable=True),
        sa.Column("family", sa.String(), nullable=True),
        sa.Column("dead_letter", sa.String(), nullable=True),
        sa.Column("seal", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_act")),
    )
    op.create_index("ix_act_structure_position", "act", ["structure", "position"])
    _only_grows()


def _only_grows() -> None:
    """The audit trail: no statement of ours, and none typed by hand in haste, changes or deletes a row."""
    if op.get_bind().dialect.name == "sqlite":
        for deed in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER act_never_{deed.lower()} BEFORE {deed} ON act BEGIN SELECT RAISE(ABORT, 'the audit trail only grows'); END"
            )
        return
    op.execute(
        """CREATE FUNCTION act_only_grows() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the audit trail only grows'; END $$"""
    )
    op.execute(
        "CREATE TRIGGER act_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON act FOR EACH STATEMENT EXECUTE FUNCTION act_only_grows()"
    )
