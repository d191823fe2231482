"""Mails leave: once, whatever the mail server does; and if twice after a crash, under the same Message-ID."""

import asyncio
import datetime as dt

import pytest

from services.mailer import delivery
from services.mailer.attempts import LONGEST_WAIT, wait_after
from services.mailer.post import Post, Unreachable
from services.mailer.sending import CLAIM_SECONDS, Sending
from services.mailer.tables import Mail, MailState
from tests.facts import until
from tests.mailer.conftest import PUBLIC_URL, Mailroom, adult, decided, family_of, movement, place_given, reset_link, town_named
from tests.mailer.mail_server import HANGS, LOST, MailServer

NOBODY = "smtp://127.0.0.1:1"


async def queue(mailroom: Mailroom, count: int = 1) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(*(decided(request=f"r{number}") for number in range(count)))


async def claims_lapse(mailroom: Mailroom) -> None:
    """As after a crash of whoever had them, CLAIM_SECONDS later."""
    async with mailroom.database.transaction() as session:
        for mail in await mailroom.mails():
            row = await session.get(Mail, mail.id)
            assert row is not None
            if row.claimed_until is not None:
                row.claimed_until = dt.datetime.now(dt.UTC)


async def test_a_report_arrives_whole(mailroom: Mailroom, post_office: MailServer) -> None:
    await queue(mailroom)
    assert await mailroom.sends(post_office.url) == 1

    ((recipients, message),) = post_office.taken
    mail = await mailroom.the_mail()
    assert recipients == ("jp.dupont@example.org",)
    assert message["To"] == "DUPONT Jean-Paul <jp.dupont@example.org>"
    assert message["From"] == "Préau de la mairie <no-reply@carteville.example>"
    assert message["Subject"] == "Compte rendu de vos demandes de réservation : Mairie de CarteVille"
    assert message["Message-ID"] == f"<{mail.id}@carteville.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Id"] == "<carteville.carteville.example>"
    assert message["Date"].datetime == mail.created_at
    text, html = (message.get_body((kind,)).get_content().replace("\r\n", "\n") for kind in ("plain", "html"))
    assert text == mail.text
    assert f'href="{PUBLIC_URL}"' in html
    assert ".invalid" not in text + html

    assert (mail.state, mail.attempts, mail.sent_at) == (MailState.SENT, 1, mailroom.now)
    assert await mailroom.told() == ["fr.preau.mailer.mail_sent.v1"]
    assert await mailroom.sends(post_office.url) == 0


async def test_many_mails_go_over_one_conversation(mailroom: Mailroom, post_office: MailServer) -> None:
    await queue(mailroom, 30)
    sending, post = mailroom.sending(post_office.url)
    while await sending.round():
        pass
    await post.close()
    assert len(post_office.taken) == 30
    assert len(set(post_office.message_ids())) == 30
    assert post_office.conversations == 1


async def test_a_report_of_hundreds_of_days_arrives_whole(mailroom: Mailroom, post_office: MailServer) -> None:
    await mailroom.knows_the_town()
    start = dt.date(2026, 9, 1)
    await mailroom.hears(decided(*(movement(date=f"{start + dt.timedelta(days=day)}") for day in range(300))))
    await mailroom.sends(post_office.url)
    ((_, message),) = post_office.taken
    assert message.get_body(("plain",)).get_content().replace("\r\n", "\n") == (await mailroom.the_mail()).text


async def test_one_parents_address_is_shown_to_nobody(mailroom: Mailroom, post_office: MailServer) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(family_of(adult(), adult("marie", "marie@example.org", first_name="Marie"), version=2), decided(account="marie"))
    await mailroom.sends(post_office.url)
    ((recipients, message),) = post_office.taken
    assert recipients == ("marie@example.org",)
    assert message["To"] == "DUPONT Marie <marie@example.org>"
    assert message["Cc"] is message["Bcc"] is None
    assert b"jp.dupont" not in message.as_bytes()


