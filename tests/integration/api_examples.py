"""The examples with curl of docs/http-api.md, typed into a shell as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "http-api.md"
ADDRESS = "http://127.0.0.1:8088"
ENDLESS = "/api/v1/events"
SECONDS = 60.0


def examples() -> tuple[list[str], list[str]]:
    """Return what the page sets for its examples, and the examples."""
    (block,) = [one for one in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) if "curl" in one]
    lines = block.splitlines()
    commands = [line for line in lines if line.startswith("curl ")]
    return [line for line in lines if line not in commands], commands


class Shell:
    """A shell of somebody who has started ``serve`` at ``url`` with a key of its own making."""

    def __init__(self, home: Path, key: str, url: str) -> None:
        self._home = home
        self._url = url
        kept = home / ".local" / "share" / "ticketstream" / "api-key"
        kept.parent.mkdir(parents=True)
        kept.write_text(key)
        (home / ".curlrc").write_text('silent\nshow-error\nfail-with-body\nnoproxy = "*"\n')

    def typed(self, *lines: str) -> Any:
        """Return what the last line prints: a document, or the last one of a stream of events."""
        text = "\n".join(lines).replace(ADDRESS, self._url)
        if ENDLESS in lines[-1]:
            text = f"{text.rpartition('#')[0]} | head -n 2"
        done = subprocess.run(
            ["bash", "-euc", text],
            env={"HOME": str(self._home), "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, (lines[-1], done.stdout, done.stderr)
        events = re.findall("^data: (.*)$", done.stdout, re.MULTILINE)
        return json.loads(events[-1] if events else done.stdout)
