"""what erasure takes out of the trail"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.

WORDS = ("reason", "before", "after")
KEPT = ("position", "structure", "account", "at", "kind", "activity", "date", "family", "child", "booking", "seal")


def upgrade() -> None:
    with op.batch_alter_table("act", schema=None) as batch_op:
        batch_op.add_column(sa.Column("emptied", sa.String(), nullable=True))
    _only_loses_words()


def _only_loses_words() -> None:
    """An act may lose what it says of people, at once and for good, and nothing else."""
    if op.get_bind().dialect.name == "sqlite":
        same = " AND ".join(f'NEW."{name}" IS OLD."{name}"' for name in KEPT)
        gone = " AND ".join(f'NEW."{name}" IS NULL' for name in WORDS)
        op.execute("DROP TRIGGER act_never_update")
        op.execute(
            f"""CREATE TRIGGER act_never_update BEFORE UPDATE ON act
            WHEN NOT (OLD.emptied IS NULL AND NEW.emptied IS NOT NULL AND {gone} AND {same})
            BEGIN SELECT RAISE(ABORT, 'the audit trail only grows'); END"""
        )
        return
    gone = " AND ".join(f"NEW.{name} IS NULL" for name in WORDS)
    names = ", ".join(f"'{name}'" for name in (*WORDS, "emptied"))
    op.execute("DROP TRIGGER act_only_grows ON act")
    op.execute("CREATE TRIGGER act_only_grows BEFORE DELETE OR TRUNCATE ON act FOR EACH STATEMENT EXECUTE FUNCTION act_only_grows()")
    op.execute(
        f"""CREATE FUNCTION act_only_loses_words() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF OLD.emptied IS NULL AND NEW.emptied IS NOT NULL AND {gone}
        AND to_jsonb(NEW) - ARRAY[{names}] = to_jsonb(OLD) - ARRAY[{names}] THEN RETURN NEW; END IF;
        RAISE EXCEPTION 'the audit trail only grows'; END $$"""
    )
    op.execute("CREATE TRIGGER act_only_loses_words BEFORE UPDATE ON act FOR EACH ROW EXECUTE FUNCTION act_only_loses_words()")
