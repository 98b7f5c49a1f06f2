"""The sample Zendesk and the sample Gemini as services of the local stack."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ticketstream.local.stack.layout import StackPaths
from ticketstream.local.stack.options import DEFAULT_TICKETS, StackOptions
from ticketstream.local.stack.ports import HOST
from ticketstream.local.stack.processes import clean_environment
from ticketstream.local.stack.records import ServiceSpec

API_KEY: Final = "sample-gemini-key"
NO_LIMIT: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """The options of the sample services with every default filled in."""

    account: str
    tickets: int
    seed: int
    requests_per_minute: int
    incremental_requests_per_minute: int
    embedding_requests_per_minute: int
    embedding_tokens_per_minute: int
    export_delay: float
    time_scale: float
    no_limits: bool

    @classmethod
    def of(cls, options: StackOptions) -> SamplePlan:
        """Return the plan: by default a High Volume account whose changes show after a second, not 60."""
        return cls(
            account=options.sample_account or "acme",
            tickets=DEFAULT_TICKETS if options.tickets is None else options.tickets,
            seed=1 if options.sample_seed is None else options.sample_seed,
            requests_per_minute=options.sample_requests_per_minute or 2500,
            incremental_requests_per_minute=options.sample_incremental_requests_per_minute or 30,
            embedding_requests_per_minute=options.sample_embedding_requests_per_minute or 3000,
            embedding_tokens_per_minute=options.sample_embedding_tokens_per_minute or 1_000_000,
            export_delay=1.0 if options.sample_export_delay is None else options.sample_export_delay,
            time_scale=options.sample_time_scale or 1.0,
            no_limits=bool(options.sample_no_limits),
        )

    def real_limit(self, per_minute: int) -> int:
        """Return how many requests a real minute allows, when the limit's minutes pass faster."""
        return NO_LIMIT if self.no_limits else max(1, round(per_minute * self.time_scale))

    @property
    def poll_seconds(self) -> float:
        """Seconds between two looks at the export that leave most of its limit to imports."""
        return max(1.0, round(120 / self.real_limit(self.incremental_requests_per_minute), 3))


def zendesk(paths: StackPaths, ports: Mapping[str, int], plan: SamplePlan) -> ServiceSpec:
    """Return the process that runs the sample Zendesk."""
    options = {
        "account": plan.account,
        "tickets": plan.tickets,
        "seed": plan.seed,
        "requests-per-minute": plan.requests_per_minute,
        "incremental-requests-per-minute": plan.incremental_requests_per_minute,
        "export-delay": plan.export_delay,
        "time-scale": plan.time_scale,
    }
    return _service(paths, "zendesk", f"sample Zendesk ({plan.tickets:,} tickets)", ports, options, plan)


def gemini(paths: StackPaths, ports: Mapping[str, int], plan: SamplePlan) -> ServiceSpec:
    """Return the process that runs the sample Gemini."""
    options = {
        "requests-per-minute": plan.embedding_requests_per_minute,
        "tokens-per-minute": plan.embedding_tokens_per_minute,
        "time-scale": plan.time_scale,
    }
    return _service(paths, "gemini", "sample Gemini", ports, options, plan)


def _service(
    paths: StackPaths,
    name: str,
    title: str,
    ports: Mapping[str, int],
    options: Mapping[str, object],
    plan: SamplePlan,
) -> ServiceSpec:
    port = ports[name]
    argv = [sys.executable, "-m", f"ticketstream.local.sample.{name}", f"--host={HOST}", f"--port={port}"]
    argv += [f"--{option}={value}" for option, value in options.items()]
    if plan.no_limits:
        argv.append("--no-limits")
    return ServiceSpec(
        name=name,
        title=title,
        argv=argv,
        environment=clean_environment(PYTHONUNBUFFERED="1"),
        cwd=str(paths.stack),
        log=str(paths.log(name)),
        address=f"http://{HOST}:{port}",
        stop_seconds=5.0,
    )
