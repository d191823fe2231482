"""The recap and what comes of it (P13, P14): its arithmetic, and confirming once whatever browsers do (S24, S25, S33, S34)."""

import datetime as dt
from typing import Any

import pytest

from gateway.portal import recap
from gateway.portal.draft import Line
from gateway.portal.pages import requests
from gateway.portal.recap import Purse, Row, Seen, Total, is_worse
from tests.portal.test_money import Api

WEDNESDAY, TUESDAY = dt.date(2017, 3, 22), dt.date(2017, 3, 14)


def row(cents: int | None, forecast: str = "ACCEPTED", *, change: Any = "BOOK", code: str | None = None, wallet: str = "peri") -> Row:
    refusal = None if code is None else {"code": code, "message": code}
    told = {"forecast": forecast, "priceCents": cents, "refusal": refusal, "wallet": {"id": wallet}}
    return Row(Line(TUESDAY, "amalia", "aps", change), told)


def test_s33_the_guides_recap_comes_to_14_25() -> None:
    guide = [row(7_84), row(1_31), row(3_79), row(1_31)]

    assert recap.total_of(guide) == Total(whole=14_25, waiting=0)
    balance = {"lines": [{"wallet": {"id": "peri", "name": "PERISCOLAIRE"}, "newBalanceCents": 50_06}]}
    assert recap.purses(guide, balance) == [Purse("PERISCOLAIRE", 50_06, 35_81)]


def test_s13_what_waits_is_told_apart_and_leaves_the_wallet_alone_and_what_is_refused_costs_nothing() -> None:
    rows = [row(7_84), row(1_31, "WAITLISTED"), row(3_79, "SUBMITTED"), row(9_99, "REFUSED"), row(2_00, "CANCELLED", change="CANCEL")]

    assert recap.total_of(rows[:4]) == Total(whole=12_94, waiting=5_10)
    lines = [{"wallet": {"id": name, "name": name}, "newBalanceCents": 10_00} for name in ("peri", "multi")]
    assert recap.purses(rows, {"lines": lines}) == [Purse("peri", 10_00, 4_16)]


def test_a_price_that_nobody_can_tell_makes_the_total_unknown_rather_than_wrong() -> None:
    assert recap.total_of([row(7_84), row(None)]) == Total(None, 0)
    assert recap.purses([row(None)], None) == []


@pytest.mark.parametrize(
    ("was", "now", "worse"),
    [
        (Seen("ACCEPTED", 1_31), row(1_31), False),
        (Seen("ACCEPTED", 1_31), row(1_31, "WAITLISTED"), True),
        (Seen("ACCEPTED", 1_31), row(1_31, "REFUSED", code="FULL"), True),
        (Seen("WAITLISTED", 1_31), row(1_31, "REFUSED", code="FULL"), True),
        (Seen("WAITLISTED", 1_31), row(1_31), False),  # A place: nobody has to be asked again.
        (Seen("REFUSED", 1_31), row(1_31, "WAITLISTED"), False),
        (Seen("ACCEPTED", 1_31), row(1_32), True),
        (Seen("ACCEPTED", 1_31), row(1_30), False),
        (Seen("ACCEPTED", None), row(1_31), False),
        (Seen("ACCEPTED", 1_31), row(1_31, "REFUSED", code="ALREADY_BOOKED"), False),  # By this very form, sent twice.
        (Seen("CANCELLED", 1_31), row(1_31, "REFUSED", change="CANCEL", code="TOO_LATE_TO_CANCEL"), True),
        (Seen("CANCELLED", 1_31), row(0, "REFUSED", change="CANCEL", code="UNKNOWN_BOOKING"), False),
        (Seen("CANCELLED", 1_31), row(1_30, "CANCELLED", change="CANCEL"), True),
    ],
)
def test_s24_only_what_became_worse_is_asked_again(was: Seen, now: Row, worse: bool) -> None:
    assert is_worse(was, now) is worse


