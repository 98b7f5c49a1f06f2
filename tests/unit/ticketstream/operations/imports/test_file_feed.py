"""Feeding an export file: batches, counts after each, bad lines, going on after a stop."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from schemas.codec import decode, decode_value, is_part
from schemas.errors import UserError
from schemas.ids import digest, ticket_key
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.imports import ImportCommand, ImportRecord, ImportSpec
from schemas.messages.tickets import CommentsPart, TicketChange
from schemas.parts import PART_BYTES
from schemas.topics import BACKFILL, DEAD_LETTERS, IMPORT_COMMANDS
from streams.kafka.messages import Record
from streams.kafka.partitions import partition_of
from streams.kafka.topics import MAX_MESSAGE_BYTES
from ticketstream.operations.imports.file_feed import BATCH_ROWS, FileFeed

PARTITIONS = 4
TIME = "2026-01-01T00:00:00Z"


class Kafka:
    """Keeps what is sent; fails from the n-th call on."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.calls: list[list[Record]] = []
        self._fails_at = fails_at

    async def __call__(self, records: Sequence[Record]) -> dict[tuple[str, int], int]:
        if self._fails_at is not None and len(self.calls) >= self._fails_at:
            raise ConnectionError("gone")
        self.calls.append(list(records))
        return {(each.topic, each.partition): len(self.of(each.topic)) - 1 for each in records}

    def of(self, topic: str) -> list[Record]:
        return [record for call in self.calls for record in call if record.topic == topic]

    def feeds(self) -> list[ImportCommand]:
        return [decode(ImportCommand, record.value, record.headers) for record in self.of(IMPORT_COMMANDS)]

    def tickets(self) -> list[int]:
        return [decode(TicketChange, r.value, r.headers).ticket_id for r in self.of(BACKFILL)]


def line(number: int, **fields: object) -> str:
    return json.dumps({"id": number, "created_at": TIME, "updated_at": TIME, "status": "open"} | fields)


def written(path: Path, lines: Sequence[str]) -> ImportRecord:
    path.write_text("\n".join(lines) + "\n")
    return ImportRecord(
        id="imp",
        account="acme",
        status="running",
        spec=ImportSpec(file=str(path)),
        started_at=1,
        updated_at=1,
        total=len(lines),
    )


async def test_every_line_arrives_in_its_partition_and_counts_come_after_their_batch(tmp_path: Path) -> None:
    many = BATCH_ROWS * 2 + 10
    record = written(tmp_path / "e.ndjson", [line(number) for number in range(1, many + 1)])
    kafka = Kafka()
    await FileFeed(record, kafka, partitions=PARTITIONS).run()
    assert kafka.tickets() == list(range(1, many + 1))
    for sent in kafka.of(BACKFILL):
        change = decode(TicketChange, sent.value, sent.headers)
        assert (change.source, change.import_id) == ("file", "imp")
        assert sent.key == ticket_key("acme", change.ticket_id)
        assert sent.partition == partition_of(sent.key, PARTITIONS)
    assert [call[0].topic for call in kafka.calls] == [BACKFILL, IMPORT_COMMANDS] * 3
    assert [(c.cursor, c.fetched, c.failed, c.ended) for c in kafka.feeds()] == [
        (str(BATCH_ROWS), BATCH_ROWS, 0, False),
        (str(BATCH_ROWS * 2), BATCH_ROWS * 2, 0, False),
        (str(many), many, 0, True),
    ]


async def test_a_bad_line_becomes_a_dead_letter_and_the_rest_goes_on(tmp_path: Path) -> None:
    record = written(tmp_path / "e.ndjson", [line(1), '{"id": broken', "", line(4)])
    kafka = Kafka()
    feed = FileFeed(record, kafka, partitions=PARTITIONS)
    await feed.run()
    assert kafka.tickets() == [1, 4]
    (sent,) = kafka.of(DEAD_LETTERS)
    letter = decode(DeadLetter, sent.value, sent.headers)
    assert (letter.line, letter.import_id, letter.stage) == (2, "imp", "source")
    assert letter.topic == str(tmp_path / "e.ndjson")
    assert base64.b64decode(letter.value or "") == b'{"id": broken'
    assert (feed.fetched, feed.unreadable, feed.after_line, feed.ended) == (2, 1, 4, True)
    assert [(c.fetched, c.failed, c.cursor) for c in kafka.feeds()] == [(2, 1, "4")]


async def test_it_goes_on_where_the_record_stands(tmp_path: Path) -> None:
    record = written(tmp_path / "e.ndjson", [line(1), "no", line(3), line(4)])
    record.cursor, record.fetched, record.unreadable = "3", 2, 1
    kafka = Kafka()
    await FileFeed(record, kafka, partitions=PARTITIONS).run()
    assert kafka.tickets() == [4]
    (feed,) = kafka.feeds()
    assert (feed.cursor, feed.fetched, feed.failed, feed.ended) == ("4", 3, 1, True)


async def test_a_file_that_was_all_sent_only_ends(tmp_path: Path) -> None:
    record = written(tmp_path / "e.ndjson", [line(1), line(2)])
    record.cursor, record.fetched = "2", 2
    kafka = Kafka()
    await FileFeed(record, kafka, partitions=PARTITIONS).run()
    assert kafka.tickets() == []
    assert [(c.cursor, c.ended) for c in kafka.feeds()] == [("2", True)]


@pytest.mark.parametrize("lines", [[line(1)], [line(1), line(2), "   "]])
async def test_a_file_that_became_shorter_is_named(tmp_path: Path, lines: list[str]) -> None:
    record = written(tmp_path / "e.ndjson", lines)
    record.cursor, record.fetched = "3", 3
    kafka = Kafka()
    with pytest.raises(UserError, match=r"e\.ndjson is not the file it was"):
        await FileFeed(record, kafka, partitions=PARTITIONS).run()
    assert kafka.calls == []


