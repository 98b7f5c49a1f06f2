"""What a retry sends, where, and in which order it is written down; and the documents of an export."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import decode, encode
from schemas.errors import PermanentError, UnavailableError
from schemas.headers.retries import Retry, retry_of
from schemas.messages.dead_letters import DeadLetter, DeadLetterVerdict
from schemas.messages.tickets import TicketChange
from schemas.testing import a_change, a_ticket
from schemas.topics import (
    BACKFILL,
    CHANGES,
    COMPACTED,
    DEAD_LETTERS,
    EMBEDDED,
    ENRICHED,
    IMPORT_COMMANDS,
    IMPORT_PROGRESS,
    INDEXED,
)
from streams.kafka.messages import Record
from streams.kafka.partitions import partition_of
from streams.kafka.topics import MAX_MESSAGE_BYTES, TOPIC_MAX_BYTES
from streams.testing import InMemoryProducer
from tests.dead_letter_fixtures import a_letter, a_retry, b64, book_of
from tests.shared_fixtures import QUICK
from ticketstream.operations.dead_letters.book import KnownLetter
from ticketstream.operations.dead_letters.document import export_line, summary, whole
from ticketstream.operations.dead_letters.retry import sent_again
from ticketstream.operations.dead_letters.settle import (
    BATCH_LETTERS,
    Settled,
    discard_letters,
    retry_letters,
)

PARTITIONS = 8
LINE = {"stage": "source", "topic": "/x.ndjson", "line": 12, "key": None, "headers": [], "import_id": "i1"}


def again(letter: DeadLetter, key: bytes = b"acme:7") -> Record:
    return sent_again(book_of(letter, key=key).letters[0], letter, PARTITIONS)


@pytest.mark.parametrize(
    ("topic", "target"),
    [
        (CHANGES, BACKFILL),
        (BACKFILL, BACKFILL),
        (ENRICHED, BACKFILL),
        (EMBEDDED, BACKFILL),
        (IMPORT_COMMANDS, IMPORT_COMMANDS),
        (IMPORT_PROGRESS, IMPORT_PROGRESS),
    ],
)
def test_the_original_goes_where_a_newer_version_is_heeded(topic: str, target: str) -> None:
    assert target not in COMPACTED
    home = partition_of(b"acme:7", PARTITIONS)
    letter = a_letter(1, topic=topic, partition=home, import_id="i1")
    record = again(letter)
    assert (record.topic, record.partition, record.key, record.value) == (
        target,
        home,
        b"acme:7",
        b'{"a":[1,2]}',
    )
    assert record.headers[0] == ("schema", b"enriched-ticket/1")
    assert retry_of(record.headers) == Retry(letter.id, 1, "i1")
    assert retry_of(again(a_retry(2, letter)).headers) == Retry(f"{2:016x}", 2, "")


@QUICK
@given(
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=40),
    st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=3),
)
def test_every_byte_of_the_original_is_sent(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    letter = a_letter(
        1,
        partition=5,
        key=None if key is None else b64(key),
        value=None if value is None else b64(value),
        headers=[(name, b64(raw)) for name, raw in headers],
    )
    record = again(letter)
    assert (record.key, record.value, list(record.headers[: len(headers)])) == (key, value, headers)
    assert record.partition == (5 if key is None else partition_of(key, PARTITIONS))


def test_what_no_stage_reads_or_no_topic_takes_stays() -> None:
    for fields, words in (
        ({"topic": INDEXED}, "no stage reads the topic 'tickets.indexed'"),
        ({"topic": DEAD_LETTERS}, "no stage reads"),
        ({"topic": "/etc/passwd"}, "no stage reads"),
        ({"key": None, "partition": 8}, "there is no partition 8"),
        ({"key": None, "partition": -1}, "there is no partition -1"),
        ({"value": b64(b"x" * TOPIC_MAX_BYTES)}, "bytes are more than tickets.backfill takes"),
    ):
        with pytest.raises(PermanentError, match=words):
            again(a_letter(1, **fields))


def test_a_line_is_read_again() -> None:
    line = json.dumps(
        {
            "id": 77,
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-02T00:00:00Z",
            "requester": {"id": 5, "name": "Ada"},
            "comments": [{"id": 1, "public": True, "author_id": 5, "plain_body": "hello"}],
        }
    ).encode()
    letter = a_letter(1, **LINE, value=b64(line))
    record = again(letter, b"acme:/x.ndjson:12")
    change = decode(TicketChange, record.value, record.headers)
    assert (record.topic, record.key) == (BACKFILL, b"acme:77")
    assert record.partition == partition_of(b"acme:77", PARTITIONS)
    assert (change.account, change.ticket_id, change.source, change.import_id) == ("acme", 77, "file", "i1")
    assert change.comments is not None
    assert change.comments[0].plain_body == "hello"
    assert retry_of(record.headers) == Retry(letter.id, 1, "i1")


def test_a_row_of_the_export_is_read_again() -> None:
    row = a_ticket(9, generated_timestamp=1_700_000_000)
    letter = a_letter(1, **(LINE | {"topic": "zendesk:export", "line": None}), value=b64(encode(row)))
    record = again(letter, b"acme:export:0123")
    change = decode(TicketChange, record.value, record.headers)
    # Not live: it may be old, and says nothing about freshness.
    assert (change.ticket_id, change.version, change.source) == (9, 1_700_000_000, "import")
    assert record.key == b"acme:9"


def test_a_line_that_cannot_be_read_today_either_stays() -> None:
    with pytest.raises(PermanentError, match="not a ticket of Zendesk"):
        again(a_letter(1, **LINE, value=b64(b'{"id": ')), b"acme:/x.ndjson:12")
    with pytest.raises(PermanentError, match="which account"):
        again(a_letter(1, **LINE, value=b64(b"{}")), b"")


def test_a_ticket_that_was_too_large_is_kept_as_a_change_and_goes_once_it_may() -> None:
    small = again(a_letter(1, **LINE, value=b64(encode(a_change(5)))), b"acme:/x.ndjson:12")
    assert decode(TicketChange, small.value, small.headers) == a_change(5)
    large = a_change(5, a_ticket(1, description="x" * MAX_MESSAGE_BYTES))
    with pytest.raises(PermanentError, match="ticket 1 is 8,"):
        again(a_letter(1, **LINE, value=b64(encode(large))), b"acme:/x.ndjson:12")


async def stream(letters: Sequence[DeadLetter]) -> AsyncIterator[tuple[KnownLetter, DeadLetter]]:
    found = book_of(*letters)
    for letter in letters:
        yield found.find(letter.id), letter


async def test_a_verdict_follows_its_letter_once_kafka_has_the_original() -> None:
    log: list[Any] = []
    producer = InMemoryProducer(log)
    letters = [a_letter(number) for number in range(BATCH_LETTERS + 1)]
    letters[3] = a_letter(3, topic="nowhere")
    settled = Settled()
    await retry_letters(stream(letters), producer.send, settled, partitions=PARTITIONS)
    assert len(settled.done) == BATCH_LETTERS
    assert settled.impossible == [(letters[3].id, "no stage reads the topic 'nowhere'")]
    assert [len(values) for _, values in log] == [BATCH_LETTERS, BATCH_LETTERS]
    assert {record.topic for record in producer.sent[:BATCH_LETTERS]} == {BACKFILL}
    verdicts = producer.messages(DeadLetterVerdict)
    assert [verdict.dead_letter_id for verdict in verdicts] == settled.done
    assert {verdict.verdict for verdict in verdicts} == {"retried"}
    # Beside the letter, so that every reader meets it after the letter.
    assert {(r.partition, r.key) for r in producer.on(DEAD_LETTERS)} == {(1, b"acme:7")}


async def test_a_retry_that_is_stopped_has_written_nothing_it_has_not_sent() -> None:
    producer = InMemoryProducer()
    letters = [a_letter(number) for number in range(3 * BATCH_LETTERS)]
    settled = Settled()
    calls = 0

    async def breaks(records: Sequence[Record]) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:  # between the second batch and its verdicts
            raise UnavailableError("Kafka is away")
        await producer.send(records)

    with pytest.raises(UnavailableError):
        await retry_letters(stream(letters), breaks, settled, partitions=PARTITIONS)
    assert len(producer.on(BACKFILL)) == 2 * BATCH_LETTERS
    assert settled.done == [letter.id for letter in letters[:BATCH_LETTERS]]
    assert [each.dead_letter_id for each in producer.messages(DeadLetterVerdict)] == settled.done


async def test_large_originals_go_in_small_batches() -> None:
    log: list[Any] = []
    letters = [a_letter(number, value=b64(b"x" * 5_000_000)) for number in range(4)]
    await retry_letters(stream(letters), InMemoryProducer(log).send, Settled(), partitions=PARTITIONS)
    assert [len(values) for _, values in log] == [2, 2, 2, 2]


async def test_discarding_sends_verdicts_only() -> None:
    producer = InMemoryProducer()
    letters = [a_letter(number) for number in range(BATCH_LETTERS + 5)]
    settled = Settled()
    await discard_letters(book_of(*letters).letters, producer.send, settled)
    assert {record.topic for record in producer.sent} == {DEAD_LETTERS}
    assert producer.calls == 2
    assert sorted(settled.done) == [letter.id for letter in letters]
    assert {verdict.verdict for verdict in producer.messages(DeadLetterVerdict)} == {"discarded"}


def test_an_export_reads_back_to_every_byte() -> None:
    raw = b'{"name": "\xc3\xbc\x1b[31m"}\n\t'
    letter = a_letter(1, value=b64(raw), headers=[("schema\x1b", b64(b"\xff\x00"))], import_id="i1")
    (known,) = book_of(letter).letters
    line = export_line(known, letter)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    document = json.loads(line)
    assert document.keys() == whole(known, letter).keys()
    assert base64.b64decode(document["value"]) == raw
    assert base64.b64decode(document["key"]) == b"acme:7"
    assert [(name, base64.b64decode(value)) for name, value in document["headers"]] == [
        ("schema\x1b", b"\xff\x00")
    ]
    assert document["value_text"] == '{"name": "ü\\x1b[31m"}\n\t'
    assert (document["key_text"], document["headers_text"]) == ("acme:7", [["schema\\x1b", None]])
    assert summary(known).items() <= document.items()
    assert (document["state"], document["reason"], document["ticket_id"]) == ("open", "embed/RefusedError", 7)


def test_an_original_without_key_and_value_has_no_texts() -> None:
    letter = a_letter(1, key=None, value=None, headers=[])
    document = whole(book_of(letter).letters[0], letter)
    assert (document["key"], document["key_text"], document["value"], document["value_text"]) == (None,) * 4
