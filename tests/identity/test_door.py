"""S1, S4: signing in, staying in, signing out."""

import asyncio
import json
from typing import Any

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import delete
from sqlmodel import col, select

from services.claims import PublicKey, Verifier
from services.clock import Clock
from services.identity import installation, invariants
from services.identity.devices import Visit
from services.identity.hashing import ClientGone, token_sum
from services.identity.tables import Account, Attempt, Credential, KnownDevice, RefreshToken, Secret, SigningKey
from services.identity.tokens import Signer, new_key
from services.refusal import Refused
from services.settings import SettingsError
from tests.identity.town import AGENT_PASSWORD, DUPONT, NOW, PASSWORD, RunFixture, Town, replace

ME = "{ me { id login firstName lastName families { id } agentOf { id } } }"
SIGN_OUT = "mutation { signOut }"
SESSIONS = "{ me { sessions { id startedAt lastUsedAt device current } } }"
END = "mutation ($id: ID!) { endSession(id: $id) }"
EVERYWHERE = "mutation { signOutEverywhere }"


async def test_s1_a_family_signs_in_with_what_the_town_handed_out(running: RunFixture) -> None:
    town = await Town.of(running)
    answer = await town.signs_in()
    assert answer["__typename"] == "SignedIn"
    assert answer["account"]["login"] == "dupont"
    assert answer["account"]["families"] == [{"id": "dupont"}]
    assert answer["accessTokenExpiresAt"] == "2026-11-23T07:15:00Z"
    caller = town.caller(answer["accessToken"])
    assert caller is not None
    assert caller.families == {"dupont": "carteville"}
    assert caller.agent_of == frozenset()
    me = await town.answers(ME, answer["accessToken"])
    assert (me["me"]["firstName"], me["me"]["lastName"]) == ("Jean-Paul", "DUPONT")  # S4: beside "sign out"


async def test_s1_whoever_just_signed_in_is_told_where_else_they_are(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.signs_in()
    signing_in = f"""mutation {{ signIn(login: "dupont", password: "{PASSWORD}") {{
      ... on SignedIn {{ account {{ sessions {{ current }} }} }} }} }}"""
    sessions = (await town.answers(signing_in))["signIn"]["account"]["sessions"]
    assert sorted(session["current"] for session in sessions) == [False, True]


async def test_s1_whoever_just_signed_in_asks_the_rest_of_the_answer(running: RunFixture) -> None:
    town = await Town.of(running)
    home = "account { families { children { id } dataExports { id } } agentOf { id announcements { id } } }"
    for login, password in (("dupont", PASSWORD), ("agent", AGENT_PASSWORD)):
        signing_in = f"""mutation ($login: String!, $password: String!) {{ signIn(login: $login, password: $password) {{
          ... on SignedIn {{ refreshToken {home} }} }} }}"""
        opened = (await town.answers(signing_in, login=login, password=password))["signIn"]
        renewing = f"""mutation ($token: String!) {{ refreshSession(refreshToken: $token) {{
          ... on SignedIn {{ {home} }} }} }}"""
        again = (await town.answers(renewing, token=opened["refreshToken"]))["refreshSession"]
        assert again["account"] == opened["account"]


async def test_s1_capitals_and_spaces_in_a_login_do_not_matter(running: RunFixture) -> None:
    town = await Town.of(running)
    assert (await town.signs_in(" DuPont "))["__typename"] == "SignedIn"


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("dupont", PASSWORD + "!"),
        ("dupont", ""),
        ("dupont", "x" * 100_000),
        ("nobody", PASSWORD),
        ("", ""),
        ("dup\0ont", PASSWORD),
        ("dupont", "\0"),
        ("'; --", "x"),
        ("dupont", PASSWORD.upper()),
    ],
)
async def test_s1_a_wrong_password_and_an_unknown_login_get_the_same_answer(running: RunFixture, login: str, password: str) -> None:
    town = await Town.of(running)
    assert await town.signs_in(login, password) == {
        "__typename": "InvalidCredentials",
        "code": "INVALID_CREDENTIALS",
        "message": "L’identifiant ou le mot de passe n’est pas correct.",
    }
    english = await town.signs_in(login, password, language="en")
    assert english["message"] == "The login or the password is not right."


