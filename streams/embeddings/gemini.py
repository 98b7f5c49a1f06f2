"""The Gemini provider: Google's embedding models through google-genai."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import httpx
from google import genai
from google.genai import types
from google.genai.errors import APIError
from pydantic import ValidationError

from schemas.errors import UnavailableError
from schemas.vectors import Vector
from streams.embeddings.gemini_errors import translated
from streams.embeddings.gemini_models import GEMINI_MODELS, MAX_TEXTS
from streams.embeddings.provider import (
    MissingVectorsError,
    Purpose,
    UnansweredError,
    checked_vectors,
    sendable_texts,
)
from streams.embeddings.tokens import estimate_tokens

_TASK_TYPES: Final[dict[Purpose, str]] = {"document": "RETRIEVAL_DOCUMENT", "query": "RETRIEVAL_QUERY"}
_PREFIXES: Final[dict[Purpose, str]] = {
    "document": "title: none | text: ",
    "query": "task: search result | query: ",
}


class GeminiProvider:
    """Embeds with a model of GEMINI_MODELS; only normalised vectors leave it.

    ``base_url`` replaces Google's address, ``transport`` the network (for tests); ``timeout`` is in
    seconds for a whole call.
    """

    max_texts = MAX_TEXTS

    def __init__(
        self,
        api_key: str,
        model: str,
        dimensions: int,
        *,
        base_url: str | None = None,
        timeout: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.model = model
        self.dimensions = dimensions
        self._facts = GEMINI_MODELS[model]
        self._http = httpx.AsyncClient(
            transport=transport,
            timeout=timeout,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
        )
        self._client = genai.Client(
            api_key=api_key,
            http_options=types.HttpOptions(
                base_url=base_url,
                timeout=round(timeout * 1000),
                httpx_async_client=self._http,
                # The SDK's own retries would take no token of the rate limit.
                retry_options=types.HttpRetryOptions(attempts=1),
            ),
        )

    @property
    def max_tokens(self) -> int:
        """The most tokens of one text that the model reads."""
        return self._facts.max_tokens

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Vector:
        """Return the vectors of the texts, shape (texts, dimensions); errors as EmbeddingProvider says."""
        plain = sendable_texts(texts, self.max_texts)
        if not plain:
            return checked_vectors([], 0, self.dimensions)
        prefix = "" if self._facts.task_types else _PREFIXES[purpose]
        # A content for each text: gemini-embedding-2 makes one vector of a plain list of strings.
        # Dictionaries, because validating 100 Content objects costs the SDK 25 ms of processor time.
        contents: types.ContentListUnionDict = [{"parts": [{"text": prefix + text}]} for text in plain]
        config = types.EmbedContentConfig(
            task_type=_TASK_TYPES[purpose] if self._facts.task_types else None,
            output_dimensionality=self.dimensions,
        )
        try:
            answer = await self._client.aio.models.embed_content(
                model=self.model, contents=contents, config=config
            )
        except APIError as error:
            raise translated(error, self.model) from None
        except httpx.TimeoutException as error:
            raise UnansweredError(f"Gemini did not answer in time ({type(error).__name__})") from error
        except httpx.ConnectError as error:
            raise UnavailableError(f"Gemini cannot be reached ({type(error).__name__}: {error})") from error
        except httpx.HTTPError as error:
            raise UnansweredError(f"Gemini cannot be reached ({type(error).__name__}: {error})") from error
        except ValidationError as error:
            # Something in the answer is odd, as a null among a vector's numbers: nobody knows for which text.
            raise MissingVectorsError("Gemini's answer holds something that is no vector") from error
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            # What the SDK raises for a body that is not JSON, or not the JSON it expects.
            raise UnansweredError(f"Gemini's answer cannot be read ({type(error).__name__})") from error
        rows = [embedding.values or [] for embedding in answer.embeddings or []]
        return checked_vectors(rows, len(plain), self.dimensions)

    def count_tokens(self, text: str) -> int:
        """Return about how many tokens a text is (see estimate_tokens); asking Google would be a call."""
        return estimate_tokens(text)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aio.aclose()
        await self._http.aclose()
