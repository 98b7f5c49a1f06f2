"""Workers and state: who serves what, what the tables hold, what processes use."""

from __future__ import annotations

from typing import Final

from grafana.source.parts import RATE, RED, WORKER, board, listing, plot

BOARD: Final = board(
    "workers",
    "Ticketstream: workers and state",
    "Who serves which partitions, how often they change hands, what the tables hold, what processes use.",
    [
        (
            "Workers",
            [
                plot(
                    "Workers that answer",
                    "1 for each process that Prometheus reaches.",
                    "none",
                    ('up{job=~"ticketstream.*"}', "{{job}} {{instance}}"),
                    runbook="TicketstreamWorkerDown",
                    width=8,
                ),
                plot(
                    "Partitions served",
                    "By each worker, beside how many there are.",
                    "none",
                    (f"sum by (instance) (ticketstream_partitions_owned{{{WORKER}}})", "{{instance}}"),
                    (f"max(ticketstream_partitions{{{WORKER}}})", "all"),
                    stacked=False,
                    runbook="TicketstreamPartitionsUnserved",
                    width=8,
                ),
                listing(
                    "What runs",
                    "Embedding provider, model and dimensions of each worker: they must be the same.",
                    f"ticketstream_info{{{WORKER}}}",
                    width=8,
                ),
                plot(
                    "Rebalances",
                    "Times that partitions were handed out anew, in the 30 minutes before.",
                    "none",
                    (
                        f"sum by (instance) (increase(ticketstream_rebalances_total{{{WORKER}}}[30m]))",
                        "{{instance}}",
                    ),
                    runbook="TicketstreamRebalancesOften",
                    width=8,
                ),
                plot(
                    "Time to resume",
                    "From losing the partitions, or the start, until messages flow: 95 % within.",
                    "s",
                    (
                        "histogram_quantile(0.95, sum by (le) "
                        f"(increase(ticketstream_recovery_seconds_bucket{{{WORKER}}}[1h])))",
                        "95 % of them",
                    ),
                    runbook="TicketstreamRebalancesOften",
                    width=8,
                ),
                plot(
                    "Uptime",
                    "Time since each worker started.",
                    "s",
                    (f"time() - ticketstream_process_start_time_seconds{{{WORKER}}}", "{{instance}}"),
                    width=8,
                ),
            ],
        ),
        (
            "Lag by partition",
            [
                plot(
                    "Messages by partition",
                    "What each partition has not acknowledged: one that grows alone has a ticket that blocks it.",
                    "short",
                    (
                        f'sum by (topic, partition) (ticketstream_lag_messages{{{WORKER}, topic=~"$topic"}})',
                        "{{topic}}/{{partition}}",
                    ),
                    runbook="TicketstreamLagHigh",
                ),
                plot(
                    "Oldest message by partition",
                    "Age of the oldest message that is not acknowledged.",
                    "s",
                    (
                        f'max by (topic, partition) (ticketstream_lag_seconds{{{WORKER}, topic=~"$topic"}})',
                        "{{topic}}/{{partition}}",
                    ),
                    steps=((300, RED),),
                    runbook="TicketstreamLagHigh",
                ),
            ],
        ),
        (
            "State and processes",
            [
                plot(
                    "Entries of the tables",
                    "As RocksDB estimates; seen and indexed grow with the account.",
                    "short",
                    (f"sum by (table) (ticketstream_table_entries{{{WORKER}}})", "{{table}}"),
                ),
                plot(
                    "Size of the tables",
                    "Files and buffers on the workers' disks.",
                    "bytes",
                    (f"sum by (table) (ticketstream_table_bytes{{{WORKER}}})", "{{table}}"),
                ),
                plot(
                    "Memory",
                    "Resident memory of each worker.",
                    "bytes",
                    (f"ticketstream_process_resident_memory_bytes{{{WORKER}}}", "{{instance}}"),
                    steps=((700e6, RED),),
                    runbook="TicketstreamMemoryHigh",
                    width=8,
                ),
                plot(
                    "Processor",
                    "Cores that each worker uses.",
                    "none",
                    (f"rate(ticketstream_process_cpu_seconds_total{{{WORKER}}}[{RATE}])", "{{instance}}"),
                    width=8,
                ),
                plot(
                    "Open files",
                    "RocksDB keeps some for each partition and table.",
                    "none",
                    (f"ticketstream_process_open_fds{{{WORKER}}}", "{{instance}}"),
                    (f"ticketstream_process_max_fds{{{WORKER}}}", "{{instance}} at most"),
                    width=8,
                ),
            ],
        ),
    ],
)
