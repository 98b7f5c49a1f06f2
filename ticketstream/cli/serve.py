"""``ticketstream serve``: the HTTP API, the page, and Zendesk's webhooks."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command ``serve``."""
    app.command()(serve)


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen at [default: HTTP__HOST, 127.0.0.1].")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Port; 0 is any free one [default: HTTP__PORT, 8088]."),
    ] = None,
) -> None:
    """Serve the page and the HTTP API, and receive Zendesk's webhooks; runs until SIGTERM or Ctrl-C."""
    from schemas.settings.load import load_settings
    from streams.telemetry.logs import configure_logs, log_uncaught
    from ticketstream.http.access.api_key import find_key
    from ticketstream.http.server import build_app, listen, run_server
    from ticketstream.http.webhooks.receiver import PATH
    from ticketstream.terminal.output import note

    settings = load_settings()
    key, where = find_key(settings)
    app = build_app(settings, key)
    configure_logs(settings)
    log_uncaught()
    chosen = settings.http.host if host is None else host
    with listen(chosen, settings.http.port if port is None else port) as listening:
        name, number = listening.getsockname()[:2]
        shown = f"[{name}]" if ":" in name else name
        if where is not None:
            note(f"the API key lies in {where}")
        note(f"listening at http://{shown}:{number}; webhooks go to {PATH}; stop with Ctrl-C")
        run_server(app, listening)
