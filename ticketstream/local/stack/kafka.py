"""Kafka as the local stack runs it: one KRaft node that is broker and controller.

Source of the properties: Apache Kafka 4.1 documentation, "Broker Configs" and "KRaft".
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from schemas.errors import StackError
from ticketstream.local.stack.layout import StackPaths
from ticketstream.local.stack.ports import HOST
from ticketstream.local.stack.processes import clean_environment
from ticketstream.local.stack.records import ServiceSpec, write_private
from ticketstream.operations.orphans import dies_with_parent

VERSION: Final = "4.1.1"
PORTS: Final = ("kafka", "kafka-controller")
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""A ticket is one message, whole: with thousands of comments and vectors it takes megabytes."""

_LOGGING: Final = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
"""


def server_properties(log_dir: Path, ports: Mapping[str, int]) -> str:
    """Return ``server.properties`` for this data folder and these ports.

    The addresses are read at every start, so the same data can be served on other ports.
    """
    broker, controller = ports["kafka"], ports["kafka-controller"]
    values = {
        "process.roles": "broker,controller",
        "node.id": 1,
        # Static voters are not written into the data: another port next time is fine.
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{broker},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{broker}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": log_dir,
        "num.partitions": 1,
        "auto.create.topics.enable": "true",
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 8,
        "offsets.topic.segment.bytes": 4 * 1024 * 1024,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.segment.bytes": 4 * 1024 * 1024,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        # A broker that was killed may register again only once its old session is over (9 s by default).
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 1000,
        # By default the controller writes twice a second that nothing has changed: a third of an idle
        # broker's processor time.
        "metadata.max.idle.interval.ms": 5000,
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "replica.fetch.max.bytes": MAX_MESSAGE_BYTES,
        "socket.request.max.bytes": 100 * 1024 * 1024,
        "log.segment.bytes": 128 * 1024 * 1024,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        # After kill -9 the tail of every log is read again: use both cores for it.
        "num.recovery.threads.per.data.dir": 2,
    }
    return "".join(f"{name}={_escaped(str(value))}\n" for name, value in values.items())


def _escaped(value: str) -> str:
    """Return a value as java.util.Properties reads it: backslashes doubled, other letters as \\uXXXX."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    return "".join(chr(code) if 0x20 <= code < 0x7F else f"\\u{code:04x}" for code in codes)


def service(paths: StackPaths, ports: Mapping[str, int], *, java: Path, lib: Path) -> ServiceSpec:
    """Return the process that runs Kafka; ``lib`` is the folder with its jars."""
    argv = [
        str(java),
        "-Xms128m",
        "-Xmx512m",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        *_common_options(paths, lib),
        "kafka.Kafka",
        str(_properties_file(paths)),
    ]
    return ServiceSpec(
        name="kafka",
        title=f"Kafka {VERSION}",
        argv=argv,
        environment=clean_environment(),
        cwd=str(lib),
        log=str(paths.log("kafka")),
        address=f"{HOST}:{ports['kafka']}",
        stop_seconds=30.0,
    )


def archive_of(lib: Path) -> Path:
    """Return where the archive of Kafka's classes lies: see kafka_classes."""
    return lib / "classes.jsa"


def _common_options(paths: StackPaths, lib: Path) -> list[str]:
    archive = archive_of(lib)
    return [
        # The optimising compiler alone took a third of a short run's processor time.
        "-XX:TieredStopAtLevel=1",
        *([f"-XX:SharedArchiveFile={archive}"] if archive.is_file() else []),
        f"-Dlog4j2.configurationFile={_logging_file(paths)}",
        "-cp",
        "*",
    ]


def _properties_file(paths: StackPaths) -> Path:
    return paths.kafka / "server.properties"


def _logging_file(paths: StackPaths) -> Path:
    return paths.kafka / "log4j2.properties"


def prepare(paths: StackPaths, ports: Mapping[str, int], *, java: Path, lib: Path) -> None:
    """Write Kafka's configuration and format its data folder if it is new.

    Raises StackError with the tool's last line when Java or the tool fails, OSError when the disk does.
    """
    data = paths.kafka / "data"
    write_private(_logging_file(paths), _LOGGING.encode())
    if not (data / "meta.properties").exists():
        # Formatted beside its place and renamed: a folder is either whole or not there.
        fresh = paths.kafka / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        temporary = paths.kafka / "format.properties"
        write_private(temporary, server_properties(fresh, ports).encode())
        _format(temporary, _common_options(paths, lib), java=java, lib=lib)
        temporary.unlink()
        shutil.rmtree(data, ignore_errors=True)
        fresh.rename(data)
    write_private(_properties_file(paths), server_properties(data, ports).encode())


def _format(properties: Path, options: list[str], *, java: Path, lib: Path) -> None:
    command = ["format", "-t", _cluster_id(), "-c", str(properties)]
    result = subprocess.run(
        [str(java), "-Xmx128m", *options, "kafka.tools.StorageTool", *command],
        cwd=lib,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        preexec_fn=dies_with_parent(),
    )
    if result.returncode:
        lines = result.stdout.decode(errors="replace").strip().splitlines()
        raise StackError(f"Kafka's data folder cannot be made: {lines[-1] if lines else 'no reason given'}")


def _cluster_id() -> str:
    """Return a random id as Kafka writes it: the 16 bytes of a UUID in URL-safe base64, no leading dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
