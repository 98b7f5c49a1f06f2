"""What people are told of a pause of embedding."""

from __future__ import annotations

from schemas.tables import EmbeddingSpent
from ticketstream.operations.imports.spending import words_of

DAY = 86_400
PAUSED = EmbeddingSpent(day=10, tokens=5.0, paused="tokens", cap=30_000)
FREE = EmbeddingSpent(day=10, tokens=5.0)


def test_a_pause_names_its_cap_its_setting_and_its_end() -> None:
    assert words_of({0: PAUSED, 1: PAUSED}, 2, 10 * DAY + 5) == (
        "embedding is paused: the daily cap of 30,000 tokens (TICKETSTREAM_EMBEDDING__TOKENS_PER_DAY) is "
        "reached; goes on at 00:00 UTC"
    )


def test_a_pause_of_some_workers_says_of_how_many_partitions() -> None:
    words = words_of({0: PAUSED, 1: FREE, 2: PAUSED}, 4, 10 * DAY + 5)
    assert words is not None
    assert words.startswith("embedding is paused for 2 of 4 partitions: the daily cap of 30,000 tokens")


def test_no_pause_is_said_when_there_is_none_or_its_day_is_over() -> None:
    assert words_of({}, 4, 10 * DAY) is None
    assert words_of({0: FREE}, 1, 10 * DAY) is None
    assert words_of({0: PAUSED}, 1, 11 * DAY) is None
