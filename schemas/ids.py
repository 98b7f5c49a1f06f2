"""Deterministic names: message keys, object ids, content hashes, collection names."""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Final, Literal, NamedTuple, Self

Visibility = Literal["public", "internal"]

_NAMESPACE: Final = uuid.UUID("6c1f0f0e-6a53-5d8e-9c58-2b5d1c0a7e11")
_SEPARATOR: Final = "\x1f"


def ticket_key(account: str, ticket_id: int) -> bytes:
    """Return the Kafka key of a ticket: ``account:ticket_id``."""
    return f"{account}:{ticket_id}".encode()


def chunk_id(account: str, ticket_id: int, visibility: Visibility, chunk_index: int) -> uuid.UUID:
    """Return the object id of a chunk: a uuid5 of account, ticket, visibility and index."""
    return uuid.uuid5(_NAMESPACE, _SEPARATOR.join((account, str(ticket_id), visibility, str(chunk_index))))


def dead_letter_id(stage: str, topic: str, partition: int, offset: int) -> str:
    """Return the id of a dead letter: the same message failing twice at a stage is one dead letter."""
    return uuid.uuid5(_NAMESPACE, _SEPARATOR.join((stage, topic, str(partition), str(offset)))).hex[:16]


def content_hash(text: str) -> str:
    """Return 32 hex digits that change when the text does."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def digest(data: bytes) -> str:
    """Return 16 hex digits that change when the bytes do."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


ALIAS: Final = "Tickets"
"""The alias readers use, whatever collection is behind it."""
SCHEMA_VERSION: Final = 2
"""Of the properties that Weaviate holds of a chunk, and how it indexes them: raise it when either changes.
The new collection is filled beside the old one with the vectors that are there. A name without it is of 1."""
_OWN: Final = re.compile(r"Tickets_[A-Za-z0-9_]{1,220}")
_COLLECTION: Final = re.compile(
    r"(?P<stem>Tickets_[A-Za-z0-9_]{1,200})_(?P<dimensions>[0-9]{1,5})_c(?P<chunker>[0-9]{1,5})"
    r"(?:_s(?P<schema>[0-9]{1,5}))?"
)


class CollectionName(NamedTuple):
    """What the name of a collection says; ``stem`` is the beginning, which names the model."""

    stem: str
    dimensions: int
    chunker: int
    schema: int

    @classmethod
    def of(cls, name: str) -> Self | None:
        """Return the parts of a name that ``collection_name`` made, None for any other."""
        found = _COLLECTION.fullmatch(name)
        if found is None:
            return None
        return cls(found["stem"], int(found["dimensions"]), int(found["chunker"]), int(found["schema"] or 1))

    def __str__(self) -> str:
        name = f"{self.stem}_{self.dimensions}_c{self.chunker}"
        return name if self.schema == 1 else f"{name}_s{self.schema}"


def collection_name(model: str, dimensions: int, chunker_version: int) -> str:
    """Return the Weaviate collection of a model, its dimensions, a chunker version and this schema.

    Weaviate allows letters, digits and underscores, starting with a capital.
    """
    safe = re.sub(r"[^A-Za-z0-9]+", "_", model).strip("_")
    return str(CollectionName(f"{ALIAS}_{safe}", dimensions, chunker_version, SCHEMA_VERSION))


def is_own_name(name: str) -> bool:
    """Say whether a collection may be ours by its name: any other is never written to or deleted from."""
    return bool(_OWN.fullmatch(name))


def of_this_schema(name: str) -> str:
    """Return the collection that takes what was was made for an older one, else the name."""
    parts = CollectionName.of(name)
    return name if parts is None else str(parts._replace(schema=max(parts.schema, SCHEMA_VERSION)))


def same_vectors(one: str, other: str) -> bool:
    """Say whether two collections hold vectors of one model and size: a text has the same in both."""
    first, second = CollectionName.of(one), CollectionName.of(other)
    if first is None or second is None:
        return one == other
    return first[:2] == second[:2]
