"""Metrics: bounded labels, shown from the start, with the account; money; lag; the last comparison."""

from __future__ import annotations

import math
from typing import Any

import pytest
from aiokafka import TopicPartition
from prometheus_client import generate_latest

from agents.measuring.ages import Ages
from agents.measuring.sampler import STAGE_OF, Sampler
from schemas.cluster import Cluster
from schemas.codec import encode, headers_of
from schemas.messages.reconcile import ReconcileReport
from schemas.topics import CHANGES, EMBEDDED, ENRICHED
from streams.embeddings.observe import EmbeddingCall
from streams.kafka.committed import Waiting
from streams.limits import QuotaShare
from streams.metrics import Metrics
from streams.metrics.exposition import Labelled
from streams.sources.zendesk.login import StaticLogin


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"ticketstream_{name}", labels)


def test_what_has_not_happened_yet_is_shown_as_nothing() -> None:
    metrics = Metrics()
    assert value(metrics, "stage_skipped_total", stage="enrich", reason="stale") == 0
    assert value(metrics, "stage_dead_lettered_total", stage="source", error="DecodeError") == 0
    assert value(metrics, "api_calls_total", service="zendesk", status="429") == 0
    assert value(metrics, "weaviate_failed_objects_total", outcome="refused") == 0


def test_labels_take_no_value_that_is_not_known_beforehand() -> None:
    metrics = Metrics()
    stage = metrics.stage("embed")
    stage.dead_lettered("AnErrorOfSomeLibrary")
    stage.dead_lettered("RefusedError")
    stage.skipped("no account")
    metrics.services.zendesk_called(418, 0.1)
    metrics.services.zendesk_called(0, 0.1)
    assert value(metrics, "stage_dead_lettered_total", stage="embed", error="other") == 1
    assert value(metrics, "stage_dead_lettered_total", stage="embed", error="RefusedError") == 1
    assert value(metrics, "stage_skipped_total", stage="embed", reason="no_account") == 1
    assert value(metrics, "api_calls_total", service="zendesk", status="other") == 1
    assert value(metrics, "api_calls_total", service="zendesk", status="none") == 1


def test_every_series_carries_the_account() -> None:
    shown = generate_latest(Labelled(Metrics().registry, {"account": "acme", "empty": ""})).decode()
    series = [line for line in shown.splitlines() if not line.startswith("#")]
    assert series
    assert all('account="acme"' in line and "empty" not in line and "_created" not in line for line in series)


def test_only_answered_calls_cost_money() -> None:
    metrics = Metrics(usd_per_token=0.15 / 1_000_000)
    for outcome in ("ok", "rate_limited", "unavailable"):
        call = EmbeddingCall("live", texts=2, tokens=1_000_000, waited=0, seconds=0.1, outcome=outcome)  # type: ignore[arg-type]
        metrics.services.embedding_called(call)
    assert value(metrics, "embedding_cost_usd_total") == pytest.approx(0.15)
    assert value(metrics, "embedding_tokens_total") == 3_000_000
    assert value(metrics, "embedding_batch_texts_count") == 3


def test_a_quota_is_read_where_it_is_kept() -> None:
    metrics = Metrics()
    share = QuotaShare(400, 8)
    metrics.services.show_quota("zendesk", "general", share)
    share.own(4)
    share.acquired_total = 17
    share.observe(123, 30)
    place = {"service": "zendesk", "bucket": "general"}
    assert value(metrics, "quota_per_minute", **place) == 200
    assert value(metrics, "quota_used_total", **place) == 17
    assert value(metrics, "quota_remaining", **place) == 123


async def test_a_login_is_read_where_it_stands() -> None:
    metrics = Metrics()
    assert value(metrics, "zendesk_token_requests_total", outcome="failed") == 0
    assert value(metrics, "zendesk_login_end_timestamp_seconds") == math.inf
    login = StaticLogin("Basic x", "VARIABLES", "api_token", 1_809_043_200.0)
    metrics.login.show(login)
    await login.refused("Basic x")
    assert value(metrics, "zendesk_login_refusals_total") == 1
    assert value(metrics, "zendesk_login_end_timestamp_seconds") == 1_809_043_200.0
    assert value(metrics, "zendesk_token_end_timestamp_seconds") == math.inf


