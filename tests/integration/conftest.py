"""One stack with sample services for all integration tests, and others for those that break things.

A stack holds one pipeline: its topics and its consumer group have fixed names. So the tests of a
healthy pipeline share the session's stack and go on from one another's account, and every test that
kills something has a stack of its own (some five seconds).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest
from harness import Desk, opened_desk

from schemas.imports import ImportRecord
from schemas.settings import PREFIX
from ticketstream.stack.ports import free_ports

TICKETS = 300
OpenDesk = Callable[..., Desk]


def pytest_sessionstart() -> None:
    """Make a test run that is asked to end (SIGTERM) stop what it has started, as after Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("asked to end", returncode=143))


class Imported(NamedTuple):
    """The record of the account's first import, and the calls for comments it took."""

    record: ImportRecord
    comment_calls: int


@pytest.fixture(scope="session")
def shared_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The desk that all tests share, without workers."""
    with opened_desk(tmp_path_factory.mktemp("shared"), TICKETS) as desk:
        # The worker of the first slot shows its metrics here, however often it is started.
        (port,) = free_ports(1)
        desk.environment[f"{PREFIX}METRICS_PORT"] = str(port)
        yield desk


@pytest.fixture(scope="session")
def first_import(shared_desk: Desk) -> Iterator[Imported]:
    """The shared account imported by one worker, which goes on following the account."""
    worker = shared_desk.worker()
    yield Imported(asyncio.run(shared_desk.whole_import()), shared_desk.comment_calls())
    assert worker.terminate() == 0


@pytest.fixture
def desk(shared_desk: Desk, first_import: Imported) -> Desk:
    """The shared desk, imported, with its one worker."""
    assert first_import.record.status == "completed"
    return shared_desk


@pytest.fixture
def open_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenDesk]:
    """Opens desks of a test's own; called with a number of tickets and options of the stack."""
    with ExitStack() as desks:

        def start(tickets: int = TICKETS, **options: object) -> Desk:
            return desks.enter_context(opened_desk(tmp_path_factory.mktemp("desk"), tickets, **options))

        yield start
