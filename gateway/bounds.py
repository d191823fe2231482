"""How much a client may ask for: at once by the cost of an operation, and over time by what its account and its address have asked.

A point is a value of an answer (gateway/cost.py), or about a microsecond of work. Whoever asks spends points, which come back with
time. Counted in this process, in bounded memory, by a token's hash and by a household's address; whether the token is good only
the services know, so nobody can spend another's points. Sign-in has brakes of its own, in identity.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from prometheus_client import Counter

from gateway.asking import PassedOn
from gateway.cost import Cost, Variables
from gateway.trouble import RequestError
from services.tallies import Histograms
from services.telemetry import log
from services.visitors import household_of

MOST_COST = 200_000
#: A family's home page costs some 1,000 points: twenty of them a second, for hours, are more than a family can want.
ACCOUNT_POINTS = 20_000
#: A school, a town hall or a telephone company is one address: at 08:00 of an opening twenty thousand pages in a minute may come from
#: it. More would be all that two cores answer.
ADDRESS_POINTS = 300_000
#: What was not asked for so long may be asked at once.
BURST_SECONDS = 30.0
#: For any request, whatever it asks.
KNOCK = 100
MOST_BUCKETS = 50_000
WARN_SECONDS = 60.0

COSTS = Histograms("preau_gateway_cost", "Estimated cost of operations", bounds=(10, 100, 1_000, 10_000, 100_000)).of()
LIMITED = Counter("preau_gateway_limited_total", "Requests refused because too much was asked before", ["by"])

_household = lru_cache(maxsize=10_000)(household_of)


@dataclass(slots=True)
class Buckets:
    """Who has asked for how much: for each the moment at which everything is paid off. Absent: nothing is owed."""

    points: float  #: A second; 0: no bound.
    _paid_at: dict[object, float] = field(default_factory=dict)

    def wait(self, key: object, now: float) -> float:
        """Seconds until more may be asked, whatever it is: nothing is too dear for ever; 0: now."""
        return max(self._paid_at.get(key, now) - now - BURST_SECONDS, 0.0)

    def spend(self, key: object, points: float, now: float) -> None:
        if key not in self._paid_at and len(self._paid_at) >= MOST_BUCKETS:
            self._forget(now)
        self._paid_at[key] = max(self._paid_at.get(key, now), now) + points / self.points

    def _forget(self, now: float) -> None:
        """Who owes nothing; and if those are few, who was met first."""
        self._paid_at = {key: at for key, at in self._paid_at.items() if at > now}
        for key in [*islice(self._paid_at, max(len(self._paid_at) - MOST_BUCKETS * 9 // 10, 0))]:
            del self._paid_at[key]

    def __len__(self) -> int:
        return len(self._paid_at)


@dataclass(slots=True, eq=False)
class Bounds:
    most_cost: int = MOST_COST
    accounts: Buckets = field(default_factory=lambda: Buckets(ACCOUNT_POINTS))
    addresses: Buckets = field(default_factory=lambda: Buckets(ADDRESS_POINTS))
    clock: Callable[[], float] = time.monotonic
    _warns_at: float = -math.inf

    def admit(self, cost: Cost, variables: Variables, passing: PassedOn) -> int:
        """What an operation costs, which is spent then. Raises RequestError: it is too dear."""
        points = cost if isinstance(cost, int) else cost(variables)
        COSTS.observe(points)
        if points > self.most_cost:
            raise RequestError.measured("OPERATION_TOO_EXPENSIVE", cost=points, most=self.most_cost)
        self.charge(passing, points)
        return points

    @contextmanager
    def working(self, passing: PassedOn) -> Iterator[None]:
        """Reading a document that is new is paid for by the microseconds that it takes, also when it is refused then."""
        begun = time.thread_time()
        try:
            yield
        finally:
            self.charge_work(passing, time.thread_time() - begun)

    def charge_account(self, passing: PassedOn, points: float) -> None:
        """For a look that news made necessary. Not the address's matter: in a rush all behind it get news at once, whatever they do."""
        if passing.authorization is not None and self.accounts.points:
            self.accounts.spend(hash(passing.authorization), points, self.clock())

    def charge_work(self, passing: PassedOn, seconds: float) -> None:
        if seconds:
            self.charge(passing, seconds * 1_000_000)

    def spend(self, passing: PassedOn, points: float = KNOCK) -> None:
        """Before anything is done for a request. Raises RequestError: too much was asked before. Then nothing is spent."""
        now = self.clock()
        asking = self._of(passing)
        for by, buckets, key in asking:
            seconds = buckets.wait(key, now)
            if seconds:
                self._refuse(by, key, seconds, now)
        for _, buckets, key in asking:
            buckets.spend(key, points, now)

    def charge(self, passing: PassedOn, points: float) -> None:
        """For what will be done, or is: the next request waits for it."""
        now = self.clock()
        for _, buckets, key in self._of(passing):
            buckets.spend(key, points, now)

    def _of(self, passing: PassedOn) -> list[tuple[str, Buckets, object]]:
        asking: list[tuple[str, Buckets, object]] = []
        if passing.authorization is not None and self.accounts.points:
            asking.append(("account", self.accounts, hash(passing.authorization)))
        household = _household(passing.address)
        if household is not None and self.addresses.points:
            asking.append(("address", self.addresses, household))
        return asking

    def _refuse(self, by: str, key: object, seconds: float, now: float) -> None:
        LIMITED.labels(by).inc()
        if by == "address" and now >= self._warns_at:
            self._warns_at = now + WARN_SECONDS
            log().warning("too many requests from one address; is it a proxy's? see PREAU_TRUSTED_PROXIES", address=key)
        raise RequestError.too_soon("TOO_MANY_REQUESTS", math.ceil(seconds))