async def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    record = written(tmp_path / "e.ndjson", [line(1)])
    (tmp_path / "e.ndjson").unlink()
    with pytest.raises(UserError, match="cannot be read"):
        await FileFeed(record, Kafka(), partitions=PARTITIONS).run()


async def test_nothing_is_counted_that_kafka_did_not_take(tmp_path: Path) -> None:
    record = written(tmp_path / "e.ndjson", [line(number) for number in range(1, BATCH_ROWS + 3)])
    kafka = Kafka(fails_at=2)
    feed = FileFeed(record, kafka, partitions=PARTITIONS)
    with pytest.raises(ConnectionError):
        await feed.run()
    assert (feed.after_line, feed.fetched, feed.ended) == (BATCH_ROWS, BATCH_ROWS, False)
    assert [c.cursor for c in kafka.feeds()] == [str(BATCH_ROWS)]


async def test_a_ticket_too_large_for_kafka_becomes_a_dead_letter_that_fits(tmp_path: Path) -> None:
    record = written(
        tmp_path / "e.ndjson", [line(1, description="x" * (MAX_MESSAGE_BYTES + 3_000_000)), line(2)]
    )
    kafka = Kafka()
    await FileFeed(record, kafka, partitions=PARTITIONS).run()
    assert kafka.tickets() == [2]
    (sent,) = kafka.of(DEAD_LETTERS)
    assert len(sent.value or b"") < MAX_MESSAGE_BYTES
    letter = decode(DeadLetter, sent.value, sent.headers)
    assert letter.error_type == "RefusedError"
    assert "ticket 1 is 11" in letter.message


async def test_an_array_goes_on_at_the_row_where_the_record_stands(tmp_path: Path) -> None:
    record = written(tmp_path / "e.json", ["[", ",\n".join(line(number) for number in range(1, 6)), "]"])
    record.cursor, record.fetched = "3", 3
    kafka = Kafka()
    await FileFeed(record, kafka, partitions=PARTITIONS).run()
    assert kafka.tickets() == [4, 5]
    assert [(c.cursor, c.fetched, c.ended) for c in kafka.feeds()] == [("5", 5, True)]


async def test_a_file_that_became_one_of_users_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    user = {"id": 1, "name": "Pat", "role": "end-user", "created_at": TIME, "updated_at": TIME}
    record = written(tmp_path / "e.ndjson", [json.dumps(user)] * 3)
    kafka = Kafka()
    with pytest.raises(UserError, match="holds users, and no tickets"):
        await FileFeed(record, kafka, partitions=PARTITIONS).run()
    assert kafka.calls == []


async def test_a_user_amid_tickets_is_one_dead_letter(tmp_path: Path) -> None:
    user = {"id": 4, "name": "Pat", "role": "end-user", "created_at": TIME, "updated_at": TIME}
    record = written(tmp_path / "e.ndjson", [line(1), json.dumps(user), line(4)])
    kafka = Kafka()
    await FileFeed(record, kafka, partitions=PARTITIONS).run()
    assert kafka.tickets() == [1, 4]
    (sent,) = kafka.of(DEAD_LETTERS)
    letter = decode(DeadLetter, sent.value, sent.headers)
    assert (letter.line, letter.message) == (2, "not a ticket of Zendesk, but one of the users")


async def test_comments_too_large_to_travel_with_their_ticket_go_ahead_of_it(tmp_path: Path) -> None:
    comments = [
        {
            "id": number,
            "public": number % 2 == 0,
            "created_at": TIME,
            "plain_body": f"{number} " + "x" * 9_000,
        }
        for number in range(600)
    ]
    record = written(tmp_path / "e.ndjson", [line(1), line(2, comments=comments), line(3)])
    kafka = Kafka()
    await FileFeed(record, kafka, partitions=PARTITIONS).run()
    assert kafka.of(DEAD_LETTERS) == []
    sent = kafka.of(BACKFILL)
    parts = [each for each in sent if is_part(each.headers)]
    changes = [decode(TicketChange, each.value, each.headers) for each in sent if not is_part(each.headers)]
    assert [change.ticket_id for change in changes] == [1, 2, 3]
    large = changes[1]
    assert large.comments is None
    assert large.parts is not None
    assert [ref.digest for ref in large.parts.refs] == [digest(each.value or b"") for each in parts]
    assert [ref.offset for ref in large.parts.refs] == [sent.index(each) for each in parts]
    assert {each.partition for each in parts} == {large.parts.partition} == {sent[-2].partition}
    assert max(len(each.value or b"") for each in parts) <= PART_BYTES + 1_000
    said = [one for each in parts for one in decode_value(CommentsPart, each.value).comments]
    assert [one.id for one in said] == list(range(600))
    assert [command.fetched for command in kafka.feeds()][-1] == 3


async def test_a_comment_that_no_message_holds_is_named(tmp_path: Path) -> None:
    comment = {"id": 77, "public": True, "created_at": TIME, "plain_body": "x" * (MAX_MESSAGE_BYTES + 10)}
    record = written(tmp_path / "e.ndjson", [line(1, comments=[comment]), line(2)])
    kafka = Kafka()
    await FileFeed(record, kafka, partitions=PARTITIONS).run()
    assert kafka.tickets() == [2]
    (sent,) = kafka.of(DEAD_LETTERS)
    assert "comment 77 of ticket 1 is 8,3" in decode(DeadLetter, sent.value, sent.headers).message
