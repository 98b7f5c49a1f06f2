"""What every embedding provider offers, and the checks every provider's answer passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import numpy as np

from schemas.errors import InvalidVectorError, RefusedError, UnavailableError
from schemas.vectors import Vector, normalized

Purpose = Literal["document", "query"]


class MissingVectorsError(UnavailableError):
    """An answer with another number of vectors than texts; worth a few attempts, not more."""


class UnansweredError(UnavailableError):
    """No whole answer came, so the call may have been carried out, and paid, all the same."""


class SomeInvalidError(InvalidVectorError):
    """Some vectors of an answer are unusable, and the others are not.

    ``vectors``: shape (texts, dimensions), rows of zeros where ``reasons`` (by row) says what is wrong.
    """

    def __init__(self, vectors: Vector, reasons: Mapping[int, str]) -> None:
        super().__init__(next(iter(reasons.values())))
        self.vectors = vectors
        self.reasons = reasons


class EmbeddingProvider(Protocol):
    """Turns texts into vectors, one call at a time: no batching, no waiting, no retries.

    ``max_texts`` is the most texts of one call, ``max_tokens`` the most tokens of one text.
    """

    @property
    def model(self) -> str:
        """The name of the model."""

    @property
    def dimensions(self) -> int:
        """The size of a vector."""

    @property
    def max_texts(self) -> int:
        """The most texts of one call."""

    @property
    def max_tokens(self) -> int:
        """The most tokens of one text."""

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Vector:
        """Return one vector of length 1 for each text: float32 of shape (texts, dimensions).

        Raises RateLimitedError and UnavailableError (try again; MissingVectorsError among them, when
        texts and vectors differ in number), RefusedError (these texts never), InvalidVectorError
        (wrong size; SomeInvalidError where that is so of some only) and UserError (credentials or settings).
        """

    def count_tokens(self, text: str) -> int:
        """Return about how many tokens a text is; cheap, and never grossly too low."""

    async def close(self) -> None:
        """Let go of connections."""


def sendable_texts(texts: Sequence[str], max_texts: int) -> list[str]:
    """Return the texts as they can be sent: a lone surrogate, which UTF-8 cannot carry, becomes "?".

    Raises RefusedError for a call that no provider should ever be sent: too many texts, or an empty
    one, which may fail the whole batch at Gemini and has no meaning anywhere.
    """
    if len(texts) > max_texts:
        raise RefusedError(f"{len(texts)} texts in one embedding call; at most {max_texts} are allowed")
    if any(not text.strip() for text in texts):
        raise RefusedError("an empty text cannot be embedded")
    return [text.encode("utf-8", "replace").decode("utf-8") for text in texts]


def checked_vectors(rows: Sequence[Sequence[float]], texts: int, dimensions: int) -> Vector:
    """Return the rows as vectors of length 1, shape (texts, dimensions).

    Raises MissingVectorsError for another number of rows, InvalidVectorError where every row has another
    size or a value that is no finite number, and SomeInvalidError where only some have.
    """
    if len(rows) != texts:
        raise MissingVectorsError(f"the embedding model answered {texts} texts with {len(rows)} vectors")
    reasons = {
        number: f"the embedding model sent a vector of {len(row)} dimensions where {dimensions} were asked; "
        "check TICKETSTREAM_EMBEDDING__DIMENSIONS"
        for number, row in enumerate(rows)
        if len(row) != dimensions
    }
    whole = [[0.0] * dimensions if number in reasons else row for number, row in enumerate(rows)]
    vectors: Vector = np.asarray(whole, dtype=np.float32).reshape(texts, dimensions)
    for number in np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist():
        reasons[number] = "the embedding model sent a vector with a value that is no number"
        vectors[number] = 0.0
    if reasons and len(reasons) == texts:
        raise InvalidVectorError(next(iter(reasons.values())))
    if reasons:
        raise SomeInvalidError(normalized(vectors), reasons)
    return normalized(vectors)
