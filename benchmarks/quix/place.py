"""Where the services are, as the processes on Quix Streams are told it."""

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


def this_place() -> Place:
    """Return what this process was told."""
    return msgspec.json.decode(os.environ[VARIABLE], type=Place)
