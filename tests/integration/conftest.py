"""One stack with sample services for all integration tests, and others for those that break things.

A stack holds one pipeline: its topics and its consumer group have fixed names. So the tests of a
healthy pipeline share the session's stack and go on from one another's account, and every test that
kills something has a stack of its own (some five seconds).
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from harness import Desk
from prometheus_fixture import free_port
from weaviate_fixture import GRPC_VARIABLE, HTTP_VARIABLE, SERVER_VARIABLE

from schemas.imports import ImportRecord
from schemas.settings import PREFIX
from ticketstream.stack.build import ready_parts
from ticketstream.stack.options import StackOptions

FIRST = "test_pipeline_import.py"
TICKETS = 300
OpenDesk = Callable[..., Desk]


def pytest_sessionstart() -> None:
    """Make a test run that is asked to end (SIGTERM) stop what it has started, as after Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("asked to end", returncode=143))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Look at the shared account as it was imported before other tests change it."""
    here = [number for number, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    ordered = sorted((items[number] for number in here), key=lambda item: item.path.name != FIRST)
    for number, item in zip(here, ordered, strict=True):
        items[number] = item


class Imported(NamedTuple):
    """The record of the account's first import, and the calls for comments it took."""

    record: ImportRecord
    comment_calls: int


@pytest.fixture(scope="session")
def shared_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The desk that all tests share, without workers."""
    options = StackOptions(sample=True, tickets=TICKETS, sample_no_limits=True)
    desk = Desk(tmp_path_factory.mktemp("shared") / "data", options)
    try:
        desk.start()
        # The worker of the first slot shows its metrics here, however often it is started.
        desk.environment[f"{PREFIX}METRICS_PORT"] = str(free_port())
        yield desk
    finally:
        desk.stop()


@pytest.fixture(scope="session", autouse=True)
def stack_weaviate(shared_desk: Desk) -> Iterator[None]:
    """Tests that need only Weaviate find the shared one, and its server, in the environment."""
    server = ready_parts(with_kafka=False, with_weaviate=True, report=lambda *_: None).weaviate_server
    own = {
        HTTP_VARIABLE: shared_desk.environment[HTTP_VARIABLE],
        GRPC_VARIABLE: shared_desk.environment[GRPC_VARIABLE],
        SERVER_VARIABLE: os.environ.get(SERVER_VARIABLE) or str(server),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own.items():
            patch.setenv(name, value)
        yield


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
    desks: list[Desk] = []

    def start(tickets: int = TICKETS, **options: object) -> Desk:
        chosen = {"sample_no_limits": True} | options
        desk = Desk(
            tmp_path_factory.mktemp("desk") / "data",
            StackOptions(sample=True, tickets=tickets, **chosen),  # type: ignore[arg-type]
        )
        desks.append(desk)
        desk.start()
        return desk

    yield start
    for desk in desks:
        desk.stop()
