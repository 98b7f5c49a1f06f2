"""``ticketstream serve``: the app with all its parts, on uvicorn."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from schemas.errors import UserError
from schemas.settings.load import PREFIX, Settings
from streams.search.searcher import Searcher
from streams.telemetry.call_spans import tracing_of
from ticketstream.http.access.api_key import ApiKey
from ticketstream.http.access.session import session_router
from ticketstream.http.api.dead_letters import RETRY_PATH, RETRY_SECONDS, dead_letters_router
from ticketstream.http.api.health import health_router
from ticketstream.http.api.imports import imports_router
from ticketstream.http.api.live import live_router
from ticketstream.http.api.metrics import WebhookMetrics, metrics_router
from ticketstream.http.api.search import search_router
from ticketstream.http.app import create_app
from ticketstream.http.page.files import page_router
from ticketstream.http.webhooks.hint_sender import HintSender
from ticketstream.http.webhooks.receiver import WebhookReceiver, webhooks_router
from ticketstream.operations.watch.watch import Watch

_MOST_AT_ONCE: Final = 512
_STOP_SECONDS: Final = 5
_HEARD_BYTES: Final = 4_096


def build_app(settings: Settings, key: ApiKey) -> FastAPI:
    """Return the app; raises SettingsError when account or Kafka is not set."""
    account, _ = settings.account, settings.cluster
    registry = CollectorRegistry()
    tracing = tracing_of(settings, "serve")
    sender = HintSender(settings, tracing=tracing)
    secret = settings.zendesk.webhook_secret
    receiver = None
    if secret is not None:
        receiver = WebhookReceiver(
            secret=secret.get_secret_value(), account=account, sender=sender, metrics=WebhookMetrics(registry)
        )
    searcher = Searcher(settings, attempts=2)
    watch = Watch(settings, searcher)

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        sender.start()
        watching = asyncio.create_task(watch.run())
        try:
            async with searcher:
                yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])
            await sender.stop()
            if tracing is not None:
                await asyncio.to_thread(tracing.close)

    routers = (
        health_router(lambda: sender.reachable, watch.dependencies),
        metrics_router(registry),
        webhooks_router(receiver),
        session_router(key),
        live_router(watch),
        imports_router(settings, watch),
        search_router(searcher),
        dead_letters_router(settings, watch),
        page_router(),
    )
    return create_app(routers, key=key, around=around, longer={RETRY_PATH: RETRY_SECONDS})


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there (port 0: any free one); raises UserError when it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise UserError(
            f"cannot listen at {host} port {port}: {error.strerror or error}; choose another with --host and "
            f"--port, or with {PREFIX}HTTP__HOST and {PREFIX}HTTP__PORT"
        ) from None


class _Server(uvicorn.Server):
    def handle_exit(self, _sig: int, _frame: FrameType | None) -> None:
        # uvicorn's own would raise the signal again once it has stopped: an end asked for is no failure.
        self.force_exit = self.should_exit
        self.should_exit = True


def run_server(app: FastAPI, listening: socket.socket) -> None:
    """Serve until SIGTERM or Ctrl-C; requests under way are finished first."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="websockets-sansio",
        # Watchers have nothing to say; and a message compressed for each would cost more than all the rest.
        ws_max_size=_HEARD_BYTES,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_AT_ONCE,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    _Server(config).run([listening])
