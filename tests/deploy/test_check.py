"""`preau check` finds what is broken in live databases: each promise is broken here once, on purpose."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from deploy import check as checking
from deploy.check import check
from services.bus import STREAM
from services.clock import Clock
from services.settings import Settings
from tests.deploy.conftest import Databases
from tests.deploy.test_loading import TEXT, put

BOOK = """INSERT INTO booking (id, number, request, line, family, child, activity, structure, date, arrival, departure, status, position,
    requested_at, version) SELECT 'b2', number, request, line, family, 'paolo', activity, structure, date, arrival, departure, '{status}',
    position + 1, requested_at, version FROM booking"""
REQUEST = """INSERT INTO request (id, seq, number, family, structure, account, idempotency_key, fingerprint, accept_waiting_list, lines,
    language, partition, submitted_at, served_at, decided_at) SELECT 'r1', 99, '99', family, structure, 'a', 'k', 'f', true, 0, 'fr', 0,
    requested_at, requested_at, requested_at FROM booking"""
REQUEST_TOLD_TWICE = REQUEST.replace("decided_at)", "decided_at, reports)").replace("requested_at FROM", "requested_at, 2 FROM")
DEAD = """INSERT INTO dead_letter (event_id, subject, type, body, error, attempts, buried_at)
    VALUES ('e', 'preau.x.booking.accepted', 't', '{}', 'no idea', 10, '2026-11-23 07:00:00')"""
FAMILY = """INSERT INTO family (id, structure, version, adults, children)
    VALUES ('dupont', 'carteville', 1, '[{"account": "a", "email": "x@example.org"}]', '{}')"""
HEARD = "INSERT INTO structure_copy (id, name, timezone, version) VALUES ('carteville', 'CarteVille', 'Europe/Paris', 1)"
DIGEST_LINE = """INSERT INTO digest_line (cause, family, account, wish, due_at, told_by)
    VALUES ('report:r1', 'dupont', 'a', '{{}}', '2999-11-23 17:00:00', {told_by})"""
DIGEST = """INSERT INTO mail (id, kind, cause, structure, family, account, language, to_address, subject, text, html, state, attempts,
    created_at, sent_at) VALUES ('m1', 'digest', 'digest:report:r1', 'carteville', 'dupont', 'a', 'fr', 'x@example.org', 's', 't', 'h',
    'SENT', 1, '2026-11-23 17:00:00', '2026-11-23 17:00:01')"""

#: What is done to which database, and which promise is then broken, with which words.
SABOTAGE = {
    "a place without estimated cost": ("billing", "UPDATE hold SET state = 'RELEASED'", "holds", "is accepted; its hold is missing"),
    "a place that is only estimated": ("billing", "UPDATE hold SET kind = 'PENDING'", "holds", "is accepted; its hold is PENDING"),
    "a cost without a place": ("booking", "UPDATE booking SET status = 'CANCELLED'", "holds", "is CANCELLED, and a hold is kept for it"),
    "a cost for nothing": ("booking", "DELETE FROM booking", "holds", "which does not exist"),
    "somebody waits unseen": ("booking", BOOK.format(status="WAITLISTED"), "holds", "booking b2 on 2026-11-30 waits; its hold is missing"),
    "a debt that is paid": (
        "booking",
        "INSERT INTO standing (family, in_debit, version) VALUES ('dupont', true, 1)",
        "standings",
        "family dupont is in order; booking takes it to be in debt",
    ),
    "a debt unheard of": (
        "billing",
        "INSERT INTO standing (family, structure, in_debit, exempt, version) VALUES ('petit', 'carteville', true, false, 1)",
        "standings",
        "family petit is in debt; booking takes it to be in order",
    ),
    "a closed day that nobody charged": (
        "booking",
        "UPDATE opening SET closed_at = changed_at, closings = 2",
        "closed days",
        "aps-matin on 2026-11-30 was closed 2 times; charged is number 0",
    ),
    "a day charged to somebody else": (
        "booking",
        "INSERT INTO presence (activity, date, child, family, attendance, recorded_at) "
        "SELECT activity, date, 'paolo', 'dupont', 'PRESENT', changed_at FROM opening; UPDATE opening SET closed_at = changed_at",
        "closed days",
        "aps-matin on 2026-11-30 is not charged to the children that were there",
    ),
    "an answer without report": ("booking", REQUEST, "reports", "request r1 of family dupont has no report 1 of 1"),
    "a run without report": ("booking", REQUEST_TOLD_TWICE, "reports", "request r1 of family dupont has no report 2 of 2"),
    "an event that does not leave": (
        "identity",
        "UPDATE outgoing SET published = false",
        "outboxes",
        "identity: event 1 and those after it",
    ),
    "a dead letter": ("mailer", DEAD, "dead letters", "mailer/1 preau.x.booking.accepted: no idea"),
    "one child too many": ("booking", "UPDATE opening SET taken = 0", "booking", "aps-matin"),
    "money from nowhere": (
        "billing",
        "INSERT INTO hold SELECT 'strange', structure, family, 'paolo', activity, date, arrival, departure, wallet, kind, state, "
        "amount_cents + 1, tariff_version, explanation, version FROM hold",
        "billing",
        "strange",
    ),
}


@pytest.fixture
async def settled(settings: Settings, databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A loaded town whose services have heard everything: as if they had run."""
    monkeypatch.setattr(checking, "BETWEEN_SECONDS", 0.0)
    monkeypatch.setattr(checking, "PATIENCE_SECONDS", 1.0)
    await put(databases, TEXT)
    async with databases["booking"].reading() as session:
        ((booking, version),) = (await session.exec(text("SELECT id, version FROM booking"))).all()  # type: ignore[call-overload]
    hold = f"""INSERT INTO hold (booking, structure, family, child, activity, date, arrival, departure, wallet, kind, state, amount_cents,
        tariff_version, explanation, version) VALUES ('{booking}', 'carteville', 'dupont', 'amalia', 'aps-matin', '2026-11-30', '07:30',
        '08:45', 'periscolaire', 'CONFIRMED', 'LIVE', 131, '1/2026-11-01',
        '[{{"code": "BAND", "details": {{"band": "2", "quotient": "742"}}, "amount_cents": 131}}]', {version})"""
    await spoil(databases, "billing", hold)
    await spoil(databases, "mailer", FAMILY)
    for service in databases:
        await spoil(databases, service, "UPDATE outgoing SET published = true")
    return replace(settings, nats_url="nats://127.0.0.1:1")


