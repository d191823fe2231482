"""How long the gateway waits: for one subgraph, and for a whole answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

QUERY_SECONDS = 5.0
#: A query's answer, however many services it takes one after another.
WHOLE_QUERY_SECONDS = 10.0
#: submitBookings may itself wait 5 s for the allocator.
MUTATION_SECONDS = 15.0
#: After that no further mutation of the same request is begun.
WHOLE_MUTATION_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    query: float = QUERY_SECONDS
    services: Mapping[str, float] = field(default_factory=dict)  #: those that have another time for a query
    whole: float = WHOLE_QUERY_SECONDS

    def for_query(self, service: str, spent: float) -> float:
        """`spent`: seconds since the request came."""
        return min(self.services.get(service, self.query), self.whole - spent)

    def for_mutation(self, spent: float) -> float:
        return min(MUTATION_SECONDS, WHOLE_MUTATION_SECONDS - spent)

    def for_rest(self, service: str) -> float:
        """For what joins the answer of a mutation: that has been done, so it gets its full time."""
        return self.services.get(service, self.query)


USUAL = Patience()
