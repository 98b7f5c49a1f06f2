"""``--since``: dates, moments and spans."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.errors import UserError
from ticketstream.operations.imports.since import parse_since

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def seconds(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31", seconds(2026, 1, 31)),
        ("2026-01-31T12:30", seconds(2026, 1, 31, 12, 30)),
        ("2026-01-31T12:30:00+02:00", seconds(2026, 1, 31, 10, 30)),
        ("2026-01-31T12:30:00Z", seconds(2026, 1, 31, 12, 30)),
        (" 30d ", seconds(2026, 2, 8, 12)),
        ("12H", seconds(2026, 3, 10, 0)),
        ("90m", seconds(2026, 3, 10, 10, 30)),
        ("2w", seconds(2026, 2, 24, 12)),
        ("1960-01-01", 0),
    ],
)
def test_what_is_understood(text: str, expected: int) -> None:
    assert parse_since(text, NOW) == expected


def test_the_last_minute_is_never_asked_for() -> None:
    assert parse_since("2026-03-10T11:59:50", NOW) == int(NOW.timestamp()) - 61


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "30y", "-3d", "999999w"])
def test_what_is_no_date_is_named(text: str) -> None:
    with pytest.raises(UserError, match="is no date"):
        parse_since(text, NOW)


def test_the_future_is_refused() -> None:
    with pytest.raises(UserError, match="future"):
        parse_since("2026-03-11", NOW)
