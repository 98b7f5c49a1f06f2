"""Documents of the search."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import Field, create_model

from streams.search import hybrid as search
from ticketstream.http.api.models.parts import Answer


class HitTarget(Answer):
    """The ticket under which a merged one is shown."""

    ticket_id: int
    subject: str
    status: str


_HIT: dict[str, Any] = {field.name: (field.type, ...) for field in msgspec.structs.fields(search.Hit)} | {
    "merged_into": (
        int | None,
        Field(description="the ticket that this one was merged into, at the end of a chain of merges"),
    ),
    "target": (
        HitTarget | None,
        Field(description="that ticket, where it is indexed and may be read: show this one under it"),
    ),
}
Hit = create_model(
    "Hit",
    __base__=Answer,
    __doc__="A ticket that answers a search, with the passage that fits best.",
    **_HIT,
)


class Found(Answer):
    """Tickets, the best first."""

    results: list[Hit]
