"""Loading a town: through the services' own commands, as often as one likes, beside other towns, and back into a file."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import event, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from deploy.demo import DEMO
from deploy.town import loading
from deploy.town.checking import check, read_town
from deploy.town.export import export
from deploy.town.loading import Loaded, load, steps_of
from deploy.town.naming import renamed
from deploy.town.opendays import why_not_open
from deploy.town.reading import TownFileError, parse
from deploy.trouble import Trouble
from services.billing import till
from services.billing.charged import Charged, LatePickup
from services.billing.commands import copy_family
from services.billing.ledger import PaymentMode
from services.billing.rate import Effort
from services.billing.reactions import billing
from services.billing.tables import Quotient, Residence, Wallet
from services.billing.tariff import Rounding, RoundTo, Surcharge
from services.billing.till import Agent, Money
from services.booking import commands, office
from services.booking.deadlines import booking_closes_at
from services.booking.school_calendar import followed
from services.booking.status import BookingStatus
from services.booking.tables import Activity, Booking, ChildCopy, Enrollment
from services.booking.taking_over import TakenOver, take_over
from services.clock import Clock
from services.database import Database
from services.events import FamilyChanged, ResidenceTold, StructureChanged
from services.identity import invariants
from services.identity.tables import Account, Child, Family, Structure
from services.listening import react, read
from services.outbox import Outgoing
from services.refusal import Refused
from services.settings import Settings
from tests.deploy.conftest import Databases
from tests.deploy.mistakes import HOURLY
from tests.deploy.test_checking import EXAMPLE, MONDAY, TEXT

TUESDAY = Clock(frozen_at=dt.datetime(2026, 11, 24, 7, 0, tzinfo=dt.UTC))


async def put(databases: Databases, file: str, clock: Clock = MONDAY, *, dry_run: bool = False) -> Loaded:
    steps: list[None] = []
    town = check(parse(file, "town.yaml"), clock)
    loaded = await load([town], databases, clock, lambda: steps.append(None), dry_run=dry_run)
    assert len(steps) == steps_of(town), "the progress bar must end where it says"
    return loaded


async def events_of(database: Database) -> list[str]:
    async with database.reading() as session:
        return list((await session.exec(select(Outgoing.type).order_by(col(Outgoing.position)))).all())


async def bookings_of(databases: Databases) -> list[tuple[str, str, dt.date]]:
    async with databases["booking"].reading() as session:
        rows = await session.exec(select(Booking).where(Booking.status == BookingStatus.ACCEPTED).order_by(col(Booking.date)))
        return [(row.child, row.activity, row.date) for row in rows]


async def test_the_example_stands_in_all_three_services(databases: Databases) -> None:
    loaded = await put(databases, TEXT)
    assert loaded.warnings == []
    assert set(loaded.changes) == {"identity", "billing", "booking"}
    async with databases["identity"].reading() as session:
        assert {child.id: child.family_id for child in await session.exec(select(Child))} == {"amalia": "dupont", "paolo": "dupont"}
    async with databases["booking"].reading() as session:
        enrolled = {(row.child, row.activity) for row in await session.exec(select(Enrollment))}
    assert enrolled == {("amalia", "aps-matin"), ("paolo", "aps-matin"), ("paolo", "multi")}
    assert await bookings_of(databases) == [("amalia", "aps-matin", dt.date(2026, 11, 30))]
    async with databases["billing"].reading() as session:
        assert (await session.exec(text("SELECT sum(amount_cents) FROM ledger_entry"))).scalar_one() == 50_06  # type: ignore[call-overload]
    assert "fr.preau.booking.accepted.v1" in await events_of(databases["booking"])


async def test_places_are_loaded_under_the_turn_of_their_structure_from_the_first_row(databases: Databases) -> None:
    """Agents write the same rows, and hold it from their first statement: in another order, the two could wait for each other."""
    written: list[list[str]] = []

    def begins(_: Any) -> None:
        written.append([])

    def writes(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            written[-1].append(statement)

    engine = databases["booking"].engine.sync_engine
    event.listen(engine, "begin", begins)
    event.listen(engine, "before_cursor_execute", writes)
    await put(databases, TEXT)
    transactions = [statements for statements in written if statements]
    assert any("enrollment" in statement for statements in transactions for statement in statements)
    assert [statements[0][:16] for statements in transactions] == ["UPDATE partition"] * len(transactions)


async def test_loading_the_same_file_again_changes_nothing(databases: Databases) -> None:
    await put(databases, TEXT)
    before = {service: await events_of(databases[service]) for service in databases}
    loaded = await put(databases, TEXT)
    assert sum(loaded.changes.values()) == 0
    assert {service: await events_of(databases[service]) for service in databases} == before


async def test_a_changed_file_updates_what_changed(databases: Databases) -> None:
    await put(databases, TEXT)
    changed = TEXT.replace("capacity: 40", "capacity: 45").replace("quotient: 742", "quotient: 512").replace("Jean-Paul", "Jean")
    loaded = await put(databases, changed)
    assert set(loaded.changes) == {"identity", "billing", "booking"}
    async with databases["identity"].reading() as session:
        assert (await session.exec(select(Account.first_name).where(Account.login == "dupont"))).one() == "Jean"
    async with databases["billing"].reading() as session:
        assert 512_00 in (await session.exec(select(Quotient.hundredths))).all()
    assert (await events_of(databases["booking"])).count("fr.preau.booking.activity_changed.v1") == 3
    assert sum((await put(databases, changed)).changes.values()) == 0


async def test_of_a_family_that_never_told_a_quotient_none_is_written(databases: Databases) -> None:
    """What it tells first holds for every day (S33): the day before, too."""
    await put(databases, TEXT.replace("    quotient: 742\n", ""))
    async with databases["billing"].reading() as session:
        assert (await session.exec(select(Quotient))).all() == []
    await put(databases, TEXT, TUESDAY)
    async with databases["billing"].reading() as session:
        assert [(row.starts_on.year, row.hundredths) for row in (await session.exec(select(Quotient))).all()] == [(1900, 742_00)]


async def test_payments_are_not_paid_again_on_another_day(databases: Databases) -> None:
    """`today-20d` means another day tomorrow, but the cheque is the same cheque."""
    await put(databases, TEXT)
    await put(databases, TEXT, TUESDAY)
    async with databases["billing"].reading() as session:
        assert (await session.exec(text("SELECT count(*) FROM ledger_entry"))).scalar_one() == 1  # type: ignore[call-overload]


async def test_a_dry_run_keeps_nothing(databases: Databases) -> None:
    loaded = await put(databases, TEXT, dry_run=True)
    assert sum(loaded.changes.values()) > 10
    for service in ("identity", "billing", "booking"):
        assert await events_of(databases[service]) == []
    async with databases["identity"].reading() as session:
        assert (await session.exec(select(Structure))).all() == []


async def test_ids_that_another_town_has_are_told_apart(databases: Databases) -> None:
    await put(databases, TEXT)
    other = TEXT.replace("id: carteville", "id: autreville").replace("Mairie de CarteVille", "Mairie d'Autreville")
    await put(databases, other)
    async with databases["identity"].reading() as session:
        families = {row.id: row.structure_id for row in await session.exec(select(Family))}
        children = set((await session.exec(select(Child.id))).all())
    assert families == {"dupont": "carteville", "autreville.dupont": "autreville"}
    assert children == {"amalia", "paolo", "autreville.amalia", "autreville.paolo"}
    async with databases["billing"].reading() as session:
        wallets = {row.id for row in await session.exec(select(Wallet)) if row.structure == "autreville"}
    assert wallets == {"autreville.periscolaire", "autreville.multiaccueil"}
    assert ("autreville.amalia", "autreville.aps-matin", dt.date(2026, 11, 30)) in await bookings_of(databases)
    assert sum((await put(databases, other)).changes.values()) == 0, "the ids it got are found again"
    assert sum((await put(databases, TEXT)).changes.values()) == 0


def test_an_id_once_given_stays() -> None:
    assert renamed("b", ["x"], {}) == {"x": "x"}
    assert renamed("b", ["x"], {"x": "b"}) == {"x": "x"}
    assert renamed("b", ["x"], {"x": "a"}) == {"x": "b.x"}
    assert renamed("b", ["x"], {"b.x": "b"}) == {"x": "b.x"}


async def test_a_day_that_is_not_open_is_left_out_and_said(databases: Databases) -> None:
    loaded = await put(databases, TEXT.replace("date: today+7d}", "date: today+2d}"))
    assert len(loaded.warnings) == 1
    assert "town.yaml:" in loaded.warnings[0]
    assert "not open on 2026-11-25 (not on that weekday)" in loaded.warnings[0]
    assert await bookings_of(databases) == []


async def test_the_next_open_days_leave_out_wednesdays_and_closed_days(databases: Databases) -> None:
    await put(databases, TEXT.replace("date: today+7d}", "next: 4}").replace("closed_on: [today+40d]", "closed_on: [today+3d]"))
    assert [date.day for _, _, date in await bookings_of(databases)] == [24, 27, 30, 1]


async def test_a_file_loaded_again_takes_nothing_over_that_was_given_back_since(databases: Databases) -> None:
    town = TEXT.replace("date: today+7d}", "next: 4}")
    await put(databases, town)
    before = await bookings_of(databases)
    day = before[1][2]
    async with databases["booking"].transaction() as session:
        (given_back,) = await session.exec(select(Booking).where(Booking.date == day))
        given_back.status = BookingStatus.CANCELLED
    assert sum((await put(databases, town)).changes.values()) == 0
    assert await bookings_of(databases) == [one for one in before if one[2] != day]


async def test_a_season_that_has_no_such_days_left_says_so(databases: Databases) -> None:
    loaded = await put(databases, TEXT.replace("date: today+7d}", "next: 300}").replace("capacity: 40", "capacity: null"))
    assert "days of aps-matin are left until 2027-09-01" in loaded.warnings[0]


async def test_a_full_day_is_left_out_and_said(databases: Databases) -> None:
    loaded = await put(databases, TEXT.replace("capacity: 40", "capacity: 0"))
    assert "FULL" in loaded.warnings[0]


async def test_an_account_without_password_keeps_its_own_but_a_new_one_needs_one(databases: Databases) -> None:
    without = TEXT.replace(', password: "Amalia-et-Paolo-2026"', "")
    with pytest.raises(TownFileError, match=r"town\.yaml:\d+: account 'dupont' is new and has no password; expected password"):
        await put(databases, without)
    assert await events_of(databases["identity"]) == []
    await put(databases, TEXT)
    assert sum((await put(databases, without)).changes.values()) == 0


def with_families(number: int) -> str:
    """The example with so many families, each with a child that comes on Monday."""
    town = yaml.safe_load(TEXT)
    town["families"] = [
        {
            "id": f"f{n}",
            "number": f"{n}",
            "accounts": ["dupont"],
            "children": [{"id": f"c{n}", "first_name": "Zoé", "last_name": f"N{n}", "activities": ["aps-matin"]}],
            "bookings": [{"child": f"c{n}", "activity": "aps-matin", "date": "today+7d"}],
        }
        for n in range(number)
    ]
    return yaml.safe_dump(town)


async def test_families_who_book_have_their_turn_while_a_town_is_loaded(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was taken over is committed, and its locks let go of, before the next portion begins."""
    committed: list[int] = []

    async def look_then_take_over(*args: Any) -> list[TakenOver]:
        committed.append(len(await bookings_of(databases)))
        return await take_over(*args)

    monkeypatch.setattr(loading, "take_over", look_then_take_over)
    monkeypatch.setattr(loading, "PORTION", 4)
    await put(databases, with_families(5))
    assert committed == [0, 2, 4]
    assert len(await bookings_of(databases)) == 5
    assert (await put(databases, with_families(5), dry_run=True)).changes.total() == 0


