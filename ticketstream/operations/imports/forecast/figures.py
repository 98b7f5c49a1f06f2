"""The figures of a forecast, and what follows from them: calls, minutes, cost. Arithmetic only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from schemas.messages.imports import CommentsWay
from schemas.settings.load import Settings
from streams.embeddings.batcher import MAX_CALL_TOKENS
from streams.embeddings.prices import PRICES_OF, USD_PER_MILLION_TOKENS
from streams.embeddings.provider import EmbeddingProvider
from streams.limits.daily import LIVE_RESERVE
from streams.sources.zendesk.comment_ways import Limits, Ways


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls to Zendesk that an import makes: pages of tickets, pages of events, comments, names."""

    export: int
    events: int
    comments: int
    people: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.export + self.events + self.comments + self.people

    def minutes(self, limits: Limits) -> float:
        """Return how long Zendesk's limits make them take, at best."""
        return max(self.total / limits.general, (self.export + self.events) / limits.incremental)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found out about the tickets of an import.

    ``exact``: all of it was read; otherwise it is an estimate from ``sample`` tickets, and ``margin`` is
    the share of ``tokens`` by which it may well be off (95 of 100 times it is nearer), as far as chance
    goes. ``removed`` tickets are deleted or spam, and embedded nowhere. ``unreadable``
    are rows or lines that are no tickets. The calls are Zendesk's, with comments read ticket by ticket;
    ``ways`` compares that with reading them in bulk (None: there is no choice).
    """

    tickets: int
    removed: int
    unreadable: int
    chunks: int
    texts: int
    tokens: int
    exact: bool
    sample: int
    margin: float = 0.0
    counted: bool = True
    """Whether ``tickets`` is exact; every row of the import was seen then."""
    export_calls: int = 0
    comment_calls: int = 0
    people_calls: int = 0
    ways: Ways | None = None
    bulk_people_calls: int = 0

    def calls(self, way: CommentsWay) -> Calls:
        """Return the calls to Zendesk when comments are read that way."""
        if way == "bulk" and self.ways is not None:
            events, own = math.ceil(self.ways.event_pages), round(self.ways.own_calls)
            return Calls(self.export_calls, events, own, self.bulk_people_calls)
        return Calls(self.export_calls, 0, self.comment_calls, self.people_calls)

    def possible(self) -> tuple[CommentsWay, ...]:
        """Return the ways that comments can be read."""
        bulk = self.ways is not None and math.isfinite(self.ways.event_pages)
        return ("single", "bulk") if bulk else ("single",)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an import would take.

    ``requests`` are those of the embedding quota: calls or texts, as QUOTA_UNIT says. ``minutes`` are
    what the quotas allow at best, and ``decided_by`` says which decides. ``days`` is how many days the
    daily caps spread it over (1 without caps). ``price``: US dollars a million tokens. ``way`` is how
    comments are read, ``limits`` are Zendesk's.
    """

    measured: Measured
    way: CommentsWay
    limits: Limits
    model: str
    embedding_calls: int
    requests: int
    minutes: float
    decided_by: str
    days: int
    price: float
    price_source: str

    @property
    def calls(self) -> Calls:
        """The calls to Zendesk."""
        return self.measured.calls(self.way)

    @property
    def usd(self) -> float:
        """The cost in US dollars."""
        return self.measured.tokens * self.price / 1e6


def forecast_of(measured: Measured, settings: Settings, provider: EmbeddingProvider) -> Forecast:
    """Return what follows from the measured figures under the settings' quotas and prices."""
    embedding, zendesk = settings.embedding, settings.zendesk
    calls = embedding_calls(measured.texts, measured.tokens, provider.max_texts)
    requests = measured.texts if embedding.quota_unit == "text" else calls
    limits = Limits(zendesk.requests_per_minute, zendesk.incremental_requests_per_minute)
    way = way_of(measured, zendesk.comments, limits)
    of = measured.calls(way)
    times = {
        f"Zendesk's {zendesk.requests_per_minute:,} requests a minute": of.total / limits.general,
        f"Zendesk's {zendesk.incremental_requests_per_minute:,} export pages a minute": (
            (of.export + of.events) / limits.incremental
        ),
    }
    days = 1
    if settings.embedding_provider != "local":
        unit = "texts" if embedding.quota_unit == "text" else "calls"
        times |= {
            f"{embedding.requests_per_minute:,} embedding {unit} a minute": (
                requests / embedding.requests_per_minute
            ),
            f"{embedding.tokens_per_minute:,} embedding tokens a minute": (
                measured.tokens / embedding.tokens_per_minute
            ),
        }
        for amount, cap in (
            (requests, embedding.requests_per_day),
            (measured.tokens, embedding.tokens_per_day),
        ):
            if cap is not None:
                days = max(days, math.ceil(amount / (cap * (1 - LIVE_RESERVE))))
    decided_by, minutes = max(times.items(), key=lambda item: item[1])
    price, source = price_of(settings)
    return Forecast(
        measured=measured,
        way=way,
        limits=limits,
        model=settings.embedding_model,
        embedding_calls=calls,
        requests=requests,
        minutes=minutes,
        decided_by=decided_by,
        days=days,
        price=price,
        price_source=source,
    )


def way_of(measured: Measured, wanted: Literal["auto", "single", "bulk"], limits: Limits) -> CommentsWay:
    """Return how an import reads comments: as it is wanted, or else the faster way."""
    if measured.ways is None or "bulk" not in measured.possible() or wanted == "single":
        return "single"
    return measured.ways.faster(limits) if wanted == "auto" else "bulk"


def price_of(settings: Settings) -> tuple[float, str]:
    """Return US dollars a million tokens, and where that comes from."""
    if settings.embedding_provider == "local":
        return 0.0, "computed on your own machines"
    given = settings.embedding.usd_per_million_tokens
    if given is not None:
        return given, "TICKETSTREAM_EMBEDDING__USD_PER_MILLION_TOKENS"
    return USD_PER_MILLION_TOKENS[settings.embedding_model], f"list price of {PRICES_OF}"


def embedding_calls(texts: int, tokens: int, max_texts: int) -> int:
    """Return how many calls hold these texts, filled one after the other as the batcher does."""
    if not texts:
        return 0
    # The text that no longer fits leaves on average half its size unused.
    usable = max(MAX_CALL_TOKENS - tokens / texts / 2, tokens / texts)
    return max(math.ceil(texts / max_texts), math.ceil(tokens / usable))
