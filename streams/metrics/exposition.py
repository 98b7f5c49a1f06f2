"""``/metrics`` of a process: its registry, with labels that every series of the process carries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import copy

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.registry import RestrictedRegistry


class Labelled(CollectorRegistry):
    """Shows another registry with labels added to every series; labels without a value are left out."""

    def __init__(self, registry: CollectorRegistry, labels: Mapping[str, str]) -> None:
        super().__init__()
        self._shown = registry
        self._labels = {name: value for name, value in labels.items() if value}

    def collect(self) -> Iterator[Metric]:
        """Return all metrics with the labels."""
        return self._with_labels(self._shown.collect())

    def restricted_registry(self, names: Iterable[str]) -> RestrictedRegistry:
        """Return the metrics of these names (``/metrics?name[]=…``) with the labels."""
        return RestrictedRegistry(names, self)

    def _with_labels(self, metrics: Iterable[Metric]) -> Iterator[Metric]:
        for metric in metrics:
            shown = copy(metric)
            shown.samples = [
                sample._replace(labels={**self._labels, **sample.labels})
                for sample in metric.samples
                # When a series was made: twice as many series, for a question that nobody has.
                if not sample.name.endswith("_created")
            ]
            yield shown


def show_metrics(registry: CollectorRegistry, host: str, port: int) -> None:
    """Serve ``/metrics`` from a thread for as long as the process lives; raises OSError."""
    start_http_server(port, host, registry)
