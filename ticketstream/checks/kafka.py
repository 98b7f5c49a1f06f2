"""Whether Kafka is there, with the topics of the pipeline, and who works on them."""

from __future__ import annotations

from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from agents.topics import topic_configs
from schemas.moves import scale_under_way
from schemas.settings import PREFIX, Settings
from ticketstream.checks.finding import Finding
from ticketstream.records.reader import unreachable
from ticketstream.records.workers import members_of


async def check_kafka(settings: Settings, *, timeout: float) -> list[Finding]:
    """Look at broker, topics and workers; raises SettingsError and UnavailableError."""
    servers = settings.bootstrap_servers
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=round(timeout * 1000))
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
        # All topics: asking for one that is missing would make some brokers create it.
        topics = await admin.describe_topics()
        workers = await members_of(admin)
    except (KafkaError, OSError, TimeoutError) as error:
        raise unreachable(servers, error) from error
    finally:
        await admin.close()
    brokers = len(cluster["brokers"])
    there = Finding("kafka", "ok", f"{servers} answers ({brokers} broker{'s' if brokers > 1 else ''})")
    return [there, _topics(topics, settings.kafka.partitions), _workers(workers)]


def _topics(topics: list[dict[str, Any]], partitions: int) -> Finding:
    if (scaling := scale_under_way(topic["topic"] for topic in topics)) is not None:
        return Finding(
            "topics",
            "fail",
            f"a change from {scaling[0]} to {scaling[1]} partitions has begun and not ended",
            f"wait for it; if it was interrupted, run `ticketstream scale --partitions {scaling[1]}` again",
        )
    wanted = topic_configs()
    found = {topic["topic"]: len(topic["partitions"]) for topic in topics if topic["topic"] in wanted}
    wrong = {name: count for name, count in found.items() if count != partitions}
    if wrong:
        name, count = next(iter(sorted(wrong.items())))
        return Finding(
            "topics",
            "fail",
            f"{name} has {count} partitions, the settings say {partitions}",
            f"set {PREFIX}KAFKA__PARTITIONS={count}",
        )
    missing = len(wanted) - len(found)
    if missing:
        return Finding(
            "topics",
            "warn",
            f"{missing} of {len(wanted)} topics do not exist yet",
            "nothing: the first worker or import makes them",
        )
    return Finding("topics", "ok", f"all {len(wanted)} are there, {partitions} partitions each")


def _workers(workers: list[str]) -> Finding:
    if not workers:
        return Finding("workers", "warn", "none is running", "start one with `ticketstream worker`")
    return Finding(
        "workers", "ok", f"{len(workers)} at work: {', '.join(workers[:4])}{' …' if len(workers) > 4 else ''}"
    )
