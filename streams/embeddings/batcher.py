"""The texts of many tickets in few embedding calls, inside the quotas, with retries."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from schemas.errors import InvalidVectorError, RateLimitedError, RefusedError, RetryableError
from schemas.lanes import Lane
from schemas.vectors import Vector
from streams.embeddings.limits import Budget, Limit
from streams.embeddings.observe import CallOutcome, EmbeddingCall, EmbeddingCounters
from streams.embeddings.provider import (
    EmbeddingProvider,
    MissingVectorsError,
    SomeInvalidError,
    UnansweredError,
)
from streams.embeddings.window import CallTally, WindowText
from streams.limits import SILENT_PAUSE
from streams.limits.batch_size import BatchSize
from streams.limits.daily import TooMuchAtOnceError
from streams.limits.in_flight import Adaptive
from streams.retries import FOREVER, RetryPolicy, retrying
from streams.windows.calls import Failed, WindowedCalls

_COUNT_ATTEMPTS: Final = 3
"""How often a call may come back with a wrong number of vectors before it is given up."""
MAX_CALL_TOKENS: Final = 20_000
"""Tokens of one call; a single text may have more."""
MOST_IN_FLIGHT: Final = 16
"""A backfill's calls at once: more are not gathered from what embed holds."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """``vectors``: float32, shape (texts, dimensions), each of length 1.

    ``calls``: the provider calls that are put down to this caller. Each call is put down to one
    caller only, the first of its window that gets an answer, so that sums over callers are exact.
    """

    vectors: Vector
    calls: int


@dataclass(frozen=True, slots=True)
class _Answer:
    vector: Vector
    calls: int = 0


class _UncountableError(InvalidVectorError):
    """A wrong number of vectors, time and again; half the texts may still fare better."""


class EmbeddingBatcher:
    """Gathers texts of concurrent callers into calls of ``provider``.

    A call holds at most ``max_texts`` texts and ``max_tokens`` tokens (estimated), and leaves at the
    latest ``max_seconds`` (live texts: ``live_seconds``) after its first text came. ``in_flight``
    backfill calls run at once to begin with, then what ``sizes`` fits to latency and refusals, and up to
    ``live_in_flight`` live ones. A call is smaller after one that failed; it takes no more than a second's
    worth of a quota that counts texts, or a sixth of a minute's tokens.

    Before every attempt, a retried one too, it takes from ``requests`` (1, or with ``quota_unit="text"``
    the number of texts) and from ``tokens``; a 429 pauses both. ``retry`` decides how long to try, by
    default for ever.
    Each attempt is counted in ``counters`` and told to ``observe``. With a ``budget`` every call is put
    down to it first, in the same units; an attempt that was answered with an error is not paid again.
    ``caller_span`` names whoever asks for texts, for ``observe``.
    """

    def __init__(
        self,
        provider: EmbeddingProvider,
        *,
        requests: Limit,
        tokens: Limit,
        retry: RetryPolicy = FOREVER,
        quota_unit: Literal["call", "text"] = "call",
        max_texts: int | None = None,
        max_tokens: int = MAX_CALL_TOKENS,
        max_seconds: float = 0.2,
        live_seconds: float = 0.01,
        in_flight: int = 4,
        live_in_flight: int = 2,
        budget: Budget | None = None,
        observe: Callable[[EmbeddingCall], None] = lambda _: None,
        caller_span: Callable[[], Any] = lambda: None,
    ) -> None:
        self.counters = EmbeddingCounters()
        self._provider = provider
        self._requests = requests
        self._tokens = tokens
        self._retry = retry
        self._quota_unit = quota_unit
        self._budget = budget
        self._observe = observe
        self._asker = caller_span
        self._max_tokens = max_tokens
        self._under_way = 0
        self._batch = BatchSize(min(max_texts or provider.max_texts, provider.max_texts))
        self._in_flight = Adaptive(in_flight, least=1, most=max(in_flight, MOST_IN_FLIGHT))
        self._calls: WindowedCalls[WindowText, _Answer] = WindowedCalls(
            self._embed_window,
            max_items=lambda: self.most_texts,
            max_weight=self._most_tokens,
            max_seconds=max_seconds,
            live_seconds=live_seconds,
            in_flight=lambda: self.most_in_flight,
            live_in_flight=live_in_flight,
            weight=lambda text: text.tokens,
        )

    @property
    def most_texts(self) -> int:
        """The most texts of a call now."""
        return self._batch.fitting(self._requests.share) if self._quota_unit == "text" else self._batch.size

    @property
    def most_in_flight(self) -> int:
        """How many calls of a backfill may be under way now."""
        return self._in_flight.size

    def _most_tokens(self) -> float:
        return min(self._max_tokens, max(1.0, self._tokens.share / 6))

    async def embed(self, texts: Sequence[str], *, lane: Lane) -> Embedded:
        """Return the vectors of the texts as documents, in their order.

        Raises RefusedError for an empty text, one over the model's limit, or one the provider refuses
        (other callers in the same call are not touched), InvalidVectorError (for a vector that cannot be
        used; the others of its call are), UserError, and a
        RetryableError only when ``retry`` gives up.
        """
        caller_span = self._asker()
        entries = [self._checked(text, lane, caller_span) for text in texts]
        answers = await self._calls.submit(entries, lane=lane)
        if not answers:
            return Embedded(np.empty((0, self._provider.dimensions), dtype=np.float32), 0)
        vectors: Vector = np.stack([answer.vector for answer in answers])
        return Embedded(vectors, sum(answer.calls for answer in answers))

    @property
    def running(self) -> int:
        """Calls under way."""
        return self._calls.running

    def flush(self) -> None:
        """Send what waits now; for a caller who knows that nothing more comes soon."""
        self._calls.flush()

    async def close(self, *, timeout: float | None = None) -> None:
        """Finish what waits, at most ``timeout`` seconds; the provider stays open."""
        await self._calls.close(timeout=timeout)

    def _checked(self, text: str, lane: Lane, caller_span: Any) -> WindowText:
        if not text.strip():
            raise RefusedError("an empty text cannot be embedded")
        tokens = self._provider.count_tokens(text)
        limit = self._provider.max_tokens
        if tokens > limit:
            # Gemini would cut off the end without a word, and nobody would ever find it.
            raise RefusedError(
                f"a text of about {tokens} tokens is over the limit of {self._provider.model}, {limit} tokens"
            )
        return WindowText(text, tokens, lane, caller_span)

    async def _embed_window(self, window: list[WindowText]) -> list[_Answer | Failed]:
        made = CallTally()
        outcomes = await self._bisected(window, made)
        answers: list[_Answer | Failed] = []
        for outcome in outcomes:
            if isinstance(outcome, Failed):
                answers.append(outcome)
            else:
                answers.append(_Answer(outcome, made.spend()))
        return answers

    async def _bisected(self, window: list[WindowText], made: CallTally) -> list[Vector | Failed]:
        """Return a vector or a failure for each text; halves a refused window until the bad text is alone.

        A window that is too large for what is left of the day's budget is halved too.
        """
        try:
            return list(await self._with_retries(window, made))
        except SomeInvalidError as error:
            # The answer is paid: what of it can be used is.
            return [
                Failed(InvalidVectorError(error.reasons[number])) if number in error.reasons else vector
                for number, vector in enumerate(error.vectors)
            ]
        except (RefusedError, _UncountableError) as error:
            if len(window) == 1:
                return [Failed(error)]
        except TooMuchAtOnceError:
            if len(window) == 1:
                raise
        middle = len(window) // 2
        return [*await self._bisected(window[:middle], made), *await self._bisected(window[middle:], made)]

    async def _with_retries(self, window: list[WindowText], made: CallTally) -> Vector:
        miscounted = 0
        paid = False

        async def attempt() -> Vector:
            nonlocal miscounted, paid
            if not paid and self._budget is not None:
                lane, tokens, units = self._size(window)
                await self._budget.acquire(units, tokens, lane=lane, divisible=len(window) > 1)
            paid = True
            try:
                return await self._attempt(window, made)
            except MissingVectorsError as error:
                paid = False
                miscounted += 1
                if miscounted >= _COUNT_ATTEMPTS:
                    raise _UncountableError(f"{error}, {miscounted} times in a row") from error
                raise
            except UnansweredError:
                paid = False
                raise

        return await retrying(attempt, self._retry)

    def _size(self, window: list[WindowText]) -> tuple[Lane, int, int]:
        """Return lane, tokens and quota requests of a call."""
        units = len(window) if self._quota_unit == "text" else 1
        return window[0].lane, sum(entry.tokens for entry in window), units

    async def _attempt(self, window: list[WindowText], made: CallTally) -> Vector:
        lane, tokens, units = self._size(window)
        waited = await self._requests.acquire(units, lane=lane)
        waited += await self._tokens.acquire(tokens, lane=lane)
        made.calls += 1
        started = time.perf_counter()
        outcome: CallOutcome = "failed"
        try:
            vectors = await self._embedded(window)
            outcome = "ok"
            self._fit(window)
            return vectors
        except RateLimitedError as error:
            outcome = "rate_limited"
            self._in_flight.refused()
            # The answer does not say in a reliable way which quota is used up.
            scarcer = units * self._tokens.share >= tokens * self._requests.share
            for limit, guilty in ((self._requests, scarcer), (self._tokens, not scarcer)):
                if guilty:
                    limit.refused(error.retry_after)
                else:
                    limit.pause(SILENT_PAUSE if error.retry_after is None else error.retry_after)
            raise
        except RetryableError:
            outcome = "unavailable"
            self._in_flight.refused()
            self._batch.failed(len(window))
            raise
        except RefusedError:
            outcome = "refused"
            raise
        finally:
            call = EmbeddingCall(
                lane=lane,
                texts=len(window),
                tokens=tokens,
                waited=waited,
                seconds=time.perf_counter() - started,
                outcome=outcome,
                caller_spans=[entry.caller_span for entry in window if entry.caller_span is not None],
            )
            self.counters.count(call)
            self._observe(call)

    async def _embedded(self, window: list[WindowText]) -> Vector:
        self._under_way += 1
        try:
            return await self._provider.embed([entry.text for entry in window], "document")
        finally:
            self._under_way -= 1

    def _fit(self, window: list[WindowText]) -> None:
        """Take note of an answered call."""
        self._requests.answered(self._under_way)
        self._tokens.answered(self._under_way)
        self._batch.ended(len(window))
        if window[0].lane == "backfill":
            waiting = self._requests.waiting + self._tokens.waiting
            self._in_flight.ended(time.monotonic(), wanted=self._calls.due("backfill"), waiting=waiting)
