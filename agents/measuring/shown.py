"""Gauges that are read from their owners on scrape: quotas, caches, sizes, and what Zendesk refuses."""

from __future__ import annotations

from functools import partial

from agents.knowledge.build import Knowledge
from agents.services.ground import Ground
from agents.services.quotas import Quotas
from agents.tickets.build import Tickets
from streams.sources.zendesk.people import People
from streams.sources.zendesk.troubles import Troubles


def show_knowledge(ground: Ground, quotas: Quotas, knowledge: Knowledge) -> None:
    """Show the quotas, the vectors that need not be asked for, and the size of embedding calls."""
    services = ground.metrics.services
    embedding, batcher = knowledge.embedding, knowledge.batcher
    for (service, name), share in quotas.named().items():
        services.show_quota(service, name, share)
    # A vector that the first cache lacks is looked for in Weaviate, and what is not there is embedded.
    services.show_cache(
        "recent_vectors",
        lambda: embedding.from_recent,
        lambda: embedding.from_stored + embedding.embedded,
    )
    services.show_cache("stored_vectors", lambda: embedding.from_stored, lambda: embedding.embedded)
    services.most_in_flight.labels("embedding", "backfill").set_function(lambda: batcher.most_in_flight)
    services.batch_limit.set_function(lambda: batcher.most_texts)


def show_tickets(ground: Ground, tickets: Tickets) -> None:
    """Show tickets in flight at Zendesk by lane, and with an account its names and what it refuses."""
    services = ground.metrics.services
    for lane, gate in tickets.gates.by_lane.items():
        services.most_in_flight.labels("zendesk", lane).set_function(partial(getattr, gate, "size"))
    if tickets.zendesk is not None and tickets.people is not None:
        _show_account(ground, tickets.zendesk.troubles, tickets.people)


def _show_account(ground: Ground, troubles: Troubles, people: People) -> None:
    services = ground.metrics.services
    for name, lookups in people.lookups.items():
        services.show_cache(name, partial(getattr, lookups, "hits"), partial(getattr, lookups, "misses"))
    services.show_troubles(lambda: {one.kind for one in troubles.now()}, people.refused)
