"""The process of one worker: ``python -m agents.worker``."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import resource
import signal
import sys
from contextlib import suppress

import faust
import structlog
import uvloop

from agents.app import stores
from agents.app.faust_app import create_app
from agents.worker.plan import PlanOf, draining, whole
from agents.worker.slot import take_slot
from schemas.errors import RetryableError, UserError
from schemas.settings.load import load_settings
from streams.kafka.topics import ensure_topics
from streams.metrics.make import Maker
from streams.telemetry.logs import configure_logs, log_uncaught

# From glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGE_BLOCK = 256 * 1024


class _Worker(faust.Worker):
    def install_signal_handlers(self) -> None:
        super().install_signal_handlers()
        self.loop.add_signal_handler(signal.SIGHUP, self._on_sigint)

    def _on_sigint(self) -> None:
        self.app.stays = True
        self._schedule_shutdown(signal.SIGINT)


def main(make: Maker | None = None, *, plan: PlanOf = whole) -> int:
    """Run a worker until SIGTERM, SIGINT or SIGHUP; returns the exit status.

    After SIGTERM other workers take its partitions at once; SIGINT and SIGHUP say that all stop.
    ``make`` makes its metrics, ``plan`` says what it does (benchmarks have their own).
    """
    try:
        settings = load_settings()
        slot = take_slot(settings.data_dir)
        _return_memory()
        _allow_files()
        # Faust collects garbage for every table at every rebalance: spare it what never goes away.
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        configure_logs(settings, slot.number)
        log_uncaught()
        asyncio.run(ensure_topics(settings))
        stores.keep_for(settings.kafka.partitions, slot.folder)
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        asyncio.set_event_loop(asyncio.new_event_loop())
        # Kafka keeps a stopped static member's partitions for it; a draining worker will not come back.
        member = None if plan is draining else slot.instance_id
        app = create_app(settings, slot.folder, member, lambda app: plan(app, settings, slot, make))
    except (UserError, RetryableError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    try:
        worker = _Worker(app, quiet=True, override_logging=False, redirect_stdouts=False)
        worker.spinner = None  # it would write a terminal's escape sequences into the log
        worker.execute_from_commandline()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except (UserError, RetryableError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        structlog.get_logger().error("the worker ends", error=error, exc_info=True)
        return 1
    finally:
        slot.release()
    return 0


def _return_memory() -> None:
    """Have glibc, where it is the C library, keep little of what is freed.

    By itself it gives each thread (RocksDB's, gRPC's, the tokenizer's) a heap of its own and, once large
    blocks have come and gone, keeps ever larger ones: a worker would grow with what it has seen.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in (
            (_ARENA_MAX, 2),
            (_MMAP_THRESHOLD, _LARGE_BLOCK),
            (_TRIM_THRESHOLD, _LARGE_BLOCK),
        ):
            mallopt(option, value)


def _allow_files() -> None:
    """Use as many open files as the system lets a process have: each partition's tables need some forty."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems name a limit that they do not accept
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
