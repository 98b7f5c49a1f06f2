"""``ticketstream dead-letters retry`` and ``discard``: decides about dead letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ticketstream.cli.dead_letters.options import Reasons, Since, Tickets, Until, filters_of
from ticketstream.terminal.output import JsonOption, note, print_error, print_json

if TYPE_CHECKING:
    from schemas.messages.dead_letters import Verdict
    from schemas.settings.load import Settings
    from ticketstream.operations.dead_letters.book import KnownLetter
    from ticketstream.operations.dead_letters.choice import Filters
    from ticketstream.operations.dead_letters.settle import Settled
    from ticketstream.operations.dead_letters.work import Choice

_NAMED: Final = 10

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Ids, as `dead-letters list` shows them.")
]
IdOption = Annotated[list[str] | None, typer.Option("--id", metavar="ID", help="The same as an option.")]
Everything = Annotated[bool, typer.Option("--all", help="All open letters.")]


_RETRY: Final = """Send the originals of open dead letters through the pipeline again.

A newer version of a ticket is never overwritten. What fails again becomes a new dead letter, which
says so. Repeating the command sends nothing twice: only letters that are still open are sent.
"""
_DISCARD: Final = """Put open dead letters aside: nothing is sent, and `list` no longer shows them.

They stay on their topic; `list --all` shows them, and `retry ID` still sends them.
"""


def register(group: typer.Typer) -> None:
    """Add ``retry`` and ``discard``."""
    group.command("retry", help=_RETRY)(_command("retried"))
    group.command("discard", help=_DISCARD)(_command("discarded"))


def _command(verdict: Verdict) -> Callable[..., None]:
    """Return the command that settles the chosen letters so."""

    def command(
        ids: Ids = None,
        id_: IdOption = None,
        ticket: Tickets = None,
        reason: Reasons = None,
        since: Since = None,
        until: Until = None,
        everything: Everything = False,
        as_json: JsonOption = False,
    ) -> None:
        filters = filters_of(ticket, reason, since, until)
        named = [*(ids or ()), *(id_ or ())]
        ways = [bool(named), bool(filters), everything]
        if not any(ways):
            raise typer.BadParameter("say which: ids, --ticket, --reason, --since, --until, or --all")
        if sum(ways) > 1:
            raise typer.BadParameter(
                "give ids, or filters such as --ticket and --reason, or --all: not two of these"
            )
        _settle(verdict, named, filters, as_json)

    return command


def _settle(verdict: Verdict, ids: Sequence[str], filters: Filters, as_json: bool) -> None:
    from schemas.errors import TicketstreamError
    from schemas.settings.load import load_settings
    from ticketstream.cli.running import run_async
    from ticketstream.operations.dead_letters.settle import Settled

    settled = Settled()
    try:
        chosen, open_ = run_async(_work(load_settings(), verdict, ids, filters, settled))
    except (KeyboardInterrupt, TicketstreamError):
        if settled.done:
            note(
                f"{_letters(len(settled.done))} {verdict} before that; the same command goes on with the rest"
            )
        raise
    _report(verdict, chosen, open_, settled, as_json)


async def _work(
    settings: Settings, verdict: Verdict, ids: Sequence[str], filters: Filters, settled: Settled
) -> Choice:
    """Choose the letters, and settle those that are open; returns all that were meant, and these."""
    from ticketstream.operations.dead_letters.work import choose, settle
    from ticketstream.operations.imports.waiting import warn_without_workers

    choice = await choose(settings, verdict, ids, filters)
    if choice.open:
        note(f"{_letters(len(choice.open))} to be {verdict}")
        if verdict == "retried":
            await warn_without_workers(settings)
        await settle(settings, verdict, choice.open, settled, waits=note)
    return choice


def _report(
    verdict: Verdict,
    chosen: Sequence[KnownLetter],
    open_: Sequence[KnownLetter],
    settled: Settled,
    as_json: bool,
) -> None:
    from ticketstream.terminal.untrusted import one_line

    before = len(chosen) - len(open_)
    if as_json:
        document: dict[str, Any] = {
            "matched": len(chosen),
            verdict: len(settled.done),
            "settled_before": before,
            "dead_letters": settled.done,
            "impossible": [{"id": name, "message": why} for name, why in settled.impossible],
        }
        print_json(document)
    else:
        if before:
            was = "was" if before == 1 else "were"
            note(f"{_letters(before)} {was} retried or discarded before: nothing to do")
        if open_:
            note(f"{_letters(len(settled.done))} {verdict}")
        if settled.done and verdict == "retried":
            note("what fails again is in `ticketstream dead-letters list`")
    for name, why in settled.impossible[:_NAMED]:
        print_error(f"dead letter {one_line(name)} cannot be retried: {one_line(why)}")
    if len(settled.impossible) > _NAMED:
        print_error(f"{len(settled.impossible) - _NAMED:,} more cannot be retried: --json names them all")
    if settled.impossible:
        raise typer.Exit(1)


def _letters(count: int) -> str:
    return "1 dead letter" if count == 1 else f"{count:,} dead letters"
