"""An import as the command line runs it, measured."""

from __future__ import annotations

import asyncio

import msgspec

from benchmarks.stack import BenchStack
from benchmarks.usage import ProcessUse, UsageMeter
from schemas.codec import decode
from schemas.errors import StackError
from schemas.messages.imports import ImportRecord
from schemas.messages.tickets import Receipt
from schemas.settings.load import Settings
from schemas.topics import INDEXED
from streams.kafka.topic_reader import TopicReader
from streams.weaviate.client import connect
from streams.weaviate.contents import Contents
from ticketstream.operations.imports.attempt import Attempt, start_import


class Outcomes(msgspec.Struct, kw_only=True):
    """The receipts of an import: ``last_at`` is when the last ticket became searchable (Unix seconds)."""

    count: int = 0
    outcomes: dict[str, int] = {}
    vectors_written: int = 0
    objects_deleted: int = 0
    last_at: float = 0.0


class ImportFigures(msgspec.Struct, kw_only=True):
    """An import: ``seconds`` from the command to the last ticket searchable, ``seconds_completed`` to the
    record's ``completed``. ``tickets`` counts each once, however often the export repeats it; ``memory`` has
    each worker's, in MB, once a second; ``zendesk`` is what the sample Zendesk counted meanwhile.
    """

    tickets: int
    objects: int
    seconds: float
    seconds_completed: float
    tickets_per_second: float
    zendesk_calls: int
    export_pages: int
    embedding_calls: int
    vectors_uploaded: int
    skipped: int
    failed: int
    receipts: Outcomes
    use: dict[str, ProcessUse]
    memory: dict[str, list[float]]
    zendesk: dict[str, object]


def measured_import(stack: BenchStack) -> ImportFigures:
    """Run an import of the whole account and wait for its end. Raises StackError when it fails."""
    with stack.zendesk() as zendesk, UsageMeter(stack.processes()) as meter:
        zendesk.reset_stats()
        record = asyncio.run(_run(stack.settings))
        stats = zendesk.stats()
        tickets = zendesk.health()["tickets"]
    receipts, objects = asyncio.run(afterwards(stack.settings, record))
    # A second import of an unchanged account may end in enrich: then the record tells the end.
    ended = receipts.last_at or record.updated_at
    seconds = ended - record.started_at
    return ImportFigures(
        tickets=tickets,
        objects=objects,
        seconds=round(seconds, 2),
        seconds_completed=round(record.updated_at - record.started_at, 2),
        tickets_per_second=round(tickets / seconds, 1),
        zendesk_calls=record.zendesk_calls,
        export_pages=record.source_calls,
        embedding_calls=record.embedding_calls,
        vectors_uploaded=record.vectors_uploaded,
        skipped=record.skipped,
        failed=record.failed,
        receipts=receipts,
        use=meter.result,
        memory={name: all_of for name, all_of in meter.memory.items() if name.startswith("worker")},
        zendesk=stats,
    )


async def _run(settings: Settings) -> ImportRecord:
    known = await start_import(settings, Attempt(), since=0, file=None, wait=True)
    record = known.record
    if record.status != "completed" or not record.done:
        raise StackError(f"the import is {record.status}: {'; '.join(record.errors) or 'nothing imported'}")
    return record


async def afterwards(settings: Settings, record: ImportRecord) -> tuple[Outcomes, int]:
    """Return the receipts of an import or a replay, and how many objects Weaviate holds."""
    found = Outcomes()
    async with TopicReader(settings.cluster, [INDEXED]) as reader:
        async for raw in reader.to_end():
            receipt = decode(Receipt, raw.value, raw.headers)
            if receipt.import_id != record.id:
                continue
            found.count += 1
            found.outcomes[receipt.outcome] = found.outcomes.get(receipt.outcome, 0) + 1
            found.vectors_written += receipt.vectors_written
            found.objects_deleted += receipt.objects_deleted
            found.last_at = max(found.last_at, receipt.indexed_at)
    async with await connect(settings) as connection:
        return found, await Contents(connection).count_objects(settings.account)
