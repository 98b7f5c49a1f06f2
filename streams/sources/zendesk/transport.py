"""An httpx transport that spreads calls over pools of one connection each.

httpcore's pool looks at every connection for every call, twice: with 50 calls in flight that was
measured at 4.5 ms of processor time a call, against 0.5 ms with one pool a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

_KEEPALIVE_SECONDS: Final = 30.0


class SpreadTransport(httpx.AsyncBaseTransport):
    """At most ``connections`` calls at once to ``base_url``; the last connection freed is used first.

    Respects the usual proxy variables (``HTTPS_PROXY``, ``NO_PROXY``), as httpx's client does.
    """

    def __init__(self, base_url: str, connections: int) -> None:
        parts = urlsplit(base_url)
        proxy = getproxies().get(parts.scheme)
        self._proxy = None if proxy is None or proxy_bypass(parts.hostname or "") else proxy
        # Every transport would load the certificates anew.
        self._verify = httpx.create_ssl_context() if parts.scheme == "https" else False
        self._limits = httpx.Limits(
            max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEPALIVE_SECONDS
        )
        self._all: list[httpx.AsyncHTTPTransport] = []
        self._free: list[httpx.AsyncHTTPTransport] = []
        self._places = asyncio.Semaphore(connections)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; its connection is free again when the answer is closed."""
        await self._places.acquire()
        transport = self._free.pop() if self._free else self._another()
        try:
            response = await transport.handle_async_request(request)
        except BaseException:
            self._release(transport)
            raise
        stream = response.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError("an asynchronous transport answered with a synchronous stream")
        response.stream = _Held(stream, self, transport)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._all:
            await transport.aclose()

    def _another(self) -> httpx.AsyncHTTPTransport:
        transport = httpx.AsyncHTTPTransport(verify=self._verify, limits=self._limits, proxy=self._proxy)
        self._all.append(transport)
        return transport

    def _release(self, transport: httpx.AsyncHTTPTransport) -> None:
        self._free.append(transport)
        self._places.release()


class _Held(httpx.AsyncByteStream):
    """An answer's body that gives its connection back when it is closed."""

    def __init__(
        self, stream: httpx.AsyncByteStream, owner: SpreadTransport, transport: httpx.AsyncHTTPTransport
    ) -> None:
        self._stream = stream
        self._owner: SpreadTransport | None = owner
        self._transport = transport

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        owner, self._owner = self._owner, None
        if owner is not None:
            try:
                await self._stream.aclose()
            finally:
                owner._release(self._transport)
