"""What tests of many folders use of pytest and hypothesis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For hypothesis: few examples, and no complaint on a busy machine."""


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """Keep the log entries; nothing is rendered."""
    with structlog.testing.capture_logs() as entries:
        yield entries
