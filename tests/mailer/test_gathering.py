"""Whoever wants one report a day gets it in the evening: all requests of the day, each under its own heading (S37)."""

import asyncio
import datetime as dt
import json

import pytest
from sqlmodel import select

from services.events import Contact
from services.mailer import gathering
from services.mailer.evenings import next_evening
from services.mailer.invariants import violations
from services.mailer.tables import DigestLine, MailKind, MailState
from services.service import NotYetKnown
from tests.mailer.conftest import (
    NOW,
    Mailroom,
    activity_named,
    adult,
    awaited,
    balance_low,
    decided,
    explained,
    family_of,
    in_part,
    movement,
    payment_failed,
    place_expired,
    place_given,
    town_named,
)

EVENING = dt.datetime(2026, 11, 23, 17, 0, tzinfo=dt.UTC)  # 18:00 in Paris


def daily(account: str = "dupont", email: str | None = "jp.dupont@example.org", **fields: object) -> Contact:
    return adult(account, email, reports="daily", **fields)


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("now", "zone", "evening"),
    [
        ("2026-11-23 08:00", "Europe/Paris", "2026-11-23 17:00"),
        ("2026-11-23 16:59:59", "Europe/Paris", "2026-11-23 17:00"),
        ("2026-11-23 17:00", "Europe/Paris", "2026-11-24 17:00"),
        ("2026-11-23 23:30", "Europe/Paris", "2026-11-24 17:00"),  # after midnight, there
        ("2026-07-14 15:59", "Europe/Paris", "2026-07-14 16:00"),  # summer
        ("2026-10-24 16:00", "Europe/Paris", "2026-10-25 17:00"),  # that night the clocks go back
        ("2027-03-27 17:00", "Europe/Paris", "2027-03-28 16:00"),  # and forward
        ("2026-11-23 08:00", "Indian/Reunion", "2026-11-23 14:00"),
        ("2026-11-23 20:00", "America/Martinique", "2026-11-23 22:00"),
        ("2026-12-31 17:30", "Europe/Paris", "2027-01-01 17:00"),
    ],
)
def test_the_next_evening_is_by_the_towns_clock(now: str, zone: str, evening: str) -> None:
    assert next_evening(utc(now), zone) == utc(evening)


WHOLE = """\
M. DUPONT Jean-Paul

Veuillez trouver ci-dessous un compte rendu des modifications apportées à vos demandes de réservation sur la structure : Mairie de CarteVille.

3 mouvements sur vos demandes de réservations ont été reçus, dont :

- 2 nouvelles demandes de réservation
- 1 demande d'annulation

===== DEMANDE TRAITEE LE LUNDI 23/11/2026 A 09:00 =====

***** RESERVATIONS ACCEPTEES *****

--> Activité : APS MATIN :

DUPONT Paolo : mar. 01/12

***** RESERVATIONS REFUSEES *****

--> Activité : APS MATIN :

DUPONT Paolo : mer. 02/12 (activité complète)

===== DEMANDE TRAITEE LE LUNDI 23/11/2026 A 11:30 =====

***** RESERVATIONS ANNULEES *****

--> Activité : APS MATIN :

DUPONT Amalia : jeu. 03/12

Vous pouvez consulter l'état de vos réservations sur notre site Internet.
"""


async def test_s37_the_requests_of_a_day_are_one_mail_in_the_evening_each_under_its_heading(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), activity_named(), family_of(daily()))
    late = decided(movement("amalia", "2026-12-03", "CANCEL", "CANCELLED"), request="r2")
    late = late.model_copy(update={"occurred_at": NOW + dt.timedelta(hours=2, minutes=30)})
    await mailroom.hears(late)
    early = decided(movement(), movement(date="2026-12-02", outcome="REFUSED", code="FULL"), request="r1")
    await mailroom.hears(early, early)
    await mailroom.hears(early, late)
    await mailroom.evening_comes()
    assert await mailroom.mails() == []

    mailroom.now = EVENING
    await mailroom.evening_comes()
    mail = await mailroom.the_mail()
    assert mail.text == WHOLE
    assert (mail.kind, mail.state, mail.family, mail.account) == (MailKind.DIGEST, MailState.QUEUED, "dupont", "dupont")
    assert mail.subject == "Compte rendu du lundi 23/11/2026 : Mairie de CarteVille"

    async with mailroom.database.reading() as session:
        assert (await session.exec(select(DigestLine.wish))).all() == [{}, {}], "the mail says it now"
    await mailroom.hears(early, late)
    await mailroom.waits(days=1)
    await mailroom.evening_comes()
    assert len(await mailroom.mails()) == 1


async def test_what_an_agent_did_and_what_a_run_decided_is_told_in_the_evening_too_in_its_own_words(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), activity_named(), family_of(daily()))
    await mailroom.hears(*explained(request="r1", reason="Accord de la directrice", overrode=["DEADLINE"]))
    await mailroom.hears(in_part(movement(), request="r2", awaited=[awaited("amalia")]))
    await mailroom.hears(in_part(movement("amalia"), request="r2", part=1))
    mailroom.now = EVENING
    await mailroom.evening_comes()
    text = (await mailroom.the_mail()).text
    assert "\n2 mouvements sur vos demandes" in text, "the agent's are not the family's, and what waited was counted when it was asked for"
    assert "===== MODIFICATIONS FAITES PAR LA STRUCTURE LE LUNDI 23/11/2026 A 09:00 =====\n\nMotif : Accord de la directrice\n" in text
    assert "Le délai était dépassé" in text
    assert "===== SUITE D'UNE DEMANDE, LE LUNDI 23/11/2026 A 09:00 =====\n\n***** RESERVATIONS ACCEPTEES" in text
    assert "Réponse après la répartition du mardi 24/11/2026 à 2 h." in text


