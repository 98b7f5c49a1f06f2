"""A limit on the body of every request."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ticketstream.http.api.problems import problem

_CLOSE = {"Connection": "close"}


class SizeLimit:
    """ASGI middleware: a body over ``most`` bytes is answered with 413, and not read to its end.

    Routes in ``except_for`` limit their bodies themselves.
    """

    def __init__(self, app: ASGIApp, most: int, except_for: Iterable[str] = ()) -> None:
        self._app = app
        self._most = most
        self._except_for = frozenset(except_for)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"] in self._except_for:
            await self._app(scope, receive, send)
            return
        detail = f"a request has at most {self._most} bytes"
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and (len(value) > 18 or int(value) > self._most):
                await problem(413, detail, _CLOSE)(scope, receive, send)
                return
        read = 0

        async def receiving() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                # Of the framework's own kind: it passes through where the framework reads bodies.
                raise HTTPException(413, detail, _CLOSE)
            return message

        await self._app(scope, receiving, send)
