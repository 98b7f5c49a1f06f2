"""What a worker may ask of the services: its share of their quotas."""

from __future__ import annotations

from typing import Final

from agents.app.part import Part
from agents.services.ground import Ground
from streams.limits import QuotaShare

_NO_LIMIT: Final = 1e12


class Quotas(Part):
    """Calls a minute to Zendesk, requests and tokens a minute to the embedding provider.

    Each is this worker's share, as large as its partitions are many. The export is read by one worker at a
    time, so its limit is not shared out.
    """

    def __init__(self, ground: Ground) -> None:
        settings = ground.settings
        lease = ground.app.lease
        remote = settings.embedding_provider != "local"

        def share(per_minute: float) -> QuotaShare:
            return QuotaShare(per_minute, ground.partitions, owns=lambda: lease.held)

        self.general = share(settings.zendesk.requests_per_minute)
        self.incremental = QuotaShare.whole(settings.zendesk.incremental_requests_per_minute)
        self.requests = share(settings.embedding.requests_per_minute if remote else _NO_LIMIT)
        self.tokens = share(settings.embedding.tokens_per_minute if remote else _NO_LIMIT)

    def named(self) -> dict[tuple[str, str], QuotaShare]:
        """Return all of them by service and name, as metrics show them."""
        return {
            ("zendesk", "general"): self.general,
            ("zendesk", "incremental"): self.incremental,
            ("embedding", "requests"): self.requests,
            ("embedding", "tokens"): self.tokens,
        }

    async def take(self, partitions: frozenset[int], gained: frozenset[int]) -> None:
        """Use the share of these partitions."""
        self._own(len(partitions))

    async def let_go(self) -> None:
        """Use none: what was owned is another worker's to use."""
        self._own(0)

    def _own(self, partitions: int) -> None:
        for share in (self.general, self.requests, self.tokens):
            share.own(partitions)
