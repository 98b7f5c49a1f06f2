"""Quotas off: the pipeline beside plain scripts and Quix Streams, its calls, and a second import."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Final

from benchmarks.figures import Figure, Findings, at_least, at_most, bars, plain
from benchmarks.pipeline import ImportFigures, measured_import
from benchmarks.plain import ScriptFigures, run_script
from benchmarks.quix.run import run_quix
from benchmarks.stack import BenchStack, unlimited
from benchmarks.usage import ProcessUse, quiet_down

_SEQUENTIAL_TICKETS: Final = 500
_ROUNDS: Final = 2
_HTTPX: Final = "asyncio script with httpx"
_AIOHTTP: Final = "asyncio script with aiohttp"
_QUIX: Final = "Quix Streams"
_PIPELINE: Final = "pipeline"
_BESIDE: Final = (_HTTPX, _AIOHTTP, _QUIX)

Note = Callable[[str], None]


def run(*, tickets: int, workers: int, note: Note) -> list[Findings]:
    """Import the account with all of them, in turn, twice, each round on a fresh stack; then once more."""
    imports: list[ImportFigures] = []
    scripts: dict[str, list[ScriptFigures]] = {name: [] for name in _BESIDE}
    again: ImportFigures | None = None
    for number in range(_ROUNDS):
        # Each once before the others and once after them: whatever drifts hits all.
        order = (*_BESIDE, _PIPELINE) if number % 2 == 0 else (_PIPELINE, *reversed(_BESIDE))
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
    return [_open(imports, scripts, sequential), _calls(imports[-1]), _again(imports[-1], again)]


def _script(name: str, stack: BenchStack, workers: int, note: Note) -> ScriptFigures:
    if name == _QUIX:
        return run_quix(stack, workers, note)
    return run_script(stack, "asyncio_script", "httpx" if name == _HTTPX else "aiohttp")


def _open(
    imports: list[ImportFigures], scripts: dict[str, list[ScriptFigures]], sequential: ScriptFigures
) -> Findings:
    tickets = imports[0].tickets
    rates = {_PIPELINE: [one.tickets_per_second for one in imports]}
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
        at_least(f"pipeline beside: {_HTTPX}", mean[_PIPELINE] / mean[_HTTPX], 1.0, "times"),
        *(
            plain(f"pipeline beside: {name}", mean[_PIPELINE] / mean[name], "times")
            for name in (_AIOHTTP, _QUIX, slow)
        ),
        plain("peak memory of a worker", max(_peak(one.use) for one in imports), "MB"),
        plain("objects in Weaviate", imports[0].objects),
        *(_same_objects(name, runs[-1], imports[0].objects) for name, runs in scripts.items()),
    ]
    uses = {_PIPELINE: imports[-1].use} | {name: runs[-1].use for name, runs in scripts.items()}
    for name, use in uses.items():
        figures += [
            plain(f"{name}, processor time of {process}", one.cpu_seconds * 1000 / tickets, "ms a ticket")
            for process, one in use.items()
        ]
    return Findings(
        scenario="quotas off",
        figures=figures,
        measured={_PIPELINE: imports, **scripts, "sequential script": sequential},
        charts=[bars(f"Import of {tickets:,} tickets, quotas off", "tickets/s", mean)],
    )


def _same_objects(name: str, one: ScriptFigures, objects: int) -> Figure:
    written = one.result.objects
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
