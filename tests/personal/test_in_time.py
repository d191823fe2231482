"""What is kept for a while is forgotten when there is no reason to keep it any more."""

import asyncio
import datetime as dt
import sqlite3
from itertools import product
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import delete, insert
from sqlmodel import col, select

from services import personal
from services.billing import commands as billing_commands
from services.billing import personal as billing
from services.billing.online import OnlinePaymentStatus
from services.billing.tables import OnlinePayment, PaymentNotice
from services.booking import commands
from services.booking import personal as booking
from services.booking.attendance import Attendance
from services.booking.privacy_fields import MOST, dormant, years_before
from services.booking.schema import schema
from services.booking.status import BookingStatus
from services.booking.tables import Activity, Booking, ChildCopy, Enrollment, FamilyCopy, Presence, StructureCopy, core
from services.booking.viewing import LOG
from services.claims import Caller
from services.clock import Clock
from services.events import BookingLooksTaken, DataRequested, LooksEvent, StructureChanged
from services.graphql import Context
from services.outbox import Outgoing
from services.personal import forget_in_time, wipe
from services.retention import PERIODS
from services.telling import new_key, opened, public_part
from tests.identity.town import NOW, RunFixture

DAY = dt.timedelta(days=1)
HOMES = {"aps": "carteville", "elsewhere": "autreville"}


def structure_changed(version: int, **retention: int) -> StructureChanged:
    about: dict[str, Any] = {"structure": "carteville", "occurred_at": NOW, "version": version, "title": "Mairie", "school_zone": None}
    return StructureChanged(**about, timezone="Europe/Paris", retention=retention)


async def test_notes_about_a_child_are_kept_for_a_year_or_as_long_as_the_town_says(running: RunFixture) -> None:
    one = await running("booking", clock=Clock(frozen_at=NOW), start=False)
    today = NOW.date()
    days = {today - 366 * DAY: "ancienne", today - 365 * DAY: "récente", today - 30 * DAY: "du mois", today: "du jour"}
    async with one.database.transaction() as session:
        session.add_all(Activity(id=id_, structure=town, wallet="w", name="APS", rules={}) for id_, town in HOMES.items())
        await session.flush()
        for activity, (date, note) in product(HOMES, days.items()):
            session.add(
                Presence(
                    activity=activity,
                    date=date,
                    child="k",
                    family="f",
                    attendance=Attendance.PRESENT,
                    note=note,
                    recorded_by="a",
                    recorded_at=NOW,
                )
            )

    async def left() -> dict[str, list[str | None]]:
        await forget_in_time(one, booking.forget_old)
        async with one.database.reading() as session:
            rows = (await session.exec(select(Presence).order_by(Presence.date))).all()
        assert {row.attendance for row in rows} == {Attendance.PRESENT}
        return {id_: [row.note for row in rows if row.activity == id_] for id_ in HOMES}

    async with one.database.transaction() as session:
        await commands.hear_structure(session, structure_changed(1, notes_days=366))
    assert await left() == {"aps": [*days.values()], "elsewhere": [None, "récente", "du mois", "du jour"]}
    async with one.database.transaction() as session:
        await commands.hear_structure(session, structure_changed(2, notes_days=30, mails_days=14))
    assert await left() == {"aps": [None, None, "du mois", "du jour"], "elsewhere": [None, "récente", "du mois", "du jour"]}


def test_no_outbox_says_who_looked_when_a_towns_log_has_forgotten_it() -> None:
    assert LooksEvent.secret_for == PERIODS["viewings_days"].least * DAY


