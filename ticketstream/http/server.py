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

from agents.traced_calls import tracing_of
from schemas.errors import SettingsError, UserError
from schemas.settings import PREFIX, Settings
from ticketstream.http.app import create_app
from ticketstream.http.health import health_router
from ticketstream.http.hints import HintSender
from ticketstream.http.metrics import WebhookMetrics, metrics_router
from ticketstream.http.webhooks import WebhookReceiver, webhooks_router

_MOST_AT_ONCE: Final = 512
_STOP_SECONDS: Final = 5


def build_app(settings: Settings) -> FastAPI:
    """Return the app; raises SettingsError when account, Kafka or the webhook's secret is not set."""
    secret = settings.zendesk.webhook_secret
    if secret is None:
        raise SettingsError(
            f"the webhook's signing secret is not set: set {PREFIX}ZENDESK__WEBHOOK_SECRET to what Zendesk "
            "shows for the webhook under “Signing secret”"
        )
    _ = settings.bootstrap_servers
    registry = CollectorRegistry()
    tracing = tracing_of(settings, "serve")
    sender = HintSender(settings, tracing=tracing)
    receiver = WebhookReceiver(
        secret=secret.get_secret_value(),
        account=settings.account,
        sender=sender,
        metrics=WebhookMetrics(registry),
    )

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        sender.start()
        try:
            yield
        finally:
            await sender.stop()
            if tracing is not None:
                await asyncio.to_thread(tracing.close)

    routers = (webhooks_router(receiver), health_router(lambda: sender.reachable), metrics_router(registry))
    return create_app(routers, around=around)


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
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_AT_ONCE,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    _Server(config).run([listening])
