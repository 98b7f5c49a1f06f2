"""Retries: 1-2-4-8 s, what the service asks for, and nothing tried again in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from schemas.errors import (
    CredentialsError,
    DecodeError,
    RateLimitedError,
    RefusedError,
    RetryableError,
    UnavailableError,
)
from streams.retries import RetryPolicy, retrying

Told = tuple[RetryableError, int, float]


def failing(errors: list[Exception]) -> tuple[Callable[[], Awaitable[str]], list[int]]:
    """A call that raises these, then returns "done"; and a list that grows with each attempt."""
    attempts: list[int] = []
    left = list(errors)

    async def call() -> str:
        attempts.append(1)
        if left:
            raise left.pop(0)
        return "done"

    return call, attempts


class Sleeps(list[float]):
    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


async def test_waits_1_2_4_8_and_stays_at_8_for_as_long_as_it_takes() -> None:
    sleeps = Sleeps()
    told: list[Told] = []
    call, attempts = failing([UnavailableError("away")] * 40)
    policy = RetryPolicy(sleep=sleeps, jitter=0)
    found = await retrying(call, policy, on_retry=lambda *one: told.append(one))
    assert found == "done"
    assert len(attempts) == 41
    assert sleeps == [1, 2, 4] + [8] * 37
    assert [(attempt, wait) for _, attempt, wait in told] == list(zip(range(1, 41), sleeps, strict=True))
    assert all(str(error) == "away" for error, _, _ in told)


async def test_jitter_adds_at_most_a_second() -> None:
    sleeps = Sleeps()
    call, _ = failing([UnavailableError("away")] * 50)
    await retrying(call, RetryPolicy(sleep=sleeps))
    extra = [wait - base for wait, base in zip(sleeps, [1, 2, 4] + [8] * 47, strict=True)]
    assert all(0 <= one <= 1 for one in extra)
    assert len(set(extra)) > 40


async def test_what_the_service_asks_for_wins_when_it_is_longer() -> None:
    sleeps = Sleeps()
    call, _ = failing([RateLimitedError("slow", 30), RateLimitedError("slow", 0.5), RateLimitedError("slow")])
    await retrying(call, RetryPolicy(sleep=sleeps, jitter=0))
    assert sleeps == [30, 2, 4]


async def test_the_factor_takes_the_back_off_away_but_not_what_the_service_asked_for() -> None:
    sleeps = Sleeps()
    call, _ = failing([UnavailableError("away"), RateLimitedError("slow", 3)])
    await retrying(call, RetryPolicy(sleep=sleeps, factor=0))
    assert sleeps == [0, 3]


async def test_bounded_attempts_raise_the_last_error() -> None:
    call, attempts = failing([UnavailableError(str(n)) for n in range(9)])
    with pytest.raises(UnavailableError, match=r"^2$"):
        await retrying(call, RetryPolicy(attempts=3, factor=0))
    assert len(attempts) == 3


async def test_one_attempt_is_no_retry() -> None:
    sleeps = Sleeps()
    call, attempts = failing([UnavailableError("away")])
    with pytest.raises(RetryableError):
        await retrying(call, RetryPolicy(attempts=1, sleep=sleeps))
    assert len(attempts) == 1 and not sleeps


@pytest.mark.parametrize(
    "error", [RefusedError("no", 404), CredentialsError("who"), DecodeError("what"), ValueError("bug")]
)
async def test_everything_else_propagates_at_once(error: Exception) -> None:
    for before in (0, 2):
        call, attempts = failing([*[UnavailableError("away")] * before, error])
        with pytest.raises(type(error)):
            await retrying(call, RetryPolicy(factor=0))
        assert len(attempts) == before + 1


async def test_retries_at_the_same_time_do_not_mix() -> None:
    made = [failing([UnavailableError("away")] * n) for n in range(20)]
    await asyncio.gather(*(retrying(call, RetryPolicy(factor=0)) for call, _ in made))
    assert [len(attempts) for _, attempts in made] == list(range(1, 21))
