"""The sample Zendesk as an ASGI application, and how it is served."""

from __future__ import annotations

from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ticketstream.local.sample.zendesk import DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET
from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.changes import Changes
from ticketstream.local.sample.zendesk.events import Event
from ticketstream.local.sample.zendesk.faults import Faults
from ticketstream.local.sample.zendesk.front import ABORT, FrontDoor, Statistics
from ticketstream.local.sample.zendesk.history import History
from ticketstream.local.sample.zendesk.limits import Limits
from ticketstream.local.sample.zendesk.login import Login
from ticketstream.local.sample.zendesk.oauth import Authority
from ticketstream.local.sample.zendesk.oauth_endpoints import OAuthEndpoints
from ticketstream.local.sample.zendesk.odd import Odd, OddAnswers
from ticketstream.local.sample.zendesk.reading import Reading
from ticketstream.local.sample.zendesk.responses import ApiError, refuse, unknown
from ticketstream.local.sample.zendesk.steering import Steering
from ticketstream.local.sample.zendesk.webhooks import Webhooks
from ticketstream.local.sample.zendesk.writing import Writing


class Options(msgspec.Struct, kw_only=True, frozen=True):
    """How a sample Zendesk is set up; limits are per minute, ``export_delay`` in seconds."""

    account: str = "acme"
    tickets: int = 1_000
    seed: int = 1
    requests_per_minute: int = 700
    incremental_requests_per_minute: int = 10
    export_delay: float = 60.0
    time_scale: float = 1.0
    limits: bool = True
    oauth_token: str | None = None
    email: str | None = None
    api_token: str | None = None
    client_id: str = DEFAULT_CLIENT_ID
    client_secret: str = DEFAULT_CLIENT_SECRET


class Protocol(HttpToolsProtocol):
    """Uvicorn's protocol, which also lets an endpoint cut the connection."""

    def on_message_begin(self) -> None:
        """Give each request the means to cut its connection."""
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: self.transport.abort}  # type: ignore[dict-item]


def build(options: Options) -> FrontDoor:
    """Return the application of a new account."""
    account = Account(options.account, options.tickets, options.seed)
    limits = Limits(
        options.requests_per_minute,
        options.incremental_requests_per_minute,
        time_scale=options.time_scale,
        enabled=options.limits,
    )
    faults, statistics = Faults(options.seed), Statistics()
    history, webhooks = History(account), Webhooks(account)

    def tell(event: Event) -> None:
        history.tell(event)
        webhooks.tell(event)

    reading = Reading(account, history, options.export_delay)
    changes = Changes(account, tell)
    writing = Writing(account, changes)
    authority = Authority(options.client_id, options.client_secret)
    odd = Odd()
    steering = Steering(account, changes, limits, faults, statistics, webhooks, authority, odd)
    app = Starlette(
        routes=[
            *reading.routes(),
            *writing.routes(),
            *steering.routes(),
            *OAuthEndpoints(authority).routes(),
        ],
        exception_handlers={ApiError: refuse, 404: unknown},
    )
    login = Login(options.oauth_token, options.email, options.api_token, authority)
    return FrontDoor(OddAnswers(app, odd), login, limits, faults, statistics)


def config(options: Options) -> uvicorn.Config:
    """Return how to serve a new account, on a socket that is listening already."""
    settings: dict[str, Any] = {"http": Protocol, "loop": "uvloop", "ws": "none", "lifespan": "off"}
    return uvicorn.Config(
        build(options),
        access_log=False,
        log_level="critical",
        server_header=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=75,
        **settings,
    )
