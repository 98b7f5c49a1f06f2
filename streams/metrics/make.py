"""Makes the metrics of a process, all with our prefix and on one registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

M = TypeVar("M", Counter, Gauge, Histogram)

PREFIX: Final = "ticketstream_"
SECONDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Maker:
    """Makes counters, gauges and histograms. ``known`` are label values to show from the start, at nothing:
    a rate over a series that first appears with its first event would miss that event."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    def counter(
        self, name: str, text: str, labels: Sequence[str] = (), known: Iterable[Sequence[str]] = ()
    ) -> Counter:
        """Return a counter; ``_total`` is added to its name."""
        made = Counter(PREFIX + name, text, labels, registry=self.registry)
        return _shown(made, known)

    def gauge(
        self, name: str, text: str, labels: Sequence[str] = (), known: Iterable[Sequence[str]] = ()
    ) -> Gauge:
        """Return a gauge."""
        made = Gauge(PREFIX + name, text, labels, registry=self.registry)
        return _shown(made, known)

    def histogram(
        self,
        name: str,
        text: str,
        labels: Sequence[str] = (),
        known: Iterable[Sequence[str]] = (),
        buckets: Sequence[float] = SECONDS,
    ) -> Histogram:
        """Return a histogram, by default of seconds."""
        made = Histogram(PREFIX + name, text, labels, buckets=buckets, registry=self.registry)
        return _shown(made, known)

    def sums(self, name: str, text: str, labels: Sequence[str]) -> Sums:
        """Return a counter whose values are read where they are kept."""
        made = Sums(PREFIX + name, text, labels)
        self.registry.register(made)
        return made


class Sums(Collector):
    """A counter of sums that are kept elsewhere as plain numbers, and read when somebody asks."""

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        self._name = name
        self._text = text
        self._labels = tuple(labels)
        self._readers: dict[tuple[str, ...], Callable[[], float]] = {}

    def read(self, *values: str, by: Callable[[], float]) -> None:
        """Read the sum of these label values by calling ``by`` (from any thread)."""
        self._readers[values] = by

    def describe(self) -> Iterator[Metric]:
        """Say which metric this is."""
        yield CounterMetricFamily(self._name, self._text, labels=self._labels)

    def collect(self) -> Iterator[Metric]:
        """Read all sums."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for values, by in list(self._readers.items()):
            family.add_metric(values, by())
        yield family


def _shown(made: M, known: Iterable[Sequence[str]]) -> M:
    """Have a metric's series of known labels be there from the start, at zero."""
    for values in known:
        made.labels(*values)
    return made
