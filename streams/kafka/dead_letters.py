"""Dead letters: the original bytes of what can never succeed, and why."""

from __future__ import annotations

import base64
import time

import structlog

from schemas.codec import encode, headers_of
from schemas.ids import dead_letter_id
from schemas.messages.dead_letters import DeadLetter
from schemas.topics import DEAD_LETTERS
from streams.kafka.messages import Incoming, Record
from streams.kafka.partitions import partition_of


def _base64(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode("ascii")


def dead_letter(
    stage: str, message: Incoming, error: BaseException, import_id: str = "", line: int | None = None
) -> DeadLetter:
    """Return the dead letter of a message that failed at a stage."""
    return DeadLetter(
        id=dead_letter_id(stage, message.topic, message.partition, message.offset),
        stage=stage,
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=_base64(message.key),
        value=_base64(message.value),
        headers=[(name, _base64(value) or "") for name, value in message.headers],
        error_type=type(error).__name__,
        message=str(error) or type(error).__name__,
        failed_at=time.time(),
        import_id=import_id,
        line=line,
    )


def log_dead_letter(letter: DeadLetter, error: BaseException) -> None:
    """Log that a message became a dead letter, which holds the whole error."""
    structlog.get_logger().warning(
        "dead letter", stage=letter.stage, dead_letter=letter.id, error_type=letter.error_type, error=error
    )


def dead_letter_record(letter: DeadLetter, key: bytes | None, partition: int) -> Record:
    """Return the record that carries a dead letter; it stays in its message's partition."""
    return Record(DEAD_LETTERS, partition, key, encode(letter), headers_of(letter))


def line_dead_letter(
    account: str, import_id: str, path: str, line: int, raw: bytes, error: BaseException, partitions: int
) -> Record:
    """Return the record of a row of an export file that could not be read."""
    key = f"{account}:{path}:{line}".encode()
    source = Incoming(topic=path, partition=0, offset=line, key=None, value=raw, headers=())
    letter = dead_letter("source", source, error, import_id=import_id, line=line)
    return dead_letter_record(letter, key, partition_of(key, partitions))