def with_children(*families: tuple[str, list[str]]) -> str:
    town = yaml.safe_load(with_families(len(families)))
    for family, (name, children) in zip(town["families"], families, strict=True):
        family |= {"id": name, "bookings": []}
        family["children"] = [{"id": child, "first_name": child, "last_name": "N", "activities": ["aps-matin"]} for child in children]
    return yaml.safe_dump(town)


async def families_of_children(databases: Databases) -> dict[str, str]:
    async with databases["identity"].reading() as session:
        assert await invariants.violations(session) == []
        return {row.id: row.family_id for row in await session.exec(select(Child).where(col(Child.listed)))}


async def test_children_go_to_another_family_whatever_the_order_of_the_file(databases: Databases) -> None:
    await put(databases, with_children(("a", ["zoe", "tom"]), ("b", ["lea"])))
    await put(databases, with_children(("b", ["lea", "zoe"]), ("a", ["tom"])))
    assert await families_of_children(databases) == {"zoe": "b", "tom": "a", "lea": "b"}
    swapped = with_children(("a", ["lea", "zoe"]), ("b", ["tom"]))
    await put(databases, swapped)
    assert await families_of_children(databases) == {"zoe": "a", "tom": "b", "lea": "a"}
    assert (await put(databases, swapped)).changes.total() == 0
    # What booking hears of it, in order and the other way round.
    async with databases["identity"].reading() as session:
        told = await session.exec(
            select(Outgoing.body).where(col(Outgoing.type).contains("family_changed")).order_by(col(Outgoing.position))
        )
        news = [
            FamilyChanged.model_validate_json(body[:-1] + f',"occurred_at":"2026-11-23T07:{n:02}:00Z","event_id":"{n}"}}')
            for n, body in enumerate(told)
        ]
    for heard in (news, news[::-1]):
        async with databases["booking"].transaction() as session:
            for event in heard:
                await commands.hear_family(session, event)
        async with databases["booking"].reading() as session:
            assert dict((await session.exec(select(ChildCopy.child, ChildCopy.family))).all()) == await families_of_children(databases)


