"""Waits for an import with its progress in view, and says how it ended."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Final

import typer

from schemas.errors import UnavailableError
from schemas.messages.imports import ImportRecord
from schemas.settings.load import Settings
from streams.kafka.group_members import active_workers
from ticketstream.operations.imports.known import ImportWatch, KnownImport
from ticketstream.operations.imports.progress_bars import ImportProgress
from ticketstream.operations.imports.steering import NO_WORKER
from ticketstream.operations.imports.summary import done_of, duration, import_fields, is_success, kind_of
from ticketstream.operations.imports.waits import Waits, WaitsWatch
from ticketstream.terminal.output import err, note, print_error, print_json
from ticketstream.terminal.untrusted import one_line

_STILL_SECONDS: Final = 15.0


async def warn_without_workers(settings: Settings) -> bool:
    """Say so when nobody is there to do the work; returns whether somebody is."""
    try:
        workers = await active_workers(settings.cluster)
    except UnavailableError:
        return True  # nobody can tell; whoever needs Kafka next says so
    if not workers:
        note(f"warning: {NO_WORKER}")
    return bool(workers)


async def follow(
    settings: Settings, watch: ImportWatch, *, before: ImportRecord | None = None, shown: bool = True
) -> ImportRecord:
    """Show the import's progress until it has ended, and return its last state.

    ``before`` is the state it was resumed from: the same state seen again is not its end.
    """
    async with WaitsWatch(settings) as waits:
        with ImportProgress(err()) if shown else nullcontext() as progress:
            return await _follow(settings, watch, waits, progress, before)


async def _follow(
    settings: Settings,
    watch: ImportWatch,
    waits: WaitsWatch,
    progress: ImportProgress | None,
    before: ImportRecord | None,
) -> ImportRecord:
    last: ImportRecord | None = None
    moved = time.monotonic()
    warned = False
    async for record in watch.states():
        if record is not None and before is not None:
            if record.status == before.status and record.errors == before.errors:
                record = None
            else:
                before = None
        if progress is not None:
            progress.update(record, _why(record, await waits.now()))
        if record is not None and record.status != "running":
            return record
        if record is not last:
            last, moved, warned = record, time.monotonic(), False
        elif progress is not None and not warned and time.monotonic() - moved > _STILL_SECONDS:
            warned = True
            await warn_without_workers(settings)
    raise AssertionError("an import's states have no end")


def _why(record: ImportRecord | None, waits: Waits) -> str | None:
    return None if record is None else waits.of(record)


def report(record: ImportRecord, *, as_json: bool, fresh: bool = True) -> None:
    """Print how an import ended; ends the command with 1 when not all that was asked is done.

    ``fresh`` is an import that ran without a pause, so that its time and rate mean something.
    """
    if as_json:
        print_json(import_fields(KnownImport(record)))
    took = record.updated_at - record.started_at
    after = f" after {duration(took)}" if fresh else ""
    rate = f" ({done_of(record) / took:,.1f} tickets/s)" if fresh and took > 0 else ""
    kind = kind_of(record)
    note(f"{kind} {record.id} {record.status}{after}: {done_of(record):,} tickets{rate}, {_outcome(record)}")
    if record.switched_from:
        note(_switched(record))
    if is_success(record):
        return
    if record.status == "completed":
        how_many = f"{record.failed:,} became dead letters" if record.failed > 1 else "1 became a dead letter"
        print_error(f"not all tickets were {kind}ed: {how_many}; see `ticketstream dead-letters list`")
    elif record.status == "cancelled":
        print_error(f"{kind} {record.id} was cancelled; go on with `ticketstream imports resume {record.id}`")
    else:
        reason = one_line(record.errors[-1]) if record.errors else "the workers' logs say why"
        print_error(
            f"{kind} {record.id} failed: {reason}; when this is mended, go on with "
            f"`ticketstream imports resume {record.id}`"
        )
    raise typer.Exit(1)


def _switched(record: ImportRecord) -> str:
    from schemas.settings.load import load_settings

    former = record.switched_from
    address = (load_settings().weaviate.http_url or "WEAVIATE").rstrip("/")
    kept = f"kept as it is now; delete it with `curl -X DELETE {address}/v1/schema/{former}`"
    ending = "deleted" if record.spec.drop_old else kept
    return f"searches now read {record.switched_to}; {former} is {ending}"


def _outcome(record: ImportRecord) -> str:
    return (
        f"{record.indexed:,} indexed, {record.skipped:,} skipped, {record.failed:,} failed; "
        f"{record.vectors_uploaded:,} vectors uploaded; "
        f"{record.zendesk_calls:,} Zendesk calls, {record.embedding_calls:,} embedding calls"
    )
