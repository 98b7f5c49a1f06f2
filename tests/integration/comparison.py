"""Holds every chunk in Weaviate against the account's truth."""

from __future__ import annotations

import hashlib
import random
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from harness import Desk, until

from schemas.ids import Visibility, chunk_id, collection_name, content_hash
from schemas.messages.tickets import TicketFacts
from schemas.zendesk import Comment
from streams.embeddings.local import LocalProvider, WordLlamaModel
from streams.transforms.chunking import CHUNKER_VERSION, Chunk, chunk_ticket
from streams.transforms.names import Names
from streams.transforms.whole_ticket import passages_of
from streams.weaviate.client import connect
from streams.weaviate.contents import Contents
from streams.weaviate.reading import StoredChunk

ARRIVES_SECONDS = 90.0
_VECTORS_COMPUTED_ANEW = 50
_EQUAL: set[bytes] = set()
"""Digests of tickets and their chunks that were compared and found equal: most tickets of an account are
the same in the next comparison."""
_TOKEN = re.compile(r"[A-Za-z0-9]+|[^\W_]")
Place = tuple[int, Visibility, int]


class Differences(msgspec.Struct):
    """How the index differs from the account: numbers of chunks (``facts``, ``words``: of tickets)."""

    lost: int = 0
    doubled: int = 0
    stale: int = 0
    """Another text than the ticket has now."""
    orphaned: int = 0
    """Chunks of removed tickets, and beyond what a ticket has."""
    facts: int = 0
    """Properties that are not the ticket's."""
    ids: int = 0
    words: int = 0
    """Words of comments that are missing or too many in the chunks of a visibility."""
    visibility: int = 0
    """Tickets with words in public chunks that only their internal comments have, or the other way round."""
    vectors: int = 0
    examples: list[str] = []

    def note(self, kind: str, example: object) -> None:
        """Count one difference."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.examples) < 10:
            self.examples.append(f"{kind}: {example}")


class Comparison(msgspec.Struct):
    """What was compared, and what differs."""

    tickets: int
    chunks: int
    differences: Differences

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return self.differences == Differences()


async def stored_chunks(desk: Desk) -> list[StoredChunk]:
    """Return everything Weaviate holds of the desk's account, with vectors."""
    async with _contents(desk) as contents:
        return await _all(contents, desk.account)


@asynccontextmanager
async def _contents(desk: Desk) -> AsyncIterator[Contents]:
    settings = desk.settings
    collection = collection_name(settings.embedding_model, settings.embedding_dimensions, CHUNKER_VERSION)
    async with await connect(settings) as connection:
        yield Contents(connection, collection)


async def _all(contents: Contents, account: str) -> list[StoredChunk]:
    return [each async for each in contents.iterate_objects(account, include_vector=True)]


async def compare(desk: Desk, *, only: Iterable[int] = (), without: Iterable[int] = ()) -> Comparison:
    """Compare index and account; ``only`` these tickets where any are named, and not those ``without``."""
    wanted, unwanted = set(only), set(without)

    def counts(ticket_id: int) -> bool:
        return ticket_id not in unwanted and (not wanted or ticket_id in wanted)

    held: dict[int, list[StoredChunk]] = defaultdict(list)
    async with _contents(desk) as contents:
        chunks = [chunk for chunk in await _all(contents, desk.account) if counts(chunk.ticket_id)]
        # What no filter by their tickets' numbers finds is lost to readers.
        tickets_held = sorted({chunk.ticket_id for chunk in chunks})
        indexed = {place.id async for place in contents.places_of(desk.account, tickets_held)}
    for chunk in chunks:
        held[chunk.ticket_id].append(chunk)
    found = Differences()
    tickets = 0
    for truth in desk.zendesk.truth():
        if counts(truth["id"]):
            own = held.pop(truth["id"], [])
            tickets += not truth["removed"]
            _compare_unless_known(found, desk.account, truth, own)
    for ticket_id, own in held.items():
        for _ in own:
            found.note("orphaned", f"ticket {ticket_id} was never there")
    for chunk in chunks:
        if chunk.id not in indexed:
            found.note("lost", f"ticket {chunk.ticket_id}: no filter finds {chunk.text[:60]!r}")
    await _compare_vectors(found, desk, chunks)
    return Comparison(tickets=tickets, chunks=len(chunks), differences=found)


