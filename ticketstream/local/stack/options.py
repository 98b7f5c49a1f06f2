"""What a person asks of the local stack."""

from __future__ import annotations

from typing import Final

import msgspec

DEFAULT_TICKETS: Final = 2_000


class StackOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a stack; None stands for "as it is running, or the default".

    The sample_* options are those of the sample services: requests a minute of the general and the
    incremental limit, seconds the export lags behind, how much faster the minutes of all limits pass,
    and whether there are limits at all.
    """

    sample: bool | None = None
    tickets: int | None = None
    kafka_port: int | None = None
    weaviate_port: int | None = None
    weaviate_grpc_port: int | None = None
    sample_account: str | None = None
    sample_seed: int | None = None
    sample_requests_per_minute: int | None = None
    sample_incremental_requests_per_minute: int | None = None
    sample_export_delay: float | None = None
    sample_time_scale: float | None = None
    sample_no_limits: bool | None = None
    sample_embedding_requests_per_minute: int | None = None
    sample_embedding_tokens_per_minute: int | None = None

    def over(self, running: StackOptions) -> StackOptions:
        """Return these options where they are given, else the running ones."""
        given = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(running, **given)

    def configured_ports(self) -> dict[str, int]:
        """Return the ports a person chose, by what listens there."""
        chosen = {
            "kafka": self.kafka_port,
            "weaviate": self.weaviate_port,
            "weaviate-grpc": self.weaviate_grpc_port,
        }
        return {name: port for name, port in chosen.items() if port is not None}
