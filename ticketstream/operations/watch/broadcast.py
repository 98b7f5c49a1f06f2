"""Tells all watchers the newest, encoded once, without a queue for any of them.

A watcher that is slow misses overviews in between, and gets the points of the history it has missed as
long as they are part of it; nothing is kept for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import orjson

from ticketstream.operations.watch.receipts import POINTS

MOST_WATCHERS: Final = 400


class Message(NamedTuple):
    """One message: its type, as text for a WebSocket, and as bytes of an event stream."""

    kind: str
    text: str
    event: bytes


class FullError(Exception):
    """There are as many watchers as are served."""


class Broadcast:
    """Hands messages to watchers; at most ``most`` at a time."""

    def __init__(self, *, most: int = MOST_WATCHERS) -> None:
        self.overview: bytes | None = None
        """The newest overview as JSON."""
        self._most = most
        self._watchers = 0
        self._changed = asyncio.Event()
        self._version = 0
        self._latest: Message | None = None
        self._points: deque[tuple[int, Message]] = deque(maxlen=POINTS)
        self._last_point = 0

    def publish(self, overview: dict[str, Any], points: list[dict[str, Any]]) -> None:
        """Tell everybody."""
        for point in points:
            self._last_point += 1
            self._points.append((self._last_point, message("point", point)))
        self.overview = orjson.dumps(overview)
        self._latest = message("overview", overview)
        self._version += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Count a watcher in; raises FullError when there is no room."""
        if self._watchers >= self._most:
            raise FullError
        self._watchers += 1
        try:
            yield
        finally:
            self._watchers -= 1

    async def next(self) -> None:
        """Wait until something is published."""
        await self._changed.wait()

    async def messages(self) -> AsyncIterator[Message]:
        """Yield the newest overview at once, then each new one and each new point, for ever."""
        version, point = 0, self._last_point
        while True:
            # What is published while one is sent is seen here: there is no wait between this and the next.
            missed = [(number, one) for number, one in self._points if number > point]
            for number, one in missed:
                point = number
                yield one
            if self._latest is not None and version != self._version:
                version = self._version
                yield self._latest
            elif not missed:
                await self._changed.wait()


def message(kind: str, document: dict[str, Any]) -> Message:
    """Return a message of a document."""
    data = orjson.dumps(document)
    text = b'{"type":"%s","%s":%s}' % (kind.encode(), kind.encode(), data)
    return Message(kind, text.decode(), event_of(kind, data))


def event_of(kind: str, data: bytes) -> bytes:
    """Return an event of an event stream; ``data`` is JSON of one line."""
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), data)