async def spoil(databases: Databases, service: str, statement: str) -> None:
    async with databases[service].transaction() as session:
        for one in statement.split(";"):
            await session.exec(text(one.replace(":", r"\:")))  # type: ignore[call-overload]  # plain SQL


async def test_a_sound_town_is_told_to_be_sound(settled: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert await check(settled)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["ok"] * 10 + ["?"]
    assert lines[-1].endswith("(no broker at nats://127.0.0.1:1 to ask)")


@pytest.mark.parametrize("kind", SABOTAGE)
async def test_what_is_broken_is_named(kind: str, settled: Settings, databases: Databases, capsys: pytest.CaptureFixture[str]) -> None:
    service, statement, promise, words = SABOTAGE[kind]
    await spoil(databases, service, statement)
    assert not await check(settled)
    told = capsys.readouterr().out
    broken = [line.split()[1].rstrip(":") for line in told.splitlines() if line.startswith("BROKEN")]
    assert promise.split()[0] in broken, told
    assert words in told


@pytest.mark.parametrize(("moment", "is_sound"), [("22:59", False), ("23:00", True)])
async def test_a_place_may_be_debited_from_its_own_midnight_on(
    settled: Settings, databases: Databases, moment: str, is_sound: bool
) -> None:
    """The 30th begins in CarteVille an hour before it does in UTC."""
    await spoil(databases, "booking", HEARD)
    await spoil(databases, "billing", "UPDATE hold SET state = 'RELEASED'")
    assert await check(replace(settled, clock=Clock.from_setting(f"2026-11-29T{moment}:00Z"))) is is_sound


@pytest.mark.parametrize(("told_by", "is_sound"), [("NULL", True), ("'m1'", True), ("'lost'", False)])
async def test_a_report_that_waits_for_the_evening_or_was_told_then_is_a_report(
    settled: Settings, databases: Databases, told_by: str, is_sound: bool
) -> None:
    await spoil(databases, "booking", REQUEST)
    await spoil(databases, "mailer", DIGEST)
    await spoil(databases, "mailer", DIGEST_LINE.format(told_by=told_by))
    assert await check(settled) is is_sound


async def test_what_is_on_its_way_is_not_broken(settled: Settings, databases: Databases, capsys: pytest.CaptureFixture[str]) -> None:
    """Billing hears of a booking a moment after booking decided it: a difference counts only if it stays."""
    looks = 0
    real = checking._holds

    async def hears_meanwhile(databases: Databases, clock: Clock) -> set[str]:
        nonlocal looks
        looks += 1
        if looks == 2:
            await spoil(databases, "billing", "UPDATE hold SET state = 'LIVE'")
        return await real(databases, clock)

    await spoil(databases, "billing", "UPDATE hold SET state = 'RELEASED'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checking, "_holds", hears_meanwhile)
        assert await check(settled), capsys.readouterr().out
    assert looks == 2


def test_the_streams_of_the_contract_are_those_that_are_looked_at() -> None:
    assert set(STREAM.values()) == {"PREAU", "PREAU_INTERNAL"}
