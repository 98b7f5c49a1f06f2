"""The end of a replay that fills another collection: readers are switched only to a whole one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from agents.replays import rebuild as module
from agents.replays.rebuild import Rebuild
from schemas.cluster import Cluster
from schemas.codec import encode
from schemas.errors import RefusedError, UnavailableError
from schemas.messages.imports import ImportRecord, ImportSpec
from schemas.testing import an_embedded
from schemas.topics import EMBEDDED
from streams.kafka.offset_ranges import Batch, OffsetRange
from streams.kafka.partitions import partition_of
from streams.retries import RetryPolicy, retrying
from tests.shared_fixtures import logs

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")
OLD, NEW = "Tickets_old_4_c1", "Tickets_new_4_c1"


class RebuildBench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.target = OLD
        self.incomplete: Exception | None = None
        self.away = 0
        self.messages = [self.message(1, NEW)]
        self.record = ImportRecord(
            id="r1",
            account="acme",
            status="running",
            spec=ImportSpec(replay="enriched"),
            started_at=1.0,
            updated_at=1.0,
        )
        bench = self

        class Reader:
            def __init__(self, cluster: Cluster) -> None:
                assert cluster.servers == "kafka:1"

            async def __aenter__(self) -> Reader:
                return self

            async def __aexit__(self, *_: object) -> None: ...

            async def spans(self, topics: list[str], partitions: range) -> dict[TopicPartition, OffsetRange]:
                assert (topics, list(partitions)) == ([EMBEDDED], [0, 1])
                return {TopicPartition(EMBEDDED, 0): OffsetRange(0, 0, len(bench.messages))}

            async def read(self, spans: Mapping[TopicPartition, OffsetRange]) -> AsyncIterator[Batch]:
                if bench.away:
                    bench.away -= 1
                    raise UnavailableError("Kafka is away")
                yield Batch(bench.messages, {})

        async def read_instead(connection: Any, collection: str) -> str:
            return "" if bench.target == collection else bench.target

        async def check_complete(connection: Any, former: str, collection: str) -> None:
            assert (former, collection) == (OLD, NEW)
            if bench.incomplete is not None:
                raise bench.incomplete

        async def move_alias(client: Any, name: str) -> None:
            bench.log.append(f"moved to {name}")
            bench.target = name

        async def delete_collection(connection: Any, name: str) -> None:
            bench.log.append(f"deleted {name}")

        monkeypatch.setattr(module, "RangeReader", Reader)
        monkeypatch.setattr(module, "read_instead", read_instead)
        monkeypatch.setattr(module, "check_complete", check_complete)
        monkeypatch.setattr(module, "move_alias", move_alias)
        monkeypatch.setattr(module, "delete_collection", delete_collection)
        monkeypatch.setattr(module, "retrying", lambda call, **_: retrying(call, RetryPolicy(factor=0)))

    def message(self, number: int, collection: str, account: str = "acme") -> Any:
        ticket = an_embedded(5, ticket_id=number, account=account, collection=collection)
        key = f"{account}:{number}".encode()
        return SimpleNamespace(key=key, value=encode(ticket), partition=partition_of(key, 2))

    async def finish(self) -> None:
        async def save() -> None:
            self.log.append(f"saved {self.record.switched_from or '-'}")

        rebuild = Rebuild(
            SimpleNamespace(client=None),  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            collection=NEW,
            cluster=Cluster("kafka:1", 2),
        )
        await rebuild.finish(self.record, save)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> RebuildBench:
    return RebuildBench(monkeypatch)


async def test_readers_are_switched_and_the_record_says_so(bench: RebuildBench) -> None:
    bench.away = 2
    await bench.finish()
    assert bench.log == [f"saved {OLD}", f"moved to {NEW}"]
    assert (bench.record.switched_from, bench.record.switched_to) == (OLD, NEW)


@pytest.mark.parametrize(
    "spec",
    [
        {"replay": "embedded"},
        {"replay": "changes"},
        {"replay": "enriched", "tickets": [1]},
        {"replay": "enriched", "since": 5},
        {"replay": "enriched", "until": 5},
    ],
)
async def test_no_other_replay_switches_anything(bench: RebuildBench, spec: dict[str, Any]) -> None:
    bench.record.spec = ImportSpec(**spec)
    await bench.finish()
    assert bench.log == []


async def test_where_readers_read_it_already_nothing_happens(bench: RebuildBench) -> None:
    bench.target = NEW
    bench.record.spec = ImportSpec(replay="enriched", drop_old=True)
    await bench.finish()
    assert bench.log == []


async def test_half_a_collection_is_not_read(bench: RebuildBench) -> None:
    bench.incomplete = RefusedError("searches still read the old one: 3 tickets are missing")
    with pytest.raises(RefusedError, match="3 tickets are missing"):
        await bench.finish()
    assert bench.log == []
    assert bench.record.switched_from == ""


async def test_a_ticket_last_embedded_for_another_collection_stops_it(bench: RebuildBench) -> None:
    broken = SimpleNamespace(key=b"acme:9", value=b"{", partition=partition_of(b"acme:9", 2))
    bench.messages = [
        bench.message(1, OLD),
        bench.message(1, NEW),
        bench.message(2, NEW),
        bench.message(2, OLD),
        bench.message(3, OLD, account="other"),
        broken,
    ]
    with pytest.raises(RefusedError, match="newest state of 1 tickets"):
        await bench.finish()
    bench.messages.append(bench.message(2, NEW))
    await bench.finish()
    assert bench.target == NEW


async def test_the_old_one_is_dropped_even_after_a_crash_between(bench: RebuildBench) -> None:
    bench.record.spec = ImportSpec(replay="enriched", drop_old=True)
    await bench.finish()
    assert bench.log == [f"saved {OLD}", f"moved to {NEW}", f"deleted {OLD}"]
    await bench.finish()
    assert bench.log[3:] == [f"deleted {OLD}"]
