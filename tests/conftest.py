"""For all tests: what runs beside what, and in which order."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import hypothesis
import psutil
import pytest
from xdist.scheduler import LoadScopeScheduling

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every command
# they start: those that test what a Ctrl-C does would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes is up to the machine.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

# Their asserts shall say what was compared, as those of test files do.
pytest.register_assert_rewrite("tests.behaviour")

_HERE = Path(__file__).parent
_FOLDERS = ("faults", "integration", "contract", "unit")
"""The longest first: `make test` runs several files at once, and small ones fill the gaps at the end."""
_SHARED = (
    "test_pipeline_import.py",
    "test_ticket_life.py",
    "test_pipeline_live.py",
    "test_pipeline_poison.py",
    "test_weaviate_search.py",
    "test_weaviate_sink.py",
    "test_weaviate_switch.py",
    "test_behaviour.py",
    "test_prometheus.py",
    "test_http_fuzz.py",
    "test_page.py",
)
"""Files whose tests share one stack, and so one process; the first sees the account as it was imported."""
_LOCKED = ("test_weaviate_connection.py", "test_weaviate_foreign.py")
"""Files whose tests share a Weaviate that asks for a key, and so one process."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in their order; refuse a file that uses the shared stack without being named above."""
    items.sort(key=lambda item: _place(item.path))
    for item in items:
        if "shared_desk" in getattr(item, "fixturenames", ()) and item.path.name not in _SHARED:
            raise pytest.UsageError(f"{item.path.name} uses the shared stack: name it in {__file__}")


def _place(path: Path) -> tuple[int, int]:
    folder = _FOLDERS.index(path.relative_to(_HERE).parts[0])
    return folder, _SHARED.index(path.name) if path.name in _SHARED else len(_SHARED)


class _Files(LoadScopeScheduling):
    """Gives each process whole files, and those of the shared stack to one."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        together = {"shared": _SHARED, "locked": _LOCKED}
        return next((name for name, files in together.items() if Path(path).name in files), path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Have ``pytest -n`` keep files together."""
    return _Files(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the stacks of test processes that were ended before they could do it themselves."""
    if hasattr(config, "workerinput"):
        return
    folders: Any = getattr(config, "_tmp_path_factory", None)
    if folders is None or folders._basetemp is None:
        return
    ours = str(folders._basetemp)
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "ticketstream.local.stack.supervisor" in command and any(
            part.startswith(ours) for part in command
        ):
            process.terminate()