async def test_a_family_that_the_file_leaves_out_keeps_its_children(databases: Databases) -> None:
    await put(databases, with_children(("a", ["zoe"])))
    with pytest.raises(TownFileError, match=r"town\.yaml:\d+: child 'zoe' is one of family 'a'; expected family 'a' in the file too"):
        await put(databases, with_children(("b", ["zoe"])))


async def test_what_identity_refuses_is_told_with_its_place(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*args: Any) -> None:
        raise Refused("CHILD_OF_ANOTHER_FAMILY", child="zoe")

    monkeypatch.setattr("services.identity.register.put_family", refuse)
    with pytest.raises(TownFileError, match=r"town\.yaml:\d+: family 'a' cannot be as it stands here \(CHILD_OF_ANOTHER_FAMILY, zoe\)"):
        await put(databases, with_children(("a", ["zoe"])))
    assert await events_of(databases["identity"]) == []


OTHER = TEXT.replace("id: carteville", "id: autreville")


async def test_nothing_of_several_towns_is_loaded_if_one_cannot_be(databases: Databases) -> None:
    other = OTHER.replace("login: dupont", "login: durand").replace("accounts: [dupont]", "accounts: [durand]")
    towns = [check(parse(file, "town.yaml"), MONDAY) for file in (TEXT, other)]
    without = replace(towns[1], accounts=tuple(replace(account, password=None) for account in towns[1].accounts))
    with pytest.raises(TownFileError, match="is new and has no password") as wrong:
        await load([towns[0], without], databases, MONDAY, lambda: None)
    assert not hasattr(wrong.value, "__notes__")
    assert [await events_of(databases[service]) for service in databases] == [[]] * len(databases)


