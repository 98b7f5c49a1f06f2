"""``ticketstream dead-letters``: what could never succeed, with its original bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ticketstream.cli.dead_letters import actions as dead_letter_actions
from ticketstream.cli.dead_letters import export as dead_letter_export
from ticketstream.cli.dead_letters.options import Reasons, Settled, Since, Tickets, Until, filters_of
from ticketstream.terminal.output import JsonOption, note, out, print_json, table

if TYPE_CHECKING:
    from schemas.messages.dead_letters import DeadLetter
    from ticketstream.operations.dead_letters.book import DeadLetterList, KnownLetter

_SHOWN_CHARACTERS = 20_000
_REASON_CHARACTERS = 80


def register(app: typer.Typer) -> None:
    """Add the group ``dead-letters``."""
    group = typer.Typer(
        help="Lists, shows, retries, discards and exports what could not be processed.",
        no_args_is_help=True,
    )
    group.command("list")(list_)
    group.command("show")(show)
    dead_letter_actions.register(group)
    dead_letter_export.register(group)
    app.add_typer(group, name="dead-letters")


def list_(
    flat: Annotated[bool, typer.Option("--flat", help="Each letter on a line, newest first.")] = False,
    ticket: Tickets = None,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    settled: Settled = False,
    limit: Annotated[
        int, typer.Option(min=0, help="Show at most this many with --flat or --json; 0 shows all.")
    ] = 50,
    as_json: JsonOption = False,
) -> None:
    """List open dead letters, grouped by reason."""
    from schemas.settings.load import load_settings
    from ticketstream.cli.running import run_async
    from ticketstream.operations.dead_letters.book import load_dead_letters
    from ticketstream.operations.dead_letters.choice import filtered

    filters = filters_of(ticket, reason, since, until)
    found = run_async(load_dead_letters(load_settings().cluster))
    matching = filtered(found, filters)
    listed = [known for known in matching if settled or known.state == "open"]
    shown = listed[:limit] if limit else listed
    if as_json:
        _print_document(found, matching, listed, shown)
        return
    if found.unreadable:
        note(f"{found.unreadable:,} messages on the topic are no dead letters that this release can read")
    gone = len(matching) - len(listed)
    if not listed:
        out().print("no open dead letters" if gone else "no dead letters")
    elif flat:
        _print_flat(shown)
        if len(shown) < len(listed):
            note(f"{len(shown):,} of {len(listed):,} are shown; --limit 0 shows all")
    else:
        _print_reasons(listed)
        note("--flat lists each of them; `ticketstream dead-letters show ID` shows one with its original")
    if gone:
        note(f"{gone:,} more were retried or discarded; --all lists them too")


def _print_document(
    found: DeadLetterList,
    matching: Sequence[KnownLetter],
    listed: Sequence[KnownLetter],
    shown: Sequence[KnownLetter],
) -> None:
    from ticketstream.operations.dead_letters.book import DeadLetterList
    from ticketstream.operations.dead_letters.choice import by_reason
    from ticketstream.operations.dead_letters.document import summary
    from ticketstream.operations.imports.summary import moment

    states = DeadLetterList(list(matching)).states
    print_json(
        {
            "total": len(listed),
            "states": {state: states[state] for state in ("open", "retried", "discarded")},
            "unreadable": found.unreadable,
            "reasons": [
                {
                    "reason": group.name,
                    "stage": group.stage,
                    "error_type": group.error_type,
                    "count": group.count,
                    "oldest": moment(group.oldest),
                    "newest": moment(group.newest),
                    "example": summary(group.example),
                }
                for group in by_reason(listed)
            ],
            "dead_letters": [summary(known) for known in shown],
        }
    )


def _print_reasons(letters: Sequence[KnownLetter]) -> None:
    from ticketstream.operations.dead_letters.choice import by_reason
    from ticketstream.operations.imports.summary import moment
    from ticketstream.terminal.untrusted import one_line, shortened

    table(
        ["reason", "count", "oldest", "newest", "example", "its message"],
        [
            (
                one_line(group.name),
                group.count,
                moment(group.oldest),
                moment(group.newest),
                one_line(group.example.letter.id),
                shortened(one_line(group.example.letter.message), _REASON_CHARACTERS),
            )
            for group in by_reason(letters)
        ],
    )


def _print_flat(letters: Sequence[KnownLetter]) -> None:
    from ticketstream.operations.imports.summary import moment
    from ticketstream.terminal.untrusted import one_line, shortened

    table(
        ["id", "when", "stage", "ticket", "where", "state", "reason"],
        [
            (
                one_line(known.letter.id),
                moment(known.letter.failed_at),
                one_line(known.letter.stage),
                None if known.ticket_id is None else f"#{known.ticket_id}",
                one_line(_where(known.letter)),
                _state(known),
                shortened(one_line(f"{known.letter.error_type}: {known.letter.message}"), _REASON_CHARACTERS),
            )
            for known in letters
        ],
    )


def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="The id, as `dead-letters list` shows it.")],
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter with its original bytes (in base64 with --json)."""
    from schemas.settings.load import load_settings
    from ticketstream.cli.dead_letters.originals import as_text
    from ticketstream.cli.running import run_async
    from ticketstream.operations.dead_letters.book import find_dead_letter, original, original_headers
    from ticketstream.operations.dead_letters.document import whole
    from ticketstream.operations.imports.summary import moment
    from ticketstream.terminal.untrusted import one_line

    known, letter = run_async(find_dead_letter(load_settings().cluster, letter_id))
    if as_json:
        print_json(whole(known, letter))
        return
    rows = [
        ("id", letter.id),
        ("state", _state(known) + (f" at {moment(known.settled_at)}" if known.settled_at else "")),
        ("when", moment(letter.failed_at) or ""),
        ("stage", letter.stage),
        ("error", letter.error_type),
        ("message", letter.message),
        ("ticket", "–" if known.ticket_id is None else f"#{known.ticket_id}"),
        ("import", letter.import_id or "–"),
        ("topic", letter.topic),
        ("partition", str(letter.partition)),
        ("offset", str(letter.offset)),
    ]
    if letter.line is not None:
        rows.append(("line", str(letter.line)))
    if known.retry is not None:
        rows.append(("retry of", known.retry.letter_id))
    rows += [("failed again as", each) for each in known.failed_again_as]
    if letter.key is not None:
        rows.append(("key", as_text(original(letter.key) or b"")))
    rows += [(f"header {name}", as_text(value)) for name, value in original_headers(letter)]
    table(["", ""], [(one_line(name), one_line(value)) for name, value in rows])
    console = out()
    console.print()
    value = original(letter.value)
    if value is None:
        console.print("the message had no value")
        return
    console.print(f"value ({len(value):,} bytes):")
    text = as_text(value)
    console.print(text[:_SHOWN_CHARACTERS], soft_wrap=True)
    if len(text) > _SHOWN_CHARACTERS:
        note(f"the first {_SHOWN_CHARACTERS:,} characters are shown; --json has all, in base64")


def _where(letter: DeadLetter) -> str:
    if letter.line is not None:
        return f"{letter.topic} line {letter.line}"
    return f"{letter.topic}/{letter.partition}@{letter.offset}"


def _state(known: KnownLetter) -> str:
    """Return what became of a letter, and how often its original has failed before."""
    words: Any = known.state
    if known.retry is not None:
        times = known.retry.number
        words += f", failed again{f', {times} times' if times > 1 else ''}"
    return f"{words}"
