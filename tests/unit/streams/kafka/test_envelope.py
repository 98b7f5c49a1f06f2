"""What a message's headers say of it, read once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agents.testing import a_message
from schemas.codec import IN_PARTS, SCHEMAS, headers_of
from schemas.errors import DecodeError, UnknownSchemaError
from schemas.headers.moves import moved_headers
from schemas.headers.replays import replay_headers
from schemas.headers.retries import Retry, with_retry
from schemas.lanes import Lane
from schemas.messages.tickets import (
    CommentsPart,
    EmbeddedPart,
    EnrichedPart,
    EnrichedTicket,
    TicketChange,
)
from schemas.testing import a_change, an_enriched
from schemas.topics import BACKFILL, CHANGES, EMBEDDED, ENRICHED
from streams.kafka.envelope import Envelope
from streams.kafka.messages import Incoming


def test_a_plain_message_says_its_kind_and_nothing_else() -> None:
    envelope = Envelope(CHANGES, headers_of(a_change()))
    assert (envelope.kind, envelope.schema) == (TicketChange, b"ticket-change/1")
    assert (envelope.replay, envelope.retry, envelope.is_part, envelope.is_moved) == ("", None, False, False)
    assert envelope.unsampled == []


@pytest.mark.parametrize(("kind", "name"), [*SCHEMAS.items(), *IN_PARTS.items()])
def test_every_name_has_its_kind(kind: type[Any], name: str) -> None:
    envelope = Envelope(CHANGES, [("schema", name.encode())])
    assert envelope.kind is kind
    assert envelope.is_part == (kind in (CommentsPart, EnrichedPart, EmbeddedPart))


@pytest.mark.parametrize("headers", [[], [("schema", b"ticket-change/2")], [("schema", None)], [("x", b"y")]])
def test_what_this_release_does_not_read_is_of_no_kind(headers: Any) -> None:
    assert Envelope(CHANGES, headers).kind is None
    message = Incoming(CHANGES, 0, 1, b"acme:1", b"{}", headers)
    with pytest.raises(UnknownSchemaError):
        message.decoded(TicketChange)


def test_all_it_can_say_is_read_in_any_order() -> None:
    traced = [("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-00"), ("tracestate", b"x=1")]
    headers = with_retry([*headers_of(an_enriched()), *replay_headers("r1")], "ab12", "i1") + traced
    for some in (headers, headers[::-1]):
        envelope = Envelope(BACKFILL, some)
        assert (envelope.kind, envelope.replay) == (EnrichedTicket, "r1")
        assert envelope.retry == Retry("ab12", 1, "i1")
        assert sorted(envelope.retry_headers) == sorted(each for each in headers if "retry" in each[0])
        assert envelope.unsampled == traced
    assert Envelope(ENRICHED, moved_headers(3)).is_moved


def test_of_two_headers_of_one_name_the_first_counts_and_one_without_a_value_says_nothing() -> None:
    twice = Envelope(
        CHANGES,
        [("schema", b"ticket-hint/1"), *headers_of(a_change()), ("replay", b"r1"), ("replay", b"r2")],
    )
    assert (twice.schema, twice.replay) == (b"ticket-hint/1", "r1")
    empty: Any = [("schema", None), ("replay", None), ("retry-of", None), ("traceparent", None)]
    said = Envelope(CHANGES, empty)
    assert (said.schema, said.replay, said.retry, said.unsampled) == (None, "", Retry("", 1, ""), [])


@pytest.mark.parametrize(
    ("topic", "source", "replay", "lane"),
    [
        (CHANGES, "live", "", "live"),
        (CHANGES, "live", "r1", "live"),
        (BACKFILL, "live", "", "backfill"),  # sent again: a person has waited for it anyway
        (BACKFILL, "import", "", "backfill"),
        (ENRICHED, "live", "", "live"),
        (EMBEDDED, "live", "", "live"),
        (ENRICHED, "live", "r1", "backfill"),
        (EMBEDDED, "import", "", "backfill"),
        (ENRICHED, "file", "", "backfill"),
    ],
)
def test_the_lane_is_the_topic_s_before_enrich_and_the_ticket_s_behind_it(
    topic: str, source: str, replay: str, lane: Lane
) -> None:
    assert Envelope(topic, replay_headers(replay)).lane_of(source) == lane


class Counted(list[tuple[str, bytes]]):
    """Headers that know how often they were read."""

    reads = 0

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        self.reads += 1
        return super().__iter__()


def test_a_message_s_headers_are_read_once_and_not_before_somebody_asks() -> None:
    plain = a_message(a_change())
    message = plain._replace(headers=Counted(plain.headers))
    headers: Any = message.headers
    assert headers.reads == 0
    assert message.decoded(TicketChange) == a_change()
    for _ in range(3):
        assert message.envelope.kind is TicketChange
        assert message.envelope.lane_of("live") == "live"
    assert headers.reads == 1


def test_other_headers_are_another_envelope() -> None:
    message = a_message(a_change())
    assert message.envelope.replay == ""
    assert message._replace(headers=[*message.headers, *replay_headers("r1")]).envelope.replay == "r1"
    with pytest.raises(DecodeError):
        message._replace(value=b"{").decoded(TicketChange)
