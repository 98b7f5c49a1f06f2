"""What the table ``indexed`` holds of a ticket, and whether a message comes too late for it. Pure; no I/O."""

from __future__ import annotations

import time

from msgspec.structs import replace

from schemas.codec import encode
from schemas.ids import Visibility, digest
from schemas.messages.tickets import EmbeddedTicket, TicketFacts
from schemas.parts import ManyChunks
from schemas.tables import IndexedTicket


def is_overtaken(ticket: EmbeddedTicket, before: IndexedTicket, replay: bool) -> bool:
    """Return whether a ticket stems from an earlier change than the indexed state of the same version.

    Several states of a ticket can have one version: changes within a second, and what a hint found. If both
    entered by the same partition of the same topic, the offsets of their changes (``origin``) decide. The
    order in which they arrive here does not: a worker that Kafka took for dead may still send its last
    messages. If they entered by two topics, nobody can tell: then a removed ticket stays removed, as its
    return has a higher version, unless it is replayed, or an earlier release removed it because it was
    merged.
    """
    if ticket.version != before.version:
        return False
    here, there = ticket.origin, before.origin
    if (here.topic, here.partition) == (there.topic, there.partition):
        return here.offset < there.offset
    return before.removed and not ticket.removed and not replay and not _was_merged_away(before, ticket)


def _was_merged_away(before: IndexedTicket, ticket: EmbeddedTicket) -> bool:
    """Return whether an earlier release removed this very state of a ticket because it was merged.

    That release's digest held the facts of a merged ticket, but no names, as it looked none up.
    """
    facts = replace(ticket.facts, requester="", assignee="", organization="", group="", merged_into=0)
    return before.digest == _digest(before.collection, ticket.dimensions, facts, [], [], removed=True)


def entry_of(ticket: EmbeddedTicket) -> IndexedTicket:
    """Return what the table will hold of a ticket once Weaviate does."""

    def hashes(visibility: Visibility) -> list[str]:
        chunks = sorted((c.chunk_index, c.content_hash) for c in ticket.chunks if c.visibility == visibility)
        return [content for _, content in chunks]

    public, internal = hashes("public"), hashes("internal")
    return IndexedTicket(
        version=ticket.version,
        digest=_digest(
            ticket.collection,
            ticket.dimensions,
            ticket.facts,
            public,
            internal,
            removed=ticket.removed,
            many=ticket.many,
        ),
        origin=ticket.origin,
        collection=ticket.collection,
        indexed_at=time.time(),
        public=public,
        internal=internal,
        removed=ticket.removed,
        many=ticket.many,
    )


def unsure_entry(ticket: EmbeddedTicket, before: IndexedTicket | None) -> IndexedTicket:
    """Return what the table will hold of a ticket some of whose chunks may have been written before a crash.

    It names no collection, so the next write looks up what Weaviate holds of the ticket.
    """
    if before is not None:
        return replace(before, collection="")
    return IndexedTicket(
        version=ticket.version - 1, digest="", origin=ticket.origin, collection="", indexed_at=time.time()
    )


def _digest(
    collection: str,
    dimensions: int,
    facts: TicketFacts,
    public: list[str],
    internal: list[str],
    *,
    removed: bool,
    many: ManyChunks | None = None,
) -> str:
    content = encode((collection, dimensions, removed, facts, public, internal))
    return digest(content if many is None else content + encode(many))
