"""The embedding model behind a collection, told from its name: a question needs the model of what it is
compared with, whatever model the settings name by now."""

from __future__ import annotations

from typing import Final, Literal

from schemas.errors import UserError
from schemas.ids import ALIAS, CollectionName, collection_name
from schemas.settings.load import PREFIX, Settings
from streams.embeddings.gemini_models import GEMINI_MODELS
from streams.embeddings.local import MODEL

_MODELS: Final[dict[str, Literal["local", "gemini"]]] = {
    MODEL: "local",
    **dict.fromkeys(GEMINI_MODELS, "gemini"),
}


def settings_of_collection(settings: Settings, collection: str) -> Settings:
    """Return the settings with the embedding model of a collection.

    Raises UserError when no model of this release makes such vectors.
    """
    found = CollectionName.of(collection)
    dimensions, chunker = (found.dimensions, found.chunker) if found else (0, 0)
    for model in (settings.embedding_model, *_MODELS):
        named = CollectionName.of(collection_name(model, dimensions, chunker))
        if found and named and found[:-1] == named[:-1]:
            provider = _MODELS.get(model, settings.embedding_provider)
            own = {"provider": provider, "model": model, "dimensions": dimensions}
            return settings.model_copy(update={"embedding": settings.embedding.model_copy(update=own)})
    raise UserError(
        f"{ALIAS} stands for {collection}, whose embedding model this release does not know: set "
        f"{PREFIX}EMBEDDING__MODEL for all workers, then run `ticketstream replay --from enriched`"
    )
