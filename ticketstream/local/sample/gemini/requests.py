"""Reading and checking an embedding request as Google does."""

from __future__ import annotations

import msgspec

from ticketstream.local.sample.gemini import google_errors
from ticketstream.local.sample.gemini.vectors import FULL

MAX_REQUESTS = 100
MIN_DIMENSIONS = 128


class Part(msgspec.Struct):
    """A piece of a content."""

    text: str = ""


class Content(msgspec.Struct):
    """What becomes one vector, however many parts it has."""

    parts: list[Part] = []

    @property
    def text(self) -> str:
        """The parts as one text."""
        return "\n".join(part.text for part in self.parts)


class EmbedRequest(msgspec.Struct, rename="camel"):
    """One content and its size; ``taskType`` changes nothing here: queries and documents share a space."""

    content: Content
    model: str = ""
    output_dimensionality: int = FULL


class BatchRequest(msgspec.Struct):
    """The body of ``batchEmbedContents``."""

    requests: list[EmbedRequest] = []


_BATCH = msgspec.json.Decoder(BatchRequest)
_SINGLE = msgspec.json.Decoder(EmbedRequest)


def read(body: bytes, *, batch: bool) -> list[EmbedRequest]:
    """Return the requests of a body; raises GoogleError (400) as Google would."""
    try:
        requests = _BATCH.decode(body).requests if batch else [_SINGLE.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise google_errors.invalid_argument(f"Invalid JSON payload received. {error}") from None
    if not requests:
        raise google_errors.invalid_argument(
            "* BatchEmbedContentsRequest.requests: requests is not specified\n"
        )
    if len(requests) > MAX_REQUESTS:
        raise google_errors.invalid_argument(
            f"* BatchEmbedContentsRequest.requests: at most {MAX_REQUESTS} requests can be in one batch\n"
        )
    prefix = "BatchEmbedContentsRequest.requests[{}]." if batch else ""
    for n, request in enumerate(requests):
        if not request.content.parts or not all(part.text for part in request.content.parts):
            raise google_errors.invalid_argument(
                f"* {prefix.format(n)}content: EmbedContentRequest.content contains an empty Part.\n"
            )
        if not MIN_DIMENSIONS <= request.output_dimensionality <= FULL:
            raise google_errors.invalid_argument(
                f"* {prefix.format(n)}output_dimensionality: must be between {MIN_DIMENSIONS} and {FULL}\n"
            )
    return requests
