"""A client whose service is a function."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx

from streams.limits import QuotaShare
from streams.retries import RetryPolicy
from streams.sources.zendesk.auth import Login
from streams.sources.zendesk.client import ZendeskClient

BASE = "https://acme.zendesk.com"
LOGIN = Login("Bearer secret-of-the-test", "TICKETSTREAM_ZENDESK__OAUTH_TOKEN")


def unlimited() -> QuotaShare:
    return QuotaShare.whole(1e9)


class Answers:
    """A transport whose service is a function of httpx's request."""

    def __init__(self, base_url: str, answer: Any) -> None:
        self._base = base_url
        self._inner = httpx.MockTransport(answer)

    @asynccontextmanager
    async def get(self, target: str) -> AsyncIterator[Any]:
        headers = {"Authorization": LOGIN.authorization}
        try:
            request = httpx.Request("GET", self._base + target, headers=headers)
            response = await self._inner.handle_async_request(request)
        except httpx.TransportError as error:
            raise aiohttp.ClientConnectionError(str(error)) from error
        yield SimpleNamespace(
            status=response.status_code,
            raw_headers=response.headers.raw,
            content=SimpleNamespace(iter_any=lambda: _unpacked(response)),
        )

    async def aclose(self) -> None:
        """Nothing is open."""


async def _unpacked(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_bytes():
            yield chunk
    except httpx.DecodingError as error:
        raise aiohttp.ClientPayloadError(str(error)) from error


def client_of(
    answer: Callable[[httpx.Request], httpx.Response], *, attempts: int | None = None, **more: Any
) -> ZendeskClient:
    """Return a client that tries again without back-off."""
    options: dict[str, Any] = {
        "general": unlimited(),
        "incremental": unlimited(),
        "retry": RetryPolicy(attempts=attempts, factor=0),
        "transport": Answers(BASE, answer),
        **more,
    }
    return ZendeskClient(BASE, LOGIN, **options)
