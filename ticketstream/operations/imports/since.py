"""``--since`` and ``--until``: a date, a moment or a span of time before now."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from schemas.errors import UserError

_SPAN = re.compile(r"^(\d{1,6})\s*([mhdw])$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_since(text: str, now: datetime) -> int:
    """Return Unix seconds of an ISO date or date and time (UTC unless it names a zone), or of ``30d``.

    Spans are minutes, hours, days or weeks: ``90m``, ``12h``, ``30d``, ``4w``. Raises UserError.
    """
    seconds = parse_moment(text, now, "--since")
    if seconds > now.timestamp():
        raise UserError(f"--since {text!r} lies in the future")
    # Zendesk refuses a start time before 1970, and one of the last minute.
    return max(0, min(seconds, int(now.timestamp()) - 61))


def parse_moment(text: str, now: datetime, option: str) -> int:
    """Return Unix seconds of what ``parse_since`` understands, wherever it lies; raises UserError."""
    text = text.strip()
    try:
        if span := _SPAN.match(text.lower()):
            moment = now - timedelta(**{_UNITS[span[2]]: int(span[1])})
        else:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(moment.timestamp())
    except (ValueError, OverflowError, OSError):
        raise UserError(
            f"{option} {text!r} is no date: write 2026-01-31, 2026-01-31T12:00, or a span such as 30d or 12h"
        ) from None
