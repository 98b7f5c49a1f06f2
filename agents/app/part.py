"""The contract of a part of a worker: what it does when the worker starts, and when partitions come and go.

A worker is an ordered list of parts, from the ground up, each of which stands on those before it (see
agents.worker.plan).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple


class Part:
    """A part of a worker. Every verb may be left out; a constructor neither connects nor waits."""

    async def open(self) -> None:
        """Connect. Called once, from the ground up, before any message flows; may wait for a service."""

    async def run(self) -> None:
        """Do what is to be done every now and then; runs beside everything once all parts are open."""

    async def take(self, partitions: frozenset[int], gained: frozenset[int]) -> None:
        """Go on with the partitions this worker has now; ``gained`` are those it had not before.

        Called from the ground up, after every rebalance. A part reads its tables here, and starts nothing for
        a partition that the worker does not have.
        """

    async def let_go(self) -> None:
        """Stop: all partitions may go. Called from the top down, at the beginning of every rebalance.

        When it returns nothing of theirs is under way: their next owner finds whatever was begun.
        """

    async def finish(self, seconds: float) -> None:
        """Bring to its end what was begun, in at most so many seconds: the worker stops.

        Called of all parts at once. What cannot be finished is left for the partitions' next owner.
        """

    async def tell(self) -> None:
        """Send and save what others should know before the worker is gone; called from the ground up."""

    async def close(self) -> None:
        """Give back what ``open`` took. Called last, from the top down; nothing else is called after it."""


class Intake(NamedTuple):
    """Where the messages of some topics go: one agent of the Faust app hands each of its events to ``put``.

    ``put`` takes in an event and waits while it is full; it has the event acknowledged in its own time.
    """

    name: str
    topics: tuple[str, ...]
    put: Callable[[object], Awaitable[None]]


class Plan(NamedTuple):
    """What a worker does: where its messages go, and its parts from the ground up.

    ``patience`` returns the seconds that a worker which stops waits for what was begun.
    """

    intakes: tuple[Intake, ...]
    parts: tuple[Part, ...]
    patience: Callable[[], float]
