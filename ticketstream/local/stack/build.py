"""Kafka's jars and Weaviate's server: fetched and built once a user, then taken from the cache.

The cache is the user's cache directory (``~/.cache/ticketstream`` on Linux), or TICKETSTREAM_CACHE_DIR.
Each part is made beside its place and renamed, so what is there is whole; a file lock keeps two
builders apart.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path

from schemas.errors import StackError
from ticketstream.local.stack import kafka, kafka_classes, weaviate
from ticketstream.local.stack.tools import GO, JAVA, MAVEN, Tool, check
from ticketstream.operations.locks import file_lock
from ticketstream.operations.orphans import dies_with_parent
from ticketstream.operations.progress import ProgressHook

CACHE_DIR_VARIABLE: Final = "TICKETSTREAM_CACHE_DIR"
POM: Final = Path(__file__).with_name("pom.xml")
BUILD_SECONDS: Final = 3600.0
WEAVIATE_PACKAGES: Final = 1_727
"""``go list -deps`` of the server, of which those that are not in Go's build cache are compiled."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing in the cache: ``proof`` is a file that is there when it is whole."""

    name: str
    step: str
    proof: str
    tools: tuple[Tool, ...]
    make: Callable[[Path, Mapping[str, Path], Path, Callable[[str], None]], None]


def cache_dir() -> Path:
    """Return the folder of the cache."""
    given = os.environ.get(CACHE_DIR_VARIABLE)
    return Path(given).expanduser().absolute() if given else user_cache_path("ticketstream")


def _fetch_kafka(folder: Path, tools: Mapping[str, Path], log: Path, detail: Callable[[str], None]) -> None:
    # The colour and progress of Maven would only fill the log.
    command = [str(tools["mvn"]), "-B", "-q", "-f", str(POM), "dependency:copy-dependencies"]
    run_logged([*command, f"-DoutputDirectory={folder}"], {}, log, lambda: detail(_count(folder, "jars")))
    detail("an archive of its classes")
    kafka_classes.archive(folder, tools["java"])


def _count(folder: Path, what: str) -> str:
    return f"{sum(1 for _ in folder.iterdir())} {what}"


def _build_weaviate(
    folder: Path, tools: Mapping[str, Path], log: Path, detail: Callable[[str], None]
) -> None:
    module = f"github.com/weaviate/weaviate/cmd/weaviate-server@v{weaviate.VERSION}"
    extra = {"CGO_ENABLED": "0", "GOBIN": str(folder), "GOFLAGS": ""}

    def compiled() -> None:
        with suppress(OSError), log.open("rb") as lines:
            # -v names each package before it is compiled, between lines about downloads.
            count = sum(1 for line in lines if not line.startswith(b"go:"))
            detail(f"{count:,} of {WEAVIATE_PACKAGES:,} packages" if count else "downloading the sources")

    run_logged([str(tools["go"]), "install", "-v", module], extra, log, compiled)


KAFKA: Final = Part(
    name=f"kafka-{kafka.VERSION}",
    step=f"fetching Kafka {kafka.VERSION} with Maven (once, under a minute)",
    proof=kafka_classes.LOG,
    tools=(MAVEN,),
    make=_fetch_kafka,
)
WEAVIATE: Final = Part(
    name=f"weaviate-{weaviate.VERSION}",
    step=f"building Weaviate {weaviate.VERSION} with Go (once, a few minutes)",
    proof="weaviate-server",
    tools=(GO,),
    make=_build_weaviate,
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs the services: Java, the folder with Kafka's jars, Weaviate's server; None if not wanted."""

    java: Path | None
    kafka_lib: Path | None
    weaviate_server: Path | None


def ready_parts(
    *, with_kafka: bool, with_weaviate: bool, progress: ProgressHook, parts: Mapping[str, Part] | None = None
) -> Parts:
    """Return what runs the services, building what is not there yet.

    All missing tools are named before anything is built: raises StackError
    for them, and with the end of the log when a build fails.
    """
    known = parts or {"kafka": KAFKA, "weaviate": WEAVIATE}
    wanted = [known[name] for name, want in (("kafka", with_kafka), ("weaviate", with_weaviate)) if want]
    cache = cache_dir()
    missing = [part for part in wanted if not (cache / part.name / part.proof).is_file()]
    tools = check(([JAVA] if with_kafka else []) + [tool for part in missing for tool in part.tools])
    for part in missing:
        _make(part, cache, tools, progress)
    lib = cache / known["kafka"].name if with_kafka else None
    server = cache / known["weaviate"].name / known["weaviate"].proof if with_weaviate else None
    return Parts(tools.get("java"), lib, server)


def _make(part: Part, cache: Path, tools: Mapping[str, Path], progress: ProgressHook) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with file_lock(
            cache / f"{part.name}.lock", what=f"{part.name} is being built", seconds=BUILD_SECONDS
        ):
            if not (cache / part.name / part.proof).is_file():  # else another builder was here meanwhile
                _make_locked(part, cache, tools, progress)
    except OSError as error:
        raise StackError(
            f"the cache {cache} cannot be written ({error.strerror}): make room, or set "
            f"{CACHE_DIR_VARIABLE} elsewhere"
        ) from None


def _make_locked(part: Part, cache: Path, tools: Mapping[str, Path], progress: ProgressHook) -> None:
    for left_over in cache.glob(f".{part.name}-*"):  # of a builder that was killed
        shutil.rmtree(left_over, ignore_errors=True)
    folder, log = Path(tempfile.mkdtemp(dir=cache, prefix=f".{part.name}-")), cache / f"{part.name}.log"
    progress(part.step, "")
    try:
        part.make(folder, tools, log, lambda detail: progress(part.step, detail))
        if not (folder / part.proof).is_file():
            raise StackError(f"{part.step}: done, but {part.proof} is missing; see {log}")
        folder.chmod(0o755)
        shutil.rmtree(cache / part.name, ignore_errors=True)
        folder.rename(cache / part.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_logged(
    command: list[str], extra: Mapping[str, str], log: Path, tick: Callable[[], None], every: float = 0.5
) -> None:
    """Run a program with its output in a log file, calling ``tick`` now and then.

    Its whole group ends when we stop early, and it ends when we are killed. Raises StackError with the
    end of the log when it fails.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **extra},
            cwd=log.parent,
            start_new_session=True,
            preexec_fn=dies_with_parent(),
        )
    try:
        while True:
            try:
                process.wait(timeout=every)
                break
            except subprocess.TimeoutExpired:
                tick()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode:
        raise StackError(f"`{Path(command[0]).name}` failed: {log_tail(log)} (all of it: {log})")


def log_tail(log: Path, lines: int = 3) -> str:
    """Return the last lines of a log that say something, on one line of at most 600 characters."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        return "it wrote nothing"
    held = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in held if "ERROR" in line or "error" in line.lower()] or held
    return " | ".join(telling[-lines:])[-600:] or "it wrote nothing"


def main() -> None:
    """Make both parts unless they are there; ends with status 1 and one line when that fails."""
    from ticketstream.terminal.output import print_error
    from ticketstream.terminal.progress import step_report

    try:
        with step_report() as progress:
            ready_parts(with_kafka=True, with_weaviate=True, progress=progress)
    except StackError as error:
        print_error(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
