"""Zendesk's way of writing times."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def iso(seconds: float) -> str:
    """Return Unix seconds as ``2025-03-01T12:00:00Z``."""
    day, rest = divmod(int(seconds), 86_400)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_date(day)}T{hour:02}:{minute:02}:{second:02}Z"


@lru_cache(maxsize=2_000)
def _date(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()
