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
    """Return whether a ticket comes late: from a change before that of what is indexed.

    A ticket can have several states of one version: those of a second, and what a hint found. The order
    of their changes tells, where they came by one lane; the order in which they come here does not, for
    a worker taken for dead may still send its last ones. Of two lanes nobody can tell: then a removed
    ticket stays removed, as its return has a higher version, unless it is replayed, or an earlier release
    removed it as a merged one.
    """
    if ticket.version != before.version:
        return False
    here, there = ticket.origin, before.origin
    if (here.topic, here.partition) == (there.topic, there.partition):
        return here.offset < there.offset
    return before.removed and not ticket.removed and not replay and not _was_merged_away(before, ticket)


def _was_merged_away(before: IndexedTicket, ticket: EmbeddedTicket) -> bool:
    """Return whether this very state of a ticket was removed by a release that did so with merged ones.

    It left what such a ticket says of itself in the digest, but looked up nobody's name.
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

    Whatever is written next finds out what Weaviate holds of it.
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