async def assert_equal(desk: Desk, *, without: Iterable[int] = ()) -> Comparison:
    """Compare the whole account, and fail with what differs."""
    comparison = await compare(desk, without=without)
    assert comparison.differences == Differences(), comparison.differences
    assert comparison.chunks >= comparison.tickets * 0.9
    return comparison


async def arrived(desk: Desk, *tickets: int) -> None:
    """Wait until the index holds these tickets, or all where none is named, as they are now."""

    async def equal() -> bool:
        return await _stand_right(desk, tickets) and (await compare(desk, only=tickets)).equal

    try:
        await until(equal, ARRIVES_SECONDS, f"tickets {tickets or 'of the account'} as they are now")
    except AssertionError as error:
        raise AssertionError(
            f"{error}\n{(await compare(desk, only=tickets)).differences}\n"
            f"unacknowledged: {await desk.unacknowledged()}\n{desk.log()[-3000:]}"
        ) from None


async def _stand_right(desk: Desk, tickets: Sequence[int]) -> bool:
    """Say whether each chunk stands where it should, by its hash: that much is read without the texts."""
    truths = map(desk.zendesk.truth_of, tickets) if tickets else desk.zendesk.truth()
    expected = {
        (truth["id"], chunk.visibility, chunk.chunk_index): (chunk.content_hash, truth["ticket"]["status"])
        for truth in truths
        if not truth["removed"]
        for chunk in expected_chunks(truth)
    }
    async with _contents(desk) as contents:
        places = (
            contents.places_of(desk.account, tickets) if tickets else contents.iterate_places(desk.account)
        )
        held = {
            (each.ticket_id, each.visibility, each.chunk_index): (each.content_hash, each.status)
            async for each in places
        }
    return held == expected


def _compare_unless_known(
    found: Differences, account: str, truth: Mapping[str, Any], held: Sequence[StoredChunk]
) -> None:
    chunks = [(each.id, each.visibility, each.chunk_index, each.text, each.facts) for each in held]
    hashes = [each.content_hash for each in held]
    digest = hashlib.sha256(msgspec.msgpack.encode((account, truth, chunks, hashes))).digest()
    if digest not in _EQUAL:
        before = msgspec.structs.replace(found, examples=list(found.examples))
        _compare_ticket(found, account, truth, held)
        if found == before:
            _EQUAL.add(digest)


def _compare_ticket(
    found: Differences, account: str, truth: Mapping[str, Any], held: Sequence[StoredChunk]
) -> None:
    number: int = truth["id"]
    if truth["removed"]:
        for chunk in held:
            found.note("orphaned", f"ticket {number} is removed, but holds {chunk.text[:60]!r}")
        return
    by_place: dict[Place, StoredChunk] = {}
    for chunk in held:
        place = (number, chunk.visibility, chunk.chunk_index)
        if place in by_place:
            found.note("doubled", place)
        by_place[place] = chunk
        if chunk.id != chunk_id(account, *place) or chunk.id.version != 5:
            found.note("ids", place)
    _compare_chunks(found, truth, by_place)
    _compare_facts(found, truth, held)
    for visibility in ("public", "internal"):
        own = [chunk for chunk in held if chunk.visibility == visibility]
        if sorted(chunk.chunk_index for chunk in own) != list(range(len(own))):
            found.note("orphaned", f"ticket {number}: {visibility} chunks are not numbered from 0 on")
        _compare_words(found, truth, visibility, [chunk.text for chunk in own])


def expected_chunks(truth: Mapping[str, Any]) -> list[Chunk]:
    """Return what the project's own chunker makes of a ticket's truth."""
    names = Names(users={int(user): name for user, name in truth["people"].items()})
    comments = msgspec.convert(truth["comments"], list[Comment])
    return chunk_ticket(truth["ticket"]["subject"] or "", passages_of(comments, names))


