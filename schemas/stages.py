"""The stages of the pipeline: the one place that says which there are, and what lies between them."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from schemas.topics import BACKFILL, CHANGES, EMBEDDED, ENRICHED, INDEXED

StageName = Literal["enrich", "embed", "index"]
Service = Literal["zendesk", "embedding", "weaviate"]


class Stage(NamedTuple):
    """A stage: the topics it reads, the topic it writes, and the service that it cannot work without.

    ``done`` is what a ticket is that is through with it; an import's record counts it by this word.
    """

    name: StageName
    reads: tuple[str, ...]
    writes: str
    service: Service
    done: str


ENRICH: Final = Stage("enrich", (CHANGES, BACKFILL), ENRICHED, "zendesk", "enriched")
EMBED: Final = Stage("embed", (ENRICHED,), EMBEDDED, "embedding", "embedded")
INDEX: Final = Stage("index", (EMBEDDED,), INDEXED, "weaviate", "indexed")

STAGES: Final = (ENRICH, EMBED, INDEX)
"""In the order of the way of a ticket: each stage's topic is read by the next one."""
STAGE_NAMES: Final = tuple(stage.name for stage in STAGES)

READ_TOPICS: Final = tuple(topic for stage in STAGES for topic in stage.reads)
"""Where messages wait for a stage, in the order of the way of a ticket."""
TICKET_TOPICS: Final = (*READ_TOPICS, STAGES[-1].writes)
"""Every topic on the way of a ticket: those that stages read, and the one of the receipts."""
BETWEEN: Final = tuple(stage.writes for stage in STAGES[:-1])
"""The topics that one stage writes and the next one reads: what lies there is in flight."""
