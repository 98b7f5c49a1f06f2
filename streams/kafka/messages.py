"""A message as it lies on its topic, and a record that is to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from schemas.codec import decode_named
from schemas.errors import PermanentError
from schemas.ids import ticket_key
from streams.kafka.envelope import Envelope

T = TypeVar("T")


class _Lying(NamedTuple):
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class _EnvelopeOnce:
    """Reads a message's headers when somebody asks first, and keeps what they say in the message.

    As functools.cached_property does, whose lock costs more than the reading.
    """

    def __get__(self, message: Incoming, _: type[Incoming]) -> Envelope:
        envelope = message.__dict__["envelope"] = Envelope(message.topic, message.headers)
        return envelope


class Incoming(_Lying):
    """A message as it lies on its topic."""

    envelope = _EnvelopeOnce()
    """What its headers say."""

    def decoded(self, kind: type[T]) -> T:
        """Return the message of its value; raises UnknownSchemaError and DecodeError (see schemas.codec)."""
        return decode_named(kind, self.value, self.envelope.schema)


def incoming(event: Any) -> Incoming:
    """Return the message of a Faust event."""
    raw = event.message
    headers = raw.headers or ()
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    return Incoming(raw.topic, raw.partition, raw.offset, raw.key, raw.value, pairs)


def own_key(message: Incoming, account: str, ticket_id: int) -> bytes:
    """Return the key of a message's ticket; raises PermanentError when it lies under another."""
    key = ticket_key(account, ticket_id)
    if message.key != key:
        raise PermanentError(f"the message's key is {message.key!r}, but its ticket is {key!r}")
    return key


class Record(NamedTuple):
    """A message to send; the partition is always named, so that nobody's partitioner decides."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
