"""The messages of the pipeline: one message is one ticket, whole, at every stage.

A ticket too large for one message is the last of several (see schemas.parts).

All travel as JSON with the header ``schema`` (see schemas.codec). Times named ``*_at`` are Unix
seconds with fractions, unless they are Zendesk's own ISO texts.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from schemas.ids import Visibility
from schemas.parts import ManyChunks, Parts
from schemas.zendesk import Comment, Ticket, User

Source = Literal["live", "import", "file"]
IndexOutcome = Literal["indexed", "unchanged", "removed", "duplicate", "stale", "repeat"]


class Origin(msgspec.Struct, frozen=True):
    """Where a ticket's change entered the pipeline; tells a repeat from a second change."""

    topic: str
    partition: int
    offset: int


class TicketChange(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A ticket as a source saw it, on ``tickets.changes`` and ``tickets.backfill``.

    ``version`` orders the states of a ticket: the export's ``generated_timestamp`` (Unix seconds),
    or ``updated_at`` where there is none. ``comments``, ``users`` and the names of ``organization`` and
    ``group`` are set only by sources that hold them already (export files, imports that read comments in
    bulk); otherwise enrich fetches them.
    """

    account: str
    ticket_id: int
    version: int
    changed_at: float
    source: Source
    ticket: Ticket
    import_id: str = ""
    comments: list[Comment] | None = None
    users: list[User] | None = None
    organization: str = ""
    group: str = ""
    comment_count: int | None = None
    """How many comments it has, where its import has sent them ahead (see HeldComments)."""
    parts: Parts | None = None
    """Where its comments are, if they are too large to travel with it (see CommentsPart)."""


class CommentsPart(msgspec.Struct, kw_only=True):
    """Some comments of a large ticket of an export file, on ``tickets.backfill``, ahead of its change."""

    account: str
    ticket_id: int
    comments: list[Comment]


class CommentEvents(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a page of Zendesk's ticket events tells of a ticket's comments, on ``tickets.backfill``.

    An import sends it ahead of the ticket, under the same key. ``held_for`` is the import. ``doubtful``
    says that something happened to comments, or that not all that was told could be read: they are to be
    asked for.
    """

    account: str
    ticket_id: int
    held_for: str
    comments: list[Comment] = []
    doubtful: bool = False


class ForgetHeldComments(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Word to a partition, on ``tickets.backfill``, to forget the comments held for all imports but these."""

    account: str
    keep: list[str] = []


class TicketHint(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Word that a ticket has changed, on ``tickets.changes``: enrich asks Zendesk how it is now.

    Nothing of what changed travels with it. ``hinted_at`` is when Zendesk says it happened, or else
    when the word came; ``event`` is the kind of change where it is known, as ``ticket.comment_added``.
    """

    account: str
    ticket_id: int
    hinted_at: float
    event: str = ""


class TicketFacts(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What every chunk of a ticket carries as properties in Weaviate; names, not ids.

    ``merged_into`` is the ticket it was merged into, 0 for none; an ordinary ticket's message and objects do
    not have it.
    """

    subject: str
    status: str
    priority: str
    tags: list[str]
    requester: str
    assignee: str
    organization: str
    group: str
    created_at: str
    updated_at: str
    merged_into: int = 0


class Passage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One comment as plain text."""

    comment_id: int
    visibility: Visibility
    author: str
    created_at: str
    text: str
    attachments: list[str] = []


class EnrichedTicket(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A ticket with all its comments, people and organisation, on ``tickets.enriched``.

    ``removed`` marks a deleted or spam ticket: it has no passages, and what the index holds of it goes away.
    """

    account: str
    ticket_id: int
    version: int
    changed_at: float
    enriched_at: float
    source: Source
    origin: Origin
    facts: TicketFacts
    passages: list[Passage] = []
    removed: bool = False
    import_id: str = ""
    zendesk_calls: int = 0
    parts: Parts | None = None
    """Where its passages are, if they are too large to travel with it (see EnrichedPart)."""


class EnrichedPart(msgspec.Struct, kw_only=True):
    """Some passages of a large ticket, on ``tickets.enriched``, ahead of the ticket itself."""

    account: str
    ticket_id: int
    passages: list[Passage]


class EmbeddedChunk(msgspec.Struct, kw_only=True):
    """A piece of a ticket with its vector (base64 of little-endian float32)."""

    visibility: Visibility
    chunk_index: int
    text: str
    content_hash: str
    vector: str


class EmbeddedTicket(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A ticket's chunks with vectors, on ``tickets.embedded``: all that Weaviate will hold of it."""

    account: str
    ticket_id: int
    version: int
    changed_at: float
    embedded_at: float
    source: Source
    origin: Origin
    collection: str
    dimensions: int
    facts: TicketFacts
    chunks: list[EmbeddedChunk] = []
    removed: bool = False
    import_id: str = ""
    texts_embedded: int = 0
    embedding_calls: int = 0
    parts: Parts | None = None
    """Where its chunks are, if they are too large to travel with it (see EmbeddedPart)."""
    many: ManyChunks | None = None
    """What the parts hold together; set together with ``parts``."""


class EmbeddedPart(msgspec.Struct, kw_only=True):
    """Some chunks of a large ticket, on ``tickets.embedded``, ahead of the ticket itself."""

    account: str
    ticket_id: int
    chunks: list[EmbeddedChunk]


class Receipt(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of a ticket, on ``tickets.indexed``: its effect is in Weaviate."""

    account: str
    ticket_id: int
    version: int
    outcome: IndexOutcome
    changed_at: float
    indexed_at: float
    origin: Origin
    chunks: int = 0
    vectors_written: int = 0
    objects_deleted: int = 0
    import_id: str = ""


class WholeTicket(msgspec.Struct):
    """What EnrichedTicket and EmbeddedTicket have in common, and all that passing one on needs of it."""

    account: str
    ticket_id: int
    version: int
    origin: Origin
