"""Dead letters on a real stack: cured and retried, discarded, exported; nothing twice, nothing stale."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from comparison import arrived, assert_equal, compare, stored_chunks
from harness import Desk, until
from msgspec.structs import replace
from stacks import Stacks

from schemas.codec import decode, encode, headers_of, schema_header
from schemas.errors import DecodeError, RefusedError
from schemas.headers.retries import Retry, retry_of
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.imports import ImportCommand, ImportSpec
from schemas.messages.tickets import EmbeddedTicket, EnrichedTicket
from schemas.topics import BACKFILL, DEAD_LETTERS, EMBEDDED, ENRICHED, IMPORT_COMMANDS, INDEXED
from schemas.vectors import encode_vector
from streams.kafka.dead_letters import dead_letter, dead_letter_record, line_dead_letter
from streams.kafka.messages import Incoming, Record
from streams.kafka.topic_reader import TopicReader
from ticketstream.local.sample.zendesk.faults import Fault
from ticketstream.operations.dead_letters.book import load_dead_letters, originals
from ticketstream.operations.dead_letters.settle import Settled, retry_letters
from ticketstream.operations.imports.commands import command_record, new_import_id

TICKETS = 40
SECONDS = 90.0
NOT_OF_THE_ACCOUNT = 900_000
"""Tickets from here on are these tests' own."""


@pytest.fixture(scope="module")
def desk(stacks: Stacks) -> Iterator[Desk]:
    """A desk of this module: its letters would spoil what other tests count."""
    with stacks.desk(TICKETS) as desk:
        desk.worker()
        yield desk


def asked(desk: Desk, *arguments: str, status: int = 0) -> Any:
    """Run a command of ``dead-letters`` with --json and return what it printed."""
    done = desk.command("dead-letters", *arguments, "--json")
    assert done.returncode == status, (arguments, done.stderr)
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def refused(*ticket_ids: int) -> list[Fault]:
    """Return faults that refuse the comments of these tickets for good."""
    return [Fault(kind="error", status=422, path=f"/tickets/{number}/comments") for number in ticket_ids]


def changeable(desk: Desk) -> list[int]:
    """Return the tickets that can be changed."""
    return [
        truth["id"]
        for truth in desk.zendesk.truth()
        if not truth["removed"] and truth["ticket"]["status"] != "closed"
    ]


async def letters_of(desk: Desk, count: int, **fields: Any) -> list[DeadLetter]:
    """Wait for so many letters with these fields."""
    found: list[DeadLetter] = []

    async def enough() -> bool:
        found[:] = [
            letter
            for letter in await desk.dead_letters()
            if all(getattr(letter, name) == value for name, value in fields.items())
        ]
        return len(found) >= count

    await until(enough, SECONDS, f"{count} dead letters with {fields}")
    return found


async def everything_done(desk: Desk) -> None:
    """Wait until the workers have acknowledged all there is."""

    async def idle() -> bool:
        return not await desk.unacknowledged()

    await until(idle, SECONDS, "everything acknowledged")


async def records_on(desk: Desk, topic: str, key: bytes) -> list[Any]:
    """Return what lies on a topic under a key, in order."""
    async with TopicReader(desk.settings.cluster, [topic], partitions=[desk.partition(key)]) as reader:
        return [raw async for raw in reader.to_end() if raw.key == key]


def chunks_of(chunks: Sequence[Any], ticket_id: int) -> list[str]:
    return [chunk.text for chunk in chunks if chunk.ticket_id == ticket_id]


