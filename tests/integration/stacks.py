"""The stacks of a test process: one that a desk leaves is cleared, and serves the next desk."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.protocol.group import LeaveGroupRequest
from harness import Desk, until

from schemas.topics import APP_ID
from ticketstream.local.stack.options import StackOptions

CLEARED_SECONDS = 30.0


class Stacks:
    """Opens desks, each on a stack with nothing on it; ``close`` stops all stacks.

    To start a stack takes longer than many a test, and what has run for a while runs faster.
    """

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._idle: list[Path] = []
        self._desks: list[Desk] = []
        self._shared = ExitStack()

    @contextmanager
    def shared(self, tickets: int) -> Iterator[Desk]:
        """The desk of many files. It ends before a test gets one of its own, which then has its stack.

        The files that share it come first: see tests/conftest.py.
        """
        with self._shared:
            desk = self._shared.enter_context(self._opened(tickets))
            self._shared.enter_context(_workers_that_stop(desk))
            yield desk

    def end_shared(self) -> None:
        """End the desk of many files, if there is one; not within a running event loop."""
        self._shared.close()

    @contextmanager
    def desk(self, tickets: int, **options: object) -> Iterator[Desk]:
        """A started desk without workers; options are the stack's, limits are off."""
        self.end_shared()
        with self._opened(tickets, **options) as desk:
            yield desk

    @contextmanager
    def _opened(self, tickets: int, **options: object) -> Iterator[Desk]:
        """Open a desk, on a stack that another has left if there is one.

        The export shows a second as soon as it is over: every wait for a live change is a second shorter.
        """
        chosen = {"sample_no_limits": True, "sample_export_delay": 0.0} | options
        wanted = StackOptions(sample=True, tickets=tickets, **chosen)  # type: ignore[arg-type]
        data_dir = self._idle.pop() if self._idle else self._folders.mktemp("stack") / "data"
        desk = Desk(data_dir, wanted)
        self._desks.append(desk)
        try:
            desk.start()
            yield desk
            # A test that failed may have left it in any state.
            if desk.stack.status().running:
                clear(desk)
                self._idle.append(data_dir)
            else:
                desk.stop()
        except BaseException:
            desk.stop()
            raise

    def close(self) -> None:
        """Stop all stacks and delete their data."""
        self._idle.clear()
        for desk in self._desks:  # of those on one stack, the first has its supervisor for a child
            desk.stop()


@contextmanager
def _workers_that_stop(desk: Desk) -> Iterator[None]:
    """At the end, each of the desk's workers stops when it is asked to."""
    yield
    assert {worker.terminate() for worker in desk.workers} <= {0}


def clear(desk: Desk) -> None:
    """End the desk's workers, and leave its stack as if nothing had ever been on it."""
    desk.stop_workers()
    asyncio.run(_clear(desk))
    paths = desk.stack.paths
    kept = (paths.stack, paths.logs, paths.kafka, paths.weaviate, paths.settings_file)
    for path in desk.data_dir.iterdir():
        if path not in kept:
            _delete(path)


async def _clear(desk: Desk) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=desk.settings.cluster.servers)
    await admin.start()
    try:
        await _end_group(admin)

        async def topics() -> list[str]:
            return [name for name in await admin.list_topics() if not name.startswith("__")]

        async def no_topics() -> bool:
            return not await topics() and not await admin.list_consumer_group_offsets(APP_ID)

        await admin.delete_topics(await topics())
        await until(no_topics, CLEARED_SECONDS, "Kafka has forgotten the topics, and the offsets in them")
    finally:
        await admin.close()
    await desk.lose_index()


async def take_leave(desk: Desk) -> None:
    """Take leave for the workers that were killed, for whom Kafka would wait for their session."""
    admin = AIOKafkaAdminClient(bootstrap_servers=desk.settings.cluster.servers)
    await admin.start()
    try:
        await _end_group(admin)
    finally:
        await admin.close()


async def _end_group(admin: Any) -> None:
    try:
        answers = await admin.describe_consumer_groups([APP_ID])
    except GroupCoordinatorNotAvailableError:
        return  # there never was a worker
    coordinator = await admin.find_coordinator(APP_ID)
    for group in (group for answer in answers for group in answer.to_object()["groups"]):
        for member in group["members"]:
            await admin._send_request(LeaveGroupRequest(APP_ID, member["member_id"]), coordinator)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
