"""``python -m ticketstream.local.sample.gemini``: serves until it is told to stop."""

from __future__ import annotations

import enum
import socket
from typing import Annotated

import typer

from ticketstream.local.sample.gemini.app import SampleGemini
from ticketstream.local.sample.gemini.messages import Limits
from ticketstream.local.sample.gemini.server import build_server


class QuotaUnit(enum.StrEnum):
    """What one request of the quota is."""

    CALL = "call"
    TEXT = "text"


def main(
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port; 0 takes a free one", min=0, max=65535)] = 0,
    api_key: Annotated[str | None, typer.Option(help="the only key let in; default: any")] = None,
    requests_per_minute: Annotated[int, typer.Option(min=1)] = 3_000,
    tokens_per_minute: Annotated[int, typer.Option(min=1)] = 1_000_000,
    quota_unit: Annotated[QuotaUnit, typer.Option(help="what one request is")] = QuotaUnit.CALL,
    time_scale: Annotated[float, typer.Option(help="a minute lasts 60 s divided by this", min=0.001)] = 1.0,
    no_limits: Annotated[bool, typer.Option("--no-limits", help="no quotas")] = False,
) -> None:
    """Serve a sample Gemini: the embedding API with quotas, real meaning and switchable faults."""
    limits = Limits(
        requests_per_minute=None if no_limits else requests_per_minute,
        tokens_per_minute=None if no_limits else tokens_per_minute,
        quota_unit="text" if quota_unit is QuotaUnit.TEXT else "call",
        time_scale=time_scale,
    )
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        typer.echo(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"sample Gemini on http://{host}:{listening.getsockname()[1]}")
    build_server(SampleGemini(limits, api_key).application()).run(sockets=[listening])


if __name__ == "__main__":
    typer.run(main)
