"""The follower without Kafka: a state that is old is no state."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Self

import pytest

from schemas.settings.load import Settings
from schemas.stages import TICKET_TOPICS
from streams.testing import until
from ticketstream.operations.watch import follower as module
from ticketstream.operations.watch.follower import EVERY_SECONDS, Follower
from ticketstream.operations.watch.kafka_session import Offsets, bounded
from ticketstream.operations.watch.overview import overview

SETTINGS = Settings.model_validate(
    {"zendesk": {"subdomain": "acme"}, "kafka": {"bootstrap_servers": "kafka:1"}}
)


class Session:
    """A connection to a Kafka whose topics are empty but for what ``ends`` says; nothing of it is done."""

    def __init__(self, workers: int, ends: dict[str, dict[int, int]]) -> None:
        self._workers = workers
        self._ends = ends

    def __call__(self, *_: object, **__: object) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def ends(self) -> dict[Any, int]:
        return {}

    async def read(self) -> list[Any]:
        return []

    async def has_read(self, ends: object) -> bool:
        return True

    async def earlier(self, now: float) -> dict[str, Any]:
        return {}

    async def workers(self) -> int:
        return self._workers

    async def offsets(self) -> Offsets:
        ends = {topic: self._ends.get(topic, {0: 0}) for topic in TICKET_TOPICS}
        return Offsets(ends, {topic: dict.fromkeys(ends[topic], 0) for topic in TICKET_TOPICS})


async def looked(
    follower: Follower, monkeypatch: pytest.MonkeyPatch, *, workers: int, **ends: dict[int, int]
) -> None:
    """Have the follower look once; ``ends`` by the topics' names with underscores."""
    found = {topic.replace("_", "."): places for topic, places in ends.items()}
    monkeypatch.setattr(module, "KafkaSession", Session(workers, found))
    following = asyncio.create_task(follower.run())
    await until(lambda: follower.looked_at is not None and follower.caught_up)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_what_was_seen_a_while_ago_is_not_called_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0

    def clock() -> float:
        return now

    follower = Follower(SETTINGS, clock=clock)
    await looked(follower, monkeypatch, workers=1)
    for at, state in ((1_000.0, "in_step"), (1_014.0, "in_step"), (1_016.0, "unknown")):
        now = at
        seen = overview(follower, SETTINGS, chunks=1, away={}, clock=clock)
        assert seen["state"] == state
    assert "16 s" in seen["reason"]
    assert seen["workers"] is None


def test_watchers_are_told_at_least_every_two_seconds() -> None:
    assert EVERY_SECONDS <= 2


async def test_the_overview_names_the_stage_that_holds_things_up(monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower(SETTINGS, clock=lambda: 1_000.0)
    await looked(follower, monkeypatch, workers=0, tickets_embedded={0: 5})
    seen = overview(follower, SETTINGS, chunks=1, away={}, clock=lambda: 1_000.0)
    assert (seen["state"], seen["held_up_by"]) == ("stopped", "index")
    assert {each["stage"]: each["backlog"] for each in seen["stages"]} == {
        "enrich": 0,
        "embed": 0,
        "index": 5,
    }


async def test_a_call_that_does_not_let_itself_be_cancelled_is_left() -> None:
    released = asyncio.Event()

    async def stubborn() -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    async def cut_off() -> None:
        raise asyncio.CancelledError

    with pytest.raises(TimeoutError):
        await bounded(cut_off(), 5)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await bounded(stubborn(), 0.05)
    assert time.monotonic() - began < 5
    released.set()
