"""Stand-ins for tests: time, Kafka, a sink, the embedding provider and Zendesk, in memory.

Each keeps the promises of the part it stands for, except what its docstring says: one suite of tests runs
over stand-in and real part (tests/behaviour). No product code may import this package.
"""

from streams.testing.clock import AT_ONCE, VirtualClock, settle, until
from streams.testing.kafka import InMemoryParts, InMemoryProducer
from streams.testing.services import InMemoryBatcher, InMemoryZendesk, vector_of
from streams.testing.sinks import InMemorySink, StoredObject

__all__ = [
    "AT_ONCE",
    "InMemoryBatcher",
    "InMemoryParts",
    "InMemoryProducer",
    "InMemorySink",
    "InMemoryZendesk",
    "StoredObject",
    "VirtualClock",
    "settle",
    "until",
    "vector_of",
]
