"""What a change of the number of partitions would do, and what it has done. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from schemas.errors import ConflictError, UserError
from schemas.settings.load import PREFIX, Settings
from streams.kafka.topics import topic_configs, uneven
from streams.limits.daily_caps import caps_of
from ticketstream.operations.scale.homes import Change
from ticketstream.operations.scale.scan import Found

_KEYS_A_SECOND: Final = 8_000
_BYTES_A_SECOND: Final = 40_000_000
"""A rough guess for 2 cores shared with Kafka; `python -m benchmarks --only scale` holds it against a run."""
_FIXED_SECONDS: Final = 6.0
"""To begin, to make the partitions, to set the offsets and to end."""


class TopicPlan(msgspec.Struct):
    """A topic: how many partitions it has and will have, and what of it moves."""

    topic: str
    before: int
    after: int
    keys: int = 0
    bytes: int = 0


class Plan(msgspec.Struct, kw_only=True):
    """What is to be done; ``resumes`` says that it was begun before.

    ``in_flight`` and ``waiting`` count messages that are not acknowledged, by topic: the first are finished
    before, the second wait for the workers where they are.
    """

    before: int
    after: int
    resumes: bool
    topics: list[TopicPlan]
    in_flight: dict[str, int] = {}
    waiting: dict[str, int] = {}
    workers: list[str] = []

    @property
    def keys(self) -> int:
        """Keys that move, over all topics."""
        return sum(topic.keys for topic in self.topics)

    @property
    def seconds(self) -> float:
        """About how long it takes, without what is in flight."""
        size = sum(topic.bytes for topic in self.topics)
        return _FIXED_SECONDS + self.keys / _KEYS_A_SECOND + size / _BYTES_A_SECOND


class Outcome(msgspec.Struct, kw_only=True):
    """How it ended: ``planned`` (nothing was done), ``unchanged`` (nothing was to do) or ``done``."""

    status: str
    plan: Plan
    moved: int = 0
    seconds: float = 0.0


def change_of(counts: Mapping[str, int], under_way: Change | None, wanted: int) -> Change | None:
    """Return the change that leads to so many partitions; None when there is nothing to do.

    ``counts`` are those of the topics that exist. Raises ConflictError for one that cannot be made, and
    UserError when there is no topic yet.
    """
    if under_way is not None:
        if under_way.after != wanted:
            raise ConflictError(
                f"a change from {under_way.before} to {under_way.after} partitions has begun and not ended: "
                f"first run `ticketstream scale --partitions {under_way.after}` to its end"
            )
        return under_way
    if not counts:
        raise UserError(
            f"there are no topics yet: set {PREFIX}KAFKA__PARTITIONS={wanted}, and the first worker makes "
            "them with so many partitions"
        )
    most, least = max(counts.values()), min(counts.values())
    if wanted < most:
        raise ConflictError(
            f"the topics have {most} partitions, and Kafka can only add some: {wanted} would be fewer"
        )
    return None if wanted == least else Change(least, wanted)


def require_even(counts: Mapping[str, int], unfinished: Mapping[str, int]) -> None:
    """Raise ConflictError when a worker is needed to finish something, and cannot start.

    Workers refuse topics that differ in their partitions. ``unfinished`` counts messages by topic.
    """
    usual, odd = uneven(counts)
    if odd and unfinished:
        name, count = next(iter(odd.items()))
        raise ConflictError(
            f"messages wait for a worker ({listed(unfinished)}), and none can start while topic {name} has "
            f"another number of partitions than the others ({count} and {usual}): if somebody else has made "
            "or written these topics, delete them, and the first worker makes them anew"
        )


def listed(messages: Mapping[str, int]) -> str:
    """Return in words how many messages there are on each topic."""
    return ", ".join(f"{number:,} on {topic}" for topic, number in messages.items())


def check_caps(settings: Settings, wanted: int) -> None:
    """Raise SettingsError when a daily cap is too small to be shared out to so many partitions."""
    caps_of(settings.embedding, wanted)


def plan_of(change: Change, counts: Mapping[str, int], found: Mapping[Any, Found], **more: Any) -> Plan:
    """Return the plan for what was found in the partitions."""
    topics = {name: TopicPlan(name, counts.get(name, 0), change.after) for name in topic_configs()}
    for place, some in found.items():
        topics[place.topic].keys += len(some.offsets)
        topics[place.topic].bytes += some.bytes
    return Plan(before=change.before, after=change.after, topics=list(topics.values()), **more)


def fields(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as ``--json`` shows it."""
    plan = outcome.plan
    return {
        "status": outcome.status,
        "from": plan.before,
        "to": plan.after,
        "resumed": plan.resumes,
        "keys": plan.keys,
        "moved": outcome.moved,
        "seconds_foreseen": round(plan.seconds, 1),
        "seconds": round(outcome.seconds, 1),
        "in_flight": plan.in_flight,
        "waiting": plan.waiting,
        "workers": plan.workers,
        "topics": [
            {
                "topic": topic.topic,
                "from": topic.before,
                "to": topic.after,
                "keys": topic.keys,
                "bytes": topic.bytes,
            }
            for topic in plan.topics
        ],
    }
