"""Runs the import on Quix Streams against a stack, and measures it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import psutil
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError

from benchmarks.environments import python_for
from benchmarks.plain import ScriptFigures
from benchmarks.quix.protocol import GROUP, TOPIC, VARIABLE, Exported, Place, Written
from benchmarks.script_result import ScriptResult
from benchmarks.stack import BenchStack
from benchmarks.usage import UsageMeter, quiet_down
from schemas.errors import StackError
from schemas.ids import collection_name
from schemas.settings.load import PREFIX, Settings
from streams.kafka import clients
from streams.sources.zendesk.auth import static_login_of
from streams.transforms.chunking import CHUNKER_VERSION
from streams.weaviate.client import connect
from streams.weaviate.collection import ensure_collection
from ticketstream.operations.orphans import dies_with_parent

_ROOT: Final = Path(__file__).parents[2]
_READY_SECONDS: Final = 60.0
_LONGEST_SECONDS: Final = 900.0
_STOP_SECONDS: Final = 20.0


def run_quix(stack: BenchStack, workers: int, note: Callable[[str], None]) -> ScriptFigures:
    """Import the whole account with so many processes; raises StackError."""
    interpreter = python_for("quix", note)
    place = asyncio.run(_prepare(stack.settings))
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder) / f"{number}.out" for number in range(workers)]
        processes = [_start(interpreter, "index", place, output) for output in outputs]
        try:
            asyncio.run(_all_joined(stack.settings, processes, outputs))
            named = {f"quix {number}": one for number, one in enumerate(processes, 1)}
            quiet_down({name: psutil.Process(one.pid) for name, one in named.items()})
            exported, written, use = _measured(stack, interpreter, place, named, outputs, Path(folder))
        finally:
            _stop(processes)
    seconds = max(one.at for one in written) - exported.began
    result = ScriptResult(
        tickets=exported.tickets,
        objects=sum(one.objects for one in written),
        seconds=seconds,
        zendesk_calls=exported.calls + sum(one.zendesk_calls for one in written),
        embedding_calls=sum(one.embedding_calls for one in written),
    )
    return ScriptFigures(result=result, tickets_per_second=round(result.tickets / seconds, 1), use=use)


def _measured(
    stack: BenchStack,
    interpreter: Path,
    place: Place,
    processes: dict[str, subprocess.Popen[bytes]],
    outputs: list[Path],
    folder: Path,
) -> tuple[Exported, list[Written], dict[str, Any]]:
    exporting = folder / "export.out"
    source = _start(interpreter, "export", place, exporting)
    watched = {name: psutil.Process(one.pid) for name, one in {**processes, "quix export": source}.items()}
    try:
        with UsageMeter({**stack.services(), **watched}) as meter:
            deadline = time.monotonic() + _LONGEST_SECONDS
            while True:
                _check({**processes, **({} if source.poll() == 0 else {"quix export": source})}, folder)
                written = [_last(output, Written) or Written() for output in outputs]
                exported = _last(exporting, Exported)
                if exported is not None and sum(one.tickets for one in written) >= exported.tickets:
                    break
                if time.monotonic() > deadline:
                    raise StackError(f"Quix Streams is not done after {_LONGEST_SECONDS:.0f} s")
                time.sleep(0.1)
    finally:
        _stop([source])
    return exported, written, meter.result


async def _prepare(settings: Settings) -> Place:
    """Make topic and collection as the pipeline has them, so that the services have the same work."""
    model, dimensions = settings.embedding_model, settings.embedding_dimensions
    name = "Quix_" + collection_name(model, dimensions, CHUNKER_VERSION)
    async with await connect(settings) as connection:
        await ensure_collection(connection.client, name)
    admin = clients.admin(settings.cluster)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, settings.kafka.partitions, 1)])
    finally:
        await admin.close()
    http, rpc = urlsplit(settings.weaviate_http_url), urlsplit(settings.weaviate_grpc_url)
    return Place(
        bootstrap_servers=settings.cluster.servers,
        partitions=settings.kafka.partitions,
        zendesk_url=settings.zendesk_url,
        authorization=static_login_of(settings).header,
        account=settings.account,
        weaviate_host=http.hostname or "",
        weaviate_port=http.port or 80,
        weaviate_grpc_port=rpc.port or 50051,
        collection=name,
    )


async def _all_joined(
    settings: Settings, processes: list[subprocess.Popen[bytes]], outputs: list[Path]
) -> None:
    """Wait until the group has all its members: a later one would have tickets worked on twice."""
    admin = clients.admin(settings.cluster)
    await admin.start()
    deadline = time.monotonic() + _READY_SECONDS
    try:
        while True:
            _check(dict(zip(map(str, outputs), processes, strict=True)), outputs[0].parent)
            state, members = await _group(admin)
            if state == "Stable" and members == len(processes):
                return
            if time.monotonic() > deadline:
                raise StackError(f"Quix Streams' group is {state} with {members} members")
            await asyncio.sleep(0.2)
    finally:
        await admin.close()


async def _group(admin: AIOKafkaAdminClient) -> tuple[str, int]:
    """Return the state of the group, and how many members it has."""
    try:
        (answer,) = await admin.describe_consumer_groups([GROUP])
    except GroupCoordinatorNotAvailableError:  # a new broker's first group
        return "unknown", 0
    # Error, name, state, protocol type, protocol, members.
    (group,) = answer.groups
    return group[2], len(group[5])


def _start(interpreter: Path, module: str, place: Place, output: Path) -> subprocess.Popen[bytes]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with output.open("wb") as out, output.with_suffix(".err").open("wb") as problems:
        return subprocess.Popen(
            [str(interpreter), "-m", f"benchmarks.quix.{module}"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=problems,
            env=own | {VARIABLE: msgspec.json.encode(place).decode()},
            cwd=_ROOT,
            preexec_fn=dies_with_parent(),
        )


def _check(processes: dict[str, subprocess.Popen[bytes]], folder: Path) -> None:
    for name, process in processes.items():
        if process.poll() is not None:
            said = "\n".join(one.read_text(errors="replace")[-800:] for one in folder.glob("*.err"))
            raise StackError(f"{name} on Quix Streams ended with status {process.returncode}: {said.strip()}")


def _last(output: Path, kind: type[Any]) -> Any:
    """Return the last whole line of an output, decoded; None while there is none."""
    whole, _, _ = output.read_bytes().rpartition(b"\n")
    return msgspec.json.decode(whole.splitlines()[-1], type=kind) if whole else None


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
