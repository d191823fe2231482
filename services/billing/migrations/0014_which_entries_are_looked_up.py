"""which entries are looked up"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: it finds what it found, and takes longer where it adds up
# a whole ledger account (purses have replaced that) or closes days again.
LATER = sa.text("settles <> cause")


def upgrade() -> None:
    with op.batch_alter_table("ledger_entry", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ledger_entry_from_account"))
        batch_op.drop_index(batch_op.f("ix_ledger_entry_to_account"))
        batch_op.drop_index(batch_op.f("ix_ledger_entry_settles"))
        batch_op.create_index("ix_ledger_entry_settles", ["settles"], unique=False, sqlite_where=LATER, postgresql_where=LATER)
        batch_op.create_index("ix_ledger_entry_structure_posted_at", ["structure", "posted_at"], unique=False)
