"""The life of a worker's pipeline: what happens, in which order, when partitions come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from agents.knowledge.backlog import Backlog
from agents.worker import plan as module
from agents.worker.plan import Pipeline
from schemas.settings.kafka import KafkaSettings
from schemas.settings.load import Settings
from schemas.settings.zendesk import ZendeskSettings
from streams.kafka.partitions import account_partition
from streams.testing import InMemoryProducer, settle
from tests.shared_fixtures import logs

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")
HOME = account_partition("acme", 8)


class Part:
    """A part of a pipeline that notes each call with its name."""

    def __init__(self, name: str, log: list[str]) -> None:
        self._name = name
        self._log = log

    def __getattr__(self, call: str) -> Any:
        entry = f"{self._name}.{call}"

        class Call:
            def __init__(self, log: list[str], arguments: tuple[Any, ...]) -> None:
                log.append(entry + "".join(f" {argument}" for argument in arguments))

            def __await__(self) -> Any:
                yield from asyncio.sleep(0).__await__()

        return lambda *arguments, **_: Call(self._log, arguments)


class Desk:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.assignment: set[TP] = set()
        self.pipeline: Any = object.__new__(Pipeline)
        self.pipeline._tracing = None
        self.pipeline._sources = True
        made = self.pipeline
        for name in ("backlog", "ledger", "batcher", "writer", "provider", "weaviate", "producer", "slot"):
            setattr(made, f"_{name}", Part(name, self.log))
        for name in ("general", "requests", "tokens", "spending"):
            setattr(made, f"_{name}", Part(name, self.log))
        for name in ("enrich_live", "enrich_backfill", "embed", "index", "imports"):
            setattr(made, name, Part(name, self.log))
        made._measuring = Part("measuring", [])
        made._parts = Part("parts", [])
        made._zendesk = Part("zendesk", self.log)
        made._tables = None
        made._tasks = []
        made._live = None
        made._owned = frozenset()
        made._unbegun = False
        made._indexing = Part("indexing", self.log)
        made._partitions = 8
        made._settings = Settings(
            kafka=KafkaSettings(partitions=8), zendesk=ZendeskSettings(subdomain="acme"), data_dir=Path()
        )
        consumer = Part("consumer", self.log)
        consumer.assignment = lambda: self.assignment  # type: ignore[method-assign]
        self.lease = SimpleNamespace(held=True)
        made._app = self.app = SimpleNamespace(
            consumer=consumer, lease=self.lease, stays=False, rebalancing=False
        )
        desk = self

        class Live:
            def __init__(self, account: str, *_: Any, **__: Any) -> None:
                assert account == "acme"

            async def run(self) -> None:
                desk.log.append("live.run")
                try:
                    await asyncio.Event().wait()
                finally:
                    desk.log.append("live.ended")

        monkeypatch.setattr(module, "LiveSource", Live)

    def own(self, *partitions: int) -> None:
        self.assignment = {
            TP(topic, p) for topic in ("tickets.changes", "tickets.enriched") for p in partitions
        }


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Desk(monkeypatch)
    yield made
    await made.pipeline._stop_live()


async def test_new_partitions_bring_their_share_of_the_quotas_and_their_records(desk: Desk) -> None:
    others = [p for p in range(8) if p != HOME][:3]
    desk.own(*others)
    await desk.pipeline._assigned()
    await settle()
    assert {"general.own 3", "requests.own 3", "tokens.own 3"} <= set(desk.log)
    assert f"spending.assigned {set(others)}" in desk.log
    assert f"ledger.assigned {set(others)}" in desk.log
    assert f"imports.assigned {set(others)}" in desk.log
    assert "live.run" not in desk.log


async def test_of_new_partitions_the_sink_is_told_that_somebody_may_have_begun_there(desk: Desk) -> None:
    told = [f"indexing.taken_over {set(new)}" for new in ((1, 2), (3,), (1, 3))]
    desk.own(1, 2)
    await desk.pipeline._assigned()
    desk.own(1, 2, 3)
    await desk.pipeline._assigned()
    # Lost for a while: whoever had them meanwhile may have died amid a write.
    desk.lease.held = False
    await desk.pipeline._revoked()
    desk.own(1, 3)
    await desk.pipeline._assigned()
    assert [entry for entry in desk.log if entry.startswith("indexing")] == told


async def test_of_an_account_weaviate_knows_nothing_of_nobody_has_begun_anything(desk: Desk) -> None:
    desk.pipeline._unbegun = True
    desk.own(1, 2)
    await desk.pipeline._assigned()
    desk.own(1, 2, 3)
    await desk.pipeline._assigned()
    assert [entry for entry in desk.log if entry.startswith("indexing")] == [f"indexing.taken_over { {3} }"]


async def test_the_live_source_runs_where_the_account_s_partition_is(desk: Desk) -> None:
    desk.own(HOME)
    await desk.pipeline._assigned()
    await settle()
    assert desk.log.count("live.run") == 1
    desk.own(HOME, (HOME + 1) % 8)
    await desk.pipeline._assigned()
    await settle()
    # Begun anew from its table, and never twice at once.
    assert [entry for entry in desk.log if entry.startswith("live")] == ["live.run", "live.ended", "live.run"]
    desk.own((HOME + 1) % 8)
    await desk.pipeline._assigned()
    await settle()
    assert desk.log.count("live.ended") == 2


async def test_without_an_account_nothing_is_followed(desk: Desk) -> None:
    desk.pipeline._zendesk = None
    desk.own(*range(8))
    await desk.pipeline._assigned()
    await settle()
    assert "live.run" not in desk.log


async def test_partitions_taken_away_take_everything_along(desk: Desk) -> None:
    desk.own(HOME)
    await desk.pipeline._assigned()
    await settle()
    desk.log.clear()
    await desk.pipeline._revoked()
    assert desk.log[:3] == ["general.own 0", "requests.own 0", "tokens.own 0"]
    assert desk.log[3:] == [
        "live.ended",
        "imports.revoked",
        *(f"{stage}.abandon" for stage in ("enrich_live", "enrich_backfill", "embed", "index")),
        "spending.revoked",  # when nobody is left who waits for what it would let through
        "writer.settle 20.0",
        "producer.flush 20.0",
    ]


async def test_what_is_being_written_ends_before_the_partitions_go(desk: Desk) -> None:
    desk.own(HOME)
    await desk.pipeline._assigned()
    desk.log.clear()
    await desk.pipeline._revoked()
    assert desk.log[-2:] == ["writer.settle 20.0", "producer.flush 20.0"]


async def test_of_partitions_lost_already_nothing_is_written_any_more(desk: Desk) -> None:
    desk.own(HOME)
    await desk.pipeline._assigned()
    desk.log.clear()
    desk.lease.held = False
    await desk.pipeline._revoked()
    assert desk.log[-2:] == ["writer.settle 0", "producer.drop"]


async def test_a_worker_that_stops_finishes_then_commits_then_closes(desk: Desk) -> None:
    desk.own(HOME)
    await desk.pipeline._assigned()
    await settle()
    desk.log.clear()
    await desk.pipeline._shut_down()
    order = [entry.partition(" ")[0] for entry in desk.log]

    def before(first: str, then: str) -> bool:
        return order.index(first) < order.index(then)

    stages = ("enrich_live", "enrich_backfill", "embed", "index")
    assert order[:2] == ["live.ended", "backlog.open"]  # else a waiting backfill would never end
    for stage in stages:
        assert before(f"{stage}.drain", "consumer.commit")
        assert before("consumer.commit", f"{stage}.abandon")
        assert before(f"{stage}.abandon", "weaviate.close")
    assert before("ledger.publish", "imports.flush")
    assert before("imports.flush", "consumer.commit")
    assert before("consumer.commit", "imports.revoked")
    assert before("producer.flush", "consumer.leave")  # its next owners find all there
    assert before("writer.close", "weaviate.close")
    assert before("batcher.close", "provider.close")
    assert before("zendesk.aclose", "producer.stop")
    assert order[-2:] == ["producer.stop", "slot.release"]


@pytest.mark.parametrize(("owned", "stays"), [(range(8), False), ((), False), ((HOME,), True)])
async def test_a_worker_keeps_its_partitions_where_no_other_works_or_all_stop(
    desk: Desk, owned: Iterable[int], stays: bool
) -> None:
    desk.own(*owned)
    await desk.pipeline._assigned()
    await settle()
    desk.app.stays = stays
    await desk.pipeline._shut_down()
    assert "consumer.leave" not in {entry.partition(" ")[0] for entry in desk.log}


@pytest.mark.parametrize("owned", [range(8), ()])
async def test_a_rebalance_under_way_says_that_another_works(desk: Desk, owned: Iterable[int]) -> None:
    desk.own(*owned)
    await desk.pipeline._assigned()
    await settle()
    desk.app.rebalancing = True
    await desk.pipeline._shut_down()
    assert "consumer.leave" in {entry.partition(" ")[0] for entry in desk.log}


async def test_a_source_that_stops_for_a_reason_nobody_foresaw_begins_anew(
    monkeypatch: pytest.MonkeyPatch, logs: list[Any]
) -> None:
    pauses: list[float] = []
    runs = 0

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            raise asyncio.CancelledError
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=sleep))
    with pytest.raises(asyncio.CancelledError):
        await module._reported(run)
    assert (runs, pauses) == (3, [5, 5])
    assert [entry["event"] for entry in logs] == ["a source stopped"] * 2


async def test_what_zendesk_refuses_takes_from_a_backfill_and_not_from_live_changes(desk: Desk) -> None:
    pipeline = desk.pipeline
    pipeline._metrics = SimpleNamespace(services=Part("services", []))
    pipeline._traced = Part("traced", [])
    pipeline._gates = {
        "live": pipeline._gate(least=module._WORKING),
        "backfill": pipeline._gate(least=1),
    }
    pipeline._observe_zendesk("comments", 200, 0.1)
    assert pipeline._gates["backfill"].size == module._WORKING
    for status in (429, 503, 0):
        pipeline._observe_zendesk("comments", status, 0.1)
    assert pipeline._gates["backfill"].size < module._WORKING
    assert pipeline._gates["live"].size == module._WORKING


async def test_a_full_way_behind_enrich_is_not_taken_for_a_slow_zendesk(desk: Desk) -> None:
    pipeline = desk.pipeline
    pipeline._general = SimpleNamespace(waiting=7)
    pipeline._backlog = Backlog(InMemoryProducer(), module._BACKLOG, module._BACKLOG_LIVE)
    assert pipeline._waiting_for_quota() == 7
    pipeline._backlog = Backlog(InMemoryProducer(), module._BACKLOG, module._BACKLOG_LIVE)
    async with pipeline._backlog.entry(module._BACKLOG):
        assert pipeline._waiting_for_quota() is None
    assert pipeline._waiting_for_quota() == 7


@pytest.mark.parametrize(
    ("held", "is_long", "running", "flushed"),
    [(0, False, 0, True), (7, False, 0, False), (7, True, 1, False), (7, True, 0, True)],
)
async def test_texts_do_not_wait_for_company_that_cannot_come(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, held: int, is_long: bool, running: int, flushed: bool
) -> None:
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0)
    pipeline = desk.pipeline
    pipeline.enrich_backfill = SimpleNamespace(at_work=held)
    pipeline._backlog = SimpleNamespace(is_long=lambda: is_long)
    pipeline._batcher = SimpleNamespace(running=running, flush=lambda: desk.log.append("flush"))
    idle = asyncio.create_task(pipeline._flush_when_idle())
    await settle()
    idle.cancel()
    assert ("flush" in desk.log) == flushed
