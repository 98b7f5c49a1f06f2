"""The two HTTP clients that an asyncio script may be written with; what a call costs differs tenfold.

With 50 calls in flight httpx's pool looks at every connection for every call.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

import aiohttp
import httpx


class HttpClient(Protocol):
    """Gets bodies from one service; an async context manager."""

    async def __aenter__(self) -> Self:
        """Open."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""

    async def get(self, path: str) -> bytes:
        """Return the body of a success; raises the client's own error for anything else."""


class Httpx:
    """``httpx.AsyncClient``, the client this project uses."""

    def __init__(self, base_url: str, headers: dict[str, str], connections: int) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers=headers,
            timeout=60,
            trust_env=False,
            limits=httpx.Limits(max_connections=connections),
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str) -> bytes:
        """Return the body of a success; raises httpx.HTTPError."""
        answer = await self._client.get(path)
        answer.raise_for_status()
        return answer.content


class Aiohttp:
    """``aiohttp.ClientSession``."""

    def __init__(self, base_url: str, headers: dict[str, str], connections: int) -> None:
        self._base_url = base_url
        self._headers = headers
        self._connections = connections
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers, connector=aiohttp.TCPConnector(limit=self._connections)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str) -> bytes:
        """Return the body of a success; raises aiohttp.ClientError."""
        async with self._session.get(self._base_url + path) as answer:
            answer.raise_for_status()
            return await answer.read()
