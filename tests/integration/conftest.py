"""One account that the tests of a healthy pipeline share, and desks of their own for those that break things.

A stack holds one pipeline: its topics and its consumer group have fixed names. So these tests go on from
one another's account, and every test that kills something has a stack with nothing on it (see stacks).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest
from harness import Desk
from stacks import Stacks
from weaviate_fixture import WeaviateServer, own_server

from schemas.messages.imports import ImportRecord
from schemas.settings.load import PREFIX
from ticketstream.local.stack.ports import free_ports

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
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    """The stacks of this process."""
    stacks = Stacks(tmp_path_factory)
    yield stacks
    stacks.close()


@pytest.fixture(scope="session")
def shared_desk(stacks: Stacks) -> Iterator[Desk]:
    """The desk that all tests share, without workers."""
    with stacks.shared(TICKETS) as desk:
        # The worker of the first slot shows its metrics here, however often it is started.
        (port,) = free_ports(1)
        desk.environment[f"{PREFIX}METRICS_PORT"] = str(port)
        desk.log_in_by_client(20)
        yield desk


@pytest.fixture(scope="session")
def first_import(shared_desk: Desk) -> Imported:
    """The shared account imported by one worker, which goes on following the account."""
    shared_desk.worker()
    return Imported(asyncio.run(shared_desk.whole_import()), shared_desk.comment_calls())


@pytest.fixture
def desk(shared_desk: Desk, first_import: Imported) -> Desk:
    """The shared desk, imported, with its one worker."""
    assert first_import.record.status == "completed"
    return shared_desk


@pytest.fixture(scope="session")
def locked_weaviate() -> Iterator[WeaviateServer]:
    """A Weaviate for tests that stop it or give wrong keys. It asks for the key ``right-key``.

    One for all files that use it: they run in one process (see tests/conftest.py).
    """
    with own_server(api_key="right-key") as server:
        yield server


@pytest.fixture
def open_desk(stacks: Stacks) -> Iterator[OpenDesk]:
    """Opens desks of a test's own; called with a number of tickets and options of the stack."""
    stacks.end_shared()
    with ExitStack() as desks:

        def start(tickets: int = TICKETS, **options: object) -> Desk:
            return desks.enter_context(stacks.desk(tickets, **options))

        yield start
