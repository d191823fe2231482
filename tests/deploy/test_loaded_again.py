"""A town's file that is loaded again undoes nothing that people did since; what it says otherwise than last time is in force."""

import datetime as dt
from dataclasses import replace
from typing import Any

from sqlmodel import select

from deploy.town.export import export
from services.booking import office as places
from services.booking.activity import from_json
from services.booking.criteria import set_family_criteria
from services.booking.office import DayChange
from services.booking.run_queries import family_criteria
from services.booking.tables import Activity, ChildCopy, Enrollment
from services.identity import announcing, office, ranks
from services.identity.announcing import Wording
from services.identity.households import ChildSpec, ReportsWanted
from services.identity.office import Agent, Words
from services.identity.queries import account_ids, children
from services.identity.ranks import FactorAsked, Role, StructureWords
from services.identity.second_factor import SecondFactor
from services.identity.tables import Account, AgentRole, Announcement, Child, Family, FamilyAdult, Structure, core
from services.settings import Settings
from tests.deploy.conftest import Databases
from tests.deploy.test_checking import MONDAY, TEXT
from tests.deploy.test_loading import put

CHIEF = '  - {login: chef, password: "Mairie-CarteVille-2026", first_name: Zoé, last_name: CHEF, agent: true, administrator: true}\n'
FILE = TEXT.replace("  - {login: agent,", CHIEF + "  - {login: agent,")


async def roles(databases: Databases) -> dict[str, bool]:
    """Login -> whether it administers."""
    async with databases["identity"].reading() as session:
        rows = await session.exec(select(Account.login, AgentRole.administrator).where(AgentRole.account_id == Account.id))
        return dict(rows.all())


async def chief(databases: Databases) -> Agent:
    async with databases["identity"].reading() as session:
        return Agent((await account_ids(session, ["chef"]))["chef"], "carteville", "Organisation", administrator=True)


async def sets_roles(databases: Databases, **wanted: Role) -> None:
    who = await chief(databases)
    async with databases["identity"].transaction() as session:
        for login, role in wanted.items():
            await ranks.set_role(session, MONDAY, who, login, role)


async def loads(databases: Databases, file: str) -> list[str]:
    """Its warnings."""
    return (await put(databases, file)).warnings


async def test_ranks_that_administrators_set_stand_until_the_file_says_otherwise(databases: Databases) -> None:
    await loads(databases, FILE)
    await sets_roles(databases, agent=Role.NONE, dupont=Role.AGENT)
    assert (await loads(databases, FILE), await roles(databases)) == ([], {"chef": True, "dupont": False})
    promoted = FILE.replace("last_name: MARTIN, agent: true", "last_name: MARTIN, agent: true, administrator: true")
    assert (await loads(databases, promoted), await roles(databases)) == ([], {"chef": True, "dupont": False, "agent": True})
    # Whom it made an agent it takes back; whom an administrator made one, it never did.
    plain = FILE.replace(", agent: true, administrator: true", "")
    assert (await loads(databases, plain), await roles(databases)) == ([], {"dupont": False, "agent": True})


async def test_a_file_takes_no_towns_last_administrator_away_and_says_so(databases: Databases) -> None:
    await loads(databases, FILE)
    kept = ["account 'chef' stays an administrator: 'carteville' would have none"]
    for less in (", agent: true, administrator: false", ", agent: false", ""):
        file = FILE.replace(", agent: true, administrator: true", less)
        for _ in range(2):
            assert (await loads(databases, file), await roles(databases)) == (kept, {"chef": True, "agent": False})
    followed = file.replace("last_name: MARTIN, agent: true", "last_name: MARTIN, agent: true, administrator: true")
    assert (await loads(databases, followed), await roles(databases)) == ([], {"agent": True})


async def everything(databases: Databases) -> dict[str, list[Any]]:
    """What identity has of the town, but for what its file said last."""
    found = {}
    async with databases["identity"].reading() as session:
        for rows in (Structure, Announcement, Account, AgentRole, Family, FamilyAdult, Child):
            table = core(rows)
            columns = [column for column in table.columns if not column.name.startswith("loaded")]
            found[table.name] = (await (await session.connection()).execute(select(*columns).order_by(*table.primary_key))).all()  # type: ignore[call-overload]
    return found