def _compare_chunks(
    found: Differences, truth: Mapping[str, Any], by_place: Mapping[Place, StoredChunk]
) -> None:
    expected = {(truth["id"], each.visibility, each.chunk_index): each for each in expected_chunks(truth)}
    for place, chunk in expected.items():
        held = by_place.get(place)
        if held is None:
            found.note("lost", place)
        elif (held.text, held.content_hash) != (chunk.text, chunk.content_hash):
            found.note("stale", f"{place}: {held.text[-60:]!r} is not {chunk.text[-60:]!r}")
        elif held.content_hash != content_hash(held.text):
            found.note("stale", f"{place}: the hash is not the text's")
    for place in by_place.keys() - expected.keys():
        found.note("orphaned", place)


def _compare_facts(found: Differences, truth: Mapping[str, Any], held: Sequence[StoredChunk]) -> None:
    ticket = truth["ticket"]

    def person(field: str) -> str:
        return "" if ticket[field] is None else str(truth["people"][str(ticket[field])])

    facts = TicketFacts(
        subject=ticket["subject"] or "",
        status=ticket["status"],
        priority=ticket["priority"] or "",
        tags=ticket["tags"],
        requester=person("requester_id"),
        assignee=person("assignee_id"),
        organization=truth["organization"],
        group=truth["group"],
        created_at=ticket["created_at"],
        updated_at=ticket["updated_at"],
        merged_into=truth["merged_into"] or 0,
    )
    wrong = [chunk.facts for chunk in held if chunk.facts != facts]
    if wrong:
        found.note("facts", f"ticket {truth['id']}: {wrong[0]} is not {facts}")


def _compare_words(
    found: Differences, truth: Mapping[str, Any], visibility: str, texts: Sequence[str]
) -> None:
    """Count the words of the comments themselves: nothing here goes through the project's own transforms."""
    public = visibility == "public"
    comments = [each for each in truth["comments"] if each["public"] is public]
    expected: Counter[str] = Counter()
    for comment in comments:
        words = _words(comment["plain_body"])
        files = [file["file_name"] for file in comment["attachments"]]
        expected += words
        if files:
            expected += _words("Attachments: " + ", ".join(files))
        if comment["plain_body"].strip():
            expected += _words(truth["people"][str(comment["author_id"])])
    subject = _words(truth["ticket"]["subject"] or "")
    for _ in texts:
        expected += subject
    seen: Counter[str] = Counter()
    for text in texts:
        seen += _words(text)
    if seen != expected:
        missing, extra = list(expected - seen)[:5], list(seen - expected)[:5]
        found.note(
            "words", f"ticket {truth['id']}, {visibility}: missing {missing}, not expected there {extra}"
        )
    foreign: set[str] = set()
    for comment in truth["comments"]:
        if comment["public"] is not public:
            foreign |= _words(comment["plain_body"]).keys()
    strayed = (seen.keys() - expected.keys()) & foreign
    if strayed:
        found.note("visibility", f"ticket {truth['id']}: {sorted(strayed)[:5]} in {visibility} chunks")


def _words(text: str) -> Counter[str]:
    return Counter(_TOKEN.findall(unicodedata.normalize("NFC", text.replace("&nbsp;", " "))))


@cache
def _model() -> WordLlamaModel:
    """Return the local model: loading it takes longer than a comparison."""
    return WordLlamaModel()


async def _compare_vectors(found: Differences, desk: Desk, chunks: Sequence[StoredChunk]) -> None:
    size = desk.settings.embedding_dimensions
    whole: dict[UUID, StoredChunk] = {}
    for chunk in chunks:
        if chunk.vector is None or chunk.vector.size != size or not np.isfinite(chunk.vector).all():
            found.note("vectors", f"ticket {chunk.ticket_id}: no vector of {size} numbers")
        else:
            whole[chunk.id] = chunk
    chosen = random.Random(1).sample(
        sorted(whole.values(), key=lambda chunk: chunk.id), min(len(whole), _VECTORS_COMPUTED_ANEW)
    )
    if not chosen or desk.settings.embedding_provider != "local":
        return
    anew = await LocalProvider(_model(), size).embed([chunk.text for chunk in chosen], "document")
    for chunk, vector in zip(chosen, anew, strict=True):
        held = chunk.vector
        assert held is not None
        cosine = float(held @ vector / (np.linalg.norm(held) * np.linalg.norm(vector)))
        if cosine <= 0.999:
            found.note("vectors", f"ticket {chunk.ticket_id}: the cosine with the text's vector is {cosine}")
