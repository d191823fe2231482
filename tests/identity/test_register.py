"""What a town puts in: structures, announcements, accounts and families; twice is as good as once."""

import datetime as dt
import json
from dataclasses import replace

import pytest
from sqlmodel import select

from services.identity import invariants, register
from services.identity.households import ChildSpec
from services.identity.tables import Account, AccountSession, Child, Credential, Family, Membership, RefreshToken, Structure
from services.refusal import Refused
from tests.identity.town import (
    AGENT,
    AMALIA,
    CARTEVILLE,
    DUPONT,
    DUPONTS,
    NEIGHBOUR,
    NOW,
    PAOLO,
    PASSWORD,
    AccountSpec,
    FamilySpec,
    RunFixture,
    Town,
)

DAY = dt.timedelta(days=1)
DURAND = AccountSpec("durand", "Lucie-et-Tom-2026", "Mme", "Claire", "DURAND", "claire@example.org", structure="carteville")


async def test_a_town_is_told_once(running: RunFixture) -> None:
    town = await Town.of(running)
    told = [event.type.split(".")[3] for event in await town.events()]
    assert told == ["signing_key_published", "structure_changed", "account_opened", "account_opened", "family_changed", "contacts_changed"]
    structure = json.loads((await town.events("structure_changed"))[0].body)
    assert structure == {
        "structure": "carteville", "version": 1, "title": "Mairie de CarteVille", "timezone": "Europe/Paris", "school_zone": "B",
        "retention": {},
    }  # fmt: skip
    family = json.loads((await town.events("family_changed"))[0].body)
    assert (family["family"], family["version"], family["children"]) == ("dupont", 1, ["amalia", "paolo"])
    contacts = json.loads((await town.events("contacts_changed"))[0].body)
    assert family["adults"] == [adult["account"] for adult in contacts["adults"]]
    assert contacts["children"] == {"amalia": "DUPONT Amalia", "paolo": "DUPONT Paolo"}
    assert contacts["adults"][0] | {"account": ""} == {
        "account": "", "title": "M.", "first_name": "Jean-Paul", "last_name": "DUPONT", "email": "jp.dupont@example.org", "language": "fr",
        "reports": "at_once", "announcements": True,
    }  # fmt: skip
    async with town.running.database.reading() as session:
        assert await invariants.violations(session) == []


