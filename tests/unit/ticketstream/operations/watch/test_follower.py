"""The follower without Kafka: a state that is old is no state."""

from __future__ import annotations

import asyncio
import time

import pytest

from schemas.settings.load import Settings
from schemas.stages import TICKET_TOPICS
from schemas.topics import EMBEDDED
from ticketstream.operations.watch.flow import Flow
from ticketstream.operations.watch.follower import EVERY_SECONDS, Follower
from ticketstream.operations.watch.kafka_session import bounded
from ticketstream.operations.watch.overview import overview

SETTINGS = Settings.model_validate({"zendesk": {"subdomain": "acme"}})


def test_what_was_seen_a_while_ago_is_not_called_in_step() -> None:
    now = 1_000.0

    def clock() -> float:
        return now

    follower = Follower(SETTINGS, clock=clock)
    follower.flows = {topic: Flow() for topic in TICKET_TOPICS}
    follower.workers, follower.looked_at, follower._away = 1, now, ""
    for at, state in ((1_000.0, "in_step"), (1_014.0, "in_step"), (1_016.0, "unknown")):
        now = at
        seen = overview(follower, SETTINGS, chunks=1, away={}, clock=clock)
        assert seen["state"] == state
    assert "16 s" in seen["reason"]
    assert seen["workers"] is None


def test_watchers_are_told_at_least_every_two_seconds() -> None:
    assert EVERY_SECONDS <= 2


def test_the_overview_names_the_stage_that_holds_things_up() -> None:
    follower = Follower(SETTINGS, clock=lambda: 1_000.0)
    follower.flows = {topic: Flow() for topic in TICKET_TOPICS}
    follower.flows[EMBEDDED].look(1_000.0, {0: 7}, {0: 2})
    follower.workers, follower.looked_at, follower._away = 0, 1_000.0, ""
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
