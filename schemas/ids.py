"""Deterministic names: message keys, object ids, content hashes, collection names."""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Final, Literal

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


def collection_name(model: str, dimensions: int, chunker_version: int) -> str:
    """Return the Weaviate collection of a model, its dimensions and a chunker version.

    Weaviate allows letters, digits and underscores, starting with a capital.
    """
    safe = re.sub(r"[^A-Za-z0-9]+", "_", model).strip("_")
    return f"Tickets_{safe}_{dimensions}_c{chunker_version}"


ALIAS: Final = "Tickets"
"""The alias readers use, whatever collection is behind it."""
