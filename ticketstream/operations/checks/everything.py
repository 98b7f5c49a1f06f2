"""All checks at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from schemas.settings.load import PREFIX, Settings
from streams.sources.zendesk.auth import CLIENT_ID, CLIENT_SECRET
from ticketstream.operations.checks.data_dir import check_data_dir
from ticketstream.operations.checks.embedding import check_embedding
from ticketstream.operations.checks.finding import Check, Finding, run_check
from ticketstream.operations.checks.kafka import check_kafka
from ticketstream.operations.checks.login import login_finding
from ticketstream.operations.checks.weaviate import check_weaviate
from ticketstream.operations.checks.webhooks import check_webhooks
from ticketstream.operations.checks.zendesk import check_login


async def check_everything(settings: Settings, *, timeout: float = 10.0) -> list[Finding]:
    """Run all checks side by side, each for at most ``timeout`` seconds, and return what they found."""

    async def kafka() -> list[Finding]:
        return await check_kafka(settings, timeout=timeout)

    async def weaviate() -> list[Finding]:
        return await check_weaviate(settings)

    async def zendesk() -> list[Finding]:
        return await check_zendesk(settings, timeout=timeout)

    async def webhooks() -> list[Finding]:
        return check_webhooks(settings)

    async def embedding() -> list[Finding]:
        return await check_embedding(settings, timeout=timeout)

    async def data_dir() -> list[Finding]:
        return await asyncio.to_thread(check_data_dir, settings.data_dir)

    checks: Mapping[str, Check] = {
        "kafka": kafka,
        "weaviate": weaviate,
        "zendesk": zendesk,
        "webhooks": webhooks,
        "embedding": embedding,
        "data dir": data_dir,
    }
    found = await asyncio.gather(*(run_check(name, check, timeout=timeout) for name, check in checks.items()))
    return [finding for findings in found for finding in findings]


async def check_zendesk(settings: Settings, *, timeout: float) -> list[Finding]:
    """Log in; an account that is not connected at all is no failure: files can be imported without one."""
    zendesk = settings.zendesk
    if zendesk.subdomain is None and not zendesk.has_login:
        return [
            Finding(
                "zendesk",
                "warn",
                "no account is connected",
                f"set {PREFIX}ZENDESK__SUBDOMAIN, {CLIENT_ID} and {CLIENT_SECRET}",
            )
        ]
    found = await check_login(settings, attempts=1, timeout=timeout, export=True)
    me = found.me
    left = f", {found.remaining:,} calls left this minute" if found.remaining is not None else ""
    return [
        Finding("zendesk", "ok", f"{settings.zendesk_url} knows {me.name} ({me.role}){left}"),
        login_finding(settings, found.status, time.time()),
    ]
