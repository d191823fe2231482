"""what families are found by"""

from collections import defaultdict

import sqlalchemy as sa
from alembic import op

from services.identity.households import looked_for_by

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.


def upgrade() -> None:
    with op.batch_alter_table("family", schema=None) as batch_op:
        batch_op.add_column(sa.Column("looked_for_by", sa.Text(), server_default="", nullable=False))
        batch_op.create_index("ix_family_structure_id_number_id", ["structure_id", "number", "id"], unique=False)
    op.create_table(
        "asked_once",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("content", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_asked_once")),
    )
    _find()


def _find() -> None:
    """Those that are there already; what the old code changes meanwhile is found again when it is next changed."""
    connection = op.get_bind()
    people: dict[str, list[str]] = defaultdict(list)
    adults = """SELECT family_adult.family_id, last_name, first_name, login FROM family_adult
        JOIN account ON account.id = family_adult.account_id ORDER BY family_adult.position"""
    children = "SELECT family_id, last_name, first_name FROM child WHERE listed ORDER BY position"
    for select in (adults, children):
        for family, *names in connection.execute(sa.text(select)):
            people[family] += names
    families = connection.execute(sa.text("SELECT id, number FROM family")).all()
    rows = [{"id": id_, "words": looked_for_by(number, people[id_])} for id_, number in families]
    if rows:
        connection.execute(sa.text("UPDATE family SET looked_for_by = :words WHERE id = :id"), rows)
