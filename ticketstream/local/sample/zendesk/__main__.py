"""``python -m ticketstream.local.sample.zendesk``: serve a sample account until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import socket

import uvicorn

from ticketstream.local.sample.zendesk import (
    DEFAULT_API_TOKEN,
    DEFAULT_CLIENT_ID,
    DEFAULT_CLIENT_SECRET,
    DEFAULT_EMAIL,
    DEFAULT_OAUTH_TOKEN,
)
from ticketstream.local.sample.zendesk.server import Options, config


def parser() -> argparse.ArgumentParser:
    """Return the options of the command line."""
    result = argparse.ArgumentParser(prog="python -m ticketstream.local.sample.zendesk", description=__doc__)
    add = result.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, required=True)
    add("--account", default="acme", help="the subdomain")
    add("--tickets", type=int, default=1_000)
    add("--seed", type=int, default=1)
    add("--requests-per-minute", type=int, default=700)
    add("--incremental-requests-per-minute", type=int, default=10)
    add("--export-delay", type=float, default=60.0, help="seconds the export lags behind")
    add("--time-scale", type=float, default=1.0, help="how much faster the minutes of the limits pass")
    add("--no-limits", action="store_true", help="no request limits and no limit headers")
    add("--oauth-token", help=f"default {DEFAULT_OAUTH_TOKEN}, when no login is given")
    add("--email", help=f"goes with --api-token; default {DEFAULT_EMAIL}, when no login is given")
    add("--api-token", help=f"default {DEFAULT_API_TOKEN}, when no login is given")
    add("--client-id", default=DEFAULT_CLIENT_ID, help="of the OAuth client; default %(default)s")
    add("--client-secret", default=DEFAULT_CLIENT_SECRET, help="default %(default)s")
    return result


def options_of(arguments: argparse.Namespace) -> Options:
    """Return the set-up of the account; without any login, the sample logins are accepted."""
    given = arguments.oauth_token or (arguments.email and arguments.api_token)
    return Options(
        account=arguments.account,
        tickets=arguments.tickets,
        seed=arguments.seed,
        requests_per_minute=arguments.requests_per_minute,
        incremental_requests_per_minute=arguments.incremental_requests_per_minute,
        export_delay=arguments.export_delay,
        time_scale=arguments.time_scale,
        limits=not arguments.no_limits,
        oauth_token=arguments.oauth_token if given else DEFAULT_OAUTH_TOKEN,
        email=arguments.email if given else DEFAULT_EMAIL,
        api_token=arguments.api_token if given else DEFAULT_API_TOKEN,
        client_id=arguments.client_id,
        client_secret=arguments.client_secret,
    )


def main() -> None:
    """Serve until told to stop."""
    command = parser()
    arguments = command.parse_args()
    if arguments.tickets < 0 or arguments.time_scale <= 0 or arguments.export_delay < 0:
        command.error("--tickets and --export-delay cannot be negative, --time-scale must be above 0")
    if bool(arguments.email) != bool(arguments.api_token):
        command.error("--email and --api-token go together")
    try:
        listener = socket.create_server((arguments.host, arguments.port), backlog=4096)
    except (OSError, OverflowError) as error:
        command.exit(
            1, f"cannot listen on {arguments.host}:{arguments.port}: {error}; choose another --port\n"
        )
    uvicorn.Server(config(options_of(arguments))).run([listener])


if __name__ == "__main__":
    main()
