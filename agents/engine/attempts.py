"""A call until it has an outcome: tried again, waited with, or given up as a dead letter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec
import structlog

from agents.engine.outcomes import Handler, Outcome, failed
from agents.engine.refused_logins import RefusedLogins
from schemas.codec import peek
from schemas.errors import CredentialsError, PermanentError, RetryableError, TicketstreamError, UserError
from streams.kafka.messages import Incoming
from streams.kafka.topics import MAX_MESSAGE_BYTES
from streams.metrics import StageMetrics
from streams.retries import RetryPolicy, retrying

T = TypeVar("T")

_ATTEMPTS_AT_THE_UNFORESEEN: Final = 3


class _Owner(msgspec.Struct):
    account: str = ""
    import_id: str = ""


class TooLargeError(PermanentError):
    """A value larger than a message may be."""


class Attempts:
    """The attempts of one stage. ``retry`` says how to wait between them; it must not give up."""

    def __init__(self, stage: str, metrics: StageMetrics, retry: RetryPolicy) -> None:
        self._stage = stage
        self._metrics = metrics
        self._retry = retry
        self._refused = RefusedLogins(retry.sleep)

    async def until_done(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return what a call returns, tried again while it may succeed later; raises its other errors."""
        return await retrying(call, self._retry, on_retry=self._on_retry)

    def over(self, message: Incoming) -> None:
        """Note that nothing is done with a message any more, whatever became of it."""
        self._refused.over(message)

    async def outcome(self, handler: Handler, message: Incoming) -> Outcome:
        """Return what the handler says of a message, however often it must be asked.

        A message that can never succeed becomes a dead letter, and so does one that has failed three times
        with an unforeseen error. While a person has to mend a setting or a login, the message waits.
        """
        unforeseen = 0
        while True:
            try:
                done = await retrying(lambda: handler(message), self._retry, on_retry=self._on_retry)
                too_large = next((r for r in done.records if len(r.value or b"") > MAX_MESSAGE_BYTES), None)
                if too_large is not None:
                    raise TooLargeError(
                        f"the message for {too_large.topic} has {len(too_large.value or b'')} bytes; "
                        f"at most {MAX_MESSAGE_BYTES} can be sent"
                    )
                return done
            except PermanentError as error:
                return failed(self._stage, message, error, *_whose(message))
            except UserError as error:
                # A setting or a login is wrong, not the message: it waits until a person has mended that, and
                # must not become a dead letter.
                if not isinstance(error, CredentialsError):
                    structlog.get_logger().error("waiting to be mended", stage=self._stage, error=error)
                elif self._refused.tries(message):  # the other messages would log the same line
                    structlog.get_logger().error("credentials refused", stage=self._stage, error=error)
                self._metrics.retried.inc()
                await self._refused.wait(message)
            except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # a panic in a Rust library is no Exception
                unforeseen += 1
                structlog.get_logger().error(
                    "unforeseen error",
                    stage=self._stage,
                    error=error,
                    exc_info=not isinstance(error, TicketstreamError),
                )
                if unforeseen >= _ATTEMPTS_AT_THE_UNFORESEEN:
                    return failed(self._stage, message, error, *_whose(message))
                await self._retry.sleep(unforeseen)

    def _on_retry(self, error: RetryableError, attempt: int, wait: float) -> None:
        self._metrics.retried.inc()
        structlog.get_logger().warning(
            "trying again", stage=self._stage, error=error, attempt=attempt, wait_seconds=round(wait, 1)
        )


def _whose(message: Incoming) -> tuple[str, str]:
    """Return account and import id of a message, as far as they can be read. A replay's id wins."""
    owner = peek(message.value, _Owner)
    if owner is None:
        return "", ""
    return owner.account, message.envelope.replay or owner.import_id
