"""linked by a code"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.


def upgrade() -> None:
    op.add_column("oidc_state", sa.Column("reset_sum", sa.String(length=64), nullable=True))
