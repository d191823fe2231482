"""Families ask one question; identity, booking and billing are each asked their part of it, once."""

import asyncio
import time

import pytest

from gateway.engine import Engine
from gateway.waiting import MUTATION_SECONDS, QUERY_SECONDS
from tests.gateway.fakes import SUPERGRAPH, Gateway, Town

HOME = """
query Home($month: YearMonth!, $calendar: Boolean! = true) {
  me {
    first: firstName
    families {
      id
      number
      balance { newBalanceCents }
      children { firstName ...Days }
    }
  }
}
fragment Days on Child { calendar(month: $month) @include(if: $calendar) { days { date state booking { id } } } }
"""


async def test_the_home_page_takes_one_request_to_each_service_and_children_are_asked_for_together(
    entrance: Gateway, carteville: Town
) -> None:
    data = await entrance.data(HOME, {"month": "2026-11"})

    assert sorted(carteville.asked()) == ["billing", "booking", "identity"]
    assert carteville.of("booking").representations == [{"__typename": "Child", "id": "amalia"}, {"__typename": "Child", "id": "paolo"}]
    assert carteville.of("booking").variables["month"] == "2026-11"
    assert carteville.of("billing").representations == [{"__typename": "Family", "id": "dupont"}]
    (family,) = data["me"]["families"]
    assert list(data["me"]) == ["first", "families"]
    assert family["balance"] == {"newBalanceCents": -52_55}
    assert family["children"][1] == {
        "firstName": "Paolo",
        "calendar": {
            "days": [
                {"date": "2026-11-23", "state": "BOOKED", "booking": {"id": "b23"}},
                {"date": "2026-11-24", "state": "BOOKED", "booking": {"id": "b24"}},
            ]
        },
    }


async def test_what_is_left_out_by_a_condition_is_not_asked_for(entrance: Gateway, carteville: Town) -> None:
    data = await entrance.data(HOME, {"month": "2026-11", "calendar": False})

    assert sorted(carteville.asked()) == ["billing", "identity"]
    assert data["me"]["families"][0]["children"] == [{"firstName": "Amalia"}, {"firstName": "Paolo"}]


async def test_the_answer_of_a_submission_is_joined_with_prices_and_first_names(entrance: Gateway, carteville: Town) -> None:
    data = await entrance.data(
        """
        mutation ($input: SubmitInput!) {
          submitBookings(input: $input) {
            ... on Request { movements { booking { priceCents status rank child { firstName } activity { name } } refusal { code } } }
            ... on Refusal { code message }
          }
        }
        """,
        {"input": {"family": "dupont", "idempotencyKey": "k", "lines": []}},
    )

    assert carteville.asked()[0] == "booking"
    assert sorted(carteville.asked()) == ["billing", "booking", "identity"]
    # Two bookings of Amalia, one of Paolo: each child is asked for once.
    assert [each["id"] for each in carteville.of("identity").representations] == ["amalia", "paolo"]
    assert data["submitBookings"]["movements"] == [
        {
            "booking": {
                "priceCents": price,
                "status": "ACCEPTED",
                "rank": None,
                "child": {"firstName": name},
                "activity": {"name": "APS MATIN"},
            },
            "refusal": None,
        }
        for price, name in ((1_23, "Amalia"), (1_24, "Amalia"), (1_24, "Paolo"))
    ]


async def test_a_preview_line_is_priced_by_its_whole_key(entrance: Gateway, carteville: Town) -> None:
    data = await entrance.data(
        """
        query ($lines: [BookingLineInput!]!) {
          previewBookings(family: "dupont", lines: $lines) { ... on Preview { bookings { date child { firstName } priceCents } } }
        }
        """,
        {"lines": [{"change": "BOOK", "child": "amalia", "activity": "aps-matin", "date": "2026-11-23"}]},
    )

    assert carteville.of("billing").representations[0] == {
        "__typename": "PreviewLine",
        "change": "BOOK",
        "child": {"id": "amalia"},
        "activity": {"id": "aps-matin"},
        "date": "2026-11-23",
        "arrival": "07:30",
        "departure": "08:45",
    }
    assert data["previewBookings"]["bookings"] == [
        {"date": "2026-11-23", "child": {"firstName": "Amalia"}, "priceCents": 1_31},
        {"date": "2026-11-24", "child": {"firstName": "Paolo"}, "priceCents": 3_79},
    ]


