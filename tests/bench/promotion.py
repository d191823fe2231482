"""200 places are given back while others wait for them: how long until each family in line has its place, and its mail.

From the moment when the cancelling family sends its click; at the gateway as the family in line sees it, and in the town's mailbox.
"""

import asyncio
import hashlib
import itertools
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.mailer.tables import MailKind
from tests.bench.rush import Order, rush
from tests.bench.stage import Stage, percentiles, say
from tests.flows.town import activity, next_days

PER_SECOND = 20  #: Whether or not those before are through.
LOOK_SECONDS = 0.05  #: Each family in line looks so often: more often, they would be all the work there is.
ACTIVITIES = [f"atelier-{n}" for n in range(10)]
PAIRS = 20  #: Families who cancel, and as many who wait: each pair has its day.
PATIENCE_SECONDS = 20.0
STANDING = """query($day: Date!) { me { families { bookings(from: $day, to: $day, status: [ACCEPTED, WAITLISTED], first: 50) {
  nodes { id status activity { id } } } } } }"""
CANCEL = """mutation($booking: ID!) { cancelBooking(booking: $booking) { ... on Booking { status } ... on Refusal { code } } }"""
MESSAGE_ID = re.compile(rb"^Message-ID: <([0-9a-f]{32})@", re.MULTILINE)


def activities() -> list[dict[str, Any]]:
    return [activity(name, capacity=1, waiting_list=5) for name in ACTIVITIES]


@dataclass(slots=True)
class Place:
    """One that is given back, and who waits for it."""

    holder: str
    waiter: str
    day: str
    held: str  #: Booking ids.
    waited: str
    cancelled_at: float = 0.0  #: Unix seconds.
    seen_at: float | None = None

    @property
    def mail(self) -> str:
        """The id of the mail that tells of it."""
        return hashlib.sha256(f"{MailKind.PLACE_GIVEN}:{self.waited}".encode()).hexdigest()[:32]


async def standing(stage: Stage, family: str, day: str) -> dict[str, tuple[str, str]]:
    """Activity -> booking and status."""
    (found,) = (await stage.ask(family, STANDING, {"day": day}))["me"]["families"]
    return {node["activity"]["id"]: (node["id"], node["status"]) for node in found["bookings"]["nodes"]}


async def line_up(stage: Stage, holders: Sequence[str], waiters: Sequence[str]) -> list[Place]:
    days = [day.isoformat() for day in next_days(PAIRS)]
    for families in (holders, waiters):
        orders = [
            Order(
                family,
                "line-up",
                [{"change": "BOOK", "child": f"{family}-child", "activity": f"rush-{a}", "date": day} for a in ACTIVITIES],
            )
            for family, day in zip(families, days, strict=True)
        ]
        await rush(stage, orders)
    places = []
    for holder, waiter, day in zip(holders, waiters, days, strict=True):
        held, waited = await standing(stage, holder, day), await standing(stage, waiter, day)
        for name in (f"rush-{a}" for a in ACTIVITIES):
            assert (held[name][1], waited[name][1]) == ("ACCEPTED", "WAITLISTED")
            places.append(Place(holder, waiter, day, held[name][0], waited[name][0]))
    return places


async def give_back(stage: Stage, place: Place) -> None:
    place.cancelled_at = time.time()
    answer = await stage.ask(place.holder, CANCEL, {"booking": place.held})
    assert answer["cancelBooking"] == {"status": "CANCELLED"}, answer
    while time.time() < place.cancelled_at + PATIENCE_SECONDS:
        if (place.waited, "ACCEPTED") in (await standing(stage, place.waiter, place.day)).values():
            place.seen_at = time.time()
            return
        await asyncio.sleep(LOOK_SECONDS)


def arrivals(stage: Stage) -> dict[str, float]:
    """Mail -> when the town's mail server kept it, in Unix seconds: its file's name begins with that."""
    found = {}
    for path in (stage.folder / "mail").glob("*.eml"):
        match = MESSAGE_ID.search(path.read_bytes().replace(b"\r", b""))
        if match:
            found[match[1].decode()] = int(path.name[:20]) / 1e9
    return found


async def _delivered(stage: Stage, places: Sequence[Place]) -> dict[str, float]:
    """All mails, or those that came in time."""
    deadline = time.time() + PATIENCE_SECONDS
    while True:
        mails = arrivals(stage)
        if time.time() > deadline or all(place.mail in mails for place in places):
            return mails
        await asyncio.sleep(0.2)


async def measure(stage: Stage, families: Sequence[str]) -> dict[str, Any]:
    holders, waiters = families[:PAIRS], families[PAIRS : 2 * PAIRS]
    say("families stand in line ...")
    places = await line_up(stage, holders, waiters)
    say(f"{len(places)} places are given back ...")
    # In an order in which neighbours have nothing in common.
    mixed = list(itertools.chain.from_iterable(places[n :: len(ACTIVITIES)] for n in range(len(ACTIVITIES))))
    begun = time.time()

    async def in_time(n: int, place: Place) -> None:
        await asyncio.sleep(begun + n / PER_SECOND - time.time())
        await give_back(stage, place)

    await asyncio.gather(*(in_time(n, place) for n, place in enumerate(mixed)))
    seconds = time.time() - begun
    mails = await _delivered(stage, places)
    seen = [place.seen_at - place.cancelled_at for place in places if place.seen_at is not None]
    mailed = [mails[place.mail] - place.cancelled_at for place in places if place.mail in mails]
    return {
        "cancellations/s": round(len(places) / seconds),
        **percentiles(seen, "seen "),
        **percentiles(mailed, "mail "),
        "not seen": len(places) - len(seen),
        "not mailed": len(places) - len(mailed),
    }
