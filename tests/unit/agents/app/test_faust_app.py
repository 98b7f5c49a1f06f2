"""The Faust app: which topic goes to which stage, untouched and unacknowledged."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.app.faust_app import TicketApp, create_app
from agents.app.part import Intake, Plan
from agents.app.queues import NeverFull
from schemas.settings.kafka import KafkaSettings
from schemas.settings.load import Settings
from streams.testing import settle, until

SETTINGS = Settings(kafka=KafkaSettings(bootstrap_servers="one:9092, two:9093", partitions=6))


TOPICS = {
    "enrich_live": ("tickets.changes",),
    "embed": ("tickets.enriched",),
    "imports": ("imports.commands", "imports.progress"),
}


class Recorder:
    """Notes what each intake takes."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Any]] = []

    def intake(self, name: str, topics: tuple[str, ...]) -> Intake:
        async def put(event: Any) -> None:
            self.taken.append((name, event))

        return Intake(name, topics, put)

    def plan(self, _: TicketApp) -> Plan:
        return Plan(tuple(self.intake(*one) for one in TOPICS.items()), (), lambda: 0.0)


class FakeStream:
    """A stream with a queue of events; Faust's own iterator, which acknowledges, must not be used."""

    def __init__(self, *events: Any) -> None:
        self.channel = SimpleNamespace(queue=asyncio.Queue())
        for event in events:
            self.channel.queue.put_nowait(event)


def an_event(offset: int, generation: int) -> Any:
    return SimpleNamespace(message=SimpleNamespace(offset=offset, generation_id=generation))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def app(tmp_path: Path, recorder: Recorder) -> TicketApp:
    return create_app(SETTINGS, tmp_path, "ticketstream-here-0", recorder.plan)


async def taken_by(recorder: Recorder, agent: Any, *events: Any) -> list[tuple[str, Any]]:
    """Return what the intakes get of the events of an agent's stream."""
    recorder.taken.clear()
    stream = FakeStream(*events)
    reading = asyncio.create_task(agent.fun(stream))
    await until(stream.channel.queue.empty)
    await settle()
    reading.cancel()
    return list(recorder.taken)


async def test_each_topic_goes_to_its_intake_in_order(app: TicketApp, recorder: Recorder) -> None:
    app.flow_control.resume()
    generation = app.consumer_generation_id
    first, second = an_event(1, generation), an_event(2, generation)
    intakes: dict[str, tuple[str, ...]] = {}
    for agent in app.agents.values():
        taken = await taken_by(recorder, agent, first, second)
        assert [event for _, event in taken] == [first, second]
        intakes[taken[0][0]] = tuple(agent.channel.topics)
    assert intakes == TOPICS


async def test_a_stage_ends_with_its_stream(app: TicketApp) -> None:
    for agent in app.agents.values():
        stream = FakeStream()
        stream.channel.queue = NeverFull(maxsize=0, flow_control=app.flow_control)
        reading = asyncio.create_task(agent.fun(stream))
        await settle()
        await stream.channel.queue.throw(StopAsyncIteration())  # as Faust does when it stops one
        await asyncio.wait_for(reading, 5)


async def test_what_a_rebalance_overtakes_reaches_no_stage(app: TicketApp, recorder: Recorder) -> None:
    app.flow_control.resume()
    generation = app.consumer_generation_id
    former, current = an_event(1, generation - 1), an_event(1, generation)
    for agent in app.agents.values():
        assert [event for _, event in await taken_by(recorder, agent, former, current)] == [current]
    app.flow_control.suspend()  # its partitions are being taken away
    for agent in app.agents.values():
        assert await taken_by(recorder, agent, current) == []


def test_messages_reach_the_stages_as_they_lie_on_the_topic(app: TicketApp) -> None:
    for agent in app.agents.values():
        channel = agent.channel
        assert (channel.key_serializer, channel.value_serializer) == ("raw", "raw")
        assert (channel.key_type, channel.value_type) == (bytes, bytes)


def test_a_worker_that_comes_back_keeps_its_partitions(app: TicketApp) -> None:
    assert app.conf.id == "ticketstream"
    assert app.conf.consumer_group_instance_id == "ticketstream-here-0"
    assert app.conf.topic_partitions == 6
    assert [str(url) for url in app.conf.broker] == ["kafka://one:9092", "kafka://two:9093"]
    assert app.conf.consumer_auto_offset_reset == "earliest"
    assert not app.conf.topic_allow_declare  # topics have settings of their own


async def test_stages_have_buffers_that_never_block_and_the_rest_faust_s_own(app: TicketApp) -> None:
    for agent in app.agents.values():
        buffer = app.FlowControlQueue(agent.channel.maxsize)
        assert isinstance(buffer, NeverFull)
        assert buffer.maxsize == 0
    own = app.FlowControlQueue(1000)
    assert not isinstance(own, NeverFull)
    assert own.maxsize == 1000


def test_listening_to_nobody(app: TicketApp) -> None:
    assert not app.conf.web_enabled
