"""The transport: a connection is used again only after a call that came to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from streams.sources.zendesk.transport import SpreadTransport


class Body(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"half"
        yield b"whole"


class Connection:
    """Answers at once, or never."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self.answers:
            await asyncio.Event().wait()
        return httpx.Response(200, stream=Body())

    async def aclose(self) -> None:
        self.closed = True


class Desk:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, connections: int = 1) -> None:
        self.made: list[Connection] = []
        self.answer = True
        self.transport = SpreadTransport("http://127.0.0.1:9", connections)

        def another() -> Any:
            self.made.append(Connection(answers=self.answer))
            return self.made[-1]

        monkeypatch.setattr(self.transport, "_another", another)

    async def call(self) -> httpx.Response:
        return await self.transport.handle_async_request(httpx.Request("GET", "http://127.0.0.1:9/"))


async def read(response: httpx.Response) -> bytes:
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return b"".join([part async for part in response.stream])


async def test_a_connection_is_used_again_after_a_whole_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch)
    for _ in range(3):
        response = await desk.call()
        assert await read(response) == b"halfwhole"
        await response.aclose()
    assert len(desk.made) == 1


async def test_a_connection_is_given_up_with_a_cancelled_call(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch)
    desk.answer = False
    task = asyncio.create_task(desk.call())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    desk.answer = True
    response = await asyncio.wait_for(desk.call(), 5)
    assert await read(response) == b"halfwhole"
    assert [connection.closed for connection in desk.made] == [True, False]


async def test_a_connection_is_given_up_with_an_answer_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch)
    response = await desk.call()
    await response.aclose()
    await (await asyncio.wait_for(desk.call(), 5)).aclose()
    await desk.transport.aclose()
    assert [connection.closed for connection in desk.made] == [True, True]
