"""Confirming (S34), following (S35), cancelling (S36), through the graph and the real allocator."""

import base64
import datetime as dt
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from services.booking.activity import DaysBefore, HoursBefore, Immediate
from tests.booking.screens import AGENT, DURAND, OTHER_AGENT, Screens, entities, open_counter, screens
from tests.booking.test_activity import APS_MATIN, MULTI
from tests.booking.test_schema_drafts import PREVIEW, copies, line

__all__ = ["open_counter", "screens"]

CANTINE = replace(APS_MATIN, id="cantine", name="Restauration", capacity=1, waiting_list=1)
MOVEMENTS = "id number decided submittedAt movements { change refusal { __typename code message } booking { ...booking } }"
BOOKING = """fragment booking on Booking {
  id number child { id } activity { name } date arrival departure status rank reason cancellable requestedAt decidedAt }"""
SUBMIT = f"""mutation ($input: SubmitInput!) {{ submitBookings(input: $input) {{ __typename
  ... on Request {{ {MOVEMENTS} }} ... on Refusal {{ code message }} }} }} {BOOKING}"""
CANCEL = f"""mutation ($booking: ID!) {{ cancelBooking(booking: $booking) {{ __typename
  ... on Booking {{ ...booking }} ... on Refusal {{ code message }} }} }} {BOOKING}"""


@pytest.fixture
async def carteville(open_counter: Screens) -> Screens:
    await open_counter.opens(APS_MATIN, CANTINE, MULTI)
    await open_counter.household("dupont", "amalia", "paolo")
    await open_counter.household("durand", "zoe")
    await open_counter.enrolls("amalia", "aps-matin", "cantine", "multi")
    await open_counter.enrolls("paolo", "aps-matin", "cantine", "multi")
    await open_counter.enrolls("zoe", "cantine", family="durand")
    return open_counter


async def submits(town: Screens, *lines: dict[str, Any], key: str = "1", family: str = "dupont", **more: Any) -> dict[str, Any]:
    caller = {"caller": more.pop("caller")} if "caller" in more else {}
    given = {"family": family, "idempotencyKey": key, "lines": list(lines), **more}
    found: dict[str, Any] = (await town.asks(SUBMIT, variables={"input": given}, **caller))["submitBookings"]
    return found


def answers(request: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (one["change"], one["booking"]["status"], one["booking"]["rank"], one["refusal"] and one["refusal"]["code"])
        for one in request["movements"]
    ]


BOTH = line("BOOK", "amalia", "cantine", 14), line("BOOK", "paolo", "cantine", 14)


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("held", [(), ("cantine",), ("cantine", "cantine"), ("aps-matin",)])
@pytest.mark.parametrize(
    ("lines", "together"),
    [
        (BOTH, []),
        (BOTH, [[0, 1]]),
        ((line("BOOK", "amalia", "cantine", 14), line("BOOK", "amalia", "aps-matin", 14)), [[0, 1]]),
        ((line("BOOK", "paolo", "cantine", 14), line("BOOK", "amalia", "cantine", 16)), [[1, 0]]),
        ((*BOTH, line("BOOK", "paolo", "aps-matin", 14), line("BOOK", "amalia", "aps-matin", 14)), [[1, 2], [0, 3]]),
        ((*BOTH, line("BOOK", "amalia", "cantine", 14)), [[1, 2]]),
        ((line("CANCEL", "amalia", "aps-matin", 14), line("BOOK", "amalia", "aps-matin", 14), BOTH[0]), [[0, 1, 2]]),
    ],
    ids=["apart", "siblings", "one child", "a closed day", "two pairs", "a place twice", "with what is given back"],
)
async def test_s33_s34_what_a_recap_says_is_what_sending_it_gives(
    carteville: Screens, lines: tuple[dict[str, Any], ...], together: list[list[int]], held: tuple[str, ...], waits: bool
) -> None:
    """To lines that belong together too. `held`: who was there before, at a place or in the line."""
    await carteville.opens(replace(CANTINE, waiting_list=2), replace(APS_MATIN, capacity=2, waiting_list=1))
    for child, family, activity in zip(("zoe", "amalia"), ("durand", "dupont"), held, strict=False):
        mine = family if activity == "cantine" else "dupont"
        before = line("BOOK", child if mine == family else "amalia", activity, 14)
        await submits(carteville, before, key=child, family=mine, **({"caller": DURAND} if mine == "durand" else {}))
    given = {"family": "dupont", "lines": list(lines), "together": together, "waits": waits}
    preview = (await carteville.asks(PREVIEW, variables=given))["previewBookings"]
    forecast = {
        (one["change"], one["child"]["id"], one["activity"]["name"], one["date"], index): (one["forecast"], one["rank"], _code(one))
        for kind in ("bookings", "cancellations")
        for index, one in _numbered(preview[kind])
    }
    request = await submits(carteville, *lines, together=together, acceptWaitingList=waits)
    given_ = [{**movement["booking"], "change": movement["change"], "refusal": movement["refusal"]} for movement in request["movements"]]
    became = {
        (one["change"], one["child"]["id"], one["activity"]["name"], one["date"], index): (_outcome(one), one["rank"], _code(one))
        for index, one in _numbered(given_)
    }
    assert forecast == became


