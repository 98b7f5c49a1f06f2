"""The batcher: few calls, every attempt inside the quotas, and only the guilty fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from schemas.errors import (
    CredentialsError,
    InvalidVectorError,
    RateLimitedError,
    RefusedError,
    UnavailableError,
)
from schemas.lanes import Lane
from schemas.vectors import Vector
from streams.embeddings.batcher import Embedded, EmbeddingBatcher
from streams.embeddings.observe import EmbeddingCall
from streams.embeddings.provider import MissingVectorsError, Purpose, SomeInvalidError, UnansweredError
from streams.limits.daily import TooMuchAtOnceError
from streams.retries import RetryPolicy


class Provider:
    """Gives each text its own vector; raises what ``trouble`` holds, call by call."""

    model = "fake"
    dimensions = 4
    max_texts = 10
    max_tokens = 50

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.trouble: list[Exception] = []
        self.poison = ""

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Vector:
        assert purpose == "document"
        self.calls.append(list(texts))
        await asyncio.sleep(0)
        if self.trouble:
            raise self.trouble.pop(0)
        if self.poison and any(self.poison in text for text in texts):
            raise RefusedError("bad text", status=400)
        return np.stack([vector_of(text) for text in texts])

    def count_tokens(self, text: str) -> int:
        return len(text)

    async def close(self) -> None:
        pass


def vector_of(text: str) -> Vector:
    return np.full(4, sum(map(ord, text)), dtype=np.float32)


class Limit:
    def __init__(self) -> None:
        self.taken: list[tuple[float, Lane]] = []
        self.pauses: list[float] = []
        self.share = 1e9
        self.waiting = 0
        self.answers = 0

    async def acquire(self, amount: float = 1, *, lane: Lane = "live") -> float:
        self.taken.append((amount, lane))
        return 0.5

    def answered(self, beside: int = 0) -> None:
        self.answers += 1

    def refused(self, wait: float | None) -> None:
        self.pauses.append(1.0 if wait is None else wait)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


class Bench:
    def __init__(self, attempts: int | None = 20, **options: Any) -> None:
        self.provider, self.requests, self.tokens = Provider(), Limit(), Limit()
        self.seen: list[EmbeddingCall] = []
        self.waits: list[float] = []
        self.batcher = EmbeddingBatcher(
            self.provider,
            requests=self.requests,
            tokens=self.tokens,
            retry=RetryPolicy(attempts=attempts, factor=0, sleep=self._sleep),
            observe=self.seen.append,
            **{"max_seconds": 3600, "live_seconds": 0} | options,
        )

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def embed_all(self, *batches: list[str]) -> list[Any]:
        tasks = [asyncio.create_task(self.batcher.embed(batch, lane="backfill")) for batch in batches]
        for _ in range(5):
            await asyncio.sleep(0)
        self.batcher.flush()
        return await asyncio.gather(*tasks, return_exceptions=True)


def check(embedded: Embedded, texts: list[str]) -> None:
    assert embedded.vectors.shape == (len(texts), 4)
    assert embedded.vectors.dtype == np.float32
    for row, text in zip(embedded.vectors, texts, strict=True):
        assert (row == vector_of(text)).all()


async def test_texts_of_many_tickets_share_a_call_and_each_call_is_counted_once() -> None:
    bench = Bench()
    batches = [["a", "b"], ["c"], ["d"] * 9, []]
    results = await bench.embed_all(*batches)
    for result, batch in zip(results, batches, strict=True):
        check(result, batch)
    assert [len(call) for call in bench.provider.calls] == [10, 2]
    assert sum(result.calls for result in results) == 2
    assert [result.calls for result in results] == [1, 0, 1, 0]


async def test_every_attempt_takes_from_both_quotas() -> None:
    bench = Bench()
    bench.provider.trouble = [UnavailableError("503")]
    (result,) = await bench.embed_all(["aaa", "bb"])
    assert bench.requests.taken == [(1, "backfill")] * 2
    assert bench.tokens.taken == [(5, "backfill")] * 2
    assert result.calls == 2


async def test_a_quota_of_texts_is_charged_with_texts() -> None:
    bench = Bench(quota_unit="text")
    await bench.embed_all(["aaa", "bb"])
    assert bench.requests.taken == [(2, "backfill")]


async def test_live_texts_go_at_once_and_in_their_own_lane() -> None:
    bench = Bench()
    check(await bench.batcher.embed(["now"], lane="live"), ["now"])
    assert bench.requests.taken == [(1, "live")]


@pytest.mark.parametrize(("asked", "paused"), [(7.5, 7.5), (None, 1.0), (0.0, 0.0)])
async def test_a_429_pauses_everybody_and_is_tried_again_after_the_delay(
    asked: float | None, paused: float
) -> None:
    bench = Bench()
    bench.provider.trouble = [RateLimitedError("429", asked)]
    (result,) = await bench.embed_all(["a"])
    check(result, ["a"])
    assert bench.requests.pauses == bench.tokens.pauses == [paused]
    assert bench.waits == [asked or 0.0]


async def test_tokens_close_a_window() -> None:
    bench = Bench(max_tokens=10)
    await bench.embed_all(["aaaa"], ["bbbb"], ["cccc"])
    assert bench.provider.calls == [["aaaa", "bbbb"], ["cccc"]]


async def test_of_a_refused_call_only_the_bad_texts_fail() -> None:
    bench = Bench()
    bench.provider.poison = "bad"
    batches = [["a"], ["b", "bad 1"], ["c", "d"], ["bad 2"], ["e"]]
    results = await bench.embed_all(*batches)
    for index in (0, 2, 4):
        check(results[index], batches[index])
    for index in (1, 3):
        assert isinstance(results[index], RefusedError)
        assert results[index].status == 400
    assert bench.batcher.counters.refused > 1
    # All attempts are put down to callers that got an answer.
    assert sum(results[index].calls for index in (0, 2, 4)) == len(bench.provider.calls)


async def test_missing_vectors_are_tried_three_times_then_halved() -> None:
    bench = Bench()
    bench.provider.trouble = [MissingVectorsError("2 of 3")] * 3
    (result,) = await bench.embed_all(["a", "b", "c"])
    check(result, ["a", "b", "c"])
    assert [len(call) for call in bench.provider.calls] == [3, 3, 3, 1, 2]


async def test_a_text_that_never_gets_its_vector_fails_alone() -> None:
    bench = Bench()
    bench.provider.trouble = [MissingVectorsError("0 of 1")] * 3
    (result,) = await bench.embed_all(["a"])
    assert isinstance(result, InvalidVectorError)
    assert "3 times" in str(result)


async def test_of_an_answer_with_an_unusable_vector_the_others_are_used() -> None:
    bench = Bench()
    good = np.stack([vector_of(text) for text in ("a", "b", "c")])
    good[1] = 0.0
    bench.provider.trouble = [SomeInvalidError(good, {1: "size"})]
    first, second, third = await bench.embed_all(["a"], ["b"], ["c"])
    check(first, ["a"])
    check(third, ["c"])
    assert isinstance(second, InvalidVectorError)
    assert str(second) == "size"
    assert len(bench.provider.calls) == 1


@pytest.mark.parametrize("error", [CredentialsError("key"), InvalidVectorError("size")])
async def test_what_concerns_every_text_is_not_halved(error: Exception) -> None:
    bench = Bench()
    bench.provider.trouble = [error]
    results = await bench.embed_all(["a"], ["b"])
    assert results == [error, error]
    assert len(bench.provider.calls) == 1


@pytest.mark.parametrize("text", ["", " \n\t", "x" * 51])
async def test_a_text_that_cannot_be_embedded_is_never_sent(text: str) -> None:
    bench = Bench()
    with pytest.raises(RefusedError):
        await bench.batcher.embed(["good", text], lane="live")
    assert bench.provider.calls == []


async def test_retries_that_give_up_raise_the_last_error() -> None:
    bench = Bench(attempts=2)
    bench.provider.trouble = [UnavailableError("one"), UnavailableError("two")]
    (result,) = await bench.embed_all(["a"])
    assert str(result) == "two"


async def test_counters_and_observer_see_every_attempt() -> None:
    bench = Bench()
    bench.provider.trouble = [RateLimitedError("429", 0.0), UnavailableError("503")]
    await bench.embed_all(["aaa", "bb"])
    assert [call.outcome for call in bench.seen] == ["rate_limited", "unavailable", "ok"]
    assert all(call.texts == 2 and call.tokens == 5 and call.lane == "backfill" for call in bench.seen)
    counters = bench.batcher.counters
    assert (counters.calls, counters.texts, counters.tokens) == (3, 2, 5)
    assert (counters.retries, counters.rate_limited, counters.wait_seconds) == (2, 1, 3.0)


async def test_close_sends_what_waits() -> None:
    bench = Bench()
    task = asyncio.create_task(bench.batcher.embed(["a"], lane="backfill"))
    await asyncio.sleep(0)
    await bench.batcher.close()
    check(await task, ["a"])


class Budget:
    """Holds so many tokens in all; refuses to let more pass at once than ``most``."""

    def __init__(self, most: float = 1_000) -> None:
        self.most = most
        self.paid: list[tuple[float, float, Lane]] = []

    async def acquire(self, requests: float, tokens: float, *, lane: Lane, divisible: bool) -> float:
        if tokens > self.most and divisible:
            raise TooMuchAtOnceError
        self.paid.append((requests, tokens, lane))
        return 0.0


async def test_each_call_is_put_down_to_the_budget_before_the_quotas() -> None:
    budget = Budget()
    bench = Bench(budget=budget, quota_unit="text")
    await bench.embed_all(["aaa", "bb"])
    await bench.batcher.embed(["now"], lane="live")
    assert budget.paid == [(2, 5, "backfill"), (1, 3, "live")]


@pytest.mark.parametrize(
    ("trouble", "payments"),
    [
        (RateLimitedError("429", 0.0), 1),
        (UnavailableError("503"), 1),
        (UnansweredError("no answer in time"), 2),
        (MissingVectorsError("1 of 2"), 2),
    ],
)
async def test_only_what_may_have_been_carried_out_is_paid_again(trouble: Exception, payments: int) -> None:
    budget = Budget()
    bench = Bench(budget=budget)
    bench.provider.trouble = [trouble]
    (result,) = await bench.embed_all(["aaa", "bb"])
    check(result, ["aaa", "bb"])
    assert budget.paid == [(1, 5, "backfill")] * payments
    assert len(bench.provider.calls) == 2


async def test_a_call_too_large_for_what_is_left_of_the_day_goes_in_parts() -> None:
    bench = Bench(budget=Budget(most=4))
    texts = ["aa", "bb", "cc", "dddddd"]
    (result,) = await bench.embed_all(texts)
    check(result, texts)
    assert bench.provider.calls == [["aa", "bb"], ["cc"], ["dddddd"]]


async def test_calls_at_once_and_texts_of_a_call_follow_how_calls_end() -> None:
    bench = Bench(max_texts=8, in_flight=4)
    assert (bench.batcher.most_in_flight, bench.batcher.most_texts) == (4, 8)
    bench.provider.trouble = [UnavailableError("503")]
    await bench.embed_all(["a"] * 8)
    assert (bench.batcher.most_in_flight, bench.batcher.most_texts) == (2, 4)
    for _ in range(20):
        await bench.embed_all([str(number) for number in range(8)])
    assert bench.batcher.most_texts == 8
    bench.provider.trouble = [RateLimitedError("429", 0)]
    await bench.embed_all(["a"])
    assert (bench.batcher.most_in_flight, bench.batcher.most_texts) == (1, 8)  # smaller calls need no less


async def test_where_texts_are_counted_a_call_takes_a_second_of_the_quota() -> None:
    bench = Bench(quota_unit="text", max_texts=8)
    bench.requests.share = 180
    await bench.embed_all([str(number) for number in range(8)])
    assert [call.texts for call in bench.seen] == [3, 3, 2]
