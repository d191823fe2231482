"""Nothing that clients of the last release use may go, unless somebody says why."""

from pathlib import Path

import pytest
from graphql import build_schema

from deploy import released
from deploy.released import Changes, changes
from gateway.supergraph import Supergraph

BEFORE = build_schema("type Query { me: Account } type Account { id: ID! title: String } enum Mode { CASH }")
WITHOUT_TITLE = build_schema("type Query { me: Account } type Account { id: ID! } enum Mode { CASH CARD }")
GONE = "Field Account.title was removed."
NEW = "Enum value Mode.CARD was added."


def test_the_api_breaks_nothing_that_was_released() -> None:
    found = changes(released.released(), Supergraph.committed().api, released.accepted())

    assert (found.broken, found.wrong) == ([], []), found.told()


def test_what_would_break_clients_is_refused_by_name_and_what_is_new_to_them_is_listed() -> None:
    found = changes(BEFORE, WITHOUT_TITLE, {})

    assert found == Changes(broken=[GONE], wrong=[], accepted=[], dangerous=[NEW])
    assert found.told().splitlines()[:2] == [f"BREAKS CLIENTS: {GONE}", f"new to clients: {NEW}"]


def test_a_breaking_change_may_be_made_on_purpose_with_a_reason() -> None:
    assert changes(BEFORE, WITHOUT_TITLE, {GONE: "nobody asks for it"}).broken == []
    assert changes(BEFORE, WITHOUT_TITLE, {GONE: " "}).wrong == [f"say why: {GONE}"]
    assert changes(BEFORE, BEFORE, {GONE: "nobody asks for it"}).wrong == [f"this change was not made: {GONE}"]


def test_more_is_welcome() -> None:
    more = build_schema("type Query { me(at: ID): Account you: Account } type Account { id: ID! title: String } enum Mode { CASH }")

    assert (changes(BEFORE, more, {}).broken, changes(more, BEFORE, {}).broken) == (
        [],
        ["Field Query.you was removed.", "Argument Query.me(at:) was removed."],
    )


def test_a_release_makes_the_api_of_today_the_one_that_was_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RELEASED", "ACCEPTED"):
        monkeypatch.setattr(released, name, tmp_path / name)
    released.RELEASED.write_text("type Query { me: ID gone: ID }")
    released.ACCEPTED.write_text("Field Query.gone was removed.: it is gone\n")

    assert "Field Query.me changed type from ID to Account." in str(released.main([]))
    assert released.main(["--release"]) is None

    assert released.main([]) is None
    assert (released.accepted(), changes(released.released(), Supergraph.committed().api, {}).told()) == ({}, "")
