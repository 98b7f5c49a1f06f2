"""``ticketstream login``: gets the first access and refresh token of an OAuth client."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ticketstream.terminal.output import JsonOption, note, out, print_json

if TYPE_CHECKING:
    from ticketstream.operations.login.flow import LoggedIn

_PORT: Final = 8914
_SECONDS: Final = 300.0


def register(app: typer.Typer) -> None:
    """Add the command ``login``."""
    app.command()(login)


def login(
    port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65_535,
            help="Port of this machine that Zendesk sends the browser back to; its redirect URL "
            "http://127.0.0.1:PORT/callback must be registered with the OAuth client. 0 is any free one.",
        ),
    ] = _PORT,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the page's address only; open it yourself.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=1.0, max=86_400.0, help="Seconds to wait for the person's answer.")
    ] = _SECONDS,
    as_json: JsonOption = False,
) -> None:
    """Log in to Zendesk once, for an OAuth client with the grant `refresh_token`; again when it has died."""
    from schemas.settings.load import load_settings
    from ticketstream.cli.running import run_async
    from ticketstream.operations.login.flow import log_in

    def asks(page: str, redirect: str) -> None:
        note(f"The OAuth client in Zendesk must have this redirect URL: {redirect}")
        note("Log in as an administrator on this page, and allow it:")
        if as_json:
            note(page)
        else:
            out().print(page, soft_wrap=True)

    done = run_async(
        log_in(load_settings(), port=port, browser=not no_browser, timeout=timeout, asks=asks, say=note)
    )
    if as_json:
        print_json(fields_of(done))
    else:
        for line in lines_of(done):
            out().print(line, soft_wrap=True)
    if done.problem is not None:
        raise typer.Exit(1)


def fields_of(done: LoggedIn) -> dict[str, object]:
    """Return what was done as a document without secrets; times are ISO 8601."""
    return {
        "account": done.account,
        "client_id": done.client_id,
        "scope": done.scope,
        "redirect_url": done.redirect_url,
        "user": done.user,
        "role": done.role,
        "problem": done.problem,
        "access_token_ends": _moment(done.pair.access_ends),
        "refresh_token_ends": _moment(done.pair.refresh_ends),
        "key_file": None if done.key_file is None else str(done.key_file),
    }


def lines_of(done: LoggedIn) -> list[str]:
    """Return what was done, for people."""
    from ticketstream.terminal.untrusted import one_line

    whom = "" if done.user is None else f" as {one_line(done.user)} ({one_line(done.role or 'nobody')})"
    lines = [
        f"Logged in to {done.account}{whom}. The login is stored in Kafka, sealed: workers and commands "
        "use it from now on, also those that waited for it.",
        f"It renews itself; left alone, it ends on {_moment(done.pair.refresh_ends)}.",
    ]
    if done.key_file is not None:
        lines.append(f"What opens it lies in {done.key_file}: copy that file to other machines that use it.")
    if done.problem is not None:
        lines.append(f"But it cannot be used yet: {one_line(done.problem)}")
    return lines


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
