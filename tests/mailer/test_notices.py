"""Letters to accounts and to all families: links, notices, announcements; and payments that failed."""

import asyncio
import datetime as dt
import json
from typing import Any

import pytest
from sqlmodel import select

from services.events import MailFailed, MailSent
from services.mailer import commands, delivery, sending
from services.mailer.invariants import violations
from services.mailer.letters import PORTAL
from services.mailer.tables import MailKind, MailState
from services.outbox import Outgoing
from services.service import NotYetKnown
from tests.mailer.conftest import (
    NOW,
    Mailroom,
    address_cancel,
    address_link,
    adult,
    announcement_due,
    announcement_withdrawn,
    family_of,
    invitation,
    payment_failed,
    reset_link,
    security_notice,
    town_named,
)
from tests.mailer.mail_server import MailServer


async def test_s7_a_new_address_is_asked_to_confirm_itself_and_nobody_else_is(mailroom: Mailroom) -> None:
    with pytest.raises(NotYetKnown):
        await mailroom.hears(address_link())
    await mailroom.knows_the_town()
    link = address_link(token="s3cret&x=y", email="new@example.org")
    await mailroom.hears(link, link)
    await mailroom.hears(link)
    mail = await mailroom.the_mail()
    assert (mail.kind, mail.account, mail.to_address) == (MailKind.ADDRESS_LINK, "dupont", "new@example.org")
    assert f"\n{PORTAL}/courriel/confirmer?jeton=s3cret%26x%3Dy\n" in mail.text
    assert "jusqu'au 23/11/2026 à 09:30" in mail.text
    assert "DUPONT" not in mail.text + mail.html, "the address may have been typed wrongly"


async def test_an_invitation_goes_to_whoever_has_the_address_and_says_whose_but_not_for_whom(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), family_of(adult()))
    link = invitation()
    await mailroom.hears(link, link)
    mail = await mailroom.the_mail()
    about = mail.kind, mail.account, mail.family, mail.to_address, mail.own_address
    assert about == (MailKind.INVITATION, None, "dupont", "new@example.org", False)
    assert mail.subject == "Invitation : Mairie de CarteVille"
    assert f"\n{PORTAL}/invitation?jeton=s3cret\n" in mail.text
    assert "Mairie de CarteVille vous propose d'accéder au dossier d'une famille" in mail.text
    assert "DUPONT" not in mail.text + mail.html
    async with mailroom.database.reading() as session:
        assert not [found for found in await violations(session) if "another family" in found]


async def test_an_account_of_no_town_gets_its_letters_too(mailroom: Mailroom) -> None:
    await mailroom.hears(reset_link(structure="all"), security_notice(structure="all"))
    assert [mail.to_address for mail in await mailroom.mails()] == ["jp.dupont@example.org"] * 2


