"""what erasure takes out of the trail and leaves of the ledger"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# The old version of the code is still running while this migration runs: add first, use in the next
# release, remove in the one after.

WORDS = ("reason", "before", "after")
KEPT = ("position", "structure", "account", "at", "kind", "family", "wallet", "entry", "seal")


def upgrade() -> None:
    with op.batch_alter_table("act", schema=None) as batch_op:
        batch_op.add_column(sa.Column("emptied", sa.String(), nullable=True))
    _only_loses_words()
    op.create_table(
        "entry_reason",
        sa.Column("entry", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["ledger_entry.id"], name=op.f("fk_entry_reason_entry")),
        sa.PrimaryKeyConstraint("entry", name=op.f("pk_entry_reason")),
    )
    _put_beside()


def _put_beside() -> None:
    """Words never belonged into entries, which are final: here alone they are moved. Until the old code ends it may write some more."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    said = op.get_bind().execute(sa.text("SELECT count(*) FROM ledger_entry WHERE label IS NOT NULL")).scalar_one()
    if not said:
        return
    op.execute("INSERT INTO entry_reason (entry, reason) SELECT id, label FROM ledger_entry WHERE label IS NOT NULL")
    if sqlite:
        op.execute("DROP TRIGGER ledger_entry_no_update")
    else:
        op.execute("ALTER TABLE ledger_entry DISABLE TRIGGER ledger_entry_is_final")
    op.execute("UPDATE ledger_entry SET label = NULL WHERE label IS NOT NULL")
    if sqlite:
        op.execute(
            """
            CREATE TRIGGER ledger_entry_no_update BEFORE UPDATE ON ledger_entry
            BEGIN SELECT RAISE(ABORT, 'a ledger entry is final'); END
            """
        )
    else:
        op.execute("ALTER TABLE ledger_entry ENABLE TRIGGER ledger_entry_is_final")


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