async def test_what_is_cured_is_retried_once_and_ends_up_as_the_account_has_it(desk: Desk) -> None:
    victims = changeable(desk)[:3]
    desk.zendesk.set_faults(*refused(*victims))
    record = await desk.whole_import()
    assert (record.failed, record.indexed) == (3, TICKETS - 3)
    found = asked(desk, "list")
    assert [(one["reason"], one["count"]) for one in found["reasons"]] == [("enrich/RefusedError", 3)]
    assert sorted(one["ticket_id"] for one in found["dead_letters"]) == sorted(victims)
    assert not (await compare(desk)).equal
    desk.zendesk.clear_faults()

    # A retry that dies before it writes down what it did …
    cluster = desk.settings.cluster
    known = (await load_dead_letters(cluster)).letters[:2]
    async with desk.producer() as producer:
        sent = 0

        async def dies_before_the_verdicts(records: Sequence[Record]) -> None:
            nonlocal sent
            if records[0].topic == DEAD_LETTERS:
                raise KeyboardInterrupt
            await producer.send(records)
            sent += len(records)

        with pytest.raises(KeyboardInterrupt):
            await retry_letters(
                originals(cluster, known), dies_before_the_verdicts, Settled(), partitions=desk.partitions
            )
    assert sent == 2
    assert asked(desk, "list")["states"] == {"open": 3, "retried": 0, "discarded": 0}
    # … is repeated.
    done = asked(desk, "retry", "--reason", "enrich/RefusedError")
    assert (done["matched"], done["retried"], done["settled_before"]) == (3, 3, 0)
    again = asked(desk, "retry", "--reason", "enrich/RefusedError")
    assert (again["matched"], again["retried"], again["settled_before"]) == (3, 0, 3)
    await everything_done(desk)
    await assert_equal(desk)
    assert asked(desk, "list")["states"] == {"open": 0, "retried": 3, "discarded": 0}
    outcomes = [receipt.outcome for receipt in await desk.receipts() if receipt.ticket_id in victims]
    assert outcomes == ["indexed"] * 3
    key = f"{desk.account}:{victims[0]}".encode()
    (receipt,) = await records_on(desk, INDEXED, key)
    assert retry_of(receipt.headers) == Retry(
        next(one["id"] for one in found["dead_letters"] if one["ticket_id"] == victims[0]), 1, record.id
    )

    # The counts of another import come behind those of the first: these stay what they were.
    second = await desk.whole_import()
    assert (second.failed, second.indexed) == (0, 0)
    after = await desk.import_state(record.id)
    assert (after.failed, after.indexed, after.done) == (3, TICKETS - 3, record.done)


async def test_an_old_version_overwrites_nothing_newer(desk: Desk) -> None:
    ticket_id = changeable(desk)[5]
    key = f"{desk.account}:{ticket_id}".encode()
    old = (await records_on(desk, ENRICHED, key))[-1]
    desk.zendesk.set_faults(*refused(ticket_id))
    desk.zendesk.add_comment(ticket_id, "the older walrus")
    (letter,) = (
        each
        for each in await letters_of(desk, 1, stage="enrich", topic="tickets.changes")
        if base64.b64decode(each.key or "") == key
    )
    desk.zendesk.clear_faults()
    desk.zendesk.add_comment(ticket_id, "the newer walrus")
    await arrived(desk, ticket_id)
    # An older state of the whole ticket, too: as if embed had refused it then.
    message = Incoming(ENRICHED, old.partition, old.offset, key, old.value, old.headers)
    whole = dead_letter("embed", message, RefusedError("no"))
    await desk.send(dead_letter_record(whole, key, old.partition))
    newest = (await records_on(desk, ENRICHED, key))[-1].value
    receipts = len(await desk.receipts())
    done = asked(desk, "retry", "--ticket", str(ticket_id))
    assert sorted(done["dead_letters"]) == sorted([letter.id, whole.id])
    await everything_done(desk)
    assert len(await records_on(desk, BACKFILL, key)) >= 2
    assert (await records_on(desk, ENRICHED, key))[-1].value == newest
    assert len(await desk.receipts()) == receipts
    await assert_equal(desk)
    assert asked(desk, "list")["total"] == 0


