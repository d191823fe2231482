"""A link says one thing, to us alone, for a while."""

import datetime as dt

import pytest

from services.links import LONGEST, Links, Opened, new_key

NOW = dt.datetime(2026, 9, 1, 6, tzinfo=dt.UTC)
SOON = NOW + dt.timedelta(minutes=5)
KEY = new_key()
FACTS = {"family": "dupont", "names": {"amalia": "Amalia"}}


def sealed(purpose: str = "bookings") -> str:
    return Links(KEY).seal(purpose, FACTS, SOON)


def test_every_replica_opens_what_another_sealed() -> None:
    assert Links(KEY).open("bookings", sealed(), NOW) == Opened(FACTS, expired=False)


def test_a_link_can_be_part_of_a_path_and_tells_nobody_what_it_says() -> None:
    link = sealed()
    assert set(link) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert not link.startswith(".")
    assert sealed() != link  # Two for the same file have nothing in common.
    assert "dupont" not in link


@pytest.mark.parametrize(("second", "expired"), [(-1, False), (0, True)])
def test_it_is_over_at_its_hour_to_the_second(second: int, expired: bool) -> None:
    opened = Links(KEY).open("bookings", sealed(), SOON + dt.timedelta(seconds=second))
    assert opened is not None
    assert opened.expired is expired


def test_what_is_not_ours_or_for_something_else_is_nothing() -> None:
    link = sealed()
    head, key, nonce, text, tag = link.split(".")
    changed = f"{head}.{key}.{nonce}.{'B' if text[0] == 'A' else 'A'}{text[1:]}.{tag}"
    other = Links(new_key()).seal("bookings", FACTS, SOON)
    for wrong in (changed, other, sealed("payments"), link[:-2], f"{link}.x", "", "a.b.c.d.e", "x" * (LONGEST + 1), "é" * 9, "...."):
        assert Links(KEY).open("bookings", wrong, NOW) is None, wrong


def test_keys_differ() -> None:
    assert new_key() != new_key()
