"""A benchmark's results as they are kept: ``<name>.json`` beside ``<name>.svg``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from benchmarks.figures import Findings
from schemas.errors import StackError

FOLDER: Final = Path(__file__).parents[1] / "docs" / "benchmarks"


class Machine(msgspec.Struct, kw_only=True):
    """Where and when; ``load`` is that of the last minute before the benchmark began."""

    date: str
    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    kafka: str
    weaviate: str
    commit: str
    load: float

    @property
    def line(self) -> str:
        """All of it for people."""
        return (
            f"{self.date}: {self.cores} cores ({self.processor}), {self.memory_gb:g} GB, {self.system}, "
            f"Python {self.python}, Kafka {self.kafka}, Weaviate {self.weaviate}, commit {self.commit}, "
            f"load {self.load:g} before"
        )


class Result(msgspec.Struct, kw_only=True):
    """One run: ``command`` repeats it; ``tickets`` and ``workers`` are what it was given."""

    name: str
    command: str
    tickets: int
    workers: int
    minutes: float
    machine: Machine
    findings: list[Findings]


def write_result(folder: Path, result: Result) -> Path:
    """Write a result over the last one of its benchmark and return its path; raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.name}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    return path


def read_results(folder: Path) -> dict[str, Result]:
    """Return all results of a folder by name; raises OSError, and StackError for a file that is none."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            found[path.stem] = msgspec.json.decode(path.read_bytes(), type=Result)
        except msgspec.DecodeError as error:
            raise StackError(f"{path} is no result of a benchmark: {error}; delete it") from error
    return found
