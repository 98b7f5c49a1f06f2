"""Pipeline: each stage's rate, errors, duration and saturation, in the order of the way of a ticket."""

from __future__ import annotations

from typing import Any, Final

from grafana.source.parts import ACCOUNT, RATE, RED, WORKER, board, plot
from schemas.stages import STAGE_NAMES, StageName

_DOES: Final[dict[StageName, str]] = {
    "enrich": "comments, people and organisation from Zendesk",
    "embed": "chunks and their vectors",
    "index": "written to Weaviate",
}


def _stage(stage: str, does: str) -> tuple[str, list[Any]]:
    """Return the row of a stage: rate, errors, duration, saturation."""
    here = f'{WORKER}, stage="{stage}"'
    counted = f"stage_seconds_bucket{{{here}}}[{RATE}]"
    return (
        f"{stage}: {does}",
        [
            plot(
                f"{stage}: rate",
                "Messages taken in, sent on, and skipped by reason.",
                "ops",
                (f"sum(rate(ticketstream_stage_received_total{{{here}}}[{RATE}]))", "taken in"),
                (f"sum(rate(ticketstream_stage_sent_total{{{here}}}[{RATE}]))", "sent"),
                (
                    f"sum by (reason) (rate(ticketstream_stage_skipped_total{{{here}}}[{RATE}]))",
                    "skipped: {{reason}}",
                ),
                width=6,
            ),
            plot(
                f"{stage}: errors",
                "Attempts that are made once more, and dead letters by error.",
                "ops",
                (f"sum(rate(ticketstream_stage_retried_total{{{here}}}[{RATE}]))", "tried again"),
                (
                    f"sum by (error) (rate(ticketstream_stage_dead_lettered_total{{{here}}}[{RATE}]))",
                    "dead letters: {{error}}",
                ),
                runbook="TicketstreamDeadLetters",
                width=6,
            ),
            plot(
                f"{stage}: duration",
                "Time of a ticket in the handler, waits included, and of the writing of what finished together.",
                "s",
                (
                    f"histogram_quantile(0.5, sum by (le) (rate(ticketstream_{counted})))",
                    "half of the tickets",
                ),
                (
                    f"histogram_quantile(0.95, sum by (le) (rate(ticketstream_{counted})))",
                    "95 % of the tickets",
                ),
                (
                    "histogram_quantile(0.95, sum by (le) "
                    f"(rate(ticketstream_stage_batch_seconds_bucket{{{here}}}[{RATE}])))",
                    "95 % of the batches",
                ),
                runbook="TicketstreamStageStopped",
                width=6,
            ),
            plot(
                f"{stage}: saturation",
                "Tickets in flight beside the most a stage takes, and what waits on its topics.",
                "short",
                (f"sum(ticketstream_stage_held{{{here}}})", "in flight"),
                (f"sum(ticketstream_stage_held_limit{{{here}}})", "at most"),
                (
                    f'sum by (topic) (ticketstream_lag_messages{{{here}, topic=~"$topic"}})',
                    "{{topic}} waiting",
                ),
                runbook="TicketstreamLagHigh",
                width=6,
            ),
        ],
    )


BOARD: Final = board(
    "pipeline",
    "Ticketstream: pipeline",
    "The way of a ticket, from above to below: source, enrich, embed, index.",
    [
        (
            "Source: what comes in",
            [
                plot(
                    "From Zendesk's export",
                    "Messages put on tickets.changes (live) and tickets.backfill (imports).",
                    "ops",
                    (
                        f"sum by (source) (rate(ticketstream_source_sent_total{{{WORKER}}}[{RATE}]))",
                        "{{source}}",
                    ),
                    width=6,
                ),
                plot(
                    "Last look at the export",
                    "Time since the live source last read a page; about ZENDESK__POLL_SECONDS at most.",
                    "s",
                    (
                        f"time() - (max by (account) (ticketstream_live_poll_timestamp_seconds{{{ACCOUNT}}}))",
                        "{{account}}",
                    ),
                    steps=((600, RED),),
                    runbook="TicketstreamLiveSourceSilent",
                    width=6,
                ),
                plot(
                    "Webhooks",
                    "What `ticketstream serve` made of them.",
                    "ops",
                    (f"sum(rate(ticketstream_webhooks_received_total[{RATE}]))", "received"),
                    (f"sum(rate(ticketstream_webhooks_produced_total[{RATE}]))", "became a hint"),
                    (f"sum(rate(ticketstream_webhooks_repeated_total[{RATE}]))", "repeated"),
                    (f"sum(rate(ticketstream_webhooks_ignored_total[{RATE}]))", "no ticket's"),
                    (
                        f"sum by (reason) (rate(ticketstream_webhooks_refused_total[{RATE}]))",
                        "refused: {{reason}}",
                    ),
                    runbook="TicketstreamWebhooksRefused",
                    width=6,
                ),
                plot(
                    "Webhooks: duration",
                    "Time from a webhook's first byte to its answer.",
                    "s",
                    (
                        "histogram_quantile(0.95, sum by (le) "
                        f"(rate(ticketstream_webhook_seconds_bucket[{RATE}])))",
                        "95 % of them",
                    ),
                    width=6,
                ),
            ],
        ),
        *(_stage(stage, _DOES[stage]) for stage in STAGE_NAMES),
        (
            "All stages",
            [
                plot(
                    "Messages acknowledged together",
                    "The mean; more at once cost less.",
                    "short",
                    (
                        f"sum by (stage) (rate(ticketstream_stage_batch_messages_sum{{{WORKER}}}[{RATE}])) / "
                        f"sum by (stage) (rate(ticketstream_stage_batch_messages_count{{{WORKER}}}[{RATE}]))",
                        "{{stage}}",
                    ),
                ),
                plot(
                    "Oldest message by topic",
                    "Age of the oldest message that is not acknowledged.",
                    "s",
                    (
                        f'max by (topic) (ticketstream_lag_seconds{{{WORKER}, topic=~"$topic"}})',
                        "{{topic}}",
                    ),
                    steps=((300, RED),),
                    runbook="TicketstreamLagHigh",
                ),
            ],
        ),
    ],
)
