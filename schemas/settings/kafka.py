"""How Kafka is reached, and how topics are made."""

from __future__ import annotations

from pydantic import Field, field_validator

from schemas import forgiving
from schemas.forgiving import forgiven
from schemas.settings.group import Group


class KafkaSettings(Group):
    """How to reach Kafka."""

    bootstrap_servers: str | None = Field(None, description="Kafka, as host:port[,host:port]")
    _servers = field_validator("bootstrap_servers", mode="before")(forgiven(forgiving.servers))
    partitions: int = Field(
        8,
        ge=1,
        le=1024,
        description="partitions of every topic of the pipeline; changed after `ticketstream scale`",
    )
