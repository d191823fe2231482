"""The drill: databases and the broker's disk are lost, backups are put in their place, and everybody agrees again."""

import asyncio
import contextlib
import datetime as dt
import itertools
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, make_url
from sqlmodel import select

from deploy import backup as backing
from deploy import check as checking
from deploy import restore as restoring
from deploy.addresses import existing
from deploy.backlog import settled
from deploy.backup import backup, backups_in
from deploy.check import check
from deploy.restore import restore, untold
from deploy.serving import serve
from deploy.trouble import Trouble
from deploy.upgrade import upgrade
from services.booking.tables import Standing
from services.database import Database
from services.events import StructureChanged
from services.mailer.tables import Family
from services.outbox import Heard, Outgoing, record
from services.service import Running
from services.settings import SERVICES, Settings
from tests.conftest import POSTGRESQL, dealt, service_of
from tests.deploy.conftest import Databases
from tests.deploy.test_loading import TEXT, bookings_of, put
from tests.facts import until
from tests.nats_server import NatsServer

OPENING = "label: Reprise de solde, cents: 0}"
MOVED = "jean-paul@example.org"
IN_DEBT = TEXT.replace("jp.dupont@example.org", MOVED).replace(
    OPENING, f"{OPENING}\n      - {{date: today-24d, wallet: periscolaire, label: Oubli, cents: 9000}}"
)
ONE_MORE = "      - {child: amalia, activity: aps-matin, date: today+8d}\n"


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Databases]:
    async with AsyncExitStack() as stack:
        databases = {service: Database(settings.database_urls[service]) for service in SERVICES}
        for database in databases.values():
            stack.push_async_callback(database.close)
        yield databases


@asynccontextmanager
async def at_work(settings: Settings) -> AsyncIterator[None]:
    """All four services, until everybody has heard everything."""
    async with AsyncExitStack() as stack:
        for service in SERVICES:
            one = Running.of(service_of(service), settings)
            if on_start := getattr(import_module(f"services.{service}.app"), "on_start", None):
                await on_start(one)
            await one.start()
            stack.push_async_callback(one.stop)
        yield
        assert await settled(settings, 120)


async def live(settings: Settings, file: str) -> None:
    """The town's file says so now, and everybody hears it."""
    async with opened(settings) as databases:
        await put(databases, file)
    async with at_work(settings):
        pass


async def in_debt(settings: Settings) -> set[str]:
    """As booking has heard it."""
    async with opened(settings) as databases, databases["booking"].reading() as session:
        return set((await session.exec(select(Standing.family).where(Standing.in_debit))).all())


async def address(settings: Settings) -> str:
    """To which the mailer would write."""
    async with opened(settings) as databases, databases["mailer"].reading() as session:
        (adults,) = (await session.exec(select(Family.adults).where(Family.id == "dupont"))).all()
        return str(adults[0]["email"])


async def booked(settings: Settings) -> int:
    async with opened(settings) as databases:
        return len(await bookings_of(databases))


