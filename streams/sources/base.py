"""The contract of a source: something outside that tells of tickets, a page at a time.

Whoever follows a source (agents.sources.following, agents.imports.runner) sends its pages to Kafka and keeps
its cursor; a source itself knows neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from schemas.errors import DecodeError
from schemas.messages.tickets import TicketChange


class Unreadable(NamedTuple):
    """Something a source told that is no ticket, as it was told; it becomes a dead letter."""

    raw: bytes
    error: DecodeError


class Page(NamedTuple):
    """What a source told in one go.

    ``items`` are in the source's order, and may repeat what was told before. ``cursor`` is where it goes on,
    a text that only the source understands, "" as long as it has none. ``ended``: no more is there for now.
    """

    items: Sequence[TicketChange | Unreadable]
    cursor: str
    ended: bool


class Source(Protocol):
    """Tells of new and changed tickets of one account.

    ``name`` tells its dead letters from those of others: two words with a colon, such as ``zendesk:export``.
    """

    @property
    def name(self) -> str:
        """The system and what is read of it."""

    async def page(self, cursor: str, since: int) -> Page:
        """Return the page after ``cursor``; for "" the first of what has changed ``since`` (Unix seconds).

        The same cursor leads to the same place however often it is asked for: whoever goes on for a worker
        that died asks again. Raises CredentialsError when the login is refused, RefusedError when only a
        person can mend it. What can succeed later the source tries again itself, however long that takes.
        """
