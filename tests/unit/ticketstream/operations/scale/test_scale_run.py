"""The order of a change of the number of partitions, and that killed at any moment it ends the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition

from agents.worker.slot import take_slot
from schemas.codec import encode
from schemas.errors import ConflictError, SettingsError
from schemas.messages.imports import ImportRecord, ImportSpec
from schemas.scaling import scale_marker
from schemas.settings.embedding import EmbeddingSettings
from schemas.settings.kafka import KafkaSettings
from schemas.settings.load import Settings
from schemas.tables import SPENDING_KEY, EmbeddingSpent
from schemas.topics import EMBEDDED, ENRICHED, changelog_topic
from streams.kafka.partitions import account_partition, partition_of
from streams.kafka.topics import topic_configs
from tests.scale_fixtures import Topics
from ticketstream.operations.scale import run as module
from ticketstream.operations.scale.adapt import total_spent
from ticketstream.operations.scale.homes import IMPORTS, RESUME_POINTS, SPENDING, Change
from ticketstream.operations.scale.plan import Outcome
from ticketstream.operations.scale.run import scale

KEYS = [f"acme:{number}".encode() for number in range(12)]
BY_KEY = (ENRICHED, EMBEDDED, changelog_topic("seen"), changelog_topic("indexed"))
ACCOUNT = "acme-2"


class Killed(BaseException):
    """The process is gone."""


class ScaleBench:
    """A broker, what is in flight, and a process that can be killed at any of its calls."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.topics = Topics()
        self.counts_: dict[str, int] = dict.fromkeys(topic_configs(), 4)
        self.marker: Change | None = None
        self.in_flight = 3
        self.workers_: list[str] = []
        self.log: list[str] = []
        self.calls_left: int | None = None
        self.settings = Settings(kafka=KafkaSettings(bootstrap_servers="kafka:1"), data_dir=tmp_path)
        for key in KEYS:
            for topic in BY_KEY:
                self.topics.put(topic, partition_of(key, 4), key, b"state of " + key)
        record = ImportRecord(
            id="i1", account=ACCOUNT, status="running", spec=ImportSpec(), started_at=1.0, updated_at=1.0
        )
        self.topics.put(IMPORTS, account_partition(ACCOUNT, 4), b"i1", encode(record))
        for number in range(4):
            self.topics.put(SPENDING, number, SPENDING_KEY, encode(EmbeddingSpent(9, 10.0 + number, 100.0)))
        for name, stand_in in {
            "Broker": lambda _: self,
            "RangeReader": lambda _: self.topics,
            "Producer": lambda *_: self,
            "only_one": self.only_one,
            "unfinished": self.unfinished,
            "drain": self.drain,
            "without_workers": self.without_workers,
            "_JOINING_SECONDS": 0,
        }.items():
            monkeypatch.setattr(module, name, stand_in)

    def called(self, what: str) -> None:
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                raise Killed
        self.log.append(what)

    async def __aenter__(self) -> ScaleBench:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    @asynccontextmanager
    async def only_one(self, *_: Any) -> AsyncIterator[None]:
        yield

    async def counts(self) -> dict[str, int]:
        return dict(self.counts_)

    async def under_way(self) -> Change | None:
        return self.marker

    async def workers(self) -> list[str]:
        return self.workers_

    async def without_workers(self, _: Any) -> None:
        if self.workers_:
            raise ConflictError("a worker is still running")

    async def unfinished(self, _: Any, partitions: int, topics: Any = ()) -> dict[str, int]:
        return {ENRICHED: self.in_flight} if self.in_flight else {}

    async def drain(self, *_: Any) -> None:
        assert self.marker is None, "no worker starts once the change is marked"
        self.called("drain")
        self.in_flight = 0

    async def begin(self, change: Change) -> None:
        self.called("begin")
        self.marker = change

    async def end(self, change: Change) -> None:
        self.called("end")
        self.marker = None
        self.topics.held = {
            place: held for place, held in self.topics.held.items() if place.topic != scale_marker(*change)
        }

    async def grow(self, partitions: int) -> None:
        for name in topic_configs():
            if self.counts_[name] != partitions:
                self.called(f"grow {name}")
                self.counts_[name] = partitions

    async def acknowledge(self, topics: Any, partitions: int) -> dict[TopicPartition, int]:
        assert self.in_flight == 0, "what is in flight would be lost"
        self.called("acknowledge")
        return {
            place: span.end for place, span in (await self.topics.spans(topics, range(partitions))).items()
        }

    async def send(self, records: Any) -> None:
        for record in records:
            self.called(f"send {record.topic}")
            await self.topics.send([record])

    async def scale(self, wanted: int = 6, **more: Any) -> Outcome:
        given = {"dry_run": False, "progress": lambda *_: None, "planned": lambda _: None}
        return await scale(self.settings, wanted, **(given | more))

    def check_done(self) -> None:
        assert self.marker is None
        assert set(self.counts_.values()) == {6}
        for topic in BY_KEY:
            live = self.topics.live(topic)
            assert set(live) == {(key, partition_of(key, 6)) for key in KEYS}, topic
            assert all(raw.value == b"state of " + key for (key, _), raw in live.items())
        assert set(self.topics.live(IMPORTS)) == {(b"i1", account_partition(ACCOUNT, 6))}
        ends = {
            place.partition: len(held) for place, held in self.topics.held.items() if place.topic == EMBEDDED
        }
        points = {number: raw.value for (_, number), raw in self.topics.live(RESUME_POINTS).items()}
        assert {number: msgspec.json.decode(raw)["offset"] + 1 for number, raw in points.items()} == ends
        spent = self.topics.live(SPENDING)
        assert len(spent) == 6
        total = total_spent(raw.value for raw in spent.values())
        assert total is not None
        assert total.requests == pytest.approx(46)
        assert total.tokens == pytest.approx(400)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScaleBench:
    return ScaleBench(tmp_path, monkeypatch)


