"""A worker whose metrics cost nothing, to hold the real one against: ``python -m benchmarks.silent``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from agents.worker.process import main
from streams.metrics.make import SECONDS, Maker


class _Silent:
    """Stands for any metric, and does nothing."""

    def labels(self, *_: str) -> Any:
        return self

    def inc(self, amount: float = 1) -> None: ...

    def dec(self, amount: float = 1) -> None: ...

    def set(self, value: float) -> None: ...

    def observe(self, amount: float) -> None: ...

    def set_function(self, read: Any) -> None: ...

    def set_to_current_time(self) -> None: ...

    def remove(self, *_: str) -> None: ...

    def read(self, *_: str, by: Any) -> None: ...


class SilentMaker(Maker):
    """Makes metrics that count nothing."""

    def __init__(self) -> None:
        super().__init__(CollectorRegistry())

    def counter(
        self, name: str, text: str, labels: Sequence[str] = (), known: Iterable[Sequence[str]] = ()
    ) -> Any:
        return _Silent()

    def gauge(
        self, name: str, text: str, labels: Sequence[str] = (), known: Iterable[Sequence[str]] = ()
    ) -> Any:
        return _Silent()

    def histogram(
        self,
        name: str,
        text: str,
        labels: Sequence[str] = (),
        known: Iterable[Sequence[str]] = (),
        buckets: Sequence[float] = SECONDS,
    ) -> Any:
        return _Silent()

    def sums(self, name: str, text: str, labels: Sequence[str]) -> Any:
        return _Silent()


if __name__ == "__main__":
    sys.exit(main(SilentMaker()))
