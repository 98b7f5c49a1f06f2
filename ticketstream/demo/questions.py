"""Three questions in other words than the tickets use: these say billed, password, renewal."""

from __future__ import annotations

from typing import Final

QUESTIONS: Final = (
    "I paid twice",
    "forgot my secret word and cannot sign in",
    "I want to stop paying every month",
)
HITS: Final = 3
