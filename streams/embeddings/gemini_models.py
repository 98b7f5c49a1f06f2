"""Google's embedding models and their limits, apart from the SDK, which takes a second to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_TEXTS: Final = 100
"""Texts of one call; Gemini answers 400 beyond it."""


@dataclass(frozen=True, slots=True)
class GeminiModel:
    """What Google says of a model.

    ``task_types``: the purpose goes into the request; a model without them takes it as the beginning
    of the text. ``max_tokens``: of one text; what is longer is cut off without a word.
    """

    max_tokens: int
    task_types: bool
    min_dimensions: int = 128
    max_dimensions: int = 3072


GEMINI_MODELS: Final = {
    "gemini-embedding-001": GeminiModel(max_tokens=2_048, task_types=True),
    "gemini-embedding-2": GeminiModel(max_tokens=8_192, task_types=False),
    "gemini-embedding-2-preview": GeminiModel(max_tokens=8_192, task_types=False),
}
"""Source: https://ai.google.dev/gemini-api/docs/embeddings"""
