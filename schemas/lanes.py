"""Which of two things that wait goes first."""

from __future__ import annotations

from typing import Literal

Lane = Literal["live", "backfill"]
"""``live`` passes before ``backfill``."""
