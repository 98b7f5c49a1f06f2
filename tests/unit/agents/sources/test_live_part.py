"""The live source runs where the account's partition is, and begins anew when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agents.sources import live_part
from agents.sources.live_part import LivePart
from streams.testing import settle, until
from tests.shared_fixtures import logs

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")
HOME = 3


class Source:
    def __init__(self) -> None:
        self.log: list[str] = []
        self.failures = 0

    async def run(self) -> None:
        self.log.append("run")
        if self.failures:
            self.failures -= 1
            raise ZeroDivisionError("oh")
        try:
            await asyncio.Event().wait()
        finally:
            self.log.append("ended")


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def part(source: Source) -> AsyncIterator[LivePart]:
    made = LivePart(HOME, source.run)
    yield made
    await made.let_go()


async def take(part: LivePart, *partitions: int) -> None:
    await part.take(frozenset(partitions), frozenset())
    await settle()


async def test_it_runs_where_its_partition_is_and_never_twice_at_once(part: LivePart, source: Source) -> None:
    await take(part, 1, 2)
    assert source.log == []
    await take(part, HOME)
    assert source.log == ["run"]
    await take(part, HOME, 4)  # begun anew from its table
    assert source.log == ["run", "ended", "run"]
    await take(part, 4)
    assert source.log[-1] == "ended"


@pytest.mark.parametrize("verb", ["let_go", "finish"])
async def test_it_ends_before_the_partitions_go_and_when_the_worker_stops(
    part: LivePart, source: Source, verb: str
) -> None:
    await take(part, HOME)
    await (part.let_go() if verb == "let_go" else part.finish(10))
    assert source.log == ["run", "ended"]


async def test_a_source_that_stops_for_a_reason_nobody_foresaw_begins_anew(
    part: LivePart, source: Source, logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_part, "_AGAIN_SECONDS", 0)
    source.failures = 2
    await take(part, HOME)
    await until(lambda: source.log == ["run"] * 3)
    assert [entry["event"] for entry in logs] == ["a source stopped"] * 2
