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
from schemas.settings.load import Settings
from schemas.vectors import Vector
from streams.embeddings.local import LocalProvider
from streams.search.hybrid import Search
from streams.sinks.base import SinkItem
from streams.sinks.weaviate.objects import batch_objects
from streams.transforms.chunking import own_text
from streams.transforms.words import words_of
from streams.weaviate import requests
from streams.weaviate.client import WeaviateConnection, connect
from streams.weaviate.collection import ensure_collection

_NOW: Final = "Tickets_search_now"
_BEFORE: Final = "Tickets_search_before"
_DIMENSIONS: Final = 256
_HITS: Final = 10
_TICKETS_A_TURN: Final = 50
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
        note("written both ways, and asked")
        await former.make_collection(connection.client, _BEFORE)
        await ensure_collection(connection.client, _NOW)
        before, now = await _write(connection, items)
        objects = connection.client.collections.use(_BEFORE)
        search = Search(connection, _NOW)

        async def ask_before(account: str, text: str, vector: Vector) -> Found:
            return await former.search(objects.with_tenant(account), text, vector, _HITS)

        async def ask_now(account: str, text: str, vector: Vector) -> Found:
            hits = await search.search(account, text, vector, limit=_HITS)
            return [(hit.ticket_id, hit.text) for hit in hits]

        return (
            await _way(stack, _BEFORE, items, vectors, ask_before, before),
            await _way(stack, _NOW, items, vectors, ask_now, now),
        )


async def _write(connection: WeaviateConnection, items: Sequence[SinkItem]) -> tuple[float, float]:
    """Write to both collections by turns, and return what each took; the second makes its words first."""
    seconds = [0.0, 0.0]
    for start in range(0, len(items), _TICKETS_A_TURN):
        part = items[start : start + _TICKETS_A_TURN]
        both = (former.without_words(_objects(_BEFORE, part)), _objects(_NOW, part))
        started = time.perf_counter()
        for item in part:
            for chunk in item.upserts:
                words_of(chunk.text)
        seconds[1] += time.perf_counter() - started
        # What comes second waits for what Weaviate still does for the first.
        for place in (0, 1) if start % (2 * _TICKETS_A_TURN) else (1, 0):
            started = time.perf_counter()
            reply = await connection.call("BatchObjects", requests.upsert(both[place]))
            seconds[place] += time.perf_counter() - started
            assert not reply.errors, reply.errors[0].error
    return seconds[0], seconds[1]


def _objects(collection: str, items: Sequence[SinkItem]) -> list[batch_pb2.BatchObject]:
    return [each for item in items for each in batch_objects(collection, _DIMENSIONS, item)]


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
