"""What the processes on Quix Streams are told, and what they tell: JSON, a line each."""

from __future__ import annotations

import os
from typing import Final

import msgspec

VARIABLE: Final = "BENCHMARK_PLACE"
TOPIC: Final = "quix.tickets"
GROUP: Final = "quix"


class Place(msgspec.Struct, kw_only=True):
    """Addresses and the login of the sample account; travels as JSON in the variable VARIABLE."""

    bootstrap_servers: str
    partitions: int
    zendesk_url: str
    authorization: str
    account: str
    weaviate_host: str
    weaviate_port: int
    weaviate_grpc_port: int
    collection: str


class Exported(msgspec.Struct, kw_only=True):
    """When the first call was made (Unix seconds), how many there were, and how many tickets."""

    began: float
    tickets: int
    calls: int


class Written(msgspec.Struct, kw_only=True):
    """All that a process has written so far, and when (Unix seconds)."""

    tickets: int = 0
    objects: int = 0
    zendesk_calls: int = 0
    embedding_calls: int = 0
    at: float = 0.0


def this_place() -> Place:
    """Return what this process was told."""
    return msgspec.json.decode(os.environ[VARIABLE], type=Place)