async def test_s36_places_given_and_money_are_told_at_once_all_the_same(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), activity_named(), family_of(daily()))
    await mailroom.hears(place_given(), place_expired(), balance_low(), payment_failed(), decided())
    assert {mail.kind for mail in await mailroom.mails()} == {
        MailKind.PLACE_GIVEN, MailKind.PLACE_EXPIRED, MailKind.BALANCE_LOW, MailKind.PAYMENT_FAILED
    }  # fmt: skip


async def test_each_parent_as_he_wants(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), activity_named(), family_of(daily(), adult("marie", "marie@example.org")))
    await mailroom.hears(decided(request="r1", account="dupont"), decided(request="r2", account="marie"))
    assert [mail.account for mail in await mailroom.mails()] == ["marie"]
    await mailroom.hears(family_of(daily(), daily("marie", "marie@example.org", language="en"), version=2))
    await mailroom.hears(decided(request="r3", account="marie"))
    mailroom.now = EVENING
    await mailroom.evening_comes()
    mails = {mail.account: mail for mail in await mailroom.mails() if mail.kind is MailKind.DIGEST}
    assert sorted(mails) == ["dupont", "marie"]
    assert mails["marie"].subject == "Report of Monday 23/11/2026: Mairie de CarteVille"
    assert "===== REQUEST ANSWERED ON MONDAY 23/11/2026 AT 09:00 =====" in mails["marie"].text


async def test_what_is_answered_after_the_evening_is_told_the_next_day_and_goes_to_the_address_of_then(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), activity_named(), family_of(daily()))
    await mailroom.hears(decided(request="r1"))
    mailroom.now = EVENING
    await mailroom.hears(decided(request="r2"))
    await mailroom.evening_comes()
    assert len(await mailroom.mails()) == 1
    await mailroom.hears(family_of(adult(email="new@example.org"), version=2))  # who wants them at once again
    await mailroom.waits(days=1)
    await mailroom.evening_comes()
    assert [mail.to_address for mail in await mailroom.mails()] == ["jp.dupont@example.org", "new@example.org"]


async def test_a_reader_without_an_address_by_the_evening_is_noted_and_holds_nobody_up(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), activity_named(), family_of(daily()), family_of(daily("zoe", "z@example.org"), family="zola"))
    await mailroom.hears(decided(request="r1"), decided(request="r2", family="zola"))
    await mailroom.hears(family_of(daily(email=None), version=2))
    mailroom.now = EVENING
    await mailroom.evening_comes()
    assert sorted((mail.family, mail.state) for mail in await mailroom.mails()) == [("dupont", "UNADDRESSED"), ("zola", "QUEUED")]


async def test_a_report_for_the_evening_waits_for_the_names_it_needs(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), family_of(daily()))
    with pytest.raises(NotYetKnown):
        await mailroom.hears(decided())
    await mailroom.hears(activity_named(), decided())
    mailroom.now = EVENING
    await mailroom.evening_comes()
    assert len(await mailroom.mails()) == 1


async def test_two_mailers_tell_an_evening_once_portion_by_portion(mailroom: Mailroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "READERS", 3)
    await mailroom.hears(town_named(), activity_named())
    for number in range(10):
        await mailroom.hears(family_of(daily(f"a{number}"), family=f"f{number}"))
        await mailroom.hears(decided(request=f"r{number}", family=f"f{number}"), decided(request=f"s{number}", family=f"f{number}"))
    mailroom.now = EVENING
    await asyncio.gather(*(mailroom.evening_comes() for _ in range(3)))
    mails = await mailroom.mails()
    assert sorted(mail.account or "" for mail in mails) == [f"a{number}" for number in range(10)]
    assert all(mail.text.count("===== DEMANDE") == 2 for mail in mails)


async def test_the_invariants_see_an_evening_that_was_missed(mailroom: Mailroom) -> None:
    mailroom.now = dt.datetime.now(dt.UTC)
    await mailroom.hears(town_named(), activity_named(), family_of(daily()), decided())
    async with mailroom.database.reading() as session:
        assert await violations(session) == []
    async with mailroom.database.transaction() as session:
        row = await session.get_one(DigestLine, 1)
        row.due_at -= dt.timedelta(days=3)
    async with mailroom.database.reading() as session:
        assert await violations(session) == ["report:r1 waits for an evening that is long past"]
    async with mailroom.database.transaction() as session:
        (await session.get_one(DigestLine, 1)).told_by = "nothing"
    async with mailroom.database.reading() as session:
        assert await violations(session) == ["report:r1 was told by a mail that is not there"]
    assert json.loads(json.dumps(row.wish))["kind"] == "report"