async def test_a_whole_ticket_that_was_refused_passes_all_stages_behind(desk: Desk) -> None:
    key = f"{desk.account}:{changeable(desk)[6]}".encode()
    ticket_id = NOT_OF_THE_ACCOUNT + 1
    raw = (await records_on(desk, ENRICHED, key))[-1]
    ticket = replace(decode(EnrichedTicket, raw.value, raw.headers), ticket_id=ticket_id)
    own = f"{desk.account}:{ticket_id}".encode()
    partition = desk.partition(own)
    message = Incoming(ENRICHED, partition, 1_000_000, own, encode(ticket), headers_of(ticket))
    letter = dead_letter("embed", message, RefusedError("Gemini said no"))
    await desk.send(dead_letter_record(letter, own, partition))
    assert asked(desk, "retry", letter.id)["retried"] == 1

    async def held() -> bool:
        return bool(chunks_of(await stored_chunks(desk), ticket_id))

    await until(held, SECONDS, "the ticket in the index")
    await everything_done(desk)
    (receipt,) = await records_on(desk, INDEXED, own)
    assert retry_of(receipt.headers) == Retry(letter.id)
    assert [each.value for each in await records_on(desk, ENRICHED, own)] == [message.value]


async def test_poison_from_far_ahead_makes_no_change_stale(desk: Desk) -> None:
    ticket_id = changeable(desk)[7]
    key = f"{desk.account}:{ticket_id}".encode()
    raw = (await records_on(desk, EMBEDDED, key))[-1]
    whole = decode(EmbeddedTicket, raw.value, raw.headers)
    chunk = replace(whole.chunks[0], vector=encode_vector([1.0, 2.0]))
    ahead = replace(whole, version=whole.version + 1_000_000, chunks=[chunk])
    poison = Record(EMBEDDED, raw.partition, key, encode(ahead), headers_of(ahead))
    await desk.send(poison)
    (letter,) = await letters_of(desk, 1, stage="index")
    desk.zendesk.add_comment(ticket_id, "before the retry")
    await arrived(desk, ticket_id)  # behind the poison
    assert asked(desk, "retry", letter.id)["retried"] == 1
    await everything_done(desk)
    desk.zendesk.add_comment(ticket_id, "after the retry")
    await arrived(desk, ticket_id)
    assert (await records_on(desk, EMBEDDED, key))[-1].value != poison.value
    assert asked(desk, "list")["total"] == 0


async def test_what_stays_incurable_fails_again_and_says_so(desk: Desk) -> None:
    ticket_id = NOT_OF_THE_ACCOUNT + 2
    key = f"{desk.account}:{ticket_id}".encode()
    poison = Record(ENRICHED, desk.partition(key), key, b"{}", [("schema", b"enriched-ticket/99")])
    await desk.send(poison)
    (first,) = await letters_of(desk, 1, error_type="UnknownSchemaError")
    assert asked(desk, "retry", first.id)["dead_letters"] == [first.id]
    second = (await letters_of(desk, 2, error_type="UnknownSchemaError"))[-1]
    assert (second.topic, second.stage) == (BACKFILL, "enrich")
    assert base64.b64decode(second.value or "") == b"{}"
    # The letter's own id now stands for what it failed again as.
    assert asked(desk, "retry", first.id)["dead_letters"] == [second.id]
    third = (await letters_of(desk, 3, error_type="UnknownSchemaError"))[-1]
    (listed,) = asked(desk, "list", "--ticket", str(ticket_id))["dead_letters"]
    assert (listed["id"], listed["retries"], listed["retry_of"]) == (third.id, 2, second.id)
    assert "failed again, 2 times" in desk.command("dead-letters", "list", "--flat").stdout
    assert asked(desk, "show", first.id)["failed_again_as"] == [second.id]

    assert asked(desk, "discard", "--ticket", str(ticket_id))["settled_before"] == 2
    assert asked(desk, "list")["total"] == 0
    assert {
        one["state"] for one in asked(desk, "list", "--ticket", str(ticket_id), "--all")["dead_letters"]
    } == {
        "retried",
        "discarded",
    }
    again = asked(desk, "discard", "--ticket", str(ticket_id))
    assert (again["discarded"], again["settled_before"]) == (0, 3)
    assert len(await records_on(desk, BACKFILL, key)) == 2
    assert desk.workers[0].runs


