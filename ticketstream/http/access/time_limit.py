"""A time limit on every request, whatever it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ticketstream.http.api.problems import problem

_STREAM = b"text/event-stream"


class TimeLimit:
    """ASGI middleware: a request not answered within ``seconds`` is ended, with a 503.

    ``longer`` names paths that may take other times. An event stream may go on once it has begun.
    """

    def __init__(self, app: ASGIApp, seconds: float, longer: Mapping[str, float] | None = None) -> None:
        self._app = app
        self._seconds = seconds
        self._longer = longer or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seconds = self._longer.get(scope["path"], self._seconds)
        limit = asyncio.timeout(seconds)
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start" and _is_stream(message):
                limit.reschedule(None)
            await send(message)

        try:
            async with limit:
                await self._app(scope, receive, sending)
        except TimeoutError:
            if begun or not limit.expired():
                raise
            detail = f"not done within {seconds:g} s"
            await problem(503, detail, {"Retry-After": "5", "Connection": "close"})(scope, receive, send)


def _is_stream(start: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(_STREAM)
        for name, value in start.get("headers", ())
    )
