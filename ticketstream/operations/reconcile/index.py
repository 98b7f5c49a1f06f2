"""What Weaviate holds of an account, without texts and vectors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from schemas.errors import DecodeError
from schemas.ids import chunk_id
from schemas.times import epoch
from streams.weaviate.contents import Contents
from streams.weaviate.reading import StoredPlace
from ticketstream.operations.progress import CountHook
from ticketstream.operations.reconcile.states import IndexStates, IndexTable, Ints, Statuses

_LOOKED_UP: Final = 20_000
"""Up to so many tickets are looked up; for more, all there is is read."""
_TOLD_EVERY: Final = 1_000


class IndexReader:
    """Reads what readers read, behind the alias. Raises UnavailableError and CredentialsError."""

    def __init__(self, contents: Contents, account: str, statuses: Statuses) -> None:
        self._contents = contents
        self._account = account
        self._statuses = statuses

    async def read(self, ticket_ids: Ints | None = None, counted: CountHook = lambda _: None) -> IndexTable:
        """Return what there is of all tickets, or at least of these; ``counted`` hears the objects."""
        states = IndexStates()
        async for place in self._places(ticket_ids):
            states.add(
                place.ticket_id,
                place.visibility,
                place.chunk_index,
                place.content_hash,
                updated=_seconds(place.updated_at),
                status=self._statuses.number(place.status),
                own_id=self._own(place),
            )
            if len(states) % _TOLD_EVERY == 0:
                counted(len(states))
        return states.tickets()

    def _places(self, ticket_ids: Ints | None) -> AsyncIterator[StoredPlace]:
        if ticket_ids is None or ticket_ids.size > _LOOKED_UP:
            return self._contents.iterate_places(self._account)
        return self._contents.places_of(self._account, ticket_ids.tolist())

    def _own(self, place: StoredPlace) -> bool:
        return place.id == chunk_id(self._account, place.ticket_id, place.visibility, place.chunk_index)


def _seconds(text: str) -> int:
    try:
        return int(epoch(text))
    except DecodeError:
        return 0
