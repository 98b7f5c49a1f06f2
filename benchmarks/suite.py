"""All benchmarks: what each asks, how large it is, and how long it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from benchmarks import (
    adapting,
    endurance,
    freshness,
    instrumentation,
    largest,
    logins,
    quotas,
    rebalance,
    recovery,
    replay,
    scale,
    scaling,
    search,
    stage,
    throughput,
    tracing,
    watchers,
)
from benchmarks.figures import Findings

Note = Callable[[str], None]


class Run(Protocol):
    """Measures; raises UserError and RetryableError (schemas.errors)."""

    def __call__(self, *, tickets: int, workers: int, note: Note) -> Findings | Sequence[Findings]:
        """Return what was found with so many tickets and workers; ``note`` is told what goes on."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """``minutes`` is what ``tickets`` take on two quiet cores; ``quick`` is the size that only tries it.

    ``one_worker``: what is measured is one worker, however many others have.
    """

    name: str
    question: str
    run: Run
    tickets: int
    quick: int
    minutes: int
    one_worker: bool = False


SUITE: Final = (
    Benchmark(
        name="import",
        question="Quotas off: how fast is an import, beside a sequential script, asyncio scripts on httpx "
        "and aiohttp, and the same work on Quix Streams? What does a second import do?",
        run=throughput.run,
        tickets=10_000,
        quick=500,
        minutes=8,
    ),
    Benchmark(
        name="quotas",
        question="Quotas on, minutes compressed: how much of what each of Zendesk's plans and Gemini's quota "
        "allow does an import reach?",
        run=quotas.run,
        tickets=5_000,
        quick=600,
        minutes=9,
    ),
    Benchmark(
        name="adapting",
        question="From any start, with late answers and with a wrong quota in the settings: how much of "
        "the quota do the sizes that fit themselves reach, and how many calls are refused?",
        run=adapting.run,
        tickets=20_000,
        quick=2_000,
        minutes=9,
    ),
    Benchmark(
        name="stage",
        question="How fast is a stage that asks no service (consume, decode, table get and set, produce), "
        "on one core, beside plain aiokafka that passes on the same messages of 2 KB?",
        run=stage.run,
        tickets=60_000,
        quick=6_000,
        minutes=4,
        one_worker=True,
    ),
    Benchmark(
        name="replay",
        question="How fast is a replay from each topic, beside raw batches of the same objects?",
        run=replay.run,
        tickets=10_000,
        quick=500,
        minutes=5,
    ),
    Benchmark(
        name="freshness",
        question="How long from a change to searchable, at 1, 10 and 100 changes a second, by webhook and by "
        "polling, with and without an import?",
        run=freshness.run,
        tickets=10_000,
        quick=1_000,
        minutes=12,
    ),
    Benchmark(
        name="recovery",
        question="How soon does a worker work again, without its files and with them, and how much "
        "memory does it take, as the state grows?",
        run=recovery.run,
        tickets=500_000,
        quick=10_000,
        minutes=8,
        one_worker=True,
    ),
    Benchmark(
        name="scaling",
        question="How does the rate follow workers and partitions?",
        run=scaling.run,
        tickets=4_000,
        quick=400,
        minutes=7,
    ),
    Benchmark(
        name="scale",
        question="How long does it take to add partitions, per 100,000 keys, and is anything fetched, "
        "embedded or written again?",
        run=scale.run,
        tickets=20_000,
        quick=400,
        minutes=5,
    ),
    Benchmark(
        name="rebalance",
        question="What do live changes see when workers join, leave, die and are restarted one by one?",
        run=rebalance.run,
        tickets=4_000,
        quick=400,
        minutes=5,
    ),
    Benchmark(
        name="endurance",
        question="A large import: is the memory of the workers small and flat, and is every ticket there "
        "once?",
        run=endurance.run,
        tickets=100_000,
        quick=1_000,
        minutes=11,
    ),
    Benchmark(
        name="largest",
        question="A ticket of 5,000 comments of 10,000 characters, vectors of 3,072 dimensions: what does it "
        "take in memory, on the topics and in the tables, and do others wait for it?",
        run=largest.run,
        tickets=5_000,
        quick=300,
        minutes=12,
        one_worker=True,
    ),
    Benchmark(
        name="logins",
        question="Tokens of a minute, and a worker killed: what is lost, and how long does a call wait?",
        run=logins.run,
        tickets=5_000,
        quick=300,
        minutes=6,
    ),
    Benchmark(
        name="instrumentation",
        question="What do all metrics cost?",
        run=instrumentation.run,
        tickets=10_000,
        quick=400,
        minutes=6,
    ),
    Benchmark(
        name="tracing",
        question="What do traces cost, of every ticket and of one in ten?",
        run=tracing.run,
        tickets=4_000,
        quick=400,
        minutes=6,
    ),
    Benchmark(
        name="watchers",
        question="What do 200 watchers of the HTTP API cost?",
        run=watchers.run,
        tickets=4_000,
        quick=400,
        minutes=4,
    ),
    Benchmark(
        name="search",
        question="How well does a search answer, beside Weaviate's own words and fusion: ticket, passage, "
        "and words in many scripts? What does it cost?",
        run=search.run,
        tickets=2_000,
        quick=400,
        minutes=2,
        one_worker=True,
    ),
)
"""In the order in which they run."""