async def test_the_second_town_may_leave_out_the_passwords_of_the_first(databases: Databases) -> None:
    first, second = (check(parse(file, "town.yaml"), MONDAY) for file in (TEXT, OTHER))
    without = replace(second, accounts=tuple(replace(account, password=None) for account in second.accounts))
    await load([first, without], databases, MONDAY, lambda: None)
    assert len(await bookings_of(databases)) == 2


async def test_what_fails_later_says_what_was_loaded_before(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*args: Any) -> list[TakenOver]:
        if args[3] == "autreville":
            raise OSError("no space left")
        return await take_over(*args)

    monkeypatch.setattr(loading, "take_over", fail)
    towns = [check(parse(file, "town.yaml"), MONDAY) for file in (TEXT, OTHER)]
    with pytest.raises(OSError, match="no space left") as trouble:
        await load(towns, databases, MONDAY, lambda: None)
    assert trouble.value.__notes__ == ["already loaded: carteville (identity, billing, booking), autreville (identity, billing)"]


def test_a_town_cannot_be_called_all() -> None:
    with pytest.raises(TownFileError, match=r"town\.yaml:\d+: .*'all' is taken: events about the whole installation bear it"):
        check(parse(TEXT.replace("id: carteville", "id: all"), "town.yaml"), MONDAY)


