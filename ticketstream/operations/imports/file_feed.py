"""Feeds an export file to the backfill lane, from the machine that holds it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from schemas.codec import encode, headers_of
from schemas.errors import DecodeError, RefusedError, UserError
from schemas.ids import ticket_key
from schemas.messages.imports import ImportCommand, ImportRecord
from schemas.topics import BACKFILL
from streams.kafka.dead_letters import line_dead_letter
from streams.kafka.messages import Record
from streams.kafka.partitions import partition_of
from streams.sources.files.reading import KEPT_OF_A_TOO_LONG_ROW
from streams.sources.zendesk.export_file import BadLine, FileTicket, read_export_file
from ticketstream.operations.imports.commands import command_record
from ticketstream.operations.imports.large_changes import LARGE_BYTES, LargeChange, Send, in_parts, send_parts

BATCH_ROWS: Final = 500
_BATCH_BYTES: Final = 8 * 1024 * 1024
_LETTER_BYTES: Final = 10 * 1024 * 1024
"""The longest original that fits into a dead letter, as base64 below the topic's 15 MiB."""


class FileFeed:
    """Sends a file's tickets, and after each batch how far it has come.

    ``after_line``, ``fetched`` and ``unreadable`` stand where the record stands: rows up to number
    ``after_line`` have been sent before (a row's number is its line's, where each line is one). A crash
    between a batch and its count sends at most that batch again, which the pipeline recognises.
    """

    def __init__(self, record: ImportRecord, send: Send, *, partitions: int) -> None:
        self.after_line = int(record.cursor or 0)
        self.fetched = record.fetched
        self.unreadable = record.unreadable
        self.ended = False
        self._record = record
        self._path = Path(record.spec.file)
        self._send = send
        self._partitions = partitions

    async def run(self) -> None:
        """Send all that has not been sent; raises UserError when the file is gone or has become shorter."""
        items = read_export_file(
            self._path,
            account=self._record.account,
            import_id=self._record.id,
            # The last row sent is read again, to see that it is still there.
            after_line=max(0, self.after_line - 1),
        )
        seen = self.after_line == 0

        def next_batch() -> tuple[list[Record | LargeChange], int, int, int, bool]:
            """Read in a thread: records, last row, tickets, bad rows, and whether the file has ended."""
            nonlocal seen
            records: list[Record | LargeChange] = []
            line, tickets, bad, held = self.after_line, 0, 0, 0
            for item in items:
                if item.line <= self.after_line:
                    seen = True
                    continue
                if not seen:
                    break
                line = item.line
                record, is_ticket = self._record_of(item)
                tickets += is_ticket
                bad += not is_ticket
                records.append(record)
                held += LARGE_BYTES if isinstance(record, LargeChange) else len(record.value or b"")
                if len(records) >= BATCH_ROWS or held >= _BATCH_BYTES:
                    return records, line, tickets, bad, False
            if not seen:
                raise UserError(
                    f"{self._path} is not the file it was: import {self._record.id} has sent "
                    f"{self.after_line:,} rows of it, and row {self.after_line:,} is no longer there; "
                    f"start a new import with `ticketstream import --file {self._path}`"
                )
            return records, line, tickets, bad, True

        while not self.ended:
            records, line, tickets, bad, ended = await asyncio.to_thread(next_batch)
            if records:
                await self._send_all(records)
            self.after_line = line
            self.fetched += tickets
            self.unreadable += bad
            await self._send([self._progress(ended)])
            self.ended = ended

    async def _send_all(self, records: Sequence[Record | LargeChange]) -> None:
        together: list[Record] = []
        for record in records:
            if isinstance(record, LargeChange):
                record = await send_parts(record, self._send, self._partitions)
            together.append(record)
        await self._send(together)

    def _progress(self, ended: bool) -> Record:
        command = ImportCommand(
            command="feed",
            account=self._record.account,
            import_id=self._record.id,
            issued_at=time.time(),
            cursor=str(self.after_line),
            fetched=self.fetched,
            failed=self.unreadable,
            ended=ended,
        )
        return command_record(command, self._partitions)

    def _record_of(self, item: FileTicket | BadLine) -> tuple[Record | LargeChange, bool]:
        """Return the record of a row, and whether it is a ticket."""
        if isinstance(item, BadLine):
            return self._letter(item.line, item.raw, item.message, DecodeError), False
        change = item.change
        value = encode(change)
        if len(value) > LARGE_BYTES:
            try:
                return in_parts(change), True
            except RefusedError as error:
                return self._letter(item.line, value, str(error), RefusedError), False
        key = ticket_key(change.account, change.ticket_id)
        return Record(BACKFILL, partition_of(key, self._partitions), key, value, headers_of(change)), True

    def _letter(
        self, line: int, raw: bytes, message: str, kind: type[DecodeError] | type[RefusedError]
    ) -> Record:
        if len(raw) > _LETTER_BYTES:
            message += f" (of its {len(raw):,} bytes the first {KEPT_OF_A_TOO_LONG_ROW:,} are kept)"
            raw = raw[:KEPT_OF_A_TOO_LONG_ROW]
        return line_dead_letter(
            self._record.account, self._record.id, str(self._path), line, raw, kind(message), self._partitions
        )
