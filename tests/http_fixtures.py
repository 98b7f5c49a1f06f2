"""The webhook receiver in this process: a client that signs, and a Kafka that can be away."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from schemas.errors import UnavailableError
from schemas.messages.tickets import TicketHint
from ticketstream.http.access.api_key import ApiKey
from ticketstream.http.api.health import health_router
from ticketstream.http.api.metrics import WebhookMetrics, metrics_router
from ticketstream.http.app import create_app
from ticketstream.http.webhooks.receiver import PATH, WebhookReceiver, webhooks_router

SECRET = "dGhlIHNlY3JldCBvZiB0aGUgdGVzdHMgYWxvbmU="
"""Zendesk's own secret for trying a webhook out before it is made, as its documentation shows it."""
NOW = 1_784_000_000.0
MAX_BYTES = 10_000


class FakeSender:
    """Keeps hints; ``away`` refuses them, ``gate`` holds them back."""

    def __init__(self) -> None:
        self.hints: list[TicketHint] = []
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0

    async def send(self, hint: TicketHint) -> None:
        self.asked += 1
        await self.gate.wait()
        if self.away:
            raise UnavailableError("Kafka cannot be reached")
        self.hints.append(hint)


def iso(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"


def signature(body: bytes, timestamp: str, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), timestamp.encode() + body, hashlib.sha256)).decode()


def signed(
    content: Any, *, at: float = NOW, secret: str = SECRET, **headers: str
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a webhook."""
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    timestamp = iso(at)
    own = {
        "X-Zendesk-Webhook-Signature": signature(body, timestamp, secret),
        "X-Zendesk-Webhook-Signature-Timestamp": timestamp,
    }
    return body, own | {name.replace("_", "-"): value for name, value in headers.items()}


def ticket_event(ticket_id: Any = "35436", name: str = "comment_added", **fields: Any) -> dict[str, Any]:
    """Return an event's payload in the form of Zendesk's documentation."""
    return {
        "type": f"zen:event-type:ticket.{name}",
        "account_id": 12514403,
        "id": "2b24ef10-19d4-4740-93cf-8f98ec4776c0",
        "time": iso(NOW - 20),
        "zendesk_event_version": "2022-06-20",
        "subject": "zen:ticket:35436",
        "detail": {"id": ticket_id, "subject": "never used", "status": "OPEN"},
        "event": {"comment": {"body": "never used", "id": "1"}},
        **fields,
    }


API_KEY = "a key of the tests"
KEY = ApiKey(API_KEY)
BEARER = {"Authorization": f"Bearer {API_KEY}"}


class Receiver:
    """The app, and a client of it."""

    def __init__(self, **options: Any) -> None:
        self.sender = FakeSender()
        self.registry = CollectorRegistry()
        receiver = WebhookReceiver(
            **{
                "secret": SECRET,
                "account": "acme",
                "sender": self.sender,
                "metrics": WebhookMetrics(self.registry),
                "max_bytes": MAX_BYTES,
                "clock": lambda: NOW,
                **options,
            }
        )
        routers = (
            webhooks_router(receiver),
            health_router(lambda: not self.sender.away),
            metrics_router(self.registry),
        )
        self.app: FastAPI = create_app(routers, key=KEY)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="http://test",
            headers=BEARER,
        )

    async def post(self, content: Any, **options: Any) -> httpx.Response:
        """Send a signed webhook."""
        body, headers = signed(content, **options)
        return await self.client.post(PATH, content=body, headers=headers)

    async def called(
        self, receive: Callable[[], Awaitable[Any]], *headers: tuple[bytes, bytes]
    ) -> dict[str, Any]:
        """Call the app as a server does, part by part; returns the start of the answer."""
        answers: list[Any] = []

        async def send(message: Any) -> None:
            answers.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": b"",
            "headers": list(headers),
            "client": None,
            "server": None,
        }
        await self.app(scope, receive, send)
        start: dict[str, Any] = answers[0]
        return start

    async def raw(self, body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> httpx.Response:
        """Send whatever this is."""
        return await self.client.post(PATH, content=body, headers=list(headers))

    def count(self, name: str, **labels: str) -> float:
        """Return a counter's value."""
        value = self.registry.get_sample_value(f"ticketstream_webhooks_{name}_total", labels)
        assert value is not None
        return value


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    yield made
    await made.client.aclose()


def assert_problem(answer: httpx.Response, status: int) -> None:
    """Check that an answer is a problem document of this status."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().keys() == {"type", "title", "status", "detail"}
    assert answer.json()["status"] == status