async def test_a_refusal_is_read_through_its_interface(entrance: Gateway, carteville: Town) -> None:
    data = await entrance.data(
        'mutation { cancelBooking(booking: "b1") { __typename ... on Refusal { code message } ... on Booking { priceCents } } }'
    )

    assert carteville.asked() == ["booking"]
    assert data["cancelBooking"] == {"__typename": "TooLateToCancel", "code": "TOO_LATE_TO_CANCEL", "message": "Trop tard."}
    assert "...on Refusal{code message}" in carteville.of("booking").query


async def test_a_refusal_below_an_interface_field_says_its_own_type(entrance: Gateway) -> None:
    data = await entrance.data(
        "{ me { families { bookingAccess { open refusal { __typename code ... on AccountInDebit { message } } } } } }"
    )

    assert data["me"]["families"][0]["bookingAccess"] == {
        "open": False,
        "refusal": {"__typename": "AccountInDebit", "code": "ACCOUNT_IN_DEBIT", "message": "Votre compte est débiteur."},
    }


async def test_mutations_run_one_after_another_each_joined_before_the_next(entrance: Gateway, carteville: Town) -> None:
    await entrance.data(
        """
        mutation ($input: SubmitInput!) {
          submitBookings(input: $input) { ... on Request { movements { booking { priceCents } } } }
          signOut
          cancelBooking(booking: "b1") { __typename }
        }
        """,
        {"input": {"family": "dupont", "idempotencyKey": "k", "lines": []}},
    )

    assert carteville.asked() == ["booking", "billing", "identity", "booking"]


async def test_mutations_are_never_sent_twice_but_the_joins_after_them_may_be(entrance: Gateway, carteville: Town) -> None:
    await entrance.data(
        "mutation ($input: SubmitInput!) { submitBookings(input: $input) { ... on Request { movements { booking { priceCents } } } } }",
        {"input": {"family": "dupont", "idempotencyKey": "k", "lines": []}},
    )

    assert [(call.service, call.again) for call in carteville.calls] == [("booking", False), ("billing", True)]
    # The allocator may take its 5 s; a look-up may not take longer than that.
    assert [call.seconds for call in carteville.calls] == [MUTATION_SECONDS, QUERY_SECONDS] == [15, 5]


async def test_one_field_under_two_names_with_other_arguments_is_two_fields(entrance: Gateway, carteville: Town) -> None:
    data = await entrance.data(
        '{ me { families { children { a: calendar(month: "2026-11") { month } b: calendar(month: "2026-12") { month } } } } }'
    )

    assert data["me"]["families"][0]["children"][0] == {"a": {"month": "2026-11"}, "b": {"month": "2026-12"}}
    assert sorted(carteville.asked()) == ["booking", "identity"]


async def test_a_name_that_the_gateway_needs_for_a_key_may_be_the_clients(entrance: Gateway) -> None:
    data = await entrance.data("{ me { families { id: number balance { newBalanceCents } } } }")

    assert data["me"]["families"] == [{"id": "003150", "balance": {"newBalanceCents": -52_55}}]


async def test_nobody_signed_in_is_null_and_nobody_else_is_asked(entrance: Gateway, carteville: Town) -> None:
    carteville.subgraphs["identity"].roots["me"] = None

    assert await entrance.data("{ me { families { balance { newBalanceCents } } } }") == {"me": None}
    assert carteville.asked() == ["identity"]


async def test_introspection_is_answered_by_the_gateway_beside_other_fields(entrance: Gateway, carteville: Town) -> None:
    data = await entrance.data("query ($t: String!) { __typename __type(name: $t) { kind fields { name } } me { login } }", {"t": "Wallet"})

    assert data == {
        "__typename": "Query",
        "__type": {"kind": "OBJECT", "fields": [{"name": "id"}, {"name": "name"}]},
        "me": {"login": "dupont"},
    }
    assert carteville.asked() == ["identity"]


async def test_a_document_is_planned_once_per_set_of_conditions(entrance: Gateway) -> None:
    operation = entrance.documents.operation(HOME, None)

    assert entrance.documents.operation(HOME, "Home") is not operation  # another key, the same thing
    first = entrance.documents.plan(operation, {"month": "2026-11"})
    assert entrance.documents.plan(operation, {"month": "2026-12", "calendar": True}) is first
    assert entrance.documents.plan(operation, {"month": "2026-11", "calendar": False}) is not first


