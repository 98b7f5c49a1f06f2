"""The report of a comparison on its topic, from which the workers show it as metrics."""

from __future__ import annotations

import time

import msgspec

from schemas.cluster import Cluster
from schemas.codec import encode, headers_of
from schemas.messages.reconcile import ReconcileReport
from schemas.topics import RECONCILE_REPORTS
from streams.kafka.messages import Record
from streams.kafka.partitions import account_partition
from streams.kafka.producer import Producer
from streams.metrics.state import DRIFT
from ticketstream.operations.reconcile.outcome import Outcome


def report_of(outcome: Outcome, now: float) -> ReconcileReport:
    """Return what differs at the end of a comparison."""
    left = msgspec.to_builtins(outcome.left)
    return ReconcileReport(
        at=now,
        account=outcome.totals.account,
        indexed=outcome.totals.indexed,
        drift={kind: int(left[kind]) for kind in DRIFT},
    )


async def publish(outcome: Outcome, cluster: Cluster) -> None:
    """Put the report on its topic; raises UnavailableError.

    A comparison of some tickets is not put there: it says nothing of the others.
    """
    if outcome.since:
        return
    report = report_of(outcome, time.time())
    home = account_partition(outcome.account, cluster.partitions)
    producer = Producer(cluster, "ticketstream-cli")
    await producer.start()
    try:
        await producer.send(
            [Record(RECONCILE_REPORTS, home, outcome.account.encode(), encode(report), headers_of(report))]
        )
    finally:
        await producer.stop()
