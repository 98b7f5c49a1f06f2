"""The figures of a demo, from what the services counted themselves."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.messages.imports import ImportRecord
from ticketstream.demo.changes import Arrival
from ticketstream.local.sample.gemini.messages import Stats
from ticketstream.operations.imports.summary import done_of


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """Calls (or texts, or tokens) counted by a service in ``seconds``, beside its quota of a real minute."""

    used: int
    quota_per_minute: int
    seconds: float

    @property
    def share(self) -> float:
        """The part of what the quota allows in this time that was used; 1.0 is all of it."""
        return self.used / max(1.0, self.quota_per_minute * self.seconds / 60)


class ZendeskUse(msgspec.Struct, frozen=True, kw_only=True):
    """All calls, those for export pages among them, and how many were refused for their number."""

    calls: Use
    export: Use
    refused: int


class EmbeddingUse(msgspec.Struct, frozen=True, kw_only=True):
    """Calls and tokens beside their quotas, the texts in the calls, and how many calls were refused."""

    calls: Use
    tokens: Use
    texts: int
    refused: int


class ImportFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One import: from its start until the last ticket could be searched."""

    id: str
    seconds: float
    tickets: int
    tickets_per_second: float
    duplicates_skipped: int
    failed: int
    vectors_uploaded: int
    embedding_calls: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """All that the summary tells. ``worker_restarts`` are workers that ended and were started again."""

    account_tickets: int
    searchable_tickets: int
    chunks: int
    first_import: ImportFigures
    second_import: ImportFigures
    zendesk: ZendeskUse
    embedding: EmbeddingUse
    arrivals: list[Arrival]
    dead_letters: int
    worker_restarts: int

    @property
    def duplicates_skipped(self) -> int:
        """Duplicates of both imports."""
        return self.first_import.duplicates_skipped + self.second_import.duplicates_skipped


def import_figures(record: ImportRecord) -> ImportFigures:
    """Return the figures of an import that has ended."""
    seconds = max(record.updated_at - record.started_at, 0.001)
    tickets = done_of(record)
    return ImportFigures(
        id=record.id,
        seconds=round(seconds, 2),
        tickets=tickets,
        tickets_per_second=round(tickets / seconds, 1),
        duplicates_skipped=record.skipped,
        failed=record.failed,
        vectors_uploaded=record.vectors_uploaded,
        embedding_calls=record.embedding_calls,
    )


def zendesk_use(stats: dict[str, Any], seconds: float) -> ZendeskUse:
    """Return what a sample Zendesk counted in ``seconds``; ``stats`` is its control's ``stats()``."""
    buckets, limits = stats["buckets"], stats["limits"]

    def use(bucket: str) -> Use:
        quota = limits[bucket]["limit"] * 60 / limits["window_seconds"]
        return Use(used=buckets.get(bucket, 0), quota_per_minute=round(quota), seconds=round(seconds, 2))

    refused = sum(stats["rate_limited"].values())
    return ZendeskUse(calls=use("general"), export=use("incremental"), refused=refused)


def embedding_use(
    stats: Stats, seconds: float, requests_per_minute: int, tokens_per_minute: int
) -> EmbeddingUse:
    """Return what a sample Gemini counted in ``seconds``, beside the quotas that were set."""
    seconds = round(seconds, 2)
    return EmbeddingUse(
        calls=Use(used=stats.answered, quota_per_minute=requests_per_minute, seconds=seconds),
        tokens=Use(used=stats.tokens, quota_per_minute=tokens_per_minute, seconds=seconds),
        texts=stats.texts,
        refused=stats.rate_limited + stats.refused,
    )
