"""S37: the report of a request, to the letter."""

import datetime as dt
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.mailer.letters import PORTAL, link_letter, place_expired_letter, place_given_letter, report_letter
from services.mailer.report import Movement, Outcome, gather
from services.mailer.texts import TEXTS, say

GUIDE = """\
M. DUPONT Jean-Paul

Veuillez trouver ci-dessous un compte rendu des modifications apportées à vos demandes de réservation sur la structure : Mairie de CarteVille.

14 mouvements sur vos demandes de réservations ont été reçus, dont :

- 11 nouvelles demandes de réservation
- 3 demandes d'annulation

***** RESERVATIONS MISES EN LISTE D'ATTENTE *****

--> Activité : APS MATIN :

DUPONT Amalia : lun. 15/05, mar. 16/05

***** RESERVATIONS ACCEPTEES *****

--> Activité : APS MATIN :

DUPONT Paolo : mar. 09/05, mer. 10/05, jeu. 11/05, ven. 12/05, lun. 15/05, mar. 16/05, mer. 17/05, jeu. 18/05, ven. 19/05

***** RESERVATIONS ANNULEES *****

--> Activité : APS MATIN :

DUPONT Amalia : ven. 05/05, mar. 09/05

--> Activité : RESTAURATION :

DUPONT Paolo : ven. 05/05

Vous pouvez consulter l'état de vos réservations sur notre site Internet.
"""


def may(day: int) -> dt.date:
    return dt.date(2017, 5, day)


def booked(outcome: Outcome, child: str, *days: int, activity: str = "APS MATIN", reason: str | None = None) -> list[Movement]:
    return [Movement(False, outcome, activity, child, may(day), reason) for day in days]


def cancelled(child: str, *days: int, activity: str = "APS MATIN") -> list[Movement]:
    return [Movement(True, Outcome.CANCELLED, activity, child, may(day)) for day in days]


#: The guide's mail, its movements in no order at all.
GUIDES_MOVEMENTS = [
    *cancelled("DUPONT Paolo", 5, activity="RESTAURATION"),
    *booked(Outcome.ACCEPTED, "DUPONT Paolo", 19, 9, 10, 18, 11, 17, 12, 16, 15),
    *cancelled("DUPONT Amalia", 9, 5),
    *booked(Outcome.WAITLISTED, "DUPONT Amalia", 16, 15),
]


def letter_of(movements: list[Movement], language: str = "fr") -> str:
    return report_letter(language, greeting="M. DUPONT Jean-Paul", structure="Mairie de CarteVille", report=gather(movements)).text


def test_the_guides_mail_to_the_letter() -> None:
    assert letter_of(GUIDES_MOVEMENTS) == GUIDE


def test_one_movement_agrees_in_the_singular() -> None:
    text = letter_of(booked(Outcome.ACCEPTED, "DUPONT Paolo", 9))
    assert "\n1 mouvement sur vos demandes de réservations a été reçu, dont :\n\n- 1 nouvelle demande de réservation\n\n***" in text
    assert "annulation" not in text

    text = letter_of(cancelled("DUPONT Paolo", 9))
    assert "\n1 mouvement sur vos demandes de réservations a été reçu, dont :\n\n- 1 demande d'annulation\n\n***" in text
    assert "nouvelle" not in text


def test_two_movements_of_which_one_each() -> None:
    text = letter_of([*booked(Outcome.ACCEPTED, "DUPONT Paolo", 9), *cancelled("DUPONT Paolo", 10)])
    assert "2 mouvements sur vos demandes de réservations ont été reçus, dont :" in text
    assert "- 1 nouvelle demande de réservation\n- 1 demande d'annulation\n" in text


def test_what_is_refused_stands_between_accepted_and_cancelled_each_day_with_its_reason() -> None:
    text = letter_of(
        [
            *cancelled("DUPONT Amalia", 5),
            *booked(Outcome.REFUSED, "DUPONT Paolo", 16, reason=say("TOO_LATE", "fr")),
            *booked(Outcome.REFUSED, "DUPONT Paolo", 15, reason=say("FULL", "fr")),
            *booked(Outcome.ACCEPTED, "DUPONT Amalia", 15),
        ]
    )
    assert "***** RESERVATIONS REFUSEES *****\n\n--> Activité : APS MATIN :\n\n" in text
    assert "DUPONT Paolo : lun. 15/05 (activité complète), mar. 16/05 (hors délai)\n" in text
    assert text.index("ACCEPTEES") < text.index("REFUSEES") < text.index("ANNULEES")


