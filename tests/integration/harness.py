"""A desk: a local stack of one's own with its sample account, and the workers that serve it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

import msgspec
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from command_process import Command
from worker_process import Worker, events_in

from schemas.cluster import Cluster
from schemas.codec import decode, schema_header
from schemas.ids import ALIAS
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.imports import ImportCommand, ImportRecord, ImportSpec
from schemas.messages.tickets import Receipt
from schemas.settings.load import PREFIX, Settings
from schemas.topics import (
    APP_ID,
    BACKFILL,
    CHANGES,
    DEAD_LETTERS,
    EMBEDDED,
    ENRICHED,
    IMPORT_COMMANDS,
    IMPORT_PROGRESS,
    INDEXED,
)
from streams.kafka.committed import CommittedOffsets
from streams.kafka.group_members import active_workers
from streams.kafka.messages import Record
from streams.kafka.partitions import partition_of
from streams.kafka.producer import Producer
from streams.kafka.topic_reader import TopicReader
from streams.kafka.topics import ensure_topics
from streams.weaviate.client import connect
from ticketstream.local.sample.zendesk import DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET
from ticketstream.local.sample.zendesk.control import SampleZendeskControl
from ticketstream.local.stack.api import LocalStack
from ticketstream.local.stack.options import StackOptions
from ticketstream.operations.imports.commands import command_record, new_import_id
from ticketstream.operations.imports.known import ImportWatch

IMPORT_SECONDS = 150.0
COMMENTS_A_PAGE = 100
PARTITIONS = 4
"""Half of what users get: every start of a worker, and Kafka's work for it, is that much cheaper."""


