"""whose language"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.


def upgrade() -> None:
    op.add_column("account", sa.Column("loaded_language", sa.String(), nullable=True))
