"""Starts, resumes and cancels imports: what the command line and the HTTP API do alike."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from schemas.errors import ConflictError
from schemas.imports import ImportCommand, ImportRecord, ImportSpec
from schemas.settings import Settings
from ticketstream.records.commands import new_import_id
from ticketstream.records.imports import ImportWatch, new_record
from ticketstream.records.sender import Sender
from ticketstream.records.summary import kind_of

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
    await sender.command(command)
    return new_record(command)


async def send_resume(sender: Sender, record: ImportRecord) -> None:
    """Have a cancelled or failed import go on."""
    await sender.command(_command("resume", record))


async def send_cancel(sender: Sender, record: ImportRecord) -> None:
    """Have a running import cancelled; raises ConflictError for one that has ended."""
    if record.status != "running":
        raise ConflictError(f"{kind_of(record)} {record.id} has already ended: it is {record.status}")
    await sender.command(_command("cancel", record))


async def obeyed(
    settings: Settings, record: ImportRecord, seconds: float = OBEYED_SECONDS
) -> ImportRecord | None:
    """Return an import's record once a worker has given it another status; None when none has in time."""
    watch = ImportWatch(settings.bootstrap_servers, record.account, record.id, settings.kafka.partitions)
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


def _command(kind: str, record: ImportRecord) -> ImportCommand:
    return ImportCommand(
        command="cancel" if kind == "cancel" else "resume",
        account=record.account,
        import_id=record.id,
        issued_at=time.time(),
    )
