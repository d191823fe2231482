"""Whose tokens are good (SEC7): two processes of booking on one database learn at once of keys and of what was taken back."""

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import httpx2
import pytest

from services import revoking
from services.booking.app import app
from services.claims import LIVE_KEYS, Caller, PublicKey, Revocation, Verifier
from services.clock import Clock
from services.events import EVERYBODY, Event, KeyWithdrawn, SigningKeyPublished, TokensRevoked
from services.identity.tokens import Signer, new_key
from services.outbox import record
from services.service import Running
from tests.facts import until

NOW = dt.datetime.now(dt.UTC)
LIFE = dt.timedelta(hours=12)  #: Longer than any run of these tests.
RunFixture = Callable[..., Awaitable[Running]]


def caller(session: str = "session", *, issued_at: dt.datetime = NOW) -> Caller:
    return Caller("dupont", session, {"family": "carteville"}, frozenset(), "fr", (NOW + LIFE).timestamp(), issued_at.timestamp())


def bearer(signer: Signer, one: Caller | None = None) -> str:
    return f"Bearer {signer.sign(one or caller(), NOW)}"


def published(signer: Signer, days: int = 1) -> SigningKeyPublished:
    """After identity's own."""
    return SigningKeyPublished(structure=EVERYBODY, occurred_at=NOW + dt.timedelta(days), kid=signer.kid, jwk=signer.public_jwk)


def revoked(session: str | None = None, *, before: dt.datetime = NOW, until: dt.datetime = NOW + LIFE) -> TokensRevoked:
    return TokensRevoked(structure=EVERYBODY, occurred_at=before, account="dupont", session=session, before=before, until=until)


CLOCK = Clock(frozen_at=NOW)


def knowing(*signers: Signer) -> Verifier:
    verifier = Verifier(CLOCK)
    for day, signer in enumerate(signers):
        verifier.trust(PublicKey(signer.kid, signer.public_jwk, float(day)))
    return verifier


@dataclass
class Town:
    """Identity, and two processes of booking."""

    identity: Running
    bookings: list[Running]

    async def says(self, *events: Event) -> None:
        async with self.identity.database.transaction() as session:
            record(session, *events)

    async def all_agree(self, token: str, *, good: bool, within: float) -> None:
        async def so() -> bool:
            return all((one.verifier.caller(token) is not None) is good for one in self.bookings)

        await until(so, within=within)

    async def is_kept(self) -> None:
        """In booking's table."""

        async def so() -> bool:
            stranger = Running.of(self.bookings[0].service, self.bookings[0].settings)
            await revoking.Watchman(stranger).look()
            await stranger.database.close()
            return bool(stranger.verifier._ended)

        await until(so)


@pytest.fixture
async def town(running: RunFixture, database_url: Callable[[str], Awaitable[str]]) -> Town:
    identity, url = await running("identity"), await database_url("booking")
    return Town(identity, [await running("booking", url=url) for _ in range(2)])


# ---------------------------------------------------------------------------------------------------------------- keys
async def test_every_process_of_a_service_learns_a_new_key(town: Town) -> None:
    """A consumer tells an event to one of them."""
    for one in town.bookings:
        await until(lambda one=one: ready(one))  # type: ignore[misc]  # identity's own key
    signer = Signer(new_key())
    await town.says(published(signer))
    await town.all_agree(bearer(signer), good=True, within=10)


async def ready(one: Running) -> bool:
    return one.verifier.is_ready


async def test_whoever_heard_nothing_finds_the_key_in_the_table(running: RunFixture, database_url: Callable[[str], Awaitable[str]]) -> None:
    url = await database_url("booking")
    deaf = await running("booking", url=url, nats_url="nats://127.0.0.1:1")
    assert await deaf.not_ready() != []
    signer = Signer(new_key())
    async with deaf.database.transaction() as session:
        await revoking.keep_key(session, published(signer), deaf.clock)

    async def so() -> bool:
        return deaf.verifier.caller(bearer(signer)) is not None

    await until(so, within=10)


async def test_the_newest_two_keys_are_trusted() -> None:
    signers = [Signer(new_key()) for _ in range(LIVE_KEYS + 1)]
    for order in (signers, signers[::-1]):
        verifier = Verifier(CLOCK)
        verifier.trust(*(PublicKey(one.kid, one.public_jwk, float(signers.index(one))) for one in order))
        assert [verifier.caller(bearer(one)) is not None for one in signers] == [False, True, True]


