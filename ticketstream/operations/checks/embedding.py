"""Whether the embedding provider answers, with vectors of the right size."""

from __future__ import annotations

from schemas.settings.load import Settings
from streams.embeddings.build import build_provider
from ticketstream.operations.checks.finding import Finding


async def check_embedding(settings: Settings, *, timeout: float) -> list[Finding]:
    """Embed one short text; raises SettingsError, CredentialsError, RefusedError and UnavailableError."""
    provider = build_provider(settings, timeout=timeout)
    try:
        vectors = await provider.embed(["Does this work?"], "query")
    finally:
        await provider.close()
    where = "on this machine" if settings.embedding_provider == "local" else "one call made"
    message = (
        f"{settings.embedding_provider} {provider.model} answers, {vectors.shape[1]} dimensions ({where})"
    )
    return [Finding("embedding", "ok", message)]
