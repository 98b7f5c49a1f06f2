"""What happened to tickets since the start, as the event export and the webhooks tell it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ticketstream.local.sample.zendesk.people import Row


class Event(NamedTuple):
    """One thing that happened.

    ``name`` is the end of Zendesk's event type (``comment_added``); ``change`` is the webhook's
    ``event`` object; ``field`` holds (name, new value, old value) of a changed field; ``said`` is an added
    comment as it was written.
    """

    name: str
    at: int
    actor_id: int
    row: Row
    change: dict[str, Any]
    field: tuple[str, Any, Any] | None = None
    said: Row | None = None
