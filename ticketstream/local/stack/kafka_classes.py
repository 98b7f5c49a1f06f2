"""Kafka's classes in an archive, so that a start need not load and check each of them again.

Java writes a "dynamic AppCDS archive" at the end of a run and maps it into the next ones (JEP 350, Java 13
and newer). It passes over one that was written by another Java or for other jars: a start is slower then.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from schemas.cluster import Cluster
from schemas.errors import StackError
from ticketstream.local.stack import kafka
from ticketstream.local.stack.layout import StackPaths
from ticketstream.local.stack.ports import free_ports
from ticketstream.local.stack.readiness import kafka_ready
from ticketstream.operations.orphans import dies_with_parent

LOG: Final = "classes.log"
"""In the folder of the jars: what was said while the archive was written, or why there is none."""
_SECONDS: Final = 120.0
"""As long as each step may take: to be ready, to pass a message on, to write the archive."""
_TOPIC: Final = "classes"


def archive(lib: Path, java: Path) -> None:
    """Start and stop a Kafka of no use, and leave the archive of what it loaded beside its jars.

    Where that fails there is no archive: Kafka works without one.
    """
    with (lib / LOG).open("wb") as log, tempfile.TemporaryDirectory(prefix="kafka-classes-") as folder:
        try:
            paths = StackPaths(Path(folder))
            paths.prepare()
            ports = dict(zip(kafka.PORTS, free_ports(len(kafka.PORTS)), strict=True))
            kafka.prepare(paths, ports, java=java, lib=lib)
            service = kafka.service(paths, ports, java=java, lib=lib)
            program, *arguments = service.argv
            with subprocess.Popen(
                [program, f"-XX:ArchiveClassesAtExit={kafka.archive_of(lib)}", *arguments],
                env=service.environment,
                cwd=service.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=dies_with_parent(),
            ) as process:
                _serve_once(process, Cluster(service.address, 1))
        except (OSError, StackError, subprocess.TimeoutExpired) as error:
            log.write(f"no archive: {error}\n".encode())


def _serve_once(process: subprocess.Popen[bytes], cluster: Cluster) -> None:
    try:
        deadline = time.monotonic() + _SECONDS
        while not kafka_ready(cluster):
            if process.poll() is not None or time.monotonic() > deadline:
                raise StackError("Kafka does not start")
            time.sleep(0.2)
        asyncio.run(_pass_on_a_message(cluster))
        process.terminate()
        process.wait(_SECONDS)
    finally:
        process.kill()


async def _pass_on_a_message(cluster: Cluster) -> None:
    # Every command that has to do with the stack imports this module; hardly any writes an archive.
    from aiokafka.errors import KafkaError

    from streams.kafka import clients

    try:
        async with asyncio.timeout(_SECONDS):
            async with clients.plain_producer(cluster, enable_idempotence=True) as producer:
                await producer.send_and_wait(_TOPIC, b"loads the classes of topics, groups and messages")
            async with clients.consumer(
                cluster, _TOPIC, group_id=_TOPIC, auto_offset_reset="earliest"
            ) as consumer:
                await consumer.getone()
                await consumer.commit()
    except KafkaError as error:
        raise StackError(f"Kafka does not pass a message on: {error}") from error
