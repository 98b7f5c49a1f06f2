"""A time limit on every request, whatever it waits for."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ticketstream.http.problems import problem


class TimeLimit:
    """ASGI middleware: a request not answered within ``seconds`` is ended, with a 503."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                await self._app(scope, receive, sending)
        except TimeoutError:
            if begun or not limit.expired():
                raise
            detail = f"not done within {self._seconds:g} s"
            await problem(503, detail, {"Retry-After": "5", "Connection": "close"})(scope, receive, send)
