"""Starts replays; the asynchronous part of the command."""

from __future__ import annotations

from agents.topics import ensure_topics
from schemas.imports import ImportSpec
from schemas.replays import REPLAYED_TOPIC
from schemas.settings import Settings
from ticketstream.checks.zendesk import check_login
from ticketstream.cli.import_run import Attempt, see_through
from ticketstream.cli.import_wait import warn_without_workers
from ticketstream.cli.output import note
from ticketstream.records.imports import KnownImport
from ticketstream.records.sender import Sender
from ticketstream.records.steering import send_start


async def start_replay(settings: Settings, attempt: Attempt, spec: ImportSpec, *, wait: bool) -> KnownImport:
    """Start a replay; returns its last state, or its first when it is not waited for."""
    account = settings.account
    await ensure_topics(settings)
    if spec.replay == "changes":
        await check_login(settings)
    await warn_without_workers(settings)
    async with Sender(settings, told=note) as sender:
        # A Ctrl-C from here on leaves a replay behind.
        attempt.record = record = await send_start(sender, account, spec)
        topic = REPLAYED_TOPIC[spec.replay] if spec.replay else ""
        note(f"replay {record.id} of {topic} started")
        return await see_through(settings, sender, attempt, record, wait=wait)
