"""A daily cap on the real stack: embedding pauses, never exceeds it, and goes on when it is raised."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

from comparison import assert_equal
from harness import Desk, until

from schemas.settings import PREFIX
from ticketstream.records.spending import pause_words
from ticketstream.sample.gemini.control import SampleGeminiControl

TICKETS = 300
CAP = 30_000
"""Tokens; the account has about 100,000."""


async def calls_and_tokens(desk: Desk) -> tuple[int, int]:
    assert desk.settings.gemini.base_url is not None
    async with SampleGeminiControl(desk.settings.gemini.base_url) as gemini:
        stats = await gemini.stats()
    return stats.calls, stats.tokens


async def test_a_daily_cap_pauses_embedding_and_nothing_is_lost(open_desk: Callable[..., Desk]) -> None:
    if time.time() % 86_400 > 86_100:
        await asyncio.sleep(310)  # midnight would come in between
    desk = open_desk(TICKETS)
    desk.environment[f"{PREFIX}EMBEDDING__PROVIDER"] = "gemini"
    caps = {"EMBEDDING__TOKENS_PER_DAY": CAP}
    worker = desk.worker(**caps)
    import_id = await desk.begin_import()

    async def paused() -> bool:
        return await pause_words(desk.settings) is not None

    await until(paused, 90, "embedding is paused")
    shown = json.loads(desk.command("imports", "show", import_id, "--json").stdout)
    assert shown["status"] == "running"
    assert shown["paused"] == (
        f"embedding is paused: the daily cap of {CAP:,} tokens (TICKETSTREAM_EMBEDDING__TOKENS_PER_DAY) is "
        "reached; goes on at 00:00 UTC"
    )
    assert f"the daily cap of {CAP:,} tokens" in desk.command("imports", "list").stderr
    calls, tokens = await calls_and_tokens(desk)
    assert 0 < tokens <= CAP * 0.9

    # A live change passes all that waits, in the same partition or not: the reserve is for it.
    for number in (3, 4, 5, 6):
        desk.zendesk.add_comment(number, "The purple flamingo has arrived in Reykjavik.", public=True)
    live = {3, 4, 5, 6}
    await desk.received(
        lambda receipts: live <= {r.ticket_id for r in receipts if r.outcome == "indexed" and not r.import_id}
    )
    assert worker.runs

    # What a killed worker has spent stays spent.
    before = await calls_and_tokens(desk)
    for _ in range(2):
        worker.kill()
        worker = desk.worker(**caps)
        seen = desk.log().count("embedding is paused: the daily cap is reached")

        async def paused_again(seen: int = seen) -> bool:
            return desk.log().count("embedding is paused: the daily cap is reached") > seen

        await until(paused_again, 90, "the new worker is paused too")
    after = await calls_and_tokens(desk)
    assert after[1] <= CAP
    assert after[0] - before[0] <= 2
    started = time.monotonic()
    assert worker.terminate() == 0
    assert time.monotonic() - started < 15

    worker = desk.worker(EMBEDDING__TOKENS_PER_DAY=10_000_000)
    record = await desk.import_state(import_id)
    assert record.status == "completed"
    assert record.failed == 0
    await assert_equal(desk)
    assert desk.command("imports", "show", import_id, "--json").returncode == 0
    assert not await paused()
    total = await calls_and_tokens(desk)
    print(
        f"cap {CAP:,} tokens: {calls} calls with {tokens:,} tokens until the pause, {after[1]:,} with live "
        f"changes and two kills; {total[0]} calls with {total[1]:,} tokens after the cap was raised"
    )
