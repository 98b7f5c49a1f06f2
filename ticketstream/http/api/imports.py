"""Imports: listed, started, shown, resumed, cancelled, and followed as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Body
from fastapi import Path as InPath
from sse_starlette import EventSourceResponse
from starlette.responses import Response

from schemas.errors import ConflictError, UserError
from schemas.messages.imports import ImportSpec
from schemas.settings.load import Settings
from streams.kafka.sender import Sender
from streams.kafka.topics import ensure_topics
from streams.retries import RetryPolicy
from ticketstream.http.api.live import EVENT_ANSWER, event_stream
from ticketstream.http.api.models.imports import Import, Imports, NewImport
from ticketstream.http.api.problems import ProblemError
from ticketstream.http.api.responses import described, json_answer
from ticketstream.operations.imports.known import KnownImport, find_import, load_imports
from ticketstream.operations.imports.since import parse_since
from ticketstream.operations.imports.steering import needs_login, obeyed, send_cancel, send_resume, send_start
from ticketstream.operations.imports.summary import kind_of
from ticketstream.operations.watch.broadcast import event_of
from ticketstream.operations.watch.watch import Watch

_OBEYED_SECONDS: Final = 8.0
"""Shorter than a request may take."""
_ENDED: Final = frozenset({"completed", "cancelled", "failed"})

ImportId = Annotated[str, InPath(max_length=100, examples=["20261122-181500-3f9a"])]
_ASKED: Final = RetryPolicy(attempts=2)


def imports_router(settings: Settings, watch: Watch) -> APIRouter:
    """Return the routes of imports."""
    router = APIRouter(prefix="/api/v1/imports", tags=["imports"])
    cluster = settings.cluster
    kept = watch.follower.imports

    def document(known: KnownImport) -> dict[str, Any]:
        return kept.document(known, watch.follower.waits)

    @router.get("", responses=described(Imports, "All imports, newest first."))
    async def list_() -> Response:
        """List all imports."""
        return json_answer({"imports": [document(known) for known in await load_imports(cluster)]})

    @router.post("", status_code=202, responses=described(Import, "It was started.", 202))
    async def start(asked: Annotated[NewImport | None, Body()] = None) -> Response:
        """Start an import of the Zendesk account; workers run it."""
        since = 0 if asked is None or asked.since is None else _since(asked.since)
        account = settings.account
        await ensure_topics(settings)
        await watch.services.login.ask(attempts=1, timeout=5.0)
        async with Sender(settings, _ASKED) as sender:
            record = await send_start(sender, account, ImportSpec(since=since))
        return json_answer(document(KnownImport(record, waiting=True)), 202)

    @router.get("/{import_id}", responses=described(Import, "The import."))
    async def show(import_id: ImportId) -> Response:
        """Show one import."""
        return json_answer(document(await find_import(cluster, import_id)))

    @router.post("/{import_id}/resume", status_code=202, responses=described(Import, "It goes on.", 202))
    async def resume(import_id: ImportId) -> Response:
        """Let an import go on that was cancelled or has failed; one that runs is left as it is."""
        known = await find_import(cluster, import_id)
        record = known.record
        if record.status == "completed":
            raise ConflictError(f"{kind_of(record)} {import_id} has already ended")
        if record.spec.file and not record.source_ended:
            raise ConflictError(
                f"import {import_id} reads a file: where the file is, go on with "
                f"`ticketstream imports resume {import_id}`"
            )
        if record.status in _ENDED:
            if needs_login(record):
                await watch.services.login.ask(attempts=1, timeout=5.0)
            async with Sender(settings, _ASKED) as sender:
                await send_resume(sender, record)
            # Whoever asks next is told that it runs, not that it is cancelled.
            state = await obeyed(settings, record, _OBEYED_SECONDS)
            record.status = "running"
            known = KnownImport(record, waiting=True) if state is None else KnownImport(state)
        return json_answer(document(known), 202)

    @router.post(
        "/{import_id}/cancel",
        responses=described(Import, "It is cancelled.")
        | described(Import, "It will be cancelled: no worker has confirmed it yet.", 202),
    )
    async def cancel(import_id: ImportId) -> Response:
        """Stop an import; what has been fetched already is still brought to its end."""
        known = await find_import(cluster, import_id)
        if known.record.status == "cancelled":
            return json_answer(document(known))
        async with Sender(settings, _ASKED) as sender:
            await send_cancel(sender, known.record)
        state = await obeyed(settings, known.record, _OBEYED_SECONDS)
        if state is None:
            return json_answer(document(known), 202)
        if state.status != "cancelled":
            raise ConflictError(
                f"import {import_id} ended before it could be cancelled: it is {state.status}"
            )
        return json_answer(document(KnownImport(state)))

    @router.get("/{import_id}/events", response_class=EventSourceResponse, responses={200: EVENT_ANSWER[200]})
    async def events(import_id: ImportId) -> EventSourceResponse:
        """Follow one import: an event ``import`` at once and whenever it changes, until it has ended."""
        first = await find_import(cluster, import_id)
        return event_stream(watch.broadcast, _events(watch, first))

    return router


async def _events(watch: Watch, first: KnownImport) -> AsyncIterator[bytes]:
    known, told = first, b""
    while True:
        data = orjson.dumps(watch.follower.imports.document(known, watch.follower.waits))
        if data != told:
            told = data
            yield event_of("import", data)
        if known.record.status in _ENDED:
            return
        await watch.broadcast.next()
        # What was read first may be newer than what the follower has by then.
        newer = watch.follower.imports.get(first.record.id)
        if newer is not None and newer.record.updated_at >= known.record.updated_at:
            known = newer


def _since(text: str) -> int:
    try:
        return parse_since(text, datetime.now(UTC))
    except UserError as error:
        raise ProblemError(422, str(error).replace("--since", "since")) from None
