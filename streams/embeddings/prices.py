"""What the providers ask for a million tokens: one small table, with its date."""

from __future__ import annotations

from typing import Final

PRICES_OF: Final = "2026-04"
"""When these were the prices; they change: EMBEDDING__USD_PER_MILLION_TOKENS overrides them."""
USD_PER_MILLION_TOKENS: Final = {
    "gemini-embedding-001": 0.15,
    "gemini-embedding-2": 0.20,
    "gemini-embedding-2-preview": 0.20,
    "wordllama": 0.0,
}
"""Text, paid tier, not the batch interface (half the price). Source: Google's list,
https://ai.google.dev/gemini-api/docs/pricing, as quoted by https://embeddingcost.com/google."""
