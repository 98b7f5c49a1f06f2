"""``ticketstream dead-letters``: what could never succeed, with its original bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ticketstream.cli.output import JsonOption, note, out, print_json, table

if TYPE_CHECKING:
    from schemas.messages import DeadLetter

_SHOWN_CHARACTERS = 20_000
_REASON_CHARACTERS = 80


def register(app: typer.Typer) -> None:
    """Add the group ``dead-letters``."""
    group = typer.Typer(help="Lists and shows what could not be processed.", no_args_is_help=True)
    group.command("list")(list_)
    group.command("show")(show)
    app.add_typer(group, name="dead-letters")


def list_(
    limit: Annotated[int, typer.Option(min=0, help="Show at most this many; 0 shows all.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List dead letters, newest first, and how many there are for each reason."""
    from schemas.settings import load_settings
    from ticketstream.cli.running import run_async
    from ticketstream.cli.untrusted import one_line, shortened
    from ticketstream.records.dead_letters import count_reasons, load_dead_letters
    from ticketstream.records.summary import moment

    found = run_async(load_dead_letters(load_settings().bootstrap_servers))
    shown = found.letters[:limit] if limit else found.letters
    reasons = count_reasons(found.letters)
    if as_json:
        print_json(
            {
                "total": len(found.letters),
                "unreadable": found.unreadable,
                "reasons": [{"stage": s, "error_type": e, "count": n} for s, e, n in reasons],
                "dead_letters": [_summary(letter) for letter in shown],
            }
        )
        return
    if found.unreadable:
        note(f"{found.unreadable:,} messages on the topic are no dead letters that this release can read")
    if not found.letters:
        out().print("no dead letters")
        return
    table(["stage", "error", "count"], [(one_line(stage), one_line(e), n) for stage, e, n in reasons])
    out().print()
    table(
        ["id", "when", "stage", "where", "reason"],
        [
            (
                one_line(letter.id),
                moment(letter.failed_at),
                one_line(letter.stage),
                one_line(_where(letter)),
                shortened(one_line(f"{letter.error_type}: {letter.message}"), _REASON_CHARACTERS),
            )
            for letter in shown
        ],
    )
    if len(shown) < len(found.letters):
        note(f"{len(shown):,} of {len(found.letters):,} are shown; --limit 0 shows all")


def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="The id, as `dead-letters list` shows it.")],
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter with its original bytes (in base64 with --json)."""
    from schemas.settings import load_settings
    from ticketstream.cli.originals import as_text
    from ticketstream.cli.running import run_async
    from ticketstream.cli.untrusted import one_line
    from ticketstream.records.dead_letters import find_dead_letter, original
    from ticketstream.records.summary import moment

    letter = run_async(find_dead_letter(load_settings().bootstrap_servers, letter_id))
    if as_json:
        print_json(_summary(letter) | {"value": letter.value, "headers": letter.headers})
        return
    rows = [
        ("id", letter.id),
        ("when", moment(letter.failed_at) or ""),
        ("stage", letter.stage),
        ("error", letter.error_type),
        ("message", letter.message),
        ("import", letter.import_id or "–"),
        ("topic", letter.topic),
        ("partition", str(letter.partition)),
        ("offset", str(letter.offset)),
    ]
    if letter.line is not None:
        rows.append(("line", str(letter.line)))
    if letter.key is not None:
        rows.append(("key", as_text(original(letter.key) or b"")))
    rows += [(f"header {name}", as_text(original(value) or b"")) for name, value in letter.headers]
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


def _summary(letter: DeadLetter) -> dict[str, Any]:
    from ticketstream.records.summary import moment

    return {
        "id": letter.id,
        "stage": letter.stage,
        "error_type": letter.error_type,
        "message": letter.message,
        "failed_at": moment(letter.failed_at),
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "line": letter.line,
        "import_id": letter.import_id or None,
        "key": letter.key,
    }
