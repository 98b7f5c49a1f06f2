"""How large a run of the fault suite is: the short form of ``make test``, or the full one."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from typing import Self

FORM = "FAULTS_FORM"
SEED = "FAULTS_SEED"
TICKETS = "FAULTS_TICKETS"


@dataclass(frozen=True, slots=True)
class Form:
    """Figures of a run.

    ``partitions`` are those of each topic; ``requests_per_minute`` is the pace of an import (tickets a
    minute, shared by all workers); ``changes_per_second`` how fast the account changes meanwhile;
    ``outage_seconds`` how long a network is cut.
    """

    full: bool
    seed: int
    tickets: int
    injections: int
    partitions: int
    requests_per_minute: int
    changes_per_second: float
    outage_seconds: float

    @classmethod
    def of_environment(cls) -> Self:
        """Return the form that the variables FAULTS_FORM (short or full), _SEED and _TICKETS ask for."""
        full = os.environ.get(FORM, "short") == "full"
        seed = int(os.environ.get(SEED) or time.time_ns() // 1_000_000 % 1_000_000)
        tickets = int(os.environ.get(TICKETS) or (3_000 if full else 240))
        return cls(
            full=full,
            seed=seed,
            tickets=tickets,
            injections=6 if full else 2,
            partitions=8 if full else 4,
            requests_per_minute=9_000 if full else 3_000,
            changes_per_second=10.0,
            outage_seconds=60.0 if full else 14.0,
        )

    def random(self, name: str) -> random.Random:
        """Return the chance of one scenario: the same for the same seed, whatever runs before it."""
        return random.Random(f"{self.seed}:{name}")