async def test_a_key_that_was_withdrawn_opens_nothing_though_it_did_before(town: Town) -> None:
    old, new = Signer(new_key()), Signer(new_key())
    await town.says(published(old, 1), published(new, 2))
    for one in (old, new):
        await town.all_agree(bearer(one), good=True, within=60)
    await town.says(KeyWithdrawn(structure=EVERYBODY, occurred_at=NOW, kid=new.kid))
    await town.all_agree(bearer(new), good=False, within=5)
    await town.says(published(new, 3))  # As a stream tells it that is filled again.
    third = Signer(new_key())
    await town.says(published(third, 4))
    await town.all_agree(bearer(third), good=True, within=60)
    await town.all_agree(bearer(old), good=True, within=5)
    assert not any(one.verifier.caller(bearer(new)) for one in town.bookings)


async def test_whoever_shows_a_token_is_not_sent_to_sign_in_while_no_key_is_known(running: RunFixture) -> None:
    one = await running("booking", start=False)
    application = app(one.settings)
    application.state.running = one
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=application), base_url="http://booking") as client:

        async def code(headers: dict[str, str]) -> tuple[int, str]:
            asked = {"query": '{ request(id: "x") { id } }'}
            answer = await client.post("/graphql", json=asked, headers=headers)
            return answer.status_code, answer.json()["errors"][0]["extensions"]["code"]

        assert await code({"authorization": "Bearer x"}) == (503, "NOT_READY")
        assert await code({}) == (200, "UNAUTHENTICATED")
        one.verifier.trust(PublicKey("key", Signer(new_key()).public_jwk, 0.0))
        assert await code({"authorization": "Bearer x"}) == (200, "UNAUTHENTICATED")


# ---------------------------------------------------------------------------------------------------------- revocations
async def test_every_process_refuses_an_ended_session_at_once_and_whoever_starts_later_too(town: Town, running: RunFixture) -> None:
    signer = Signer(new_key())
    await town.says(published(signer))
    token, other = bearer(signer), bearer(signer, caller("another"))
    await town.all_agree(token, good=True, within=60)
    await town.says(revoked("session"))
    await town.all_agree(token, good=False, within=5)
    await town.all_agree(other, good=True, within=5)
    await town.is_kept()
    later = await running("booking", url=town.bookings[0].settings.database_urls["booking"], nats_url="nats://127.0.0.1:1")
    assert later.verifier.caller(other) is not None
    assert later.verifier.caller(token) is None


async def test_it_is_refused_and_kept_in_a_crowd_too_when_all_else_waits(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = Signer(new_key())
    await town.says(published(signer))
    await town.all_agree(bearer(signer), good=True, within=60)
    for one in town.bookings:
        monkeypatch.setattr(one.crowd, "_stays", lambda: 60.0)
    await town.says(revoked("session"))
    await town.all_agree(bearer(signer), good=False, within=5)
    await town.is_kept()


async def test_what_passed_by_a_process_is_found_in_the_table(town: Town) -> None:
    signer = Signer(new_key())
    await town.says(published(signer))
    await town.all_agree(bearer(signer), good=True, within=60)
    async with town.bookings[0].database.transaction() as session:
        await revoking.keep_revocation(session, revoked("session"), town.identity.clock)
    await town.all_agree(bearer(signer), good=False, within=5)


def test_of_an_account_all_that_was_issued_before_is_refused_to_the_microsecond() -> None:
    signer, moment = Signer(new_key()), dt.timedelta(microseconds=1)
    verifier = knowing(signer)
    before, after = (bearer(signer, caller(issued_at=at)) for at in (NOW - moment, NOW))
    assert (verifier.caller(before), verifier.caller(after)) != (None, None), "control"
    revoking.apply(revoked(before=NOW), verifier)
    assert verifier.caller(before) is None
    assert verifier.caller(after) is not None
    revoking.apply(revoked(before=NOW - LIFE), verifier)  # Told late: it takes nothing back.
    assert verifier.caller(before) is None


def test_a_revocation_is_forgotten_when_no_token_is_left_that_it_means() -> None:
    verifier = knowing()
    verifier.refuse(*(Revocation("dupont", session, NOW.timestamp(), (NOW + LIFE).timestamp()) for session in (None, "session")))
    verifier._clock = replace(CLOCK, frozen_at=NOW + LIFE - dt.timedelta(seconds=1))
    verifier.forget_revocations()
    assert (len(verifier._ended), len(verifier._outdated)) == (1, 1)
    verifier._clock = replace(CLOCK, frozen_at=NOW + LIFE)
    verifier.forget_revocations()
    assert (verifier._ended, verifier._outdated) == ({}, {})
