"""What could not be handled is seen, handled after all, or dropped by name."""

import datetime as dt

import pytest
from sqlmodel import select

from deploy.deadletters import act
from deploy.trouble import Trouble
from services.events import StructureChanged
from services.mailer.tables import Structure
from services.outbox import DeadLetter
from services.settings import Settings
from tests.deploy.conftest import Databases

NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def buried(event_id: str, body: bytes, occurred_at: dt.datetime | None = NOON) -> DeadLetter:
    return DeadLetter(
        event_id=event_id,
        subject="preau.carteville.identity.structure_changed",
        type=StructureChanged.type_name(),
        occurred_at=occurred_at,
        body=body.decode(),
        error="ValueError('the reason')",
        attempts=10,
        buried_at=NOON,
    )


@pytest.fixture
async def letters(settings: Settings, databases: Databases) -> Settings:
    """Two for the mailer: one that can be handled by now, and one that nobody can read."""
    event = StructureChanged(
        event_id="good", occurred_at=NOON, structure="carteville", version=1, title="CarteVille", timezone="Europe/Paris", school_zone="B"
    )
    async with databases["mailer"].transaction() as session:
        session.add(buried("good", event.body()))
        await session.flush()
        session.add(buried("bad", b"{", occurred_at=None))
    return settings


async def left(databases: Databases) -> list[str]:
    async with databases["mailer"].reading() as session:
        return list((await session.exec(select(DeadLetter.event_id))).all())


async def test_they_are_listed_with_their_reason(letters: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert await act(letters, "list", [])
    told = capsys.readouterr().out
    first = "mailer/1  preau.carteville.identity.structure_changed  buried 2026-11-23 12:00:00 UTC after 10 attempts"
    assert told.splitlines()[:2] == [first, "    ValueError('the reason')"]
    assert "mailer/2" in told


async def test_nothing_to_list(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert await act(settings, "list", [])
    assert capsys.readouterr().out == "no dead letters\n"


async def test_retrying_handles_what_can_be_handled_and_keeps_the_rest(
    letters: Settings, databases: Databases, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not await act(letters, "retry", [])
    assert await left(databases) == ["bad"]
    async with databases["mailer"].reading() as session:
        assert (await session.exec(select(Structure.title))).all() == ["CarteVille"]
    told = capsys.readouterr().out
    assert "mailer/1: handled" in told
    assert "mailer/2: still not possible" in told


async def test_dropping_is_by_name_only(letters: Settings, databases: Databases) -> None:
    with pytest.raises(Trouble, match="say which to drop"):
        await act(letters, "drop", [])
    assert await act(letters, "drop", ["mailer/2"])
    assert await left(databases) == ["good"]


@pytest.mark.parametrize("name", ["3", "kitchen/3", "mailer/x", "mailer/99"])
async def test_names_of_nothing_are_refused(letters: Settings, name: str) -> None:
    with pytest.raises(Trouble, match="dead letter"):
        await act(letters, "retry", [name])
