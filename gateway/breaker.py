"""Says when a subgraph is not worth waiting for: after failures in a row, whatever would be asked of it counts as unanswered, at once.

While it answers anybody it is asked. So a question over which it takes too long, or at which it dies, closes it to nobody else.
"""

from collections.abc import Callable
from dataclasses import dataclass

MOST_FAILURES = 5  #: In a row.
#: Before one request may try again; twice as long after each that fails.
FIRST_WAIT_SECONDS = 1.0
MOST_WAIT_SECONDS = 5.0
#: Whoever is given less time than this proves nothing by having no answer: the time was spent elsewhere.
FAIR_SECONDS = 0.5

CLOSED, TRYING, OPEN = 0, 1, 2
STATES = {CLOSED: "closed", TRYING: "half-open", OPEN: "open"}


def _ignore(state: int) -> None:
    """Nobody watches."""


@dataclass(slots=True)
class Breaker:
    """Of one subgraph. Times are in seconds, by one monotonic clock."""

    watcher: Callable[[int], None] = _ignore
    state: int = CLOSED
    failures: int = 0  #: in a row
    _since: float = 0.0  #: when it was last opened
    _next_try: float = 0.0
    _wait: float = FIRST_WAIT_SECONDS
    _trying: float = 0.0  #: when the request was begun that tries

    def lets(self, now: float, seconds: float) -> bool:
        """Whether a request that takes so long, at most, may try, now that it is not closed. One at a time: the others are refused."""
        if now < self._next_try:
            return False
        self._trying, self._next_try = now, now + max(seconds, self._wait)  # if nothing is ever heard of it, somebody else may try
        self._become(TRYING)
        return True

    def succeeded(self) -> None:
        self.failures = 0
        if self.state != CLOSED:
            self._wait = FIRST_WAIT_SECONDS
            self._become(CLOSED)

    def failed(self, begun: float, now: float) -> None:
        """`begun`: when it was asked. What was asked before it was opened says nothing new."""
        if begun < self._since:
            return
        self.failures += 1
        if self.state != CLOSED:
            self._wait = min(self._wait * 2, MOST_WAIT_SECONDS)
        elif self.failures < MOST_FAILURES:
            return
        self._since, self._next_try = now, now + self._wait
        self._become(OPEN)

    def unheard(self, begun: float) -> None:
        """What was asked then was given up, and says nothing. If it was what tries, somebody else may at once."""
        if self.state == TRYING and begun == self._trying:
            self._next_try = begun

    def _become(self, state: int) -> None:
        self.state = state
        self.watcher(state)