def test_a_cancellation_that_was_refused_counts_as_a_cancellation_asked_for() -> None:
    report = gather([Movement(True, Outcome.KEPT, "APS MATIN", "DUPONT Paolo", may(9), say("TOO_LATE_TO_CANCEL", "fr"))])
    assert (report.bookings, report.cancellations, report.movements) == (0, 1, 1)
    assert [section.outcome for section in report.sections] == [Outcome.KEPT]


def test_a_day_that_is_given_back_for_other_hours_is_told_once() -> None:
    old, new, again = ("07:30", "08:45"), ("08:00", "08:45"), ("07:30", "08:45")
    facts = {"activity": "APS MATIN", "child": "DUPONT Paolo"}
    text = letter_of(
        [
            Movement(True, Outcome.CANCELLED, date=may(9), booking="a", hours=old, **facts),
            Movement(False, Outcome.ACCEPTED, date=may(9), booking="b", hours=new, **facts),
            Movement(True, Outcome.CANCELLED, date=may(10), booking="c", hours=old, **facts),
            Movement(False, Outcome.WAITLISTED, date=may(10), booking="d", hours=again, **facts),
            Movement(True, Outcome.CANCELLED, date=may(11), booking="e", hours=old, **facts),
            Movement(False, Outcome.REFUSED, date=may(11), reason=say("FULL", "fr"), booking="f", hours=new, **facts),
        ]
    )
    assert "- 3 nouvelles demandes de réservation\n- 3 demandes d'annulation\n" in text
    assert "ACCEPTEES *****\n\n--> Activité : APS MATIN :\n\nDUPONT Paolo : mar. 09/05 (08:00-08:45 au lieu de 07:30-08:45)\n" in text
    assert "DUPONT Paolo : mer. 10/05 (annulée, puis réservée à nouveau)\n" in text
    assert "ANNULEES *****\n\n--> Activité : APS MATIN :\n\nDUPONT Paolo : jeu. 11/05\n" in text, "no place was given instead"


def test_what_is_asked_for_and_taken_back_in_one_request_is_told_once() -> None:
    one = {"activity": "APS MATIN", "child": "DUPONT Paolo", "date": may(9), "booking": "a"}
    text = letter_of([Movement(False, Outcome.CANCELLED, **one), Movement(True, Outcome.CANCELLED, **one)])
    assert "- 1 nouvelle demande de réservation\n- 1 demande d'annulation\n" in text
    assert text.count("mar. 09/05") == 1


def test_activities_and_children_stand_in_the_order_of_a_french_reader() -> None:
    movements = [
        *booked(Outcome.ACCEPTED, "DUPONT Zoé", 9, activity="Étude"),
        *booked(Outcome.ACCEPTED, "DUPONT Élise", 9, activity="Étude"),
        *booked(Outcome.ACCEPTED, "DUPONT Élise", 9, activity="Zumba"),
        *booked(Outcome.ACCEPTED, "DUPONT Élise", 9, activity="accueil"),
    ]
    (section,) = gather(movements).sections
    assert [group.activity for group in section.activities] == ["accueil", "Étude", "Zumba"]
    assert [line.child for line in section.activities[1].children] == ["DUPONT Élise", "DUPONT Zoé"]


def test_dates_ascend_through_the_new_year() -> None:
    days = (dt.date(2027, 1, 4), dt.date(2026, 12, 18))
    text = letter_of([Movement(False, Outcome.ACCEPTED, "APS MATIN", "DUPONT Paolo", day) for day in days])
    assert "DUPONT Paolo : ven. 18/12, lun. 04/01\n" in text


def test_an_english_report_has_the_same_facts_in_the_same_order() -> None:
    text = letter_of(GUIDES_MOVEMENTS, "en")
    assert (
        "14 movements on your booking requests were received, of which:\n\n- 11 new booking requests\n- 3 cancellation requests\n" in text
    )
    assert re.findall(r"\d\d/\d\d", text) == re.findall(r"\d\d/\d\d", GUIDE)
    assert "DUPONT Amalia: Mon 15/05, Tue 16/05\n" in text
    assert text.index("WAITING LIST") < text.index("ACCEPTED") < text.index("CANCELLED")


def test_an_account_in_a_language_we_do_not_write_gets_french() -> None:
    assert letter_of(GUIDES_MOVEMENTS, "br") == GUIDE


def test_names_are_escaped_in_html_and_left_alone_in_text() -> None:
    movements = booked(Outcome.ACCEPTED, "O'NEIL <b>Zoé</b>", 9, activity="Judo & lutte")
    letter = report_letter("fr", greeting="<script>", structure="Mairie {{ 7*7 }}", report=gather(movements))
    assert "Judo &amp; lutte" in letter.html
    assert "<script>" not in letter.html
    assert "<b>" not in letter.html
    assert "Judo & lutte" in letter.text
    assert "{{ 7*7 }}" in letter.text