async def test_putting_the_same_in_again_changes_nothing_and_tells_nothing(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.announces("Rentrée", "Bonjour", NOW)
    before = [event.event_id for event in await town.events()]
    town.later(days=3)
    await town.puts(CARTEVILLE, DUPONT, AGENT, DUPONTS)
    await town.announces("Rentrée", "Bonjour", NOW + 3 * DAY)  # the file says "today"
    assert [event.event_id for event in await town.events()] == before
    async with town.running.database.reading() as session:
        assert (await session.exec(select(Structure.version))).all() == [1]
        assert (await session.exec(select(Family.version))).all() == [1]
        assert set((await session.exec(select(Account.version))).all()) == {1}


async def test_changes_are_told_with_growing_versions(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(replace(CARTEVILLE, school_zone="C"))
    await town.puts(replace(DUPONT, first_name="Jean"))
    await town.puts(replace(DUPONTS, children=(AMALIA, PAOLO, ChildSpec("zoe", "Zoé", "DUPONT", dt.date(2025, 1, 1)))))
    await town.puts(replace(DUPONTS, children=(PAOLO,)))
    assert [json.loads(event.body)["version"] for event in await town.events("structure_changed")] == [1, 2]
    assert [json.loads(event.body)["version"] for event in await town.events("family_changed")] == [1, 3, 4]
    assert [json.loads(event.body)["version"] for event in await town.events("contacts_changed")] == [1, 2, 3, 4]
    assert [json.loads(event.body)["children"] for event in await town.events("family_changed")] == [
        ["amalia", "paolo"],
        ["amalia", "paolo", "zoe"],
        ["paolo"],
    ]
    async with town.running.database.reading() as session:
        left = (await session.exec(select(Child.id).where(Child.listed == False))).all()  # noqa: E712 -- SQL, not Python
        assert sorted(left) == ["amalia", "zoe"], "their past remains"
        assert await invariants.violations(session) == []
    await town.puts(DUPONTS)
    assert json.loads((await town.events("family_changed"))[-1].body)["children"] == ["amalia", "paolo"]


async def test_a_second_parent_joins_and_the_first_leaves(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(DURAND, replace(DUPONTS, accounts=("dupont", "durand")))
    both = json.loads((await town.events("contacts_changed"))[-1].body)["adults"]
    assert [adult["last_name"] for adult in both] == ["DUPONT", "DURAND"]
    await town.puts(replace(DUPONTS, accounts=("durand", "dupont")))
    turned = json.loads((await town.events("contacts_changed"))[-1].body)["adults"]
    assert [adult["last_name"] for adult in turned] == ["DURAND", "DUPONT"], "letters are addressed to the first"
    await town.puts(replace(DUPONTS, accounts=("durand",)))
    assert len(json.loads((await town.events("family_changed"))[-1].body)["adults"]) == 1
    assert (await town.signs_in())["account"]["families"] == []
    assert (await town.signs_in("durand", "Lucie-et-Tom-2026"))["account"]["families"] == [{"id": "dupont"}]


async def test_s5_one_account_of_two_towns_is_told_to_each_once(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(
        NEIGHBOUR, replace(DUPONT, structure="autreville"), FamilySpec("autreville.dupont", "autreville", "77", ("dupont",), ())
    )
    await town.puts(replace(DUPONT, structure="autreville"))
    opened = [event.subject for event in await town.events("account_opened")]
    assert opened.count("preau.carteville.identity.account_opened") == 2  # dupont and the agent
    assert opened.count("preau.autreville.identity.account_opened") == 1


async def test_a_town_changes_no_account_that_belongs_to_another_too(running: RunFixture) -> None:
    """Else whoever runs the one could let himself into the families of the other."""
    town = await Town.of(running)
    taken_over = replace(DUPONT, structure="autreville", password="Un-Nouveau-2027-fort", email="maire@autreville.example.org")
    family = FamilySpec("autreville.dupont", "autreville", "77", ("dupont",), ())
    await town.puts(NEIGHBOUR, taken_over, family)
    session = await town.signs_in()
    assert [one["id"] for one in session["account"]["families"]] == ["autreville.dupont", "dupont"]
    assert (await town.signs_in(password="Un-Nouveau-2027-fort"))["code"] == "INVALID_CREDENTIALS"
    assert [event.type for event in await town.events("email_changed")] == []
    async with town.running.database.transaction() as session:
        told = [
            await register.put_account(session, town.running.clock, spec)
            for spec in (replace(DUPONT, structure="autreville"), taken_over, replace(DUPONT, password="Encore-un-2028-fort"))
        ]
    assert [put.left_alone for put in told] == [False, True, True], "nor does the first any more"
    assert (await town.signs_in())["__typename"] == "SignedIn"


async def test_a_new_account_may_wait_for_its_owner_to_choose_a_password(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(replace(DURAND, password=None, may_wait=True))
    for guess in ("", "has none so far.", "Lucie-et-Tom-2026"):
        assert (await town.signs_in("durand", guess))["code"] == "INVALID_CREDENTIALS"
    async with town.running.database.reading() as session:
        assert await invariants.violations(session) == []
    await town.puts(DURAND)
    assert (await town.signs_in("durand", "Lucie-et-Tom-2026"))["__typename"] == "SignedIn"


async def test_a_password_changed_in_the_file_is_in_force_and_ends_sessions(running: RunFixture) -> None:
    town = await Town.of(running)
    session = await town.signs_in()
    await town.puts(replace(DUPONT, password="Un-Nouveau-2027-fort"))
    assert (await town.signs_in())["code"] == "INVALID_CREDENTIALS"
    assert (await town.signs_in(password="Un-Nouveau-2027-fort"))["__typename"] == "SignedIn"
    assert (await town.refreshes(session["refreshToken"]))["code"] == "INVALID_TOKEN"


async def test_a_file_without_passwords_leaves_them_as_they_are(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(replace(DUPONT, password=None, first_name="Jean"))
    assert (await town.signs_in())["account"]["firstName"] == "Jean"


async def test_who_is_no_longer_an_agent_in_the_file_is_none(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(replace(AGENT, agent_of=None))
    assert (await town.signs_in("agent", AGENT.password))["account"]["agentOf"] == []


async def test_hashing_ahead_gives_the_same_and_hashes_nothing_twice(running: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    town = await Town.of(running)
    specs = [DUPONT, DURAND, replace(AGENT, password="Un-Nouveau-2027-fort")]
    async with town.running.database.reading() as session:
        ahead = await register.hash_ahead(session, specs)
    assert [ahead[spec.login].new_hash is None for spec in specs] == [True, False, False]
    monkeypatch.setattr("services.identity.register.hash_now", None)
    monkeypatch.setattr("services.identity.register.check_now", None)
    async with town.running.database.transaction() as session:
        for spec in specs:
            await register.put_account(session, town.running.clock, spec, ahead[spec.login])
    assert (await town.signs_in())["__typename"] == "SignedIn"
    assert (await town.signs_in("durand", DURAND.password))["__typename"] == "SignedIn"
    assert (await town.signs_in("agent", "Un-Nouveau-2027-fort"))["__typename"] == "SignedIn"


@pytest.mark.usefixtures("dear_passwords")
async def test_every_password_is_kept_as_argon2id_and_nothing_else(running: RunFixture) -> None:
    town = await Town.of(running)
    async with town.running.database.reading() as session:
        rows = (await session.exec(select(Credential))).all()
    assert len(rows) == 2
    assert all(one.startswith("$argon2id$v=19$m=19456,t=2,p=1$") for row in rows for one in (row.password_hash, row.loaded_hash))
    assert not any(PASSWORD in str(row) for row in rows)


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        (replace(DUPONTS, structure="nowhere"), "UNKNOWN_STRUCTURE"),
        (replace(DUPONTS, accounts=("dupont", "nobody")), "UNKNOWN_ACCOUNT"),
        (replace(DUPONTS, structure="autreville"), "FAMILY_OF_ANOTHER_STRUCTURE"),
        (FamilySpec("martin", "carteville", "9", ("agent",), (AMALIA,)), "CHILD_OF_ANOTHER_FAMILY"),
        (replace(DURAND, password=None), "PASSWORD_MISSING"),
        (replace(DURAND, structure="nowhere"), "UNKNOWN_STRUCTURE"),
        (replace(DURAND, agent_of="nowhere"), "UNKNOWN_STRUCTURE"),
    ],
)
async def test_what_cannot_be_is_refused_whole(running: RunFixture, spec: FamilySpec | AccountSpec, code: str) -> None:
    town = await Town.of(running)
    await town.puts(NEIGHBOUR)
    before = len(await town.events())
    with pytest.raises(Refused) as refused:
        await town.puts(spec)
    assert refused.value.code == code
    assert len(await town.events()) == before
    async with town.running.database.reading() as session:
        assert (await session.exec(select(Family.id))).all() == ["dupont"]


async def test_the_checker_finds_what_is_broken(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.signs_in()
    async with town.running.database.transaction() as session:
        account = (await session.exec(select(Account.id).where(Account.login == "dupont"))).one()
        one = (await session.exec(select(AccountSession))).one()
        session.add(RefreshToken(token_sum="0" * 64, session_id=one.id, expires_at=NOW + DAY))
        await session.delete(await session.get_one(Credential, account))
        await session.delete(await session.get_one(Membership, (account, "carteville")))
        (await session.get_one(Child, "paolo")).position = 0
    async with town.running.database.reading() as session:
        found = await invariants.violations(session)
    assert sorted(found) == sorted(
        [
            f"account {account} has no password",
            f"session {one.id} has several refresh tokens that are good",
            f"account {account} acts in carteville without belonging to it",
            "family dupont has two children in one place",
        ]
    )