async def test_names_with_line_breaks_make_no_headers(mailroom: Mailroom, post_office: MailServer) -> None:
    await mailroom.hears(town_named("Mairie\r\nBcc: spy@example.org"))
    await mailroom.knows_the_town()
    await mailroom.hears(family_of(adult(last_name="DUPONT\r\nBcc: spy@example.org", first_name='"<x@y>, é'), version=2), decided())
    await mailroom.sends(post_office.url)
    ((recipients, message),) = post_office.taken
    assert recipients == ("jp.dupont@example.org",)
    assert message["Bcc"] is None
    assert [address.addr_spec for address in message["To"].addresses] == ["jp.dupont@example.org"]


async def test_a_password_link_leads_to_the_portal_and_is_forgotten_once_sent(mailroom: Mailroom, post_office: MailServer) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(reset_link(token="tok-1"))
    await mailroom.sends(post_office.url)
    ((_, message),) = post_office.taken
    assert f"\n{PUBLIC_URL}/mot-de-passe/nouveau?jeton=tok-1" in message.get_body(("plain",)).get_content().replace("\r\n", "\n")
    mail = await mailroom.the_mail()
    assert mail.state is MailState.SENT
    assert "tok-1" not in mail.text + mail.html


@pytest.mark.parametrize("answer", ["421 closing", "451 greylisted", "452 full", HANGS])
async def test_what_the_server_cannot_take_now_it_gets_a_minute_later(mailroom: Mailroom, post_office: MailServer, answer: str) -> None:
    await queue(mailroom)
    post_office.after_data.append(answer)
    await mailroom.sends(post_office.url, seconds=0.5 if answer == HANGS else 10)
    mail = await mailroom.the_mail()
    assert (mail.state, mail.attempts) == (MailState.QUEUED, 1)
    assert mail.last_error
    assert await mailroom.told() == []

    await mailroom.waits(seconds=59)
    assert await mailroom.sends(post_office.url) == 0
    await mailroom.waits(seconds=1)
    assert await mailroom.sends(post_office.url) == 1
    assert await mailroom.states() == [MailState.SENT]
    assert len(post_office.taken) == 1


async def test_a_connection_lost_after_the_server_took_it_sends_the_same_message_again(mailroom: Mailroom, post_office: MailServer) -> None:
    await queue(mailroom)
    post_office.after_data.append(LOST)
    await mailroom.sends(post_office.url)
    assert await mailroom.states() == [MailState.QUEUED]

    await mailroom.waits(minutes=1)
    await mailroom.sends(post_office.url)
    assert await mailroom.states() == [MailState.SENT]
    (_, first), (_, second) = post_office.taken
    assert first["Message-ID"] == second["Message-ID"]
    assert first.as_bytes() == second.as_bytes()
    assert await mailroom.told() == ["fr.preau.mailer.mail_sent.v1"]


async def test_a_connection_that_drops_in_the_middle_of_a_mail_loses_nothing_and_doubles_nothing(
    mailroom: Mailroom, post_office: MailServer
) -> None:
    await queue(mailroom, 3)
    post_office.drops = 2
    assert await mailroom.sends(post_office.url) == 3
    states = {mail.id: mail.state for mail in await mailroom.mails()}
    assert sorted(states.values()) == [MailState.QUEUED, MailState.QUEUED, MailState.SENT]
    assert post_office.conversations == 3, "each time it is called again"

    await mailroom.waits(minutes=1)
    assert await mailroom.sends(post_office.url) == 2
    assert await mailroom.states() == [MailState.SENT] * 3
    assert sorted(post_office.message_ids()) == sorted(f"<{id}@carteville.example>" for id in states)
    for _, message in post_office.taken:
        assert message.get_body(("html",)).get_content().rstrip().endswith("</html>"), "and each is whole"
    assert len(await mailroom.told()) == 3


