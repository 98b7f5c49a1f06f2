"""Replays from each topic, beside the rate at which this Weaviate takes batches of the same objects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from benchmarks.figures import Figure, Findings, at_least, at_most, bars, plain
from benchmarks.pipeline import afterwards, measured_import
from benchmarks.raw_writes import RawRates, raw_rates
from benchmarks.stack import BenchStack, unlimited
from benchmarks.usage import ProcessUse, UsageMeter, quiet_down
from schemas.errors import StackError
from schemas.headers.replays import ReplayFrom
from schemas.ids import ALIAS
from schemas.messages.imports import ImportSpec
from schemas.settings.load import Settings
from streams.weaviate.client import connect
from streams.weaviate.ownership import alias_target
from ticketstream.cli.imports.replay_run import start_replay
from ticketstream.operations.imports.attempt import Attempt

_RUNS: Final[tuple[tuple[str, ReplayFrom], ...]] = (
    ("from embedded, Weaviate empty", "embedded"),
    ("from embedded, over what is there", "embedded"),
    ("from enriched, vectors known", "enriched"),
    ("from changes, Zendesk without limits", "changes"),
)

_GOAL_PERCENT: Final = 80.0
_PROCESSOR: Final = "processor time"
_MS: Final = "ms a ticket"

Note = Callable[[str], None]


class ReplayFigures(msgspec.Struct, kw_only=True):
    """A replay: ``seconds`` from the command to its last receipt, its calls, and what processes used."""

    tickets: int
    objects: int
    seconds: float
    seconds_completed: float
    zendesk_calls: int
    embedding_calls: int
    failed: int
    use: dict[str, ProcessUse]

    @property
    def rate(self) -> float:
        """Tickets a second."""
        return self.tickets / self.seconds


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Import an account, measure raw writes of its objects, lose them, and replay from each topic."""
    found: dict[str, ReplayFigures] = {}
    with BenchStack(unlimited(tickets), workers=workers) as stack:
        stack.start_workers()
        quiet_down(stack.processes())
        note(f"pipeline, {tickets:,} tickets, {workers} workers")
        imported = measured_import(stack)
        quiet_down(stack.processes())
        note(f"raw writes of its {imported.objects:,} objects")
        with UsageMeter(stack.services()) as meter:
            raw = asyncio.run(raw_rates(stack.settings))
        asyncio.run(_lose(stack.settings))
        for name, topic in _RUNS:
            quiet_down(stack.processes())
            note(f"replay {name}")
            found[name] = asyncio.run(_replay(stack, topic))
    return Findings(
        scenario="replay",
        figures=[*_figures(imported.objects, raw, found), *_use(raw, meter.result, found)],
        measured={"import": imported, "raw": raw, "raw use": meter.result, "replays": found},
        charts=[
            bars(
                f"{imported.objects:,} objects of {tickets:,} tickets",
                "objects/s",
                {
                    "raw batches, Weaviate empty": raw.objects / raw.insert_seconds,
                    "raw batches, over what is there": raw.objects / raw.overwrite_seconds,
                    **{f"replay {name}": raw.objects / one.seconds for name, one in found.items()},
                },
            )
        ],
    )


def _figures(objects: int, raw: RawRates, found: dict[str, ReplayFigures]) -> list[Figure]:
    figures: list[Figure] = [
        plain("raw writes, inserts", raw.tickets / raw.insert_seconds, "tickets/s"),
        plain("raw writes, inserts", raw.objects / raw.insert_seconds, "objects/s"),
        plain("raw writes, overwrites", raw.tickets / raw.overwrite_seconds, "tickets/s"),
    ]
    for number, (name, one) in enumerate(found.items()):
        seconds = raw.overwrite_seconds if number else raw.insert_seconds
        # The raw writes do not know of tickets without text, so it is their objects that are compared.
        share = 100 * seconds / one.seconds
        figures += [
            plain(name, one.rate, "tickets/s"),
            plain("  of the raw rate", share, "%")
            if number
            else at_least("  of the raw rate", share, _GOAL_PERCENT, "%"),
            at_most("  dead letters", one.failed, 0),
        ]
    embedded = [one for name, one in found.items() if "embedded" in name]
    figures += [
        at_most("Zendesk and embedding calls from embedded", sum(map(_calls, embedded)), 0),
        at_most("Zendesk calls from enriched", found[_RUNS[2][0]].zendesk_calls, 0),
        at_least("objects afterwards", min(one.objects for one in found.values()), objects),
    ]
    return figures


def _use(raw: RawRates, writing: dict[str, ProcessUse], found: dict[str, ReplayFigures]) -> list[Figure]:
    """Return the processor time of a ticket. Raw batches are read once and written twice."""
    name, replayed = next(iter(found.items()))
    workers = [one.cpu_seconds for process, one in replayed.use.items() if process.startswith("worker")]
    return [
        plain(f"Weaviate, raw batches: {_PROCESSOR}", _each(writing["weaviate"], 2 * raw.tickets), _MS),
        plain(f"Weaviate, {name}: {_PROCESSOR}", _each(replayed.use["weaviate"], replayed.tickets), _MS),
        plain(f"Kafka, {name}: {_PROCESSOR}", _each(replayed.use["kafka"], replayed.tickets), _MS),
        plain(f"workers, {name}: {_PROCESSOR}", 1000 * sum(workers) / replayed.tickets, _MS),
    ]


def _each(use: ProcessUse, tickets: int) -> float:
    return 1000 * use.cpu_seconds / tickets


def _calls(one: ReplayFigures) -> int:
    return one.zendesk_calls + one.embedding_calls


async def _lose(settings: Settings) -> None:
    """Delete what readers read, with the alias."""
    async with await connect(settings) as connection:
        target = await alias_target(connection.client)
        await connection.client.alias.delete(alias_name=ALIAS)
        if target is not None:
            await connection.client.collections.delete(target)


async def _replay(stack: BenchStack, topic: ReplayFrom) -> ReplayFigures:
    settings = stack.settings
    with UsageMeter(stack.processes()) as meter:
        record = (await start_replay(settings, Attempt(), ImportSpec(replay=topic), wait=True)).record
    if record.status != "completed":
        raise StackError(f"the replay is {record.status}: {'; '.join(record.errors)}")
    outcomes, objects = await afterwards(settings, record)
    return ReplayFigures(
        tickets=outcomes.count,
        objects=objects,
        seconds=round(outcomes.last_at - record.started_at, 2),
        seconds_completed=round(record.updated_at - record.started_at, 2),
        zendesk_calls=record.zendesk_calls,
        embedding_calls=record.embedding_calls,
        failed=record.failed,
        use=meter.result,
    )