@pytest.mark.parametrize("file", [EXAMPLE, DEMO], ids=["example", "demo"])
async def test_an_exported_town_is_the_town(settings: Settings, databases: Databases, file: Path) -> None:
    """Loaded where it came from, it changes nothing; it says what the file said."""
    town = read_town(file, MONDAY)
    await load([town], databases, MONDAY, lambda: None)
    exported = await export(settings, "carteville")
    again = check(parse(exported, "exported.yaml"), MONDAY)
    loaded = await load([again], databases, MONDAY, lambda: None)
    assert (sum(loaded.changes.values()), loaded.warnings) == (0, [])
    assert again.structure == town.structure
    assert {activity.spec.id: activity for activity in again.activities} == {activity.spec.id: activity for activity in town.activities}
    assert {family.id: family.quotient for family in again.families} == {family.id: family.quotient for family in town.families}


async def test_what_agents_did_with_money_is_exported_and_moves_nothing_when_it_comes_back(
    settings: Settings, databases: Databases
) -> None:
    """A refund, a reversal, an adjustment, with what was taken over: each as it was posted, with its reason."""
    await put(databases, TEXT)
    agent = Agent("agent", "carteville")
    money = Money("dupont", "periscolaire", PaymentMode.CASH, 30_00, None, "DUPONT", None)
    async with databases["billing"].transaction() as session:
        await copy_family(session, "dupont", "carteville", ["amalia", "paolo"], 1)
        paid = await till.record_payment(session, MONDAY, agent, "k1", money)
        await till.refund_family(session, MONDAY, agent, "k2", replace(money, cents=5_00), "Trop perçu")
        await till.reverse_payment(session, MONDAY, agent, paid, "Faux billets")
        await till.adjust_wallet(session, MONDAY, agent, "k3", "dupont", "periscolaire", 2_00, "Geste commercial")
    again = check(parse(await export(settings, "carteville"), "exported.yaml"), MONDAY)
    assert again.history is not None
    moved = [(row["kind"].value, row["to_account"], row["amount_cents"], row["label"]) for row in again.history.rows["entries"]]
    assert sorted(moved, key=lambda one: (one[2], one[0])) == [
        ("ADJUSTMENT", "wallet", 2_00, "Geste commercial"),
        ("REFUND", "cash", 5_00, "Trop perçu"),
        ("PAYMENT", "wallet", 30_00, None),
        ("REFUND", "cash", 30_00, "Faux billets"),
        ("PAYMENT", "wallet", 50_06, None),
    ]
    assert (await load([again], databases, TUESDAY, lambda: None)).changes["billing"] == 0


