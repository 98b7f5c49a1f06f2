"""Starts replays; the asynchronous part of the command."""

from __future__ import annotations

import time

from agents.topics import ensure_topics
from schemas.imports import ImportCommand, ImportSpec
from schemas.replays import REPLAYED_TOPIC
from schemas.settings import Settings
from ticketstream.checks.zendesk import check_login
from ticketstream.cli.import_run import Attempt, see_through
from ticketstream.cli.import_sender import Sender
from ticketstream.cli.import_wait import warn_without_workers
from ticketstream.cli.output import note
from ticketstream.records.commands import new_import_id
from ticketstream.records.imports import KnownImport, new_record


async def start_replay(settings: Settings, attempt: Attempt, spec: ImportSpec, *, wait: bool) -> KnownImport:
    """Start a replay; returns its last state, or its first when it is not waited for."""
    account = settings.account
    await ensure_topics(settings)
    if spec.replay == "changes":
        await check_login(settings)
    await warn_without_workers(settings)
    command = ImportCommand(
        command="start", account=account, import_id=new_import_id(), issued_at=time.time(), spec=spec
    )
    async with Sender(settings) as sender:
        await sender.command(command)
        # A Ctrl-C from here on leaves a replay behind.
        attempt.record = record = new_record(command)
        topic = REPLAYED_TOPIC[spec.replay] if spec.replay else ""
        note(f"replay {record.id} of {topic} started")
        return await see_through(settings, sender, attempt, record, wait=wait)
