"""Metrics that cost a request next to nothing: plain numbers, which become Prometheus' only when somebody looks.

The general ones lock, as any thread may touch them, and take microseconds each; a request touches a dozen. These are for the event loop's
thread alone.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from prometheus_client import REGISTRY, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  #: seconds

T = TypeVar("T")


class Number:
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """For as long as it lasts."""
        self.value += 1
        try:
            yield
        finally:
            self.value -= 1


class Sizes:
    """How much something was, each time: how many seconds it took, mostly."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = BOUNDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, size: float) -> None:
        self.counts[bisect_left(self.bounds, size)] += 1
        self.total += size

    def buckets(self) -> Iterator[tuple[str, float]]:
        so_far = 0
        for bound, count in zip((*(str(float(each)) for each in self.bounds), "+Inf"), self.counts, strict=True):
            so_far += count
            yield bound, so_far


class _Tally(Collector, Generic[T]):
    """One metric: for each set of values of its labels, something to count in."""

    def __init__(self, name: str, meaning: str, labels: Sequence[str] = ()) -> None:
        self.name, self.meaning, self.labels = name, meaning, tuple(labels)
        self._all: dict[tuple[str, ...], T] = {}
        REGISTRY.register(self)

    def of(self, *values: str) -> T:
        found = self._all.get(values)
        if found is None:
            assert len(values) == len(self.labels), f"{self.name} has the labels {self.labels}"
            found = self._all[values] = self._new()
        return found

    def _new(self) -> T:
        raise NotImplementedError

    def describe(self) -> Iterable[Metric]:
        return ()


class Histograms(_Tally[Sizes]):
    """How often something was how much; `bounds` of the sizes that are told apart, by default in seconds."""

    def __init__(self, name: str, meaning: str, labels: Sequence[str] = (), bounds: Sequence[float] = BOUNDS) -> None:
        super().__init__(name, meaning, labels)
        self._bounds = bounds

    def _new(self) -> Sizes:
        return Sizes(self._bounds)

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self.name, self.meaning, labels=self.labels)
        for values, sizes in self._all.items():
            family.add_metric(values, list(sizes.buckets()), sizes.total)
        yield family


class Counts(_Tally[Number]):
    """What only grows."""

    def _new(self) -> Number:
        return Number()

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self.name, self.meaning, labels=self.labels)
        for values, number in self._all.items():
            family.add_metric(values, number.value)
        yield family


class Levels(_Tally[Number]):
    """What is so now."""

    def _new(self) -> Number:
        return Number()

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(self.name, self.meaning, labels=self.labels)
        for values, number in self._all.items():
            family.add_metric(values, number.value)
        yield family