async def test_what_people_changed_stands_until_the_file_says_otherwise(settings: Settings, databases: Databases) -> None:
    await loads(databases, FILE)
    who, now = await chief(databases), MONDAY.now()
    words = StructureWords("Ville", "Europe/Brussels", "C", secret_questions=True, second_factor=FactorAsked.REQUIRED)
    async with databases["identity"].transaction() as session:
        await ranks.change_structure(session, MONDAY, who, words)
        dupont = (await account_ids(session, ["dupont"]))["dupont"]
        await office.change_account(
            session, MONDAY, who, dupont, Words(title="Mme", first_name="Jeanne", last_name="DUPOND", language="en")
        )
        await office.change_family(session, MONDAY, who, "dupont", "77")
        await office.change_child(session, MONDAY, who, "amalia", {"first_name": "Amélie", "birth_date": dt.date(2019, 4, 13)})
        await office.remove_child(session, MONDAY, who, "paolo")
        await office.add_child(session, MONDAY, who, "dupont", ChildSpec("", "Tom", "DUPOND", dt.date(2021, 1, 1)))
        await office.add_adult(session, MONDAY, who, "dupont", "chef")
        row = (await session.exec(select(Announcement))).one()
        until = now + dt.timedelta(days=9)
        await announcing.change_announcement(
            session, MONDAY, who, row.id, Wording("Rentrée", "Oui.", ends_at=(until,), mail=True, public=True)
        )
    changed = await everything(databases)
    assert (await loads(databases, FILE), await everything(databases)) == ([], changed)

    # What was exported says what is, and is no news where it comes from.
    again = await export(settings, "carteville")
    for _ in range(2):
        assert (await loads(databases, again), await everything(databases)) == ([], changed)
    news = again.replace("timezone: Europe/Brussels", "timezone: Europe/Paris").replace("first_name: Amélie", "first_name: Amalia")
    assert news != again
    assert await loads(databases, news) == []
    async with databases["identity"].reading() as session:
        town = await session.get_one(Structure, "carteville")
        says = town.name, town.timezone, town.second_factor, town.secret_questions
        assert says == ("Ville", "Europe/Paris", SecondFactor.REQUIRED, True)
        family = (await children(session, ["dupont"]))["dupont"]
        assert [(one.first_name, one.birth_date) for one in family] == [("Amalia", dt.date(2019, 4, 13)), ("Tom", dt.date(2021, 1, 1))]


async def test_what_adults_chose_stands_until_the_file_says_otherwise(databases: Databases) -> None:
    daily = FILE.replace("last_name: DUPONT, email", "last_name: DUPONT, reports: daily, announcements_by_mail: false, email", 1)

    async def chosen() -> tuple[str, bool]:
        async with databases["identity"].reading() as session:
            row = (await session.exec(select(Account).where(Account.login == "dupont"))).one()
        return row.reports.value, row.announcements_by_mail

    await loads(databases, daily)
    assert await chosen() == ("daily", False)
    async with databases["identity"].transaction() as session:
        row = (await session.exec(select(Account).where(Account.login == "dupont"))).one()
        row.reports, row.announcements_by_mail = ReportsWanted.AT_ONCE, True
        session.add(row)
    for file, are in ((daily, ("at_once", True)), (FILE, ("at_once", True)), (daily.replace("false", "true", 1), ("at_once", True))):
        await loads(databases, file)
        assert await chosen() == are, file


async def test_what_agents_changed_of_activities_and_children_stands_until_the_file_says_otherwise(
    settings: Settings, databases: Databases
) -> None:
    await loads(databases, FILE)
    monday, tuesday = dt.date(2026, 11, 30), dt.date(2026, 12, 1)
    async with databases["booking"].transaction() as session:
        session.add(ChildCopy(child="amalia", family="dupont", structure="carteville", listed_at=MONDAY.now()))
    async with databases["booking"].transaction() as session:
        clerk = places.Agent("agent", "carteville", "Décidé en conseil")
        await places.set_opening(session, MONDAY, clerk, "aps-matin", DayChange(monday, open=False, because="Grève"))
        await places.set_opening(session, MONDAY, clerk, "aps-matin", DayChange(tuesday, places=(12,)))
        row = await session.get_one(Activity, "aps-matin")
        spec = replace(from_json(dict(row.rules)), name="APS du matin", waiting_list=3)
        await places.change_activity(session, MONDAY, clerk, spec, row.version, places.Kept())
        await places.end_enrollment(session, MONDAY, clerk, "amalia", "aps-matin", dt.date(2026, 12, 18))
        await set_family_criteria(session, MONDAY.now(), "carteville", "agent", "dupont", ["large_family", "resident"])

    async def now() -> list[Any]:
        async with databases["booking"].reading() as session:
            rows = [from_json(dict((await session.get_one(Activity, "aps-matin")).rules))]
            ends = (await session.get_one(Enrollment, ("amalia", "aps-matin"))).ends_on
            return [*rows, ends, sorted((await family_criteria(session, ["dupont"]))["dupont"])]

    changed = await now()
    (said,) = await loads(databases, FILE)
    assert said.endswith("left out, aps-matin is not open on 2026-11-30 (listed in closed_on)"), (
        "a booking that the file takes over: it stands already"
    )
    assert await now() == changed
    exported = await export(settings, "carteville")
    for _ in range(2):
        assert (await loads(databases, exported), await now()) == ([], changed)
    news = exported.replace("name: APS du matin", "name: APS MATIN").replace("capacity: 40", "capacity: 45")
    assert news != exported
    assert await loads(databases, news) == []
    assert await now() == [replace(changed[0], name="APS MATIN", capacity=45), *changed[1:]]
    assert changed[1:] == [dt.date(2026, 12, 18), ["large_family", "resident"]]
