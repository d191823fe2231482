"""What the gateway counts. README's table is compared with this by a test."""

from prometheus_client import Histogram

from services.tallies import Counts, Histograms, Levels

FETCHES = Histograms("preau_gateway_fetch_seconds", "Requests to subgraphs", ["service"])
IN_FLIGHT = Levels("preau_gateway_fetches_in_flight", "Requests to subgraphs that are under way now", ["service"])
BYTES = Counts("preau_gateway_fetch_bytes_total", "Sent to subgraphs and received from them, without headers", ["service", "direction"])
FAILURES = Counts("preau_gateway_fetch_failures_total", "Requests to subgraphs without a usable answer", ["service", "reason"])

OPERATIONS = Histograms("preau_gateway_operation_seconds", "What clients asked, but for subscriptions", ["operation", "kind", "outcome"])
ANSWERED = Counts("preau_gateway_operations_total", "Operations", ["kind", "outcome"])
REFUSALS = Counts("preau_gateway_refusals_total", "Operations that no service heard of, by the first reason", ["code"])

DOCUMENTS = Counts("preau_gateway_documents_total", "Documents, remembered or read anew", ["from"])
PLANS = Counts("preau_gateway_plans_total", "Plans, remembered or made anew", ["from"])
REMEMBERED = Levels("preau_gateway_documents_remembered", "Documents in memory now")
READING = Histogram("preau_gateway_parse_seconds", "Parsing and validating a document that is not remembered")
PLANNING = Histogram("preau_gateway_plan_seconds", "Planning what is not remembered")

STREAMS = Levels("preau_gateway_streams", "Connections that stay open, now", ["transport"])

MOST_NAMES = 100
MOST_CODES = 50


class Names:
    """Labels for what clients choose: only so many, or whoever makes names up fills the memory of whoever collects them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def expect(self, *names: str) -> None:
        """These will come, and have a place."""
        self._known.update(names)

    def label(self, name: str) -> str:
        if name in self._known:
            return name
        if len(self._known) >= self._most:
            return "other"
        self._known.add(name)
        return name


OPERATION_NAMES = Names(MOST_NAMES)
CODES = Names(MOST_CODES)
