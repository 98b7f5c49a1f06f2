"""``ticketstream dead-letters export``: dead letters with their originals, as NDJSON."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from ticketstream.cli.dead_letters.options import Reasons, Settled, Since, Tickets, Until, filters_of
from ticketstream.terminal.output import JsonOption, note, print_json

_ONLY_ITS_OWNER = 0o600


def register(group: typer.Typer) -> None:
    """Add ``export``."""
    group.command("export")(export)


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE.ndjson", help="Where to write; replaced if there.")],
    ticket: Tickets = None,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    settled: Settled = False,
    as_json: JsonOption = False,
) -> None:
    """Write open dead letters to a file, one JSON document a line, with their originals.

    Originals are in base64, and beside it as text where they are text. The file holds what customers
    wrote: only its owner may read it.
    """
    from schemas.settings.load import load_settings
    from ticketstream.cli.running import run_async
    from ticketstream.operations.dead_letters.book import load_dead_letters, originals
    from ticketstream.operations.dead_letters.choice import filtered
    from ticketstream.operations.dead_letters.document import export_line

    filters = filters_of(ticket, reason, since, until)
    path = file.expanduser().absolute()
    cluster = load_settings().cluster

    async def write(target: IO[bytes]) -> int:
        found = await load_dead_letters(cluster)
        chosen = [known for known in filtered(found, filters) if settled or known.state == "open"]
        count = 0
        async for known, letter in originals(cluster, chosen):
            target.write(export_line(known, letter))
            count += 1
        return count

    with _replacing(path) as target:
        count = run_async(write(target))
    if as_json:
        print_json({"file": str(path), "exported": count})
    else:
        note(f"{count:,} dead {'letter is' if count == 1 else 'letters are'} in {path}")


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write beside the file, and put it in place when it is whole."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, _ONLY_ITS_OWNER)) as target:
            yield target
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
