"""one reader for each mail"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# A mail goes to one adult, so that nobody is shown another's address. No release has ever written the two columns: they can go at once.


def upgrade() -> None:
    with op.batch_alter_table("mail", schema=None) as batch_op:
        batch_op.drop_column("copies")
        batch_op.drop_column("awaited")