async def test_in_this_order(bench: ScaleBench) -> None:
    outcome = await bench.scale()
    assert outcome.status == "done"
    bench.check_done()
    kinds = [each.split()[0] for each in bench.log]
    order = [kind for number, kind in enumerate(kinds) if kind not in kinds[:number]]
    assert order == ["drain", "begin", "grow", "send", "acknowledge", "end"]
    assert bench.log[bench.log.index("acknowledge") + 1] == f"send {RESUME_POINTS}"
    again = await bench.scale()
    assert again.status == "unchanged"


async def test_killed_at_any_of_its_calls_it_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ScaleBench(tmp_path, monkeypatch)
    await whole.scale()
    for calls in range(len(whole.log)):
        bench = ScaleBench(tmp_path, monkeypatch)
        bench.calls_left = calls
        with pytest.raises(Killed):
            await bench.scale()
        for topic in BY_KEY:  # no key is away meanwhile
            assert {key for key, _ in bench.topics.live(topic)} == set(KEYS)
        bench.calls_left = None
        if bench.marker is not None and set(bench.counts_.values()) == {4}:
            bench.in_flight = 2  # a worker was starting when the change was marked
        outcome = await bench.scale()
        assert outcome.status in ("done", "unchanged")
        assert bench.in_flight == 0
        bench.check_done()


async def test_a_dry_run_changes_nothing(bench: ScaleBench) -> None:
    bench.workers_ = ["worker at 10.0.0.1"]
    plans: list[Any] = []
    outcome = await bench.scale(dry_run=True, planned=plans.append)
    assert outcome.status == "planned"
    (plan,) = plans
    moving = sum(partition_of(key, 4) != partition_of(key, 6) for key in KEYS)
    assert (plan.keys, plan.in_flight, plan.workers) == (4 * moving, {ENRICHED: 3}, bench.workers_)
    assert bench.log == []


async def test_workers_stop_it_before_anything_is_done(bench: ScaleBench) -> None:
    bench.workers_ = ["worker at 10.0.0.1"]
    with pytest.raises(ConflictError, match="a worker is still running"):
        await bench.scale()
    bench.workers_ = []
    slot = take_slot(bench.settings.data_dir)
    with pytest.raises(ConflictError, match="a worker is still running on this machine: stop all workers"):
        await bench.scale()
    slot.release()
    assert bench.log == []
    assert (await bench.scale()).status == "done"


async def test_a_cap_too_small_for_so_many_partitions_is_refused(bench: ScaleBench) -> None:
    caps = EmbeddingSettings(requests_per_day=5)
    bench.settings = bench.settings.model_copy(update={"embedding": caps})
    with pytest.raises(SettingsError, match="REQUESTS_PER_DAY"):
        await bench.scale()
    assert bench.log == []
