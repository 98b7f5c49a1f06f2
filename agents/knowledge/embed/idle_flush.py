"""Sends texts that wait for company in an embedding call, once no more can come."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from agents.app.part import Part
from agents.knowledge.backlog import Backlog

_LOOK_SECONDS: Final = 0.2


class _Works(Protocol):
    @property
    def at_work(self) -> int: ...


class _Batcher(Protocol):
    @property
    def running(self) -> int: ...

    def flush(self) -> None: ...


class IdleFlush(Part):
    """``before`` is the stage that the texts come from; None where nothing comes in any more."""

    def __init__(self, batcher: _Batcher, backlog: Backlog, before: _Works | None) -> None:
        self._batcher = batcher
        self._backlog = backlog
        self._before = before

    async def run(self) -> None:
        """Send the texts that wait once no more can join them.

        That is so when enrich works on nothing: a ticket stays in one worker, so all texts for this call come
        from here. It is also so when the backlog is full with the very tickets whose texts wait, and no call
        is under way that could shorten it.
        """
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            comes = self._before is not None and self._before.at_work
            if not comes or (self._backlog.is_long() and not self._batcher.running):
                self._batcher.flush()
