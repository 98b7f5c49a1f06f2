"""Commands that start and steer imports, as records for ``imports.commands``."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from schemas.codec import encode, headers_of
from schemas.messages.imports import ImportCommand
from schemas.topics import IMPORT_COMMANDS
from streams.kafka.messages import Record
from streams.kafka.partitions import account_partition


def new_import_id(now: datetime | None = None) -> str:
    """Return an id that sorts by time (UTC) and can be read aloud, such as ``20261122-181500-3f9a``."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def command_record(command: ImportCommand, partitions: int) -> Record:
    """Return the record of a command, in the partition of its account."""
    return Record(
        IMPORT_COMMANDS,
        account_partition(command.account, partitions),
        command.account.encode(),
        encode(command),
        headers_of(command),
    )
