"""What the mailer hears becomes copies and queued mails: once, in whatever order it comes."""

import datetime as dt
from itertools import permutations

import pytest
from sqlalchemy import event

from services.events import Event, WalletFed
from services.mailer import delivery
from services.mailer.addresses import Adult, addressee, is_address
from services.mailer.invariants import violations
from services.mailer.letters import PORTAL
from services.mailer.tables import MailKind, MailState
from services.service import NotYetKnown
from tests.mailer.conftest import (
    Mailroom,
    activity_named,
    adult,
    awaited,
    balance_low,
    decided,
    delayed,
    explained,
    family_of,
    in_part,
    movement,
    payment_received,
    place_expired,
    place_given,
    reset_link,
    town_named,
)


async def test_a_decided_request_becomes_one_report(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(decided(movement(), movement(outcome="REFUSED", code="FULL", date="2026-12-03")))

    mail = await mailroom.the_mail()
    assert (mail.kind, mail.state, mail.family, mail.account) == (MailKind.REPORT, MailState.QUEUED, "dupont", "dupont")
    assert mail.to_address == "jp.dupont@example.org"
    assert mail.to_name == "DUPONT Jean-Paul"
    assert mail.text.startswith("M. DUPONT Jean-Paul\n\nVeuillez trouver")
    assert "sur la structure : Mairie de CarteVille." in mail.text
    assert "DUPONT Paolo : jeu. 03/12 (activité complète)" in mail.text
    assert "APS MATIN" in mail.html


async def test_the_report_is_made_once_though_the_event_comes_three_times(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    answer = decided()
    await mailroom.hears(answer)
    await mailroom.hears(answer, answer)
    # Even under ids of their own, as after the loss of what was heard.
    await mailroom.hears(decided(), decided())
    assert len(await mailroom.mails()) == 1


async def test_what_an_agent_did_is_reported_once_with_the_agents_words_to_the_first_who_can_be_reached(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    for told in permutations(explained(movement(outcome="CANCELLED", kind="CANCEL"), reason="Chauffage\nen <panne>")):
        await mailroom.hears(*told)
    mail = await mailroom.the_mail()
    assert (mail.cause, mail.account, mail.to_address) == ("report:r1", "dupont", "jp.dupont@example.org")
    assert "\n\nMotif : Chauffage en <panne>\n\n1 mouvement a été enregistré par la structure, dont :\n\n- 1 annulation\n\n***" in mail.text
    assert "Motif : Chauffage en &lt;panne&gt;</p>" in mail.html


async def test_a_familys_own_request_has_no_such_line(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(decided())
    mail = await mailroom.the_mail()
    assert "Motif" not in mail.text + mail.html
    assert "- 1 nouvelle demande de réservation\n\n***** RESERVATIONS ACCEPTEES *****" in mail.text


async def test_a_request_without_an_answer_is_told_once_however_many_say_so_and_reported_all_the_same(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), activity_named(), family_of(adult(reports="daily")))
    await mailroom.hears(delayed(), delayed())
    await mailroom.hears(delayed())
    mail = await mailroom.the_mail()
    assert (mail.cause, mail.account) == ("delayed:r1", "dupont")
    assert "Votre demande n° 2026-17 sur la structure Mairie de CarteVille est bien enregistrée, depuis le 23/11/2026 à 09:00" in mail.text
    await mailroom.hears(family_of(version=2), decided())
    assert {mail.cause for mail in await mailroom.mails()} == {"delayed:r1", "report:r1"}


async def test_two_requests_make_two_reports(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(decided(request="r1"), decided(request="r2"))
    assert {mail.cause for mail in await mailroom.mails()} == {"report:r1", "report:r2"}


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_a_report_waits_for_the_names_it_needs(mailroom: Mailroom, order: tuple[int, ...]) -> None:
    """Whatever comes first: the structure, the activity, the family, or the answer."""
    waiting = [told for _, told in sorted(zip(order, (town_named(), activity_named(), family_of(), decided()), strict=True))]
    turns = 0
    while waiting:
        heard = waiting.pop(0)
        try:
            await mailroom.hears(heard)
        except NotYetKnown:
            waiting.append(heard)
        turns += 1
    assert turns <= 8
    assert (await mailroom.the_mail()).state is MailState.QUEUED


async def test_a_child_that_is_not_known_yet_is_waited_for(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    with pytest.raises(NotYetKnown):
        await mailroom.hears(decided(movement(child="newborn")))
    await mailroom.hears(family_of(version=2, children={"newborn": "DUPONT Zoé"}), decided(movement(child="newborn")))
    assert "DUPONT Zoé : mar. 01/12" in (await mailroom.the_mail()).text


async def test_only_newer_copies_count(mailroom: Mailroom) -> None:
    await mailroom.hears(
        family_of(adult(email="new@example.org"), version=3),
        family_of(adult(email="old@example.org"), version=2),
        activity_named(title="APS DU MATIN", version=9),
        activity_named(title="APS MATIN", version=8),
        town_named("Mairie de CarteVille-les-Bains", version=2),
        town_named("Mairie de CarteVille", version=1),
        decided(),
    )
    mail = await mailroom.the_mail()
    assert mail.to_address == "new@example.org"
    assert "Activité : APS DU MATIN :" in mail.text
    assert "Mairie de CarteVille-les-Bains." in mail.text


PARENTS = (
    adult("grandpa", None, first_name="Denis"),
    adult("marie", "marie@example.org", title="Mme", first_name="Marie"),
    adult("dupont", "jp@example.org"),
    adult("aunt", "aunt at example", title="Mme", first_name="Anne"),
)


@pytest.mark.parametrize(
    ("asker", "reader"),
    [
        ("marie", "marie"),
        ("dupont", "dupont"),
        ("grandpa", "marie"),  # who has no address
        ("aunt", "marie"),  # whose address is none
        ("town-hall", "marie"),  # an agent, who booked for the family
        (None, "marie"),  # said before anybody said who asked
    ],
)
async def test_the_report_goes_to_the_parent_who_asked_or_else_to_the_first_with_an_address(
    mailroom: Mailroom, asker: str | None, reader: str
) -> None:
    await mailroom.hears(town_named(), activity_named(), family_of(*PARENTS), decided(account=asker))
    mail = await mailroom.the_mail()
    (parent,) = [parent for parent in PARENTS if parent.account == reader]
    assert (mail.account, mail.to_address) == (reader, parent.email)
    assert mail.text.startswith(f"{parent.title} DUPONT {parent.first_name}\n")


async def test_parents_who_live_apart_each_get_their_own_report_in_their_own_language(mailroom: Mailroom) -> None:
    parents = family_of(adult(), adult("mary", "mary@example.org", title="Ms", first_name="Mary", language="en"))
    await mailroom.hears(town_named(), activity_named(), parents)
    await mailroom.hears(decided(request="r1", account="mary"), decided(request="r2", account="dupont"))
    assert {(mail.cause, mail.to_address, mail.language) for mail in await mailroom.mails()} == {
        ("report:r1", "mary@example.org", "en"),
        ("report:r2", "jp.dupont@example.org", "fr"),
    }
    for mail in await mailroom.mails():
        others = {"mary@example.org", "jp.dupont@example.org"} - {mail.to_address}
        assert not any(address in mail.subject + mail.text + mail.html for address in others)


async def test_a_family_without_an_address_gets_no_mail_and_that_is_recorded(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), activity_named(), family_of(adult(email=None)), decided())
    mail = await mailroom.the_mail()
    assert (mail.state, mail.to_address, mail.family) == (MailState.UNADDRESSED, None, "dupont")
    # An address that comes later does not bring an old report back: it would come twice to those who asked for it elsewhere.
    await mailroom.hears(family_of(version=2), decided())
    assert await mailroom.states() == [MailState.UNADDRESSED]


async def test_the_report_speaks_the_language_of_whom_it_greets(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), activity_named(), family_of(adult(language="en")), decided())
    mail = await mailroom.the_mail()
    assert mail.language == "en"
    assert "new booking request" in mail.text


async def test_a_familys_mail_never_goes_to_another_family(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(
        family_of(adult("martin", "martin@example.org", last_name="MARTIN"), family="martin", children={"zoe": "MARTIN Zoé"})
    )
    await mailroom.hears(
        decided(request="r1"),
        decided(movement(child="zoe"), request="r2", family="martin"),
        place_given(booking="b1"),
        place_given(booking="b2", family="martin", child="zoe"),
    )
    for mail in await mailroom.mails():
        assert mail.to_address == ("martin@example.org" if mail.family == "martin" else "jp.dupont@example.org")
        assert ("DUPONT" in mail.text) is (mail.family == "dupont")
        assert ("MARTIN" in mail.text) is (mail.family == "martin")
    # Another family's child is a name that this family's letters do not know.
    with pytest.raises(NotYetKnown):
        await mailroom.hears(decided(movement(child="zoe"), request="r3"))


async def test_a_family_of_another_town_is_not_this_one(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    with pytest.raises(NotYetKnown):
        await mailroom.hears(decided().model_copy(update={"structure": "elsewhere"}))


async def test_a_place_given_is_announced_once_s36(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(place_given(), place_given())
    mail = await mailroom.the_mail()
    assert mail.kind is MailKind.PLACE_GIVEN
    assert mail.subject == "Une place pour DUPONT Amalia : APS MATIN, mardi 01/12/2026"


async def test_a_low_balance_is_told_once_each_time_to_who_asked(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), family_of(*PARENTS))
    await mailroom.hears(balance_low(), balance_low())
    await mailroom.hears(balance_low())
    mail = await mailroom.the_mail()
    assert (mail.kind, mail.state, mail.account) == (MailKind.BALANCE_LOW, MailState.QUEUED, "dupont")
    assert mail.subject == "Votre solde est de 12,34 € : Mairie de CarteVille"
    assert "est de 12,34 €, au-dessous du seuil de 20,00 € que vous avez choisi." in mail.text
    assert "12,34 €" in mail.html
    await mailroom.hears(balance_low(-5, version=2))
    assert sorted(mail.subject[:26] for mail in await mailroom.mails()) == ["Votre solde est de -0,05 €", "Votre solde est de 12,34 €"]


async def test_a_low_balance_is_told_in_english_too(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), family_of(adult(language="en")))
    await mailroom.hears(balance_low(-12_34))
    assert "is -€12.34, below the €20.00 that you chose." in (await mailroom.the_mail()).text


async def test_s19_who_paid_online_gets_one_receipt_that_says_what_was_received(mailroom: Mailroom) -> None:
    with pytest.raises(NotYetKnown):
        await mailroom.hears(payment_received())
    await mailroom.hears(town_named(), family_of(*PARENTS))
    await mailroom.hears(payment_received(), payment_received())
    await mailroom.hears(payment_received())
    mail = await mailroom.the_mail()
    assert (mail.kind, mail.state, mail.account) == (MailKind.PAYMENT_RECEIVED, MailState.QUEUED, "dupont")
    assert mail.subject == "Paiement reçu : 150,00 €, Mairie de CarteVille"
    for part in ("de 150,00 € sur la structure Mairie de CarteVille a été reçu le 23/11/2026.", '- Multiaccueil "Les Tagazoux" : 50,00 €\n',
                 "- PERISCOLAIRE : 100,00 €\n", "Payeur : POUR .GUIDE CARTE+\n", "Référence : 3150-N°AUTO:445401\n",
                 f"\n{PORTAL}/paiement/p1\n"):  # fmt: skip
        assert part in mail.text
    assert f'href="{PORTAL}/paiement/p1"' in mail.html
    await mailroom.hears(payment_received("p2", wallets=[WalletFed(title="<b>\r\nBcc: x@example.org", amount_cents=1)]))
    evil = next(mail for mail in await mailroom.mails() if mail.cause == "payment_received:p2")
    assert "- <b> Bcc: x@example.org : 0,01 €" in evil.text
    assert "<b>" not in evil.html


@pytest.mark.parametrize(
    ("account", "email", "reader", "address"),
    [
        ("dupont", "here@example.org", "dupont", "here@example.org"),
        ("silent", "here@example.org", "silent", "here@example.org"),
        ("an agent", "here@example.org", "silent", "here@example.org"),
        ("dupont", None, "dupont", "jp.dupont@example.org"),
        ("dupont", "zoé@example.org", "dupont", "jp.dupont@example.org"),
    ],
)
async def test_s18_the_receipt_goes_to_the_address_that_was_given_and_not_to_the_other_parent(
    mailroom: Mailroom, account: str, email: str | None, reader: str, address: str
) -> None:
    mailroom.now = dt.datetime.now(dt.UTC)
    await mailroom.hears(town_named(), family_of(adult("silent", None), adult()))
    await mailroom.hears(payment_received(account=account, email=email))
    mail = await mailroom.the_mail()
    assert (mail.account, mail.to_address, mail.state) == (reader, address, MailState.QUEUED)
    async with mailroom.database.reading() as session:
        assert await violations(session) == []


async def test_a_receipt_by_mail_in_english_without_a_reference(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), family_of(adult(language="en")))
    await mailroom.hears(payment_received(reference=None))
    text = (await mailroom.the_mail()).text
    assert "Your online payment of €150.00 at Mairie de CarteVille was received on 23/11/2026." in text
    assert "Reference" not in text


async def test_children_who_waited_in_vain_are_told_of_in_one_letter_to_who_asked(mailroom: Mailroom) -> None:
    await mailroom.hears(town_named(), activity_named(), family_of(*PARENTS))
    ended = place_expired("2026-12-01", "2026-12-03", account="dupont")
    await mailroom.hears(ended, ended)
    await mailroom.hears(place_expired("2026-12-01", "2026-12-03", account="dupont"))
    mail = await mailroom.the_mail()
    assert (mail.kind, mail.state, mail.family, mail.account) == (MailKind.PLACE_EXPIRED, MailState.QUEUED, "dupont", "dupont")
    assert mail.subject == "Liste d'attente terminée, sans place : Mairie de CarteVille"
    assert "DUPONT Amalia : mar. 01/12, jeu. 03/12\n" in mail.text


async def test_each_deadline_that_passes_has_its_letter(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(place_expired("2026-12-01"), place_expired("2026-12-03"), place_expired("2026-12-01", child="paolo"))
    assert len(await mailroom.mails()) == 3


async def test_a_password_link_goes_to_the_accounts_own_address_s3(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(reset_link(email="own@example.org"))
    mail = await mailroom.the_mail()
    assert (mail.kind, mail.account, mail.family) == (MailKind.PASSWORD_LINK, "dupont", None)
    assert mail.to_address == "own@example.org"
    assert "s3cret" in mail.text
    assert "23/11/2026 à 09:30" in mail.text


async def test_an_old_link_whose_token_is_forgotten_is_no_letter_s3(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(reset_link(token="", email=""))
    assert await mailroom.mails() == []


async def test_a_link_that_can_go_nowhere_is_not_kept(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(reset_link(email="not an address"))
    mail = await mailroom.the_mail()
    assert mail.state is MailState.UNADDRESSED
    assert "s3cret" not in mail.text + mail.html


async def test_what_mails_said_is_forgotten_after_ninety_days_and_no_letter_comes_twice_for_that(mailroom: Mailroom) -> None:
    mailroom.now = dt.datetime.now(dt.UTC)
    await mailroom.hears(town_named(), activity_named(), family_of(), family_of(adult("zoe", None), family="zola"))
    await mailroom.hears(*(decided(request=f"r{number}") for number in range(5)), decided(request="nobody", family="zola"))
    async with mailroom.database.transaction() as session:
        await delivery.mark_sent(session, [mail.id for mail in await mailroom.mails() if mail.state is MailState.QUEUED][:4], mailroom.now)

    async def forgets(days: float, most: int = 100) -> int:
        async with mailroom.database.transaction() as session:
            return await delivery.forget(session, mailroom.now + dt.timedelta(days=days), most)

    assert await forgets(90) == 0
    await mailroom.hears(town_named(version=2, retention={"mails_days": 100, "notes_days": 30}))
    assert await forgets(91) == 0, "the town keeps them longer"
    await mailroom.hears(town_named(version=3))
    assert [await forgets(91, most=3) for _ in range(3)] == [3, 1, 0]
    mails = await mailroom.mails()
    kept = [mail.subject != "" for mail in mails if mail.state is MailState.QUEUED]
    assert kept == [True], "what waits is not forgotten"
    for mail in mails:
        if mail.state is MailState.SENT:
            assert (mail.subject, mail.text, mail.html, mail.to_name, mail.to_address) == ("", "", "", None, None)
            assert mail.sent_at == mailroom.now
    async with mailroom.database.reading() as session:
        assert await violations(session) == []
    await mailroom.hears(*(decided(request=f"r{number}") for number in range(5)))
    assert len(await mailroom.mails()) == 6


async def test_the_invariants_hold_and_see_what_breaks_them(mailroom: Mailroom) -> None:
    mailroom.now = dt.datetime.now(dt.UTC)
    await mailroom.knows_the_town()
    await mailroom.hears(decided(), place_given(), reset_link())
    async with mailroom.database.reading() as session:
        assert await violations(session) == []

    report, *_ = [mail for mail in await mailroom.mails() if mail.kind is MailKind.REPORT]
    async with mailroom.database.transaction() as session:
        mail = await session.merge(report)
        mail.account, mail.text, mail.next_attempt_at = "martin", "", None
    async with mailroom.database.reading() as session:
        assert len(await violations(session)) == 3


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("jp.dupont@example.org", True),
        ("éloïse@example.org", False),  # few servers take it, and a mail that bounces is worse than none
        ("eloise@éloïse.example", False),
        ("o'neil+cantine@mail.example.org", True),
        ('"jean paul"@example.org', True),
        (".dupont@example.org", False),
        ("du..pont@example.org", False),
        ("a@b", True),
        ("", False),
        ("dupont", False),
        ("@example.org", False),
        ("dupont@", False),
        ("a@b.org, c@d.org", False),
        ("a@b.org\r\nBcc: spy@example.org", False),
        ("a b@example.org", False),
        ("<a@example.org>", False),
        (f"{'a' * 250}@example.org", False),
    ],
)
def test_what_can_be_written_to(text: str, good: bool) -> None:
    assert is_address(text) is good


def test_a_mail_has_one_reader_or_none() -> None:
    nobody = Adult("a", None, "Anne", "DUPONT", None, "fr")
    somebody = Adult("b", None, "Bob", "DUPONT", "b@example.org", "fr")
    assert addressee([]) is addressee([nobody], "a") is None
    assert addressee([nobody, somebody]) is addressee([nobody, somebody], "a") is somebody


async def test_hundreds_of_reports_are_queued_in_a_handful_of_statements(mailroom: Mailroom) -> None:
    await mailroom.knows_the_town()
    statements: list[str] = []

    @event.listens_for(mailroom.database.engine.sync_engine, "before_cursor_execute")
    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    await mailroom.hears(*(decided(request=f"r{number}") for number in range(200)))
    assert len(statements) <= 10
    assert len(await mailroom.mails()) == 200


async def test_one_report_that_lacks_a_name_holds_back_the_others_of_its_transaction_and_no_longer(mailroom: Mailroom) -> None:
    """The listener handles each alone then: what is known goes out."""
    await mailroom.knows_the_town()
    good, bad = decided(request="r1"), decided(movement(child="newborn"), request="r2")
    with pytest.raises(NotYetKnown):
        await mailroom.hears(good, bad)
    assert await mailroom.mails() == []
    await mailroom.hears(good)
    with pytest.raises(NotYetKnown):
        await mailroom.hears(bad)
    assert [mail.cause for mail in await mailroom.mails()] == ["report:r1"]


# ------------------------------------------------------------------------------------------------ what else a report says
async def text_of(mailroom: Mailroom, *told: Event, language: str = "fr") -> str:
    await mailroom.hears(town_named(), activity_named(), activity_named("cantine", "RESTAURATION"), family_of(adult(language=language)))
    await mailroom.hears(*told)
    return (await mailroom.the_mail()).text


async def test_a_cancellation_that_was_refused_says_that_the_booking_stands(mailroom: Mailroom) -> None:
    text = await text_of(
        mailroom,
        decided(
            movement(kind="CANCEL", outcome="REFUSED", code="TOO_LATE_TO_CANCEL"),
            movement(kind="CANCEL", outcome="REFUSED", code="UNKNOWN_BOOKING", date="2026-12-03"),
        ),
    )
    assert (
        "***** ANNULATIONS REFUSEES : RESERVATIONS MAINTENUES *****\n\n--> Activité : APS MATIN :\n\nDUPONT Paolo : mar. 01/12 (trop"
        in text
    )
    assert "***** ANNULATIONS SANS OBJET *****\n\n--> Activité : APS MATIN :\n\nDUPONT Paolo : jeu. 03/12 (aucune réservation" in text
    assert "RESERVATIONS REFUSEES" not in text


async def test_a_line_of_a_group_is_told_which_other_line_stood_in_the_way(mailroom: Mailroom) -> None:
    full = movement(outcome="REFUSED", code="FULL", activity="cantine", date="2026-12-03")
    fine = movement("amalia", outcome="REFUSED", code="GROUP_INCOMPLETE", because=full.booking)
    text = await text_of(mailroom, decided(fine, full))
    assert "DUPONT Amalia : mar. 01/12 (groupée avec une demande refusée : DUPONT Paolo, RESTAURATION, jeu. 03/12)\n" in text
    assert "DUPONT Paolo : jeu. 03/12 (activité complète)\n" in text


@pytest.mark.parametrize(
    ("held", "language", "said"),
    [
        ("ACCEPTED", "fr", "mar. 01/12 (déjà réservé)"),
        ("WAITLISTED", "fr", "mar. 01/12 (déjà en liste d'attente)"),
        ("WAITLISTED", "en", "Tue 01/12 (already on the waiting list)"),
        (None, "fr", "mar. 01/12 (déjà réservé)"),
    ],
)
async def test_s34_who_waits_already_is_told_so(mailroom: Mailroom, held: str | None, language: str, said: str) -> None:
    await mailroom.hears(family_of(adult(language=language), version=2))
    text = await text_of(mailroom, decided(movement(outcome="REFUSED", code="ALREADY_BOOKED", held=held)))
    assert said in text


async def test_hours_that_are_not_allowed_are_those_that_were_asked_for(mailroom: Mailroom) -> None:
    text = await text_of(mailroom, decided(movement(outcome="REFUSED", code="HOURS_NOT_ALLOWED", arrival="06:00", departure="09:00")))
    assert "DUPONT Paolo : mar. 01/12 (horaires non autorisés : 06:00-09:00)\n" in text


WAITS = """\
2 mouvements sur vos demandes de réservations ont été reçus, dont :

- 2 nouvelles demandes de réservation

***** RESERVATIONS ACCEPTEES *****

--> Activité : RESTAURATION :

DUPONT Paolo : mar. 01/12

***** RESERVATIONS EN ATTENTE DE REPONSE *****

--> Activité : APS MATIN :

DUPONT Amalia : mar. 01/12

Réponse après la répartition du mardi 24/11/2026 à 2 h.

Vous pouvez consulter l'état de vos réservations sur notre site Internet.
"""


async def test_a_report_says_at_once_which_lines_wait_for_a_run_and_the_run_what_it_decided(mailroom: Mailroom) -> None:
    at_once = in_part(movement(activity="cantine"), awaited=[awaited("amalia")])
    assert (await text_of(mailroom, at_once)).endswith(WAITS)
    run = movement("amalia")
    await mailroom.hears(in_part(run, part=1), in_part(run, part=1))
    # What all may hear comes with the last part, and says nothing new.
    await mailroom.hears(decided(movement(activity="cantine"), run).model_copy(update={"explained": True}))
    first, second = await mailroom.mails()
    assert (first.cause, second.cause) == ("report:r1", "report:r1/1")
    assert second.subject == "Suite de vos demandes de réservation : Mairie de CarteVille"
    assert "\n1 demande qui attendait une répartition a reçu une réponse :\n\n***** RESERVATIONS ACCEPTEES *****\n" in second.text
    assert "DUPONT Amalia : mar. 01/12\n" in second.text
    assert "RESTAURATION" not in second.text


async def test_lines_that_belong_together_wait_for_the_run_of_another_activity(mailroom: Mailroom) -> None:
    text = await text_of(mailroom, in_part(awaited=[awaited(run_of="cantine"), awaited(date="2026-12-03")]), language="en")
    assert "Paolo: Thu 03/12\n\nAnswered after the run of Tuesday 24/11/2026 at 02:00.\n" in text
    assert "Paolo: Tue 01/12\n\nAnswered after the run of RESTAURATION, Tuesday 24/11/2026 at 02:00.\n" in text


async def test_what_an_agent_did_despite_a_deadline_or_a_debt_says_so(mailroom: Mailroom) -> None:
    _, told = explained(movement(), overrode=["DEADLINE", "DEBT"])
    text = await text_of(mailroom, told)
    assert "modifications faites pour vous par la structure : Mairie de CarteVille.\n\nMotif : Accord de la directrice\n" in text
    assert "Le délai était dépassé : une exception a été faite.\nVotre compte est débiteur : une exception a été faite.\n" in text
    assert "1 mouvement a été enregistré par la structure, dont :\n\n- 1 réservation\n" in text
    assert "demandes de réservations ont été reçu" not in text


CLOSED = """\
M. DUPONT Jean-Paul

Une journée d'activité est fermée par la structure : Mairie de CarteVille.

Motif : Chauffage en panne

Voici ce que deviennent vos réservations :

***** RESERVATIONS ANNULEES *****

--> Activité : APS MATIN :

DUPONT Amalia : mar. 01/12 (était en liste d'attente)
DUPONT Paolo : mar. 01/12

Vous pouvez consulter l'état de vos réservations sur notre site Internet.
"""


async def test_a_day_that_the_town_closes_is_told_as_such(mailroom: Mailroom) -> None:
    gone = {"kind": "CANCEL", "outcome": "CANCELLED"}
    lines = movement(**gone, was="ACCEPTED"), movement("amalia", **gone, was="WAITLISTED")
    _, told = explained(*lines, reason="Chauffage en panne", cause="DAY_CLOSED")
    assert await text_of(mailroom, told) == CLOSED
    assert (await mailroom.the_mail()).subject == "Journée fermée, réservations annulées : Mairie de CarteVille"
