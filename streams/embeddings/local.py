"""The local provider: wordllama's vectors, computed here, without a key or a network."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from schemas.vectors import Vector, normalized
from streams.embeddings.provider import Purpose, sendable_texts
from streams.embeddings.tokens import estimate_tokens

MODEL: Final = "wordllama"
DIMENSIONS: Final = 256
CHOICES: Final = (64, 128, DIMENSIONS)
"""The model was trained so that the first numbers of a vector are a vector of their own (source:
wordllama's README, "Matryoshka")."""

_INLINE_CHARACTERS: Final = 4_000
"""Up to about 1 ms of work is done in the event loop; more goes to a thread (measured: 4 µs a token)."""


class WordLlamaModel:
    """wordllama's tokenizer and token vectors; a text is the mean of its tokens' vectors.

    Loaded at the first use (0.3 s and 60 MB), from the files of the package itself. The pooling is
    done here, text by text, and not by wordllama, which pads a batch to its longest text: one long
    text among 64 would take hundreds of megabytes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: tuple[Any, npt.NDArray[np.float32]] | None = None

    @property
    def loaded(self) -> bool:
        """Whether the files have been read."""
        return self._loaded is not None

    def _parts(self) -> tuple[Any, npt.NDArray[np.float32]]:
        with self._lock:
            if self._loaded is None:
                with _root_logger_untouched():
                    import wordllama

                    # Its own default looks into the home directory and then tries to download.
                    model = wordllama.WordLlama.load(
                        cache_dir=Path(wordllama.__file__).parent, disable_download=True
                    )
                model.tokenizer.no_padding()
                # It would keep 10,000 short texts with their tokens, 4 KB each, and hardly meet one again.
                model.tokenizer.model._resize_cache(0)
                self._loaded = model.tokenizer, model.embedding
            return self._loaded

    def tokens(self, text: str) -> list[int]:
        """Return the token ids of a text."""
        tokenizer, _ = self._parts()
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def vector(self, tokens: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return the mean of the tokens' vectors, not normalised, shape (256,)."""
        _, table = self._parts()
        if not tokens:
            return np.zeros(DIMENSIONS, dtype=np.float32)
        shares = np.full(len(tokens), 1 / len(tokens), dtype=np.float32)
        mean: npt.NDArray[np.float32] = shares @ table.take(tokens, axis=0)  # numpy's own takes twice as long
        return mean

    def embed(self, texts: Sequence[str]) -> Vector:
        """Return the normalised vectors of the texts, shape (texts, 256)."""
        tokenizer, _ = self._parts()
        rows = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        # All in one call, without their places in the text: each call waits for Python's lock once more.
        for n, text in enumerate(tokenizer.encode_batch_fast(texts, add_special_tokens=False)):
            rows[n] = self.vector(text.ids)
        return normalized(rows)


class LocalProvider:
    """Embeds with wordllama; ``dimensions`` is one of CHOICES. No limit but the processor's."""

    model = MODEL
    max_texts = 1_000
    max_tokens = 65_536  # the model has no limit; this bounds the memory of one text

    def __init__(self, model: WordLlamaModel | None = None, dimensions: int = DIMENSIONS) -> None:
        self._wordllama = model or WordLlamaModel()
        self.dimensions = dimensions

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Vector:
        """Return the vectors of the texts, shape (texts, dimensions); queries and documents are alike.

        Raises RefusedError for an empty text.
        """
        plain = sendable_texts(texts, self.max_texts)
        if sum(map(len, plain)) <= _INLINE_CHARACTERS and self._wordllama.loaded:
            vectors = self._wordllama.embed(plain)
        else:
            vectors = await asyncio.to_thread(self._wordllama.embed, plain)
        return vectors if self.dimensions == DIMENSIONS else normalized(vectors[:, : self.dimensions])

    def count_tokens(self, text: str) -> int:
        """Return about how many tokens a text is (see estimate_tokens)."""
        return estimate_tokens(text)

    async def close(self) -> None:
        """Nothing to let go of."""


@contextmanager
def _root_logger_untouched() -> Iterator[None]:
    # Importing wordllama calls logging.basicConfig, which would print every library's messages.
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