async def test_s21_what_is_borne_of_a_familys_debt_is_loaded_and_exported(settings: Settings, databases: Databases) -> None:
    borne = TEXT.replace("    quotient: 742\n", "    quotient: 742\n    debt_limit_cents: 5000\n    debt_exempt: true\n", 1)
    assert borne != TEXT
    for file, limit, exempt in ((borne, 50_00, True), (TEXT, None, False)):
        await put(databases, file)
        assert (await put(databases, file)).changes.total() == 0
        again = check(parse(await export(settings, "carteville"), "exported.yaml"), MONDAY)
        (family,) = again.families
        assert (family.debt_limit_cents, family.debt_exempt) == (limit, exempt)


async def test_a_payment_that_was_loaded_as_something_else_is_a_mistake_of_the_file(databases: Databases) -> None:
    named = TEXT.replace("wallet: periscolaire, cents: 5006}", "wallet: periscolaire, cents: 5006, cause: ancien-12}")
    assert named != TEXT
    await put(databases, named)
    await put(databases, named, TUESDAY)  # By then, today-20d is another day.
    with pytest.raises(TownFileError, match=r"town\.yaml:\d+: family 'dupont': what has the cause 'ancien-12' was loaded before"):
        await put(databases, named.replace("cents: 5006", "cents: 5007"))


async def test_what_is_childcare_is_loaded_and_exported_and_may_change(settings: Settings, databases: Databases) -> None:
    def marked(aps: str) -> str:
        return TEXT.replace("    name: APS MATIN\n", f"    name: APS MATIN\n    childcare: {aps}\n")

    for aps in (True, False):
        await put(databases, marked(str(aps).lower()))
        again = check(parse(await export(settings, "carteville"), "exported.yaml"), MONDAY).activities
        assert {one.spec.id: one.childcare for one in again} == {"aps-matin": aps, "multi": False}


async def test_where_the_town_is_is_loaded_and_exported_and_may_change(settings: Settings, databases: Databases) -> None:
    for address in ('"Place de la Mairie, 60000 CarteVille"', "null"):
        await put(databases, TEXT.replace("debt_limit_cents: 0}", f"debt_limit_cents: 0, address: {address}}}"))
        again = check(parse(await export(settings, "carteville"), "exported.yaml"), MONDAY).structure
        assert again.address == yaml.safe_load(address)


async def test_why_a_day_is_closed_is_loaded_and_exported(settings: Settings, databases: Databases) -> None:
    await put(databases, TEXT.replace("closed_on: [today+40d]", "closed_because: {today+40d: Grève}"))
    (again, *_) = check(parse(await export(settings, "carteville"), "exported.yaml"), MONDAY).activities
    assert again.spec.closed_because == dict.fromkeys(again.spec.closed_on, "Grève") == {dt.date(2027, 1, 2): "Grève"}


async def test_a_day_on_which_the_town_is_closed_is_no_working_day_of_any_activity_but_where_it_opens(
    settings: Settings, databases: Databases
) -> None:
    closed = "debt_limit_cents: 0, closed_on: [today+3d], closed_because: {today+4d: Pont}}"
    text = TEXT.replace("debt_limit_cents: 0}", closed).replace("open_on: []", "open_on: [today+4d]")
    await put(databases, text)
    thursday, friday = dt.date(2026, 11, 26), dt.date(2026, 11, 27)
    opens, multi = check(parse(await export(settings, "carteville"), "exported.yaml"), MONDAY).activities
    for one in (opens, multi):
        assert one.spec.days_off == {thursday: None, friday: "Pont"}
        assert not {thursday, friday} & one.spec.closed_on, "it stands in the file once"
    assert [why_not_open(multi.spec, day) for day in (thursday, friday)] == ["listed in closed_on"] * 2
    assert [why_not_open(opens.spec, day) for day in (thursday, friday)] == ["listed in closed_on", None]
    # Two working days before Monday at 9: neither Thursday is one nor the weekend, but Friday, and then Wednesday.
    closes_at = booking_closes_at(opens.spec, dt.date(2026, 11, 30), followed().holidays(opens.spec.school_zone, opens.spec.timezone))
    assert closes_at == dt.datetime(2026, 11, 25, 8, tzinfo=dt.UTC)


