"""Times as texts: read where it is clear what they mean, and written in one form, RFC 3339 in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from schemas.errors import DecodeError

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2099
"""No state of a ticket can be newer than one of a year to come: a typing error would freeze the ticket."""

_USUAL: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_FORM: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d|\d{8})"
    r"(?:[Tt ] *(?P<time>\d\d(?::?\d\d(?::?\d\d(?:[.,]\d+)?)?)?)"
    r" *(?P<zone>[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_IN_UTC: Final = frozenset((None, "Z", "z", "UTC", "GMT"))


def utc_text(text: str) -> str:
    """Return a time as RFC 3339 in UTC (``2024-05-01T00:00:00Z``).

    ISO 8601 is read, and what Ruby writes (``2024-05-01 10:00:00 UTC``). A date alone is its midnight, and
    what names no zone is in UTC. Raises DecodeError for everything else, and for a year that no ticket is of.
    """
    moment, is_usual = _read(text)
    return text if is_usual else written(moment)


def epoch(text: str) -> float:
    """Return the Unix seconds of a time; raises DecodeError as utc_text does."""
    return _read(text)[0].timestamp()


def written(moment: datetime) -> str:
    """Return a moment of UTC as RFC 3339, with fractions of a second where it has some."""
    return moment.replace(tzinfo=None).isoformat() + "Z"


def _read(text: str) -> tuple[datetime, bool]:
    """Return the moment of a text, and whether it is written as Zendesk does."""
    is_usual = _USUAL.fullmatch(text) is not None
    iso = text
    if not is_usual:
        form = _FORM.fullmatch(text.strip())
        if form is None:
            raise _no_time(text)
        zone = form["zone"]
        iso = f"{form['day']}T{form['time'] or '00'}{'Z' if zone in _IN_UTC else zone}"
    try:
        moment = datetime.fromisoformat(iso)
        if not is_usual:
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _no_time(text) from error
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise _no_time(text)
    return moment, is_usual


def _no_time(text: str) -> DecodeError:
    return DecodeError(f"not a time: {text[:40]!r}")
