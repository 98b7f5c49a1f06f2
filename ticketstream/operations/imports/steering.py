"""Starts, resumes and cancels imports: what the command line and the HTTP API do alike."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from schemas.errors import ConflictError
from schemas.messages.imports import ImportCommand, ImportRecord, ImportSpec
from schemas.settings.load import Settings
from streams.kafka.sender import Sender
from ticketstream.operations.imports.commands import command_record, new_import_id
from ticketstream.operations.imports.known import ImportWatch, new_record
from ticketstream.operations.imports.summary import kind_of

NO_WORKER: Final = "no worker is running: start one with `ticketstream worker`"
OBEYED_SECONDS: Final = 15.0


async def send_start(
    sender: Sender, account: str, spec: ImportSpec, *, total: int | None = None
) -> ImportRecord:
    """Have an import or replay started, and return its record as it begins."""
    command = ImportCommand(
        command="start",
        account=account,
        import_id=new_import_id(),
        issued_at=time.time(),
        spec=spec,
        total=total,
    )
    await _send(sender, command)
    return new_record(command)


async def send_resume(sender: Sender, record: ImportRecord) -> None:
    """Have a cancelled or failed import go on."""
    await _send(sender, _command("resume", record))


async def send_cancel(sender: Sender, record: ImportRecord) -> None:
    """Have a running import cancelled; raises ConflictError for one that has ended."""
    if record.status != "running":
        raise ConflictError(f"{kind_of(record)} {record.id} has already ended: it is {record.status}")
    await _send(sender, _command("cancel", record))


async def obeyed(
    settings: Settings, record: ImportRecord, seconds: float = OBEYED_SECONDS
) -> ImportRecord | None:
    """Return an import's record once a worker has given it another status; None when none has in time."""
    watch = ImportWatch(settings.cluster, record.account, record.id)
    try:
        async with watch, asyncio.timeout(seconds):
            async for state in watch.states():
                if state is not None and state.status != record.status:
                    return state
    except TimeoutError:
        pass
    return None


def needs_login(record: ImportRecord) -> bool:
    """Return whether going on with an import calls Zendesk's export or tickets."""
    return not record.spec.file and record.spec.replay in ("", "changes")


async def _send(sender: Sender, command: ImportCommand) -> None:
    await sender.send_once([command_record(command, sender.partitions)])


def _command(kind: str, record: ImportRecord) -> ImportCommand:
    return ImportCommand(
        command="cancel" if kind == "cancel" else "resume",
        account=record.account,
        import_id=record.id,
        issued_at=time.time(),
    )