def test_a_line_break_in_a_title_starts_no_header() -> None:
    letter = report_letter("fr", greeting="M.", structure="Mairie\r\nBcc: spy@example.org", report=gather(GUIDES_MOVEMENTS))
    assert "\n" not in letter.subject
    assert "\r" not in letter.subject


@given(
    st.lists(
        st.builds(
            Movement,
            cancellation=st.booleans(),
            outcome=st.sampled_from(Outcome),
            activity=st.sampled_from(["APS MATIN", "APS SOIR", "Étude", "RESTAURATION"]),
            child=st.sampled_from(["DUPONT Amalia", "DUPONT Paolo"]),
            date=st.dates(may(1), may(31)),
            reason=st.just("activité complète"),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_a_report_tells_every_movement_once_whatever_their_order(movements: list[Movement]) -> None:
    report = gather(movements)
    told = [
        (section.outcome, group.activity, line.child, day.date)
        for section in report.sections
        for group in section.activities
        for line in group.children
        for day in line.days
    ]
    lines = [(m.outcome, m.activity, m.child, m.date) for m in movements]
    held = {m[1:] for m, one in zip(lines, movements, strict=True) if not one.cancellation and m[0] in ("ACCEPTED", "WAITLISTED")}
    back = {m[1:] for m, one in zip(lines, movements, strict=True) if one.cancellation and m[0] == "CANCELLED"}
    for renewed in held & back:  # which is told once, where it is held now
        lines.remove((Outcome.CANCELLED, *renewed))
    assert sorted(told) == sorted(lines)
    assert report.movements == len(movements)
    assert gather(reversed(movements)) == report
    assert all(section.activities for section in report.sections)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_reason_has_words(language: str) -> None:
    assert all(say(code, language) for code in TEXTS)
    assert say("NEWER_THAN_THIS_MAILER", language) == say("OTHER", language)


def test_a_place_given_is_announced_in_words_of_its_own() -> None:
    facts = {"greeting": "M. DUPONT Jean-Paul", "structure": "Mairie de CarteVille", "activity": "APS MATIN", "child": "DUPONT Amalia"}
    letter = place_given_letter("fr", date=may(15), **facts)
    assert letter.subject == "Une place pour DUPONT Amalia : APS MATIN, lundi 15/05/2017"
    assert "DUPONT Amalia : lundi 15/05/2017" in letter.text
    assert "lundi 15/05/2017" in letter.html
    assert "Monday 15/05/2017" in place_given_letter("en", date=may(15), **facts).text


ENDED = """\
M. DUPONT Jean-Paul

La date limite de réservation est passée sans qu'une place se libère pour 3 demandes en liste d'attente sur la structure : \
Mairie de CarteVille.

Ces demandes ont expiré : aucune place n'est réservée.

***** DEMANDES EXPIREES *****

--> Activité : APS MATIN :

DUPONT Amalia : lun. 15/05, mar. 16/05
DUPONT Paolo : lun. 15/05

Vous pouvez consulter l'état de vos réservations sur notre site Internet.
"""


def test_waiting_that_ends_without_a_place_is_told_child_by_child() -> None:
    waits = [*booked(Outcome.WAITLISTED, "DUPONT Paolo", 15), *booked(Outcome.WAITLISTED, "DUPONT Amalia", 16, 15)]
    facts = {"greeting": "M. DUPONT Jean-Paul", "structure": "Mairie de CarteVille"}
    letter = place_expired_letter("fr", report=gather(waits), **facts)
    assert letter.text == ENDED
    assert "Demandes expirées" in letter.html
    assert "lun. 15/05, mar. 16/05" in letter.html
    english = place_expired_letter("en", report=gather(waits), **facts).text
    assert "no place became free for 3 requests" in english
    assert "DUPONT Amalia: Mon 15/05, Tue 16/05\n" in english
    one = [place_expired_letter(language, report=gather(waits[:1]), **facts).text for language in ("fr", "en")]
    assert "pour 1 demande en liste" in one[0]
    assert "1 request on" in one[1]


def test_a_password_link_says_until_when_in_the_towns_time() -> None:
    until = dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC)
    letter = link_letter("password_link", "fr", address=f"{PORTAL}/x?jeton=a&b=c", at=until, timezone="Europe/Paris")
    assert f"\n{PORTAL}/x?jeton=a&b=c\n" in letter.text
    assert f'href="{PORTAL}/x?jeton=a&amp;b=c"' in letter.html
    assert "23/11/2026 à 10:30" in letter.text
