"""`preau import` and `preau operator`: families from a file's bytes, and who runs the installation."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy import cli, importing, operators
from deploy.cli import app
from deploy.trouble import Trouble
from services.database import Database
from services.identity import register
from services.identity.households import StructureSpec
from services.settings import Settings

FILE = "numero;identifiant;nom;prenom;date de naissance\n7;zoe;LÉGER;Zoé;\n7;;LÉGER;Noël;24/12/2020\n8;;SEUL;Tom;hier\n"


@pytest.fixture
async def town(settings: Settings) -> Settings:
    database = Database(settings.database_urls["identity"])
    async with database.transaction() as session:
        await register.put_structure(session, settings.clock, StructureSpec("carteville", "Mairie de CarteVille", "Europe/Paris"))
    await database.close()
    return settings


async def test_a_file_as_windows_writes_it_is_taken_in_and_what_is_wrong_is_said(
    town: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "familles.csv"
    file.write_bytes(FILE.encode("cp1252"))
    assert not await importing.load(town, "carteville", file, dry_run=True)
    assert "2 created, 0 changed, 0 unchanged, 1 refused (nothing is kept)" in capsys.readouterr().out
    assert not await importing.load(town, "carteville", file, dry_run=False)
    said = capsys.readouterr()
    assert said.out == "carteville: lines: 2 created, 0 changed, 0 unchanged, 1 refused\n"
    assert said.err == f"{file}:4: “hier”: a day such as 12/04/2019 is expected.\n"
    file.write_text(FILE.replace("8;;SEUL;Tom;hier\n", ""), encoding="utf-8-sig")
    assert await importing.load(town, "carteville", file, dry_run=False)
    assert capsys.readouterr().out == "carteville: lines: 0 created, 0 changed, 2 unchanged, 0 refused\n"


async def test_what_cannot_be_loaded_at_all_is_trouble(town: Settings, tmp_path: Path) -> None:
    file = tmp_path / "familles.csv"
    file.write_text("nom;prenom\n")
    for structure, path, said in (
        ("carteville", file, "“numero” is missing"),
        ("nowhere", file, "there is no structure 'nowhere'"),
        ("carteville", tmp_path / "none.csv", "cannot be read"),
    ):
        with pytest.raises(Trouble, match=said):
            await importing.load(town, structure, path, dry_run=False)


async def test_operators_are_named_by_login_and_listed(town: Settings, tmp_path: Path) -> None:
    file = tmp_path / "familles.csv"
    file.write_text(FILE, encoding="utf-8")
    await importing.load(town, "carteville", file, dry_run=False)
    assert await operators.name(town, None, operator=True) == []
    for _ in range(2):
        assert await operators.name(town, "Zoe", operator=True) == ["zoe"]
    assert await operators.name(town, "zoe", operator=False) == []
    with pytest.raises(Trouble, match="there is no account 'nobody'"):
        await operators.name(town, "nobody", operator=True)


def test_where_nobody_is_named_it_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: object, **__: object) -> list[str]:
        return []

    monkeypatch.setattr(operators, "name", nobody)
    monkeypatch.setattr(cli, "existing", lambda settings: settings)
    told = CliRunner().invoke(app, ["operator", "--data", str(tmp_path)])
    assert (told.exit_code, told.stdout) == (0, "")
    assert "`preau operator LOGIN`" in told.stderr