async def test_any_service_verifies_the_token_with_the_published_key_alone(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    published = json.loads((await town.events("signing_key_published"))[0].body)
    assert "d" not in published["jwk"], "a private key is never told"
    elsewhere = Verifier(Clock(frozen_at=NOW))
    assert elsewhere.caller(f"Bearer {token}") is None, "control: without the key it is nobody"
    elsewhere.trust(PublicKey(published["kid"], published["jwk"], NOW.timestamp()))
    caller = elsewhere.caller(f"Bearer {token}")
    assert caller is not None
    assert caller.account == (await town.answers(ME, token))["me"]["id"]


async def test_an_access_token_is_good_for_a_quarter_of_an_hour(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    town.later(minutes=14, seconds=59)
    assert (await town.answers(ME, token))["me"]["login"] == "dupont"
    town.later(seconds=1)
    assert (await town.answers(ME, token))["me"] is None
    assert (await town.answers(ME))["me"] is None, "and nobody at all is no error either"


async def test_a_refresh_token_gives_the_next_pair(running: RunFixture) -> None:
    town = await Town.of(running)
    first = await town.signs_in()
    town.later(minutes=20)
    second = await town.refreshes(first["refreshToken"])
    assert second["__typename"] == "SignedIn"
    assert second["refreshToken"] != first["refreshToken"]
    assert (await town.answers(ME, second["accessToken"]))["me"]["login"] == "dupont"
    town.later(minutes=20)
    assert (await town.refreshes(second["refreshToken"]))["__typename"] == "SignedIn"


async def test_using_a_refresh_token_twice_ends_the_whole_session(running: RunFixture) -> None:
    town = await Town.of(running)
    elsewhere = await town.signs_in()
    first = await town.signs_in()
    second = await town.refreshes(first["refreshToken"])
    assert (await town.refreshes(first["refreshToken"]))["code"] == "INVALID_TOKEN"
    assert (await town.refreshes(second["refreshToken"]))["code"] == "INVALID_TOKEN", "the thief's copy, or the victim's: both end"
    assert (await town.answers(ME, second["accessToken"]))["me"] is None
    assert (await town.refreshes(elsewhere["refreshToken"]))["__typename"] == "SignedIn", "another device is not concerned"


async def test_of_many_who_show_one_refresh_token_at_once_at_most_one_gets_in(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["refreshToken"]
    answers = await asyncio.gather(*(town.refreshes(token) for _ in range(8)))
    assert [answer["__typename"] for answer in answers].count("SignedIn") == 1
    won = next(answer for answer in answers if answer["__typename"] == "SignedIn")
    assert (await town.refreshes(won["refreshToken"]))["code"] == "INVALID_TOKEN"


@pytest.mark.parametrize("token", ["", "unknown", "a" * 43, "é" * 5000])
async def test_an_unknown_refresh_token_is_no_longer_valid(running: RunFixture, token: str) -> None:
    town = await Town.of(running)
    assert (await town.refreshes(token))["__typename"] == "InvalidToken"


async def test_a_family_that_does_nothing_for_a_night_signs_in_again(running: RunFixture) -> None:
    town = await Town.of(running)
    first = await town.signs_in()
    town.later(hours=11)
    second = await town.refreshes(first["refreshToken"])
    assert second["__typename"] == "SignedIn"
    town.later(hours=12)
    assert (await town.refreshes(second["refreshToken"]))["code"] == "INVALID_TOKEN"


async def test_an_agent_signs_in_again_after_an_hour(running: RunFixture) -> None:
    town = await Town.of(running)
    answer = await town.signs_in("agent", AGENT_PASSWORD)
    assert answer["account"]["agentOf"] == [{"id": "carteville"}]
    caller = town.caller(answer["accessToken"])
    assert caller is not None
    assert caller.agent_of == {"carteville"}
    town.later(hours=1)
    assert (await town.refreshes(answer["refreshToken"]))["code"] == "INVALID_TOKEN"


async def test_s4_after_signing_out_neither_token_opens_identity(running: RunFixture) -> None:
    town = await Town.of(running)
    answer = await town.signs_in()
    assert (await town.answers(SIGN_OUT, answer["accessToken"]))["signOut"] is True
    assert (await town.answers(ME, answer["accessToken"]))["me"] is None
    assert (await town.refreshes(answer["refreshToken"]))["code"] == "INVALID_TOKEN"
    assert (await town.answers(SIGN_OUT, answer["accessToken"]))["signOut"] is True, "twice is no harm"


async def test_s4_signing_out_without_a_token_is_unauthenticated(running: RunFixture) -> None:
    town = await Town.of(running)
    data, errors = await town.asked(SIGN_OUT)
    assert data is None
    assert errors is not None
    assert errors[0].original_error.code == "UNAUTHENTICATED"


async def test_who_became_an_agent_meanwhile_stays_no_longer_than_an_agent(running: RunFixture) -> None:
    town = await Town.of(running)
    promoted = replace(DUPONT, agent_of="carteville", structure=None)
    long, idle = await town.signs_in(), await town.signs_in()
    for _ in range(12):
        town.later(minutes=55)
        long = await town.refreshes(long["refreshToken"])
    assert long["__typename"] == "SignedIn"
    await town.puts(promoted)
    assert (await town.refreshes(idle["refreshToken"]))["code"] == "INVALID_TOKEN", "eleven hours without a word are too long for an agent"
    town.later(minutes=55)
    long = await town.refreshes(long["refreshToken"])
    caller = town.caller(long["accessToken"])
    assert caller is not None
    assert caller.agent_of == {"carteville"}
    town.later(minutes=10)
    assert (await town.refreshes(long["refreshToken"]))["code"] == "INVALID_TOKEN", "twelve hours are the most, from signing in"


# --------------------------------------------------------------------------------------------------- sessions and devices
async def sessions(town: Town, bearer: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await town.answers(SESSIONS, bearer))["me"]["sessions"]
    return found


async def test_a_family_sees_where_it_is_signed_in(running: RunFixture) -> None:
    town = await Town.of(running)
    home = await town.signs_in(browser="Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0")
    town.later(minutes=10)
    telephone = await town.signs_in(browser="Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36")
    gone = await town.signs_in()
    await town.answers(SIGN_OUT, gone["accessToken"])
    town.later(minutes=1)
    home = await town.refreshes(home["refreshToken"])
    seen = await sessions(town, home["accessToken"])
    assert [one.pop("id") is not None for one in seen] == [True, True]
    assert seen == [
        {"startedAt": "2026-11-23T07:00:00Z", "lastUsedAt": "2026-11-23T07:11:00Z", "device": "Firefox, Windows", "current": True},
        {"startedAt": "2026-11-23T07:10:00Z", "lastUsedAt": "2026-11-23T07:10:00Z", "device": "Chrome, Android", "current": False},
    ]
    town.later(hours=12)
    telephone = await town.signs_in()
    assert len(await sessions(town, telephone["accessToken"])) == 1, "those that nobody can renew are over"


async def test_s4_one_session_is_ended_from_another_and_nobody_elses(running: RunFixture) -> None:
    town = await Town.of(running)
    here, lost = await town.signs_in(), await town.signs_in()
    agent = (await town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
    (lost_id,) = [one["id"] for one in await sessions(town, here["accessToken"]) if not one["current"]]
    for id in (lost_id, "unknown", ""):
        assert (await town.answers(END, agent, id=id)) == {"endSession": True}, "nobody learns whose sessions there are"
    assert len(await sessions(town, here["accessToken"])) == 2
    assert (await town.answers(END, here["accessToken"], id=lost_id)) == {"endSession": True}
    assert (await town.answers(ME, lost["accessToken"]))["me"] is None
    assert (await town.refreshes(lost["refreshToken"]))["code"] == "INVALID_TOKEN"
    assert [one["current"] for one in await sessions(town, here["accessToken"])] == [True]


async def test_s4_signing_out_everywhere_ends_every_session_and_tells_the_owner(running: RunFixture) -> None:
    town = await Town.of(running)
    here, elsewhere = await town.signs_in(), await town.signs_in()
    agent = await town.signs_in("agent", AGENT_PASSWORD)
    assert (await town.answers(EVERYWHERE, here["accessToken"])) == {"signOutEverywhere": True}
    for one in (here, elsewhere):
        assert (await town.answers(ME, one["accessToken"]))["me"] is None
        assert (await town.refreshes(one["refreshToken"]))["code"] == "INVALID_TOKEN"
    assert (await town.refreshes(agent["refreshToken"]))["__typename"] == "SignedIn", "others are not concerned"
    (told,) = await town.events("security_notice_made")
    assert json.loads(told.body)["kind"] == "SIGNED_OUT_EVERYWHERE"
    _, errors = await town.asked(EVERYWHERE, here["accessToken"])
    assert errors is not None
    assert errors[0].original_error.code == "UNAUTHENTICATED"


async def test_sec4_strangers_keep_nobody_waiting_on_a_device_of_his_own(running: RunFixture) -> None:
    town = await Town.of(running)
    device = (await town.signs_in())["deviceToken"]
    for _ in range(6):
        await town.signs_in(password="wrong-wrong-wrong", address="203.0.113.7")
    assert (await town.signs_in())["code"] == "TOO_MANY_ATTEMPTS", "control"
    assert (await town.signs_in(device="another"))["code"] == "TOO_MANY_ATTEMPTS"
    assert (await town.signs_in(device=(await town.signs_in("agent", AGENT_PASSWORD))["deviceToken"]))["code"] == "TOO_MANY_ATTEMPTS"
    answer = await town.signs_in(device=device)
    assert (answer["__typename"], answer["deviceToken"]) == ("SignedIn", device), "it stays known by the same"
    assert (await town.signs_in())["code"] == "TOO_MANY_ATTEMPTS", "which does the stranger no good"
    for _ in range(5):
        assert (await town.signs_in(password="wrong-wrong-wrong", device=device))["code"] == "INVALID_CREDENTIALS"
    assert (await town.signs_in(device=device))["code"] == "TOO_MANY_ATTEMPTS", "a thief of the device does not guess faster"


async def test_sec4_an_account_is_known_on_the_twenty_devices_that_were_used_last(running: RunFixture) -> None:
    town = await Town.of(running)
    devices = []
    for _ in range(20):
        town.later(seconds=1)
        devices.append((await town.signs_in())["deviceToken"])
    town.later(seconds=1)
    assert (await town.signs_in(device=devices[0]))["deviceToken"] == devices[0]
    town.later(seconds=1)
    await town.signs_in("agent", AGENT_PASSWORD)
    newest = (await town.signs_in())["deviceToken"]
    async with town.running.database.reading() as session:
        known = set(
            (await session.exec(select(KnownDevice.token_sum).where(KnownDevice.account_id == Account.id, Account.login == "dupont"))).all()
        )
    assert known == {token_sum(one) for one in (devices[0], *devices[2:], newest)}


async def test_sec4_a_device_is_known_by_a_sum_and_until_the_password_changes(running: RunFixture) -> None:
    town = await Town.of(running)
    here = await town.signs_in()
    async with town.running.database.reading() as session:
        sums = (await session.exec(select(KnownDevice.token_sum))).all()
    assert [len(one) for one in sums] == [64]
    change = "mutation ($a: String!, $b: String!) { changePassword(current: $a, new: $b) { __typename } }"
    await town.answers(change, here["accessToken"], a=PASSWORD, b="un cheval correct en pile")
    for _ in range(5):
        await town.signs_in()
    refused = await town.signs_in(password="un cheval correct en pile", device=here["deviceToken"])
    assert refused["code"] == "TOO_MANY_ATTEMPTS", "whoever had it may be a thief"


# ------------------------------------------------------------------------------------------------------- failed tries
async def test_after_five_failures_an_account_waits_and_waits_longer(running: RunFixture) -> None:
    town = await Town.of(running)
    for _ in range(5):
        assert (await town.signs_in(password="wrong-wrong-wrong"))["code"] == "INVALID_CREDENTIALS"
    refused = await town.signs_in()
    assert refused["__typename"] == "TooManyAttempts", "even with the right password: it is not even looked at"
    assert refused["message"] == "Trop d’essais : réessayez dans 11 secondes."
    town.later(seconds=10)
    assert (await town.signs_in(password="wrong-wrong-wrong"))["code"] == "INVALID_CREDENTIALS"
    town.later(seconds=17)
    assert (await town.signs_in())["code"] == "TOO_MANY_ATTEMPTS"
    town.later(seconds=1)
    assert (await town.signs_in())["__typename"] == "SignedIn", "never a hard lock"
    assert (await town.signs_in(password="wrong-wrong-wrong"))["code"] == "INVALID_CREDENTIALS"
    assert (await town.signs_in())["__typename"] == "SignedIn", "a success forgets the failures"


async def test_an_unknown_login_waits_like_a_known_one(running: RunFixture) -> None:
    town = await Town.of(running)
    for _ in range(5):
        assert (await town.signs_in("nobody"))["code"] == "INVALID_CREDENTIALS"
    assert (await town.signs_in("nobody"))["code"] == "TOO_MANY_ATTEMPTS"
    assert (await town.signs_in())["__typename"] == "SignedIn", "others are not concerned"


@pytest.mark.usefixtures("dear_passwords")
async def test_a_hundred_tries_at_once_are_counted_one_by_one(running: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    town = await Town.of(running)
    checked = 0
    check = town.entrance.hashing.check

    async def counted(password: str, stored: str) -> object:
        nonlocal checked
        checked += 1
        return await check(password, stored)

    monkeypatch.setattr(town.entrance.hashing, "check", counted)
    answers = await asyncio.gather(*(town.signs_in(password=f"wrong-password-{n}") for n in range(100)))
    codes = [answer["code"] for answer in answers]
    assert codes.count("INVALID_CREDENTIALS") == checked == 5
    assert codes.count("TOO_MANY_ATTEMPTS") == 95


@pytest.mark.usefixtures("dear_passwords")
async def test_an_unknown_login_costs_a_hash_and_no_more_than_two_are_made_at_once(
    running: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = await Town.of(running)
    now, most, stored = 0, 0, []
    check = town.entrance.hashing.check

    async def watched(password: str, one: str) -> object:
        nonlocal now, most
        now += 1
        most = max(most, now)
        stored.append(one)
        checked = await check(password, one)
        now -= 1
        return checked

    monkeypatch.setattr(town.entrance.hashing, "check", watched)
    await asyncio.gather(*(town.signs_in(login) for login in ("dupont", *(f"nobody{n}" for n in range(9)))))
    assert most == 2
    assert len(stored) == 10
    assert len({one.rsplit("$", 2)[0] for one in stored}) == 1, "the same settings, so the same time"


@pytest.mark.usefixtures("dear_passwords")
async def test_more_than_may_wait_at_the_door_are_told_so_at_once(running: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    town = await Town.of(running)
    monkeypatch.setattr("services.identity.hashing.MOST_WAITING", 3)
    opened = asyncio.Event()
    check = town.entrance.hashing.check

    async def slow(password: str, stored: str) -> object:
        await opened.wait()
        return await check(password, stored)

    monkeypatch.setattr(town.entrance.hashing, "check", slow)
    rush = [asyncio.ensure_future(town.signs_in(f"nobody{n}")) for n in range(5)]
    while town.entrance.hashing._waiting.total() < 3:
        await asyncio.sleep(0)
    refused = await town.signs_in()
    assert (refused["__typename"], refused["code"]) == ("TooManyAttempts", "TOO_MANY_ATTEMPTS")
    assert refused["message"] == "Beaucoup de monde se connecte en ce moment : réessayez dans 5 secondes."
    opened.set()
    assert {answer["code"] for answer in await asyncio.gather(*rush)} == {"INVALID_CREDENTIALS"}
    assert (await town.signs_in())["__typename"] == "SignedIn"


@pytest.mark.usefixtures("dear_passwords")
async def test_who_tries_one_login_in_parallel_keeps_nobody_else_out(running: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    town = await Town.of(running)
    monkeypatch.setattr("services.identity.hashing.MOST_FOR_ONE", 3)
    opened = asyncio.Event()
    check = town.entrance.hashing.check

    async def slow(password: str, stored: str) -> object:
        await opened.wait()
        return await check(password, stored)

    monkeypatch.setattr(town.entrance.hashing, "check", slow)
    rush = [asyncio.ensure_future(town.signs_in("nobody")) for _ in range(9)]
    while not any(one.done() for one in rush):
        await asyncio.sleep(0)
    neighbour = asyncio.ensure_future(town.signs_in())
    opened.set()
    assert (await neighbour)["__typename"] == "SignedIn"
    codes = [answer["code"] for answer in await asyncio.gather(*rush)]
    assert (codes.count("TOO_MANY_ATTEMPTS"), codes.count("INVALID_CREDENTIALS")) == (5, 4), "one is looked at, three wait"


async def test_nothing_is_checked_for_who_hung_up_while_waiting(running: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    town = await Town.of(running)
    gone = True

    async def hung_up() -> bool:
        return gone

    with pytest.raises(ClientGone):
        await town.entrance.sign_in("dupont", "wrong", Visit(), hung_up)
    async with town.running.database.reading() as session:
        assert (await session.exec(select(Attempt))).all() == []
    gone = False
    with pytest.raises(Refused, match="INVALID_CREDENTIALS"):
        await town.entrance.sign_in("dupont", "wrong", Visit(), hung_up)


async def test_many_logins_tried_from_one_address_make_the_address_wait(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.signs_in("stranger", address="203.0.113.7")
    async with town.running.database.transaction() as session:
        for row in (await session.exec(select(Attempt))).all():
            row.count = 101 if row.count == 1 else row.count
            session.add(row)
    assert (await town.signs_in(address="203.0.113.7"))["code"] == "TOO_MANY_ATTEMPTS"
    assert (await town.signs_in(address="203.0.113.8"))["__typename"] == "SignedIn"
    town.later(hours=1)
    assert (await town.signs_in(address="203.0.113.7"))["__typename"] == "SignedIn"


@pytest.mark.usefixtures("dear_passwords")
async def test_a_family_that_signs_in_on_many_devices_at_once_gets_in_on_all(running: RunFixture) -> None:
    town = await Town.of(running)
    answers = await asyncio.gather(*(town.signs_in() for _ in range(12)))
    assert {answer["__typename"] for answer in answers} == {"SignedIn"}
    assert len({answer["refreshToken"] for answer in answers}) == 12
    async with town.running.database.reading() as session:
        assert await invariants.violations(session) == []


@pytest.mark.usefixtures("dear_passwords")
async def test_a_password_hashed_with_yesterdays_settings_is_hashed_anew_on_signing_in(running: RunFixture) -> None:
    town = await Town.of(running)
    old = PasswordHash((Argon2Hasher(memory_cost=8_192, time_cost=1, parallelism=1),)).hash(PASSWORD)
    async with town.running.database.transaction() as session:
        for row in (await session.exec(select(Credential))).all():
            row.password_hash = row.loaded_hash = old
            session.add(row)
    token = (await town.signs_in())["accessToken"]
    handed_out = (await town.answers("{ me { passwordIsHandedOut } }", token))["me"]
    assert handed_out == {"passwordIsHandedOut": True}, "it is still the town's"
    async with town.running.database.reading() as session:
        hashes = (await session.exec(select(Credential.password_hash))).all()
    assert sorted("m=19456,t=2,p=1" in one for one in hashes) == [False, True], "the other has not signed in yet"
    assert (await town.signs_in())["__typename"] == "SignedIn"


async def test_tokens_are_kept_as_sums_only(running: RunFixture) -> None:
    town = await Town.of(running)
    answer = await town.signs_in()
    async with town.running.database.reading() as session:
        sums = (await session.exec(select(RefreshToken.token_sum))).all()
    assert [len(one) for one in sums] == [64]
    assert answer["refreshToken"] not in sums


async def test_what_means_nothing_any_more_is_forgotten(running: RunFixture) -> None:
    town = await Town.of(running)
    signed_in = await town.signs_in()
    await town.signs_in(password="wrong-wrong-wrong")
    await town.answers(SIGN_OUT, (await town.signs_in())["accessToken"])
    town.later(hours=25)
    async with town.running.database.transaction() as session:
        await installation.tidy(session, town.running.clock)
    async with town.running.database.reading() as session:
        assert (await session.exec(select(Attempt))).all() == []
        assert len((await session.exec(select(RefreshToken).where(col(RefreshToken.used_at).is_(None)))).all()) == 1
    assert signed_in["__typename"] == "SignedIn"


async def test_a_restart_keeps_the_key_and_a_new_key_is_told_once(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    again = Town(await running("identity", clock=Clock(frozen_at=NOW), start=False, url=town.running.database.url))
    assert again.caller(token) is not None
    assert len(await again.events("signing_key_published")) == 1
    key = new_key()
    for _ in range(2):
        other = Town(await running("identity", clock=Clock(frozen_at=NOW), start=False, url=town.running.database.url, signing_key=key))
    assert len(await other.events("signing_key_published")) == 2
    assert other.caller(token) is not None, "tokens signed with the key before it run on"
    assert other.caller((await other.signs_in())["accessToken"]) is not None


async def test_two_replicas_that_start_at_once_agree_on_one_key(running: RunFixture) -> None:
    town = await Town.of(running)
    async with town.running.database.transaction() as session:
        await session.exec(delete(SigningKey))
        await session.exec(delete(Secret))
    url = town.running.database.url
    replicas = await asyncio.gather(*(running("identity", clock=Clock(frozen_at=NOW), start=False, url=url) for _ in range(4)))
    kids = {Town(one).entrance.signer.kid for one in replicas}
    assert len(kids) == 1
    assert len({Town(one).entrance.decoy_secret for one in replicas}) == 1
    told = [json.loads(event.body)["kid"] for event in await town.events("signing_key_published")]
    assert told == [town.entrance.signer.kid, *kids]


@pytest.mark.parametrize(
    "key", ["", "{}", "not json", '{"kty": "oct", "k": "c2VjcmV0"}', '{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}', "[]"]
)
def test_an_unusable_signing_key_is_refused_in_words_that_do_not_repeat_it(key: str) -> None:
    with pytest.raises(SettingsError, match="PREAU_SIGNING_KEY") as refused:
        Signer(key)
    assert "c2VjcmV0" not in str(refused.value)