async def test_s7_the_address_in_force_is_told_of_a_new_one_and_may_object(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(address_cancel(), address_cancel(due_at=NOW + dt.timedelta(days=1), language="en"))
    asked, confirmed = sorted(await mailroom.mails(), key=lambda mail: mail.language, reverse=True)
    assert (asked.kind, asked.to_address, asked.own_address) == (MailKind.ADDRESS_CANCEL, "jp.dupont@example.org", True)
    assert f"\n{PORTAL}/courriel/annuler?jeton=s3cret\n" in asked.text
    assert "n***@example.org, a été demandée" in asked.text
    assert "n***@example.org, was confirmed" in confirmed.text
    assert "from 09:00 on 24/11/2026" in confirmed.text


@pytest.mark.parametrize("link", [reset_link, address_link, address_cancel, invitation])
async def test_a_link_is_forgotten_once_it_was_sent_or_given_up(mailroom: Mailroom, post_office: MailServer, link: object) -> None:
    assert callable(link)
    await mailroom.knows_the_town()
    await mailroom.hears(link(email="new@example.org"), link(email="gone@example.org"), link(token="", email=""))
    post_office.refused["gone@example.org"] = "550 no such user"
    assert await mailroom.sends(post_office.url) == 2
    assert sorted(mail.state for mail in await mailroom.mails()) == [MailState.FAILED, MailState.SENT]
    assert "jeton=s3cret" in str(post_office.taken[0][1].get_body(("plain",)).get_content())
    assert [mail.text + mail.html for mail in await mailroom.mails()] == ["", ""]


async def test_a_notice_goes_where_it_is_told_to_go_once(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    notice = security_notice("EMAIL_CHANGED", "old@example.org", detail="n***@example.org\r\nBcc: x")
    await mailroom.hears(notice, notice)
    mail = await mailroom.the_mail()
    assert (mail.kind, mail.account, mail.to_address) == (MailKind.SECURITY_NOTICE, "dupont", "old@example.org")
    assert mail.subject == "Votre adresse e-mail a été changée"
    assert "a été changée, le 23/11/2026 à 09:00 : n***@example.org Bcc: x.\n" in mail.text


async def test_s19_who_wanted_to_pay_is_told_once_that_it_failed(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), family_of(adult(), adult("marie", "marie@example.org", language="en")))
    await mailroom.hears(payment_failed(), payment_failed())
    await mailroom.hears(payment_failed("p2", "marie", status="EXPIRED"), payment_failed("p3", "marie", email="here@example.org"))
    mails = {mail.cause: mail for mail in await mailroom.mails()}
    assert {cause: mail.to_address for cause, mail in mails.items()} == {
        "payment_failed:p1": "jp.dupont@example.org",
        "payment_failed:p2": "marie@example.org",
        "payment_failed:p3": "here@example.org",
    }
    assert mails["payment_failed:p1"].subject == "Paiement non abouti : 150,00 €, Mairie de CarteVille"
    assert "It was not completed in time." in mails["payment_failed:p2"].text


FAMILIES = (
    family_of(adult(), adult("marie", "marie@example.org", language="en")),
    family_of(adult("marie", "marie@example.org", language="en"), adult("paul", None), family="durand"),
    family_of(adult("zoe", "zoe@example.org"), family="zola"),
    family_of(adult("far", "far@example.org"), family="aaron").model_copy(update={"structure": "elsewhere"}),
)


@pytest.mark.parametrize("portion", [1, 2, 3, 200])
async def test_s2_an_announcement_goes_once_to_each_adult_of_the_towns_families_whom_a_mail_can_reach(
    mailroom: Mailroom, portion: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "PORTION", portion)
    await mailroom.hears(town_named(), *FAMILIES)
    await mailroom.hears(announcement_due(), announcement_due())
    await mailroom.announces()
    await mailroom.hears(announcement_due())
    await mailroom.announces()
    mails = await mailroom.mails()
    assert [(mail.account, mail.to_address) for mail in mails] == [
        ("dupont", "jp.dupont@example.org"),
        ("marie", "marie@example.org"),
        ("zoe", "zoe@example.org"),
    ]
    assert {mail.family for mail in mails} == {None}
    assert mails[0].subject == "Fermeture du centre : Mairie de CarteVille"
    assert "Une annonce de la structure" in mails[0].text
    assert "An announcement of: Mairie de CarteVille." in mails[1].text
    assert all("\n\nLe centre est fermé lundi.\n\nÀ mardi !\n\n" in mail.text for mail in mails)


async def test_two_mailers_announce_it_once(mailroom: Mailroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "PORTION", 3)
    await mailroom.hears(
        town_named(), *(family_of(adult(f"a{number}", f"a{number}@example.org"), family=f"f{number}") for number in range(20))
    )
    await mailroom.hears(announcement_due())
    await asyncio.gather(*(mailroom.announces() for _ in range(3)))
    assert sorted(mail.account or "" for mail in await mailroom.mails()) == sorted(f"a{number}" for number in range(20))


async def test_two_announcements_are_two_mails_and_a_town_without_families_is_none(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), family_of())
    with pytest.raises(NotYetKnown):
        await mailroom.hears(announcement_due("a3", structure="unheard-of"))
    await mailroom.hears(town_named().model_copy(update={"structure": "empty"}))
    await mailroom.hears(announcement_due("a0", structure="empty"), announcement_due("a1"), announcement_due("a2"))
    await mailroom.announces()
    assert sorted(mail.cause for mail in await mailroom.mails()) == ["announcement:a1/dupont", "announcement:a2/dupont"]


async def a_town_of(mailroom: Mailroom, families: int) -> None:
    homes = (family_of(adult(f"a{number:02}", f"a{number:02}@example.org"), family=f"f{number:02}") for number in range(families))
    await mailroom.hears(town_named(), *homes)


