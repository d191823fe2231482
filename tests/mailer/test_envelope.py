"""A mail as it travels: whatever names and letters hold, it arrives as it was written, and they make no header."""

import datetime as dt
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.mailer.addresses import one_line
from services.mailer.envelope import Parts, Sender, seal

SENDER = Sender.read("Préau de la mairie <no-reply@carteville.example>")
HEADERS = [
    "Message-ID",
    "Date",
    "From",
    "To",
    "Subject",
    "Content-Language",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
]


def opened(name: str = "DUPONT Zoé", subject: str = "Une place", text: str = "Bonjour,\n", html: str = "<p>Bonjour</p>\n") -> EmailMessage:
    parts = Parts("a1b2", name, "zoe@example.org", subject, "fr", text, html, dt.datetime(2026, 11, 23, 8, tzinfo=dt.UTC))
    message = message_from_bytes(seal(parts, SENDER), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def bodies(message: EmailMessage) -> list[str]:
    return [message.get_body((kind,)).get_content().replace("\r\n", "\n") for kind in ("plain", "html")]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")), st.text(max_size=40).map(one_line))
def test_a_letter_arrives_as_it_was_written(text: str, subject: str) -> None:
    message = opened(text=text, html=text, subject=subject)
    assert message.keys() == HEADERS
    assert bodies(message) == [text, text]


@pytest.mark.parametrize(
    "text", [".\n..\nFrom here\n", "trailing \t\n", f"{'é' * 2000}\n", "--=_a1b2\nContent-Type: x\n--=_a1b2--\n", "a=b\r\nc\n"]
)
def test_what_means_something_on_the_way_does_not_in_a_letter(text: str) -> None:
    assert bodies(opened(text=text)) == [text.replace("\r\n", "\n"), "<p>Bonjour</p>\n"]


@pytest.mark.parametrize(
    "name",
    [
        "DUPONT Jean-Paul",
        "O'NEIL Zoé",
        'DUPONT "Jo", (mairie) <x@y.example>',
        "DUPONT " + "Marie-Éléonore " * 12,
        "DUPONT " + "Marie Eleonore " * 12,
        "李 小龍",
        "DUPONT\\",
        "",
    ],
)
def test_any_name_can_be_written_to_and_is_one_address(name: str) -> None:
    message = opened(name=one_line(name))
    (address,) = message["To"].addresses
    assert address.addr_spec == "zoe@example.org"
    # Python's own reader puts spaces between the pieces of a name that was cut; other readers do not.
    assert address.display_name.replace(" ", "") == one_line(name).replace(" ", "")
    assert message.keys() == HEADERS


@given(st.text())
def test_no_name_makes_a_header(name: str) -> None:
    try:
        message = opened(name=name)
    except ValueError:
        return  # a line break: names are made one line long before
    assert message.keys() == HEADERS
    assert [address.addr_spec for address in message["To"].addresses] == ["zoe@example.org"]


def test_a_line_break_in_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"line ?feed|CR or LF"):
        opened(name="DUPONT\r\nBcc: spy@example.org")


def test_every_line_is_short_ascii_that_any_server_passes_on() -> None:
    parts = Parts("a", "é" * 300, "zoe@example.org", "é" * 300, "fr", "é" * 3000, "=" * 3000, dt.datetime(2026, 11, 23, tzinfo=dt.UTC))
    message = seal(parts, SENDER)
    assert message.isascii()
    assert max(map(len, message.split(b"\r\n"))) <= 78
    assert b"\n" not in message.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "subject",
    [
        "Une place pour MARTIN Hugo : 3-6 ans - Mercredi Matin, mercredi 16/12/2026",
        "Court",
        "Deux  blancs " * 9 + "x",
        "x" * 90,
        "Une place pour KONÉ Moussa : 3-6 ans - Mercredi Matin, mercredi 16/12/2026, à l'heure",
        "",
    ],
)
def test_a_subject_begins_on_its_own_line_and_is_read_as_it_was_written(subject: str) -> None:
    parts = Parts("a", "Zoe", "zoe@example.org", subject, "fr", "-", "-", dt.datetime(2026, 11, 23, tzinfo=dt.UTC))
    sealed = seal(parts, SENDER)
    if len(subject.split()) > 1:
        assert b"\r\nSubject:\r\n" not in sealed
    read = message_from_bytes(sealed, policy=policy.default)["Subject"]
    assert read.strip() == subject
    assert message_from_bytes(sealed, policy=policy.default).keys() == HEADERS


@pytest.mark.parametrize("text", ["", "Mairie", "Mairie <no-reply>", "Mairie <no-reply@éloïse.example>"])
def test_a_sender_without_an_address_is_refused_at_once(text: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        Sender.read(text)


@pytest.mark.parametrize("structure", ["carteville", "ccas-2"])
def test_the_mails_of_a_town_have_one_list_id(structure: str) -> None:
    parts = Parts("a1b2", "Zoé", "zoe@example.org", "Une place", "fr", "", "", dt.datetime(2026, 11, 23, 8, tzinfo=dt.UTC), structure)
    message = message_from_bytes(seal(parts, SENDER), policy=policy.default)
    assert message["List-Id"] == f"<{structure}.carteville.example>"


@pytest.mark.parametrize("structure", ["", "all", "a b", "x>\r\nBcc: y", "É", "-a", "a" * 60])
def test_what_is_no_town_has_none(structure: str) -> None:
    parts = Parts("a1b2", "Zoé", "zoe@example.org", "Une place", "fr", "", "", dt.datetime(2026, 11, 23, 8, tzinfo=dt.UTC), structure)
    message = message_from_bytes(seal(parts, SENDER), policy=policy.default)
    assert message.keys() == HEADERS
