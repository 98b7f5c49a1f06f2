"""Logs of a worker or a server: one event a line on standard error, as JSON where nobody watches."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs(level: str, worker: int | None = None) -> None:
    """Set up structlog and the standard library's loggers; ``level`` as in the setting LOG_LEVEL.

    ``worker`` is the number that a worker's entries carry.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer]
        if not sys.stderr.isatty()
        else [*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    if worker is not None:
        structlog.contextvars.bind_contextvars(worker=worker)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries report what they mend themselves as warnings; Faust builds debug texts that nobody reads.
    root.setLevel(max(number, logging.WARNING))
    for noisy in ("aiokafka", "faust", "mode"):
        logging.getLogger(noisy).setLevel(max(number, logging.ERROR))
