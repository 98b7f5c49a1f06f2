"""A network that can be cut: a TCP proxy that stops to carry, as when a cable is pulled."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

_CHUNK = 64 * 1024


class Cable:
    """Carries what is sent to ``port`` to another port of localhost. Use as ``async with``.

    While it is cut, connections stay open, but nothing passes in either direction; what was sent
    arrives once the cable is whole again, as TCP would send it again. New connections are taken
    and hear nothing.
    """

    def __init__(self, port: int, target: int) -> None:
        self._port = port
        self._target = target
        self._whole = asyncio.Event()
        self._whole.set()
        self._ends: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._ends:
            task.cancel()
        await asyncio.gather(*self._ends, return_exceptions=True)

    def cut(self) -> None:
        """Cut it."""
        self._whole.clear()

    def mend(self) -> None:
        """Make it whole again."""
        self._whole.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._ends.add(task)
        other: asyncio.StreamWriter | None = None
        try:
            await self._whole.wait()
            answers, other = await asyncio.open_connection("127.0.0.1", self._target)
            ways = [self._pipe(reader, other), self._pipe(answers, writer)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in tasks:
                    each.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        except OSError:
            pass
        finally:
            for end in (writer, other):
                if end is not None:
                    end.close()
            self._ends.discard(task)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._whole.wait()
                writer.write(data)
                await writer.drain()
