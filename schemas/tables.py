"""What the tables hold. Every entry is JSON in a changelog-backed table."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from schemas.ids import Visibility
from schemas.messages.imports import ImportRecord, StageCounts
from schemas.messages.tickets import Origin
from schemas.parts import ManyChunks, PartRef
from schemas.zendesk import Comment


class SeenTicket(msgspec.Struct, omit_defaults=True):
    """Table ``seen``, by ticket: the newest change enrich has sent on, and where it entered.

    ``digest`` is that of the change's own message; "" for a version that only a hint has told of.
    ``updated`` is the ticket's ``updated_at`` (Unix seconds; 0: not known). ``read`` is the digest of
    what a hint found in Zendesk at this version ("": none has looked), and ``read_through`` the
    newest hint that was on the topic already when that look began: it answers all hints up to this one.
    """

    version: int
    digest: str
    origin: Origin
    updated: float = 0.0
    read: str = ""
    read_through: Origin | None = None
    from_file: bool = False
    """Whether a file has told of it, and not the account."""
    partial: bool = False
    """Whether it is the description alone, as nobody could be asked for the comments."""


class IndexedTicket(msgspec.Struct, omit_defaults=True):
    """Table ``indexed``, by ticket: what Weaviate holds of it (the processed IDs).

    ``public`` and ``internal`` are the content hashes of its chunks, by chunk index; of a ticket in parts,
    whose hashes would fill megabytes, ``many`` says how many there are.
    """

    version: int
    digest: str
    origin: Origin
    collection: str
    indexed_at: float
    public: list[str] = []
    internal: list[str] = []
    removed: bool = False
    many: ManyChunks | None = None

    def count(self, visibility: Visibility) -> int:
        """Return how many chunks of a visibility Weaviate holds."""
        if self.many is not None:
            return self.many.of(visibility)
        return len(self.public if visibility == "public" else self.internal)


class ResumePoint(msgspec.Struct):
    """Table ``resume_points``, by topic, in each of its partitions: how far Weaviate is.

    ``offset`` is that of the last message whose effect is there, as are those of all before it; of one that
    can never succeed the effect is a dead letter. ``indexed_at`` is when it was written down (Unix seconds).
    """

    offset: int
    indexed_at: float


class LiveCursor(msgspec.Struct):
    """Table ``cursors``, by account: where the live source goes on.

    ``cursor`` is "" as long as Zendesk has named none, as for an account without tickets: then it goes on
    from ``since`` (Unix seconds).
    """

    cursor: str
    updated_at: float
    since: int = 0


class EmbeddingSpent(msgspec.Struct, omit_defaults=True):
    """Table ``spending``, in every partition under SPENDING_KEY: what it has spent of its share of the caps.

    ``day`` counts from 1970-01-01 UTC. ``requests`` and ``tokens`` may have fractions, as a call can be
    put down to several partitions. ``paused`` names the cap (``cap``: its size for all partitions) for
    which the partition's owner embeds no backfill for the rest of the day.
    """

    day: int
    requests: float = 0
    tokens: float = 0
    paused: Literal["", "requests", "tokens"] = ""
    cap: int = 0


class HeldComments(msgspec.Struct, omit_defaults=True):
    """Table ``comments``, by ticket: the comments an import has read in bulk, until the ticket itself comes.

    ``comments`` are the newest of them; ``parts`` entries with older ones lie under ``part_key``. One
    comment can be there twice. ``doubtful`` says that the ticket's comments must be asked for.
    """

    held_for: str
    comments: list[Comment] = []
    parts: int = 0
    doubtful: bool = False


class PartSet(msgspec.Struct, omit_defaults=True):
    """Table ``parts``, by ticket, topic and set (see ``set_key``): parts that may lie on the topic.

    It is written before they are sent, so that what a crash leaves is known and can be taken away.
    ``count`` is the highest number of them. The rest is how far embed has come with a large ticket, for the
    worker that goes on with it: ``source`` is the set it reads, for ``collection``, of which ``read`` parts
    are done; ``refs`` are the parts it made of them, ``public`` and ``internal`` the chunks, ``content``
    their sum (see schemas.parts), ``begun`` the texts that the last chunk of each visibility begins with.
    """

    count: int
    source: str = ""
    collection: str = ""
    read: int = 0
    refs: list[PartRef] = []
    public: int = 0
    internal: int = 0
    content: str = ""
    begun: dict[Visibility, list[str]] = {}
    texts: int = 0
    calls: int = 0


_PART: Final = b"#"


def part_key(ticket_key: bytes, number: int) -> bytes:
    """Return the key of a part of a ticket's held comments; it lies in the ticket's partition."""
    return ticket_key + _PART + str(number).encode()


def ticket_of(held_key: bytes) -> bytes:
    """Return the ticket's key of a part's key: the one that decides on the partition."""
    return held_key.partition(_PART)[0]


def sets_prefix(ticket_key: bytes, topic: str) -> bytes:
    """Return what the keys of all part sets of a ticket on a topic begin with."""
    return ticket_key + _PART + topic.encode() + b"/"


def set_key(ticket_key: bytes, topic: str, name: str) -> bytes:
    """Return the key of a part set in the table ``parts``."""
    return sets_prefix(ticket_key, topic) + name.encode()


def part_message_key(ticket_key: bytes, name: str, number: int) -> bytes:
    """Return the key of a part of a set on its topic; it lies in the ticket's partition."""
    return ticket_key + _PART + f"{name}/{number}".encode()


SPENDING_KEY: Final = b"embedding"

TABLES: Final[dict[str, type[msgspec.Struct]]] = {
    "seen": SeenTicket,
    "comments": HeldComments,
    "parts": PartSet,
    "indexed": IndexedTicket,
    "resume_points": ResumePoint,
    "cursors": LiveCursor,
    "progress": StageCounts,
    "imports": ImportRecord,
    "spending": EmbeddingSpent,
}
"""Each table and the type of its entries."""
