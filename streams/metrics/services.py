"""What is asked of Zendesk, of the embedding provider and of Weaviate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Final

from streams.embeddings.observe import EmbeddingCall
from streams.limits import QuotaShare
from streams.metrics.make import SIZES, Maker

STATUSES: Final = {
    "zendesk": ("200", "400", "401", "403", "404", "422", "429", "500", "502", "503", "504", "none", "other"),
    "embedding": ("ok", "rate_limited", "unavailable", "refused", "failed"),
    "weaviate": ("ok", "failed"),
}
"""How calls end, by service: Zendesk's HTTP status (``none``: no answer) or a word."""
SERVICES: Final = tuple(STATUSES)
LANES: Final = ("live", "backfill")
CAPS: Final = ("requests", "tokens")
TROUBLES: Final = ("login", "export", "answers")
NAMES: Final = ("users", "organizations", "groups")
NOT_TAKEN: Final = ("retried", "refused")


class ServiceMetrics:
    """Calls, quotas, embedding and Weaviate. ``usd_per_token`` is the price of what is embedded."""

    def __init__(self, make: Maker, usd_per_token: float = 0.0) -> None:
        self._usd_per_token = usd_per_token
        service = ("service",)
        self.calls = make.counter(
            "api_calls",
            "Calls, by service and how they ended.",
            ("service", "status"),
            [(name, status) for name, statuses in STATUSES.items() for status in statuses],
        )
        self.call_seconds = make.histogram(
            "api_call_seconds",
            "Time of a call, without its wait for quota.",
            service,
            [(name,) for name in SERVICES],
        )
        bucket = ("service", "bucket")
        self.limit_wait = make.sums("rate_limit_wait_seconds", "Time spent waiting for quota.", bucket)
        self.quota_used = make.sums("quota_used", "Calls, texts or tokens taken from a quota.", bucket)
        self.quota_per_minute = make.gauge(
            "quota_per_minute", "This worker's share of a quota, in calls, texts or tokens.", bucket
        )
        self.quota_waiting = make.gauge("quota_waiting", "Calls that wait for quota now.", bucket)
        self.quota_remaining = make.gauge(
            "quota_remaining", "What the service said last is left of the account's quota.", bucket
        )
        self.quota_part = make.gauge(
            "quota_part", "The part of the quota in the settings that the service really gives.", bucket
        )
        self.trouble = make.gauge(
            "zendesk_trouble",
            "1 while Zendesk refuses the login, or its export, or gives some calls no usable answer.",
            ("kind",),
            [(kind,) for kind in TROUBLES],
        )
        self.names_refused = make.sums(
            "zendesk_names_refused", "Names that Zendesk refused to tell; their tickets lack them.", ("kind",)
        )
        self.most_in_flight = make.gauge(
            "in_flight_limit",
            "Tickets at Zendesk, and embedding calls, that may be under way at once; fits itself.",
            ("service", "lane"),
        )
        self.batch_limit = make.gauge(
            "embedding_batch_limit", "The most texts of an embedding call; fits itself."
        )
        self.embedded_texts = make.counter("embedding_texts", "Texts sent to the embedding provider.")
        self.embedded_tokens = make.counter("embedding_tokens", "Tokens sent, as counted beforehand.")
        self.embedding_cost = make.counter(
            "embedding_cost_usd", "What the answered calls cost at the price of the settings or the list."
        )
        self.batch_texts = make.histogram(
            "embedding_batch_texts", "Texts of an embedding call.", buckets=SIZES
        )
        self.spent = make.gauge(
            "embedding_spent_today",
            "What this worker's partitions have spent of the daily caps since 00:00 UTC.",
            ("unit",),
            [(unit,) for unit in CAPS],
        )
        self.cap = make.gauge(
            "embedding_cap_today", "This worker's share of the daily caps; +Inf without one.", ("unit",)
        )
        for unit in CAPS:
            self.cap.labels(unit).set(float("inf"))
        self.paused = make.gauge(
            "embedding_paused",
            "1 while a daily cap is reached and this lane's texts wait for the next day.",
            ("lane",),
            [(lane,) for lane in LANES],
        )
        self.cache_hits = make.sums("cache_hits", "Look-ups that a cache could answer.", ("cache",))
        self.cache_misses = make.sums("cache_misses", "Look-ups that a cache could not answer.", ("cache",))
        self.weaviate_seconds = make.histogram(
            "weaviate_batch_seconds", "Time of a batch written to Weaviate."
        )
        self.weaviate_objects = make.histogram(
            "weaviate_batch_objects", "Objects of a batch written to Weaviate.", buckets=SIZES
        )
        self.weaviate_failed = make.counter(
            "weaviate_failed_objects",
            "Objects that Weaviate did not take: tried again one by one, or refused for good.",
            ("outcome",),
            [(outcome,) for outcome in NOT_TAKEN],
        )
        self._zendesk = {status: self.calls.labels("zendesk", status) for status in STATUSES["zendesk"]}
        self._seconds = {name: self.call_seconds.labels(name) for name in SERVICES}
        self._embedding = {status: self.calls.labels("embedding", status) for status in STATUSES["embedding"]}
        self._weaviate = {ok: self.calls.labels("weaviate", "ok" if ok else "failed") for ok in (True, False)}
        self._retried, self._refused = (self.weaviate_failed.labels(outcome) for outcome in NOT_TAKEN)

    def zendesk_called(self, status: int, seconds: float) -> None:
        """Count an attempt at Zendesk (status 0: no answer)."""
        known = self._zendesk.get(str(status) if status else "none")
        (self._zendesk["other"] if known is None else known).inc()
        self._seconds["zendesk"].observe(seconds)

    def embedding_called(self, call: EmbeddingCall) -> None:
        """Count an attempt at the embedding provider."""
        self._embedding[call.outcome].inc()
        self._seconds["embedding"].observe(call.seconds)
        self.embedded_texts.inc(call.texts)
        self.embedded_tokens.inc(call.tokens)
        self.batch_texts.observe(call.texts)
        if call.outcome == "ok":
            self.embedding_cost.inc(call.tokens * self._usd_per_token)

    def called(self, ok: bool, seconds: float) -> None:
        """Count a call to Weaviate."""
        self._weaviate[ok].inc()
        self._seconds["weaviate"].observe(seconds)

    def wrote(self, objects: int, seconds: float) -> None:
        """Count a batch that Weaviate has answered."""
        self.weaviate_objects.observe(objects)
        self.weaviate_seconds.observe(seconds)

    def not_taken(self, retried: int, refused: int) -> None:
        """Count objects of a batch that were not taken at first, and those that never can be."""
        self._retried.inc(retried)
        self._refused.inc(refused)

    def show_quota(self, service: str, bucket: str, share: QuotaShare) -> None:
        """Show this quota from now on."""
        place = (service, bucket)
        self.limit_wait.read(*place, by=lambda: share.waited_seconds_total)
        self.quota_used.read(*place, by=lambda: share.acquired_total)
        self.quota_waiting.labels(*place).set_function(lambda: share.waiting)
        self.quota_per_minute.labels(*place).set_function(
            lambda: share.per_minute * share.owned / share.partitions
        )
        self.quota_part.labels(*place).set_function(lambda: share.part)
        if service == "zendesk":
            self.quota_remaining.labels(*place).set_function(lambda: share.remaining)

    def show_troubles(self, kinds: Callable[[], Collection[str]], refused: Mapping[str, int]) -> None:
        """Show which troubles there are from now on, and how many names of each kind were refused."""
        for kind in TROUBLES:
            self.trouble.labels(kind).set_function(partial(lambda one: float(one in kinds()), kind))
        for kind in NAMES:
            self.names_refused.read(kind, by=partial(refused.__getitem__, kind))

    def show_cache(self, name: str, hits: Callable[[], int], misses: Callable[[], int]) -> None:
        """Show how often this cache could answer."""
        self.cache_hits.read(name, by=hits)
        self.cache_misses.read(name, by=misses)
