"""Every letter says the same in its two parts, in both languages, and loads nothing from anywhere."""

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Iterable
from html import unescape
from pathlib import Path
from typing import get_args

import mrml
import pytest

from services.events import PaymentFailed, SecurityNotice
from services.mailer import letters
from services.mailer.letters import PORTAL, Act, Delayed, Failed, Letter, LowBalance, Part, Received
from services.mailer.report import Movement, Outcome, gather
from services.mailer.texts import say
from tests.mailer.test_report import GUIDES_MOVEMENTS, booked, cancelled, may

WHO = {"greeting": "M. DUPONT Jean-Paul", "structure": "Mairie de CarteVille"}
AT = {"at": dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC), "timezone": "Europe/Paris"}
CAUSES = (None, "DAY_CLOSED", "ACTIVITY_CHANGED", "ENROLLMENT_CHANGED", "NEWER_THAN_THIS_MAILER")
STATUSES = get_args(PaymentFailed.model_fields["status"].annotation)


def everything(language: str) -> list[Movement]:
    return [
        *GUIDES_MOVEMENTS,
        *booked(Outcome.REFUSED, "DUPONT Paolo", 22, reason=say("FULL", language)),
        Movement(True, Outcome.KEPT, "APS MATIN", "DUPONT Paolo", may(23), say("TOO_LATE_TO_CANCEL", language)),
        Movement(False, Outcome.AWAITED, "APS MATIN", "DUPONT Paolo", may(24), note="..."),
    ]


def reports(language: str) -> Iterable[Letter]:
    for movements in (everything(language), booked(Outcome.ACCEPTED, "DUPONT Paolo", 9), cancelled("DUPONT Paolo", 9)):
        yield letters.report_letter(language, **WHO, report=gather(movements))


def acts(language: str) -> Iterable[Letter]:
    for cause in CAUSES:
        act = Act("Accord & désaccord", cause, ("DEADLINE", "DEBT"))
        yield letters.report_letter(language, **WHO, report=gather(everything(language)), act=act)


def answers(language: str) -> Iterable[Letter]:
    for act in (None, Act("Accord & désaccord")):
        yield letters.report_letter(language, **WHO, report=gather(everything(language)), act=act, goes_on=True)


def places_given(language: str) -> Iterable[Letter]:
    yield letters.place_given_letter(language, **WHO, activity="Judo & lutte", child="DUPONT Amalia", date=may(15))


def places_expired(language: str) -> Iterable[Letter]:
    for days in ((15,), (15, 16)):
        yield letters.place_expired_letter(language, **WHO, report=gather(booked(Outcome.WAITLISTED, "DUPONT Paolo", *days)))


def low_balances(language: str) -> Iterable[Letter]:
    yield letters.money_letter(language, **WHO, news=LowBalance(12_34, 20_00))


def receipts(language: str) -> Iterable[Letter]:
    for reference in (None, "3150-N°AUTO:445401"):
        paid = Received("p/1", may(9), "POUR .GUIDE CARTE+", reference, 150_00, (("PERISCOLAIRE", 100_00), ('"Les Tagazoux"', 50_00)))
        yield letters.money_letter(language, **WHO, news=paid)


def failures(language: str) -> Iterable[Letter]:
    for status in (*STATUSES, "NEWER_THAN_THIS_MAILER"):
        yield letters.money_letter(language, **WHO, news=Failed("p/1", may(9), 150_00, status))


def announcements(language: str) -> Iterable[Letter]:
    text = "Le centre est fermé lundi.\r\nLes 3 < 4.\n \n\nÀ mardi !\n"
    yield letters.announcement_letter(language, **WHO, title='"Fermeture" & travaux', text=text)


def digests(language: str) -> Iterable[Letter]:
    at, report = dt.datetime(2026, 11, 23, 10, 30, tzinfo=dt.UTC), gather(everything(language))
    parts = [
        Part(at, report),
        Part(at, gather(booked(Outcome.ACCEPTED, "DUPONT Paolo", 9)), goes_on=True),
        *(Part(at, report, Act("Accord & désaccord", cause, ("DEADLINE", "DEBT"))) for cause in CAUSES),
    ]
    for some in (parts, parts[:1], parts[1:]):
        yield letters.digest_letter(language, **WHO, date=may(9), parts=some)


def delays(language: str) -> Iterable[Letter]:
    for movements in (1, 14):
        delayed = Delayed("2026-17", AT["at"], movements)  # type: ignore[arg-type]
        yield letters.delayed_letter(language, **WHO, delayed=delayed, timezone="Europe/Paris")


def links(kind: str) -> Callable[[str], Iterable[Letter]]:
    return lambda language: [letters.link_letter(kind, language, address=f"{PORTAL}/x?jeton=a&b=c", **AT)]


def offers(language: str) -> Iterable[Letter]:
    for gives in ("FAMILY", "AGENT", "ADMINISTRATOR"):
        yield letters.invitation_letter(language, structure=WHO["structure"], gives=gives, address=f"{PORTAL}/x?jeton=a&b=c", **AT)


def objections(language: str) -> Iterable[Letter]:
    for due_at in (None, AT["at"]):
        asked = letters.AddressAsked("j***@example.org", due_at)
        yield letters.cancel_letter(language, address=f"{PORTAL}/x?jeton=a&b=c", asked=asked, **AT)


