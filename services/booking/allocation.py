"""Who gets a place: the whole line is served, in order, whenever anything moves. Never the newcomer alone.

One function, `Board._serve`, is allocation, promotion from the waiting list and "nobody overtakes": a newcomer joins the end of the
line, the line is served, and who got nothing waits or goes. Lines that a family wants together (a *party*, siblings for
instance) are decided all or none. A party that needs more places than are free lets those behind it pass, because a place kept
empty helps nobody; it stays where it was in the line.
"""

import datetime as dt
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

Key = tuple[str, dt.date]  #: An opening: activity and date.
Offer = tuple[int | None, int | None]  #: Its places and its waiting places, None = not limited.
NOT_MOVED = "NOT_MOVED"  #: The code of the line that had nothing against it, of a move of which the other line is refused.
GROUP_INCOMPLETE = "GROUP_INCOMPLETE"  #: The code of a line that had nothing against it, in a party that is refused for another one.


class Answer(Enum):
    ACCEPTED = "ACCEPTED"  #: accepté
    WAITLISTED = "WAITLISTED"  #: liste d'attente
    FULL = "FULL"  #: activité complète


@dataclass(slots=True, eq=False)
class Claim:
    """One child's wish for one place."""

    booking: str
    opening: Key
    position: int  #: Order of arrival, unique.
    party: int | None = None


@dataclass(slots=True)
class Opening:
    """The places of one activity on one day, and who waits for one, by position."""

    places: int | None  #: None: not limited.
    waiting_places: int | None
    taken: int = 0
    line: list[Claim] = field(default_factory=list)
    ahead: int = 0  #: How many more wait in front of `line`, whom no place can reach in this batch: they need not be loaded.
    bookable: bool = True  #: False once the booking deadline has passed: then nobody gets a place any more.
    taken_limit: int | None = None  #: What `taken` may reach: the places, or what was taken when they became fewer.
    waiting_limit: int | None = None

    @property
    def free(self) -> bool:
        return self.places is None or self.taken < self.places

    def has_place(self, others: int) -> bool:
        """For one more, if so many others are given one too."""
        return self.places is None or self.taken + others < self.places

    def has_rank(self, others: int) -> bool:
        return self.waiting_places is None or self.waiting + others < self.waiting_places

    @property
    def waiting(self) -> int:
        return self.ahead + len(self.line)

    @property
    def line_fits(self) -> bool:
        """Nobody stands in the line for whom it has no room."""
        return self.waiting_places is None or self.waiting <= self.waiting_places

    def tighten(self) -> None:
        """After the places became fewer, the limits follow the counts down, never up again: an excess would be an error of ours."""
        self.taken_limit = _tightened(self.taken_limit, self.places, self.taken)
        self.waiting_limit = _tightened(self.waiting_limit, self.waiting_places, self.waiting)


def _tightened(limit: int | None, offered: int | None, count: int) -> int | None:
    return None if limit is None or offered is None else min(limit, max(offered, count))


def _position(claim: Claim) -> int:
    return claim.position


