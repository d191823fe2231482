"""Accounts that stand in no family and no office: closed by their owner, or after two years, and then nothing of them is left."""

from sqlmodel import select

from services.billing import personal as billing
from services.billing.tables import BalanceAlert
from services.clock import Clock
from services.events import AccountErased
from services.identity import audit, closing
from services.identity.tables import Account, IdentityTable, Membership, OutsideIdentity, SubjectKey
from services.mailer import personal as mailer
from services.mailer.invariants import violations
from services.mailer.tables import DigestLine, Mail, MailKind, MailState
from services.outbox import MailroomTable
from tests.identity.town import AMALIA, NOW, PAOLO, FamilySpec, RunFixture, Town
from tests.personal.test_erasing import MARTIN, rows

CLOSE = """mutation($password: String!) { closeAccount(password: $password) { __typename ... on AccountClosed { login } ... on Refusal { code } } }"""
ERASED = AccountErased(structure="carteville", occurred_at=NOW, account="claire")
CLAIRE = "Zoe-et-les-autres-2026"
TOGETHER = FamilySpec("dupont", "carteville", "003150", ("dupont", "martin"), (PAOLO, AMALIA))
WITHOUT_CLAIRE = FamilySpec("dupont", "carteville", "003150", ("dupont",), (PAOLO, AMALIA))


async def tends(town: Town) -> bool:
    async with town.running.database.transaction() as session:
        return await closing.tend(session, town.running.clock)


async def logins(town: Town) -> set[str]:
    return {row.login for row in await rows(town, Account)}


async def told(town: Town) -> list[str]:
    """Whom, of those who were told that their account ends."""
    return [row.body for row in await town.events("security_notice_made") if '"ACCOUNT_ENDING"' in row.body]


async def everything(town: Town) -> str:
    """What the tables say, row by row."""
    said = []
    async with town.running.database.reading() as session:
        for metadata in (IdentityTable.metadata, MailroomTable.metadata):
            for table in metadata.sorted_tables:
                said += [str(tuple(row)) for row in await (await session.connection()).execute(table.select())]
    return "\n".join(said)


async def leaves(town: Town) -> None:
    """Claire was an adult of the DUPONT family, and is none any more."""
    await town.puts(MARTIN, TOGETHER)
    await town.puts(WITHOUT_CLAIRE)


async def test_who_stands_in_nothing_is_told_after_two_years_less_a_month_and_erased_a_month_later(running: RunFixture) -> None:
    town = await Town.of(running)
    await leaves(town)
    (claire,) = [row.id for row in await rows(town, Account) if row.login == "martin"]
    assert (await town.signs_in("martin", CLAIRE))["__typename"] == "SignedIn"
    async with town.running.database.transaction() as session:
        session.add(OutsideIdentity(provider="fc", subject="claire", account_id=claire, label="Claire MARTIN", linked_at=NOW))
        await audit.lock_structure(session, "carteville")
        await audit.note(session, NOW, "carteville", "agent", audit.Done("CHANGE_ACCOUNT", adult=claire, reason="Pour Claire"))
    assert not await tends(town)
    town.later(days=2 * 365 - 31)
    await tends(town)
    assert await told(town) == []
    town.later(days=1)
    await tends(town)
    await tends(town)
    (letter,) = await told(town)
    assert '"claire@example.org"' in letter
    assert '"22/11/2028"' in letter
    town.later(days=29)
    assert not await tends(town)
    assert "martin" in await logins(town)
    town.later(days=1)
    assert await tends(town)
    assert await logins(town) == {"dupont", "agent"}, "who has a family or an office stays, however long ago they signed in"
    left = await everything(town)
    assert [word for word in ("Claire", "claire", "'martin'", '"martin"') if word in left] == []
    assert claire not in {row.subject for row in await rows(town, SubjectKey)}
    assert [row.body for row in await town.events("account_erased")] == [f'{{"structure":"carteville","account":"{claire}"}}']
    assert "DUPONT" in (await town.events("contacts_changed"))[-1].body, "the family's are its own"
    assert not await tends(town)


