"""Two versions of the code share a database while one takes the other's place, so a migration adds, and takes nothing from the old one.

What nobody uses any more goes a release later, by a migration that says so: `CONTRACTS = "why nobody needs it"`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.settings import SERVICES

ROOT = Path(__file__).resolve().parents[2]
#: The newest migrations of the last release. Until there is one: of the day on which this became the rule.
RELEASED = {"identity": "0020", "billing": "0019", "booking": "0017", "mailer": "0009"}
TAKES_AWAY = {"drop_column", "drop_table", "rename_table", "drop_constraint"}
WORDS = ("DROP COLUMN", "DROP TABLE", "RENAME ", "SET NOT NULL")


def breaking(text: str) -> Iterator[str]:
    """What an older version of the code would miss, or could not write any more, once this migration was run."""
    tree = ast.parse(text)
    if any(isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "CONTRACTS" for each in tree.body):
        return
    (upgrade,) = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == "upgrade"]
    made = {ast.unparse(each.args[0]) for each in ast.walk(upgrade) if isinstance(each, ast.Call) and _name(each) == "create_table"}
    for call in (each for each in ast.walk(upgrade) if isinstance(each, ast.Call)):
        if _takes_away(call, made) or _demands(call):
            yield ast.unparse(call)


def _takes_away(call: ast.Call, made: set[str]) -> bool:
    """`made`: tables that are new."""
    if _name(call) in TAKES_AWAY:
        return not (call.args and ast.unparse(call.args[0]) in made)
    return _name(call) == "execute" and any(word in ast.unparse(call).upper() for word in WORDS)


def _demands(call: ast.Call) -> bool:
    """A column that the old version does not know how to fill, or finds no more as it was."""
    if _name(call) == "alter_column":
        given = _told(call)
        return given.get("nullable") == "False" or bool({"new_column_name", "type_"} & set(given))
    columns = [_told(each) for each in ast.walk(call) if isinstance(each, ast.Call) and _name(each) == "Column"]
    return _name(call) == "add_column" and any(told.get("nullable") == "False" and "server_default" not in told for told in columns)


def _told(call: ast.Call) -> dict[str | None, str]:
    return {each.arg: ast.unparse(each.value) for each in call.keywords}


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


@pytest.mark.parametrize("service", SERVICES)
def test_a_migration_takes_nothing_from_the_version_before(service: str) -> None:
    for path in sorted((ROOT / "services" / service / "migrations").glob("[0-9]*.py")):
        if path.name[:4] > RELEASED[service]:
            assert not list(breaking(path.read_text(encoding="utf-8"))), f"{path.name}: add first, use in the next release, remove after"


@pytest.mark.parametrize(
    ("step", "breaks"),
    [
        ('op.add_column("t", sa.Column("c", sa.String(), nullable=True))', False),
        ('op.add_column("t", sa.Column("c", sa.String(), nullable=False, server_default="x"))', False),
        ('op.add_column("t", sa.Column("c", sa.String(), nullable=False))', True),
        ('op.drop_column("t", "c")', True),
        ('op.drop_table("t")', True),
        ('op.rename_table("t", "u")', True),
        ('op.alter_column("t", "c", nullable=False)', True),
        ('op.alter_column("t", "c", new_column_name="d")', True),
        ('op.alter_column("t", "c", nullable=True)', False),
        ('op.execute("ALTER TABLE t DROP COLUMN c")', True),
        ('op.create_index("ix", "t", ["c"])', False),
    ],
)
def test_the_rule_sees_what_breaks(step: str, breaks: bool) -> None:
    assert bool(list(breaking(f"def upgrade():\n    {step}\n"))) is breaks
    assert not list(breaking(f'CONTRACTS = "nobody reads it since 0.2"\ndef upgrade():\n    {step}\n'))
