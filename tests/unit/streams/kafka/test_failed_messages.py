"""Dead letters: the original bytes, the reason, and one id for one failure."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.engine.outcomes import failed
from agents.sources.records import records_of
from schemas.codec import decode
from schemas.errors import DecodeError, RefusedError
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.tickets import Source, TicketChange
from schemas.testing import a_ticket
from schemas.topics import BACKFILL, CHANGES, DEAD_LETTERS
from schemas.zendesk import Ticket
from schemas.zendesk_pages import RawExportPage
from streams.kafka.dead_letters import dead_letter, line_dead_letter
from streams.kafka.messages import Incoming, Record
from streams.kafka.partitions import partition_of
from streams.sources.zendesk.export_source import NAME, page_of
from tests.shared_fixtures import QUICK

HEADERS = st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=4)


@QUICK
@given(st.none() | st.binary(max_size=50), st.none() | st.binary(max_size=50), HEADERS, st.text(max_size=30))
def test_every_byte_of_the_original_can_be_had_back(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]], why: str
) -> None:
    message = Incoming("tickets.changes", 3, 17, key, value, headers)
    outcome = failed("enrich", message, DecodeError(why), "acme", "i1")
    (record,) = outcome.records
    assert (record.topic, record.partition, record.key) == (DEAD_LETTERS, 3, key)
    letter = decode(DeadLetter, record.value, record.headers)
    assert letter.message == (why or "DecodeError")
    assert (letter.key is None, letter.value is None) == (key is None, value is None)
    assert base64.b64decode(letter.key or "") == (key or b"")
    assert base64.b64decode(letter.value or "") == (value or b"")
    assert [(name, base64.b64decode(raw)) for name, raw in letter.headers] == headers
    assert (outcome.verdict, outcome.reason, outcome.account, outcome.import_id) == (
        "failed",
        "DecodeError",
        "acme",
        "i1",
    )


def test_the_same_failure_is_the_same_letter() -> None:
    message = Incoming("t", 3, 17, b"k", b"v", ())
    again = Incoming("t", 3, 17, b"k", b"other", ())
    first = dead_letter("enrich", message, RefusedError("no"))
    assert dead_letter("enrich", again, DecodeError("never")).id == first.id
    others = {
        dead_letter("embed", message, RefusedError("no")).id,
        dead_letter("enrich", message._replace(topic="u"), RefusedError("no")).id,
        dead_letter("enrich", message._replace(partition=4), RefusedError("no")).id,
        dead_letter("enrich", message._replace(offset=18), RefusedError("no")).id,
    }
    assert len(others | {first.id}) == 5


def test_a_line_of_a_file_keeps_its_number() -> None:
    record = line_dead_letter("acme", "i1", "/t.ndjson", 7, b"{oops", DecodeError("cut off"), 8)
    letter = decode(DeadLetter, record.value, record.headers)
    assert (letter.stage, letter.topic, letter.offset, letter.line) == ("source", "/t.ndjson", 7, 7)
    assert base64.b64decode(letter.value or "") == b"{oops"
    assert letter.import_id == "i1"
    assert record.partition == partition_of(record.key or b"", 8)
    same = line_dead_letter("acme", "i1", "/t.ndjson", 7, b"{oops", DecodeError("cut off"), 8)
    other = line_dead_letter("acme", "i1", "/t.ndjson", 8, b"{oops", DecodeError("cut off"), 8)
    assert decode(DeadLetter, same.value, same.headers).id == letter.id
    assert decode(DeadLetter, other.value, other.headers).id != letter.id


def page_records(
    rows: list[msgspec.Raw], *, topic: str, source: Source, import_id: str = ""
) -> tuple[list[Record], int]:
    """Return what a page of Zendesk's export becomes."""
    page = page_of(RawExportPage(rows, "c1", False), account="acme", source=source, import_id=import_id)
    return records_of(page.items, source=NAME, account="acme", topic=topic, partitions=8, import_id=import_id)


def row(ticket: Ticket) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(ticket))


def test_a_page_becomes_a_record_a_row_in_its_ticket_s_partition() -> None:
    rows = [row(a_ticket(number, generated_timestamp=1_700_000_000 + number)) for number in range(1, 30)]
    records, unreadable = page_records(rows, topic=BACKFILL, source="import", import_id="i1")
    assert (len(records), unreadable) == (29, 0)
    for number, record in enumerate(records, 1):
        change = decode(TicketChange, record.value, record.headers)
        assert record.key == f"acme:{number}".encode()
        assert (record.topic, record.partition) == (BACKFILL, partition_of(record.key, 8))
        assert (change.version, change.source, change.import_id) == (1_700_000_000 + number, "import", "i1")


@pytest.mark.parametrize(
    "raw", [b"null", b"{}", b'{"id": 9007199254740993}', b'{"id": 5, "updated_at": "x"}', b"[[[["]
)
def test_a_row_that_is_no_ticket_is_a_dead_letter_and_spoils_no_other(raw: bytes) -> None:
    rows = [row(a_ticket(1)), msgspec.Raw(raw), row(a_ticket(2))]
    for _ in range(2):
        records, unreadable = page_records(rows, topic=CHANGES, source="live")
        assert unreadable == 1
        assert [record.topic for record in records] == [CHANGES, DEAD_LETTERS, CHANGES]
        letter = decode(DeadLetter, records[1].value, records[1].headers)
        assert base64.b64decode(letter.value or "") == raw
        assert (letter.stage, letter.error_type) == ("source", "DecodeError")
    # Read again after a crash, the same row is the same letter; another row is another.
    again, _ = page_records([msgspec.Raw(raw)], topic=CHANGES, source="live")
    other, _ = page_records([msgspec.Raw(b"7")], topic=CHANGES, source="live")
    assert decode(DeadLetter, again[0].value, again[0].headers).id == letter.id
    assert decode(DeadLetter, other[0].value, other[0].headers).id != letter.id
