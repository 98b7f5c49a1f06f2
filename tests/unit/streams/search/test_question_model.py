"""The model behind a collection, told from its name."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import SettingsError, UserError
from schemas.ids import collection_name
from schemas.settings.load import Settings
from streams.embeddings.build import build_provider
from streams.embeddings.gemini_models import GEMINI_MODELS
from streams.search.question_model import settings_of_collection


def settings(**groups: Any) -> Settings:
    return Settings(_env_file=None, **groups)


@pytest.mark.parametrize("dimensions", [64, 128, 256])
async def test_a_local_collection_is_asked_with_the_local_model(dimensions: int) -> None:
    given = settings(gemini={"api_key": "secret"})
    found = settings_of_collection(given, collection_name("wordllama", dimensions, 1))
    assert (found.embedding_provider, found.embedding_model) == ("local", "wordllama")
    provider = build_provider(found)
    vectors = await provider.embed(["Where is my order?"], "query")
    assert vectors.shape == (1, dimensions)
    assert abs(float((vectors**2).sum()) - 1) < 1e-5
    assert found.gemini == given.gemini


@pytest.mark.parametrize("model", list(GEMINI_MODELS))
def test_a_gemini_collection_is_asked_with_its_model_whatever_is_set(model: str) -> None:
    given = settings(embedding={"provider": "local"}, gemini={"api_key": "secret"})
    found = settings_of_collection(given, collection_name(model, 768, 1))
    assert (found.embedding_provider, found.embedding_model, found.embedding_dimensions) == (
        "gemini",
        model,
        768,
    )


def test_a_key_that_is_missing_is_named() -> None:
    found = settings_of_collection(settings(), collection_name("gemini-embedding-001", 768, 1))
    with pytest.raises(SettingsError, match="TICKETSTREAM_GEMINI__API_KEY"):
        build_provider(found)


@pytest.mark.parametrize("name", ["Tickets_somebodys_256_c1", "Tickets", "Tickets_wordllama_256", "Other"])
def test_a_collection_of_an_unknown_model_is_one_clear_line(name: str) -> None:
    with pytest.raises(UserError, match="does not know") as raised:
        settings_of_collection(settings(), name)
    assert "replay --from enriched" in str(raised.value)