def test_what_a_page_showed_comes_back_with_its_form_and_anything_else_is_new() -> None:
    days = (TUESDAY, WEDNESDAY, dt.date(2017, 3, 23))
    told = (row(1_31), row(None, "WAITLISTED"), row(-1, "REFUSED"))
    rows = [Row(Line(day, "amalia", "aps"), each.told) for day, each in zip(days, told, strict=True)]

    assert recap.written(rows) == "A131.W.R-1"
    assert recap.read("A131.W.R-1") == [Seen("ACCEPTED", 1_31), Seen("WAITLISTED", None), Seen("REFUSED", -1)]
    assert [recap.read(odd) for odd in ("", "A131.", "X1", "A1e3")] == [None] * 4
    lines = [each.line for each in rows]
    assert all(each.was for each in recap.compared(rows, lines, None))
    assert all(each.was for each in recap.compared(rows, lines, recap.read("A131.W")))
    assert not any(each.was for each in recap.compared(rows, lines, recap.read("A131.W.R")))


def test_siblings_on_one_day_are_decided_together_and_one_child_alone_is_not() -> None:
    lines = [Line(TUESDAY, "amalia", "aps"), Line(TUESDAY, "paolo", "aps"), Line(WEDNESDAY, "paolo", "aps"), Line(WEDNESDAY, "paolo", "x")]

    assert recap.siblings([*lines, Line(WEDNESDAY, "amalia", "aps", "CANCEL")]) == [[0, 1]]


def test_the_key_is_the_drafts_and_changes_with_what_is_asked() -> None:
    line, plain = Line(TUESDAY, "amalia", "aps"), {"waits": True, "together": False}
    key = recap.key_of("nonce", "dupont", [line], **plain)

    assert key == recap.key_of("nonce", "dupont", [line], **plain)
    others = [
        recap.key_of("another", "dupont", [line], **plain),
        recap.key_of("nonce", "martin", [line], **plain),
        recap.key_of("nonce", "dupont", [], **plain),
        recap.key_of("nonce", "dupont", [line], waits=False, together=False),
    ]
    assert len({key, *others}) == 5


def movement(status: str, change: str = "BOOK", refusal: str | None = None) -> dict[str, Any]:
    return {"change": change, "refusal": refusal and {"message": refusal}, "booking": {"status": status}}


@pytest.mark.parametrize(
    ("told", "kind", "state"),
    [
        (movement("ACCEPTED"), "accepted", "ACCEPTED"),
        (movement("CANCELLED"), "accepted", "GONE"),
        (movement("WAITLISTED"), "remarks", "WAITLISTED"),
        (movement("REFUSED"), "remarks", "REFUSED"),
        (movement("EXPIRED"), "remarks", "EXPIRED"),
        (movement("SUBMITTED"), "open", "SUBMITTED"),
        (movement("CANCELLED", "CANCEL"), "cancelled", "CANCELLED"),
        (movement("ACCEPTED", "CANCEL"), "open", "SUBMITTED"),
        (movement("ACCEPTED", "CANCEL", "Hors délai"), "remarks", "REFUSED"),
    ],
)
def test_s34_each_answer_stands_in_its_place(told: dict[str, Any], kind: str, state: str) -> None:
    assert requests.kind_of(told, decided=False) == kind
    assert requests.state_of(told, kind) == state


def test_s37_answers_stand_by_activity_then_by_child_and_then_by_day() -> None:
    asked = [("soir", "Zoé", 4), ("Matin", "Zoé", 3), ("Matin", "amalia", 9), ("Matin", "amalia", 2), ("soir", "Ben", 1)]
    movements = [
        {
            "booking": {
                "date": f"2026-12-{day:02}",
                "activity": {"id": activity, "name": activity},
                "child": {"id": child, "firstName": child},
            }
        }
        for activity, child, day in asked
    ]
    assert [movements.index(each) for each in requests.grouped(movements)] == [3, 2, 1, 4, 0]


async def test_while_nobody_can_tell_of_a_request_it_is_not_said_to_be_none() -> None:
    away = Api(request=None, errors=[{"message": "Away.", "extensions": {"code": "SUBGRAPH_UNAVAILABLE"}}])
    assert (await away.visitor().opens("/demandes/x")).status_code == 503
    assert (await Api(request=None).visitor().opens("/demandes/x")).status_code == 404
