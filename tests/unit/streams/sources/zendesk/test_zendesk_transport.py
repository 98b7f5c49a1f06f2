"""The transport: bounded connections, used again only after a call that came to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from streams.sources.zendesk.transport import PooledTransport

WHOLE = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 5\r\n\r\nwhole"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\nhalf"


class Server:
    """Answers every request with ``answer``, or with nothing while there is none."""

    def __init__(self) -> None:
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
async def opened(connections: int = 1) -> AsyncIterator[tuple[Server, PooledTransport, httpx.Request]]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1")
    port = listening.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    transport = PooledTransport(url, connections)
    try:
        yield server, transport, httpx.Request("GET", f"{url}/x?page[size]=100&page[after]=a%2Bb%3D")
    finally:
        await transport.aclose()
        listening.close()


async def whole(transport: PooledTransport, request: httpx.Request) -> bytes:
    async with asyncio.timeout(5):
        response = await transport.handle_async_request(request)
        try:
            return await response.aread()
        finally:
            await response.aclose()


async def test_a_connection_is_used_again_after_a_whole_answer() -> None:
    async with opened() as (server, transport, request):
        for _ in range(3):
            assert await whole(transport, request) == b"whole"
        assert server.connections == 1
        asked = server.requests[-1]
        assert b"page%5Bafter%5D=a%2Bb%3D" in asked or b"page[after]=a%2Bb%3D" in asked
        assert b"cookie" not in asked.lower()


async def test_connections_are_bounded() -> None:
    async with opened(3) as (server, transport, request):
        await asyncio.gather(*(whole(transport, request) for _ in range(30)))
        assert len(server.requests) == 30
        assert server.most == 3


async def test_a_connection_is_given_up_with_a_cancelled_call() -> None:
    async with opened() as (server, transport, request):
        server.answer = b""
        task = asyncio.create_task(whole(transport, request))
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.answer = WHOLE
        assert await whole(transport, request) == b"whole"
        assert server.connections == 2


async def test_a_connection_is_given_up_with_an_answer_not_read() -> None:
    async with opened() as (server, transport, request):
        server.answer = HALF
        response = await transport.handle_async_request(request)
        await response.aclose()
        await response.aclose()
        server.answer = WHOLE
        assert await whole(transport, request) == b"whole"
        assert server.connections == 2


@pytest.mark.parametrize("answer", [b"\x00\x01 no HTTP at all\r\n\r\n", b"\r\n", HALF])
async def test_what_is_no_whole_answer_is_an_error_of_the_transport(answer: bytes) -> None:
    async with opened() as (server, transport, request):
        server.answer, server.closes = answer, True
        with pytest.raises(httpx.TransportError):
            await whole(transport, request)


async def test_a_broken_connection_is_not_asked_again_behind_the_back_of_the_limits() -> None:
    async with opened() as (server, transport, request):
        assert await whole(transport, request) == b"whole"
        server.answer, server.closes = b"", True
        with pytest.raises(httpx.TransportError):
            await whole(transport, request)
        assert len(server.requests) == 2


async def test_nobody_there_is_an_error_of_the_transport() -> None:
    transport = PooledTransport("http://127.0.0.1:9", 1)
    with pytest.raises(httpx.TransportError, match=r"127\.0\.0\.1"):
        await transport.handle_async_request(httpx.Request("GET", "http://127.0.0.1:9/"))
    await transport.aclose()


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with opened() as (server, _, request):
        monkeypatch.setenv("HTTP_PROXY", str(request.url.copy_with(raw_path=b"/")).rstrip("/"))
        monkeypatch.setenv("http_proxy", str(request.url.copy_with(raw_path=b"/")).rstrip("/"))
        transport = PooledTransport("http://acme.invalid", 1)
        assert await whole(transport, httpx.Request("GET", "http://acme.invalid/x")) == b"whole"
        assert server.requests[-1].startswith(b"GET http://acme.invalid/x ")
        await transport.aclose()
