"""How well a search answers, beside the way it was made before: Weaviate's own words and its own fusion.

Both hold the same tickets with the same vectors, in one Weaviate, and are asked the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from weaviate.proto.v1 import batch_pb2

from benchmarks.figures import Chart, Figure, Findings, Series, at_least, plain
from benchmarks.retrieval import former
from benchmarks.retrieval.account import (
    SAMPLE,
    SCRIPTS,
    embedded,
    sample_items,
    script_items,
    ticket_of,
)
from benchmarks.retrieval.questions import QUESTIONS, Question
from benchmarks.retrieval.scripts import WORDS
from benchmarks.stack import BenchStack, unlimited
from schemas.settings import Settings
from schemas.vectors import Vector
from streams.embeddings.local import LocalProvider
from streams.sinks.base import SinkItem
from streams.sinks.weaviate import requests
from streams.sinks.weaviate.client import WeaviateConnection, connect
from streams.sinks.weaviate.collection import ensure_collection
from streams.sinks.weaviate.objects import batch_objects
from streams.sinks.weaviate.search import Search
from streams.transforms.chunking import own_text

_NOW: Final = "Tickets_search_now"
_BEFORE: Final = "Tickets_search_before"
_DIMENSIONS: Final = 256
_HITS: Final = 10
_GOAL: Final = 0.9

Found = list[tuple[int, str]]
"""Tickets with the passages shown, best first."""
Ask = Callable[[str, str, Vector], Awaitable[Found]]
"""Account, question, its vector."""
Note = Callable[[str], None]


class Quality(msgspec.Struct, kw_only=True):
    """Shares of all questions; ``missed`` are those whose first passage does not answer."""

    ticket_first: float = 0.0
    ticket_mrr: float = 0.0
    passage_first: float = 0.0
    passage_mrr: float = 0.0
    missed: list[str] = []


class Way(msgspec.Struct, kw_only=True):
    """One way of searching: how well, which words it finds, and what it costs to fill and to keep."""

    answers: Quality
    words: dict[str, bool]
    seconds: float
    megabytes: float


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Fill two collections with the sample account and the words in many scripts, and ask both."""
    del workers  # no worker takes part
    with BenchStack(unlimited(10), workers=0) as stack:
        before, now = asyncio.run(_both(stack, tickets, note))
    return Findings(
        scenario="search",
        figures=_figures(before, now),
        measured={"before": before, "now": now},
        charts=[
            Chart(
                title=f"{len(QUESTIONS)} questions, {len(WORDS)} words in {len(_languages())} languages",
                unit="share right at the first place",
                series=[
                    Series(
                        name=name, values=[way.answers.ticket_first, way.answers.passage_first, _share(way)]
                    )
                    for name, way in (("before", before), ("now", now))
                ],
                labels=["ticket", "passage", "word"],
            )
        ],
    )


def _figures(before: Way, now: Way) -> list[Figure]:
    figures = []
    for field, name in (
        ("ticket_first", "ticket that answers, first"),
        ("ticket_mrr", "ticket that answers, MRR"),
        ("passage_first", "passage that answers, first"),
        ("passage_mrr", "passage that answers, MRR"),
    ):
        figures.append(plain(f"{name}, before", round(getattr(before.answers, field), 3)))
        figures.append(at_least(name, getattr(now.answers, field), _GOAL))
    for language in _languages():
        own = [word for word in WORDS if word.language == language]
        found = [sum(way.words[f"{word.language} {word.asked}"] for word in own) for way in (before, now)]
        figures.append(plain(f"{language}: words found, of {len(own)}, before", found[0]))
        figures.append(at_least(f"{language}: words found, of {len(own)}", found[1], len(own)))
    return [
        *figures,
        plain("writing takes, beside before", now.seconds / before.seconds, "×"),
        plain("space on disk, beside before", now.megabytes / before.megabytes, "×"),
    ]


def _languages() -> list[str]:
    return list(dict.fromkeys(word.language for word in WORDS))


