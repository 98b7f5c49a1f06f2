"""What a command is doing: a spinner on a terminal, a plain line a step elsewhere, both on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.text import Text

from ticketstream.terminal.output import err


@contextmanager
def step_report() -> Iterator[Callable[[str, str], None]]:
    """Yield a function that is told what goes on, as (step, detail).

    On a terminal the current step spins with its seconds; elsewhere each step is printed once.
    """
    console = err()
    started, current = time.monotonic(), ""
    if not console.is_terminal:

        def plain(step: str, detail: str) -> None:
            nonlocal current
            if step != current:
                current = step
                console.print(f"{step} {detail}".strip(), soft_wrap=True)

        yield plain
        return

    with console.status("one moment") as status:

        def spin(step: str, detail: str) -> None:
            nonlocal started, current
            if step != current:
                started, current = time.monotonic(), step
            seconds = time.monotonic() - started
            status.update(Text(f"{step} {detail} {seconds:.0f} s".replace("  ", " ")))

        yield spin
