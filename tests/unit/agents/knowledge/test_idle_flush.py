"""Texts do not wait for company that cannot come."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from agents.knowledge.embed import idle_flush
from agents.knowledge.embed.idle_flush import IdleFlush
from streams.testing import settle


@pytest.mark.parametrize(
    ("at_work", "is_long", "running", "flushes"),
    [
        (0, False, 0, True),
        (7, False, 0, False),
        (7, True, 1, False),
        (7, True, 0, True),
        (None, False, 1, True),
    ],
)
async def test_texts_do_not_wait_for_company_that_cannot_come(
    monkeypatch: pytest.MonkeyPatch, at_work: int | None, is_long: bool, running: int, flushes: bool
) -> None:
    monkeypatch.setattr(idle_flush, "_LOOK_SECONDS", 0)
    flushed: list[str] = []
    batcher = SimpleNamespace(running=running, flush=lambda: flushed.append("flush"))
    backlog: Any = SimpleNamespace(is_long=lambda: is_long)
    before = None if at_work is None else SimpleNamespace(at_work=at_work)
    idle = asyncio.create_task(IdleFlush(batcher, backlog, before).run())
    await settle()
    idle.cancel()
    assert bool(flushed) == flushes
