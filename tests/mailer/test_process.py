"""The mailer as a process: from an event on the broker to a mail, through outages, repeats and SIGKILL."""

import datetime as dt
import signal
import socket
from collections.abc import Awaitable, Callable

import pytest
from sqlmodel import select

from services.bus import STREAM
from services.clock import Clock
from services.events import Event
from services.mailer import announcing, sending
from services.mailer.tables import DigestLine, Mail, MailState
from services.outbox import record
from services.service import Running
from tests.facts import until
from tests.forked import ended
from tests.mailer.conftest import Mailroom, activity_named, adult, announcement_due, decided, family_of, place_given, reset_link, town_named
from tests.mailer.mail_server import MailServer, mail_server

Run = Callable[..., Awaitable[Running]]


async def others_say(mailer: Running, *events: Event) -> None:
    """By the mailer's own outbox: the broker does not mind whose it is."""
    async with mailer.database.transaction() as session:
        record(session, *events)
    mailer.outbox_written()


async def mails(mailer: Running, state: MailState | None = None) -> list[Mail]:
    async with mailer.database.reading() as session:
        found = (await session.exec(select(Mail))).all()
    return [mail for mail in found if state is None or mail.state is state]


async def test_an_event_on_the_broker_becomes_a_mail(running: Run, post_office: MailServer) -> None:
    mailer = await running("mailer", smtp_url=post_office.url, public_url="https://famille.example.org")
    # The answers come before the names that they need.
    await others_say(mailer, decided(), place_given(), reset_link())
    await others_say(mailer, town_named(), activity_named(), family_of())
    await post_office.has(3)
    await until(lambda: sent(mailer, 3))
    subjects = sorted(str(message["Subject"]) for _, message in post_office.taken)
    assert [subject.split()[0] for subject in subjects] == ["Choisir", "Compte", "Une"]


async def waiting(mailer: Running) -> bool:
    async with mailer.database.reading() as session:
        return (await session.exec(select(DigestLine))).first() is not None


async def sent(mailer: Running, count: int) -> bool:
    return len(await mails(mailer, MailState.SENT)) == count


async def test_one_report_though_the_broker_tells_its_whole_history_again(running: Run, post_office: MailServer) -> None:
    mailer = await running("mailer", smtp_url=post_office.url)
    await others_say(mailer, town_named(), activity_named(), family_of(), decided())
    await until(lambda: sent(mailer, 1))
    # A consumer that was lost, ack floor and all, hears everything from the first again.
    for internal in (False, True):
        await mailer.bus.jetstream.delete_consumer(STREAM[internal], "mailer")
    await others_say(mailer, decided(request="r2"))
    await until(lambda: sent(mailer, 2))
    assert len(post_office.taken) == 2
    assert len(set(post_office.message_ids())) == 2


async def test_an_announcement_and_an_evening_are_told_by_the_process_itself(running: Run, post_office: MailServer) -> None:
    moment = [dt.datetime(2026, 11, 23, 16, 59, 59, tzinfo=dt.UTC)]

    class TownClock(Clock):
        def now(self) -> dt.datetime:
            return moment[-1]

    mailer = await running("mailer", smtp_url=post_office.url, clock=TownClock())
    await others_say(mailer, town_named(), activity_named(), family_of(adult(reports="daily")), decided(), announcement_due())
    await post_office.has(1)
    await until(lambda: waiting(mailer))
    moment.append(dt.datetime(2026, 11, 23, 17, 0, tzinfo=dt.UTC))
    announcing.announce_now(mailer)  # a look now, and not in some seconds
    await post_office.has(2)
    assert [str(message["Subject"]).split(" :")[0] for _, message in post_office.taken] == [
        "Fermeture du centre",
        "Compte rendu du lundi 23/11/2026",
    ]


async def test_a_mail_server_that_is_down_stops_no_listening(running: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "LOOK_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    mailer = await running("mailer", smtp_url=f"smtp://127.0.0.1:{port}")
    await others_say(mailer, town_named(), activity_named(), family_of(), decided(request="r1"))
    await until(lambda: mails(mailer, MailState.QUEUED))
    await others_say(mailer, decided(request="r2"))

    async def both_queued() -> bool:
        return len(await mails(mailer, MailState.QUEUED)) == 2

    await until(both_queued)
    async with mail_server(port) as server:
        await server.has(2)
        await until(lambda: sent(mailer, 2))
        await mailer.stop()


@pytest.mark.parametrize(
    ("point", "copies"),
    [("mailer.before_send:1", 1), ("mailer.before_send:2", 2), ("mailer.after_send:2", 2), ("command.before_commit:2", 2)],
)
async def test_a_mailer_killed_in_mid_sending_loses_nothing(mailroom: Mailroom, post_office: MailServer, point: str, copies: int) -> None:
    mailroom.now = dt.datetime.now(dt.UTC)  # the process that is killed has the real time
    await mailroom.knows_the_town()
    await mailroom.hears(*(decided(request=f"r{number}") for number in range(3)))

    killed = await one_round(mailroom, post_office, PREAU_CRASH_AT=point)
    assert killed == -signal.SIGKILL
    assert MailState.QUEUED in await mailroom.states()
    await everybody_forgets_the_dead(mailroom)
    assert await one_round(mailroom, post_office) == 0

    assert await mailroom.states() == [MailState.SENT] * 3
    assert len(set(post_office.message_ids())) == 3
    assert max(post_office.message_ids().count(one) for one in post_office.message_ids()) == copies
    assert await mailroom.told() == ["fr.preau.mailer.mail_sent.v1"] * 3


async def test_a_mailer_killed_among_many_mails_sends_again_what_it_had_not_recorded_and_no_more(
    mailroom: Mailroom, post_office: MailServer
) -> None:
    mailroom.now = dt.datetime.now(dt.UTC)
    await mailroom.knows_the_town()
    await mailroom.hears(*(decided(request=f"r{number}") for number in range(25)))
    await one_round(mailroom, post_office, PREAU_CRASH_AT="mailer.after_send:19")
    assert len(post_office.taken) == 19
    await everybody_forgets_the_dead(mailroom)
    assert await one_round(mailroom, post_office) == 0

    assert await mailroom.states() == [MailState.SENT] * 25
    assert len(set(post_office.message_ids())) == 25
    assert len(post_office.taken) - 25 <= 10, "as many as are recorded together"
    assert await mailroom.told() == ["fr.preau.mailer.mail_sent.v1"] * 25


async def one_round(mailroom: Mailroom, post_office: MailServer, **environment: str) -> int:
    url = mailroom.database.engine.url.render_as_string(hide_password=False)
    return await ended("tests.mailer.one_round", url, post_office.url, **environment)


async def everybody_forgets_the_dead(mailroom: Mailroom) -> None:
    """CLAIM_SECONDS later."""
    async with mailroom.database.transaction() as session:
        for mail in (await session.exec(select(Mail))).all():
            if mail.claimed_until is not None:
                mail.claimed_until = dt.datetime.now(dt.UTC)
