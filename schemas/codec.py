"""Bytes on Kafka: JSON values, and a header ``schema`` that names the type and its version."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from schemas.errors import DecodeError, UnknownSchemaError, quoting
from schemas.logins import LoginBegun, LoginClaim, LoginDead, LoginPair
from schemas.messages.dead_letters import DeadLetter, DeadLetterVerdict
from schemas.messages.imports import ImportCommand, ImportRecord, StageProgress
from schemas.messages.reconcile import ReconcileReport
from schemas.messages.tickets import (
    CommentEvents,
    CommentsPart,
    EmbeddedPart,
    EmbeddedTicket,
    EnrichedPart,
    EnrichedTicket,
    ForgetHeldComments,
    Receipt,
    TicketChange,
    TicketHint,
)
from schemas.messages.workers import WorkerState
from schemas.outside import UNREADABLE

T = TypeVar("T")

SCHEMA_HEADER: Final = "schema"
SCHEMAS: Final[dict[type[Any], str]] = {
    TicketChange: "ticket-change/1",
    TicketHint: "ticket-hint/1",
    CommentEvents: "comment-events/1",
    ForgetHeldComments: "comments-over/1",
    CommentsPart: "comments-part/1",
    EnrichedTicket: "enriched-ticket/1",
    EnrichedPart: "enriched-part/1",
    EmbeddedTicket: "embedded-ticket/1",
    EmbeddedPart: "embedded-part/1",
    Receipt: "receipt/1",
    DeadLetter: "dead-letter/1",
    DeadLetterVerdict: "dead-letter-verdict/1",
    StageProgress: "stage-progress/1",
    ReconcileReport: "reconcile-report/1",
    WorkerState: "worker-state/1",
    ImportCommand: "import-command/1",
    ImportRecord: "import-record/1",
    LoginBegun: "login-begun/1",
    LoginClaim: "login-claim/1",
    LoginPair: "login-pair/1",
    LoginDead: "login-dead/1",
}
IN_PARTS: Final[dict[type[Any], str]] = {
    TicketChange: "ticket-change-in-parts/1",
    EnrichedTicket: "enriched-ticket-in-parts/1",
    EmbeddedTicket: "embedded-ticket-in-parts/1",
}
"""What a ticket that is only the closing mark of its parts is named: a release that knows of no parts would
take it for an empty one."""
_NAMES: Final = {
    kind: frozenset(names[kind].encode() for names in (SCHEMAS, IN_PARTS) if kind in names)
    for kind in SCHEMAS
}
KINDS: Final[dict[bytes, type[Any]]] = {name: kind for kind, names in _NAMES.items() for name in names}
"""The type that each header names, in the versions this release reads."""
PARTS: Final = frozenset((CommentsPart, EnrichedPart, EmbeddedPart))
"""The types of which a large ticket's parts are."""

_ENCODER: Final = msgspec.json.Encoder()
_DECODERS: Final[dict[type[Any], msgspec.json.Decoder[Any]]] = {
    kind: msgspec.json.Decoder(kind) for kind in SCHEMAS
}


def encode(message: object) -> bytes:
    """Return the JSON of a message. A lone surrogate in a text is replaced, as UTF-8 cannot carry it."""
    try:
        return _ENCODER.encode(message)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(message)
        return _ENCODER.encode(_without_surrogates(plain))


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, (list, tuple)):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def schema_header(kind: type[Any]) -> tuple[str, bytes]:
    """Return the header that names the type and version of a message."""
    return SCHEMA_HEADER, SCHEMAS[kind].encode()


def headers_of(message: object) -> list[tuple[str, bytes]]:
    """Return the headers a message travels with."""
    if getattr(message, "parts", None) is not None:
        return [(SCHEMA_HEADER, IN_PARTS[type(message)].encode())]
    return [schema_header(type(message))]


def names_of(kind: type[Any]) -> frozenset[bytes]:
    """Return what the header may say for a message of this type: whole, or the closing mark of its parts."""
    return _NAMES[kind]


def is_named(kind: type[Any], headers: Iterable[tuple[str, bytes]] | None) -> bool:
    """Say whether the headers name this type, in a version this release reads."""
    return any(name == SCHEMA_HEADER and raw in names_of(kind) for name, raw in headers or ())


def is_part(headers: Iterable[tuple[str, bytes]] | None) -> bool:
    """Say whether a message is a part of a large ticket, or stands in the place of one that is gone."""
    return any(name == SCHEMA_HEADER and KINDS.get(raw) in PARTS for name, raw in headers or ())


def decode(kind: type[T], value: bytes | None, headers: Iterable[tuple[str, bytes]] | None) -> T:
    """Return the message of a value and its headers.

    Raises UnknownSchemaError when the header is missing or names another type or version, and
    DecodeError when the value is no such message.
    """
    found = next((raw for name, raw in headers or () if name == SCHEMA_HEADER), None)
    return decode_named(kind, value, found)


def decode_named(kind: type[T], value: bytes | None, schema: bytes | None) -> T:
    """Return the message of a value whose header ``schema`` says this, None where there is no such header.

    Raises what ``decode`` raises.
    """
    if schema is None:
        raise UnknownSchemaError(f"the message has no header {SCHEMA_HEADER!r}; expected {SCHEMAS[kind]!r}")
    if KINDS.get(schema) is not kind:
        raise UnknownSchemaError(f"the message is {schema[:100]!r}; this release reads {SCHEMAS[kind]!r}")
    return decode_value(kind, value)


def decode_value(kind: type[T], value: bytes | None) -> T:
    """Return the message of a value whose type is known; raises DecodeError."""
    if value is None:
        raise DecodeError(f"the message is empty; expected {SCHEMAS[kind]!r}")
    try:
        message: T = _DECODERS[kind].decode(value)
    except UNREADABLE as error:
        raise quoting(DecodeError(f"not a {SCHEMAS[kind]}: {error}"), str(error)) from error
    return message


def peek(value: bytes | None, shape: type[T]) -> T | None:
    """Return the few fields of a JSON value that ``shape``, a struct, has; None where they cannot be read.

    For values that nobody has vouched for, or of which nothing else is wanted: it is not said what is wrong.
    """
    try:
        return msgspec.json.decode(value or b"", type=shape)
    except UNREADABLE:
        return None
