"""Starts, resumes and cancels imports, and feeds files; the asynchronous part of the commands."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import msgspec

from schemas.errors import UserError
from schemas.messages.imports import ImportRecord, ImportSpec
from schemas.settings.load import Settings
from streams.kafka.sender import Sender
from streams.kafka.topics import ensure_topics
from streams.sources.files.reading import count_rows
from ticketstream.operations.checks.zendesk import check_login
from ticketstream.operations.imports.file_feed import FileFeed
from ticketstream.operations.imports.known import ImportWatch, KnownImport, find_import
from ticketstream.operations.imports.steering import (
    NO_WORKER,
    needs_login,
    obeyed,
    send_cancel,
    send_resume,
    send_start,
)
from ticketstream.operations.imports.summary import kind_of
from ticketstream.operations.imports.waiting import follow, warn_without_workers
from ticketstream.terminal.output import note


@dataclass
class Attempt:
    """What a Ctrl-C or an error leaves behind: the import, and how far its file was read."""

    record: ImportRecord | None = None
    feed: FileFeed | None = None

    def left_behind(self) -> str | None:
        """Return what a person should know; None when nothing was started."""
        if self.record is None:
            return None
        import_id = self.record.id
        if self.feed is not None and not self.feed.ended:
            return (
                f"import {import_id} has got {self.feed.after_line:,} rows of {self.record.spec.file}; "
                f"go on with `ticketstream imports resume {import_id}`"
            )
        kind = kind_of(self.record)
        return f"{kind} {import_id} goes on in the workers: see `ticketstream imports show {import_id}`"


async def start_import(
    settings: Settings, attempt: Attempt, *, since: int, file: Path | None, wait: bool
) -> KnownImport:
    """Start an import; returns its last state, or its first when it is not waited for.

    ``file`` is an absolute path: whoever resumes the import may stand elsewhere.
    """
    account = settings.account
    total = None
    if file is not None:
        left_out: list[str] = []
        total = await asyncio.to_thread(count_rows, file, left_out.append)
        for words in left_out:
            note(f"not read: {words}")
    await ensure_topics(settings)
    if file is None:
        await check_login(settings)
    await warn_without_workers(settings)
    spec = ImportSpec(since=since, file=str(file) if file else "")
    async with Sender(settings, waits=note) as sender:
        # A Ctrl-C from here on leaves an import behind.
        attempt.record = record = await send_start(sender, account, spec, total=total)
        note(f"import {record.id} started" + (f": {total:,} rows of {file}" if file else ""))
        return await see_through(settings, sender, attempt, record, wait=wait)


async def resume_import(settings: Settings, attempt: Attempt, import_id: str, *, wait: bool) -> KnownImport:
    """Go on with an import that was cancelled, has failed, or whose file is no longer read."""
    await ensure_topics(settings)
    known = await find_import(settings.cluster, import_id)
    record = known.record
    if record.status == "completed":
        note(f"{kind_of(record)} {import_id} has already ended")
        return known
    reads_file = bool(record.spec.file) and not record.source_ended
    has_stopped = record.status in ("cancelled", "failed")
    if has_stopped and needs_login(record):
        await check_login(settings)
    await warn_without_workers(settings)
    async with Sender(settings, waits=note) as sender:
        if has_stopped:
            await send_resume(sender, record)
            note(
                f"{kind_of(record)} {import_id} resumed"
                + (f" after row {record.cursor or 0}" if reads_file else "")
            )
        elif reads_file:
            note(f"reading {record.spec.file} after row {record.cursor or 0}")
        else:
            note(f"{kind_of(record)} {import_id} is running")
        return await see_through(
            settings,
            sender,
            attempt,
            msgspec.structs.replace(record, status="running"),
            wait=wait,
            before=record if has_stopped else None,
            waiting=known.waiting,
        )


async def see_through(
    settings: Settings,
    sender: Sender,
    attempt: Attempt,
    record: ImportRecord,
    *,
    wait: bool,
    before: ImportRecord | None = None,
    waiting: bool = True,
) -> KnownImport:
    """Feed the file, where the import reads one, and wait for the end, where that is wanted."""
    attempt.record = record
    partitions = settings.kafka.partitions
    feeds = bool(record.spec.file) and not record.source_ended
    if not feeds and not wait:
        return KnownImport(record, waiting)
    async with ImportWatch(settings.cluster, record.account, record.id) as watch:
        ending = asyncio.create_task(follow(settings, watch, before=before, shown=wait))
        tasks: list[asyncio.Task[None] | asyncio.Task[ImportRecord]] = [ending]
        try:
            if feeds:
                feed = attempt.feed = FileFeed(record, sender.send, partitions=partitions)
                feeding = asyncio.create_task(feed.run())
                tasks.append(feeding)
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if feeding.done():
                    feeding.result()
                    if not wait:
                        note(f"all {feed.fetched:,} tickets of {record.spec.file} are on Kafka")
                        return KnownImport(record, waiting)
            return KnownImport(await ending)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def cancel_import(settings: Settings, import_id: str) -> KnownImport:
    """Cancel an import, and return its state once a worker has stopped it; raises UserError."""
    await ensure_topics(settings)
    known = await find_import(settings.cluster, import_id)
    record = known.record
    if record.status == "cancelled":
        return known
    async with Sender(settings, waits=note) as sender:
        await send_cancel(sender, record)
    if (state := await obeyed(settings, record)) is not None:
        return KnownImport(state)
    if await warn_without_workers(settings):
        raise UserError(f"no worker has confirmed yet that import {import_id} is cancelled: look again later")
    raise UserError(f"import {import_id} will be cancelled when a worker runs; {NO_WORKER}")
