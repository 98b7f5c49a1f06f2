"""Which passages answer a question best, of two lists: those with its words, those of its meaning. Pure.

Weaviate's own fusion gives nothing to the last of those that have a word, and its scores change with the
number of results asked for. Here a passage gains by each word asked for that it has, and the best ones come
out the same whatever the limit. ``make bench BENCH_ARGS='--only search'`` measures what the numbers below do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from schemas.ids import Visibility
from streams.transforms.chunking import own_text
from streams.transforms.words import words_of
from streams.weaviate.reading import StoredChunk

SCALE: Final = 40
"""A list's scores are stretched between its best and its fortieth; those behind it differ in order only."""

_MEANING: Final = 0.5
"""The share of meaning in a score; the rest is words. With more, a text that has the very error code
asked for can lose against one that is merely alike."""
_LEAST: Final = 0.2
"""The part of the words' share that the weakest of the first forty matches gets; those behind get nothing."""
_MEANING_OF_A_WORD: Final = 0.25
_LEAST_OF_A_WORD: Final = 0.5
"""The same where one word is asked for. Who searches for a name or a code wants to see it: what has it comes
before all that has not."""
_COVERED: Final = 0.25
"""The part of the words' share that needs all the words that were asked for."""
_NO_BEARING: Final[Mapping[Visibility, float]] = {"public": 0.7, "internal": 0.6}
"""What remains of a score that comes from the ticket's subject, where the passage's own words hold nothing of
what is asked. The subject is embedded with each passage, so a short note seems to be about it."""

Ranked = Sequence[tuple[UUID, float]]


class Ranking(NamedTuple):
    """A chunk with its score, 0 to 1; ``order`` tells apart those of equal score. Higher is better."""

    chunk: StoredChunk
    score: float
    order: float


def ranked(
    chunks: Iterable[StoredChunk],
    by_words: Ranked,
    by_meaning: Ranked,
    asked: Sequence[str],
    *,
    is_word: bool,
) -> list[Ranking]:
    """Return the chunks, best first: the same for the same lists.

    The lists are (id, score), best first: BM25 with the words ``asked``, and cosine similarity. ``is_word``
    says that the question was a single word.
    """
    meaning_share, weakest = (_MEANING_OF_A_WORD, _LEAST_OF_A_WORD) if is_word else (_MEANING, _LEAST)
    words, meanings = _scaled(by_words), _scaled(by_meaning)
    wanted, first = frozenset(asked), {key for key, _ in by_words[:SCALE]}
    found = []
    for chunk in chunks:
        word, weight = words.get(chunk.id, (None, 0.0))
        meaning, cosine = meanings.get(chunk.id, (0.0, -1.0))
        subject = chunk.facts.subject
        own = wanted.intersection(words_of(own_text(subject, chunk.text)))
        headed = wanted.intersection(words_of(subject))
        share = 0.0
        if word is not None and (is_word or chunk.id in first):
            coverage = len(own | headed) / len(wanted)
            share = (weakest + (1 - weakest) * word) * (1 - _COVERED + _COVERED * coverage)
        score = meaning_share * meaning + (1 - meaning_share) * share
        if headed and not own:
            score *= _NO_BEARING[chunk.visibility]
        found.append(Ranking(chunk, score, weight + cosine))
    found.sort(key=lambda each: (-each.score, -each.order, each.chunk.ticket_id, each.chunk.id))
    return found


def _scaled(scores: Ranked) -> dict[UUID, tuple[float, float]]:
    """Return each one's part of the way from the fortieth to the best, and its own score."""
    if not scores:
        return {}
    best, least = scores[0][1], scores[:SCALE][-1][1]
    span = best - least
    return {key: (max(0.0, (raw - least) / span) if span > 0 else 1.0, raw) for key, raw in scores}