async def test_what_payment_sites_sent_is_kept_for_a_year(running: RunFixture) -> None:
    one = await running("billing", clock=Clock(frozen_at=NOW), start=False)
    async with one.database.transaction() as session:
        for name, age, look_at in (("old", 366 * DAY, None), ("open", 366 * DAY, NOW), ("new", 364 * DAY, None)):
            session.add(
                OnlinePayment(
                    id=name,
                    key=name,
                    content="",
                    structure="carteville",
                    family="f",
                    account="a",
                    lines=[["w", 100]],
                    amount_cents=100,
                    payer="POUR F",
                    language="fr",
                    provider="sandbox",
                    url=f"https://pay/{name}",
                    status=OnlinePaymentStatus.PAID,
                    started_at=NOW - age,
                    status_since=NOW - age,
                    look_at=look_at,
                )
            )
            await session.flush()
            session.add(PaymentNotice(id=name, payment=name, body=b"{}", received_at=NOW - age))
    await forget_in_time(one, billing.forget_old)
    async with one.database.reading() as session:
        pages = {row.id: row.url for row in (await session.exec(select(OnlinePayment))).all()}
        bodies = {row.id: row.body for row in (await session.exec(select(PaymentNotice))).all()}
    assert pages == {"old": None, "open": "https://pay/open", "new": "https://pay/new"}
    assert bodies == {"old": b"", "open": b"", "new": b"{}"}
    async with one.database.transaction() as session:
        await billing_commands.copy_structure(session, "carteville", "Mairie", "Europe/Paris", 1, {"payment_notices_days": 90})
    await forget_in_time(one, billing.forget_old)
    async with one.database.reading() as session:
        pages = {row.id: row.url for row in (await session.exec(select(OnlinePayment))).all()}
        bodies = {row.id: row.body for row in (await session.exec(select(PaymentNotice))).all()}
    assert (pages["new"], bodies["new"]) == (None, b"")


async def test_families_of_whom_nothing_was_heard_for_years_are_proposed(running: RunFixture) -> None:
    """Whoever is admitted without an end, has booked since, is erased already, or never booked is not."""
    one = await running("booking", clock=Clock(frozen_at=NOW), start=False)
    since = years_before(NOW.date(), 3)
    before = since - DAY
    async with one.database.transaction() as session:
        session.add(Activity(id="aps", structure="carteville", wallet="w", name="APS", rules={"closes_on": since.isoformat()}))
        session.add(Activity(id="old", structure="carteville", wallet="w", name="OLD", rules={"closes_on": before.isoformat()}))
        for family in ("gone", "back", "admitted", "over", "ended", "erased", "never", "elsewhere"):
            session.add(FamilyCopy(family=family, structure="autreville" if family == "elsewhere" else "carteville", version=1))
            if family != "erased":
                session.add(ChildCopy(child=f"{family}-k", family=family, structure="carteville", listed_at=NOW))
        await session.flush()
        booked = [("gone", before), ("back", before), ("back", since), ("erased", before), ("elsewhere", before)]
        for number, (family, date) in enumerate(booked):
            session.add(
                Booking(
                    id=f"b{number}",
                    number=f"{number}",
                    family=family,
                    child=f"{family}-k",
                    activity="aps",
                    structure="carteville",
                    date=date,
                    arrival="07:30",
                    departure="08:45",
                    status=BookingStatus.ACCEPTED,
                    position=number,
                    requested_at=NOW,
                    decided_at=NOW,
                )
            )
        for family, activity, ends_on in (
            ("admitted", "aps", None),
            ("over", "old", None),
            ("ended", "aps", before),
            ("gone", "aps", before),
        ):
            session.add(Enrollment(child=f"{family}-k", activity=activity, family=family, structure="carteville", ends_on=ends_on))
    assert years_before(dt.date(2028, 2, 29), 3) == dt.date(2025, 3, 1)
    async with one.database.reading() as session:
        assert await dormant(session, "carteville", since) == ["ended", "gone", "over"]
    ask = 'query($years: Int) { familiesToErase(structure: "carteville", years: $years) { id } }'

    async def asked(years: int | None, **rank: frozenset[str]) -> Any:
        caller = Caller("a", "s", {}, frozenset({"carteville"}), "fr", 2e9, **rank)  # type: ignore[arg-type]  # names of fields
        answer = await schema.execute(ask, {"years": years}, Context(one, caller, "fr"))
        return answer.data if answer.errors is None else getattr(answer.errors[0].original_error, "code", None)

    admin = {"admin_of": frozenset({"carteville"})}
    assert await asked(3, **admin) == {"familiesToErase": [{"id": "ended"}, {"id": "gone"}, {"id": "over"}]}
    await LOG.of(one).write()
    async with one.database.reading() as session:
        (look,) = (await session.exec(select(Outgoing.body).where(Outgoing.type == BookingLooksTaken.type_name()))).all()
    assert [seen["family"] for seen in orjson.loads(look)["seen"]] == ["ended", "gone", "over"]
    assert await asked(3) == "FORBIDDEN"
    assert await asked(0, **admin) == "BAD_USER_INPUT"
    for years, ids in ((4, []), (3, ["ended", "gone", "over"])):
        async with one.database.transaction() as session:
            await commands.hear_structure(session, structure_changed(8 - years, families_years=years))
        assert await asked(None, **admin) == {"familiesToErase": [{"id": id_} for id_ in ids]}


