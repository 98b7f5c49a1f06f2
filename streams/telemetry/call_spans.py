"""The calls of a worker as spans: those to Zendesk for one ticket, the others for many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from schemas.settings.load import Settings
from streams.embeddings.observe import EmbeddingCall

if TYPE_CHECKING:
    from streams.telemetry.tracing import Tracing


def tracing_of(settings: Settings, part: str, instance: str = "") -> Tracing | None:
    """Return what makes the spans of a process; None where no collector is set, and nothing is loaded.

    ``part`` is ``worker`` or ``serve``, ``instance`` tells workers apart.
    """
    endpoint = settings.tracing_endpoint
    if endpoint is None:
        return None
    from streams.telemetry.trace_export import tracing_to

    return tracing_to(endpoint, ratio=settings.tracing.sample_ratio, part=part, instance=instance)


class TracedCalls:
    """Told of each call that has ended; does nothing without a Tracing."""

    def __init__(self, tracing: Tracing | None) -> None:
        self._tracing = tracing

    def caller_span(self) -> Any:
        """Return the span that a call for many is to be linked to, None for none."""
        return None if self._tracing is None else self._tracing.caller_span()

    def zendesk(self, endpoint: str, status: int, seconds: float) -> None:
        """Tell of a call to Zendesk; status 0 is no answer."""
        if self._tracing is not None:
            error = "" if 200 <= status < 300 else (str(status) if status else "no answer")
            self._tracing.called(f"zendesk {endpoint}", seconds, {"http.response.status_code": status}, error)

    def embedding(self, call: EmbeddingCall) -> None:
        """Tell of a call to the embedding provider."""
        if self._tracing is not None and call.caller_spans:
            attributes = {
                "ticketstream.texts": call.texts,
                "ticketstream.tokens": call.tokens,
                "ticketstream.waited_seconds": call.waited,
            }
            error = "" if call.outcome == "ok" else call.outcome
            self._tracing.called_for(call.caller_spans, "embedding call", call.seconds, attributes, error)

    def weaviate(
        self, caller_spans: Sequence[Any], seconds: float, collection: str, chunks: int, error: str
    ) -> None:
        """Tell of a batch of Weaviate."""
        if self._tracing is not None:
            attributes: dict[str, str | int] = {
                "db.system.name": "weaviate",
                "db.collection.name": collection,
                "ticketstream.tickets": len(caller_spans),
                "ticketstream.chunks": chunks,
            }
            self._tracing.called_for(caller_spans, "weaviate write", seconds, attributes, error)