def test_what_lies_unread_is_as_old_as_the_look_that_found_it() -> None:
    ages = Ages()
    ages.look(10, 10, now=100)
    assert ages.age(now=500) == 0
    ages.look(10, 12, now=105)
    ages.look(10, 15, now=110)
    assert ages.age(now=120) == 15
    ages.look(12, 15, now=125)  # the first two are done; the others came by the second look
    assert ages.age(now=130) == 20
    ages.look(15, 15, now=135)
    assert ages.age(now=140) == 0


class Held:
    def __init__(self) -> None:
        self.heads: dict[tuple[str, int], float] = {}

    def oldest(self) -> dict[tuple[str, int], float]:
        return self.heads


class Sizes:
    def __getitem__(self, name: str) -> Sizes:
        return self

    def size(self, partition: int) -> tuple[int, int]:
        return 10 + partition, 1000


class Broker:
    """Tells what is waiting, by topic and partition; nothing elsewhere."""

    def __init__(self) -> None:
        self.waiting: dict[tuple[str, int], Waiting] = {}

    async def unacknowledged(self, places: list[TopicPartition]) -> dict[TopicPartition, Waiting]:
        return {place: self.waiting.get((place.topic, place.partition), Waiting(3, 3)) for place in places}


@pytest.fixture
def bench() -> Any:
    class MetricsBench:
        metrics = Metrics()
        engine = Held()
        broker = Broker()
        now = 1000.0

    made: Any = MetricsBench()
    made.sampler = Sampler(
        made.metrics.state,
        engines=[made.engine],
        tables=Sizes(),
        cluster=Cluster("kafka:1", 8),
        account=None,
        clock=lambda: made.now,
    )
    return made


async def test_lag_is_told_in_messages_and_seconds_of_the_partitions_at_hand_only(bench: Any) -> None:
    bench.sampler.assigned([0, 5])
    bench.broker.waiting = {(CHANGES, 5): Waiting(10, 14), (ENRICHED, 5): Waiting(0, 2)}
    bench.engine.heads = {(CHANGES, 5): 940.0}
    await bench.sampler.look(bench.broker)
    bench.now = 1010.0
    await bench.sampler.look(bench.broker)

    def lag(what: str, topic: str, partition: int) -> float | None:
        place = {"stage": STAGE_OF[topic], "topic": topic, "partition": str(partition)}
        return value(bench.metrics, f"lag_{what}", **place)

    assert lag("messages", CHANGES, 5) == 4
    assert lag("seconds", CHANGES, 5) == 70  # the message itself says when it was put there
    assert (lag("messages", ENRICHED, 5), lag("seconds", ENRICHED, 5)) == (2, 10)  # nobody has read it yet
    assert (lag("messages", EMBEDDED, 0), lag("seconds", EMBEDDED, 0)) == (0, 0)
    assert lag("messages", CHANGES, 1) is None
    assert value(bench.metrics, "table_entries", table="indexed") == 25
    bench.sampler.revoked()
    assert lag("messages", CHANGES, 5) is None and lag("seconds", CHANGES, 5) is None


def test_the_last_comparison_is_shown(bench: Any) -> None:
    class Raw:
        report = ReconcileReport(at=5.0, account=9, indexed=8, drift={"missing": 2, "stale": 0})
        value, headers = encode(report), headers_of(report)

    bench.sampler._show_report(Raw)
    assert value(bench.metrics, "reconcile_drift_tickets", kind="missing") == 2
    assert value(bench.metrics, "reconcile_drift_tickets", kind="chunks") == 0
    assert value(bench.metrics, "reconcile_tickets", side="indexed") == 8
    assert value(bench.metrics, "reconcile_timestamp_seconds") == 5