async def test_over_the_years_each_family_is_proposed_on_its_day_of_the_town_s_calendar(running: RunFixture) -> None:
    """A booking counts by its day, whatever became of it; and it is a day where the town is: on La Réunion, four hours sooner than here."""
    last = {"asked": dt.date(2020, 2, 29), "given_back": dt.date(2021, 7, 1), "came": dt.date(2022, 12, 31)}
    one = await running("booking", clock=Clock(frozen_at=NOW), start=False)
    async with one.database.transaction() as session:
        session.add(StructureCopy(id="carteville", name="M", timezone="Indian/Reunion", version=1))
        session.add(Activity(id="aps", structure="carteville", wallet="w", name="APS", rules={"closes_on": "2019-12-31"}))
        await session.flush()
        for number, (family, date) in enumerate(last.items()):
            session.add(FamilyCopy(family=family, structure="carteville", version=1))
            session.add(ChildCopy(child=f"{family}-k", family=family, structure="carteville", listed_at=NOW))
            session.add(Enrollment(child=f"{family}-k", activity="aps", family=family, structure="carteville"))
            status = BookingStatus.CANCELLED if family == "given_back" else BookingStatus.REFUSED
            what = {"activity": "aps", "structure": "carteville", "date": date, "arrival": "07:30", "departure": "08:45", "status": status}
            who = {"id": family, "number": family, "family": family, "child": f"{family}-k"}
            if family != "came":
                session.add(Booking(**who, **what, position=number, requested_at=NOW, decided_at=NOW))
                continue
            seen = {"attendance": Attendance.PRESENT, "recorded_by": "a", "recorded_at": NOW}
            session.add(Presence(activity="aps", date=date, child=f"{family}-k", family=family, **seen))

    async def proposed(year: int, month: int, day: int, hour: int) -> list[str]:
        """At that hour, by Greenwich."""
        one.clock = Clock(frozen_at=dt.datetime(year, month, day, hour, 59, tzinfo=dt.UTC))
        caller = Caller("a", "s", {}, frozenset({"carteville"}), "fr", 2e9, admin_of=frozenset({"carteville"}))
        answer = await schema.execute('{ familiesToErase(structure: "carteville") { id } }', {}, Context(one, caller, "fr"))
        assert answer.data is not None
        return [family["id"] for family in answer.data["familiesToErase"]]

    assert await proposed(2023, 2, 28, 19) == [], "of 28 February three years ago: one day sooner"
    assert await proposed(2023, 2, 28, 20) == ["asked"], "there it is 1 March"
    assert await proposed(2024, 7, 1, 19) == ["asked"]
    assert await proposed(2024, 7, 1, 20) == ["asked", "given_back"]
    assert await proposed(2025, 12, 31, 19) == ["asked", "given_back"]
    assert await proposed(2025, 12, 31, 20) == ["asked", "came", "given_back"]


