"""Changes in the sample Zendesk, each followed until a search shows it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from schemas.errors import UserError
from ticketstream.local.sample.zendesk.control import SampleZendeskControl

if TYPE_CHECKING:
    from streams.search.hybrid import Hit

SENTENCE: Final = "The violet umbrella stand in the lobby hums whenever somebody starts the espresso machine."
"""No ticket of the sample account says anything like it."""
NEW_STATUS: Final = "solved"
PATIENCE_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.1

Find = Callable[[str | None], Awaitable[Sequence["Hit"]]]
"""Search for SENTENCE, only among tickets of a status if one is given."""


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A change, and the seconds from Zendesk's answer to the first search that showed it."""

    change: str
    ticket_id: int
    shown_as: str
    seconds: float


def changeable(tickets: Iterable[dict[str, Any]]) -> int:
    """Return the first ticket that is open and has one or a few comments; raises UserError without one.

    The tickets are what SampleZendeskControl.truth yields.
    """
    for known in tickets:
        row = known["ticket"]
        if (
            not known["removed"]
            and row["status"] == "open"
            and row["subject"]
            and len(known["comments"]) < 10
        ):
            number: int = known["id"]
            return number
    raise UserError("the sample account has no open ticket to change: give more --tickets")


def says(hits: Sequence[Hit], ticket_id: int) -> bool:
    """Return whether this ticket was found by the new sentence."""
    return any(hit.ticket_id == ticket_id and SENTENCE in " ".join(hit.text.split()) for hit in hits)


def is_found(hits: Sequence[Hit], ticket_id: int) -> bool:
    """Return whether this ticket was found at all."""
    return any(hit.ticket_id == ticket_id for hit in hits)


class _Change(msgspec.Struct, frozen=True, kw_only=True):
    """``shows`` tells from the hits of a search among ``status`` that the change has arrived."""

    name: str
    make: Callable[[SampleZendeskControl, int], object]
    shown_as: str
    status: str | None
    shows: Callable[[Sequence[Any], int], bool]


_CHANGES: Final = (
    _Change(
        name="comment added",
        make=lambda zendesk, ticket_id: zendesk.add_comment(ticket_id, SENTENCE),
        shown_as="found by its new sentence",
        status=None,
        shows=says,
    ),
    _Change(
        name=f"status {NEW_STATUS}",
        make=lambda zendesk, ticket_id: zendesk.set_status(ticket_id, NEW_STATUS),
        shown_as=f"found with --status {NEW_STATUS}",
        status=NEW_STATUS,
        shows=is_found,
    ),
    _Change(
        name="ticket deleted",
        make=lambda zendesk, ticket_id: zendesk.delete(ticket_id),
        shown_as="no longer found",
        status=None,
        shows=lambda hits, ticket_id: not is_found(hits, ticket_id),
    ),
)


async def follow_changes(
    zendesk: SampleZendeskControl, ticket_id: int, find: Find, told: Callable[[Arrival], None]
) -> list[Arrival]:
    """Make each change and wait until the search shows it; raises UserError when it never does.

    A search that shows a change before it is made proves nothing, and is an error too.
    """
    arrivals = []
    for change in _CHANGES:
        if change.shows(await find(change.status), ticket_id):
            raise UserError(
                f"ticket {ticket_id} is {change.shown_as} before the change “{change.name}” is made"
            )
        await asyncio.to_thread(change.make, zendesk, ticket_id)
        made = time.monotonic()
        while not change.shows(await find(change.status), ticket_id):
            if time.monotonic() - made > PATIENCE_SECONDS:
                raise UserError(
                    f"{change.name}, but after {PATIENCE_SECONDS:.0f} s ticket {ticket_id} is not "
                    f"{change.shown_as}"
                )
            await asyncio.sleep(_PAUSE_SECONDS)
        arrival = Arrival(
            change=change.name,
            ticket_id=ticket_id,
            shown_as=change.shown_as,
            seconds=round(time.monotonic() - made, 2),
        )
        told(arrival)
        arrivals.append(arrival)
    return arrivals
