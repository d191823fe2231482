"""What every story needs: two processes that do things and may die of it, and after each step the comparison with paper.py."""

import datetime as dt
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test

from services.booking import counter
from services.booking.activity import ActivitySpec, DaysBefore, Scheduled
from services.booking.allocator import allocate
from services.booking.app import service
from services.booking.at_once import take_in_and_decide
from services.booking.draft import DraftChange
from services.booking.intake import Asked, take_in
from services.booking.order import ForFamily, Line, Order
from services.booking.tables import partition_of
from services.clock import Clock
from services.events import Event, FamilyChanged, StandingChanged
from services.listening import react
from services.refusal import Refused
from services.service import Running
from tests.booking.paper import ANNE, Ask, Giving, Paper, Sheet, Wish
from tests.booking.paper_days import Key, Offer
from tests.booking.paper_runs import POINTS
from tests.booking.town import CANTINE
from tests.booking.words import Moves, Owes
from tests.booking.world import BEGIN, TOWN, Death, Row, World, the_world

Fated = str | int | None  #: Where it dies.
REASON = "Accord de la directrice"
EXAMPLES = int(os.environ.get("PREAU_EXAMPLES", "0"))


class Story(RuleBasedStateMachine):
    papers: type[Paper] = Paper

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.paper = self.papers(BEGIN, lambda day: day.weekday() in (0, 1))
        self.requests: dict[str, Sheet] = {}
        self.bookings: dict[str, Wish] = {}
        self.asked: list[Ask] = []
        self.news: list[Event] = []
        self.versions: dict[str, int] = {}
        self.revisions: dict[Key, int] = {}
        self.keys = self.steps = 0
        self.died = False
        self.told_until = 0
        self.taken_along: set[int] = set()  #: Positions of news that nobody counts.
        (newest,) = world.rows("SELECT coalesce(max(position), 0) AS position FROM act")
        self.acts_until: int = newest["position"]
        world.run(world.begins_again())
        self._moment(BEGIN)

    # -------------------------------------------------------------------------------------------------- doing and dying
    def does(self, replica: int, fate: Fated, what: Callable[[Running], Awaitable[Any]], done_at: str = "after_commit") -> tuple[bool, Any]:
        """One process does it, and may die of it. Returns whether it was done, and what came of it, if anybody lived to say."""
        self.world.fate.at, self.world.fate.committed, self.world.fate.done_at, self.died = fate, False, done_at, False
        try:
            result = self.world.run(what(self.world.replicas[replica]))  # type: ignore[arg-type]
        except Death:
            self.died = True
            self.world.run(counter.open_counter(self.world.replicas[replica]))
            return self.world.fate.committed, None
        finally:
            self.world.fate.at = None
        return True, result

    def insists(self, replica: int, fate: Fated, what: Callable[[Running], Awaitable[Any]]) -> None:
        """As somebody does who must be sure: again, by the other process, if the first died before it was done."""
        done, _ = self.does(replica, fate, what)
        if not done:
            assert self.does(1 - replica, None, what)[0]

    def _moment(self, now: dt.datetime) -> None:
        self.paper.now = now
        for replica in self.world.replicas:
            replica.clock = Clock(frozen_at=now)

    # ---------------------------------------------------------------------------------------------- how the story is told
    def _named(self, draft: Ask) -> Ask:
        self.keys += 1
        return replace(draft, key=f"key-{self.keys}")

    def _order(self, ask: Ask) -> Order:
        change = {"+": DraftChange.BOOK, "-": DraftChange.CANCEL}
        named = iter(ask.means)
        lines = [
            Line(change[sign], child, activity, day, booking=self._id_of(next(named, None)) if sign == "-" else None)
            for sign, child, activity, day in ask.lines
        ]
        agent = ForFamily(REASON, **vars(ask.by)) if ask.by else None
        return Order(ask.family, ask.key, lines, accept_waiting_list=ask.waits, together=ask.together, agent=agent)

    def _id_of(self, wish: Wish | None) -> str | None:
        return next((id_ for id_, known in self.bookings.items() if known is wish), None)

    def _takes_in(self, asks: list[Ask], replica: int, fate: Fated, *, at_once: bool = False) -> None:
        """`at_once`: and answered in the same transaction, if nobody came before and all only ask for places."""
        self.asked += [ask for ask in asks if ask not in self.asked]

        async def takes_in(running: Running) -> tuple[list[str | Exception], set[str]]:
            async with running.database.transaction("intake") as session:
                asked = [Asked(ANNE if ask.by else ask.family, TOWN, self._order(ask)) for ask in asks]
                if at_once:
                    return await take_in_and_decide(session, running.resources["rules"], running.clock, asked)
                return await take_in(session, running.resources["rules"], running.clock, asked), {}

        done, found = self.does(replica, fate, takes_in)
        if done:
            before = list(self.paper.sheets)
            expected = [self.paper.takes(ask) for ask in asks]
            results, served = found or ([None] * len(asks), {})
            for sheet, result in zip(expected, results, strict=True):
                self._agree(sheet, result)
            new = self.paper.sheets[len(before) :]
            if at_once and all(sheet.served for sheet in before) and all(_only_asks(sheet.ask) for sheet in new):
                self.paper.decides(len(new))
            if found and at_once:
                assert {self.requests[one] for one in served} == {sheet for sheet in expected if isinstance(sheet, Sheet) and sheet.served}

    def decides(self, most: int, replica: int, fate: Fated) -> None:
        async def decides(running: Running) -> None:
            async with running.database.transaction("allocator") as session:
                await allocate(session, running.resources["rules"], running.clock, partition_of(TOWN), most)

        if self.does(replica, fate, decides)[0]:
            self.paper.decides(most)

    def _agree(self, sheet: Sheet | str, result: str | Exception | None) -> None:
        if isinstance(result, Refused):
            assert result.code == sheet
        elif result is not None:
            assert isinstance(result, str), result
            assert self.requests.setdefault(result, sheet) is sheet, "the same key has another request"  # type: ignore[arg-type]

    def _facts(self, change: Owes | Moves) -> list[Event]:
        if isinstance(change, Owes):
            (self.paper.in_debt.add if change.in_debt else self.paper.in_debt.discard)(change.family)
            version = self._version(f"standing {change.family}")
            return [
                StandingChanged(occurred_at=self._tick(), structure=TOWN, version=version, family=change.family, in_debit=change.in_debt)
            ]
        before = self.paper.family_of[change.child]
        if before == change.to:
            return []
        self.paper.family_of[change.child] = change.to
        return [self._family(change.to), self._family(before)]

    def _family(self, family: str) -> FamilyChanged:
        children = [child for child, its in self.paper.family_of.items() if its == family]
        version = self._version(family)
        return FamilyChanged(occurred_at=self._tick(), structure=TOWN, version=version, family=family, adults=[], children=children)

    def _version(self, of: str) -> int:
        self.versions[of] = self.versions.get(of, 0) + 1
        return self.versions[of]

    def _tick(self) -> dt.datetime:
        """Other services' time: each of their facts has its own."""
        return BEGIN + dt.timedelta(seconds=sum(self.versions.values()))

    def _hear(self, events: list[Event], replica: int, fate: Fated) -> None:
        async def hears(running: Running) -> None:
            async with running.database.transaction("reaction") as session:
                await react(service, session, events, running.clock)

        (before,) = self._rows("SELECT coalesce(max(position), 0) AS position FROM outgoing")
        self.insists(replica, fate, hears)
        # Enrollments go with their children: how often that is told depends on the order in which the news were heard.
        along = f"SELECT position FROM outgoing WHERE type LIKE '%enrollment_changed%' AND position > {before['position']}"
        self.taken_along |= {row["position"] for row in self._rows(along)}
        self.paper.takes_enrollments_along()

    # ------------------------------------------------------------------------------------------------- what must be true
    @invariant()
    def everything_is_as_on_paper(self) -> None:
        self._look_who_is_who()
        self._the_answers_agree()
        self._the_counts_agree()
        self._the_news_agree()
        self.steps += 1
        if self.steps % 5 == 0:
            # Nobody is at work in a story: runs are held if it says so.
            violations = [one for one in self.world.run(self.world.violations()) if not one.endswith("which was not held")]
            assert violations == [], violations

    def _look_who_is_who(self) -> None:
        """A request whose answer died with its process is known by its key."""
        sheets = {(sheet.ask.family, sheet.ask.key): sheet for sheet in self.paper.sheets}
        rows = self._rows("SELECT id, family, idempotency_key, served_at, decided_at FROM request")
        assert len(rows) == len(sheets)
        for row in rows:
            sheet = sheets[row["family"], row["idempotency_key"]]
            assert self.requests.setdefault(row["id"], sheet) is sheet
            assert ((row["served_at"] is not None), (row["decided_at"] is not None)) == (sheet.served, sheet.decided), (
                sheet,
                dict(row),
                vars(sheet),
            )

    def _the_answers_agree(self) -> None:
        rows = self._rows(
            """SELECT id, request, line, family, child, activity, date, status, code, version FROM booking
               WHERE coalesce(code, '') <> 'UNKNOWN_BOOKING' ORDER BY position"""
        )
        found = []
        for wish, row in zip(sorted(self.paper.wishes, key=lambda wish: wish.place), rows, strict=True):
            assert self.bookings.setdefault(row["id"], wish) is wish
            assert (row["child"], row["activity"], str(row["date"])) == (wish.child, wish.key[0], str(wish.key[1]))
            found.append((wish, row["status"], row["code"], row["version"]))
        otherwise = [one for one in found if one != (one[0], one[0].status, one[0].code, one[0].version)]
        assert not otherwise, [(one, one[0].status, one[0].code, one[0].version) for one in otherwise]
        given = {
            (self.requests[row["request"]], row["line"]): (row["status"], row["code"])
            for row in self._rows("SELECT request, line, status, code FROM cancellation")
        }
        assert given == {
            (sheet, number): (line.status, line.code)
            for sheet in self.paper.sheets
            for number, line in enumerate(sheet.lines)
            if isinstance(line, Giving)
        }

    def _the_counts_agree(self) -> None:
        rows = self._rows("SELECT activity, date, places, waiting_places, taken, waiting, revision FROM opening")
        self.openings = {(row["activity"], dt.date.fromisoformat(str(row["date"]))): row for row in rows}
        for key, row in self.openings.items():
            assert (row["places"], row["waiting_places"]) == self.paper.places(key), key
            assert (row["taken"], row["waiting"]) == (len(self.paper.among("ACCEPTED", key)), len(self.paper.among("WAITLISTED", key))), key

    def _the_news_agree(self) -> None:
        told = []
        for key in self.paper.announced - self.revisions.keys():
            self.revisions[key] = 1  # Nothing had ever been told of it when somebody was noted there.
        for name, body in self._outgoing():
            if name == "capacity_changed":
                self._latest_is_the_table(body)
            elif name not in UNTOLD:
                told.append(self._as_on_paper(name, body))
        self.told_until = max((row["position"] for row in self._news), default=self.told_until)
        told += self._acts()
        told, expected = sorted(map(str, told)), sorted(map(str, self.paper.told))
        self.paper.told = []
        assert told == expected, f"told {set(told) - set(expected)}, expected {set(expected) - set(told)}"
        assert {key: row["revision"] for key, row in self.openings.items()} == self.revisions
        self.paper.announced = set(self.revisions)

    def _acts(self) -> list[tuple[object, ...]]:
        """What the trail has since the last step."""
        rows = self._rows(f"SELECT position, kind, activity, date, booking, account, reason FROM act WHERE position > {self.acts_until}")
        self.acts_until = max((row["position"] for row in rows), default=self.acts_until)
        assert {(row["account"], row["reason"] or REASON) for row in rows} <= {(ANNE, REASON)}
        return [self._act_as_on_paper(row) for row in rows]

    def _act_as_on_paper(self, row: Row) -> tuple[object, ...]:
        about = (self.bookings[row["booking"]],) if row["booking"] else (row["activity"], _day(row["date"] and str(row["date"])))
        return row["kind"], *about

    def _latest_is_the_table(self, body: dict[str, Any]) -> None:
        key = body["activity"], dt.date.fromisoformat(body["date"])
        assert body["version"] == self.revisions.get(key, 0) + 1
        self.revisions[key] = body["version"]
        row = self.openings[key]
        if body["version"] == row["revision"]:
            assert (body["capacity"], body["taken"], body["waiting"]) == (row["places"], row["taken"], row["waiting"])

    def _as_on_paper(self, name: str, body: dict[str, Any]) -> tuple[object, ...]:
        """An event, as the paper tells it."""
        if name == "requested":
            wishes = tuple(self.bookings.get(movement["booking"]) for movement in body["movements"])
            return name, self.requests[body["request"]], wishes
        if name in ("request_decided", "request_explained"):
            answers = tuple((movement["outcome"], movement["rank"], movement["code"]) for movement in body["movements"])
            answered = name, self.requests[body["request"]], answers, body["by"]
            if name == "request_decided":
                return *answered, body["explained"]
            assert body["reason"] == (REASON if body["by"] == "agent" else "")
            return *answered, body["part"], tuple(self.bookings[line["booking"]] for line in body["awaited"])
        if name == "place_given":
            return name, self.bookings[body["booking"]]
        if name == "place_expired":
            return name, body["family"], body["account"], tuple(self.bookings[wait["booking"]] for wait in body["waits"])
        if name == "day_settled":
            lines = ((one["child"], one["family"], one["attendance"]) for one in body["attendances"])
            wishes = (self.bookings[one["booking"]] if one["booked"] else None for one in body["attendances"])
            settled = tuple((wish, *line) for wish, line in zip(wishes, lines, strict=True))
            return name, body["activity"], _day(body["date"]), body["version"], settled
        if name == "enrollment_changed":
            return name, body["child"], body["activity"], body["family"], *(_day(body[word]) for word in ("starts_on", "ends_on"))
        more = [body[word] for word in MORE[name]]
        because = self.requests[body["request"]] if body["request"] else None
        return name, self.bookings[body["booking"]], body["version"], because, *more

    # ------------------------------------------------------------------------------------------------------- the tables
    def _rows(self, query: str) -> list[Row]:
        return self.world.rows(query)

    def _outgoing(self) -> list[tuple[str, dict[str, Any]]]:
        """What was told since the last step."""
        self._news = self._rows(f"SELECT position, type, body FROM outgoing WHERE position > {self.told_until} ORDER BY position")
        told = [row for row in self._news if row["position"] not in self.taken_along]
        return [(row["type"].split(".")[3], orjson.loads(row["body"])) for row in told]

    def _batches(self) -> Iterator[set[str]]:
        """The keys of the requests that were decided in one transaction: their answers are the last that it tells."""
        keys = {row["id"]: row["idempotency_key"] for row in self._rows("SELECT id, idempotency_key FROM request")}
        batch: set[str] = set()
        for name, body in self._outgoing():
            if name == "request_decided":
                batch.add(keys[body["request"]])
            elif name != "requested" and batch:
                yield batch
                batch = set()
        if batch:
            yield batch


