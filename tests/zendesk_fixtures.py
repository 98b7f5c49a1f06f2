"""A client whose service is a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from streams.limits import QuotaShare
from streams.retries import RetryPolicy
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.login import StaticLogin

LOGIN = StaticLogin("Bearer secret-of-the-test", "TICKETSTREAM_ZENDESK__OAUTH_TOKEN")


def unlimited() -> QuotaShare:
    return QuotaShare.whole(1e9)


def client_of(
    answer: Callable[[httpx.Request], httpx.Response], *, attempts: int | None = None, **more: Any
) -> ZendeskClient:
    """Return a client that tries again without back-off."""
    options: dict[str, Any] = {
        "general": unlimited(),
        "incremental": unlimited(),
        "retry": RetryPolicy(attempts=attempts, factor=0),
        "transport": httpx.MockTransport(answer),
        **more,
    }
    return ZendeskClient("https://acme.zendesk.com", LOGIN, **options)
