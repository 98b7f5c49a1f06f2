"""Where the demo happens: a stack and workers of its own, which are always ended."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.settings.load import Settings
from ticketstream.demo.isolated import isolated_settings
from ticketstream.demo.plan import FOLDER, given_settings, stack_options
from ticketstream.demo.signals import ended_by_signals, uninterrupted
from ticketstream.demo.workers import DemoWorkers
from ticketstream.local.stack.api import LocalStack
from ticketstream.local.stack.layout import unwritable
from ticketstream.operations.locks import file_lock
from ticketstream.operations.progress import ProgressHook

_LOCK: Final = "demo.lock"

Reporting = Callable[[], AbstractContextManager[ProgressHook]]


@dataclass(frozen=True, slots=True)
class Place:
    """A running stack and its workers; ``environment`` are the variables that reach it.

    ``began`` is the second of the steady clock at which the start began.
    """

    began: float
    folder: Path
    settings: Settings
    environment: dict[str, str]
    workers: DemoWorkers


@contextmanager
def running_place(
    data_dir: Path,
    tickets: int,
    workers: int,
    *,
    keep: bool,
    reporting: Reporting,
    tell: Callable[[str], None],
) -> Iterator[Place]:
    """Start a stack and workers in a folder of the demo's own below ``data_dir``; end them with the block.

    What an earlier demo left there is ended and deleted first. The workers are started, not ready yet.
    However the block ends, the workers are stopped. The stack is too, and its data deleted, unless
    ``keep`` and the block ended well; after an error the logs stay, and ``tell`` says where.
    ``reporting`` gives a context manager of a function that is told (step, detail).
    Raises StackError.
    """
    folder = data_dir.expanduser().absolute() / FOLDER
    made = _make(folder)
    with ended_by_signals(), file_lock(folder / _LOCK, what="another demo is running", seconds=0):
        began = time.monotonic()
        told = _Relay()
        stack = LocalStack(folder, stack_options(tickets), given=given_settings(), progress=told)
        running: DemoWorkers | None = None
        failed = left = False
        try:
            with told.by(reporting()):
                if stack.is_running():
                    tell("An earlier demo's stack still runs: it is stopped and its data deleted.")
                stack.stop(delete_data=True)
                environment = stack.start()
            running = DemoWorkers(workers, environment, folder, stack.paths.log("workers"))
            running.start()
            yield Place(began, folder, isolated_settings(stack.paths.settings_file), environment, running)
            left = keep
            # The stack is meant to outlive this process; Weaviate's client has such warnings shown.
            warnings.filterwarnings("ignore", "subprocess .* is still running", ResourceWarning)
        except Exception:
            failed = True
            raise
        finally:
            with uninterrupted(), told.by(reporting()):
                if running is not None:
                    told("stopping", f"{workers} workers")
                    running.stop()
                if not left:
                    stack.stop(delete_data=not failed)
            if failed and stack.paths.logs.is_dir():
                tell(f"What the services and the workers logged is in {stack.paths.logs}")
            (folder / _LOCK).unlink(missing_ok=True)
            if not (failed or left):
                _remove(made)


class _Relay:
    """A report that outlives those who show it."""

    def __init__(self) -> None:
        self._progress: ProgressHook | None = None

    def __call__(self, step: str, detail: str) -> None:
        if self._progress is not None:
            self._progress(step, detail)

    @contextmanager
    def by(self, showing: AbstractContextManager[ProgressHook]) -> Iterator[None]:
        """Have what is told shown like this for the length of the block."""
        with showing as self._progress:
            try:
                yield
            finally:
                self._progress = None


def _make(folder: Path) -> list[Path]:
    """Make the folder; return it and what else had to be made above it, the deepest first."""
    missing = [each for each in folder.parents if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None
    return [folder, *missing]


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # something else is in it by now
            folder.rmdir()
