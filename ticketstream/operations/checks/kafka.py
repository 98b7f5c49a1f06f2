"""Whether Kafka is there, with the topics of the pipeline, and who works on them."""

from __future__ import annotations

from collections.abc import Mapping

from aiokafka.errors import KafkaError

from schemas.scaling import scale_under_way
from schemas.settings.load import Settings
from streams.kafka import clients
from streams.kafka.group_members import members_of
from streams.kafka.topic_admin import Described, described, settings_of
from streams.kafka.topic_reader import unreachable
from streams.kafka.topic_settings import TopicSettings, differences
from streams.kafka.topics import others_topics, topic_configs, wrong_partitions
from ticketstream.operations.checks.finding import Finding


async def check_kafka(settings: Settings, *, timeout: float) -> list[Finding]:
    """Look at broker, topics and workers; raises SettingsError and UnavailableError."""
    cluster = settings.cluster
    admin = clients.admin(cluster, timeout=timeout)
    try:
        await admin.start()
        brokers = len((await admin.describe_cluster())["brokers"])
        topics = await described(admin)
        chosen = await settings_of(admin, [name for name in topic_configs() if name in topics])
        workers = await members_of(admin)
    except (KafkaError, OSError, TimeoutError) as error:
        raise unreachable(cluster, error) from error
    finally:
        await admin.close()
    there = Finding("kafka", "ok", f"{cluster} answers ({brokers} broker{'s' if brokers > 1 else ''})")
    return [there, _topics(topics, chosen, settings.kafka.partitions), _workers(workers)]


def _topics(topics: Described, settings: Mapping[str, TopicSettings], partitions: int) -> Finding:
    if (scaling := scale_under_way(topics)) is not None:
        return Finding(
            "topics",
            "fail",
            f"a change from {scaling[0]} to {scaling[1]} partitions has begun and not ended",
            f"wait for it; if it was interrupted, run `ticketstream scale --partitions {scaling[1]}` again",
        )
    wanted = topic_configs()
    counts = {name: len(topics[name]) for name in wanted if name in topics}
    others = others_topics(counts, settings, partitions)
    own = {name: count for name, count in counts.items() if name not in others}
    if (wrong := wrong_partitions(own, partitions)) is not None:
        said, _, todo = wrong.partition(": ")
        return Finding("topics", "fail", said, todo)
    if others:
        such = f" (and {len(others) - 1} more such)" if len(others) > 1 else ""
        return Finding(
            "topics",
            "fail",
            f"topic {others[0]} was made by another program, with too few partitions ({counts[others[0]]} of "
            f"{partitions}) and the broker's defaults{such}",
            "start a worker with `ticketstream worker`: it mends them while they are empty; if it refuses, "
            f"run `ticketstream scale --partitions {partitions}`",
        )
    differ = [(name, each) for name in counts for each in differences(settings[name], wanted[name])]
    if differ:
        (name, first), more = differ[0], len(differ) - 1
        said = f"topic {name}: {first}{f' (and {more} more settings that differ)' if more else ''}"
        if all(each.is_mended for _, each in differ):
            return Finding("topics", "fail", said, "start a worker with `ticketstream worker`: it mends them")
        return Finding(
            "topics",
            "fail",
            said,
            "set them with `kafka-configs.sh --alter --entity-type topics` as they must be, or remove what "
            "was set: a worker then mends them",
        )
    missing = len(wanted) - len(counts)
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
