"""Trying again what can succeed later: 1, 2, 4, 8, 8 … seconds apart, with jitter (tenacity)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, stop_never

from schemas.errors import RetryableError

T = TypeVar("T")

OnRetry = Callable[[RetryableError, int, float], None]
"""Told the error, the attempt that failed (from 1), and the seconds until the next one."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When and how often to try again.

    Before the n-th retry passes the larger of the back-off, ``2 ** (n - 1)`` seconds but at most
    ``longest``, and the ``retry_after`` of the error; up to ``jitter`` seconds are added so that many
    callers don't come back at once. ``factor`` stretches back-off and jitter (0: none, for tests),
    but never what the service asked for. ``attempts`` bounds all attempts together; None never
    gives up. ``sleep`` waits that many seconds.
    """

    attempts: int | None = None
    longest: float = 8.0
    jitter: float = 1.0
    factor: float = 1.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def wait(self, error: RetryableError, attempt: int) -> float:
        """Return the seconds to wait after that attempt (from 1) failed."""
        backoff = min(2.0 ** min(attempt - 1, 30), self.longest)
        jitter = random.random() * self.jitter
        return max(backoff * self.factor, error.retry_after or 0.0) + jitter * self.factor


FOREVER: Final = RetryPolicy()
"""Never gives up."""


async def retrying(
    call: Callable[[], Awaitable[T]], policy: RetryPolicy = FOREVER, *, on_retry: OnRetry | None = None
) -> T:
    """Return what ``call`` returns, calling it again after each RetryableError.

    ``on_retry`` is told before each wait. Raises the last RetryableError when ``policy.attempts`` are
    used up, and any other error at once.
    """
    try:
        return await call()
    except RetryableError as error:
        first: RetryableError | None = error

    # tenacity costs about 30 µs a call; nearly all calls succeed at once and never come here.
    async def again() -> T:
        nonlocal first
        if first is not None:
            error, first = first, None
            raise error
        return await call()

    def wait(state: RetryCallState) -> float:
        return policy.wait(_error_of(state), state.attempt_number)

    def before_sleep(state: RetryCallState) -> None:
        if on_retry is not None and state.next_action is not None:
            on_retry(_error_of(state), state.attempt_number, state.next_action.sleep)

    attempts = AsyncRetrying(
        sleep=policy.sleep,
        retry=retry_if_exception_type(RetryableError),
        stop=stop_never if policy.attempts is None else stop_after_attempt(policy.attempts),
        wait=wait,
        before_sleep=before_sleep,
        reraise=True,
    )
    return await attempts(again)


def _error_of(state: RetryCallState) -> RetryableError:
    error = state.outcome.exception() if state.outcome is not None else None
    if not isinstance(error, RetryableError):
        raise TypeError(f"only a RetryableError is tried again, not {error!r}")
    return error
