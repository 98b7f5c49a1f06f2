"""Starts replays; the asynchronous part of the command."""

from __future__ import annotations

from schemas.headers.replays import REPLAYED_TOPIC
from schemas.messages.imports import ImportSpec
from schemas.settings.load import Settings
from streams.kafka.sender import Sender
from streams.kafka.topics import ensure_topics
from ticketstream.operations.checks.zendesk import check_login
from ticketstream.operations.imports.attempt import Attempt, see_through
from ticketstream.operations.imports.known import KnownImport
from ticketstream.operations.imports.steering import send_start
from ticketstream.operations.imports.waiting import warn_without_workers
from ticketstream.terminal.output import note


async def start_replay(settings: Settings, attempt: Attempt, spec: ImportSpec, *, wait: bool) -> KnownImport:
    """Start a replay; returns its last state, or its first when it is not waited for."""
    account = settings.account
    await ensure_topics(settings)
    if spec.replay == "changes":
        await check_login(settings)
    await warn_without_workers(settings)
    async with Sender(settings, waits=note) as sender:
        # A Ctrl-C from here on leaves a replay behind.
        attempt.record = record = await send_start(sender, account, spec)
        topic = REPLAYED_TOPIC[spec.replay] if spec.replay else ""
        note(f"replay {record.id} of {topic} started")
        return await see_through(settings, sender, attempt, record, wait=wait)
