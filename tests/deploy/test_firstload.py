"""What `preau up` loads when it starts: never too much, and never half of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel import select

from deploy import firstload
from deploy.demo import DEMO
from deploy.firstload import First, load_first
from deploy.town.reading import TownFileError
from services.identity.tables import Account, Structure
from services.settings import Settings
from tests.deploy.conftest import Databases
from tests.deploy.test_checking import EXAMPLE, TEXT


async def structures(databases: Databases) -> list[str]:
    async with databases["identity"].reading() as session:
        return list((await session.exec(select(Structure.name))).all())


async def test_an_empty_system_gets_the_demo_town_once(settings: Settings, tmp_path: Path) -> None:
    first = await load_first(settings, tmp_path, (), demo=True)
    assert (first.changed, first.demo, len(first.logins)) == (True, True, 7)
    again = await load_first(settings, tmp_path, (), demo=True)
    assert (again.changed, again.demo, len(again.logins)) == (False, False, 7)


async def test_without_demo_it_stays_empty(settings: Settings, databases: Databases, tmp_path: Path) -> None:
    assert await load_first(settings, tmp_path, (), demo=False) == First(changed=False)
    assert await structures(databases) == []


async def test_a_town_of_ones_own_is_loaded_again_when_its_file_changes(settings: Settings, databases: Databases, tmp_path: Path) -> None:
    file = tmp_path / "town.yaml"
    file.write_text(TEXT, encoding="utf-8")
    first = await load_first(settings, tmp_path, (file,), demo=True)
    assert (first.changed, first.demo, first.logins) == (True, False, ())
    assert not (await load_first(settings, tmp_path, (file,), demo=True)).changed
    file.write_text(TEXT.replace("Mairie de CarteVille", "Mairie"), encoding="utf-8")
    assert (await load_first(settings, tmp_path, (file,), demo=True)).changed
    assert await structures(databases) == ["Mairie"]
    assert not (await load_first(settings, tmp_path, (), demo=True)).demo, "it is no longer empty"


async def test_a_wrong_file_loads_nothing(settings: Settings, databases: Databases, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TEXT.replace("school_zone: B", "school_zone: D"), encoding="utf-8")
    for _ in range(2):
        with pytest.raises(TownFileError):
            await load_first(settings, tmp_path, (EXAMPLE, wrong), demo=True)
    assert await structures(databases) == []


async def test_dying_while_the_demo_is_loaded_leaves_no_half_of_it(
    settings: Settings, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: object, **__: object) -> None:
        async with databases["identity"].transaction() as session:
            session.add(Structure(id="carteville", name="half", timezone="Europe/Paris"))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(firstload, "load", dies)
        with pytest.raises(KeyboardInterrupt):
            await load_first(replace(settings), tmp_path, (), demo=True)
    assert await structures(databases) == ["half"]
    assert (await load_first(settings, tmp_path, (), demo=True)).demo
    assert await structures(databases) == ["Mairie de CarteVille"]
    async with databases["identity"].reading() as session:
        assert len((await session.exec(select(Account.id))).all()) == 14
    assert DEMO.name in (tmp_path / firstload.FILE).read_text()
