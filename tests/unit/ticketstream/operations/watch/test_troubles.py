"""What workers say they cannot do, who waits for it, and how long it counts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from agents.measuring import worker_state
from agents.measuring.worker_state import StateTeller
from schemas.codec import decode, encode, headers_of
from schemas.messages.imports import ImportRecord, ImportSpec
from schemas.messages.workers import Trouble, WorkerState
from schemas.testing import an_import
from schemas.topics import WORKER_STATES
from streams.testing import InMemoryProducer
from tests.shared_fixtures import logs
from ticketstream.operations.imports.known import KnownImport
from ticketstream.operations.imports.progress_bars import progress_line
from ticketstream.operations.imports.summary import Pace
from ticketstream.operations.imports.waits import Waits
from ticketstream.operations.watch.imports import import_document
from ticketstream.operations.watch.troubles import TroubleBook, words_of

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")

LOGIN = Trouble("login", 70.0, "answered 401: check TICKETSTREAM_X")
ANSWERS = Trouble("answers", 10.0, "answered 302: check TICKETSTREAM_Y")


def told(worker: str, at: float, *troubles: Trouble, account: str = "acme") -> Any:
    state = WorkerState(worker=worker, at=at, troubles=list(troubles))
    return SimpleNamespace(
        topic=WORKER_STATES,
        key=f"{account}:{worker}".encode(),
        value=encode(state),
        headers=headers_of(state),
    )


def test_the_worst_of_all_workers_counts_until_they_say_that_it_is_over() -> None:
    book = TroubleBook("acme")
    book.add(told("a", 100.0, ANSWERS))
    book.add(told("b", 100.0, LOGIN))
    book.add(told("c", 100.0, Trouble("login", 1.0, "x"), account="other"))
    assert book.worst(110.0) == LOGIN
    book.add(told("b", 111.0))
    assert book.worst(112.0) == ANSWERS
    assert book.worst(161.0) is None  # a worker that says nothing any more has gone


def test_what_cannot_be_read_says_nothing() -> None:
    book = TroubleBook("acme")
    book.add(told("a", 100.0, LOGIN))
    bad = told("a", 101.0)
    bad.value = b"{"
    book.add(bad)
    assert book.worst(102.0) is None


def test_the_words_say_what_since_when_and_what_to_do() -> None:
    words = words_of(LOGIN)
    assert words == (
        "Zendesk refuses the login since 1970-01-01 00:01:10 UTC: answered 401: check TICKETSTREAM_X; "
        "nothing is lost, and all goes on by itself when it is mended"
    )


def record(**fields: Any) -> ImportRecord:
    return an_import(total=100, **fields)


def test_only_what_reads_the_export_waits_for_it() -> None:
    waits = Waits.made_of(None, Trouble("export", 1.0, "answered 403"))
    assert (waits.of(record()) or "").startswith("Zendesk refuses its export since")
    for spec in (ImportSpec(file="/x"), ImportSpec(replay="changes")):
        assert waits.of(record(spec=spec)) is None
    assert waits.of(record(source_ended=True)) is None


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (record(), "login"),
        (record(spec=ImportSpec(file="/x")), "login"),
        (record(spec=ImportSpec(replay="changes")), "login"),
        (record(spec=ImportSpec(replay="enriched")), "cap"),
        (record(spec=ImportSpec(replay="embedded")), "cap"),
        (record(status="completed"), None),
    ],
)
def test_only_what_asks_zendesk_waits_for_it(one: ImportRecord, why: str | None) -> None:
    assert Waits("cap", "login").of(one) == why


def test_no_time_left_is_invented_while_nothing_can_go_on() -> None:
    pace = Pace()
    pace.add(0.0, 10)
    pace.add(10.0, 20)
    one = record()
    assert import_document(KnownImport(one), None, pace)["seconds_left"] == 80.0
    seen = import_document(KnownImport(one), "Zendesk refuses the login", pace)
    assert (seen["seconds_left"], seen["paused"]) == (None, "Zendesk refuses the login")
    assert "left" in progress_line(one, pace)
    line = progress_line(one, pace, "Zendesk refuses the login")
    assert line.endswith("; Zendesk refuses the login") and "left" not in line


async def test_a_worker_tells_what_is_news_and_repeats_what_is_wrong(monkeypatch: Any) -> None:
    producer = InMemoryProducer()
    now: list[Trouble] = []
    teller = StateTeller(
        producer,  # type: ignore[arg-type]
        lambda: now,
        worker="w1",
        account="acme",
        partitions=8,
    )
    states: list[WorkerState] = []

    async def look(at: float) -> int:
        await teller.look(at)
        states[:] = producer.messages(WorkerState)
        return len(states)

    assert await look(0.0) == 1  # whatever it said before it was killed is over
    assert await look(1.0) == 1
    now.append(LOGIN)
    assert await look(2.0) == 2
    now[0] = Trouble("login", 70.0, "the same in other words")
    assert await look(3.0) == 2
    assert await look(2.0 + worker_state.SAID_AGAIN_SECONDS) == 3
    producer.failures = 1
    now.clear()
    assert await look(30.0) == 3
    assert await look(31.0) == 4
    assert [len(state.troubles) for state in states] == [0, 1, 1, 0]
    sent = producer.sent[-1]
    assert (sent.topic, sent.key) == (WORKER_STATES, b"acme:w1")
    assert decode(WorkerState, sent.value, sent.headers).at == 31.0
    await teller.tell()
    assert len(producer.sent) == 4


async def test_what_is_dropped_once_at_a_start_is_nothing_to_warn_of(logs: list[Any]) -> None:
    producer = InMemoryProducer()
    teller = StateTeller(
        producer,  # type: ignore[arg-type]
        list,
        worker="w1",
        account="acme",
        partitions=8,
    )
    producer.failures = 1
    await teller.look(0.0)
    await teller.look(1.0)
    assert len(producer.sent) == 1 and not logs


async def test_a_state_that_is_not_told_twice_running_is_warned_of(logs: list[Any]) -> None:
    producer = InMemoryProducer()
    teller = StateTeller(
        producer,  # type: ignore[arg-type]
        list,
        worker="w1",
        account="acme",
        partitions=8,
    )
    producer.failures = 2
    await teller.look(0.0)
    await teller.look(1.0)
    assert [entry["event"] for entry in logs] == ["the worker's state is not told"]