async def test_lines_of_a_file_are_read_again(desk: Desk) -> None:
    def line(number: int, text: str) -> dict[str, Any]:
        moment = "2026-01-01T00:00:00Z"
        comment = {"id": number, "public": True, "plain_body": text}
        return {"id": number, "created_at": moment, "updated_at": moment, "comments": [comment]}

    ticket_id = NOT_OF_THE_ACCOUNT + 3
    good = json.dumps(line(ticket_id, "an okapi came by")).encode()
    records = [
        line_dead_letter(desk.account, "", "/t.ndjson", number, raw, DecodeError("not then"), desk.partitions)
        for number, raw in ((1, good), (2, b'{"id": 5, "cut": "o'))
    ]
    await desk.send(*records)
    done = desk.command("dead-letters", "retry", "--reason", "source")
    assert done.returncode == 1
    assert "2 dead letters to be retried" in done.stderr
    assert "1 dead letter retried" in done.stderr
    assert "cannot be retried: not a ticket of Zendesk" in done.stderr

    async def held() -> bool:
        return any("okapi" in text for text in chunks_of(await stored_chunks(desk), ticket_id))

    await until(held, SECONDS, "the line's ticket in the index")
    (left,) = asked(desk, "list")["dead_letters"]
    assert (left["line"], left["state"]) == (2, "open")
    assert asked(desk, "discard", "--all")["discarded"] == 1


async def test_a_command_goes_to_its_own_topic(desk: Desk) -> None:
    import_id = new_import_id()
    command = ImportCommand(
        command="start",
        account=desk.account,
        import_id=import_id,
        issued_at=time.time(),
        spec=ImportSpec(since=int(time.time()) - 100),
    )
    record = command_record(command, desk.partitions)
    message = Incoming(IMPORT_COMMANDS, record.partition, 99, record.key, record.value, record.headers)
    letter = dead_letter("imports", message, RefusedError("not then"))
    await desk.send(dead_letter_record(letter, record.key, record.partition))
    assert asked(desk, "retry", "--id", letter.id)["retried"] == 1
    assert (await desk.import_state(import_id)).status == "completed"


async def test_an_export_holds_every_original(desk: Desk, tmp_path: Path) -> None:
    key = f"{desk.account}:{NOT_OF_THE_ACCOUNT + 4}".encode()
    binary = b"\x00\xff\x1b[31m poison"
    await desk.send(Record(BACKFILL, desk.partition(key), key, binary, [schema_header(EnrichedTicket)]))
    await letters_of(desk, 1, value=base64.b64encode(binary).decode())
    file = tmp_path / "letters.ndjson"
    letters = {letter.id: letter for letter in await desk.dead_letters()}
    assert asked(desk, "export", str(file), "--all")["exported"] == len(letters)
    read = {one["id"]: one for one in map(json.loads, file.read_text().splitlines())}
    assert read.keys() == letters.keys()
    for letter in letters.values():
        one = read[letter.id]
        assert (one["key"], one["value"], one["line"]) == (letter.key, letter.value, letter.line)
        assert [tuple(header) for header in one["headers"]] == letter.headers
    assert asked(desk, "export", str(file))["exported"] == 1
    (one,) = map(json.loads, file.read_text().splitlines())
    assert (base64.b64decode(one["value"]), one["value_text"]) == (binary, None)
    assert asked(desk, "discard", one["id"])["discarded"] == 1


def test_what_does_not_exist_is_one_line(desk: Desk) -> None:
    for arguments in (
        ["show", "nope"],
        ["retry", "nope"],
        ["discard", "--ticket", "123456789"],
        ["retry", "--reason", "nope"],
        ["retry", "nope", "--all"],
        ["export", "/nowhere/x.ndjson"],
    ):
        done = desk.command("dead-letters", *arguments)
        assert done.returncode != 0, arguments
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("error: ")
        assert done.stdout == ""