async def test_a_day_off_that_the_file_adds_later_reaches_what_agents_made_and_stands_in_the_export_once(
    settings: Settings, databases: Databases
) -> None:
    await put(databases, TEXT)
    async with databases["booking"].transaction() as session:
        await hear_carteville(session)
        spec = check(parse(TEXT, "town.yaml"), MONDAY).activities[0].spec
        agent = office.Agent("agent", "carteville")
        await office.create_activity(session, MONDAY, agent, replace(spec, id="carteville.atelier", wallet=""), priced_like=spec.id)
    closed = TEXT.replace("debt_limit_cents: 0}", "debt_limit_cents: 0, closed_because: {today+4d: Pont}}")
    await put(databases, closed)
    friday, again = dt.date(2026, 11, 27), await put(databases, closed)
    assert not again.changes, "the same again changes nothing"
    async with databases["booking"].reading() as session:
        rows = await session.exec(select(Activity).order_by(Activity.id))
        assert {row.id: row.rules["days_off"] for row in rows} == {
            id_: {"2026-11-27": "Pont"} for id_ in ("aps-matin", "carteville.atelier", "multi")
        }
    document = yaml.safe_load(await export(settings, "carteville"))
    assert document["structure"]["closed_because"] == {friday: "Pont"}
    assert [friday in activity.get("closed_on", []) for activity in document["activities"]] == [False] * 3
    await put(databases, TEXT)
    async with databases["booking"].reading() as session:
        assert not [row.id for row in await session.exec(select(Activity)) if "days_off" in row.rules], "and goes from all of them"


async def hear_carteville(session: AsyncSession) -> None:
    heard = {"structure": "carteville", "version": 1, "title": "CarteVille", "timezone": "Europe/Paris", "school_zone": "B"}
    await commands.hear_structure(session, StructureChanged(occurred_at=MONDAY.now(), **heard))


async def test_s35_a_policy_by_points_and_what_is_true_of_families_are_loaded_and_exported(
    settings: Settings, databases: Databases
) -> None:
    points = 'allocation: {scheduled_at: "02:00", policy: points, points: {refused_last_time: 15, large_family: 5, resident: 40}}  #'
    file = TEXT.replace("allocation: immediate            #", points).replace(
        "criteria: [resident, both_parents_work]", "criteria: [large_family]"
    )
    await put(databases, TEXT)
    for text_, weights, told in (
        (file, (("resident", 40), ("large_family", 5), ("refused_last_time", 15)), ("large_family",)),
        (TEXT, None, ("both_parents_work", "resident")),
        (TEXT.replace("    criteria: [resident, both_parents_work]\n", ""), None, ("both_parents_work", "resident")),
        (TEXT.replace("[resident, both_parents_work]", "[]"), None, ()),
    ):
        await put(databases, text_)
        town = check(parse(text_, "town.yaml"), MONDAY)
        again = check(parse(await export(settings, "carteville"), "exported.yaml"), MONDAY)
        allocation, (family,) = again.activities[0].spec.allocation, again.families
        assert getattr(allocation, "points", None) == weights
        assert (again.criteria, family.criteria) == (town.criteria, told)
        assert (await put(databases, text_)).changes.total() == 0


