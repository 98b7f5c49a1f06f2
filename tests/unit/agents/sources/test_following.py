"""The live source: no page is passed over, whatever fails in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest

from agents.app.meter import Meter
from agents.sources import following
from agents.sources.following import Following
from agents.testing import InMemoryTables
from schemas.errors import CredentialsError, DecodeError, RefusedError
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.tickets import TicketChange
from schemas.settings.zendesk import ZendeskSettings
from schemas.tables import LiveCursor
from schemas.testing import a_change, a_ticket
from schemas.topics import CHANGES
from streams.kafka.partitions import account_partition
from streams.retries import RetryPolicy, retrying
from streams.sources.base import Page, Unreadable
from streams.sources.zendesk.export_source import polling_pause
from streams.testing import InMemoryProducer, settle, until
from tests.shared_fixtures import logs

__all__ = ["logs"]
HOME = account_partition("acme", 8)


class FollowingBench:
    """Follows a source that answers what the test says, and then waits."""

    name = "test:pages"

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[Any] = []
        self.producer = InMemoryProducer(self.log)
        self.tables = InMemoryTables(self.log)
        self.answers: asyncio.Queue[Page | Exception] = asyncio.Queue()
        self.asked: list[tuple[int | None, str]] = []
        self.pauses: list[float] = []
        self.task: asyncio.Task[None] | None = None
        monkeypatch.setattr(following, "asyncio", SimpleNamespace(sleep=self._sleep))
        monkeypatch.setattr(following, "retrying", lambda call: retrying(call, RetryPolicy(factor=0)))

    async def page(self, cursor: str, since: int) -> Page:
        self.asked.append((None if cursor else since, cursor))
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def answer(self, cursor: str, *ids: int, end: bool = False, broken: bool = False) -> None:
        items: list[TicketChange | Unreadable] = [a_change(ticket=a_ticket(one)) for one in ids]
        if broken:
            items.append(Unreadable(b'{"id": 0}', DecodeError("no ticket")))
        self.answers.put_nowait(Page(items, cursor, end))

    def start(self, name: str = "") -> None:
        source = Following(
            "acme",
            self,
            self.producer,  # type: ignore[arg-type]
            self.tables,  # type: ignore[arg-type]
            partitions=8,
            poll_seconds=60,
            meter=Meter(),
            name=name,
        )
        self.home = source.home
        self.task = asyncio.create_task(source.run())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    @property
    def cursor(self) -> str | None:
        entry = self.tables["cursors"].get(HOME, b"acme")
        return entry.cursor if isinstance(entry, LiveCursor) else None


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FollowingBench]:
    made = FollowingBench(monkeypatch)
    yield made
    await made.stop()


async def test_it_starts_a_little_back_and_follows_the_cursor(bench: FollowingBench) -> None:
    bench.start()
    bench.answer("c1", 1, 2)
    bench.answer("c2", 3, end=True)
    await until(lambda: len(bench.asked) == 3)
    (start, none), *rest = bench.asked
    assert none == ""
    assert start is not None
    assert 60 < time.time() - start < 180
    assert rest == [(None, "c1"), (None, "c2")]
    changes = bench.producer.messages(TicketChange)
    assert [(change.ticket_id, change.source) for change in changes] == [
        (1, "live"),
        (2, "live"),
        (3, "live"),
    ]
    assert {record.topic for record in bench.producer.sent} == {CHANGES}
    assert bench.cursor == "c2"
    assert bench.pauses == [60]  # only at the end of the stream


async def test_it_goes_on_where_the_last_worker_was(bench: FollowingBench) -> None:
    await bench.tables["cursors"].put(HOME, [(b"acme", LiveCursor("c9", 1.0))])
    bench.start()
    await until(lambda: bench.asked)
    assert bench.asked == [(None, "c9")]


async def test_the_cursor_moves_only_after_the_broker_has_the_page(bench: FollowingBench) -> None:
    bench.start()
    bench.answer("c1", 1, end=True)
    bench.producer.gate.clear()
    await until(lambda: bench.producer.calls)
    await settle()
    assert bench.cursor is None
    assert bench.tables["cursors"].puts == 0
    bench.producer.gate.set()
    await until(lambda: bench.cursor == "c1")
    assert [entry[0] for entry in bench.log] == ["sent", "table"]


async def test_a_source_that_dies_in_between_reads_the_page_again(bench: FollowingBench) -> None:
    bench.start()
    bench.answer("c1", 1)
    bench.answer("c2", 2)
    await until(lambda: bench.cursor == "c2")
    bench.producer.gate.clear()
    bench.answer("c3", 3)
    await until(lambda: bench.producer.calls == 3)
    await bench.stop()
    bench.producer.gate.set()
    bench.asked.clear()
    bench.start()
    await until(lambda: bench.asked)
    assert bench.asked == [(None, "c2")]


async def test_a_broker_that_is_away_is_waited_for_and_the_page_not_asked_again(
    bench: FollowingBench,
) -> None:
    bench.producer.failures = 3
    bench.tables["cursors"].failures = 3
    bench.start()
    bench.answer("c1", 1)
    await until(lambda: bench.cursor == "c1")
    assert [change.ticket_id for change in bench.producer.messages(TicketChange)] == [1]
    await until(lambda: len(bench.asked) == 2)


async def test_an_empty_page_moves_on_too(bench: FollowingBench) -> None:
    bench.start()
    bench.answer("c1", end=True)
    await until(lambda: bench.cursor == "c1")
    assert bench.producer.sent == []


async def test_an_account_that_names_no_cursor_is_read_from_its_start_until_it_does(
    bench: FollowingBench,
) -> None:
    bench.start()
    bench.answer("", end=True)
    bench.answer("", end=True)
    await until(lambda: len(bench.asked) == 3)
    (start, _), *rest = bench.asked
    assert rest == [(start, ""), (start, "")]
    await bench.stop()
    bench.asked.clear()
    # Whoever goes on misses nothing that came meanwhile.
    await bench.tables["cursors"].put(HOME, [(b"acme", LiveCursor("", 1.0, 1_700_000_000))])
    bench.start()
    bench.answer("c1", 1, end=True)
    await until(lambda: len(bench.asked) == 2)
    assert bench.asked == [(1_700_000_000, ""), (None, "c1")]
    assert bench.tables["cursors"].get(HOME, b"acme") == LiveCursor("c1", ANY, 0)


async def test_a_row_that_is_no_ticket_stops_nothing(bench: FollowingBench) -> None:
    bench.start()
    bench.answer("c1", 1, 2, broken=True)
    await until(lambda: bench.cursor == "c1")
    assert len(bench.producer.messages(TicketChange)) == 2
    assert len(bench.producer.messages(DeadLetter)) == 1


@pytest.mark.parametrize(
    ("error", "pause"), [(CredentialsError("login refused"), 10), (RefusedError("no", 422), 60)]
)
async def test_a_refusal_is_told_and_tried_again_from_the_same_place(
    bench: FollowingBench, error: Exception, pause: int, logs: list[Any]
) -> None:
    bench.start()
    bench.answer("c1", 1)
    bench.answers.put_nowait(error)
    bench.answer("c2", 2)
    await until(lambda: bench.cursor == "c2")
    assert bench.asked[1:3] == [(None, "c1"), (None, "c1")]
    assert bench.pauses == [pause]
    (entry,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert (entry["account"], entry["error"]) == ("acme", error)


@pytest.mark.parametrize(
    ("asked", "limit", "pause"),
    [(60, 10, 60), (1, 10, 12), (1, 30, 4), (0.3, 1_000_000, 0.3), (5, 1, 120)],
)
def test_polls_leave_half_of_the_export_s_limit_to_imports(asked: float, limit: int, pause: float) -> None:
    settings = ZendeskSettings(poll_seconds=asked, incremental_requests_per_minute=limit)
    assert polling_pause(settings) == pause


async def test_a_further_source_of_an_account_has_a_cursor_of_its_own(bench: FollowingBench) -> None:
    await bench.tables["cursors"].put(HOME, [(b"acme", LiveCursor("c9", 1.0))])
    bench.start("acme:inbox")
    bench.answer("i1", 1, end=True)
    await until(lambda: bench.tables["cursors"].get(bench.home, b"acme:inbox"))
    assert bench.home == account_partition("acme:inbox", 8)
    assert bench.asked[0][1] == ""
    assert bench.cursor == "c9", "the account's own export goes on where it was"
    assert [record.key for record in bench.producer.sent] == [b"acme:1"]
