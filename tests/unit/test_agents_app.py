"""The Faust app: which topic goes to which stage, untouched and unacknowledged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agents.app import TicketApp, _NeverFull, create_app
from schemas.settings import KafkaSettings, Settings

SETTINGS = Settings(kafka=KafkaSettings(bootstrap_servers="one:9092, two:9093", partitions=6))


class Recorder:
    """Stages that note what each of them takes."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Any]] = []

    def __getattr__(self, stage: str) -> Any:
        class Stage:
            @staticmethod
            async def put(event: Any) -> None:
                self.taken.append((stage, event))

        return Stage


class FakeStream:
    """A stream of two events; it must be read without acknowledging."""

    def __init__(self) -> None:
        self.acknowledges = True

    def noack(self) -> FakeStream:
        self.acknowledges = False
        return self

    async def events(self) -> AsyncIterator[str]:
        yield "first"
        yield "second"


@pytest.fixture
def app(tmp_path: Path) -> TicketApp:
    made = create_app(SETTINGS, tmp_path, "ticketstream-here-0")
    made.stages = Recorder()  # type: ignore[assignment]
    return made


async def test_each_topic_goes_to_its_stage_in_order(app: TicketApp) -> None:
    stages: dict[tuple[str, ...], str] = {}
    for agent in app.agents.values():
        stream = FakeStream()
        await agent.fun(stream)
        assert not stream.acknowledges  # else Faust would commit what is not done yet
        taken = app.stages.taken  # type: ignore[attr-defined]
        assert [event for _, event in taken] == ["first", "second"]
        stages[tuple(agent.channel.topics)] = taken[0][0]
        taken.clear()
    assert stages == {
        ("tickets.changes",): "enrich_live",
        ("tickets.backfill",): "enrich_backfill",
        ("tickets.enriched",): "embed",
        ("tickets.embedded",): "index",
        ("imports.commands", "imports.progress"): "imports",
    }


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
        assert isinstance(buffer, _NeverFull)
        assert buffer.maxsize == 0
    own = app.FlowControlQueue(1000)
    assert not isinstance(own, _NeverFull)
    assert own.maxsize == 1000


def test_listening_to_nobody(app: TicketApp) -> None:
    assert not app.conf.web_enabled