class Desk:
    """A stack with sample services, and its workers; everything ends with ``stop``."""

    def __init__(self, data_dir: Path, options: StackOptions, partitions: int = PARTITIONS) -> None:
        self.data_dir = data_dir
        self.partitions = partitions
        self.stack = LocalStack(data_dir, options)
        self.workers: list[Worker] = []
        self.environment: dict[str, str] = {}
        self._log_file = data_dir.with_name(f"{data_dir.name}-workers.log")

    def start(self) -> None:
        """Start the stack, or of one that runs the sample services anew."""
        before = self._samples()
        own = {"ZENDESK__POLL_SECONDS": "0.3", "KAFKA__PARTITIONS": str(self.partitions)}
        self.environment = outside_settings() | self.stack.start()
        for name, pid in self._samples().items():
            if before.get(name) == pid:
                self.stack.restart(name)
        self.environment |= {PREFIX + name: value for name, value in own.items()}
        self.settings = settings_of(self.environment)
        self.zendesk = SampleZendeskControl(self.settings.zendesk_url)
        self.account = self.settings.account
        self._log_file.write_bytes(b"")

    def log_in_by_client(self, seconds: float) -> None:
        """Have all that is started from now on log in by OAuth client, with tokens that live so long."""
        self.zendesk.set_oauth(access_seconds=seconds)
        self.environment.pop(f"{PREFIX}ZENDESK__OAUTH_TOKEN", None)
        self.environment |= {
            f"{PREFIX}ZENDESK__OAUTH_CLIENT_ID": DEFAULT_CLIENT_ID,
            f"{PREFIX}ZENDESK__OAUTH_CLIENT_SECRET": DEFAULT_CLIENT_SECRET,
        }
        self.settings = settings_of(self.environment)

    def _samples(self) -> dict[str, int | None]:
        """Return the processes of the sample services, by name."""
        services = self.stack.status().services
        return {each.name: each.pid for each in services if each.name in ("zendesk", "gemini")}

    def stop(self) -> None:
        """End workers and stack, and delete the stack's data."""
        try:
            self.stop_workers()
        finally:
            self.stack.stop(delete_data=True)

    def stop_workers(self) -> None:
        """Kill what is left of the workers."""
        for worker in self.workers:
            if worker.runs:
                worker.kill()
        self.workers.clear()

    def worker(self, **settings: object) -> Worker:
        """Start a worker, with these settings (without their prefix) on top of the stack's."""
        return self.worker_with({PREFIX + name: str(value) for name, value in settings.items()})

    def worker_with(self, variables: Mapping[str, str], *, whole: bool = False) -> Worker:
        """Start a worker, with these variables on top of the stack's; ``whole`` is told in forked_process."""
        worker = Worker(self.environment | variables, self.data_dir, self._log_file, whole=whole)
        self.workers.append(worker)
        return worker

    def log(self) -> str:
        """Return what the workers have logged."""
        return self._log_file.read_text(errors="replace")

    def given(self) -> dict[int, set[int]]:
        """Return the partitions that each worker was given last, by the worker's number."""
        entries = events_in(self._log_file, "partitions assigned")
        return {entry["worker"]: set(entry["partitions"]) for entry in entries}

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``ticketstream`` with the desk's settings."""
        return self.begin(*arguments).ended(IMPORT_SECONDS)

    def discard_dead_letters(self) -> None:
        """Discard all that there are, also what other tests have left on a shared stack."""
        done = self.command("dead-letters", "discard", "--all")
        assert done.returncode == 0 or "no dead letters" in done.stderr, done.stderr

    def begin(self, *arguments: str, **settings: str) -> Command:
        """Start ``ticketstream``, with these settings (without their prefix) on top of the desk's."""
        own = {PREFIX + name: value for name, value in settings.items()}
        return Command(arguments, self.environment | own, self.data_dir)

    # Kafka.

    @property
    def cluster(self) -> Cluster:
        """The desk's Kafka, with as many partitions as its topics have now."""
        return Cluster(self.settings.cluster.servers, self.partitions)

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        """A producer on the desk's Kafka."""
        producer = Producer(self.settings.cluster, "tests")
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def send(self, *records: Record) -> None:
        """Put records on their topics."""
        await ensure_topics(self.settings)
        async with self.producer() as producer:
            await producer.send(records)

    def partition(self, key: bytes) -> int:
        """Return the partition of a key."""
        return partition_of(key, self.partitions)

    async def receipts(self) -> list[Receipt]:
        """Return all receipts, each partition's in order."""
        async with TopicReader(self.settings.cluster, [INDEXED]) as reader:
            return [decode(Receipt, raw.value, raw.headers) async for raw in reader.to_end()]

    async def dead_letters(self) -> list[DeadLetter]:
        """Return all dead letters as they lie on their topic, with repeats; not what became of them."""
        async with TopicReader(self.settings.cluster, [DEAD_LETTERS]) as reader:
            return [
                decode(DeadLetter, raw.value, raw.headers)
                async for raw in reader.to_end()
                if schema_header(DeadLetter) in raw.headers
            ]

    async def received(self, condition: Callable[[Sequence[Receipt]], bool], seconds: float = 120) -> None:
        """Follow the receipts until the condition holds for all there are."""
        receipts: list[Receipt] = []
        async with (
            asyncio.timeout(seconds),
            TopicReader(self.settings.cluster, [INDEXED]) as reader,
        ):
            while not condition(receipts):
                new = await reader.next_batch(0.05)
                receipts += [decode(Receipt, raw.value, raw.headers) for raw in new]

    async def lose_index(self) -> None:
        """Have Weaviate hold nothing any more."""
        async with await connect(self.settings) as connection:
            await connection.client.alias.delete(alias_name=ALIAS)
            await connection.client.collections.delete_all()

    async def unacknowledged(self) -> dict[str, tuple[int, int]]:
        """Return what is committed and the end of each topic and partition not worked off."""
        left = {}
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.cluster.servers)
        await admin.start()
        try:
            committed = await admin.list_consumer_group_offsets(APP_ID)
        finally:
            await admin.close()
        async with CommittedOffsets(self.cluster) as watermarks:
            for topic in (CHANGES, BACKFILL, ENRICHED, EMBEDDED, IMPORT_COMMANDS, IMPORT_PROGRESS):
                for place, end in (await watermarks.ends(topic)).items():
                    offset = committed[place].offset if place in committed else -1
                    if offset < end:
                        left[f"{topic}/{place.partition}"] = (offset, end)
        return left

    async def indexed_through(self) -> dict[int, tuple[int, int]]:
        """Return, by partition, the resume point and the offset before that from which a worker goes on.

        The first is what `status --json` says, -1 where it names none.
        """
        found = await asyncio.to_thread(self.command, "status", "--json")
        assert found.returncode == 0, found.stderr
        said = {each["partition"]: each["offset"] for each in json.loads(found.stdout)["indexed_through"]}
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.cluster.servers)
        await admin.start()
        try:
            committed = await admin.list_consumer_group_offsets(APP_ID)
        finally:
            await admin.close()
        places = [TopicPartition(EMBEDDED, number) for number in range(self.partitions)]
        return {
            place.partition: (
                said.pop(place.partition, -1),
                committed[place].offset - 1 if place in committed else -1,
            )
            for place in places
        }

    async def members(self) -> int:
        """Return how many workers Kafka knows."""
        return len(await active_workers(self.settings.cluster))

    # Imports.

    async def begin_import(self) -> str:
        """Start an import of the whole account and return its id."""
        import_id = new_import_id()
        command = ImportCommand(
            command="start",
            account=self.account,
            import_id=import_id,
            issued_at=time.time(),
            spec=ImportSpec(),
        )
        await self.send(command_record(command, self.partitions))
        return import_id

    async def import_state(
        self,
        import_id: str,
        condition: Callable[[ImportRecord], bool] = lambda record: record.status != "running",
        seconds: float = IMPORT_SECONDS,
    ) -> ImportRecord:
        """Follow an import until the condition holds (by default: until it has ended)."""
        last = None
        watch = ImportWatch(self.cluster, self.account, import_id)
        try:
            async with asyncio.timeout(seconds), watch:
                async for state in watch.states(every=0.1):
                    last = state
                    if state is not None and condition(state):
                        return state
        except TimeoutError:
            shown = None if last is None else msgspec.to_builtins(last)
            raise AssertionError(
                f"import {import_id} did not get there in {seconds:.0f} s: {shown}\n"
                f"unacknowledged: {await self.unacknowledged()}\n{self.log()[-3000:]}"
            ) from None
        raise AssertionError("the record's topic ended")

    async def whole_import(self) -> ImportRecord:
        """Import the account and return the record at the end."""
        return await self.import_state(await self.begin_import())

    # The account.

    def comment_calls(self) -> int:
        """Return how many calls for comments the account has answered or refused."""
        calls: int = self.zendesk.stats()["comments"]["calls"]
        return calls

    def fewest_comment_calls(self) -> int:
        """Return how many calls it takes to read the comments of every ticket once."""
        tickets = (each for each in self.zendesk.truth() if not each["removed"])
        return sum(max(1, -(-len(each["comments"]) // COMMENTS_A_PAGE)) for each in tickets)


def outside_settings() -> dict[str, str]:
    """Return the environment without any setting of ticketstream but its cache of built parts."""
    kept = f"{PREFIX}CACHE_DIR"
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX) or name == kept}


def settings_of(environment: Mapping[str, str]) -> Settings:
    """Return the settings that a process with this environment has."""
    with mock.patch.dict(os.environ, environment, clear=True):
        return Settings(_env_file=None)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float, what: str) -> None:
    """Wait until the condition holds; a look that takes long is followed by as long a pause."""
    deadline = time.monotonic() + seconds
    looked = time.monotonic()
    while not await condition():
        now = time.monotonic()
        assert now < deadline, f"not after {seconds:.0f} s: {what}"
        await asyncio.sleep(max(0.2, now - looked))
        looked = time.monotonic()
