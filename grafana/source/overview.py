"""Overview: is the index in step with the desk, and if not, what holds it up?"""

from __future__ import annotations

from typing import Final

from grafana.source.parts import ACCOUNT, BLUE, GREEN, RATE, RED, YELLOW, bars, board, figure, listing, plot

_STATES: Final = {
    "0": ("In step", GREEN),
    "1": ("Catching up", BLUE),
    "2": ("Behind", RED),
    "3": ("Stopped", RED),
}
_WAIT: Final = ((120, YELLOW), (300, RED))

BOARD: Final = board(
    "overview",
    "Ticketstream: overview",
    "The first row says whether the index is in step with the desk; what is below says what holds it up.",
    [
        (
            "Is it in step?",
            [
                figure(
                    "In step?",
                    "Behind: a live change has waited over 300 s, or 5 % of the last ones took longer. "
                    "Catching up: something has waited over a minute, or an import runs.",
                    "none",
                    f"max(ticketstream:state{{{ACCOUNT}}})",
                    words=_STATES,
                    none="no worker",
                    base=RED,
                    runbook="Where to begin",
                ),
                figure(
                    "Freshness, 95 % within",
                    "From a change in Zendesk to being searchable, live changes of the last 5 minutes.",
                    "s",
                    f"max(ticketstream:freshness_seconds:p95_5m{{{ACCOUNT}}})",
                    steps=_WAIT,
                    none="no change",
                    runbook="TicketstreamFreshnessBudgetBurnsFast",
                ),
                figure(
                    "Oldest live change waiting",
                    "Age of the oldest change on tickets.changes that is not enriched.",
                    "s",
                    f'max(ticketstream:lag_seconds:max{{{ACCOUNT}, topic="tickets.changes"}})',
                    steps=_WAIT,
                    none="no worker",
                    runbook="TicketstreamLiveChangesWait",
                ),
                bars(
                    "What holds it up",
                    "Age of the oldest message that each stage has not finished: the longest bar is where to look.",
                    "s",
                    (f"max by (stage) (ticketstream:lag_seconds:max{{{ACCOUNT}}})", "{{stage}}"),
                    steps=_WAIT,
                    runbook="TicketstreamStageStopped",
                    width=6,
                ),
                figure(
                    "Workers",
                    "Workers that answer.",
                    "none",
                    'sum(up{job="ticketstream"}) or vector(0)',
                    steps=((1, GREEN),),
                    base=RED,
                    runbook="TicketstreamWorkersGone",
                    width=3,
                ),
                figure(
                    "Alerts firing",
                    "What is wrong by the rules; the table below names it.",
                    "none",
                    'count(ALERTS{alertstate="firing", alertname=~"Ticketstream.*"}) or vector(0)',
                    steps=((1, RED),),
                    width=3,
                ),
            ],
        ),
        (
            "What holds it up?",
            [
                listing(
                    "Firing alerts",
                    "Each has a section of its name in the runbook.",
                    'ALERTS{alertstate="firing", alertname=~"Ticketstream.*"}',
                    runbook="Where to begin",
                ),
                plot(
                    "Freshness",
                    "From a change in Zendesk to being searchable. Polling is never fresher than 60 s.",
                    "s",
                    (f"ticketstream:freshness_seconds:p50_5m{{{ACCOUNT}}}", "half of them, {{account}}"),
                    (f"ticketstream:freshness_seconds:p95_5m{{{ACCOUNT}}}", "95 % of them, {{account}}"),
                    steps=((300, RED),),
                    runbook="TicketstreamFreshnessBudgetBurnsFast",
                ),
                plot(
                    "Oldest message by stage",
                    "Age of the oldest message that is not acknowledged.",
                    "s",
                    (f"max by (stage) (ticketstream:lag_seconds:max{{{ACCOUNT}}})", "{{stage}}"),
                    steps=((300, RED),),
                    runbook="TicketstreamLiveChangesWait",
                ),
                plot(
                    "Backlog by stage",
                    "Messages that are not acknowledged. An import puts up to 4,000 tickets ahead of the workers.",
                    "short",
                    (f"sum by (stage) (ticketstream:lag_messages:sum{{{ACCOUNT}}})", "{{stage}}"),
                    stacked=True,
                    runbook="TicketstreamLagHigh",
                ),
                plot(
                    "Throughput by stage",
                    "Tickets a stage has sent on, skipped or given up.",
                    "ops",
                    (f"sum by (stage) (ticketstream:stage_done:rate5m{{{ACCOUNT}}})", "{{stage}}"),
                    runbook="TicketstreamStageStopped",
                ),
                plot(
                    "Errors",
                    "Attempts that are made once more, and tickets that became dead letters.",
                    "ops",
                    (
                        f"sum by (stage) (rate(ticketstream_stage_retried_total{{{ACCOUNT}}}[{RATE}]))",
                        "{{stage}}: tried again",
                    ),
                    (
                        f"sum by (stage) (rate(ticketstream_stage_dead_lettered_total{{{ACCOUNT}}}[{RATE}]))",
                        "{{stage}}: dead letters",
                    ),
                    runbook="TicketstreamDeadLetters",
                ),
            ],
        ),
        (
            "Objective and money",
            [
                figure(
                    "Objective",
                    "Part of the live changes of the last 3 days that were searchable within 300 s; the objective "
                    "is 99 %.",
                    "percentunit",
                    f"min(1 - ticketstream:freshness_slow:ratio_rate3d{{{ACCOUNT}}})",
                    steps=((0.99, GREEN),),
                    base=RED,
                    none="no change",
                    runbook="TicketstreamFreshnessBudgetBurnsSlowly",
                    width=6,
                ),
                figure(
                    "Embedding today",
                    "What embedding cost in the last 24 hours, at the price of the settings or the list.",
                    "currencyUSD",
                    f"sum(increase(ticketstream_embedding_cost_usd_total{{{ACCOUNT}}}[24h]))",
                    base=BLUE,
                    runbook="TicketstreamEmbeddingPaused",
                    width=6,
                ),
                plot(
                    "Embedding cost",
                    "Dollars an hour.",
                    "currencyUSD",
                    (
                        f"3600 * sum(rate(ticketstream_embedding_cost_usd_total{{{ACCOUNT}}}[{RATE}]))",
                        "an hour",
                    ),
                    runbook="TicketstreamEmbeddingPaused",
                ),
            ],
        ),
    ],
)