def _share(way: Way) -> float:
    return sum(way.words.values()) / len(way.words)


async def _both(stack: BenchStack, tickets: int, note: Note) -> tuple[Way, Way]:
    settings: Settings = stack.settings
    provider = LocalProvider(dimensions=_DIMENSIONS)
    note(f"{tickets:,} tickets are cut and embedded")
    items = [*await sample_items(tickets, provider), *await script_items(provider)]
    vectors = await embedded(
        [*(question.text for question in QUESTIONS), *(word.asked for word in WORDS)], provider
    )
    async with await connect(settings) as connection:
        note("written and asked as before")
        await former.make_collection(connection.client, _BEFORE)
        made = former.without_words(_objects(_BEFORE, items))
        seconds = await _write(connection, made)
        objects = connection.client.collections.use(_BEFORE)

        async def ask_before(account: str, text: str, vector: Vector) -> Found:
            return await former.search(objects.with_tenant(account), text, vector, _HITS)

        before = await _way(stack, _BEFORE, items, vectors, ask_before, seconds)
        note("written and asked as now")
        await ensure_collection(connection.client, _NOW)
        started = time.perf_counter()
        made = _objects(_NOW, items)
        seconds = time.perf_counter() - started + await _write(connection, made)
        search = Search(connection, _NOW)

        async def ask_now(account: str, text: str, vector: Vector) -> Found:
            hits = await search.search(account, text, vector, limit=_HITS)
            return [(hit.ticket_id, hit.text) for hit in hits]

        return before, await _way(stack, _NOW, items, vectors, ask_now, seconds)


def _objects(collection: str, items: Sequence[SinkItem]) -> list[batch_pb2.BatchObject]:
    return [each for item in items for each in batch_objects(collection, _DIMENSIONS, item)]


async def _write(connection: WeaviateConnection, objects: Sequence[batch_pb2.BatchObject]) -> float:
    started = time.perf_counter()
    for batch in requests.batches(objects):
        reply = await connection.call("BatchObjects", requests.upsert(batch))
        assert not reply.errors, reply.errors[0].error
    return time.perf_counter() - started


async def _way(
    stack: BenchStack,
    collection: str,
    items: Sequence[SinkItem],
    vectors: Sequence[Vector],
    ask: Ask,
    seconds: float,
) -> Way:
    bodies = {
        (item.ticket_id, chunk.text): own_text(item.facts.subject, chunk.text)
        for item in items
        if item.account == SAMPLE
        for chunk in item.upserts
    }
    answers = Quality()
    for question, vector in zip(QUESTIONS, vectors, strict=False):
        right = {place for place, body in bodies.items() if _answers(question, body)}
        tickets = {ticket for ticket, _ in right}
        found = await ask(SAMPLE, question.text, vector)
        ticket = _place([number in tickets for number, _ in found])
        passage = _place([place in right for place in found])
        answers.ticket_first += (ticket == 1) / len(QUESTIONS)
        answers.ticket_mrr += ticket / len(QUESTIONS)
        answers.passage_first += (passage == 1) / len(QUESTIONS)
        answers.passage_mrr += passage / len(QUESTIONS)
        if passage != 1:
            answers.missed.append(question.text)
    words = {}
    for number, (word, vector) in enumerate(zip(WORDS, vectors[len(QUESTIONS) :], strict=True)):
        found = await ask(SCRIPTS, word.asked, vector)
        words[f"{word.language} {word.asked}"] = bool(found) and found[0][0] == ticket_of(number, 0)
    folder = stack.folder / "weaviate" / collection.lower()
    return Way(answers=answers, words=words, seconds=round(seconds, 2), megabytes=_megabytes(folder))


def _answers(question: Question, body: str) -> bool:
    return any(sentence in body for sentence in question.answers)


def _place(right: Sequence[bool]) -> float:
    """Return 1 by the place of the first that is right, 0 where none is."""
    return 1 / (right.index(True) + 1) if True in right else 0.0


def _megabytes(folder: Path) -> float:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()) / 1e6