async def test_s2_one_that_is_withdrawn_while_its_mails_go_out_goes_to_nobody_else(
    mailroom: Mailroom, post_office: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what was written and waits, nor what was not written yet; what was sent stays sent, other mails go on."""
    monkeypatch.setattr(commands, "PORTION", 3)
    monkeypatch.setattr(sending, "AT_ONCE", 2)
    await a_town_of(mailroom, 9)
    await mailroom.hears(announcement_due("a2"))
    await mailroom.announces()
    await mailroom.hears(announcement_due())
    async with mailroom.database.transaction() as session:
        assert await commands.announce(session, mailroom.now)
    written = [mail for mail in await mailroom.mails() if mail.cause.startswith("announcement:a1/")]
    assert len(written) == 3
    async with mailroom.database.transaction() as session:
        await delivery.mark_sent(session, [written[0].id], mailroom.now)
    await mailroom.hears(announcement_withdrawn())
    await mailroom.announces()
    while await mailroom.sends(post_office.url):
        pass
    of_a1 = [mail.state for mail in await mailroom.mails() if mail.cause.startswith("announcement:a1/")]
    assert of_a1 == [MailState.SENT, MailState.WITHDRAWN, MailState.WITHDRAWN]
    assert len(post_office.taken) == 9, "the other one went to all"
    async with mailroom.database.reading() as session:
        assert await violations(session) == []


async def test_what_a_sender_has_in_hand_of_it_stays_there_but_for_those_that_go_out_together(
    mailroom: Mailroom, post_office: MailServer
) -> None:
    """What went out nevertheless says that it did: no more than are recorded together."""
    await a_town_of(mailroom, 40)
    await mailroom.hears(announcement_due())
    await mailroom.announces()
    sender, post = mailroom.sending(post_office.url)
    send = post.send

    async def withdrawn_meanwhile(*what: Any) -> Any:
        if len(post_office.taken) == 15:
            await mailroom.hears(announcement_withdrawn())
        return await send(*what)

    post.send = withdrawn_meanwhile  # type: ignore[method-assign]
    while await sender.round():
        pass
    await post.close()
    assert 15 < len(post_office.taken) <= 15 + sending.RECORDED_TOGETHER
    states = await mailroom.states()
    assert states.count(MailState.SENT) == len(post_office.taken)
    assert states.count(MailState.WITHDRAWN) == 40 - len(post_office.taken)


async def test_one_that_is_withdrawn_before_the_mailer_hears_of_it_is_told_to_nobody(mailroom: Mailroom) -> None:
    await a_town_of(mailroom, 2)
    await mailroom.hears(announcement_withdrawn())
    await mailroom.hears(announcement_due(), announcement_withdrawn())
    await mailroom.announces()
    assert await mailroom.mails() == []


async def test_who_declined_announcements_gets_none(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), family_of(adult(announcements=False), adult("marie", "marie@example.org")))
    await mailroom.hears(announcement_due())
    await mailroom.announces()
    assert (await mailroom.the_mail()).account == "marie"


async def test_what_becomes_of_a_mail_says_whether_it_went_to_the_accounts_own_address(mailroom: Mailroom, post_office: MailServer) -> None:
    """Identity shows in the profile that mails do not arrive: those to other addresses say nothing about that."""
    await mailroom.hears(town_named(), family_of())
    own = [reset_link(), security_notice("EMAIL_CHANGING"), payment_failed(), payment_failed("p2", email="jp.dupont@example.org")]
    other = [address_link(), security_notice("EMAIL_CHANGED", "old@example.org"), payment_failed("p3", email="here@example.org")]
    await mailroom.hears(*own, *other, announcement_due())
    await mailroom.announces()
    post_office.refused["jp.dupont@example.org"] = "550 no such user"
    await mailroom.sends(post_office.url)
    async with mailroom.database.reading() as session:
        rows = (await session.exec(select(Outgoing))).all()
    told = {MailFailed.type_name(): [], MailSent.type_name(): []}
    for row in rows:
        body = json.loads(row.body)
        assert body["account"] == "dupont"
        assert body["written_at"] == NOW.isoformat().replace("+00:00", "Z")
        told[row.type].append((body["kind"], body["own_address"]))
    assert sorted(told[MailFailed.type_name()]) == sorted(
        [("password_link", True), ("security_notice", True), *[("payment_failed", True)] * 2, ("announcement", True)]
    )
    assert sorted(told[MailSent.type_name()]) == [("address_link", False), ("payment_failed", False), ("security_notice", False)]
