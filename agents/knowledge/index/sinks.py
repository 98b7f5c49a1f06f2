"""The collections a worker writes to, opened when they are first named."""

from __future__ import annotations

from collections.abc import Container
from typing import Protocol

from agents.app.part import Part
from agents.services.ground import waiting_to_start
from schemas.errors import CredentialsError, RefusedError, UserError
from streams.retries import retrying
from streams.sinks.base import Sink
from streams.sinks.weaviate.sink import WeaviateSink
from streams.weaviate.client import WeaviateConnection
from streams.weaviate.contents import Contents


class Sinks(Part):
    """The sinks of a worker. ``collection`` is the one that this worker's settings ask for.

    ``account`` is the one that is connected, None for none.
    """

    def __init__(
        self, connection: WeaviateConnection, collection: str, dimensions: int, account: str | None
    ) -> None:
        self._connection = connection
        self._collection = collection
        self._dimensions = dimensions
        self._account = account
        self._sinks: dict[str, Sink] = {}
        self._empty: set[str] = set()

    async def open(self) -> None:
        """Make the collection where it is missing, and see whether it holds anything of the account."""
        await retrying(self.own, on_retry=waiting_to_start)
        account = self._account
        if account is None:
            return
        contents = Contents(self._connection, self._collection)
        if not await retrying(lambda: contents.count_objects(account), on_retry=waiting_to_start):
            self._empty.add(account)

    @property
    def empty_accounts(self) -> Container[str]:
        """The account, if the collection held nothing of it when the worker started.

        From then on the table ``indexed`` knows all there is of it, and a ticket it does not know needs no
        look-up of left-over chunks.
        """
        return self._empty

    async def own(self) -> Sink:
        """Return the sink of this worker's own collection; raises what ``get`` raises."""
        return await self.get(self._collection, self._dimensions)

    async def get(self, collection: str, dimensions: int) -> Sink:
        """Return the sink of a collection, made on first use.

        Raises RefusedError when a message names a collection that is somebody else's, and what
        WeaviateSink.setup raises.
        """
        sink = self._sinks.get(collection)
        if sink is None:
            sink = WeaviateSink(self._connection, collection, dimensions)
            try:
                await sink.setup()
            except CredentialsError:
                raise
            except UserError as error:
                if collection == self._collection:
                    raise
                # The message has named the collection, so it alone fails: the others go on.
                raise RefusedError(str(error)) from error
            self._sinks[collection] = sink
        return sink


class TakesOver(Protocol):
    """What TakeOvers asks of the stage index."""

    def taken_over(self, partitions: frozenset[int]) -> None:
        """Note that another worker had these partitions, and may have died amid a write."""


class TakeOvers(Part):
    """Tells ``index`` of each partition that comes from another worker, which may have begun to write there.

    A fresh worker on an empty index tells nothing of its first partitions: no other worker can have written
    half of a ticket there.
    """

    def __init__(self, index: TakesOver, empty_accounts: Container[str], account: str | None) -> None:
        self._index = index
        self._empty_accounts = empty_accounts
        self._account = account
        self._first = True

    async def take(self, partitions: frozenset[int], gained: frozenset[int]) -> None:
        """Tell of the partitions that were gained."""
        if not (self._first and self._account in self._empty_accounts):
            self._index.taken_over(gained)
        self._first = False
