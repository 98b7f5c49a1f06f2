"""Comments held for tickets that come later: all of them, or none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents.engine.outcomes import Outcome
from agents.knowledge.backlog import Backlog
from agents.testing import InMemoryTables, a_message, a_part_store, settled
from agents.tickets.enrich import held_comments
from agents.tickets.enrich.held_comments import Held, forget_comments_records
from agents.tickets.enrich.stage import Enrich
from schemas.codec import decode, encode, headers_of
from schemas.errors import PermanentError
from schemas.headers.replays import replay_headers
from schemas.messages.tickets import CommentEvents, EnrichedTicket
from schemas.tables import HeldComments
from schemas.testing import a_change
from schemas.topics import BACKFILL
from schemas.zendesk import Comment
from streams.kafka.messages import Incoming
from streams.kafka.positions import Positions
from streams.testing import InMemoryZendesk, settle

KEY = b"acme:1"


def comment(number: int, text: str = "") -> Comment:
    created = f"2024-01-01T00:{number // 60:02}:{number % 60:02}Z"
    return Comment(id=number, public=number % 2 == 0, created_at=created, plain_body=text or f"text {number}")


class HeldCommentsBench:
    """The stage enrich, with a Zendesk that knows one comment of its own."""

    def __init__(self) -> None:
        self.tables = InMemoryTables()
        self.zendesk = InMemoryZendesk(comments=[comment(0, "asked for")])
        backlog, parts = Backlog(Positions(), 10, 10), a_part_store(self.tables)
        self.stage = Enrich(self.tables, self.zendesk, backlog, parts, Positions())
        self.offset = 0

    async def handle(self, message: Incoming) -> Outcome:
        return await settled(message, await self.stage.handle(message), self.tables)

    @property
    def asked(self) -> int:
        """How often Zendesk was asked for comments."""
        return self.zendesk.count("comments")

    async def events(self, *numbers: int, held_for: str = "i1", **fields: Any) -> Outcome:
        self.offset += 1
        told = CommentEvents(
            account="acme",
            ticket_id=1,
            held_for=held_for,
            comments=[comment(number) for number in numbers],
            **fields,
        )
        return await self.handle(Incoming(BACKFILL, 0, self.offset, KEY, encode(told), headers_of(told)))

    async def ticket(self, count: int | None, **fields: Any) -> list[str]:
        """Have the ticket come, and return its texts."""
        self.offset += 1
        change = a_change(**{"source": "import", "import_id": "i1", "comment_count": count} | fields)
        done = await self.handle(a_message(change, self.offset, topic=BACKFILL))
        if not done.records:
            return [done.reason]
        (record,) = done.records
        found = decode(EnrichedTicket, record.value, record.headers)
        return [passage.text for passage in found.passages]

    @property
    def held(self) -> list[bytes]:
        return sorted(key for _, key in self.tables["comments"].entries)


async def test_a_ticket_takes_its_comments_from_the_events() -> None:
    bench = HeldCommentsBench()
    assert (await bench.events(2, 3)).import_id == "", "it is no ticket of the import's"
    await bench.events(4)
    assert await bench.ticket(3) == ["text 2", "text 3", "text 4"]
    assert bench.asked == 0
    assert bench.held == []


async def test_public_and_internal_stay_what_they_are() -> None:
    bench = HeldCommentsBench()
    await bench.events(2, 3)
    done = await bench.handle(
        a_message(a_change(source="import", import_id="i1", comment_count=2), 9, topic=BACKFILL)
    )
    found = decode(EnrichedTicket, done.records[0].value, done.records[0].headers)
    assert [(one.text, one.visibility) for one in found.passages] == [
        ("text 2", "public"),
        ("text 3", "internal"),
    ]


async def test_many_comments_lie_in_parts_and_are_all_forgotten() -> None:
    bench = HeldCommentsBench()
    for number in range(250):
        await bench.events(number)
        await bench.events(number)  # pages repeat events
    assert len(bench.held) > 10
    assert max(map(len, bench.tables["comments"].entries.values())) < 4_000
    assert await bench.ticket(250) == [f"text {number}" for number in range(250)]
    assert bench.held == []


async def test_long_comments_are_not_written_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_comments, "_TOGETHER_BYTES", 100)
    bench = HeldCommentsBench()
    for number in range(4):
        await bench.events(number)
    assert bench.held == [KEY, *(KEY + b"#%d" % number for number in range(3))]
    assert len(await bench.ticket(4)) == 4


@pytest.mark.parametrize("count", [1, 3, None])
async def test_a_number_that_differs_is_asked_for(count: int | None) -> None:
    bench = HeldCommentsBench()
    await bench.events(2, 3)
    assert await bench.ticket(count) == ["asked for"]
    assert bench.held == ([] if count else [KEY])


async def test_nothing_held_is_asked_for() -> None:
    assert await HeldCommentsBench().ticket(1) == ["asked for"]


@pytest.mark.parametrize("order", [0, 1, 2])
async def test_a_doubtful_ticket_is_asked_for_and_its_text_is_not_kept(order: int) -> None:
    bench = HeldCommentsBench()
    for place in range(3):
        await bench.events(*(() if place == order else (place,)), doubtful=place == order)
    assert b"text" not in (bench.tables["comments"].entries[0, KEY] if order == 2 else b"")
    assert await bench.ticket(2) == ["asked for"]
    assert bench.held == []


async def test_another_import_s_comments_are_not_believed() -> None:
    bench = HeldCommentsBench()
    await bench.events(2, 3, held_for="i0")
    assert await bench.ticket(2) == ["asked for"]
    assert bench.held == [KEY], "they may still be needed"
    await bench.events(5, held_for="i1")
    assert await bench.ticket(1, version=6) == ["text 5"]


async def test_a_newer_import_starts_anew() -> None:
    bench = HeldCommentsBench()
    for number in range(50):
        await bench.events(number, held_for="i0")
    await bench.events(7, held_for="i1")
    assert bench.held == [KEY]
    assert await bench.ticket(1) == ["text 7"]


async def test_what_needs_no_comments_lets_them_go_too() -> None:
    bench = HeldCommentsBench()
    await bench.events(2)
    await bench.ticket(1)
    await bench.events(2)
    assert await bench.ticket(1) == ["duplicate"]
    assert bench.held == []
    await bench.events(2)
    assert await bench.ticket(1, version=4) == ["stale"]
    assert bench.held == []


async def test_a_message_that_comes_again_after_a_crash_lets_them_go() -> None:
    bench = HeldCommentsBench()
    change = a_change(source="import", import_id="i1", comment_count=1)
    message = a_message(change, 9, topic=BACKFILL)
    await bench.events(2)
    await bench.handle(message)
    await bench.events(2)  # as if the last entry had not been written
    assert (await bench.handle(message)).verdict == "repeated"
    assert bench.held == []


async def test_a_replay_asks_zendesk_and_takes_nothing_from_an_import() -> None:
    bench = HeldCommentsBench()
    await bench.events(2)
    change = a_change(source="import", import_id="i1", comment_count=1)
    message = a_message(change, 9, topic=BACKFILL)
    done = await bench.handle(message._replace(headers=[*message.headers, *replay_headers("r1")]))
    assert b"asked for" in (done.records[0].value or b"")
    assert bench.held == [KEY]


async def test_a_message_under_another_ticket_s_key_is_refused() -> None:
    told = CommentEvents(account="acme", ticket_id=2, held_for="i1")
    with pytest.raises(PermanentError, match="key"):
        await HeldCommentsBench().handle(Incoming(BACKFILL, 0, 1, KEY, encode(told), headers_of(told)))


async def test_at_its_end_all_that_nobody_needs_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_comments, "_FORGET_AT_ONCE", 3)
    tables = InMemoryTables()
    kept = {b"acme:1", b"acme:1#0", b"other:5"}
    entries = [(key, HeldComments("i2")) for key in kept if key != b"other:5"]
    entries += [(b"other:5", HeldComments("i1"))]
    entries += [(b"acme:%d" % number, HeldComments("i1")) for number in range(10, 20)]
    await tables["comments"].put(3, entries)
    positions = Positions()
    positions.oldest[BACKFILL, 3] = 5
    held = Held(tables, positions)  # type: ignore[arg-type]
    monkeypatch.setattr(held_comments, "_POLL_TURN_SECONDS", 0)
    records = forget_comments_records("acme", ["i2"], 4)
    assert [(one.topic, one.partition) for one in records] == [(BACKFILL, place) for place in range(4)]
    word = records[3]
    waiting = asyncio.create_task(
        held.over(Incoming(word.topic, 3, 9, word.key, word.value, list(word.headers)))
    )
    await settle()
    assert len(tables["comments"].entries) == 13, "tickets that were sent before it still need theirs"
    del positions.oldest[BACKFILL, 3]
    await waiting
    assert {key for _, key in tables["comments"].entries} == kept
