"""which mails hold words still"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    words = sa.text("state <> 'QUEUED' AND subject <> ''")
    op.create_index("ix_mail_with_words", "mail", ["created_at"], unique=False, sqlite_where=words, postgresql_where=words)
