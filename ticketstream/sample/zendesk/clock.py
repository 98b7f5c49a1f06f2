"""Zendesk's way of writing times."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(seconds: float) -> str:
    """Return Unix seconds as ``2025-03-01T12:00:00Z``."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()[:19] + "Z"
