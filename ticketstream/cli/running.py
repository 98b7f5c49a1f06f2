"""Runs the asynchronous part of a command."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from schemas.errors import SettingsError
from schemas.settings.load import load_settings
from streams.telemetry.logs import configure_logs

T = TypeVar("T")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns; Ctrl-C cancels it, lets it tidy up, and raises KeyboardInterrupt.

    Libraries say nothing by themselves meanwhile: what matters of their errors is in the exceptions.
    """
    for name in ("aiokafka", "weaviate", "httpx", "google_genai", "asyncio", "grpc"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    _log_to_stderr()
    return asyncio.run(work)


def _log_to_stderr() -> None:
    """Keep what the code of the workers logs out of what the command prints."""
    if not structlog.is_configured():
        with suppress(SettingsError):
            configure_logs(load_settings(), libraries=logging.CRITICAL)
