"""Quotas on, with compressed time: how much of what they allow an import reaches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from benchmarks.figures import Chart, Figure, Findings, Series, at_least, bars, plain
from benchmarks.pipeline import ImportFigures, measured_import
from benchmarks.stack import SINGLE, BenchStack
from schemas.settings.load import PREFIX
from ticketstream.local.sample.gemini.control import SampleGeminiControl
from ticketstream.local.sample.gemini.messages import Limits
from ticketstream.local.stack.options import StackOptions

GOAL: Final = 0.95
_PLENTY: Final = 1_000_000


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Calls a minute, exports a minute, and how much faster its minutes pass here."""

    name: str
    calls: int
    exports: int
    faster: float

    @property
    def allows(self) -> float:
        """Calls a second, as compressed."""
        return self.calls * self.faster / 60


# Source: Zendesk's page "Rate limits"; incremental exports are 10 a minute, 30 with High Volume.
PLANS: Final = (
    Plan(name="Team, 200/min", calls=200, exports=10, faster=10.0),
    Plan(name="Professional, 400/min", calls=400, exports=10, faster=8.0),
    Plan(name="Enterprise, 700/min", calls=700, exports=10, faster=6.0),
    Plan(name="Enterprise Plus or High Volume, 2,500/min", calls=2_500, exports=30, faster=2.0),
)
_MOST_A_SECOND: Final = max(plan.allows for plan in PLANS)
# 3,000 texts a minute, in minutes of 30 s: Google counts every text of a call against its request quota.
_TEXTS: Final = 3_000
_GEMINI_FASTER: Final = 2.0
# The stack's own value polls every second. Whoever polls that often keeps the limit's reserve for the live
# lane occupied all the time; how long a live call is remembered is not compressed with the minutes.
_POLL_SECONDS: Final = {"ZENDESK__POLL_SECONDS": "60"}

Note = Callable[[str], None]


class Reached(msgspec.Struct, kw_only=True):
    """An import under a quota of ``allowed`` calls (Gemini: texts) a second."""

    figures: ImportFigures
    calls: int
    refused: int
    allowed: float

    @property
    def share(self) -> float:
        """The share of what is allowed, from the command to the last ticket searchable."""
        return self.calls / self.figures.seconds / self.allowed


def run(*, tickets: int, workers: int, note: Note) -> list[Findings]:
    """Import under each plan (as many tickets as take as long as ``tickets`` under the largest)."""
    plans: dict[str, Reached] = {}
    for plan in PLANS:
        some = max(100, round(tickets * plan.allows / _MOST_A_SECOND))
        note(f"pipeline, {some:,} tickets, {plan.name}, minutes {plan.faster:g} times faster")
        plans[plan.name] = _zendesk(plan, some, workers)
    note(f"pipeline, {tickets:,} tickets, Gemini's quota {_TEXTS}/min, {_GEMINI_FASTER:g} times faster")
    gemini = _gemini(tickets, workers)
    return [_by_plan(plans), _by_gemini(gemini)]


def _by_plan(plans: Mapping[str, Reached]) -> Findings:
    figures: list[Figure] = []
    for name, one in plans.items():
        figures += [
            at_least(f"{name}: share of the limit", one.share, GOAL),
            plain("  tickets", one.figures.tickets),
            plain("  rate, minutes compressed", one.figures.tickets_per_second, "tickets/s"),
            plain("  calls", one.calls),
            plain("  calls refused with 429", one.refused),
        ]
    chart = Chart(
        title="Share of the limit that an import reaches",
        unit="%",
        labels=list(plans),
        series=[Series(name="reached", values=[100 * one.share for one in plans.values()])],
        goal=100 * GOAL,
    )
    return Findings(scenario="Zendesk's limits", figures=figures, measured={"plans": plans}, charts=[chart])


def _by_gemini(one: Reached) -> Findings:
    name = f"{_TEXTS:,} texts/min"
    return Findings(
        scenario="Gemini's quota",
        figures=[
            at_least(f"{name}: share of the quota", one.share, GOAL),
            plain("  tickets", one.figures.tickets),
            plain("  rate, minutes compressed", one.figures.tickets_per_second, "tickets/s"),
            plain("  texts", one.calls),
            plain("  calls refused with 429", one.refused),
        ],
        measured={"gemini": one},
        charts=[bars("Share of Gemini's quota", "%", {name: 100 * one.share}, goal=100 * GOAL)],
    )


def _zendesk(plan: Plan, tickets: int, workers: int) -> Reached:
    """Return the import and the calls it made; those of the live source are not its own."""
    options = StackOptions(
        sample=True,
        tickets=tickets,
        sample_requests_per_minute=plan.calls,
        sample_incremental_requests_per_minute=plan.exports,
        sample_time_scale=plan.faster,
    )
    with BenchStack(options, workers=workers, overrides=SINGLE | _POLL_SECONDS) as stack:
        stack.start_workers()
        figures = measured_import(stack)
    limited: Any = figures.zendesk.get("rate_limited", {})
    refused = sum(dict(limited).values())
    return Reached(
        figures=figures, calls=figures.zendesk_calls - refused, refused=refused, allowed=plan.allows
    )


def _gemini(tickets: int, workers: int) -> Reached:
    options = StackOptions(
        sample=True,
        tickets=tickets,
        sample_requests_per_minute=_PLENTY,
        sample_incremental_requests_per_minute=_PLENTY,
        sample_embedding_requests_per_minute=_TEXTS,
        sample_embedding_tokens_per_minute=_PLENTY * 1000,
        sample_time_scale=_GEMINI_FASTER,
    )
    own = {"EMBEDDING__PROVIDER": "gemini", "EMBEDDING__QUOTA_UNIT": "text"}
    with BenchStack(options, workers=workers, overrides=own | SINGLE | _POLL_SECONDS) as stack:
        limits = Limits(requests_per_minute=_TEXTS, quota_unit="text", time_scale=_GEMINI_FASTER)
        limits.tokens_per_minute = None
        asyncio.run(_set_limits(stack.environment, limits))
        stack.start_workers()
        figures = measured_import(stack)
        texts, refused = asyncio.run(_stats(stack.environment))
    return Reached(figures=figures, calls=texts, refused=refused, allowed=_TEXTS * _GEMINI_FASTER / 60)


async def _set_limits(environment: Mapping[str, str], limits: Limits) -> None:
    async with SampleGeminiControl(environment[f"{PREFIX}GEMINI__BASE_URL"]) as control:
        await control.set_limits(limits)


async def _stats(environment: Mapping[str, str]) -> tuple[int, int]:
    async with SampleGeminiControl(environment[f"{PREFIX}GEMINI__BASE_URL"]) as control:
        stats = await control.stats()
    return stats.texts, stats.rate_limited
