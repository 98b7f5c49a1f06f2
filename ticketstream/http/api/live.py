"""The state of everything: once, or followed over a WebSocket or as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ticketstream.http.api.models.live import History, Overview
from ticketstream.http.api.problems import ProblemError, problem
from ticketstream.http.api.responses import described, json_answer
from ticketstream.operations.watch.broadcast import Broadcast, FullError
from ticketstream.operations.watch.overview import history
from ticketstream.operations.watch.watch import Watch

SEND_SECONDS: Final = 20.0
"""A watcher that takes nothing for so long is let go."""
PING_SECONDS: Final = 15
_FULL: Final = "as many watch as are served; look again later"
_WAIT: Final = {"Retry-After": "10"}
_MOST_SAID: Final = 100
"""A watcher has nothing to say; one that says this much is let go."""
_GOING_AWAY, _TOO_MUCH, _TOO_SLOW = 1001, 1008, 1013
EVENT_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
EVENT_ANSWER: Final = {
    200: {
        "description": "Server-sent events; the data of each is one JSON document.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def live_router(watch: Watch) -> APIRouter:
    """Return the routes of the overview, its history, and both ways to follow them."""
    router = APIRouter(prefix="/api/v1", tags=["watch"])
    broadcast = watch.broadcast

    @router.get("/overview", responses=described(Overview, "As it was at most a second ago."))
    async def overview() -> Response:
        """Say whether the knowledge base is in step, and what holds it up where it is not."""
        return json_answer(watch.overview())

    @router.get("/history", responses=described(History, "The points that are complete."))
    async def points() -> Response:
        """Return throughput, freshness and backlog of the last 30 minutes."""
        return json_answer(history(watch.follower))

    @router.get(
        "/events",
        response_class=EventSourceResponse,
        responses={200: EVENT_ANSWER[200], 503: {"description": "As many watch as are served."}},
    )
    async def events() -> EventSourceResponse:
        """Follow everything: an event ``overview`` at once and every second, ``point`` every ten.

        The WebSocket ``/api/v1/live`` sends the same as ``{"type": "overview", "overview": {…}}`` and
        ``{"type": "point", "point": {…}}``; its Origin, where there is one, must be this server.
        """
        return event_stream(broadcast, _events(broadcast))

    @router.websocket("/live")
    async def live(websocket: WebSocket) -> None:
        try:
            with broadcast.seat():
                await websocket.accept()
                await _tell(websocket, broadcast)
        except FullError:
            await websocket.send_denial_response(problem(503, _FULL, _WAIT))

    return router


def event_stream(broadcast: Broadcast, events: AsyncIterator[bytes]) -> EventSourceResponse:
    """Return the answer that sends these events; raises ProblemError when there is no room for a watcher."""
    try:
        with broadcast.seat():
            pass
    except FullError:
        raise ProblemError(503, _FULL, _WAIT) from None

    async def seated() -> AsyncIterator[bytes]:
        with suppress(FullError), broadcast.seat():
            async for event in events:
                yield event

    return _Events(seated(), ping=PING_SECONDS, send_timeout=SEND_SECONDS, headers=dict(EVENT_HEADERS))


class _Events(EventSourceResponse):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A watcher that takes nothing any more is no failure of the server.
        with suppress(SendTimeoutError):
            await super().__call__(scope, receive, send)


async def _events(broadcast: Broadcast) -> AsyncIterator[bytes]:
    async for message in broadcast.messages():
        yield message.event


async def _tell(websocket: WebSocket, broadcast: Broadcast) -> None:
    """Send to a watcher until it goes away, takes nothing more, or talks."""
    telling, hearing = asyncio.create_task(_send(websocket, broadcast)), asyncio.create_task(_hear(websocket))
    try:
        await asyncio.wait((telling, hearing), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (telling, hearing):
            task.cancel()
        ends = await asyncio.gather(telling, hearing, return_exceptions=True)
    codes = [code for code in ends if isinstance(code, int)]
    if codes:
        with suppress(RuntimeError, WebSocketDisconnect):
            await websocket.close(codes[0])


async def _send(websocket: WebSocket, broadcast: Broadcast) -> int | None:
    try:
        async for message in broadcast.messages():
            async with asyncio.timeout(SEND_SECONDS):
                await websocket.send_text(message.text)
    except TimeoutError:
        return _TOO_SLOW
    except WebSocketDisconnect:
        return None
    return _GOING_AWAY


async def _hear(websocket: WebSocket) -> int | None:
    try:
        for _ in range(_MOST_SAID):
            await websocket.receive()
    except (RuntimeError, WebSocketDisconnect):
        return None
    return _TOO_MUCH
