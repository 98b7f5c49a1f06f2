"""The transport: bounded connections, used again only after a call that came to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streams.sources.zendesk.transport import BROKEN, PooledTransport

WHOLE = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 5\r\n\r\nwhole"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\nhalf"


class Server:
    """Answers every request with ``answer``, or with nothing while there is none."""

    def __init__(self) -> None:
        self.url = ""
        self.answer = WHOLE
        self.closes = False
        self.requests: list[bytes] = []
        self.connections = self.open = self.most = 0
        self.asked = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                self.asked.set()
                writer.write(self.answer)
                if self.closes:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def opened(connections: int = 1) -> AsyncIterator[tuple[Server, PooledTransport, str]]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1")
    port = listening.sockets[0].getsockname()[1]
    server.url = f"http://127.0.0.1:{port}"
    transport = PooledTransport(server.url, connections)
    try:
        yield server, transport, "/x?page%5Bsize%5D=100&page%5Bafter%5D=a%2Bb%3D"
    finally:
        await transport.aclose()
        listening.close()


async def whole(transport: PooledTransport, target: str) -> bytes:
    async with asyncio.timeout(5), transport.get(target) as response:
        return b"".join([chunk async for chunk in response.content.iter_any()])


async def test_a_connection_is_used_again_after_a_whole_answer() -> None:
    async with opened() as (server, transport, target):
        for _ in range(3):
            assert await whole(transport, target) == b"whole"
        assert server.connections == 1
        asked = server.requests[-1]
        assert asked.startswith(f"GET {target} HTTP/1.1".encode())
        assert b"cookie" not in asked.lower()


async def test_connections_are_bounded() -> None:
    async with opened(3) as (server, transport, target):
        await asyncio.gather(*(whole(transport, target) for _ in range(30)))
        assert len(server.requests) == 30
        assert server.most == 3


async def test_a_connection_is_given_up_with_a_cancelled_call() -> None:
    async with opened() as (server, transport, target):
        server.answer = b""
        task = asyncio.create_task(whole(transport, target))
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.answer = WHOLE
        assert await whole(transport, target) == b"whole"
        assert server.connections == 2


async def test_a_connection_is_given_up_with_an_answer_not_read() -> None:
    async with opened() as (server, transport, target):
        server.answer = HALF
        async with transport.get(target):
            pass
        server.answer = WHOLE
        assert await whole(transport, target) == b"whole"
        assert server.connections == 2


@pytest.mark.parametrize("answer", [b"\x00\x01 no HTTP at all\r\n\r\n", b"\r\n", HALF])
async def test_what_is_no_whole_answer_is_an_error_of_the_transport(answer: bytes) -> None:
    async with opened() as (server, transport, target):
        server.answer, server.closes = answer, True
        with pytest.raises(BROKEN):
            await whole(transport, target)


async def test_a_broken_connection_is_not_asked_again_behind_the_back_of_the_limits() -> None:
    async with opened() as (server, transport, target):
        assert await whole(transport, target) == b"whole"
        server.answer, server.closes = b"", True
        with pytest.raises(BROKEN):
            await whole(transport, target)
        assert len(server.requests) == 2


async def test_nobody_there_is_an_error_of_the_transport() -> None:
    transport = PooledTransport("http://127.0.0.1:9", 1)
    with pytest.raises(BROKEN, match=r"127\.0\.0\.1"):
        await whole(transport, "/")
    await transport.aclose()


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with opened() as (server, _, _):
        monkeypatch.setenv("HTTP_PROXY", server.url)
        monkeypatch.setenv("http_proxy", server.url)
        transport = PooledTransport("http://acme.invalid", 1)
        assert await whole(transport, "/x") == b"whole"
        assert server.requests[-1].startswith(b"GET http://acme.invalid/x ")
        await transport.aclose()
