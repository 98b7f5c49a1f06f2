"""Runs the asynchronous part of a command."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns; Ctrl-C cancels it, lets it tidy up, and raises KeyboardInterrupt.

    Libraries say nothing by themselves meanwhile: what matters of their errors is in the exceptions.
    """
    for name in ("aiokafka", "weaviate", "httpx", "google_genai", "asyncio", "grpc"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return asyncio.run(work)
