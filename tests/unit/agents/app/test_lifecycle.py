"""The life of a worker: which part is told what, in which order, when partitions come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from agents.app.lifecycle import Lifecycle
from agents.app.part import Part
from streams.testing import settle
from tests.shared_fixtures import logs

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")
PARTITIONS = 8


class Noted(Part):
    """A part that notes each verb it is told."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log
        self.fails_to_open = False

    async def _note(self, *words: object) -> None:
        await asyncio.sleep(0)
        self.log.append(" ".join(map(str, (self.name, *words))))

    async def open(self) -> None:
        if self.fails_to_open:
            raise RuntimeError("the service is not what it should be")
        await self._note("open")

    async def take(self, partitions: frozenset[int], gained: frozenset[int]) -> None:
        await self._note("take", sorted(partitions), sorted(gained))

    async def let_go(self) -> None:
        await self._note("let_go")

    async def finish(self, seconds: float) -> None:
        await self._note("finish", seconds)

    async def tell(self) -> None:
        await self._note("tell")

    async def close(self) -> None:
        await self._note("close")


class Loop(Noted):
    """Runs until the worker ends."""

    async def run(self) -> None:
        self.log.append(f"{self.name} runs")
        try:
            await asyncio.Event().wait()
        finally:
            self.log.append(f"{self.name} ended")


class Signal:
    def __init__(self) -> None:
        self.receivers: list[Any] = []

    def connect(self, receiver: Any) -> None:
        self.receivers.append(receiver)

    async def send(self) -> None:
        for receiver in self.receivers:
            await receiver(self)


class Bench:
    """A lifecycle of three parts, in an app that only sends its signals."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.assignment: set[TP] = set()
        self.lease = SimpleNamespace(held=True)

        async def noted(word: str) -> None:
            self.log.append(word)

        self.app = SimpleNamespace(
            on_partitions_revoked=Signal(),
            on_rebalance_complete=Signal(),
            on_before_shutdown=Signal(),
            consumer=SimpleNamespace(
                assignment=lambda: self.assignment,
                commit=lambda: noted("commit"),
                leave=lambda: noted("leave"),
            ),
            tables=SimpleNamespace(changelog_topics={"ticketstream-seen-changelog"}),
            lease=self.lease,
            rebalancing=False,
            stays=False,
        )
        self.low, self.middle, self.top = (
            Noted("low", self.log),
            Loop("middle", self.log),
            Noted("top", self.log),
        )
        self.lifecycle = Lifecycle(
            self.app, [self.low, self.middle, self.top], of_all=PARTITIONS, patience=lambda: 7.5
        )

    async def own(self, *partitions: int) -> None:
        self.assignment = {
            TP(topic, p) for topic in ("tickets.changes", "tickets.enriched") for p in partitions
        }
        # Copies of other workers' tables are assigned as well.
        self.assignment |= {TP("ticketstream-seen-changelog", p) for p in range(PARTITIONS)}
        await self.app.on_rebalance_complete.send()

    async def lose(self) -> None:
        await self.app.on_partitions_revoked.send()

    async def stop(self) -> list[str]:
        self.log.clear()
        await self.app.on_before_shutdown.send()
        return self.log


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    await made.lifecycle.open()
    await settle()
    return made


async def test_parts_are_opened_from_the_ground_up_and_then_run(bench: Bench) -> None:
    assert bench.log == ["low open", "middle open", "top open", "middle runs"]
    await bench.stop()


async def test_partitions_are_taken_from_the_ground_up_and_let_go_from_the_top(bench: Bench) -> None:
    bench.log.clear()
    await bench.own(1, 2)
    await bench.lose()
    assert bench.log == [
        *(f"{part} take [1, 2] [1, 2]" for part in ("low", "middle", "top")),
        *(f"{part} let_go" for part in ("top", "middle", "low")),
    ]
    await bench.stop()


async def test_gained_is_what_somebody_else_may_have_worked_on(bench: Bench) -> None:
    bench.log.clear()
    await bench.own(1, 2)
    await bench.lose()
    await bench.own(1, 2, 3)
    # Lost for a while: whoever had them meanwhile may have died amid a write.
    bench.lease.held = False
    await bench.lose()
    bench.lease.held = True
    await bench.own(1, 3)
    taken = [entry.removeprefix("low take ") for entry in bench.log if entry.startswith("low take")]
    assert taken == ["[1, 2] [1, 2]", "[1, 2, 3] [3]", "[1, 3] [1, 3]"]
    await bench.stop()


async def test_a_worker_that_stops_finishes_tells_commits_lets_go_leaves_and_closes(bench: Bench) -> None:
    await bench.own(1)
    log = await bench.stop()
    assert log[:3] == ["top finish 7.5", "middle finish 7.5", "low finish 7.5"]
    assert log[3:] == [
        *(f"{part} tell" for part in ("low", "middle", "top")),
        "commit",
        "middle ended",
        *(f"{part} let_go" for part in ("top", "middle", "low")),
        "leave",
        *(f"{part} close" for part in ("top", "middle", "low")),
    ]


async def test_what_was_begun_is_finished_side_by_side(bench: Bench) -> None:
    waits = asyncio.Event()

    async def slow(_: float) -> None:
        await waits.wait()

    bench.top.finish = slow  # type: ignore[method-assign]
    stopping = asyncio.create_task(bench.app.on_before_shutdown.send())
    await settle()
    assert "low finish 7.5" in bench.log
    assert "low tell" not in bench.log
    waits.set()
    await stopping
    assert bench.log[-1] == "low close"


async def test_with_kafka_away_a_worker_that_stops_does_not_wait_for_its_last_words(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.app.lifecycle._LAST_WORDS_SECONDS", 0.01)
    bench.middle.tell = asyncio.Event().wait  # type: ignore[method-assign, assignment]
    log = await bench.stop()
    assert "commit" not in log
    assert log[-1] == "low close"


async def test_when_a_part_cannot_be_opened_those_above_it_are_never_told_anything() -> None:
    bench = Bench()
    bench.middle.fails_to_open = True
    with pytest.raises(RuntimeError):
        await bench.lifecycle.open()
    log = await bench.stop()
    assert "middle close" in log, "what it had taken before it failed is given back"
    assert log[-1] == "low close"
    assert not [entry for entry in log if entry.startswith("top")]


@pytest.mark.parametrize(("owned", "stays"), [(range(PARTITIONS), False), ((), False), ((3,), True)])
async def test_a_worker_keeps_its_partitions_where_no_other_works_or_all_stop(
    bench: Bench, owned: Iterable[int], stays: bool
) -> None:
    await bench.own(*owned)
    bench.app.stays = stays
    assert "leave" not in await bench.stop()


@pytest.mark.parametrize("owned", [range(PARTITIONS), ()])
async def test_a_rebalance_under_way_says_that_another_works(bench: Bench, owned: Iterable[int]) -> None:
    await bench.own(*owned)
    bench.app.rebalancing = True
    assert "leave" in await bench.stop()
