"""The demo as one JSON document."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.search.searcher import plain_hit
from ticketstream.demo.figures import Use
from ticketstream.demo.plan import EXPORT_DELAY_SECONDS, TIME_SCALE
from ticketstream.demo.story import Story


def document(
    story: Story, *, seconds: float, poll_seconds: float, environment: dict[str, str] | None
) -> dict[str, Any]:
    """Return what ``demo --json`` prints; ``environment`` is that of a stack that was left running."""
    figures = story.figures
    zendesk, embedding = figures.zendesk, figures.embedding
    return {
        "seconds": round(seconds, 1),
        "tickets": figures.account_tickets,
        "searchable_tickets": figures.searchable_tickets,
        "chunks": figures.chunks,
        "tickets_per_second": figures.first_import.tickets_per_second,
        "imports": [msgspec.to_builtins(each) for each in (figures.first_import, figures.second_import)],
        "api_calls": {
            "zendesk": {
                "general": _use(zendesk.calls),
                "export": _use(zendesk.export),
                "refused": zendesk.refused,
            },
            "embedding": {
                "calls": _use(embedding.calls),
                "tokens": _use(embedding.tokens),
                "texts": embedding.texts,
                "refused": embedding.refused,
            },
        },
        "duplicates_skipped": figures.duplicates_skipped,
        "dead_letters": figures.dead_letters,
        "worker_restarts": figures.worker_restarts,
        "changes": [msgspec.to_builtins(each) for each in figures.arrivals],
        "questions": [
            {"question": each.question, "hits": [plain_hit(hit) for hit in each.hits]}
            for each in story.answers
        ],
        "sample": {
            "quota_minute_seconds": 60 / TIME_SCALE,
            "export_delay_seconds": EXPORT_DELAY_SECONDS,
            "poll_seconds": poll_seconds,
        },
        "environment": environment,
    }


def _use(use: Use) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(use)
    return fields | {"share_of_quota": round(use.share, 3)}
