"""Three questions in words the tickets do not use."""

from __future__ import annotations

from typing import Final

QUESTIONS: Final = (
    "they took the money from my card two times",
    "the courier lost my package",
    "I can't get into my profile any more because I don't remember the secret word",
)
HITS: Final = 3