def notices(language: str) -> Iterable[Letter]:
    for happened in (*get_args(SecurityNotice), "NEWER_THAN_THIS_MAILER"):
        for detail in ("", "j***@example.org"):
            yield letters.security_letter(language, happened=happened, detail=detail, **AT)


ALL: dict[str, Callable[[str], Iterable[Letter]]] = {
    "report": reports,
    "digest": digests,
    "delayed": delays,
    "act": acts,
    "answer": answers,
    "place_given": places_given,
    "place_expired": places_expired,
    "balance_low": low_balances,
    "payment_received": receipts,
    "payment_failed": failures,
    "announcement": announcements,
    "password_link": links("password_link"),
    "address_link": links("address_link"),
    "invitation": offers,
    "address_cancel": objections,
    "security_notice": notices,
}
LETTERS = Path(letters.__file__).with_name("letters")
every_letter = pytest.mark.parametrize("kind", ALL)
in_both_languages = pytest.mark.parametrize("language", ["fr", "en"])


def test_every_letter_is_here_in_both_languages() -> None:
    files = {file.name for file in LETTERS.glob("*.*.jinja")} - {
        f"{shared}.{language}.jinja" for shared in ("acts", "headings") for language in ("fr", "en")
    }
    assert files == {f"{kind}.{language}.jinja" for kind in ALL for language in ("fr", "en")}


def shown(html: str) -> str:
    """What a reader sees."""
    return unescape(re.sub(r"<[^>]+>", " ", html[html.index("<body") :]))


def plain(text: str) -> str:
    """Without accents: the legacy portal's capitals have none."""
    return "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))


def words(text: str) -> list[str]:
    return re.findall(r"\w+", plain(re.sub(r"https://\S+", "", text).lower()))


@in_both_languages
@every_letter
def test_the_html_part_says_the_same(language: str, kind: str) -> None:
    for letter in ALL[kind](language):
        assert words(letter.text) == words(shown(letter.html))
        assert len(words(letter.text)) > 10
        for address in re.findall(r"https://\S+", letter.text):
            assert f'href="{address.replace("&", "&amp;")}"' in letter.html
        assert f'<html lang="{language}"' in letter.html
        assert f"<title>{letter.subject}</title>" == unescape(re.search(r"<title>.*</title>", letter.html)[0])  # type: ignore[index]


@in_both_languages
@every_letter
def test_the_html_part_is_whole_small_and_loads_nothing(language: str, kind: str) -> None:
    for letter in ALL[kind](language):
        assert not re.search(r"\{\{|\{%|<mj-|LANGUAGE", letter.html)
        links = set(re.findall(r'(?:href|src)="([^"]*)"', letter.html))
        assert all(address.startswith(PORTAL) for address in links)
        assert not re.search(r"@import|url\(|<img|<script|<link|fonts\.", letter.html)
        assert len(letter.html) < 5_000 + 4 * len(letter.text)


def test_each_letter_says_what_happened_in_words_of_its_own() -> None:
    for kind in ("security_notice", "payment_failed"):
        for language in ("fr", "en"):
            texts = [letter.text for letter in ALL[kind](language)]
            assert len(set(texts)) == len(texts)


def test_a_letter_is_laid_out_once_and_filled_for_each_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out: list[str] = []
    monkeypatch.setattr(mrml, "to_html", lambda mjml, to_html=mrml.to_html: laid_out.append(mjml) or to_html(mjml))
    letters._letters.cache_clear()
    written = [letter for _ in range(3) for language in ("fr", "en") for letter in reports(language)]
    assert len(written) == 18
    assert len(laid_out) == 2


def test_a_report_names_what_it_is_about_in_both_parts() -> None:
    (letter, *_) = reports("fr")
    for fact in ("M. DUPONT Jean-Paul", "Mairie de CarteVille", "APS MATIN", "RESTAURATION", say("FULL", "fr")):
        assert fact in letter.text
        assert fact in shown(letter.html)


def test_a_familys_payment_that_failed_says_why_and_where_to_begin_again() -> None:
    letter = letters.money_letter("fr", **WHO, news=Failed("p/1", may(9), 150_00, "REFUSED"))
    assert letter.subject == "Paiement non abouti : 150,00 €, Mairie de CarteVille"
    assert "Votre paiement en ligne de 150,00 € sur la structure Mairie de CarteVille n'a pas abouti, le 09/05/2017." in letter.text
    assert "Il a été refusé" in letter.text
    assert f"\n{PORTAL}/paiement/p%2F1\n" in letter.text


def test_an_announcement_keeps_its_paragraphs_and_runs_nothing() -> None:
    (letter,) = announcements("fr")
    assert letter.subject == '"Fermeture" & travaux : Mairie de CarteVille'
    assert "\nLe centre est fermé lundi.\nLes 3 < 4.\n\nÀ mardi !\n\nVous pouvez" in letter.text
    assert "lundi.\nLes 3 &lt; 4.</p>" in letter.html


def test_a_notice_says_when_in_the_towns_time_and_what_to_do() -> None:
    letter = letters.security_letter("fr", happened="EMAIL_CHANGING", detail="j***@example.org", **AT)
    assert (
        "Une nouvelle adresse e-mail a été demandée pour votre compte de l'espace famille, le 23/11/2026 à 10:30 : j***@example.org."
        in letter.text
    )
    assert "Si ce n'était pas vous" in letter.text