WHOLE_TARIFF = """\
      - {from: month-start, per: hour, bands: [{cents: 210}], rounding: {minutes: 30}, outside_town: {percent: 20}}
      - from: month-start+1m
        per: hour
        effort: {percent: 0.0619, floor_cents: 50, ceiling_cents: 335}
        rounding: {minutes: 15, to: nearest}
        siblings_percent: [0, 20]
        outside_town: {cents: 150}
        charged: {absent_justified_percent: 10, absent_unjustified_percent: 90, unexpected_percent: 120, late: {cents: 500, after_minutes: 10}}
      - {from: month-start+2m, per: flat_month, effort: {percent: 12, ceiling_cents: 9000}, charged: {late: {cents: 1, every_minutes: 15}}}
"""


async def test_s33_a_tariff_with_all_that_it_can_say_is_loaded_and_exported(settings: Settings, databases: Databases) -> None:
    file = TEXT.replace(f"      - {HOURLY}\n", WHOLE_TARIFF)
    assert file != TEXT
    await put(databases, TEXT)
    await put(databases, file)
    assert (await put(databases, file)).changes.total() == 0
    again = check(parse(await export(settings, "carteville"), "exported.yaml"), MONDAY)
    town = check(parse(file, "town.yaml"), MONDAY)
    assert again.activities[1].tariffs == town.activities[1].tariffs
    first, second, third = map(loading.tariff_version, again.activities[1].tariffs)
    assert (first.rounding, first.outside_town) == (Rounding(30, RoundTo.UP), Surcharge(percent=20))
    assert second.effort == Effort("0.0619", 3_35, 50)
    assert second.charged == Charged(10, 90, 120, LatePickup(5_00, 10))
    assert (third.bands, third.charged) == ((), Charged(late=LatePickup(1, every_minutes=15)))


async def test_where_a_family_lives_is_what_its_criteria_say(databases: Databases) -> None:
    """For the surcharge of who lives elsewhere: the first word holds for every day, a later one from its day on."""

    async def told() -> list[tuple[int, bool]]:
        """Once billing has heard of it."""
        async with databases["booking"].reading() as session:
            rows = (await session.exec(select(Outgoing).where(Outgoing.type == ResidenceTold.type_name()))).all()
        events = [read(row.event_id, row.type, row.occurred_at.isoformat(), row.body.encode()) for row in rows]
        async with databases["billing"].transaction() as session:
            await react(billing, session, events, MONDAY)
        async with databases["billing"].reading() as session:
            rows = await session.exec(select(Residence).where(Residence.family == "dupont").order_by(col(Residence.starts_on)))
            return [(row.starts_on.year, row.resident) for row in rows]

    without = TEXT.replace("    criteria: [resident, both_parents_work]\n", "")
    await put(databases, without)
    assert await told() == []
    await put(databases, TEXT)
    assert await told() == [(1900, True)]
    moved = TEXT.replace("[resident, both_parents_work]", "[both_parents_work]")
    for file in (moved, TEXT, moved):
        await put(databases, file)
    await put(databases, without)
    assert await told() == [(1900, True), (2026, False)]


async def test_an_exported_town_can_be_founded_elsewhere(settings: Settings, databases: Databases, database_url: object) -> None:
    await put(databases, TEXT)
    exported = yaml.safe_load(await export(settings, "carteville"))
    for account in exported["accounts"]:
        account["password"] = "Un-nouveau-mot-2026"
    elsewhere = {service: Database(await database_url(service)) for service in databases}  # type: ignore[operator]
    try:
        await put(elsewhere, yaml.safe_dump(exported))
        assert await bookings_of(elsewhere) == await bookings_of(databases)
    finally:
        for database in elsewhere.values():
            await database.close()


async def test_a_town_that_does_not_exist_cannot_be_exported(settings: Settings) -> None:
    with pytest.raises(Trouble, match="there is no structure 'nowhere'"):
        await export(settings, "nowhere")
