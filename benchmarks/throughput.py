"""Quotas off: the pipeline beside plain scripts, its calls, and a second import of the same account."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Sequence
from typing import Final

from benchmarks.figures import Figure, Findings, at_least, at_most, plain
from benchmarks.pipeline import ImportFigures, measured_import
from benchmarks.plain import ScriptFigures, run_script
from benchmarks.stack import BenchStack, unlimited
from benchmarks.usage import ProcessUse, quiet_down

SCENARIOS: Final = ("open", "calls", "again")
_SEQUENTIAL_TICKETS: Final = 500
_ROUNDS: Final = 2

Note = Callable[[str], None]


def run(wanted: Collection[str], *, tickets: int, workers: int, note: Note) -> list[Findings]:
    """Run those of SCENARIOS that are wanted, on as few imports as that takes."""
    imports: list[ImportFigures] = []
    scripts: list[ScriptFigures] = []
    sequential: ScriptFigures | None = None
    faster: ScriptFigures | None = None
    again: ImportFigures | None = None
    beside = "open" in wanted
    for number in range(_ROUNDS if beside else 1):
        last = number == (_ROUNDS if beside else 1) - 1
        # Each on a fresh stack, and each once the first: whatever drifts hits both.
        order = ("script", "pipeline") if number % 2 == 0 else ("pipeline", "script")
        with BenchStack(unlimited(tickets), workers=workers) as stack:
            for what in order if beside else ("pipeline",):
                quiet_down(stack.processes())
                if what == "script":
                    note(f"asyncio script, {tickets:,} tickets")
                    scripts.append(run_script(stack, "asyncio_script", "httpx"))
                    continue
                stack.start_workers()
                quiet_down(stack.worker_processes())
                note(f"pipeline, {tickets:,} tickets, {workers} workers")
                imports.append(measured_import(stack))
                if last and "again" in wanted:
                    note("the same import again")
                    again = measured_import(stack)
                stack.stop_workers()
            if last and beside:
                few = min(tickets, _SEQUENTIAL_TICKETS)
                quiet_down(stack.processes())
                note(f"asyncio script with aiohttp, {tickets:,} tickets")
                faster = run_script(stack, "asyncio_script", "aiohttp")
                quiet_down(stack.processes())
                note(f"sequential script, {few} tickets")
                sequential = run_script(stack, "sequential", str(few))
    found = []
    if sequential is not None and faster is not None:
        found.append(_open(imports, scripts, faster, sequential))
    if "calls" in wanted:
        found.append(_calls(imports[-1]))
    if again is not None:
        found.append(_again(imports[-1], again))
    return found


def _open(
    imports: list[ImportFigures],
    scripts: list[ScriptFigures],
    faster: ScriptFigures,
    sequential: ScriptFigures,
) -> Findings:
    tickets = imports[0].tickets
    pipeline = statistics.mean(one.tickets_per_second for one in imports)
    script = statistics.mean(one.tickets_per_second for one in scripts)
    figures = [
        plain("pipeline", pipeline, "tickets/s"),
        plain("  each round", _rates(imports), "tickets/s"),
        plain("asyncio script with httpx", script, "tickets/s"),
        plain("  each round", _rates(scripts), "tickets/s"),
        plain("asyncio script with aiohttp", faster.tickets_per_second, "tickets/s"),
        plain(
            f"sequential script, rate of {sequential.result.tickets} tickets",
            sequential.tickets_per_second,
            "tickets/s",
        ),
        at_least("pipeline against the script with httpx", pipeline / script, 1.0, "times"),
        plain("pipeline against the script with aiohttp", pipeline / faster.tickets_per_second, "times"),
        plain("pipeline against the sequential script", pipeline / sequential.tickets_per_second, "times"),
        plain("peak memory of a worker", max(_peak(one.use) for one in imports), "MB"),
        plain("objects in Weaviate", imports[0].objects),
        Figure(
            name="the script wrote the same number of objects",
            value=scripts[0].result.objects,
            goal=f"{imports[0].objects}",
            met=scripts[0].result.objects == imports[0].objects,
        ),
    ]
    for name, use in _uses(imports, scripts, faster):
        figures += [
            plain(f"{name}, processor time of {process}", one.cpu_seconds * 1000 / tickets, "ms a ticket")
            for process, one in use.items()
        ]
    return Findings(
        scenario="open",
        figures=figures,
        measured={
            "pipeline": imports,
            "asyncio_script": scripts,
            "asyncio_script_aiohttp": faster,
            "sequential_script": sequential,
        },
    )


def _calls(first: ImportFigures) -> Findings:
    beyond = first.zendesk_calls - first.export_pages
    return Findings(
        scenario="calls",
        figures=[
            at_most("Zendesk calls beyond the export pages", beyond / first.tickets, 1.0, "a ticket"),
            plain("Zendesk calls", first.zendesk_calls),
            plain("export pages", first.export_pages),
            at_least("chunks an embedding call", first.vectors_uploaded / first.embedding_calls, 50),
            plain("embedding calls", first.embedding_calls),
            at_most("dead letters", first.failed, 0),
        ],
        measured={"import": first},
    )


def _again(first: ImportFigures, second: ImportFigures) -> Findings:
    written = second.receipts.vectors_written
    return Findings(
        scenario="again",
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
    )


def _uses(
    imports: list[ImportFigures], scripts: list[ScriptFigures], faster: ScriptFigures
) -> list[tuple[str, dict[str, ProcessUse]]]:
    return [("pipeline", imports[-1].use), ("httpx", scripts[-1].use), ("aiohttp", faster.use)]


def _rates(runs: Sequence[ImportFigures] | Sequence[ScriptFigures]) -> str:
    return ", ".join(f"{one.tickets_per_second:.1f}" for one in runs)


def _peak(use: dict[str, ProcessUse]) -> float:
    return max(one.memory_peak for name, one in use.items() if name.startswith("worker"))