def _only_asks(ask: Ask) -> bool:
    return ask.by is None and all(sign == "+" for sign, *_ in ask.lines)


#: What was changed by a story's own steps, or depends on the order in which other services' news were heard.
UNTOLD = ("activity_changed",)
#: What an event says beside whose booking it is about, and why.
MORE = {
    "accepted": ("from_waiting_list",),
    "waitlisted": ("rank",),
    "refused": ("code",),
    "cancelled": ("by", "was"),
    "expired": (),
}


def spec_of(activity: str, offer: Offer, paper: Paper) -> ActivitySpec:
    """As the town's file has it, and what agents said of single days."""
    said = {day: is_open for (name, day), is_open in paper.said_open.items() if name == activity}
    own = [{day: number for (name, day), number in some.items() if name == activity} for some in (paper.own_places, paper.own_waiting)]
    policy: Any = paper.scheduled.get(activity)
    return replace(
        CANTINE,
        id=activity,
        allocation=Scheduled("02:00", policy, tuple(POINTS.items()) if policy == "points" else ()) if policy else CANTINE.allocation,
        weekdays=frozenset({0, 1}),
        capacity=offer.places,
        waiting_list=offer.waiting,
        capacity_on=own[0],
        waiting_list_on=own[1],
        open_on=frozenset(day for day, is_open in said.items() if is_open),
        closed_on=frozenset(day for day, is_open in said.items() if not is_open),
        booking_deadline=DaysBefore(offer.books_until, "09:00"),
        cancellation_deadline=DaysBefore(offer.cancels_until, "09:00"),
    )


def _day(iso: str | None) -> dt.date | None:
    return None if iso is None else dt.date.fromisoformat(iso)


def tell(machine: type[Story], stories: int, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many stories, always the same ones; or as many other ones as PREAU_EXAMPLES says."""
    told = settings(
        max_examples=EXAMPLES or stories,
        stateful_step_count=30,
        derandomize=not EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    with the_world(url, monkeypatch) as world:
        run_state_machine_as_test(lambda: machine(world), settings=told)
