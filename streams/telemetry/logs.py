"""Logs of a worker, a server or a command: one event a line on standard error.

JSON where nobody watches, words on a terminal. Every line goes the same way, also those of libraries, of
warnings and of errors nobody caught: the ticket at hand is added, errors are described without what they
may quote, and secrets are blacked out.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from schemas.settings.load import Settings, secrets_of
from streams.secrets import kept_secrets
from streams.telemetry.at_hand import handled_fields
from streams.telemetry.log_errors import described, place_of

_QUIETER: Final = ("aiokafka", "faust", "mode")
"""They report what they mend themselves as warnings."""
_BLACK: Final = "***"
_ERRORS: Final = "ticketstream_errors"
_SHORT: Final = 3
"""Words of an error that short tell nothing, and are found anywhere."""


def configure_logs(
    settings: Settings, worker: int | None = None, *, libraries: int = logging.WARNING
) -> None:
    """Set up structlog and the standard library's loggers by the settings LOG_LEVEL and LOG_FORMAT.

    ``worker`` is the number that a worker's lines carry. Of libraries only ``libraries`` and above is
    shown, at any level: what they say below may hold whole messages.
    """
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    terminal = sys.stderr.isatty()
    as_json = settings.log_format == "json" or (settings.log_format is None and not terminal)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Common({} if worker is None else {"worker": worker}, whole=level <= logging.DEBUG),
    ]
    render = _Renderer(as_json, colors=terminal, secrets=secrets_of(settings))
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Stderr())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_Stderr())
    handler.addFilter(_keep_errors)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, libraries))
    for noisy in _QUIETER:
        logging.getLogger(noisy).setLevel(max(level, libraries, logging.ERROR))


def log_uncaught() -> None:
    """Have warnings, and errors that end a thread or the process, logged like everything else."""
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda lost: _uncaught(lost.exc_type, lost.exc_value, lost.exc_traceback)


class _Stderr:
    """Whatever standard error is when a line is written."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class _Common:
    """Adds what every line has, and the ticket at hand; turns errors into words."""

    def __init__(self, fields: Mapping[str, Any], *, whole: bool) -> None:
        self._fields = fields
        self._whole = whole

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        error = _error(event.pop("exc_info", None))
        if error is not None:
            event["traceback"] = place_of(error, whole=self._whole)
        if not self._whole:
            # Libraries put them into their message: asyncio, Faust.
            for each in [error, *getattr(event.get("_record"), _ERRORS, ())]:
                if each is not None:
                    event["event"] = _unquoted(str(event["event"]), each)
        for name, value in event.items():
            if isinstance(value, BaseException):
                event[name] = described(value, whole=self._whole)
        head = {name: event.pop(name) for name in ("timestamp", "level", "event") if name in event}
        return {**head, **self._fields, **handled_fields(), **event}


class _Renderer:
    """Writes a line, without a secret and without anything that would break it or steer a terminal."""

    def __init__(self, as_json: bool, *, colors: bool, secrets: Iterable[str]) -> None:
        self._console = None if as_json else structlog.dev.ConsoleRenderer(colors=colors, sort_keys=False)
        self._secrets = sorted(secrets, key=len, reverse=True)

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> str:
        clean = {key: self._clean(value) for key, value in event.items()}
        if self._console is None:
            return json.dumps(clean)
        words = {key: _printable(value) for key, value in clean.items()}
        return str(self._console(logger, name, words))

    def _clean(self, value: Any) -> Any:
        """Return a value as plain data, its secrets black."""
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, Mapping):
            return {self._clean(str(key)): self._clean(each) for key, each in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._clean(each) for each in value]
        # What lies deeper than an event's fields may be an error that quotes anything.
        text = type(value).__name__ if isinstance(value, BaseException) else str(value)
        for secret in (*self._secrets, *kept_secrets()):
            text = text.replace(secret, _BLACK)
        return text


def _error(told: Any) -> BaseException | None:
    """Return the error of an ``exc_info``: True, an error, or what sys.exc_info gives."""
    if isinstance(told, BaseException):
        return told
    if isinstance(told, tuple):
        return told[1] if isinstance(told[1], BaseException) else None
    return sys.exc_info()[1] if told else None


def _keep_errors(record: logging.LogRecord) -> bool:
    """Keep the errors a library's message is made of; structlog drops them before its processors run."""
    given = record.args.values() if isinstance(record.args, Mapping) else record.args or ()
    setattr(record, _ERRORS, [each for each in given if isinstance(each, BaseException)])
    return True


def _unquoted(text: str, error: BaseException) -> str:
    """Return a message without what an error in it says."""
    words = str(error)
    text = text.replace(repr(error), described(error))
    return text.replace(words, described(error)) if len(words) > _SHORT else text


def _printable(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in value)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is not None and not issubclass(kind, KeyboardInterrupt):
        structlog.get_logger().error("uncaught error", exc_info=error)