class Board:
    """The openings that a batch touches, while it is being decided. It must hold every opening of every party that waits."""

    def __init__(self, openings: dict[Key, Opening]) -> None:
        self.openings = openings
        self._parties: dict[int, list[Claim]] = {}
        for opening in openings.values():
            for claim in opening.line:
                if claim.party is not None:
                    self._parties.setdefault(claim.party, []).append(claim)

    def ask(self, claims: Sequence[Claim], *, may_wait: bool) -> tuple[Answer, list[Claim]]:
        """One claim, or all those of a party: their common answer, and whoever else was given a place."""
        for claim in claims:
            self._join(claim)
        given = self._serve({claim.opening for claim in claims})
        if claims[0] in given:
            return Answer.ACCEPTED, [claim for claim in given if claim not in claims]
        if may_wait and all(self.openings[claim.opening].line_fits for claim in claims):
            return Answer.WAITLISTED, given
        for claim in claims:
            self._leave(claim)
        return Answer.FULL, given

    def short(self, claims: Sequence[Claim], *, may_wait: bool) -> set[str]:
        """Of a party that was just refused as FULL, the bookings to blame: those for which no place is left, nor a rank, once the ones
        before them have theirs. If each would have had one or the other: those that would have had to wait.
        """
        placed, ranked = Counter[Key](), Counter[Key]()
        waiting, without = set[str](), set[str]()
        for claim in claims:
            key, opening = claim.opening, self.openings[claim.opening]
            if opening.has_place(placed[key]):
                placed[key] += 1
            elif may_wait and opening.has_rank(ranked[key]):
                ranked[key] += 1
                waiting.add(claim.booking)
            else:
                without.add(claim.booking)
        return without or waiting

    def take(self, key: Key) -> bool:
        """A place past the line, which the town gives itself. False if none is left."""
        opening = self.openings[key]
        if not opening.free:
            return False
        opening.taken += 1
        return True

    def give_back(self, key: Key) -> list[Claim]:
        """A place is free again. Returns who was given one."""
        self.openings[key].taken -= 1
        return self._serve({key})

    def leave(self, claim: Claim) -> list[Claim]:
        """Somebody no longer waits. Returns who was given a place: what is left of the party may fit now."""
        self._leave(claim)
        return self._serve({other.opening for other in self._parties.get(claim.party or 0, ())})

    def drop(self, claim: Claim) -> list[Claim]:
        """Somebody's deadline passed, and with it the wish of their whole party. Returns who no longer waits."""
        gone = [claim] if claim.party is None else self._parties[claim.party].copy()
        for one in gone:
            self._leave(one)
        return gone

    def resize(self, offers: Mapping[Key, Offer]) -> list[Claim]:
        """The town offers more places, or fewer: then everybody keeps what they have. Returns who was given a place.

        All at once: a party that waits on two days that grow together must not see the first one given away before the second grows.
        """
        for key, offer in offers.items():
            self.openings[key].places, self.openings[key].waiting_places = offer
        given = self._serve(offers)
        for key, (places, waiting_places) in offers.items():
            opening = self.openings[key]
            opening.taken_limit = None if places is None else max(places, opening.taken)
            opening.waiting_limit = None if waiting_places is None else max(waiting_places, opening.waiting)
        return given

    def serve(self, key: Key) -> list[Claim]:
        """Who of those that wait there can be given a place now. Nobody, if nothing moved since the last time."""
        return self._serve({key})

    def waiting(self, booking: str, key: Key) -> Claim:
        """The claim of a booking that waits. KeyError if it does not."""
        for claim in self.openings[key].line:
            if claim.booking == booking:
                return claim
        raise KeyError(booking)

    def rank(self, key: Key, position: int) -> int:
        """Place in the line, from 1, of the claim with this position."""
        opening = self.openings[key]
        return opening.ahead + bisect_left(opening.line, position, key=_position) + 1

    def _serve(self, keys: Iterable[Key]) -> list[Claim]:
        given: list[Claim] = []
        # In one order of arrival for all of them: a party may stand first in one line and behind somebody in another.
        line = [claim for key in keys if self.openings[key].free for claim in self.openings[key].line]
        for claim in sorted(line, key=_position):
            party = [claim] if claim.party is None else self._parties.get(claim.party, [])
            if self.openings[claim.opening].free and self._fits(party):
                given += party
                for member in tuple(party):
                    self._leave(member)
                    self.openings[member.opening].taken += 1
        return given

    def _fits(self, party: Sequence[Claim]) -> bool:
        """There is a place for each of them. Nobody: no, they were served already, in this round."""
        wanted: dict[Key, int] = {}
        for claim in party:
            wanted[claim.opening] = wanted.get(claim.opening, 0) + 1
        return bool(wanted) and all(self._offers(key, count) for key, count in wanted.items())

    def _offers(self, key: Key, count: int) -> bool:
        opening = self.openings[key]
        return opening.bookable and (opening.places is None or opening.taken + count <= opening.places)

    def _join(self, claim: Claim) -> None:
        insort(self.openings[claim.opening].line, claim, key=_position)
        if claim.party is not None:
            self._parties.setdefault(claim.party, []).append(claim)

    def _leave(self, claim: Claim) -> None:
        self.openings[claim.opening].line.remove(claim)
        if claim.party is not None:
            self._parties[claim.party].remove(claim)
