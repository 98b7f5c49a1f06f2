"""uvicorn, set up for a sample server: quiet, fast, and able to cut a connection."""

from __future__ import annotations

from typing import Final

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

DROP: Final = "ticketstream.drop"
"""Name of the ASGI extension that cuts the connection at once."""


class _CuttableProtocol(HttpToolsProtocol):
    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.scope["extensions"] = {DROP: {"cut": self.transport.abort}}


def build_server(application: Starlette, *, host: str = "127.0.0.1", port: int = 0) -> uvicorn.Server:
    """Return the server; ``run`` serves until SIGTERM or SIGINT."""
    return uvicorn.Server(
        uvicorn.Config(
            application,
            host=host,
            port=port,
            loop="uvloop",
            http=_CuttableProtocol,
            ws="none",
            lifespan="on",
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