async def test_a_crash_before_it_is_recorded_sends_it_again_under_the_same_message_id(
    mailroom: Mailroom, post_office: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue(mailroom)

    async def crash(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Sending, "_note", crash)
        patch.setattr(delivery, "release", lambda *_: asyncio.sleep(0))
        with pytest.raises(MemoryError):
            await mailroom.sends(post_office.url)
    assert len(post_office.taken) == 1
    # The claim of the dead keeps it for a while, so that the living do not send what somebody else is sending.
    assert await mailroom.sends(post_office.url) == 0
    await claims_lapse(mailroom)
    assert await mailroom.sends(post_office.url) == 1
    assert len(set(post_office.message_ids())) == 1
    assert len(post_office.taken) == 2
    assert await mailroom.told() == ["fr.preau.mailer.mail_sent.v1"]


async def test_an_address_that_does_not_exist_is_given_up_at_once(mailroom: Mailroom, post_office: MailServer) -> None:
    await queue(mailroom)
    post_office.refused["jp.dupont@example.org"] = "550 no such user"
    await mailroom.sends(post_office.url)
    mail = await mailroom.the_mail()
    assert (mail.state, mail.attempts) == (MailState.FAILED, 1)
    assert "550 no such user" in (mail.last_error or "")
    assert await mailroom.told() == ["fr.preau.mailer.mail_failed.v1"]


async def test_a_message_that_is_refused_for_good_is_given_up_at_once(mailroom: Mailroom, post_office: MailServer) -> None:
    await queue(mailroom)
    post_office.after_data.append("554 looks like spam")
    await mailroom.sends(post_office.url)
    assert await mailroom.states() == [MailState.FAILED]


async def test_a_refused_sender_is_our_trouble_and_costs_no_family_its_mail(mailroom: Mailroom, post_office: MailServer) -> None:
    await queue(mailroom)
    post_office.refused_sender = "550 not from here"
    await mailroom.sends(post_office.url)
    assert await mailroom.states() == [MailState.QUEUED]
    post_office.refused_sender = None
    await mailroom.waits(minutes=1)
    await mailroom.sends(post_office.url)
    assert await mailroom.states() == [MailState.SENT]


async def test_a_parents_bad_address_sends_nothing_to_the_other(mailroom: Mailroom, post_office: MailServer) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(family_of(adult(), adult("marie", "marie@example.org"), version=2), decided(account="dupont"))
    post_office.refused["jp.dupont@example.org"] = "550 no such user"
    await mailroom.sends(post_office.url)
    assert post_office.taken == []
    assert await mailroom.states() == [MailState.FAILED]


@pytest.mark.parametrize(("answers", "state"), [(["451 greylisted"], MailState.SENT), (["451 greylisted", "550 gone"], MailState.FAILED)])
async def test_an_address_that_was_told_to_wait_is_tried_again(
    mailroom: Mailroom, post_office: MailServer, answers: list[str], state: MailState
) -> None:
    await queue(mailroom)
    for answer in answers:
        post_office.refused["jp.dupont@example.org"] = answer
        await mailroom.sends(post_office.url)
        await mailroom.waits(minutes=1)
    post_office.refused.clear()
    await mailroom.sends(post_office.url)
    assert await mailroom.states() == [state]
    assert len(post_office.taken) == (1 if state is MailState.SENT else 0)
    assert len(await mailroom.told()) == 1


async def test_a_server_that_is_down_costs_no_attempt_until_patience_runs_out(mailroom: Mailroom, post_office: MailServer) -> None:
    await queue(mailroom, 2)
    with pytest.raises(Unreachable):
        await mailroom.sends(NOBODY)
    assert [mail.attempts for mail in await mailroom.mails()] == [0, 0]
    assert await mailroom.sends(post_office.url) == 2

    await mailroom.hears(place_given())
    await mailroom.waits(days=5)
    with pytest.raises(Unreachable):
        await mailroom.sends(NOBODY)
    assert sorted(await mailroom.states()) == [MailState.FAILED, MailState.SENT, MailState.SENT]


async def test_patience_ends_after_five_days(mailroom: Mailroom, post_office: MailServer) -> None:
    await queue(mailroom)
    post_office.refused["jp.dupont@example.org"] = "451 greylisted"
    attempts = 0
    while (mail := await mailroom.the_mail()).state is MailState.QUEUED:
        assert mail.next_attempt_at is not None
        mailroom.now = mail.next_attempt_at
        await mailroom.sends(post_office.url)
        attempts += 1
    assert mail.state is MailState.FAILED
    assert dt.timedelta(days=5) <= mailroom.now - mail.created_at <= dt.timedelta(days=5) + LONGEST_WAIT
    assert mail.attempts == attempts
    assert await mailroom.told() == ["fr.preau.mailer.mail_failed.v1"]


def test_waits_double_from_a_minute_to_six_hours() -> None:
    minutes = [wait_after(attempts) / dt.timedelta(minutes=1) for attempts in range(1, 12)]
    assert minutes == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]
    assert wait_after(1000) == LONGEST_WAIT


