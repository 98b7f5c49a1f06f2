"""Which ticket a webhook's payload is about. Nothing else of it is used.

Two forms are read. A webhook that subscribes to events always sends Zendesk's own::

    {"type": "zen:event-type:ticket.comment_added", "id": "2b24ef10-…", "time": "2026-01-02T03:04:05Z",
     "account_id": 12514403, "subject": "zen:ticket:35436", "detail": {"id": "35436", …}, "event": {…}}

A webhook of a trigger or an automation sends what a person has written there; what is looked for is
``{"ticket_id": "{{ticket.id}}"}`` or ``{"ticket": {"id": "{{ticket.id}}"}}``, among whatever else.
Sources: Zendesk's API reference, "Ticket events"; "Anatomy of a webhook request".
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from schemas.errors import DecodeError
from schemas.outside import UNREADABLE, Lenient, field_of, id_of
from schemas.times import epoch

_EVENT: Final = "zen:event-type:"
_TICKET_EVENT: Final = "zen:event-type:ticket."
_SUBJECT: Final = re.compile(r"zen:ticket:([0-9]{1,19})")
_NAME: Final = re.compile(r"[a-zA-Z0-9_.]{1,100}")
_PAYLOAD: Final[Lenient[Any, Any]] = Lenient(Any, lambda payload: payload)


class Payload(NamedTuple):
    """A ticket that changed; ``at`` is when (Unix seconds), ``event_id`` the event's own id, if known."""

    ticket_id: int
    event: str = ""
    event_id: str = ""
    at: float | None = None


def read_payload(body: bytes) -> Payload | None:
    """Return the ticket a payload is about, or None when it concerns none.

    Raises DecodeError for what is no JSON object, and for a ticket without a usable id.
    """
    try:
        payload = _PAYLOAD.decode(body)
    except UNREADABLE as error:
        raise DecodeError(f"the body is no JSON: {error}") from None
    if not isinstance(payload, dict):
        raise DecodeError("the body is no JSON object")
    kind = payload.get("type")
    if isinstance(kind, str) and kind.startswith(_EVENT):
        return _of_event(kind, payload)
    if "ticket_id" in payload:
        return Payload(_id(payload["ticket_id"], "ticket_id"))
    ticket = payload.get("ticket")
    if isinstance(ticket, dict) and "id" in ticket:
        return Payload(_id(ticket["id"], "ticket.id"))
    return None


def _of_event(kind: str, payload: dict[str, Any]) -> Payload | None:
    subject = payload.get("subject")
    about = _SUBJECT.fullmatch(subject) if isinstance(subject, str) else None
    if kind.startswith(_TICKET_EVENT):
        given = field_of(payload.get("detail"), "id")
        ticket_id = _id(about[1] if given is None and about else given, "detail.id")
    elif about:
        ticket_id = _id(about[1], "subject")
    else:
        return None
    name = kind.removeprefix(_EVENT)
    event_id = payload.get("id")
    return Payload(
        ticket_id,
        event=name if _NAME.fullmatch(name) else "",
        event_id=event_id if isinstance(event_id, str) and len(event_id) <= 100 else "",
        at=_moment(payload.get("time")),
    )


def _id(value: object, where: str) -> int:
    """Return a ticket's id, a number or its digits."""
    number = id_of(value)
    if number is None:
        raise DecodeError(f"{where} is no ticket's id")
    return number


def _moment(value: object) -> float | None:
    try:
        return epoch(value) if isinstance(value, str) else None
    except DecodeError:
        return None