def _numbered(lines: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Each with how many of the same came before."""
    seen = Counter[tuple[str, ...]]()
    found = []
    for one in lines:
        key = one["change"], one["child"]["id"], one["activity"]["name"], one["date"]
        found.append((seen[key], one))
        seen[key] += 1
    return found


def _code(one: dict[str, Any]) -> str | None:
    return one["refusal"] and str(one["refusal"]["code"])


def _outcome(one: dict[str, Any]) -> str:
    """A CANCEL line that was refused shows a booking that stands, or none."""
    return "REFUSED" if one["change"] == "CANCEL" and one["refusal"] else str(one["status"])


async def test_s34_each_line_has_its_answer_and_its_observation_in_the_lines_order(carteville: Screens) -> None:
    await carteville.has_booked("zoe", "cantine", dt.date(2026, 9, 14), family="durand")
    request = await submits(
        carteville,
        line("BOOK", "amalia", "cantine", 14),
        line("BOOK", "amalia", "aps-matin", 14),
        line("BOOK", "paolo", "cantine", 14),
        line("BOOK", "amalia", "aps-matin", 16),
        line("CANCEL", "paolo", "aps-matin", 17),
    )
    assert request["decided"] is True
    assert answers(request) == [
        ("BOOK", "WAITLISTED", 1, None),
        ("BOOK", "ACCEPTED", None, None),
        ("BOOK", "REFUSED", None, "FULL"),
        ("BOOK", "REFUSED", None, "CLOSED"),
        ("CANCEL", "REFUSED", None, "UNKNOWN_BOOKING"),
    ]
    assert [one["booking"]["reason"] for one in request["movements"]] == [
        "Mise en liste d'attente",
        None,
        "Non traitée, activité complète",
        "Activité non ouverte ce jour",
        "Aucune réservation à annuler",
    ]
    assert request["movements"][2]["refusal"]["__typename"] == "Full"
    first = request["movements"][0]["booking"]
    assert (first["child"], first["activity"], first["arrival"]) == ({"id": "amalia"}, {"name": "Restauration"}, "07:30")
    assert first["requestedAt"] == first["decidedAt"] == "2026-09-01T06:00:00Z"
    assert [one["booking"]["cancellable"] for one in request["movements"]] == [True, True, False, False, False]


async def test_the_same_key_gives_the_same_request_again_and_other_lines_are_refused(carteville: Screens) -> None:
    mine = line("BOOK", "amalia", "aps-matin", 14)
    first = await submits(carteville, mine)
    assert await submits(carteville, mine) == first
    assert (await submits(carteville, line("BOOK", "amalia", "aps-matin", 15)))["__typename"] == "IdempotencyKeyReused"


async def test_a_draft_is_refused_as_a_whole_where_it_cannot_be_right(carteville: Screens) -> None:
    mine = line("BOOK", "amalia", "aps-matin", 14)
    assert (await submits(carteville))["__typename"] == "NothingToSubmit"
    assert await submits(carteville, *[mine] * 501) == {
        "__typename": "TooManyLines",
        "code": "TOO_MANY_LINES",
        "message": "Trop de demandes à la fois : 500 au plus.",
    }
    assert (await submits(carteville, line("BOOK", "zoe", "cantine", 14)))["__typename"] == "UnknownChild"
    assert (await submits(carteville, line("BOOK", "amalia", "nothing", 14)))["__typename"] == "UnknownActivity"
    for family in ("durand", "nobody"):
        assert (await submits(carteville, mine, family=family))["__typename"] == "UnknownFamily"
    given = {"family": "dupont", "idempotencyKey": "x", "lines": [mine]}
    assert await carteville.is_refused(SUBMIT, None, input=given) == "UNAUTHENTICATED"
    for wrong in ({"together": [[0, 7]]}, {"idempotencyKey": ""}, {"idempotencyKey": "x" * 201}):
        assert await carteville.is_refused(SUBMIT, input={**given, **wrong}) == "BAD_USER_INPUT"


async def test_a_day_at_the_end_of_time_is_refused_and_the_next_family_is_served(carteville: Screens) -> None:
    for day in ("0001-01-01", "9999-12-31"):
        mine = {**line("BOOK", "amalia", "aps-matin", 14), "date": day}
        assert answers(await submits(carteville, mine, key=day)) == [("BOOK", "REFUSED", None, "CLOSED")]
        found = await carteville.of_child("amalia", f'day(date: "{day}") {{ state reason }}')
        assert found["day"][0] == {"state": "CLOSED", "reason": "Hors de la période de l’activité"}
    assert answers(await submits(carteville, line("BOOK", "amalia", "aps-matin", 14))) == [("BOOK", "ACCEPTED", None, None)]


async def test_s21_in_debt_nothing_is_booked_but_cancelling_stays_allowed(carteville: Screens) -> None:
    await carteville.has_booked("amalia", "aps-matin", dt.date(2026, 9, 17))
    await carteville.owes("dupont")
    access = (await carteville.of_family("dupont", "bookingAccess { open refusal { code message } }"))["bookingAccess"]
    assert access["open"] is False
    assert access["refusal"]["code"] == "ACCOUNT_IN_DEBIT"
    assert (await submits(carteville, line("BOOK", "amalia", "aps-matin", 14)))["__typename"] == "AccountInDebit"
    mixed = await submits(carteville, line("BOOK", "amalia", "aps-matin", 14), line("CANCEL", "amalia", "aps-matin", 17))
    assert answers(mixed) == [("BOOK", "REFUSED", None, "ACCOUNT_IN_DEBIT"), ("CANCEL", "CANCELLED", None, None)]
    await carteville.owes("dupont", in_debit=False)
    assert (await carteville.of_family("dupont", "bookingAccess { open refusal { code } }"))["bookingAccess"] == {
        "open": True,
        "refusal": None,
    }


async def test_without_the_waiting_list_a_line_without_a_place_is_refused(carteville: Screens) -> None:
    await carteville.has_booked("zoe", "cantine", dt.date(2026, 9, 14), family="durand")
    request = await submits(carteville, line("BOOK", "amalia", "cantine", 14), acceptWaitingList=False)
    assert answers(request) == [("BOOK", "REFUSED", None, "FULL")]


async def test_s36_a_family_leaves_the_list_or_gives_a_place_back_with_one_word(carteville: Screens) -> None:
    await carteville.has_booked("zoe", "cantine", dt.date(2026, 9, 14), family="durand")
    waiting = (await submits(carteville, line("BOOK", "amalia", "cantine", 14)))["movements"][0]["booking"]
    theirs = (await carteville.of_child("zoe", 'day(date: "2026-09-14") { booking { id } }', DURAND))["day"][0]["booking"]["id"]
    stranger = (await carteville.asks(CANCEL, variables={"booking": theirs}))["cancelBooking"]
    assert stranger == {"__typename": "UnknownBooking", "code": "UNKNOWN_BOOKING", "message": "Aucune réservation à annuler"}
    given_back = (await carteville.asks(CANCEL, DURAND, variables={"booking": theirs}))["cancelBooking"]
    assert (given_back["__typename"], given_back["status"]) == ("Booking", "CANCELLED")
    found = (await carteville.asks(entities("Booking", waiting["id"], "status rank reason")))["_entities"][0]
    assert found == {"status": "ACCEPTED", "rank": None, "reason": None}
    for unknown in ("nothing", waiting["id"] + "x"):
        assert (await carteville.asks(CANCEL, variables={"booking": unknown}))["cancelBooking"]["__typename"] == "UnknownBooking"


async def test_s34_a_place_that_the_child_waits_for_already_is_not_said_to_be_booked(carteville: Screens) -> None:
    await carteville.has_booked("zoe", "cantine", dt.date(2026, 9, 14), family="durand")
    wanted = [line("BOOK", "amalia", "cantine", 14), line("BOOK", "amalia", "aps-matin", 14)]
    first = await submits(carteville, *wanted)
    again = await submits(carteville, *wanted, key="2")
    waits, booked = "Déjà en liste d’attente, au rang 1", "Déjà réservée"
    assert [one["refusal"]["message"] for one in again["movements"]] == [waits, booked]
    assert [one["refusal"]["code"] for one in again["movements"]] == ["ALREADY_BOOKED", "ALREADY_BOOKED"]
    followed = "bookings(status: [REFUSED]) { nodes { reason } }"
    assert (await carteville.of_family("dupont", followed))["bookings"]["nodes"] == [{"reason": waits}, {"reason": booked}]
    for one in first["movements"]:
        await carteville.asks(CANCEL, variables={"booking": one["booking"]["id"]})
    reasons = [one["reason"] for one in (await carteville.of_family("dupont", followed))["bookings"]["nodes"]]
    assert reasons == ["Déjà réservée ou demandée"] * 2, "neither stands any more"


async def test_s31_s33_recaps_and_copies_say_that_the_child_waits_there_already(carteville: Screens) -> None:
    await carteville.has_booked("zoe", "cantine", dt.date(2026, 9, 14), family="durand")
    await submits(carteville, line("BOOK", "amalia", "cantine", 14))
    waits = {"code": "ALREADY_BOOKED", "message": "Déjà en liste d’attente, au rang 1"}
    asked = {"code": "ALREADY_BOOKED", "message": "Déjà réservée ou demandée"}
    lines = [line("BOOK", "amalia", "cantine", 14), line("BOOK", "amalia", "cantine", 15), line("BOOK", "amalia", "cantine", 15)]
    preview = await carteville.asks(PREVIEW, variables={"family": "dupont", "lines": lines})
    assert [one["refusal"] for one in preview["previewBookings"]["bookings"]] == [waits, None, asked]
    draft = [line("BOOK", "amalia", "aps-matin", 14), line("BOOK", "amalia", "aps-matin", 15), line("BOOK", "amalia", "cantine", 15)]
    copied = await copies(carteville, ("amalia", "aps-matin"), ("amalia", "cantine"), draft=draft)
    assert copied["skipped"] == [{"date": "2026-09-14", **waits}, {"date": "2026-09-15", **asked}]


async def test_cancelling_too_late_is_refused(carteville: Screens) -> None:
    tomorrow = replace(APS_MATIN, id="soon", booking_deadline=None, cancellation_deadline=replace(APS_MATIN.booking_deadline, days=9))
    await carteville.opens(tomorrow)
    await carteville.has_booked("amalia", "soon", dt.date(2026, 9, 10))
    booking = (await carteville.of_family("dupont", 'bookings(activity: "soon") { nodes { id } }'))["bookings"]["nodes"][0]["id"]
    late = (await carteville.asks(CANCEL, variables={"booking": booking}))["cancelBooking"]
    assert late == {"__typename": "TooLateToCancel", "code": "TOO_LATE_TO_CANCEL", "message": "Hors délai pour annuler"}


async def test_ranks_are_counted_from_one_without_holes(carteville: Screens) -> None:
    await carteville.opens(replace(CANTINE, waiting_list=5))
    await carteville.has_booked("zoe", "cantine", dt.date(2026, 9, 14), family="durand")
    both = await submits(carteville, line("BOOK", "amalia", "cantine", 14), line("BOOK", "paolo", "cantine", 14))
    assert [one["booking"]["rank"] for one in both["movements"]] == [1, 2]
    await carteville.asks(CANCEL, variables={"booking": both["movements"][0]["booking"]["id"]})
    second = both["movements"][1]["booking"]["id"]
    assert (await carteville.asks(entities("Booking", second, "rank")))["_entities"] == [{"rank": 1}]


# ----------------------------------------------------------------------------------------------------------- following
async def test_s35_bookings_are_followed_page_by_page_and_filtered(carteville: Screens) -> None:
    await carteville.has_booked("amalia", "aps-matin", *(dt.date(2026, 9, day) for day in (21, 14, 15)))
    await carteville.has_booked("paolo", "aps-matin", dt.date(2026, 9, 14))
    await submits(carteville, line("BOOK", "amalia", "aps-matin", 16), line("CANCEL", "amalia", "cantine", 14))
    page = "nodes { date child { id } status } endCursor hasNextPage totalCount"
    first = (await carteville.of_family("dupont", f"bookings(first: 3) {{ {page} }}"))["bookings"]
    assert [(one["date"][-2:], one["child"]["id"]) for one in first["nodes"]] == [("14", "amalia"), ("14", "paolo"), ("15", "amalia")]
    assert (first["hasNextPage"], first["totalCount"]) == (True, 5)  # the cancellation of nothing is nobody's booking
    after = f'bookings(first: 3, after: "{first["endCursor"]}") {{ {page} }}'
    second = (await carteville.of_family("dupont", after))["bookings"]
    assert [(one["date"][-2:], one["status"]) for one in second["nodes"]] == [("16", "REFUSED"), ("21", "ACCEPTED")]
    assert second["hasNextPage"] is False
    for filtered, count in (
        ('from: "2026-09-15", to: "2026-09-16"', 2),
        ('child: "paolo"', 1),
        ('activity: "cantine"', 0),
        ("status: [REFUSED, EXPIRED]", 1),
        ("status: []", 0),
    ):
        found = (await carteville.of_family("dupont", f"bookings({filtered}) {{ nodes {{ id }} totalCount }}"))["bookings"]
        assert (len(found["nodes"]), found["totalCount"]) == (count, count), filtered


async def test_s35_a_page_of_none_says_truly_whether_more_follows_and_where_it_goes_on(carteville: Screens) -> None:
    """As Relay's connections have it: `first: 0` is no mistake; its cursor is that after which all of the rest comes."""
    for day in (14, 15):
        await submits(carteville, line("BOOK", "amalia", "aps-matin", day), key=str(day))
    page = "nodes { id } endCursor hasNextPage totalCount"
    for field in ("bookings", "requests"):
        none = (await carteville.of_family("dupont", f"{field}(first: 0) {{ {page} }}"))[field]
        assert (none["nodes"], none["hasNextPage"], none["totalCount"]) == ([], True, 2)
        rest = (await carteville.of_family("dupont", f'{field}(after: "{none["endCursor"]}") {{ {page} }}'))[field]
        assert (len(rest["nodes"]), rest["hasNextPage"]) == (2, False)
        one = (await carteville.of_family("dupont", f"{field}(first: 1) {{ {page} }}"))[field]["endCursor"]
        still = (await carteville.of_family("dupont", f'{field}(first: 0, after: "{one}") {{ {page} }}'))[field]
        assert (still["endCursor"], still["hasNextPage"]) == (one, True)
        over = (await carteville.of_family("dupont", f'{field}(first: 0, after: "{rest["endCursor"]}") {{ {page} }}'))[field]
        assert (over["endCursor"], over["hasNextPage"]) == (None, False)


async def test_s35_requests_are_followed_newest_first(carteville: Screens) -> None:
    ids = [(await submits(carteville, line("BOOK", "amalia", "aps-matin", day), key=str(day)))["id"] for day in (14, 15, 17)]
    page = "nodes { id decided movements { booking { date } } } endCursor hasNextPage totalCount"
    first = (await carteville.of_family("dupont", f"requests(first: 2) {{ {page} }}"))["requests"]
    assert [one["id"] for one in first["nodes"]] == ids[:0:-1]
    assert (first["hasNextPage"], first["totalCount"]) == (True, 3)
    after = (await carteville.of_family("dupont", f'requests(after: "{first["endCursor"]}") {{ {page} }}'))["requests"]
    assert [one["id"] for one in after["nodes"]] == ids[:1]
    assert after["nodes"][0]["movements"] == [{"booking": {"date": "2026-09-14"}}]


async def test_a_request_is_its_familys_and_the_agents(carteville: Screens) -> None:
    id_ = (await submits(carteville, line("BOOK", "amalia", "aps-matin", 14)))["id"]
    query = f'{{ request(id: "{id_}") {{ number movements {{ booking {{ status }} }} }} }}'
    theirs = {"request": {"number": "000001", "movements": [{"booking": {"status": "ACCEPTED"}}]}}
    assert await carteville.asks(query) == await carteville.asks(query, AGENT) == theirs
    for stranger in (DURAND, OTHER_AGENT):
        assert await carteville.asks(query, stranger) == {"request": None}
        assert (await carteville.asks(entities("Request", id_, "number"), stranger))["_entities"] == [None]
    assert await carteville.asks('{ request(id: "nothing") { id } }') == {"request": None}


async def test_nobody_follows_another_family(carteville: Screens) -> None:
    for fields in ("bookingAccess { open }", "bookings { totalCount }", "requests { totalCount }"):
        for family in ("durand", "nobody"):
            assert await carteville.is_refused(entities("Family", family, fields)) == "FORBIDDEN"
        assert await carteville.is_refused(entities("Family", "dupont", fields), OTHER_AGENT) == "FORBIDDEN"
        assert await carteville.asks(entities("Family", "dupont", fields), AGENT)
    # Another family's child or activity filters everything out: it is no way to learn what exists.
    assert (await carteville.of_family("dupont", 'bookings(child: "zoe") { totalCount }'))["bookings"] == {"totalCount": 0}


NONSENSE = base64.b64encode(b"a|b|c").decode()
TOO_LARGE = base64.b64encode(b"9" * 30).decode()


@pytest.mark.parametrize("arguments", ['after: "x"', f'after: "{NONSENSE}"', f'after: "{TOO_LARGE}"', "first: -1", "first: 501"])
async def test_pages_are_asked_for_properly(carteville: Screens, arguments: str) -> None:
    for field in ("bookings", "requests"):
        query = entities("Family", "dupont", f"{field}({arguments}) {{ totalCount }}")
        assert await carteville.is_refused(query) == "BAD_USER_INPUT"


async def test_s35_a_request_is_followed_until_every_line_has_its_answer(carteville: Screens) -> None:
    """MULTI is decided by a scheduled run."""
    decided = await submits(carteville, line("BOOK", "amalia", "cantine", 14), key="1")
    waits = await submits(carteville, line("BOOK", "amalia", "cantine", 15), line("BOOK", "amalia", "multi", 15, "08:00", "17:00"), key="2")
    assert (decided["decided"], waits["decided"]) == (True, False)
    query = "query($request: ID!) { requestDecidedWatch(request: $request) { account structure topics due last } }"
    for request, due in ((decided, True), (waits, False)):
        told = (await carteville.asks(query, variables={"request": request["id"]}))["requestDecidedWatch"]
        topics = [f"request/{request['id']}"]
        assert told == {"account": "dupont", "structure": "carteville", "topics": topics, "due": due, "last": True}
        now = await carteville.asks("query($id: ID!) { requestDecided(request: $id) { number } }", variables={"id": request["id"]})
        assert now == {"requestDecided": {"number": request["number"]}}


async def test_nobody_follows_anothers_request(carteville: Screens) -> None:
    request = (await submits(carteville, line("BOOK", "amalia", "cantine", 14)))["id"]
    for asked in ("requestDecided(request: $id) { id }", "requestDecidedWatch(request: $id) { topics }"):
        query = f"query($id: ID!) {{ {asked} }}"
        for caller, code in ((DURAND, "FORBIDDEN"), (OTHER_AGENT, "FORBIDDEN"), (None, "UNAUTHENTICATED")):
            assert await carteville.is_refused(query, caller, id=request) == code
            assert await carteville.is_refused(query, caller, id="nothing") == code
        assert await carteville.asks(query, AGENT, variables={"id": request})


async def test_s26_hours_of_a_place_that_a_run_gave_are_not_to_be_changed(screens: Screens) -> None:
    """Given back, it would go to whoever waits; the other wish would wait for the next run."""
    day = dt.date(2026, 9, 14)
    await screens.opens(replace(MULTI, booking_deadline=DaysBefore(7, "12:00"), cancellation_deadline=HoursBefore(48)))
    await screens.household("dupont", "amalia")
    await screens.enrolls("amalia", "multi")
    await screens.has_booked("amalia", "multi", day)
    fields = "bookings { nodes { status cancellable hoursChangeable } }"
    told = await screens.of_family("dupont", fields, now=dt.datetime(2026, 9, 1, 6, tzinfo=dt.UTC))
    assert told["bookings"]["nodes"] == [{"status": "ACCEPTED", "cancellable": True, "hoursChangeable": False}]


async def test_s26_hours_can_be_changed_as_long_as_a_booking_can_be_given_back_and_made_again(screens: Screens) -> None:
    """As the change itself would be refused: until the first of both deadlines, by a family that is not in debt, of a child that is enrolled."""
    day = dt.date(2026, 9, 14)
    nursery = replace(MULTI, allocation=Immediate(), booking_deadline=DaysBefore(7, "12:00"), cancellation_deadline=HoursBefore(48))
    await screens.opens(nursery, APS_MATIN)
    await screens.household("dupont", "amalia")
    await screens.enrolls("amalia", "multi", "aps-matin")
    await screens.has_booked("amalia", "multi", day)
    await screens.has_booked("amalia", "aps-matin", day)

    async def told(at: dt.datetime) -> list[tuple[bool, bool]]:
        fields = "bookings { nodes { cancellable hoursChangeable activity { id } } }"
        nodes = (await screens.of_family("dupont", fields, now=at))["bookings"]["nodes"]
        ordered = sorted(nodes, key=lambda one: one["activity"]["id"])
        return [(one["cancellable"], one["hoursChangeable"]) for one in ordered]

    in_time, late, too_late = (dt.datetime(2026, 9, at, 6, tzinfo=dt.UTC) for at in (1, 9, 13))
    assert await told(in_time) == [(True, False), (True, True)], "hours that the activity has are nobody's to change"
    assert await told(late) == [(True, False), (True, False)]
    assert await told(too_late) == [(True, False), (False, False)]
    await screens.owes("dupont")
    assert await told(in_time) == [(True, False), (True, False)]
    await screens.owes("dupont", in_debit=False)
    await screens.enrolls("amalia", "multi", until=day - dt.timedelta(days=1))
    assert await told(in_time) == [(True, False), (True, False)]
