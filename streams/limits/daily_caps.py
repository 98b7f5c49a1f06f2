"""The daily caps of embedding: what the settings say, for each partition."""

from __future__ import annotations

import math
from typing import Final, Literal

from schemas.errors import SettingsError
from schemas.settings.embedding import EmbeddingSettings
from schemas.settings.load import PREFIX
from streams.limits.daily import LIVE_RESERVE
from streams.transforms.chunking import MAX_BYTES

Unit = Literal["requests", "tokens"]
DAY: Final = 86_400
VARIABLES: Final[dict[Unit, str]] = {
    "requests": f"{PREFIX}EMBEDDING__REQUESTS_PER_DAY",
    "tokens": f"{PREFIX}EMBEDDING__TOKENS_PER_DAY",
}
_LEAST: Final[dict[Unit, int]] = {"requests": 1, "tokens": MAX_BYTES}
"""What one text can take; a chunk has at most as many tokens as bytes."""


def caps_of(settings: EmbeddingSettings, partitions: int) -> dict[Unit, int]:
    """Return the daily caps that are set.

    Raises SettingsError for one so small that the share of a single partition would hold no text: a
    worker with one partition would wait for ever.
    """
    given: dict[Unit, int | None] = {
        "requests": settings.requests_per_day,
        "tokens": settings.tokens_per_day,
    }
    caps: dict[Unit, int] = {}
    for unit, cap in given.items():
        if cap is None:
            continue
        least = math.ceil(_LEAST[unit] * partitions / (1 - LIVE_RESERVE))
        if cap < least:
            raise SettingsError(
                f"{VARIABLES[unit]} is {cap:,}, but each of the {partitions} partitions must get enough of "
                f"it for one text a day: set at least {least:,}"
            )
        caps[unit] = cap
    return caps
