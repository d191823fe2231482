"""S35: pages of every size give the filtered list exactly, each booking once, also while others are being made."""

import base64
import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import insert

from services.booking.queries import Wanted, bookings_page
from services.booking.status import BookingStatus
from services.booking.tables import Booking, core, run
from tests.booking.screens import NOW, Screens, entities, screens
from tests.booking.test_activity import APS_MATIN, MULTI

__all__ = ["screens"]

CHILDREN, ACTIVITIES = ("amalia", "paolo"), ("aps-matin", "multi")
FIRST = dt.date(2026, 9, 1)


@dataclass
class FollowUp:
    """A family's bookings at random, beside another family's, and what the rules say of them."""

    town: Screens
    random: random.Random
    rows: list[dict[str, Any]] = field(default_factory=list)

    async def adds(self, count: int) -> None:
        new = [self._row(len(self.rows) + number) for number in range(count)]
        async with self.town.running.database.transaction() as session:
            await run(session, insert(core(Booking)), new)
        self.rows += new

    def _row(self, number: int) -> dict[str, Any]:
        one = self.random
        # Neither the order of dates nor that of places in the queue is the order in which rows are written.
        return {
            "id": f"b{number}",
            "number": f"{number}",
            "line": 0,
            "family": one.choice(("dupont", "dupont", "dupont", "durand")),
            "child": one.choice(CHILDREN),
            "activity": one.choice(ACTIVITIES),
            "structure": "carteville",
            "date": FIRST + dt.timedelta(days=one.randrange(6)),
            "arrival": "07:30",
            "departure": "08:45",
            "status": one.choice((BookingStatus.REFUSED, BookingStatus.CANCELLED, BookingStatus.EXPIRED)),
            "code": one.choice((None, "FULL", "UNKNOWN_BOOKING")),
            "position": one.randrange(10**9) * 10_000 + number,
            "requested_at": NOW,
            "decided_at": NOW,
            "version": 1,
        }

    def expected(self, so: Callable[[dict[str, Any]], bool]) -> list[str]:
        mine = [row for row in self.rows if row["family"] == "dupont" and row["code"] != "UNKNOWN_BOOKING" and so(row)]
        return [row["id"] for row in sorted(mine, key=lambda row: (row["date"], row["position"]))]

    async def page(self, filters: str, size: int, after: str | None) -> dict[str, Any]:
        cursor = "" if after is None else f', after: "{after}"'
        fields = f"bookings(first: {size}{cursor}{filters}) {{ nodes {{ id }} endCursor hasNextPage totalCount }}"
        found: dict[str, Any] = (await self.town.of_family("dupont", fields))["bookings"]
        return found

    async def walk(self, filters: str, size: int, *, meanwhile: int = 0) -> tuple[list[str], set[int]]:
        """What all pages show, and the totals they told. `meanwhile`: so many bookings are added after each page."""
        seen: list[str] = []
        totals: set[int] = set()
        after, more = None, True
        while more:
            page = await self.page(filters, size, after)
            assert 0 < len(page["nodes"]) <= size or not page["hasNextPage"]
            seen += [node["id"] for node in page["nodes"]]
            totals.add(page["totalCount"])
            after, more = page["endCursor"] or after, page["hasNextPage"]
            if meanwhile and len(self.rows) < 130:
                await self.adds(meanwhile)
        return seen, totals


FILTERS: list[tuple[str, Callable[[dict[str, Any]], bool]]] = [
    ("", lambda row: True),
    (', from: "2026-09-03"', lambda row: row["date"] >= dt.date(2026, 9, 3)),
    (', from: "2026-09-02", to: "2026-09-04"', lambda row: dt.date(2026, 9, 2) <= row["date"] <= dt.date(2026, 9, 4)),
    (', from: "2026-09-04", to: "2026-09-02"', lambda row: False),
    (', child: "paolo", status: [REFUSED, EXPIRED]', lambda row: row["child"] == "paolo" and row["status"] != BookingStatus.CANCELLED),
    (', activity: "multi", child: "amalia"', lambda row: row["activity"] == "multi" and row["child"] == "amalia"),
    (", status: []", lambda row: False),
]


@pytest.fixture
async def follow_up(screens: Screens) -> FollowUp:
    await screens.opens(APS_MATIN, MULTI)
    await screens.household("dupont", *CHILDREN)
    made = FollowUp(screens, random.Random(35))
    await made.adds(40)
    return made


async def test_s35_pages_of_every_size_give_exactly_the_filtered_list_and_its_total(follow_up: FollowUp) -> None:
    assert len(follow_up.expected(lambda row: True)) > 15
    for filters, so in FILTERS:
        wanted = follow_up.expected(so)
        for size in {3, max(1, len(wanted))} if filters else (1, 3, 7, len(wanted) - 1, len(wanted), len(wanted) + 1, 500):
            assert await follow_up.walk(filters, size) == (wanted, {len(wanted)}), (filters, size)


async def test_s35_bookings_added_between_pages_make_none_come_twice_and_none_be_missed(follow_up: FollowUp) -> None:
    for filters, so in FILTERS:
        for size in (2,) if filters else (2, 7):
            before, known = follow_up.expected(so), {row["id"] for row in follow_up.rows}
            seen, _ = await follow_up.walk(filters, size, meanwhile=2)
            assert len(seen) == len(set(seen)), (filters, size)
            assert [id_ for id_ in seen if id_ in known] == before, (filters, size)
            assert set(seen) <= set(follow_up.expected(so)), (filters, size)


async def test_the_control_pages_by_their_number_would_show_some_twice(follow_up: FollowUp) -> None:
    """With the same additions, counting from the first booking instead of going on after the last one seen."""
    seen: list[str] = []
    while len(seen) < 20:
        async with follow_up.town.running.database.reading() as session:
            rows = await bookings_page(session, Wanted("dupont"), None, len(seen) + 3)
        seen += [row.id for row in rows[len(seen) :]]
        await follow_up.adds(5)
    assert len(seen) > len(set(seen))


def encoded(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode()


NOT_OURS = (
    b"", b"2026-09-14", b"|1", b"2026-13-01|1", b"2026-09-14|1|2", b"\xff|1", b"2026-09-14|", b"2026-09-14|1.5",
    b"2026-09-14|" + b"9" * 19, b"2026-09-14|0x1", b"1' OR 1=1|1", b"\0|1",
)  # fmt: skip


async def test_s35_a_cursor_that_we_did_not_give_is_refused(screens: Screens) -> None:
    await screens.household("dupont", *CHILDREN)
    for cursor in ("é", "=", *(base64.urlsafe_b64encode(text).decode() for text in NOT_OURS)):
        for name in ("bookings", "requests"):
            query = entities("Family", "dupont", f'{name}(after: "{cursor}") {{ totalCount }}')
            assert await screens.is_refused(query) == "BAD_USER_INPUT", (name, cursor)
