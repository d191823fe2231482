"""Families and their addresses."""

import datetime as dt

import pytest

from services.identity.households import AccountSpec, ChildSpec, age_on, eldest_first, name_in_letters
from services.mail_addresses import is_email


def test_children_stand_in_order_of_birth() -> None:
    paolo = ChildSpec("paolo", "Paolo", "DUPONT", dt.date(2023, 9, 30))
    amalia = ChildSpec("amalia", "Amalia", "DUPONT", dt.date(2019, 4, 12))
    unknown = ChildSpec("zoe", "Zoé", "DUPONT")
    assert eldest_first([unknown, paolo, amalia]) == [amalia, paolo, unknown]


def test_a_child_is_as_old_as_its_last_birthday() -> None:
    amalia = dt.date(2019, 4, 12)
    assert [age_on(day, amalia) for day in (dt.date(2026, 4, 11), dt.date(2026, 4, 12), dt.date(2027, 4, 11))] == [6, 7, 7]
    leap = dt.date(2020, 2, 29)
    assert [age_on(day, leap) for day in (dt.date(2026, 2, 28), dt.date(2026, 3, 1), dt.date(2028, 2, 29))] == [5, 6, 8]
    assert [age_on(day, amalia) for day in (amalia, dt.date(2019, 4, 11), dt.date.min)] == [0, None, None]


def test_s37_letters_write_the_last_name_first() -> None:
    assert name_in_letters("Amalia", "DUPONT") == "DUPONT Amalia"
    assert name_in_letters("Zoé", "Lefèvre") == "LEFÈVRE Zoé"


@pytest.mark.parametrize("address", ["jp.dupont@example.org", "jean+cantine@mairie.example.fr", "o'neil@example.ie"])
def test_s7_an_address_that_a_mail_server_may_take(address: str) -> None:
    assert is_email(address)


@pytest.mark.parametrize(
    "address",
    ["", "dupont", "a@b", "a@b@example.org", "a b@example.org", "a@example.org\nBcc: x@example.org", "a@example.org\r", "a@.", "a@example.",
     "a@example.org,b@example.org", "<a@example.org>", "a@example.org ", "é@exemple.fr", "a@éloïse.example", "x" * 250 + "@example.org", "\x00a@example.org"],
)  # fmt: skip
def test_s7_what_is_no_address_is_refused(address: str) -> None:
    assert not is_email(address)


def test_a_password_does_not_show_when_an_account_is_printed() -> None:
    assert "hunter" not in repr(AccountSpec("dupont", "hunter-hunter-2", "M.", "Jean-Paul", "DUPONT"))
