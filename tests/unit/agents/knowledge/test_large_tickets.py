"""Tickets too large for one message, through all stages, with stand-ins for Kafka, Zendesk and Weaviate."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from agents.engine.outcomes import Outcome
from agents.knowledge.backlog import Backlog
from agents.knowledge.embed.stage import Embed
from agents.knowledge.index.stage import Index
from agents.knowledge.parts import PartStore
from agents.testing import InMemoryIndex, InMemoryTables, a_message, settled
from agents.tickets.enrich.stage import Enrich
from schemas.codec import decode, decode_value, encode, headers_of, is_part
from schemas.errors import PermanentError, RefusedError, UnavailableError
from schemas.ids import chunk_id
from schemas.messages.tickets import (
    EmbeddedPart,
    EmbeddedTicket,
    EnrichedPart,
    EnrichedTicket,
    Receipt,
    TicketHint,
)
from schemas.tables import IndexedTicket, set_key, sets_prefix
from schemas.testing import a_change, a_ticket
from schemas.topics import BACKFILL, CHANGES, EMBEDDED, ENRICHED
from schemas.zendesk import Comment
from streams.kafka.messages import Incoming
from streams.kafka.part_reader import PartsMissingError
from streams.kafka.positions import Positions
from streams.sinks.base import ObjectWrite
from streams.testing import (
    InMemoryBatcher,
    InMemoryParts,
    InMemoryProducer,
    InMemoryZendesk,
    StoredObject,
    vector_of,
)
from streams.transforms.chunking import Chunk, chunk_ticket
from streams.transforms.names import Names
from streams.transforms.whole_ticket import passages_of
from ticketstream.local.sample.zendesk.thread import text_of
from ticketstream.operations.imports.large_changes import in_parts, send_parts

KEY = b"acme:1"
COLLECTION = "Tickets_test_256_c1"
WRITTEN = f"{COLLECTION}_s2"
"""Where index writes: the collection of the present schema."""
DIMENSIONS = 256
PART_BYTES, EMBEDDED_PART_BYTES = 100 * 1024, 300 * 1024
"""A tenth of what they are, for tickets of a tenth of the size."""
NAMES = Names(users={7: "Ann"})


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.tickets.enrich.gathering.PART_BYTES", PART_BYTES)
    monkeypatch.setattr("agents.tickets.enrich.gathering._CHARACTERS", PART_BYTES // 8)
    monkeypatch.setattr("agents.knowledge.embed.made.EMBEDDED_PART_BYTES", EMBEDDED_PART_BYTES)


def comments_of(count: int, characters: int = 9_000, *, first: int = 0) -> list[Comment]:
    return [
        Comment(
            id=number,
            public=number % 3 > 0,
            created_at=f"2024-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z",
            author_id=7,
            plain_body=text_of(number, characters),
        )
        for number in range(first, first + count)
    ]


class StagesBench:
    """The stages of one partition; ``change`` takes a ticket through all of them."""

    def __init__(self) -> None:
        self.tables = InMemoryTables()
        self.producer = InMemoryProducer()
        self.zendesk = InMemoryZendesk(a_ticket(), users=NAMES.users, page_size=10)
        self.batcher = InMemoryBatcher(DIMENSIONS)
        self.weaviate = InMemoryIndex()
        self.version = 0
        self.start()

    def start(self) -> None:
        """Start the stages, as a worker does that knows nothing but the tables."""
        parts = InMemoryParts(self.producer)
        store = PartStore(self.tables, self.producer, parts)
        self.lost = parts.lost
        backlog = Backlog(Positions(), 10, 10)
        self.enrich = Enrich(self.tables, self.zendesk, backlog, store, Positions())  # type: ignore[arg-type]
        self.embed = Embed(
            self.tables,  # type: ignore[arg-type]
            self.batcher,
            self.weaviate,
            store=store,
            collection=COLLECTION,
            dimensions=DIMENSIONS,
        )
        self.index = Index(self.tables, self.weaviate, store)  # type: ignore[arg-type]

    @property
    def texts(self) -> list[str]:
        """The texts that were embedded."""
        return [text for texts in self.batcher.texts for text in texts]

    @property
    def objects(self) -> dict[UUID, StoredObject]:
        """What Weaviate holds."""
        return self.weaviate.sink(WRITTEN, DIMENSIONS).objects

    @property
    def writes(self) -> list[int]:
        """How many chunks each write brought."""
        return [len(item.upserts) for item in self.weaviate.items]

    def leave_over(self) -> None:
        """Have Weaviate hold a chunk that nobody knows of."""
        vector = vector_of("left over", DIMENSIONS)
        left = ObjectWrite(
            visibility="public", chunk_index=9_000, text="", content_hash="left over", vector=vector
        )
        self.objects[chunk_id("acme", 1, "public", 9_000)] = StoredObject("acme", 1, left)

    async def settle(self, message: Incoming, done: Outcome) -> Outcome:
        """Do what the engine does with an outcome."""
        return await settled(message, done, self.tables, self.producer)

    def next_change(self, **fields: Any) -> Incoming:
        self.version += 1
        return a_message(a_change(self.version, **fields), offset=self.version)

    def last_on(self, topic: str) -> Incoming:
        record = next(one for one in reversed(self.producer.on(topic)) if not is_part(one.headers))
        return Incoming(topic, 0, self.version, record.key, record.value, record.headers)

    async def change(self, comments: list[Comment]) -> Receipt:
        """Change the ticket and return the last receipt."""
        self.zendesk.comments = comments
        message = self.next_change()
        await self.settle(message, await self.enrich.handle(message))
        for topic, stage in ((ENRICHED, self.embed), (EMBEDDED, self.index)):
            message = self.last_on(topic)
            done = await self.settle(message, await stage.handle(message))  # type: ignore[attr-defined]
        return decode(Receipt, done.records[0].value, done.records[0].headers)

    def parts(self, topic: str) -> list[bytes]:
        """Return the values of the parts that a topic holds once it is compacted."""
        kept = {one.key: one.value for one in self.producer.on(topic) if is_part(one.headers)}
        return [value for value in kept.values() if value is not None]

    def made(self) -> list[str]:
        """Return the names of the sets that embed has made."""
        prefix = sets_prefix(KEY, EMBEDDED)
        return [key.removeprefix(prefix).decode() for key, _ in self.tables["parts"].starting_with(0, prefix)]

    def sets(self) -> int:
        return len(self.tables["parts"].entries)

    def holds(self, comments: list[Comment]) -> bool:
        """Say whether Weaviate holds these comments, and nothing else."""
        wanted = {
            chunk_id("acme", 1, each.visibility, each.chunk_index): each.content_hash
            for each in chunks_of(comments)
        }
        return {identity: held.chunk.content_hash for identity, held in self.objects.items()} == wanted


def chunks_of(comments: list[Comment]) -> list[Chunk]:
    return chunk_ticket("Printer on fire", passages_of(comments, NAMES))


async def test_a_large_ticket_goes_in_parts_and_is_cut_as_it_would_be_in_one() -> None:
    bench = StagesBench()
    comments = comments_of(45)
    receipt = await bench.change(comments)
    assert bench.holds(comments)
    assert (receipt.outcome, receipt.chunks) == ("indexed", len(chunks_of(comments)))

    enriched = decode(EnrichedTicket, bench.last_on(ENRICHED).value, bench.last_on(ENRICHED).headers)
    embedded = decode(EmbeddedTicket, bench.last_on(EMBEDDED).value, bench.last_on(EMBEDDED).headers)
    assert (enriched.passages, embedded.chunks) == ([], [])
    assert enriched.parts is not None
    assert embedded.parts is not None
    for topic, parts, most in (
        (ENRICHED, enriched.parts, PART_BYTES + 10_000),
        (EMBEDDED, embedded.parts, EMBEDDED_PART_BYTES + 10_000),
    ):
        values = bench.parts(topic)
        assert len(values) == len(parts.refs) >= 4
        assert max(map(len, values)) <= most
        assert all(one.key.startswith(KEY + b"#") for one in bench.producer.on(topic) if is_part(one.headers))
    # Weaviate is given a few chunks at a time, and what is gone last.
    assert max(bench.writes) <= 100
    assert bench.writes[-1] == 0
    entry = bench.tables["indexed"].get(0, KEY)
    assert (entry.public, entry.internal, entry.many.public + entry.many.internal) == ([], [], receipt.chunks)


async def test_one_comment_more_embeds_no_text_again() -> None:
    bench = StagesBench()
    await bench.change(comments_of(45))
    before = len(bench.texts)
    bench.start()
    receipt = await bench.change(comments_of(46))
    assert bench.holds(comments_of(46))
    assert receipt.chunks > before
    assert len(bench.texts) - before <= 10
    # So it is with what moves all that follows.
    bench.start()
    before = len(bench.texts)
    await bench.change(comments_of(45, first=1))
    assert bench.holds(comments_of(45, first=1))
    assert len(bench.texts) - before <= 45


async def test_what_is_no_longer_there_goes_from_weaviate_topics_and_tables() -> None:
    bench = StagesBench()
    await bench.change(comments_of(45))
    await bench.change(comments_of(30))
    assert bench.holds(comments_of(30))
    assert bench.sets() == 2
    for topic in (ENRICHED, EMBEDDED):
        message = bench.last_on(topic)
        parts = decode_value(EnrichedTicket if topic == ENRICHED else EmbeddedTicket, message.value).parts
        assert parts is not None
        assert len(bench.parts(topic)) == len(parts.refs)
    receipt = await bench.change(comments_of(3))
    assert bench.holds(comments_of(3))
    assert receipt.objects_deleted > 100
    assert (bench.parts(ENRICHED), bench.parts(EMBEDDED), bench.sets()) == ([], [], 0)
    await bench.change(comments_of(45))
    message = bench.next_change(ticket=a_change(1).ticket.__class__(1, "", "", status="deleted"))
    await bench.settle(message, await bench.enrich.handle(message))
    assert bench.parts(ENRICHED) == []


async def test_parts_of_the_state_before_stay_until_the_new_one_is_closed() -> None:
    bench = StagesBench()
    await bench.change(comments_of(30))
    before = bench.parts(ENRICHED)
    bench.zendesk.comments = comments_of(30, first=5)
    message = bench.next_change()
    done = await bench.enrich.handle(message)
    assert set(before) < set(bench.parts(ENRICHED))
    await bench.settle(message, done)
    assert not set(before) & set(bench.parts(ENRICHED))


async def test_what_a_crash_leaves_of_a_set_is_taken_away_when_its_message_comes_again() -> None:
    bench = StagesBench()
    bench.zendesk.comments = comments_of(45)
    bench.zendesk.error_page, bench.zendesk.error = 3, KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        await bench.enrich.handle(bench.next_change())
    left = bench.parts(ENRICHED)
    assert left
    bench.start()
    bench.zendesk.error = None
    bench.version -= 1
    await bench.change(comments_of(45))
    assert bench.holds(comments_of(45))
    assert bench.sets() == 2
    kept = {one.key for one in bench.producer.on(ENRICHED) if is_part(one.headers)}
    assert len(kept) > len(bench.parts(ENRICHED))


@pytest.mark.parametrize("status", [403, 404])
async def test_a_ticket_refused_amid_its_comments_leaves_no_parts(status: int) -> None:
    bench = StagesBench()
    bench.zendesk.comments = comments_of(45)
    bench.zendesk.error_page, bench.zendesk.error = 3, RefusedError("no", status)
    message = bench.next_change()
    if status == 404:
        done = await bench.settle(message, await bench.enrich.handle(message))
        assert decode(EnrichedTicket, done.records[0].value, done.records[0].headers).removed
    else:
        with pytest.raises(RefusedError):
            await bench.enrich.handle(message)
    assert (bench.parts(ENRICHED), bench.sets()) == ([], 0)


async def test_a_state_that_is_passed_while_it_is_read_takes_its_parts_back() -> None:
    bench = StagesBench()
    bench.zendesk.comments = comments_of(30)
    older, newer = bench.next_change(), bench.next_change()
    done = await bench.enrich.handle(older)
    bench.zendesk.comments = comments_of(32)
    await bench.settle(newer, await bench.enrich.handle(newer))
    kept = bench.parts(ENRICHED)
    assert (await bench.settle(older, done)).reason == "stale"
    current = decode(EnrichedTicket, bench.last_on(ENRICHED).value, bench.last_on(ENRICHED).headers)
    assert current.parts is not None
    assert len(bench.parts(ENRICHED)) == len(current.parts.refs) < len(kept)


async def test_a_worker_that_takes_over_embeds_only_what_is_left() -> None:
    bench = StagesBench()
    bench.zendesk.comments = comments_of(45)
    message = bench.next_change()
    await bench.settle(message, await bench.enrich.handle(message))
    bench.batcher.fails_at, bench.batcher.error = 3, UnavailableError("away")
    message = bench.last_on(ENRICHED)
    with pytest.raises(UnavailableError):
        await bench.embed.handle(message)
    done_before = set(bench.texts)
    assert done_before
    for start in (lambda: None, bench.start):
        start()
        done = await bench.embed.handle(message)
        assert len(bench.texts) - len(set(bench.texts)) <= 100
        embedded = decode(EmbeddedTicket, done.records[0].value, done.records[0].headers)
        assert embedded.texts_embedded <= len(bench.texts)
    await bench.settle(message, done)
    message = bench.last_on(EMBEDDED)
    await bench.settle(message, await bench.index.handle(message))
    assert bench.holds(comments_of(45))
    assert len(bench.texts) < 1.4 * len(chunks_of(comments_of(45)))


async def test_a_text_that_is_refused_makes_a_dead_letter_of_the_ticket_and_leaves_no_parts() -> None:
    bench = StagesBench()
    bench.zendesk.comments = comments_of(30)
    message = bench.next_change()
    await bench.settle(message, await bench.enrich.handle(message))
    bench.batcher.fails_at, bench.batcher.error = 3, RefusedError("a text is refused")
    with pytest.raises(RefusedError):
        await bench.embed.handle(bench.last_on(ENRICHED))
    assert bench.parts(EMBEDDED) == []
    # Tried again, it goes through: its own parts are all there.
    message = bench.last_on(ENRICHED)
    await bench.settle(message, await bench.embed.handle(message))
    message = bench.last_on(EMBEDDED)
    await bench.settle(message, await bench.index.handle(message))
    assert bench.holds(comments_of(30))


@pytest.mark.parametrize("topic", [ENRICHED, EMBEDDED])
async def test_lost_parts_are_a_dead_letter_and_those_replaced_are_stale(topic: str) -> None:
    bench = StagesBench()
    await bench.change(comments_of(30))
    message = bench.last_on(topic)
    stage: Any = bench.embed if topic == ENRICHED else bench.index
    kind: Any = EnrichedTicket if topic == ENRICHED else EmbeddedTicket
    parts = decode(kind, message.value, message.headers).parts
    bench.lost.add(parts.refs[1].digest)
    await bench.tables["indexed"].put(0, [(KEY, None)])
    if topic == ENRICHED:  # what has been made of them is not needed any more
        await bench.tables["parts"].put(0, [(set_key(KEY, EMBEDDED, name), None) for name in bench.made()])
    with pytest.raises(PartsMissingError):
        await stage.handle(message)
    await bench.tables["parts"].put(0, [(key, None) for _, key in list(bench.tables["parts"].entries)])
    done = await stage.handle(message)
    assert done.reason == "stale"
    if topic == EMBEDDED:  # some of it may be in Weaviate: what comes next looks for it
        await bench.settle(message, done)
        bench.lost.clear()
        bench.leave_over()
        await bench.change(comments_of(31))
        assert bench.holds(comments_of(31))


async def test_an_older_state_never_takes_the_place_of_a_newer_one() -> None:
    bench = StagesBench()
    await bench.change(comments_of(30))
    older = bench.last_on(EMBEDDED)
    await bench.change(comments_of(3))
    objects = dict(bench.objects)
    done = await bench.index.handle(older._replace(headers=[*older.headers, ("replay", b"r1")]))
    assert done.reason == "stale"
    assert bench.objects == objects


async def test_a_replayed_large_ticket_is_written_again_and_what_is_beyond_goes() -> None:
    bench = StagesBench()
    await bench.change(comments_of(30))
    some = list(bench.objects)[:50]
    for identity in some:
        del bench.objects[identity]
    bench.leave_over()
    message = bench.last_on(EMBEDDED)
    message = message._replace(headers=[*message.headers, ("replay", b"r1")])
    await bench.settle(message, await bench.index.handle(message))
    assert bench.holds(comments_of(30))


async def test_parts_that_do_not_make_up_the_ticket_delete_nothing() -> None:
    bench = StagesBench()
    await bench.change(comments_of(30))
    message = bench.last_on(EMBEDDED)
    ticket = decode(EmbeddedTicket, message.value, message.headers)
    assert ticket.parts is not None
    assert ticket.many is not None
    short = a_message(
        EmbeddedTicket(
            **{name: getattr(ticket, name) for name in EmbeddedTicket.__struct_fields__ if name != "parts"},
            parts=type(ticket.parts)(ticket.parts.set, 0, ticket.parts.refs[:-1]),
        )
    )
    await bench.tables["indexed"].put(0, [(KEY, None)])
    with pytest.raises(PermanentError, match="are not the chunks"):
        await bench.index.handle(short)
    assert bench.holds(comments_of(30))
    assert bench.tables["indexed"].get(0, KEY) is None


async def test_a_small_ticket_has_no_parts_and_no_entry_of_its_own() -> None:
    bench = StagesBench()
    await bench.change(comments_of(20, 400))
    assert bench.holds(comments_of(20, 400))
    assert (bench.parts(ENRICHED), bench.parts(EMBEDDED), bench.sets()) == ([], [], 0)
    entry: IndexedTicket = bench.tables["indexed"].get(0, KEY)
    assert entry.many is None
    assert len(entry.public) + len(entry.internal) == len(chunks_of(comments_of(20, 400)))


async def test_one_comment_larger_than_a_part_is_shared_out() -> None:
    bench = StagesBench()
    comments = [*comments_of(2, 400), *comments_of(1, 3 * PART_BYTES, first=7)]
    await bench.change(comments)
    values = bench.parts(ENRICHED)
    assert max(map(len, values)) < 2 * PART_BYTES
    said = [one for value in values for one in decode_value(EnrichedPart, value).passages]
    assert "".join(one.text for one in said if one.comment_id == 7) == str(comments[-1].plain_body).strip()
    chunks = [one for value in bench.parts(EMBEDDED) for one in decode_value(EmbeddedPart, value).chunks]
    assert len(chunks) == len(bench.objects)


async def test_comments_that_came_ahead_of_their_ticket_are_read_from_its_topic() -> None:
    bench = StagesBench()
    comments = comments_of(45)
    large = in_parts(a_change(1, comments=comments, source="file"))
    assert len(large.parts) == 1
    record = await send_parts(large, bench.producer.send, 1)  # type: ignore[arg-type]
    message = Incoming(BACKFILL, 0, 9, record.key, record.value, record.headers)
    await bench.settle(message, await bench.enrich.handle(message))
    enriched = decode(EnrichedTicket, bench.last_on(ENRICHED).value, bench.last_on(ENRICHED).headers)
    assert enriched.parts is not None
    said = [one for each in bench.parts(ENRICHED) for one in decode_value(EnrichedPart, each).passages]
    assert said == passages_of(comments, NAMES)
    # The same file once more changes nothing, wherever its parts lie now.
    record = await send_parts(large, bench.producer.send, 1)  # type: ignore[arg-type]
    message = Incoming(BACKFILL, 0, 10, record.key, record.value, record.headers)
    assert (await bench.enrich.handle(message)).reason == "duplicate"


async def test_a_hint_that_finds_a_large_ticket_as_it_was_takes_its_parts_back() -> None:
    bench = StagesBench()
    bench.zendesk.comments = comments_of(30)
    for offset, verdict in ((1, "sent"), (2, "skipped"), (3, "skipped")):
        hint = TicketHint(account="acme", ticket_id=1, hinted_at=1.0)
        message = Incoming(CHANGES, 0, offset, KEY, encode(hint), headers_of(hint))
        done = await bench.settle(message, await bench.enrich.handle(message))
        assert done.verdict == verdict
        enriched = decode(EnrichedTicket, bench.last_on(ENRICHED).value, bench.last_on(ENRICHED).headers)
        assert enriched.parts is not None
        assert len(bench.parts(ENRICHED)) == len(enriched.parts.refs)
        assert bench.sets() == 1
