"""Real meaning without a key: wordllama's vectors in the shape of Gemini's.

A 256-dimensional vector is turned by a fixed shuffle of its model's own (so that the spaces of two
models have nothing in common) and repeated to 3072 dimensions. Cutting that off, as a smaller
``outputDimensionality`` does, keeps cosine similarity exactly at every multiple of 256.
"""

from __future__ import annotations

import re
import zlib
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from schemas.vectors import Vector, normalized
from streams.embeddings.local import DIMENSIONS, WordLlamaModel

FULL: Final = 3072
_INSTRUCTION: Final = re.compile(r"(title: [^|]*\| text: |task: [^|]*\| query: )")


class SampleModel(msgspec.Struct, frozen=True):
    """What is known of one of Google's models.

    ``max_tokens``: the rest of a longer text is cut off without a word (documented for Vertex AI as
    the default, ``autoTruncate``; the Gemini API has no such option and names only the limit).
    ``normalizes``: whether vectors below 3072 dimensions have length 1 too.
    ``instructions``: whether the purpose stands at the beginning of the text, not in ``taskType``.
    """

    space: str
    max_tokens: int
    normalizes: bool
    instructions: bool


MODELS: Final = {
    "gemini-embedding-001": SampleModel("001", 2_048, normalizes=False, instructions=False),
    "gemini-embedding-2": SampleModel("2", 8_192, normalizes=True, instructions=True),
    "gemini-embedding-2-preview": SampleModel("2", 8_192, normalizes=True, instructions=True),
}
"""Source: https://ai.google.dev/gemini-api/docs/embeddings"""


class SampleVectors:
    """Makes the vectors of every model."""

    def __init__(self, wordllama: WordLlamaModel | None = None) -> None:
        self._wordllama = wordllama or WordLlamaModel()
        self._shuffles = {model.space: _shuffle(model.space) for model in MODELS.values()}

    def tokens(self, text: str, model: SampleModel) -> list[int]:
        """Return the tokens of a text that the model reads."""
        if model.instructions:
            text = _INSTRUCTION.sub("", text, count=1) or text
        return self._wordllama.tokens(text)[: model.max_tokens]

    def blocks(self, tokens: list[list[int]], model: SampleModel) -> Vector:
        """Return the first 256 of the 3072 dimensions for each text; the others repeat them."""
        rows = np.stack([self._wordllama.vector(ids) for ids in tokens])
        order, signs = self._shuffles[model.space]
        shuffled: Vector = np.take(normalized(rows), order, axis=1) * signs
        return np.ascontiguousarray(shuffled)

    def values(self, tokens: list[list[int]], model: SampleModel, dimensions: int) -> list[bytes]:
        """Return the vector of each text as a JSON array."""
        blocks = self.blocks(tokens, model)
        whole, rest = divmod(dimensions, DIMENSIONS)
        if model.normalizes:
            lengths = np.sqrt(whole * (blocks**2).sum(axis=1) + (blocks[:, :rest] ** 2).sum(axis=1))
            blocks = (blocks / np.where(lengths == 0, 1, lengths)[:, None]).astype(np.float32)
        # Written once and repeated: writing floats is most of the work of an answer.
        arrays = []
        for block in blocks:
            parts = [_json(block)] * whole
            if rest:
                parts.append(_json(block[:rest].copy()))
            arrays.append(b"[" + b",".join(parts) + b"]")
        return arrays


def _json(block: Vector) -> bytes:
    return orjson.dumps(block, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]


def _shuffle(space: str) -> tuple[npt.NDArray[np.intp], Vector]:
    """Return an order and the signs of the dimensions, with the length of one of the twelve blocks.

    A shuffle is a rotation that costs nothing; a matrix would start a thread on every processor.
    """
    seeded = np.random.default_rng(zlib.crc32(space.encode()))
    signs = seeded.choice([-1.0, 1.0], size=DIMENSIONS) / np.sqrt(FULL / DIMENSIONS)
    return seeded.permutation(DIMENSIONS), signs.astype(np.float32)
