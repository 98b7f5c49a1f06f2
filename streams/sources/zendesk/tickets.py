"""Tickets as they are now, by id: those asked for within a moment share one call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from schemas.errors import RefusedError
from schemas.lanes import Lane
from schemas.zendesk_pages import ONE_TICKET, TICKETS
from schemas.zendesk_rows import Rows, id_in
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.rows import MOST_TICKETS, show_many


class Row(NamedTuple):
    """A ticket's row, undecoded; None when there is no such ticket (any more). And the calls made for it."""

    raw: msgspec.Raw | None
    calls: int


class _Batch:
    __slots__ = ("calls", "done", "sending")

    def __init__(self) -> None:
        self.sending: dict[int, list[Callable[[], None]]] = {}
        self.done: asyncio.Future[dict[int, msgspec.Raw]] = asyncio.get_running_loop().create_future()
        self.calls = 0


class TicketRows:
    """Asks for up to 100 tickets a call.

    The first ticket opens a batch; more join it for ``gather_seconds``, and after that for as long as
    its call waits for its turn at the rate limit. Nothing is remembered, and nobody joins a call that
    is under way: an answer is never older than the question.
    """

    def __init__(self, client: ZendeskClient, *, gather_seconds: float = 0.05) -> None:
        self._client = client
        self._gather_seconds = gather_seconds
        self._open: dict[Lane, _Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def row(self, ticket_id: int, lane: Lane, sending: Callable[[], None] = lambda: None) -> Row:
        """Return a ticket as it is now; ``sending`` is called just before the call goes out.

        A ticket that ``show_many`` leaves out is asked for by itself: only a 404 means that it is not
        there. Raises what ZendeskClient.get raises. Source: Zendesk's API reference, "Tickets".
        """
        batch = self._open.get(lane)
        opened = batch is None
        if batch is None:
            batch = self._open[lane] = _Batch()
            task = asyncio.create_task(self._run(batch, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        batch.sending.setdefault(ticket_id, []).append(sending)
        if len(batch.sending) >= MOST_TICKETS:
            del self._open[lane]
        # wait() leaves the future alone when this question is cancelled: others wait for it too.
        await asyncio.wait([batch.done])
        raw = batch.done.result().get(ticket_id)
        calls = batch.calls if opened else 0
        if raw is not None:
            return Row(raw, calls)
        try:
            alone, more = await self._client.get(
                f"/api/v2/tickets/{ticket_id}.json", ONE_TICKET, "tickets", lane=lane
            )
        except RefusedError as error:
            if error.status != 404:
                raise
            return Row(None, calls + 1)
        return Row(alone, calls + more)

    async def _run(self, batch: _Batch, lane: Lane) -> None:
        def close() -> None:
            if self._open.get(lane) is batch:
                del self._open[lane]

        def path() -> str:
            close()
            for told in batch.sending.values():
                for sending in told:
                    sending()
            return show_many(batch.sending)

        try:
            await asyncio.sleep(self._gather_seconds)
            try:
                rows, batch.calls = await self._client.get(path, TICKETS, "tickets", lane=lane)
            except RefusedError:
                # One of them, or all together, are too much for Zendesk: each is asked for by itself.
                batch.calls = 1
                batch.done.set_result({})
            else:
                batch.done.set_result(_by_id(rows))
        except BaseException as error:
            batch.done.set_exception(
                error if isinstance(error, Exception) else asyncio.CancelledError("the call was cancelled")
            )
            batch.done.exception()  # nobody may be left to hear it
            if not isinstance(error, Exception):
                raise
        finally:
            close()


def _by_id(rows: Rows) -> dict[int, msgspec.Raw]:
    """Return the rows by id. One without an id is nobody's: its ticket is asked for by itself."""
    return {number: row for row in rows if (number := id_in(row)) is not None}
