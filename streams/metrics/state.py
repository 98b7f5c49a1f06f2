"""How far the pipeline is behind, what a worker holds, and how imports and comparisons stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from schemas.messages.imports import ImportRecord
from streams.metrics.make import Maker

SOURCES: Final = ("live", "import")
ENDINGS: Final = ("completed", "failed", "cancelled")
DRIFT: Final = ("missing", "stale", "chunks", "deleted", "unknown")
SIDES: Final = ("account", "indexed")
_RECOVERY: Final = (0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600)


class StateMetrics:
    """Lag, sources, partitions, tables, imports, reconcile."""

    def __init__(self, make: Maker) -> None:
        place = ("stage", "topic", "partition")
        self.lag_messages = make.gauge(
            "lag_messages", "Messages of a partition that are not acknowledged.", place
        )
        self.lag_seconds = make.gauge(
            "lag_seconds", "Age of a partition's oldest message that is not acknowledged.", place
        )
        self.source_sent = make.counter(
            "source_sent",
            "Messages that the sources have put on the pipeline's first topics.",
            ("source",),
            [(name,) for name in SOURCES],
        )
        self.polled_at = make.gauge(
            "live_poll_timestamp_seconds",
            "When Zendesk's export was last read for live changes; 0 in a worker that does not follow it.",
        )
        self.partitions = make.gauge("partitions", "Partitions of every topic, as set.")
        self.owned = make.gauge("partitions_owned", "Partitions this worker serves.")
        self.rebalances = make.counter("rebalances", "Times that partitions were handed out anew.")
        self.recovery = make.histogram(
            "recovery_seconds",
            "Time from losing the partitions, or from the start, until messages flow.",
            buckets=_RECOVERY,
        )
        self.table_entries = make.gauge(
            "table_entries",
            "Entries of a table in this worker's partitions, as RocksDB estimates.",
            ("table",),
        )
        self.table_bytes = make.gauge(
            "table_bytes", "Size of a table's files and buffers in this worker's partitions.", ("table",)
        )
        self.imports_running = make.gauge("imports_running", "Imports and replays that run.")
        self.imports_fetched = make.gauge(
            "imports_fetched_tickets", "Tickets the running imports have put on the pipeline."
        )
        self.imports_done = make.gauge(
            "imports_done_tickets", "Tickets of the running imports whose fate is known."
        )
        self.imports_expected = make.gauge(
            "imports_expected_tickets",
            "Tickets of the running imports in all, as far as known: a source that cannot tell counts with "
            "what it has put on the pipeline.",
        )
        self.imports_ended = make.counter(
            "imports_ended", "Imports and replays that ended.", ("status",), [(end,) for end in ENDINGS]
        )
        self.drift = make.gauge(
            "reconcile_drift_tickets",
            "Tickets that differed at the end of the last whole comparison of account and index, by kind.",
            ("kind",),
            [(kind,) for kind in DRIFT],
        )
        self.compared = make.gauge(
            "reconcile_tickets",
            "Tickets the last whole comparison found in the account and in the index.",
            ("side",),
            [(side,) for side in SIDES],
        )
        self.compared_at = make.gauge(
            "reconcile_timestamp_seconds", "When account and index were last compared as a whole; 0: never."
        )
        self.info = make.gauge(
            "info", "Always 1; its labels say what runs.", ("provider", "model", "dimensions")
        )

    def show_imports(self, running: Callable[[], Sequence[ImportRecord]]) -> None:
        """Show the imports that ``running`` names whenever it is asked (from any thread)."""
        self.imports_running.set_function(lambda: len(running()))
        self.imports_fetched.set_function(lambda: sum(one.fetched for one in running()))
        self.imports_done.set_function(lambda: sum(one.done for one in running()))
        self.imports_expected.set_function(lambda: sum(max(one.total or 0, one.fetched) for one in running()))
