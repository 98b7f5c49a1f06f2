"""For all tests: what runs beside what, and in which order."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every command
# they start: those that test what a Ctrl-C does would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

_HERE = Path(__file__).parent
_FOLDERS = ("faults", "integration", "contract", "unit")
"""The longest first: `make test` runs several groups at once, and small ones fill the gaps at the end."""
_SHARED = "shared_desk"
_FIRST = "test_pipeline_import.py"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group the tests that must run one after another in one process.

    These are the tests of a file, and all that use the shared stack, whose account as it was imported is
    looked at before others change it.
    """
    items.sort(key=_place)
    for item in items:
        shared = _SHARED in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group(_SHARED if shared else item.path.stem))


def _place(item: pytest.Item) -> tuple[int, bool, bool]:
    folder = item.path.relative_to(_HERE).parts[0]
    shared = _SHARED in getattr(item, "fixturenames", ())
    return _FOLDERS.index(folder), not shared, item.path.name != _FIRST
