"""Quotas off: the pipeline beside plain scripts and Quix Streams, its calls, and a second import."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Final

from benchmarks.figures import Figure, Findings, at_least, at_most, bars, plain
from benchmarks.pipeline import ImportFigures, measured_import
from benchmarks.plain import ScriptFigures, run_script
from benchmarks.quix.run import run_quix
from benchmarks.stack import BULK, BenchStack, unlimited
from benchmarks.usage import ProcessUse, quiet_down

_SEQUENTIAL_TICKETS: Final = 500
_ROUNDS: Final = 2
_GOAL: Final = 1.2
_HTTPX: Final = "asyncio script with httpx"
_AIOHTTP: Final = "asyncio script with aiohttp"
_QUIX: Final = "Quix Streams"
_PIPELINE: Final = "pipeline"
_BULK: Final = "pipeline, comments in bulk"
_BESIDE: Final = (_HTTPX, _AIOHTTP, _QUIX)

Note = Callable[[str], None]


def run(*, tickets: int, workers: int, note: Note) -> list[Findings]:
    """Import the account with all of them, in turn, twice, each round on fresh stacks; then once more."""
    imports: list[ImportFigures] = []
    in_bulk: list[ImportFigures] = []
    scripts: dict[str, list[ScriptFigures]] = {name: [] for name in _BESIDE}
    again: ImportFigures | None = None
    for number in range(_ROUNDS):
        # Each once before the others and once after them: whatever drifts hits all.
        order = (*_BESIDE, _PIPELINE) if number % 2 == 0 else (_PIPELINE, *reversed(_BESIDE))
        in_bulk.append(_import_in_bulk(tickets, workers, note))
        with BenchStack(unlimited(tickets), workers=workers) as stack:
            for name in order:
                quiet_down(stack.processes())
                note(f"{name}, {tickets:,} tickets")
                if name != _PIPELINE:
                    scripts[name].append(_script(name, stack, workers, note))
                    continue
                stack.start_workers()
                quiet_down(stack.worker_processes())
                imports.append(measured_import(stack))
                if number == _ROUNDS - 1:
                    note("the same import again")
                    again = measured_import(stack)
                stack.stop_workers()
            if number == _ROUNDS - 1:
                few = min(tickets, _SEQUENTIAL_TICKETS)
                quiet_down(stack.processes())
                note(f"sequential script, {few} tickets")
                sequential = run_script(stack, "sequential", str(few))
    assert again is not None
    open_ = _open({_PIPELINE: imports, _BULK: in_bulk}, scripts, sequential)
    return [open_, _calls(imports[-1]), _again(imports[-1], again)]


def _import_in_bulk(tickets: int, workers: int, note: Note) -> ImportFigures:
    """Import on a stack of its own: what another import has indexed, this one would pass over."""
    with BenchStack(unlimited(tickets), workers=workers, overrides=BULK) as stack:
        stack.start_workers()
        quiet_down(stack.processes())
        note(f"{_BULK}, {tickets:,} tickets")
        return measured_import(stack)


def _script(name: str, stack: BenchStack, workers: int, note: Note) -> ScriptFigures:
    if name == _QUIX:
        return run_quix(stack, workers, note)
    return run_script(stack, "asyncio_script", "httpx" if name == _HTTPX else "aiohttp")


def _open(
    ways: dict[str, list[ImportFigures]], scripts: dict[str, list[ScriptFigures]], sequential: ScriptFigures
) -> Findings:
    imports = ways[_PIPELINE]
    tickets = imports[0].tickets
    rates = {way: [one.tickets_per_second for one in runs] for way, runs in ways.items()}
    rates |= {name: [one.tickets_per_second for one in runs] for name, runs in scripts.items()}
    mean = {name: statistics.mean(each) for name, each in rates.items()}
    slow = f"sequential script, {sequential.result.tickets} tickets"
    mean[slow] = sequential.tickets_per_second
    figures: list[Figure] = []
    for name, rate in mean.items():
        figures.append(plain(name, rate, "tickets/s"))
        if name in rates:
            figures.append(plain("  each round", ", ".join(f"{one:.1f}" for one in rates[name]), "tickets/s"))
    figures += [
        *(
            at_least(f"{way} beside: {_HTTPX}", mean[way] / mean[_HTTPX], _GOAL, "times")
            if name == _HTTPX
            else plain(f"{way} beside: {name}", mean[way] / mean[name], "times")
            for way in ways
            for name in (_HTTPX, _AIOHTTP, _QUIX, slow)
        ),
        *(
            plain(f"{way}, peak memory of a worker", max(_peak(one.use) for one in runs), "MB")
            for way, runs in ways.items()
        ),
        plain("objects in Weaviate", imports[0].objects),
        *(_same_objects(way, runs[-1].objects, imports[0].objects) for way, runs in ways.items()),
        *(_same_objects(name, runs[-1].result.objects, imports[0].objects) for name, runs in scripts.items()),
    ]
    uses = {way: runs[-1].use for way, runs in ways.items()} | {
        name: runs[-1].use for name, runs in scripts.items()
    }
    for name, use in uses.items():
        figures += [
            plain(f"{name}, processor time of {process}", one.cpu_seconds * 1000 / tickets, "ms a ticket")
            for process, one in use.items()
        ]
    return Findings(
        scenario="quotas off",
        figures=figures,
        measured={**ways, **scripts, "sequential script": sequential},
        charts=[bars(f"Import of {tickets:,} tickets, quotas off", "tickets/s", mean)],
    )


def _same_objects(name: str, written: int, objects: int) -> Figure:
    return Figure(name=f"objects of {name}", value=written, goal=f"{objects}", met=written == objects)


def _calls(first: ImportFigures) -> Findings:
    beyond = first.zendesk_calls - first.export_pages
    return Findings(
        scenario="calls of an import",
        figures=[
            at_most("Zendesk calls beyond the export pages", beyond / first.tickets, 1.0, "a ticket"),
            plain("Zendesk calls", first.zendesk_calls),
            plain("export pages", first.export_pages),
            at_least("chunks an embedding call", first.vectors_uploaded / first.embedding_calls, 50),
            plain("embedding calls", first.embedding_calls),
            at_most("dead letters", first.failed, 0),
        ],
        measured={"import": first},
        charts=[
            bars(
                "Calls of an import",
                "calls",
                {
                    "tickets": first.tickets,
                    "Zendesk, comments and people": beyond,
                    "Zendesk, export pages": first.export_pages,
                    "embedding": first.embedding_calls,
                },
            )
        ],
    )


def _again(first: ImportFigures, second: ImportFigures) -> Findings:
    written = second.receipts.vectors_written
    return Findings(
        scenario="the same import once more",
        figures=[
            at_most("embedding calls of a second import", second.embedding_calls, 0),
            at_most("objects it wrote or deleted", written + second.receipts.objects_deleted, 0),
            at_most("change in the number of objects", abs(second.objects - first.objects), 0),
            plain("tickets it skipped", second.skipped),
            plain("Zendesk calls", second.zendesk_calls),
            plain("time", second.seconds_completed, "s"),
            plain("rate", second.tickets / second.seconds_completed, "tickets/s"),
        ],
        measured={"first": first, "second": second},
        charts=[
            bars(
                "The same import once more",
                "s",
                {"first": first.seconds_completed, "second": second.seconds_completed},
            )
        ],
    )


def _peak(use: dict[str, ProcessUse]) -> float:
    return max(one.memory_peak for name, one in use.items() if name.startswith("worker"))
