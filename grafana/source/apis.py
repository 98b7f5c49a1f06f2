"""APIs and quotas: Zendesk, the embedding provider, Weaviate."""

from __future__ import annotations

from typing import Final

from grafana.source.parts import ACCOUNT, RATE, RED, WORKER, YELLOW, board, plot

BOARD: Final = board(
    "apis",
    "Ticketstream: APIs and quotas",
    "What is asked of Zendesk, of the embedding provider and of Weaviate, and how much of it is allowed.",
    [
        (
            "Calls",
            [
                plot(
                    "Calls",
                    "All attempts, by service.",
                    "reqps",
                    (
                        f"sum by (service) (rate(ticketstream_api_calls_total{{{WORKER}}}[{RATE}]))",
                        "{{service}}",
                    ),
                    width=8,
                ),
                plot(
                    "Calls that failed",
                    "By service and how they ended; none: no answer. They are tried again.",
                    "reqps",
                    (
                        "sum by (service, status) (rate(ticketstream_api_calls_total"
                        f'{{{WORKER}, status!~"200|ok"}}[{RATE}]))',
                        "{{service}} {{status}}",
                    ),
                    (
                        f"sum by (kind) (rate(ticketstream_zendesk_names_refused_total{{{WORKER}}}[{RATE}]))",
                        "names of {{kind}} refused",
                    ),
                    runbook="TicketstreamServiceFailing",
                    width=8,
                ),
                plot(
                    "Duration of a call",
                    "95 % of the calls take at most so long, without their wait for quota.",
                    "s",
                    (
                        "histogram_quantile(0.95, sum by (service, le) "
                        f"(rate(ticketstream_api_call_seconds_bucket{{{WORKER}}}[{RATE}])))",
                        "{{service}}",
                    ),
                    width=8,
                ),
            ],
        ),
        (
            "Quotas",
            [
                plot(
                    "Quota used",
                    "Part of the workers' quota that was taken, 5 minutes' mean. At 1 the quota decides the speed.",
                    "percentunit",
                    (
                        f"max by (service, bucket) (ticketstream:quota_use:ratio5m{{{ACCOUNT}}})",
                        "{{service}} {{bucket}}",
                    ),
                    steps=((0.98, YELLOW),),
                    runbook="TicketstreamQuotaExhausted",
                    width=8,
                ),
                plot(
                    "Left, as Zendesk says",
                    "What Zendesk's last answer said is left of the account's minute, for all who use it.",
                    "short",
                    (
                        f"min by (service, bucket) (ticketstream_quota_remaining{{{WORKER}}})",
                        "{{service}} {{bucket}}",
                    ),
                    runbook="TicketstreamQuotaRefused",
                    width=8,
                ),
                plot(
                    "Waiting for quota",
                    "Calls that wait now.",
                    "short",
                    (
                        f"sum by (service, bucket) (ticketstream_quota_waiting{{{WORKER}}})",
                        "{{service}} {{bucket}}",
                    ),
                    width=8,
                ),
                plot(
                    "Time spent waiting",
                    "Seconds waited for quota a second, of all calls together.",
                    "s",
                    (
                        "sum by (service, bucket) "
                        f"(rate(ticketstream_rate_limit_wait_seconds_total{{{WORKER}}}[{RATE}]))",
                        "{{service}} {{bucket}}",
                    ),
                    width=12,
                ),
                plot(
                    "Taken a minute, and allowed",
                    "Calls or tokens a minute beside the workers' share.",
                    "short",
                    (
                        f"60 * sum by (service, bucket) (rate(ticketstream_quota_used_total{{{WORKER}}}[{RATE}]))",
                        "{{service}} {{bucket}}",
                    ),
                    (
                        f"sum by (service, bucket) (ticketstream_quota_per_minute{{{WORKER}}})",
                        "{{service}} {{bucket}} allowed",
                    ),
                    width=12,
                ),
            ],
        ),
        (
            "Embedding",
            [
                plot(
                    "Texts and tokens",
                    "Sent to the provider a minute; tokens as counted beforehand.",
                    "short",
                    (f"60 * sum(rate(ticketstream_embedding_texts_total{{{WORKER}}}[{RATE}]))", "texts"),
                    (f"60 * sum(rate(ticketstream_embedding_tokens_total{{{WORKER}}}[{RATE}]))", "tokens"),
                    width=8,
                ),
                plot(
                    "Texts of a call",
                    "The mean; at most 100.",
                    "short",
                    (
                        f"sum(rate(ticketstream_embedding_batch_texts_sum{{{WORKER}}}[{RATE}])) / "
                        f"sum(rate(ticketstream_embedding_batch_texts_count{{{WORKER}}}[{RATE}]))",
                        "texts",
                    ),
                    width=8,
                ),
                plot(
                    "Caches",
                    "Part of the look-ups that a cache could answer.",
                    "percentunit",
                    (
                        f"sum by (cache) (rate(ticketstream_cache_hits_total{{{WORKER}}}[{RATE}])) / "
                        f"(sum by (cache) (rate(ticketstream_cache_hits_total{{{WORKER}}}[{RATE}])) + "
                        f"sum by (cache) (rate(ticketstream_cache_misses_total{{{WORKER}}}[{RATE}])))",
                        "{{cache}}",
                    ),
                    width=8,
                ),
                plot(
                    "Daily cap",
                    "Part of the daily caps (UTC days) that is spent; 0 where none is set.",
                    "percentunit",
                    (
                        f"sum by (unit) (ticketstream_embedding_spent_today{{{WORKER}}}) / "
                        f"sum by (unit) (ticketstream_embedding_cap_today{{{WORKER}}})",
                        "{{unit}}",
                    ),
                    steps=((0.9, YELLOW), (1, RED)),
                    runbook="TicketstreamEmbeddingPaused",
                    width=12,
                ),
                plot(
                    "Embedding paused",
                    "1 while a daily cap is reached and this lane's texts wait for the next day.",
                    "none",
                    (f"max by (lane) (ticketstream_embedding_paused{{{WORKER}}})", "{{lane}}"),
                    runbook="TicketstreamEmbeddingPaused",
                    width=12,
                ),
            ],
        ),
        (
            "Weaviate",
            [
                plot(
                    "Time of a batch",
                    "Written to Weaviate: half of the batches, and 95 % of them.",
                    "s",
                    (
                        "histogram_quantile(0.5, sum by (le) "
                        f"(rate(ticketstream_weaviate_batch_seconds_bucket{{{WORKER}}}[{RATE}])))",
                        "half of them",
                    ),
                    (
                        "histogram_quantile(0.95, sum by (le) "
                        f"(rate(ticketstream_weaviate_batch_seconds_bucket{{{WORKER}}}[{RATE}])))",
                        "95 % of them",
                    ),
                    runbook="TicketstreamServiceFailing",
                    width=8,
                ),
                plot(
                    "Objects of a batch",
                    "The mean; at most 200.",
                    "short",
                    (
                        f"sum(rate(ticketstream_weaviate_batch_objects_sum{{{WORKER}}}[{RATE}])) / "
                        f"sum(rate(ticketstream_weaviate_batch_objects_count{{{WORKER}}}[{RATE}]))",
                        "objects",
                    ),
                    width=8,
                ),
                plot(
                    "Objects that Weaviate did not take",
                    "Retried: written once more, one by one. Refused: never can be; the ticket is a dead letter.",
                    "ops",
                    (
                        f"sum by (outcome) (rate(ticketstream_weaviate_failed_objects_total{{{WORKER}}}[{RATE}]))",
                        "{{outcome}}",
                    ),
                    runbook="TicketstreamWeaviateRefusesObjects",
                    width=8,
                ),
            ],
        ),
        (
            "Sizes that fit themselves",
            [
                plot(
                    "In flight at once",
                    "The most there may be, summed over the workers: tickets at Zendesk, embedding calls. "
                    "Grows while that makes it faster, shrinks with refusals and while quota decides the speed.",
                    "short",
                    (
                        f"sum by (service, lane) (ticketstream_in_flight_limit{{{WORKER}}})",
                        "{{service}} {{lane}}",
                    ),
                    runbook="TicketstreamQuotaRefused",
                    width=8,
                ),
                plot(
                    "Most texts of a call",
                    "Of the embedding provider: fewer after calls that failed, and at small quotas.",
                    "short",
                    (f"min(ticketstream_embedding_batch_limit{{{WORKER}}})", "texts"),
                    width=8,
                ),
                plot(
                    "Part of the quota that is given",
                    "1: what the settings say. Less: the account allows less, or somebody else uses it too.",
                    "percentunit",
                    (
                        f"min by (service, bucket) (ticketstream_quota_part{{{WORKER}}})",
                        "{{service}} {{bucket}}",
                    ),
                    runbook="TicketstreamQuotaRefused",
                    width=8,
                ),
            ],
        ),
        (
            "Zendesk's login",
            [
                plot(
                    "Login ends in",
                    "The login: an API token, or a refresh token, which a person must replace. The access token: "
                    "renewed by itself. Empty without an end.",
                    "s",
                    (
                        f"min(ticketstream_zendesk_login_end_timestamp_seconds{{{WORKER}}}) - time()",
                        "the login",
                    ),
                    (
                        f"min(ticketstream_zendesk_token_end_timestamp_seconds{{{WORKER}}}) - time()",
                        "the access token",
                    ),
                    runbook="TicketstreamLoginEnds",
                    width=8,
                ),
                plot(
                    "Requests for access tokens",
                    "By how they ended: failed may pass by itself, refused does not.",
                    "reqps",
                    (
                        f"sum by (outcome) (rate(ticketstream_zendesk_token_requests_total{{{WORKER}}}[{RATE}]))",
                        "{{outcome}}",
                    ),
                    runbook="TicketstreamTokenRequestsFail",
                    width=8,
                ),
                plot(
                    "Calls answered with 401",
                    "A few after a token was revoked are well: each goes on with a new token at once.",
                    "reqps",
                    (f"sum(rate(ticketstream_zendesk_login_refusals_total{{{WORKER}}}[{RATE}]))", "calls"),
                    runbook="TicketstreamCredentialsRefused",
                    width=8,
                ),
            ],
        ),
    ],
)
