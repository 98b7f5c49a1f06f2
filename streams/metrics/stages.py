"""What every stage counts and measures, and how fresh live changes are."""

from __future__ import annotations

from typing import Final

from schemas.objectives import FRESHNESS_SECONDS
from schemas.stages import STAGE_NAMES
from streams.metrics.make import SIZES, Maker

SKIPPED: Final = (
    *("duplicate", "stale", "unchanged", "repeat", "gone", "no_account", "held", "part", "moved"),
    *("removal", "poorer"),
)
ERRORS: Final = (
    "DecodeError",
    "UnknownSchemaError",
    "RefusedError",
    "InvalidVectorError",
    "TooLargeError",
    "AnswerTooLargeError",
    "PermanentError",
    "other",
)
"""What dead letters are counted by; the letters themselves name their error exactly."""
# The objective is a bucket, as the rules need it.
_FRESHNESS: Final = (0.5, 1, 2, 5, 10, 20, 30, 60, 90, 120, FRESHNESS_SECONDS, 600, 1800, 3600)


class StageSeries:
    """The metrics of all stages, by stage."""

    def __init__(self, make: Maker) -> None:
        stages = [(stage,) for stage in STAGE_NAMES]
        label = ("stage",)
        self.received = make.counter("stage_received", "Messages a stage has taken in.", label, stages)
        self.sent = make.counter("stage_sent", "Messages whose effect a stage has completed.", label, stages)
        self.skipped = make.counter(
            "stage_skipped",
            "Messages that needed no effect, by reason.",
            ("stage", "reason"),
            [(stage, reason) for stage in STAGE_NAMES for reason in SKIPPED],
        )
        self.retried = make.counter(
            "stage_retried", "Attempts repeated after an error that may pass.", label, stages
        )
        self.dead_lettered = make.counter(
            "stage_dead_lettered",
            "Messages that can never succeed, by error.",
            ("stage", "error"),
            [(stage, error) for stage in ("source", *STAGE_NAMES, "imports") for error in ERRORS],
        )
        self.held = make.gauge("stage_held", "Messages between arrival and acknowledgement.", label, stages)
        self.held_limit = make.gauge(
            "stage_held_limit", "How many messages a stage may hold before it takes no more.", label, stages
        )
        self.seconds = make.histogram(
            "stage_seconds", "Time of one message in a stage's handler, waits included.", label, stages
        )
        self.batch_seconds = make.histogram(
            "stage_batch_seconds",
            "Time to send, write down and acknowledge the messages that finished together.",
            label,
            stages,
        )
        self.batch_messages = make.histogram(
            "stage_batch_messages", "Messages acknowledged together.", label, stages, buckets=SIZES
        )
        self.freshness = make.histogram(
            "freshness_seconds",
            "Time from a live change in Zendesk to being searchable.",
            buckets=_FRESHNESS,
        )

    def dead_letter(self, stage: str, error: str, number: int = 1) -> None:
        """Count messages that can never succeed, by the name of their error."""
        self.dead_lettered.labels(stage, error if error in ERRORS else "other").inc(number)


class StageMetrics:
    """The metrics of one stage, with the stage's label filled in."""

    def __init__(self, series: StageSeries, stage: str) -> None:
        self.received = series.received.labels(stage)
        self.sent = series.sent.labels(stage)
        self.retried = series.retried.labels(stage)
        self.seconds = series.seconds.labels(stage)
        self.batch_seconds = series.batch_seconds.labels(stage)
        self.batch_messages = series.batch_messages.labels(stage)
        self.held = series.held.labels(stage)
        self.held_limit = series.held_limit.labels(stage)
        self._skipped = {reason: series.skipped.labels(stage, reason) for reason in SKIPPED}
        self._stage = stage
        self._series = series

    def skipped(self, reason: str) -> None:
        """Count a message that needed no effect."""
        self._skipped[reason.replace(" ", "_")].inc()

    def dead_lettered(self, error: str) -> None:
        """Count a message that can never succeed, by the name of its error."""
        self._series.dead_letter(self._stage, error)

    def freshness(self, seconds: float) -> None:
        """Note how old a live change was when it became searchable."""
        self._series.freshness.observe(seconds)
