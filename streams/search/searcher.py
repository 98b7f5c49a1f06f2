"""Searches what readers read, with a question embedded by the model behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from schemas.ids import ALIAS
from schemas.settings.load import Settings
from schemas.vectors import Vector
from streams.embeddings.build import build_provider
from streams.embeddings.provider import EmbeddingProvider
from streams.retries import RetryPolicy, retrying
from streams.search.hybrid import Hit, Search
from streams.search.question_model import settings_of_collection
from streams.weaviate.client import WeaviateConnection, connect
from streams.weaviate.failures import translated
from streams.weaviate.ownership import named_target

_QUERY_CHARACTERS: Final = 4_000
_PROVIDER_SECONDS: Final = 20.0


class Searcher:
    """Searches again and again over one connection; an async context manager.

    It connects with the first search, and keeps the model that embeds questions. A question is embedded
    with the model of the collection that readers read, whatever the settings name. ``attempts`` is how
    often a provider that may answer later is asked.
    """

    def __init__(self, settings: Settings, *, attempts: int = 3) -> None:
        self._settings = settings
        self._policy = RetryPolicy(attempts=attempts)
        self._connecting = asyncio.Lock()
        self._connection: WeaviateConnection | None = None
        self._providers: dict[str, EmbeddingProvider] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for provider in self._providers.values():
            await provider.close()
        self._providers.clear()
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def find(
        self,
        text: str,
        *,
        limit: int,
        status: str | None = None,
        tag: str | None = None,
        public_only: bool = False,
    ) -> list[Hit]:
        """Return the tickets that answer a text, best first.

        Raises UserError when nothing was imported or the model is not to be had, SettingsError,
        CredentialsError, UnavailableError, RateLimitedError and RefusedError.
        """
        account = self._settings.account
        connection = await self.connection()
        # The collection itself, not its alias: should that be switched meanwhile, the question would have
        # the vector of another model.
        with translated("looking for the collection"):
            collection = await named_target(connection.client) or ALIAS
        vector = await self._vector(collection, text[:_QUERY_CHARACTERS])
        return await Search(connection, collection).search(
            account, text, vector, limit=limit, status=status, tag=tag, public_only=public_only
        )

    async def connection(self) -> WeaviateConnection:
        """Return the connection, which outlives restarts of Weaviate; raises what ``connect`` does."""
        async with self._connecting:
            if self._connection is None:
                self._connection = await connect(self._settings)
            return self._connection

    async def _vector(self, collection: str, text: str) -> Vector:
        provider = self._providers.get(collection)
        if provider is None:
            settings = (
                self._settings if collection == ALIAS else settings_of_collection(self._settings, collection)
            )
            provider = build_provider(settings, timeout=_PROVIDER_SECONDS)
            self._providers[collection] = provider
        return await _embedded(provider, text, self._policy)


async def find(
    settings: Settings,
    text: str,
    *,
    limit: int,
    status: str | None = None,
    tag: str | None = None,
    public_only: bool = False,
) -> Sequence[Hit]:
    """Return the tickets that answer a text, best first; raises what ``Searcher.find`` does."""
    async with Searcher(settings) as searcher:
        return await searcher.find(text, limit=limit, status=status, tag=tag, public_only=public_only)


async def query_vector(settings: Settings, text: str) -> Vector:
    """Return the vector of a question, from the provider the settings name; raises what ``find`` does."""
    provider = build_provider(settings, timeout=_PROVIDER_SECONDS)
    try:
        return await _embedded(provider, text, RetryPolicy(attempts=3))
    finally:
        await provider.close()


def plain_hit(hit: Hit) -> dict[str, Any]:
    """Return a hit as a document of plain values."""
    plain: dict[str, Any] = msgspec.to_builtins(hit)
    return plain


async def _embedded(provider: EmbeddingProvider, text: str, policy: RetryPolicy) -> Vector:
    vectors = await retrying(lambda: provider.embed([text], "query"), policy)
    vector: Vector = vectors[0]
    return vector
