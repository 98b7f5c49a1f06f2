"""Quotas on, with compressed time: how much of what they allow an import reaches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks.figures import Findings, at_least, plain
from benchmarks.pipeline import ImportFigures, measured_import
from benchmarks.stack import BenchStack
from schemas.settings import PREFIX
from ticketstream.sample.gemini.control import SampleGeminiControl
from ticketstream.sample.gemini.messages import Limits
from ticketstream.stack.options import StackOptions

GOAL: Final = 0.9
_PLENTY: Final = 1_000_000

# Zendesk's Enterprise plan, 700 calls a minute, in minutes of 10 s: about 70 tickets a second.
_PLAN_CALLS: Final = 700
_PLAN_EXPORTS: Final = 10
_ZENDESK_SCALE: Final = 6.0
# 3,000 texts a minute, in minutes of 30 s: Google counts every text of a call against its request quota.
_TEXTS: Final = 3_000
_GEMINI_SCALE: Final = 2.0
# The stack's own value polls every second. Whoever polls that often keeps the limit's reserve for the live
# lane occupied all the time; how long a live call is remembered is not compressed with the minutes.
_POLL_SECONDS: Final = {"ZENDESK__POLL_SECONDS": "60"}
_SINGLE: Final = {"ZENDESK__COMMENTS": "single"}
"""Read in bulk, comments would hardly touch the limit that is measured."""

Note = Callable[[str], None]


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Run an import that Zendesk's limit holds back, and one that Gemini's does."""
    note(f"pipeline, {tickets:,} tickets, Zendesk's limit {_PLAN_CALLS}/min, {_ZENDESK_SCALE:g} times faster")
    zendesk, calls = _zendesk(tickets, workers)
    note(f"pipeline, {tickets:,} tickets, Gemini's quota {_TEXTS}/min, {_GEMINI_SCALE:g} times faster")
    gemini, stats = _gemini(tickets, workers)
    zendesk_allows = _PLAN_CALLS * _ZENDESK_SCALE / 60
    gemini_allows = _TEXTS * _GEMINI_SCALE / 60
    return Findings(
        scenario="quota",
        figures=[
            at_least("share of Zendesk's limit", calls / zendesk.seconds / zendesk_allows, GOAL),
            plain("tickets a second under it", zendesk.tickets_per_second),
            plain("calls refused with 429", sum(_refused(zendesk).values())),
            at_least("share of Gemini's quota", stats["texts"] / gemini.seconds / gemini_allows, GOAL),
            plain("tickets a second under it", gemini.tickets_per_second),
            plain("calls refused with 429", stats["rate_limited"]),
        ],
        measured={"zendesk": zendesk, "gemini": gemini, "gemini_calls": stats},
    )


def _zendesk(tickets: int, workers: int) -> tuple[ImportFigures, int]:
    """Return the import and the calls it made; those of the live source are not its own."""
    options = StackOptions(
        sample=True,
        tickets=tickets,
        sample_requests_per_minute=_PLAN_CALLS,
        sample_incremental_requests_per_minute=_PLAN_EXPORTS,
        sample_time_scale=_ZENDESK_SCALE,
    )
    with BenchStack(options, workers=workers, overrides=_SINGLE | _POLL_SECONDS) as stack:
        stack.start_workers()
        figures = measured_import(stack)
    return figures, figures.zendesk_calls - sum(_refused(figures).values())


def _gemini(tickets: int, workers: int) -> tuple[ImportFigures, dict[str, int]]:
    options = StackOptions(
        sample=True,
        tickets=tickets,
        sample_requests_per_minute=_PLENTY,
        sample_incremental_requests_per_minute=_PLENTY,
        sample_embedding_requests_per_minute=_TEXTS,
        sample_embedding_tokens_per_minute=_PLENTY * 1000,
        sample_time_scale=_GEMINI_SCALE,
    )
    own = {"EMBEDDING__PROVIDER": "gemini", "EMBEDDING__QUOTA_UNIT": "text"}
    with BenchStack(options, workers=workers, overrides=own | _SINGLE | _POLL_SECONDS) as stack:
        limits = Limits(requests_per_minute=_TEXTS, quota_unit="text", time_scale=_GEMINI_SCALE)
        limits.tokens_per_minute = None
        asyncio.run(_set_limits(stack.environment, limits))
        stack.start_workers()
        figures = measured_import(stack)
        return figures, asyncio.run(_stats(stack.environment))


async def _set_limits(environment: Mapping[str, str], limits: Limits) -> None:
    async with SampleGeminiControl(environment[f"{PREFIX}GEMINI__BASE_URL"]) as control:
        await control.set_limits(limits)


async def _stats(environment: Mapping[str, str]) -> dict[str, int]:
    async with SampleGeminiControl(environment[f"{PREFIX}GEMINI__BASE_URL"]) as control:
        stats = await control.stats()
    return {"calls": stats.calls, "texts": stats.texts, "rate_limited": stats.rate_limited}


def _refused(figures: ImportFigures) -> dict[str, int]:
    refused: Any = figures.zendesk.get("rate_limited", {})
    return dict(refused)