async def test_however_many_there_are_they_come_in_pages(running: RunFixture) -> None:
    one = await running("booking", clock=Clock(frozen_at=NOW), start=False)
    families = sorted(f"f{number:04}" for number in range(2 * MOST + 1))
    old = {"activity": "aps", "structure": "carteville", "ends_on": dt.date(2020, 7, 1)}
    async with one.database.transaction() as session:
        session.add(Activity(id="aps", structure="carteville", wallet="w", name="APS", rules={}))
        await session.flush()
        connection = await session.connection()
        for table, rows in (
            (FamilyCopy, [{"family": one, "structure": "carteville", "version": 1} for one in families]),
            (ChildCopy, [{"child": f"{one}-k", "family": one, "structure": "carteville", "listed_at": NOW} for one in families]),
            (Enrollment, [{"child": f"{one}-k", "family": one, **old} for one in families]),
        ):
            await connection.execute(insert(core(table)), rows)
    seen: list[str] = []
    async with one.database.reading() as session:
        for length in (MOST, MOST, 1, 0):
            page = await dormant(session, "carteville", NOW.date(), seen[-1] if seen else "")
            assert len(page) == length
            seen += page
    assert seen == families


async def test_what_a_site_sent_of_a_payment_is_told_to_whoever_paid_alone(running: RunFixture) -> None:
    one = await running("billing", clock=Clock(frozen_at=NOW), start=False)
    key = new_key()
    async with one.database.transaction() as session:
        for account in ("mother", "father"):
            session.add(
                OnlinePayment(
                    id=account,
                    key=account,
                    content="",
                    structure="carteville",
                    family="f",
                    account=account,
                    lines=[["w", 100]],
                    amount_cents=100,
                    payer="POUR F",
                    email=f"{account}@example.org",
                    language="fr",
                    provider="sandbox",
                    status=OnlinePaymentStatus.PAID,
                    started_at=NOW,
                    status_since=NOW,
                )
            )
            await session.flush()
            session.add(PaymentNotice(id=account, payment=account, body=f"{account}@bank".encode(), received_at=NOW))
    for account, notices in (("mother", ["mother"]), (None, [])):
        event = DataRequested(
            structure="carteville", occurred_at=NOW, request=f"r{account}", family="f", account=account, key=public_part(key),
            expires_at=NOW + DAY,
        )  # fmt: skip
        async with one.database.transaction() as session:
            await billing.tell(session, event, one.clock)
        async with one.database.reading() as session:
            (*_, sent) = (await session.exec(select(Outgoing).order_by(col(Outgoing.position)))).all()
        told = opened([orjson.loads(sent.body)["sealed"]], key)
        assert [row["id"] for row in told["payment_notice"]["rows"]] == notices
        addresses = [row["email"] for row in told["online_payment"]["rows"]]
        assert [one for one in addresses if one] == [f"{one}@example.org" for one in notices]


async def test_what_was_deleted_leaves_the_file_though_somebody_reads_meanwhile(
    running: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(personal, "WIPE_SECONDS", 0.05)
    monkeypatch.setattr(personal, "WIPE_AGAIN_SECONDS", 0.05)
    one = await running("booking", clock=Clock(frozen_at=NOW), start=False)
    if not one.database.is_sqlite:
        pytest.skip("PostgreSQL wipes by itself")
    path = str(one.database.engine.url.database)

    def left() -> bool:
        return any(b"vogelsangka" in file.read_bytes() for file in Path(path).parent.glob(Path(path).name + "*") if file.is_file())

    reader = sqlite3.connect(path, isolation_level=None)
    async with one.database.transaction() as session:
        session.add(Activity(id="aps", structure="carteville", wallet="w", name="vogelsangka", rules={}))
    reader.execute("BEGIN")
    assert reader.execute("SELECT name FROM activity").fetchall() == [("vogelsangka",)]
    async with one.database.transaction() as session:
        await session.exec(delete(Activity))
    wiping = asyncio.create_task(wipe(one))
    await asyncio.sleep(0.5)
    assert (wiping.done(), left()) == (False, True), "whoever reads needs the old pages"
    reader.close()
    await wiping
    assert not left()