async def test_what_joins_a_sign_in_is_asked_with_the_token_that_it_gave(entrance: Gateway, carteville: Town) -> None:
    came_with = b"Authorization: Bearer somebody-else\r\nAccept-Language: fr\r\n"
    named = """mutation { in: signIn(login: "dupont", password: "x") { ... on SignedIn {
      accessToken: refreshToken account { families { balance { newBalanceCents } children { calendar(month: "2026-11") { month } } } } } } }"""
    carteville.subgraphs["identity"].roots["signIn"] |= {"refreshToken": "r"}

    answer = await entrance.ask(named, headers=came_with)

    assert answer.errors == []
    assert answer.data is not None
    assert answer.data["in"]["accessToken"] == "r"
    assert answer.data["in"]["account"]["families"][0]["balance"] == {"newBalanceCents": -52_55}
    assert carteville.of("identity").headers == came_with.decode()
    for joined in ("billing", "booking"):
        assert carteville.of(joined).headers == "Authorization: Bearer t\r\nAccept-Language: fr\r\n"


async def test_nobody_is_asked_more_for_whoever_was_not_let_in(entrance: Gateway, carteville: Town) -> None:
    no = {"__typename": "InvalidCredentials", "code": "INVALID_CREDENTIALS", "message": "Non."}
    carteville.subgraphs["identity"].roots["signIn"] = no
    document = """mutation { signIn(login: "dupont", password: "x") {
      ... on SignedIn { account { families { balance { inDebit } } } } ... on Refusal { code } } }"""

    assert await entrance.data(document) == {"signIn": {"code": "INVALID_CREDENTIALS"}}
    assert carteville.asked() == ["identity"]


async def test_a_client_may_call_a_variable_as_the_gateway_calls_its_own(entrance: Gateway, carteville: Town) -> None:
    data = await entrance.data(
        "query ($representations: YearMonth!) { me { families { children { calendar(month: $representations) { month } } } } }",
        {"representations": "2026-11"},
    )

    assert data["me"]["families"][0]["children"][0] == {"calendar": {"month": "2026-11"}}


async def test_equal_inputs_written_in_another_order_are_one_field(entrance: Gateway) -> None:
    line = ('change: BOOK, child: "amalia"', 'activity: "aps-matin", date: "2026-11-23"')
    asked = [
        f'previewBookings(family: "dupont", lines: [{{{a}, {b}}}]) {{ ... on Preview {{ {field} }} }}'
        for a, b, field in ((*line, "bookings { date }"), (*reversed(line), "cancellations { date }"))
    ]

    data = await entrance.data(f"{{ {' '.join(asked)} }}")

    assert list(data["previewBookings"]) == ["bookings", "cancellations"]


async def test_a_row_of_mutations_whose_first_service_is_away_ends_at_once(entrance: Gateway, carteville: Town) -> None:
    carteville.down = {"identity"}
    row = " ".join(f'a{n}: signOut b{n}: cancelBooking(booking: "b1") {{ __typename }}' for n in range(13))
    begun = time.process_time()

    answer = await entrance.ask(f"mutation {{ {row} }}")

    # There are 17 million ways from the first to the last of 26.
    assert time.process_time() - begun < 1
    assert answer.data is None  # signOut is non-null
    assert [call.service for call in carteville.calls] == ["identity", "booking"] * 13


async def test_who_stops_waiting_is_waited_for_by_no_request(entrance: Gateway, carteville: Town) -> None:
    """Also by those that go on beside the first."""
    asked = asyncio.Event()
    under_way: list[str] = []

    async def never(service: str, body: bytes, headers: bytes, *, seconds: float, again: bool) -> bytes:
        if service == "identity":
            return await carteville(service, body, headers, seconds=seconds, again=again)
        try:
            under_way.append(service)
            if len(under_way) == 2:
                asked.set()
            await asyncio.Event().wait()
        finally:
            under_way.remove(service)
        return b""

    engine = Engine(SUPERGRAPH.api, never)
    plan = entrance.documents.plan(entrance.documents.operation(HOME, None), {"month": "2026-11"})
    running = asyncio.create_task(engine.run(plan, {"month": "2026-11"}))
    await asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.sleep(0)

    assert under_way == []