async def test_two_senders_at_once_send_each_mail_once(mailroom: Mailroom, post_office: MailServer) -> None:
    await queue(mailroom, 60)
    senders = [mailroom.sending(post_office.url) for _ in range(4)]

    async def send_all(sending: Sending, post: Post) -> None:
        while await sending.round():
            pass
        await post.close()

    while len(post_office.taken) < 60:
        await asyncio.gather(*(send_all(*sender) for sender in senders))
    assert sorted(post_office.message_ids()) == sorted({*post_office.message_ids()})
    assert await mailroom.states() == [MailState.SENT] * 60
    assert len(await mailroom.told()) == 60


async def test_without_claims_two_senders_would_send_it_twice(mailroom: Mailroom, post_office: MailServer) -> None:
    """The negative control of the test above: a claim that has lapsed is no claim."""
    await queue(mailroom)
    post_office.gate.clear()
    first = asyncio.create_task(mailroom.sends(post_office.url))
    await post_office.is_knocked_at()
    assert await mailroom.sends(post_office.url) == 0  # claimed

    await claims_lapse(mailroom)
    second = asyncio.create_task(mailroom.sends(post_office.url))
    await post_office.is_knocked_at(2)
    post_office.gate.set()
    await asyncio.gather(first, second)
    assert len(post_office.taken) == 2
    assert len(set(post_office.message_ids())) == 1
    # Sent twice, told once.
    assert await mailroom.told() == ["fr.preau.mailer.mail_sent.v1"]


async def test_a_slow_server_does_not_cost_a_living_sender_its_claim(
    mailroom: Mailroom, post_office: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.mailer.sending.CLAIM_SECONDS", 0.3)
    await queue(mailroom)
    post_office.gate.clear()
    sending = asyncio.create_task(mailroom.sends(post_office.url))
    await post_office.is_knocked_at()
    first_claim = (await mailroom.the_mail()).claimed_until
    assert first_claim is not None
    async with asyncio.timeout(10):
        while dt.datetime.now(dt.UTC) <= first_claim:
            assert await mailroom.sends(post_office.url) == 0
        assert await mailroom.sends(post_office.url) == 0
    post_office.gate.set()
    await sending
    assert len(post_office.taken) == 1
    assert CLAIM_SECONDS > 10


async def test_what_a_server_took_is_recorded_while_it_dawdles_over_the_next(mailroom: Mailroom, post_office: MailServer) -> None:
    await queue(mailroom, 3)
    post_office.after_data.extend(["250 OK", "250 OK", HANGS])
    sending = asyncio.create_task(mailroom.sends(post_office.url, seconds=3))

    async def two_are_recorded() -> bool:
        return sorted(await mailroom.states()) == [MailState.QUEUED, MailState.SENT, MailState.SENT]

    await until(two_are_recorded)
    assert not sending.done()
    await sending


async def test_a_mail_in_mid_sending_is_finished_and_the_rest_given_back_when_the_process_ends(
    mailroom: Mailroom, post_office: MailServer
) -> None:
    await queue(mailroom, 3)
    post_office.gate.clear()
    sending = asyncio.create_task(mailroom.sends(post_office.url))
    await post_office.is_knocked_at()
    sending.cancel()
    post_office.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert sorted(await mailroom.states()) == [MailState.QUEUED, MailState.QUEUED, MailState.SENT]
    # Nothing waits for a claim to lapse.
    assert await mailroom.sends(post_office.url) == 2
    assert len(set(post_office.message_ids())) == len(post_office.taken) == 3


@pytest.mark.parametrize("url", ["http://127.0.0.1", "smtp://", "127.0.0.1:25"])
def test_an_address_that_is_no_mail_server_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="SMTP_URL"):
        Post(url)
