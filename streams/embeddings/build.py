"""The embedding provider that the settings name."""

from __future__ import annotations

import httpx

from schemas.errors import SettingsError
from schemas.settings.load import PREFIX, Settings
from streams.embeddings.gemini_models import GEMINI_MODELS
from streams.embeddings.local import CHOICES, MODEL, LocalProvider
from streams.embeddings.provider import EmbeddingProvider


def build_provider(
    settings: Settings,
    *,
    timeout: float = 60.0,
    transport: httpx.AsyncBaseTransport | None = None,
) -> EmbeddingProvider:
    """Return the provider in force; ``timeout`` (seconds) and ``transport`` are for Gemini's calls.

    Raises SettingsError for a missing key, and for a model or a number of dimensions that the
    provider does not have. Nothing is loaded and nobody is called yet.
    """
    model, dimensions = settings.embedding_model, settings.embedding_dimensions
    if settings.embedding_provider == "local":
        _check_model(model, [MODEL], "local")
        if dimensions not in CHOICES:
            raise _wrong_dimensions(
                model, dimensions, ", ".join(map(str, CHOICES[:-1])) + f" or {CHOICES[-1]}"
            )
        return LocalProvider(dimensions=dimensions)
    if settings.gemini.api_key is None:
        raise SettingsError(
            f"the embedding provider is gemini, but it has no key: set {PREFIX}GEMINI__API_KEY, "
            f"or {PREFIX}EMBEDDING__PROVIDER=local"
        )
    _check_model(model, list(GEMINI_MODELS), "gemini")
    facts = GEMINI_MODELS[model]
    if not facts.min_dimensions <= dimensions <= facts.max_dimensions:
        raise _wrong_dimensions(model, dimensions, f"{facts.min_dimensions} to {facts.max_dimensions}")
    # Google's SDK costs a second and 40 MB, which nobody should pay who doesn't use it.
    from streams.embeddings.gemini import GeminiProvider

    return GeminiProvider(
        settings.gemini.api_key.get_secret_value(),
        model,
        dimensions,
        base_url=settings.gemini.base_url,
        timeout=timeout,
        transport=transport,
    )


def _check_model(model: str, known: list[str], provider: str) -> None:
    if model not in known:
        raise SettingsError(
            f"{PREFIX}EMBEDDING__MODEL: the {provider} provider has no model {model!r}; "
            f"it has {', '.join(known)}"
        )


def _wrong_dimensions(model: str, dimensions: int, allowed: str) -> SettingsError:
    return SettingsError(
        f"{PREFIX}EMBEDDING__DIMENSIONS: {model} has no vectors of {dimensions} dimensions; set {allowed}"
    )
