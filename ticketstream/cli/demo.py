"""``ticketstream demo``: the whole story on this machine."""

from __future__ import annotations

import shlex
import time
from typing import Annotated

import typer

from ticketstream.terminal.output import JsonOption, err, note, out, print_json
from ticketstream.terminal.progress import step_report

_LEAST_TICKETS = 20
"""Fewer may hold no open ticket that the demo could change."""


def register(app: typer.Typer) -> None:
    """Add the command ``demo``."""
    app.command()(demo)


def demo(
    tickets: Annotated[int, typer.Option(min=_LEAST_TICKETS, help="Tickets of the sample account.")] = 2_000,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the stack running (the workers stop), and say how to go on.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the whole story on this machine: import, live changes, search, and a summary.

    It starts Kafka, Weaviate, a sample Zendesk, a sample Gemini and two workers in a data directory of
    its own, and stops and deletes all of it at the end. It never meets your stack or your accounts.
    """
    from schemas.settings.load import data_dir
    from ticketstream.cli.running import run_async
    from ticketstream.demo.document import document
    from ticketstream.demo.place import running_place
    from ticketstream.demo.plan import WORKERS
    from ticketstream.demo.screen import Screen
    from ticketstream.demo.story import tell_story
    from ticketstream.local.stack.build import ready_parts

    screen = Screen(err() if as_json else out())
    with step_report() as report:
        ready_parts(with_kafka=True, with_weaviate=True, progress=report)
    began = time.monotonic()
    screen.chapter(f"Start Kafka, Weaviate, a sample Zendesk, a sample Gemini and {WORKERS} workers")
    place = running_place(data_dir(), tickets, WORKERS, keep=keep, reporting=step_report, tell=note)
    with place as running:
        story = run_async(tell_story(running, tickets, screen, step_report))
    seconds = time.monotonic() - began
    if as_json:
        poll = running.settings.zendesk.poll_seconds
        left = running.environment if keep else None
        print_json(document(story, seconds=seconds, poll_seconds=poll, environment=left))
        return
    if keep:
        screen.chapter(f"Done in {seconds:.0f} s; the stack keeps running, the workers are stopped")
        screen.commands(_going_on(running.environment))
    else:
        screen.chapter(f"Done in {seconds:.0f} s; everything is stopped, and {running.folder} is deleted")


def _going_on(environment: dict[str, str]) -> list[str]:
    """Return the commands with which a person goes on."""
    return [
        "To go on with it, in this shell:",
        "",
        *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
        "",
        "ticketstream worker --workers 2 &                 # follows the sample Zendesk again",
        'ticketstream search "I paid twice" --status open',
        "ticketstream imports list",
        "kill %1; wait; ticketstream down --delete-data    # the end: first the workers, then the stack",
    ]