@pytest.fixture
def town(settings: Settings, own_nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(checking, "BETWEEN_SECONDS", 0.0)
    return replace(settings, nats_url=own_nats.url, data=tmp_path / "data")


def lose(settings: Settings, *services: str) -> None:
    """Whoever has no file, or an empty one, knows nothing."""
    for service in services:
        where = make_url(settings.database_urls[service])
        if where.get_backend_name() == "sqlite":
            for file in Path(where.database or "").parent.glob(f"{Path(where.database or '').name}*"):
                file.write_bytes(b"")


async def test_the_drill(town: Settings, own_nats: NatsServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await live(town, TEXT)
    first = await backup(town, tmp_path / "backups")
    assert await in_debt(town) == set()

    # Billing goes on, and tells booking of a debt. Booking's disk is lost, and the broker's: an older backup of booking is enough.
    await live(town, IN_DEBT)
    assert await in_debt(town) == {"dupont"}
    lose(town, "booking")
    own_nats.stop(kill=True)
    own_nats.wipe()
    own_nats.start()
    await restore(town, first, ["booking"])
    assert await in_debt(town) == set(), "control: it is older"
    async with at_work(town):
        pass
    assert await in_debt(town) == {"dupont"}, "it heard again what it had missed"
    assert await check(town), capsys.readouterr().out

    # Of what booking told since, it cannot be put back alone: billing knows of a place that booking would know nothing of.
    await live(town, IN_DEBT + ONE_MORE)
    assert await booked(town) == 2
    with pytest.raises(Trouble, match=r"billing knows \d+ events that booking would not have told: restore all"):
        await restore(town, first, ["booking"])
    assert await booked(town) == 2, "nothing was replaced"

    # The mailer only hears: whatever it forgot it is told again.
    lose(town, "mailer")
    await restore(town, first, ["mailer"])
    assert await address(town) != MOVED, "control: it is older"
    async with at_work(town):
        pass
    assert await address(town) == MOVED
    assert await check(town), capsys.readouterr().out

    # All of one moment: what came later is gone, for everybody.
    await restore(town, first)
    async with at_work(town):
        pass
    assert await booked(town) == 1
    assert await in_debt(town) == set()
    assert await check(town), capsys.readouterr().out
    # And life goes on.
    await live(town, IN_DEBT + ONE_MORE)
    assert (await booked(town), await in_debt(town)) == (2, {"dupont"})
    assert await check(town), capsys.readouterr().out


async def test_put_back_anyway_billing_keeps_a_cost_that_nobody_can_tell_of(
    town: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The negative control: this is what is refused."""
    await live(town, TEXT)
    first = await backup(town, tmp_path / "backups")
    await live(town, TEXT + ONE_MORE)
    await restore(town, first, ["booking"], anyway=True)
    async with at_work(town):
        pass
    assert not await check(town)
    assert "which does not exist" in capsys.readouterr().out


async def test_nobody_in_a_backup_has_heard_what_its_teller_does_not_say_in_it(
    town: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While identity goes on telling, and everybody hearing."""
    monkeypatch.setattr(restoring, "_begin_streams_anew", nothing)
    async with opened(town) as databases, at_work(town):
        telling = asyncio.create_task(keeps_telling(databases["identity"]))
        await until(lambda: heard_by(databases["mailer"]))
        made = [await backup(town, tmp_path / "backups" / str(number)) for number in range(3)]
        telling.cancel()
    for folder in made:
        await restore(town, folder)
        async with opened(town) as databases:
            assert await heard_by(databases["mailer"]), "control: there is something that it could have heard too early"
            assert [await untold(database, databases.values()) for database in databases.values()] == [0, 0, 0, 0]


async def nothing(*_: object) -> list[str]:
    return []


async def keeps_telling(database: Database) -> None:
    for version in itertools.count(1):
        now = dt.datetime.now(dt.UTC)
        async with database.transaction() as session:
            record(session, StructureChanged(occurred_at=now, structure="s", version=version, title="S", timezone="UTC", school_zone=None))
        await asyncio.sleep(0.01)


async def heard_by(database: Database) -> int:
    async with database.reading() as session:
        return len((await session.exec(select(Heard.event_id))).all())


@contextlib.contextmanager
def held(settings: Settings) -> Iterator[None]:
    data = settings.data
    data.mkdir()
    import fcntl  # noqa: PLC0415 -- only here

    with (data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


async def test_what_is_no_backup_of_ours_or_damaged_or_in_use(town: Settings, tmp_path: Path) -> None:
    folder = await backup(town, tmp_path / "backups")
    assert all(file.stat().st_mode & 0o077 == 0 for file in (folder, *folder.iterdir()))
    with pytest.raises(Trouble, match="is no backup"):
        await restore(town, tmp_path)
    manifest = folder / backing.MANIFEST
    told = json.loads(manifest.read_text())
    manifest.write_text(
        json.dumps(told | {"services": told["services"] | {"booking": {**told["services"]["booking"], "migration": "9999"}}})
    )
    with pytest.raises(Trouble, match="booking is at 9999 there"):
        await restore(town, folder)
    manifest.write_text(json.dumps(told))
    with held(town), pytest.raises(Trouble, match="stop it first"):
        await restore(town, folder)
    name = next(iter(told["services"]["identity"]["files"]))
    (folder / name).write_bytes((folder / name).read_bytes()[:-1] + b"?")
    with pytest.raises(Trouble, match=f"is damaged: {name}"):
        await restore(town, folder)


async def test_a_restore_that_fails_changes_nothing(town: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it fails, and also where an earlier one has left what was there before it."""
    folder = await backup(town, tmp_path / "backups")
    await restore(town, folder)
    async with opened(town) as databases:
        await put(databases, TEXT)
    for step in ("_put", "migrate"):
        for service in (SERVICES[0], SERVICES[-1]):
            with monkeypatch.context() as patch:
                patch.setattr(restoring, step, fails_at(service, getattr(restoring, step)))
                with pytest.raises(OSError, match="no room"):
                    await restore(town, folder)
            assert await booked(town) == 1, (step, service)
    with monkeypatch.context() as patch:
        patch.setattr(restoring, "_begin_streams_anew", fails_at(town, nothing))
        with pytest.raises(OSError, match="no room"):
            await restore(town, folder)
    assert await booked(town) == 1

    # A service that is named twice is put once: what was there is kept, not the backup itself.
    told = await restore(town, folder, ("booking", "booking"), anyway=True)
    assert [line for line in told if line.startswith("booking")] == ["booking: as it was then"]
    await put_back_what_was_replaced(town.database_urls["booking"])
    assert await booked(town) == 1


async def put_back_what_was_replaced(url: str) -> None:
    """By hand, as an operator who thinks better of it."""
    where = make_url(url)
    if where.get_backend_name() == "sqlite":
        Path(f"{where.database}.replaced").rename(where.database or "")
    else:
        await restoring._execute(url, "DROP SCHEMA public CASCADE", "ALTER SCHEMA replaced RENAME TO public")


async def killed(settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str, nth: int) -> None:
    """A restore that ends when it comes to that step for the nth time, and runs no line of its own any more."""
    take, times = getattr(restoring, step), itertools.count(1)

    def takes(*arguments: object) -> Any:
        if next(times) >= nth:
            raise OSError("no room")
        return take(*arguments)

    async def nothing_is_put_back(url: str) -> None:
        pass

    with monkeypatch.context() as patch:
        patch.setattr(restoring, step, takes)
        patch.setattr(restoring, "_put_back", nothing_is_put_back)
        with pytest.raises(OSError, match="no room"):
            await restore(settings, folder)


async def known(settings: Settings) -> list[int]:
    """How many events each service has told or heard: none before a town was loaded."""
    found = []
    async with opened(settings) as databases:
        for service in SERVICES:
            async with databases[service].reading() as session:
                told, heard = [(await session.exec(select(func.count()).select_from(one))).one() for one in (Outgoing, Heard)]
            found.append(told + heard)
    return found


#: On SQLite, a step is a file's: two for each service where what was there is kept.
STEPS = [*dealt("putting", ("_put", 1), ("_put", 4)), *dealt("what follows putting", ("migrate", 3), ("_begin_streams_anew", 1))]
#: The odd ones are undone, the others restored once more.
LAST_STEPS = [*dealt("undone", ("_follow", 5), ("_follow", 7)), *dealt("restored again", ("_follow", 2), ("_follow", 4))]


@pytest.mark.parametrize(("step", "nth"), STEPS, ids=[f"{step} {nth}" for step, nth in STEPS])
async def test_what_was_there_outlives_a_restore_that_is_killed(
    town: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, nth: int
) -> None:
    """Neither does another restore lose it, nor does anybody begin with what is half there."""
    folder = await backup(town, tmp_path / "backups")
    await live(town, TEXT)
    before = await known(town)
    assert all(before)
    await killed(town, folder, monkeypatch, step, nth)
    with pytest.raises(Trouble, match="cut short"):
        await upgrade(town, tmp_path / "backups")
    with monkeypatch.context() as patch:  # once more, and again it comes to nothing
        patch.setattr(restoring, "_begin_streams_anew", fails_at(town, nothing))
        with pytest.raises(OSError, match="no room"):
            await restore(town, folder)
    assert await known(town) == before
    await restoring.refuse_if_cut_short(town)


@pytest.mark.skipif(POSTGRESQL, reason="its schemas have the same names, but no files")
@pytest.mark.parametrize(("step", "nth"), LAST_STEPS, ids=[f"{step} {nth}" for step, nth in LAST_STEPS])
async def test_a_restore_that_is_killed_at_its_end_has_taken_place_for_all(
    town: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, nth: int
) -> None:
    """Else some services would be of then, and the others of now; and what was there stays beside them."""
    folder = await backup(town, tmp_path / "backups")
    await live(town, TEXT)
    before = await known(town)
    await killed(town, folder, monkeypatch, step, nth)
    told = await (restoring.undo(town) if nth % 2 else restore(town, folder))
    assert all("whole now" in line or "restored, for all" in line for line in told), told
    assert told
    assert await known(town) == [0, 0, 0, 0]
    await restoring.refuse_if_cut_short(town)
    for service in SERVICES:
        await put_back_what_was_replaced(town.database_urls[service])
    assert await known(town) == before


async def test_a_restore_that_was_killed_is_undone(town: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = await backup(town, tmp_path / "backups")
    async with opened(town) as databases:
        await put(databases, TEXT)
    await killed(town, folder, monkeypatch, "_put", 3)
    with pytest.raises(Trouble, match=r"identity: a restore was cut short: .* --undo"):
        await restoring.refuse_if_cut_short(town)
    assert await restoring.undo(town) == [f"{service}: as it was before" for service in ("identity", "billing", "booking")]
    assert await booked(town) == 1
    await restoring.refuse_if_cut_short(town)
    assert await restoring.undo(town) == ["nothing to do: no restore was cut short"]


@pytest.mark.skipif(POSTGRESQL, reason="about files")
async def test_where_nothing_was_nobody_begins_beside_half_a_restore(
    town: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = await backup(town, tmp_path / "backups")
    files = [Path(make_url(town.database_urls[service]).database or "") for service in SERVICES]
    for file in files:
        file.unlink()
    await killed(town, folder, monkeypatch, "_put", 2)
    assert [file.exists() for file in files] == [True, False, False, False]
    with pytest.raises(Trouble, match="cut short"):
        existing(town)
    with pytest.raises(Trouble, match="billing: a restore was cut short"):
        serve("billing", town, "127.0.0.1", 1, None)
    await restoring.undo(town)
    assert not any(file.exists() for file in files)
    await restore(town, folder)
    assert all(file.exists() for file in files)


def fails_at(what: object, act: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    """`act`, but there is no room for `what`."""

    async def acting(first: object, *others: object) -> object:
        if first == what:
            raise OSError("no room")
        return await act(first, *others)

    return acting


async def test_a_service_that_runs_is_in_the_way_of_a_restore_even_if_it_does_nothing(town: Settings, tmp_path: Path) -> None:
    """Else it would write on into what was moved aside."""
    folder = await backup(town, tmp_path / "backups")
    async with opened(town) as databases:
        assert await bookings_of(databases) == []
        with pytest.raises(Trouble, match="somebody is connected to booking's database: stop all services first"):
            await restore(town, folder, ("booking",))
        await put(databases, TEXT)
    assert await booked(town) == 1, "nothing was moved"
    await restore(town, folder)
    assert await booked(town) == 0


async def test_only_so_many_are_kept_and_half_a_backup_is_none(town: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into = tmp_path / "backups"
    names = iter(f"2026-11-{day}T03-00-00Z" for day in (27, 28, 29, 30))
    monkeypatch.setattr(backing, "NAME", "x")
    for name in names:
        monkeypatch.setattr(backing, "NAME", name)
        await backup(town, into, keep=2)
    assert [one.name for one in backups_in(into)] == ["2026-11-29T03-00-00Z", "2026-11-30T03-00-00Z"]
    monkeypatch.undo()
    with pytest.raises(Trouble, match=r"booking's database cannot be held still|cannot be held"):
        await backup(replace(town, database_urls={**town.database_urls, "booking": "sqlite+aiosqlite:////nowhere/x.sqlite"}), into)
    assert len(list(into.iterdir())) == 2
    for killed in (".2000-01-01T03-00-00Z", ".9999-01-01T03-00-00Z"):
        (into / killed).mkdir()
    await backup(town, into)
    assert sorted(one.name for one in into.iterdir() if one.name.startswith(".")) == [killed], "the other may still be at work"
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    with pytest.raises(Trouble, match="mailer's database cannot be looked at"):
        await backup(replace(town, database_urls={**town.database_urls, "mailer": f"sqlite+aiosqlite:///{empty}"}), into)


async def test_a_database_that_somebody_holds_is_told(town: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not town.database_urls["booking"].startswith("sqlite"):
        pytest.skip("SQLite's own lock")
    monkeypatch.setattr(backing, "HELD_SECONDS", 0.1)
    other = sqlite3.connect(make_url(town.database_urls["booking"]).database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Trouble, match="booking's database cannot be held still"):
        await backup(town, tmp_path / "backups")
    other.close()
    assert await backup(town, tmp_path / "backups")


def test_the_url_of_a_database_is_read_as_the_services_read_it() -> None:
    url = "postgresql+asyncpg://us%40er:p%2Fw@db.example:5433/booking?ssl=require&prepared_statement_cache_size=0"
    where = {"host": "db.example", "port": 5433, "database": "booking"}
    assert backing.arguments_of(url) == {**where, "user": "us@er", "password": "p/w", "ssl": "require"}
    assert backing.arguments_of("postgresql+asyncpg://u@/booking?host=/run/pg")["host"] == "/run/pg"