async def test_who_signs_in_meanwhile_or_is_needed_again_stays(running: RunFixture) -> None:
    town = await Town.of(running)
    await leaves(town)
    await tends(town)
    town.later(days=2 * 365)
    await tends(town)
    assert len(await told(town)) == 1
    await town.signs_in("martin", CLAIRE)
    town.later(days=31)
    assert not await tends(town)
    town.later(days=2 * 365)
    await tends(town)
    assert len(await told(town)) == 2, "two years later again"
    await town.puts(TOGETHER)
    town.later(days=31)
    assert not await tends(town)
    await town.puts(WITHOUT_CLAIRE)
    await tends(town)
    town.later(days=31)
    assert not await tends(town), "it stands alone since a month, not for two years"
    assert "martin" in await logins(town)


async def test_whoever_stands_in_nothing_closes_the_account_with_its_password(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(MARTIN, TOGETHER)
    signed_in = await town.signs_in("martin", CLAIRE)
    token = signed_in["accessToken"]
    assert (await town.answers(CLOSE, token, password=CLAIRE))["closeAccount"]["code"] == "ACCOUNT_NEEDED"
    await town.puts(WITHOUT_CLAIRE)
    town.later(seconds=1)
    token = (await town.refreshes(signed_in["refreshToken"]))["accessToken"]
    assert (await town.answers(CLOSE, token, password="wrong"))["closeAccount"]["code"] == "INVALID_CREDENTIALS"
    assert "martin" in await logins(town)
    assert (await town.answers(CLOSE, token, password=CLAIRE))["closeAccount"] == {"__typename": "AccountClosed", "login": "martin"}
    assert await logins(town) == {"dupont", "agent"}
    assert (await town.signs_in("martin", CLAIRE))["code"] == "INVALID_CREDENTIALS"
    assert [row.structure_id for row in await rows(town, Membership)] == ["carteville"] * 2
    data, errors = await town.asked(CLOSE, token, password=CLAIRE)
    assert (data, errors is not None) == (None, True)
    agent = (await town.signs_in("agent", "Mairie-CarteVille-2026"))["accessToken"]
    assert (await town.answers(CLOSE, agent, password="Mairie-CarteVille-2026"))["closeAccount"]["code"] == "ACCOUNT_NEEDED"


async def test_others_forget_what_they_kept_for_the_account(running: RunFixture) -> None:
    one = await running("billing", clock=Clock(frozen_at=NOW), start=False)
    async with one.database.transaction() as session:
        for family, account in (("dupont", "claire"), ("martin", "zoe")):
            session.add(BalanceAlert(family=family, structure="carteville", account=account, below_cents=1_00, is_below=False))
        await session.flush()
        await billing.forget_account(session, ERASED, one.clock)
    async with one.database.reading() as session:
        assert [row.account for row in (await session.exec(select(BalanceAlert))).all()] == ["zoe"]


async def test_the_mailer_writes_to_it_no_more_and_a_family_that_stays_has_its_reports(running: RunFixture) -> None:
    """One report for each answer: `preau check` counts them."""
    one = await running("mailer", clock=Clock(frozen_at=NOW), start=False)
    sent, waits = {"state": MailState.SENT, "sent_at": NOW}, {"state": MailState.QUEUED, "next_attempt_at": NOW}
    async with one.database.transaction() as session:
        for name, account, family, became in (
            ("sent", "claire", "dupont", sent), ("waits", "claire", "dupont", waits), ("own", "claire", None, sent), ("zoe", "zoe", "dupont", sent),
        ):  # fmt: skip
            words = {"language": "fr", "subject": "s", "text": "t", "html": "h", "to_address": f"{account}@example.org"}
            about = {"kind": MailKind.REPORT, "cause": name, "structure": "carteville", "family": family, "account": account}
            session.add(Mail(id=name, created_at=NOW, **about, **words, **became))
        for cause, told_by in (("told", "sent"), ("untold", None)):
            session.add(DigestLine(cause=cause, family="dupont", account="claire", wish={}, due_at=NOW, told_by=told_by))
        await session.flush()
        await mailer.forget_account(session, ERASED, one.clock)
    async with one.database.reading() as session:
        left = {row.id: (row.state, row.subject + row.text + row.html, row.to_address) for row in (await session.exec(select(Mail))).all()}
        assert left == {
            "sent": (MailState.SENT, "", None),
            "waits": (MailState.WITHDRAWN, "", None),
            "zoe": (MailState.SENT, "sth", "zoe@example.org"),
        }
        assert [row.cause for row in (await session.exec(select(DigestLine))).all()] == ["told"]
        assert await violations(session) == []
