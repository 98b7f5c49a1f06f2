"""Signed webhooks on live changes, delivered as unreliably as asked for.

Sources: Zendesk's pages "Ticket events" (bodies) and "Verifying webhooks" (signature); the headers
are those of a recorded delivery.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import uuid
from random import Random
from typing import Any, Final

import httpx
import msgspec
import orjson

from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.clock import iso
from ticketstream.local.sample.zendesk.events import Event
from ticketstream.local.sample.zendesk.people import Row

ACCOUNT_ID: Final = 18_525_119
DEFAULT_SECRET: Final = "sample-webhook-secret"  # noqa: S105 - a sample account has no secrets
_PARALLEL: Final = 20
_RETRIED: Final = (409, 429, 500, 502, 503, 504)


class Hook(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A registered receiver.

    ``events`` is a regular expression on the event type. Each delivery waits ``delay_seconds`` and,
    with ``reorder_seconds``, a random time up to that more, so that deliveries overtake one another;
    with the chance ``duplicate`` it is sent twice. A receiver that fails is tried ``attempts`` times
    in all, ``retry_seconds`` apart.
    """

    url: str
    secret: str = DEFAULT_SECRET
    events: str = ""
    duplicate: float = 0.0
    delay_seconds: float = 0.0
    reorder_seconds: float = 0.0
    attempts: int = 3
    retry_seconds: float = 1.0
    timeout_seconds: float = 10.0


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return base64(HMAC-SHA256(secret, timestamp + body))."""
    return base64.b64encode(hmac.digest(secret.encode(), timestamp.encode() + body, hashlib.sha256)).decode()


def event_body(event: Event) -> dict[str, Any]:
    """Return the body of an event's webhook; its id is the same for every delivery."""
    row = event.row
    return {
        "account_id": ACCOUNT_ID,
        "detail": _detail(event.actor_id, row),
        "event": event.change,
        "id": str(uuid.uuid4()),
        "subject": f"zen:ticket:{row['id']}",
        "time": iso(event.at),
        "type": f"zen:event-type:ticket.{event.name}",
        "zendesk_event_version": "2022-11-06",
    }


def _detail(actor_id: int, row: Row) -> dict[str, Any]:
    def text(name: str) -> str | None:
        return None if row[name] is None else str(row[name])

    def capitals(name: str) -> str | None:
        return None if row[name] is None else row[name].upper()

    return {
        "actor_id": str(actor_id),
        "assignee_id": text("assignee_id"),
        "brand_id": text("brand_id"),
        "created_at": row["created_at"],
        "custom_status": text("custom_status_id"),
        "description": row["description"],
        "external_id": None,
        "form_id": text("ticket_form_id"),
        "group_id": text("group_id"),
        "id": str(row["id"]),
        "is_public": row["is_public"],
        "organization_id": text("organization_id"),
        "priority": capitals("priority"),
        "requester_id": text("requester_id"),
        "status": capitals("status"),
        "subject": row["subject"],
        "submitter_id": text("submitter_id"),
        "tags": row["tags"],
        "type": capitals("type"),
        "updated_at": row["updated_at"],
        "via": {"channel": row["via"]["channel"]},
    }


class Webhooks:
    """The registered receivers and what became of the deliveries to them."""

    def __init__(self, account: Account, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._account = account
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._hooks: dict[str, Hook] = {}
        self._random = Random(account.seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(_PARALLEL)
        self.counts = {"events": 0, "sent": 0, "delivered": 0, "retried": 0, "failed": 0}

    def register(self, hook: Hook) -> str:
        """Add a receiver and return its id; raises ValueError when its URL or pattern is wrong."""
        if not hook.url.startswith(("http://", "https://")):
            raise ValueError("url must start with http:// or https://")
        try:
            re.compile(hook.events)
        except re.error as error:
            raise ValueError(f"events is no regular expression: {error}") from error
        name = f"01{uuid.uuid4().hex[:24].upper()}"
        self._hooks[name] = hook
        return name

    def clear(self) -> None:
        """Forget all receivers; deliveries under way are given up."""
        self._hooks.clear()
        for task in self._tasks:
            task.cancel()

    def status(self) -> dict[str, Any]:
        """Return receivers, counts and how many deliveries are under way."""
        hooks = [{"id": name, **msgspec.to_builtins(hook)} for name, hook in self._hooks.items()]
        return {"webhooks": hooks, "pending": len(self._tasks), **self.counts}

    def tell(self, event: Event) -> None:
        """Start the deliveries of an event."""
        if not self._hooks:
            return
        content = event_body(event)
        body = orjson.dumps(content)
        self.counts["events"] += 1
        for name, hook in self._hooks.items():
            if not re.search(hook.events, content["type"]):
                continue
            for _ in range(2 if self._random.random() < hook.duplicate else 1):
                wait = hook.delay_seconds + self._random.random() * hook.reorder_seconds
                task = asyncio.get_running_loop().create_task(self._deliver(name, hook, body, wait))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _deliver(self, name: str, hook: Hook, body: bytes, wait: float) -> None:
        if wait:
            await asyncio.sleep(wait)
        invocation = f"01{uuid.uuid4().hex[:24].upper()}"
        for attempt in range(1, hook.attempts + 1):
            async with self._free:
                good = await self._send(name, hook, invocation, body)
            if good is not None:
                self.counts["delivered" if good else "failed"] += 1
                return
            if attempt < hook.attempts:
                self.counts["retried"] += 1
                await asyncio.sleep(hook.retry_seconds)
        self.counts["failed"] += 1

    async def _send(self, name: str, hook: Hook, invocation: str, body: bytes) -> bool | None:
        """Send once: True when taken, False when refused for good, None when it may be tried again."""
        if self._client is None:
            self._client = httpx.AsyncClient(transport=self._transport, trust_env=False)
        timestamp = iso(self._account.clock())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Zendesk Webhook",
            "X-Zendesk-Account-Id": str(ACCOUNT_ID),
            "X-Zendesk-Webhook-Id": name,
            "X-Zendesk-Webhook-Invocation-Id": invocation,
            "X-Zendesk-Webhook-Signature": sign(hook.secret, timestamp, body),
            "X-Zendesk-Webhook-Signature-Timestamp": timestamp,
        }
        self.counts["sent"] += 1
        try:
            answer = await self._client.post(
                hook.url, content=body, headers=headers, timeout=hook.timeout_seconds
            )
        except httpx.HTTPError:
            return None
        if answer.is_success:
            return True
        return None if answer.status_code in _RETRIED else False
