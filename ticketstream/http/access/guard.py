"""Lets nobody in without the API key, except where everybody may go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final, Literal
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from ticketstream.http.access.api_key import COOKIE, ApiKey
from ticketstream.http.api.problems import problem

REQUESTED_WITH: Final = ("x-requested-with", "ticketstream")
"""The header that a request with a cookie carries when it changes something: no other site can send it."""
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ASK: Final = {"WWW-Authenticate": "Bearer"}

Way = Literal["bearer", "cookie"]


class Guard:
    """ASGI middleware: a request without the key is answered with 401, whatever it asks for.

    ``open_paths`` and what lies below ``open_folders`` (each ends with ``/``) is for everybody.
    """

    def __init__(
        self,
        app: ASGIApp,
        key: ApiKey,
        open_paths: Iterable[str],
        open_folders: Iterable[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._key = key
        self._open = frozenset(open_paths)
        self._folders = tuple(open_folders)
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "lifespan" or self._is_open(scope):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        way = self._way(headers)
        if way is None:
            detail = "this needs the API key, as “Authorization: Bearer KEY” or a session"
            await _refuse(scope, receive, send, 401, detail, _ASK)
        elif (why := _foreign(scope, headers, way)) is not None:
            await _refuse(scope, receive, send, 403, why)
        else:
            await self._app(scope, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return scope["type"] == "http" and (path in self._open or path.startswith(self._folders))

    def _way(self, headers: Headers) -> Way | None:
        given = headers.getlist("authorization")
        if given:
            scheme, _, key = given[0].partition(" ")
            genuine = self._key.matches(key.strip())
            return "bearer" if len(given) == 1 and scheme.lower() == "bearer" and genuine else None
        cookie = _cookie(headers)
        return "cookie" if cookie and self._key.is_session(cookie, self._clock()) else None


def _foreign(scope: Scope, headers: Headers, way: Way) -> str | None:
    """Return why a request could come from another site's page; None when it cannot."""
    if scope["type"] == "websocket":
        origin = headers.get("origin")
        if origin is None:
            return "a WebSocket with a session needs an Origin" if way == "cookie" else None
        return None if _same_host(origin, headers.get("host", "")) else "the Origin is not this server"
    name, value = REQUESTED_WITH
    if way == "cookie" and scope["method"] not in _SAFE and headers.get(name, "").lower() != value:
        return "a request with a session that changes something needs “X-Requested-With: ticketstream”"
    return None


def _same_host(origin: str, host: str) -> bool:
    try:
        named = urlsplit(origin)
        return named.scheme in ("http", "https") and named.netloc.lower() == host.lower() != ""
    except ValueError:
        return False


def _cookie(headers: Headers) -> str | None:
    for header in headers.getlist("cookie"):
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == COOKIE:
                return value
    return None


async def _refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    status: int,
    detail: str,
    headers: dict[str, str] | None = None,
) -> None:
    answer = problem(status, detail, headers)
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(answer)
    else:
        await answer(scope, receive, send)
