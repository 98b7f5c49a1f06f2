"""A daily cap on the real stack: embedding pauses, never exceeds it, and goes on when it is raised."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from comparison import assert_equal
from harness import Desk, settings_of, until
from prometheus_fixture import Prometheus, panel_expressions

from schemas.settings.load import PREFIX
from streams.embeddings.prices import USD_PER_MILLION_TOKENS
from ticketstream.local.sample.gemini.control import SampleGeminiControl
from ticketstream.local.stack.ports import free_ports
from ticketstream.operations.imports.waits import waits_now

TICKETS = 300
CAP = 150
"""Texts; the account has about 480. Texts are counted alike by both sides, tokens only estimated here."""


TEXTS = "ticketstream_embedding_texts_total"
SPENT = 'ticketstream_embedding_spent_today{unit="requests"}'
QUOTA = ("ticketstream_quota_used_total", "ticketstream_quota_per_minute")


@pytest.fixture
def ports() -> list[int]:
    """Where two workers show their metrics."""
    return free_ports(2)


@pytest.fixture
def prometheus(tmp_path: Path, ports: list[int]) -> Iterator[Prometheus]:
    made = Prometheus(tmp_path / "prometheus", {"ticketstream": [f"127.0.0.1:{port}" for port in ports]})
    try:
        yield made
    finally:
        made.stop()


async def texts_and_calls(desk: Desk) -> tuple[int, int]:
    assert desk.settings.gemini.base_url is not None
    async with SampleGeminiControl(desk.settings.gemini.base_url) as gemini:
        stats = await gemini.stats()
    assert stats.calls == stats.answered
    return stats.texts, stats.calls


async def scraped(prometheus: Prometheus, texts: int) -> None:
    """Wait until Prometheus has the figures of so many texts."""

    async def last_figures() -> bool:
        sums = (prometheus.value(f"sum({each})") for each in (TEXTS, SPENT))
        return [*sums] == [texts, texts]

    await until(last_figures, 60, "Prometheus has the last figures")


async def assert_spending_is_shown(prometheus: Prometheus, texts: int) -> None:
    """Hold what the dashboards show of the spending against the texts that Gemini has had.

    Prometheus has scraped some of it before: it knows no rate of a counter that was there at once in full.
    """
    await scraped(prometheus, texts)
    panels = [one for one in panel_expressions() if "ticketstream_embedding_" in one]
    assert len(panels) >= 6
    for expression in [*panels, *(f'{name}{{service="embedding"}}' for name in QUOTA)]:
        values = [float(one["value"][1]) for one in prometheus.query(expression)]
        assert max(values, default=0) > 0, expression
    assert prometheus.value('sum(ticketstream_embedding_cap_today{unit="requests"})') == CAP
    tokens = prometheus.value("sum(ticketstream_embedding_tokens_total)")
    price = USD_PER_MILLION_TOKENS["gemini-embedding-001"] / 1_000_000
    assert prometheus.value("sum(ticketstream_embedding_cost_usd_total)") == pytest.approx(tokens * price)

    async def alert() -> bool:
        return bool(prometheus.query('ALERTS{alertname="TicketstreamEmbeddingPaused", lane="backfill"}'))

    await until(alert, 60, "the alert of the pause")


async def test_a_daily_cap_pauses_embedding_and_nothing_is_lost(
    open_desk: Callable[..., Desk], ports: list[int], prometheus: Prometheus
) -> None:
    if time.time() % 86_400 > 86_100:
        await asyncio.sleep(310)  # midnight would come in between
    desk = open_desk(TICKETS)
    desk.environment[f"{PREFIX}EMBEDDING__PROVIDER"] = "gemini"
    desk.environment[f"{PREFIX}METRICS_PORT"] = str(ports[0])
    desk.settings = settings_of(desk.environment)
    caps = {"EMBEDDING__REQUESTS_PER_DAY": CAP, "EMBEDDING__QUOTA_UNIT": "text"}
    workers = [desk.worker(**caps), desk.worker(**caps)]

    async def shared_out() -> bool:
        given = list(desk.given().values())
        return len(given) == 2 and all(given) and not set.intersection(*given)

    # Each pauses for its own partitions: they must not move once the import runs.
    await until(shared_out, 60, "two workers with their parts of the partitions")
    import_id = await desk.begin_import()

    async def paused() -> bool:
        words = (await waits_now(desk.settings)).embedding
        return words is not None and "for" not in words.partition(":")[0]

    await until(paused, 120, "embedding is paused in all partitions")
    shown = json.loads(desk.command("imports", "show", import_id, "--json").stdout)
    assert shown["status"] == "running"
    assert shown["paused"] == (
        f"embedding is paused: the daily cap of {CAP:,} requests "
        "(TICKETSTREAM_EMBEDDING__REQUESTS_PER_DAY) is reached; goes on at 00:00 UTC"
    )
    assert f"the daily cap of {CAP:,} requests" in desk.command("imports", "list").stderr
    texts, calls = await texts_and_calls(desk)
    assert CAP * 0.6 < texts <= CAP * 0.9
    await scraped(prometheus, texts)

    # A live change passes all that waits, in the same partition or not: the reserve is for it.
    open_tickets = [
        truth
        for truth in desk.zendesk.truth()
        if not truth["removed"] and truth["ticket"]["status"] != "closed" and len(truth["comments"]) < 4
    ]
    live = {truth["id"] for truth in open_tickets[-4:]}
    for number in live:
        desk.zendesk.add_comment(number, "The purple flamingo has arrived in Reykjavik.")
    await desk.received(
        lambda receipts: live <= {r.ticket_id for r in receipts if r.outcome == "indexed" and not r.import_id}
    )
    assert all(worker.runs for worker in workers)

    # What a killed worker has spent stays spent.
    before = await texts_and_calls(desk)
    assert texts < before[0] <= CAP
    await assert_spending_is_shown(prometheus, before[0])
    seen = desk.log().count("embedding is paused: the daily cap is reached")
    for worker in workers:
        worker.kill()
    workers = [desk.worker(**caps), desk.worker(**caps)]

    async def paused_again() -> bool:
        again = desk.log().count("embedding is paused: the daily cap is reached") - seen
        return again >= 2 and await paused()

    await until(paused_again, 120, "the new workers are paused too")
    after = await texts_and_calls(desk)
    assert after[0] <= CAP
    started = time.monotonic()
    assert [worker.terminate() for worker in workers] == [0, 0]
    assert time.monotonic() - started < 30

    desk.worker(EMBEDDING__REQUESTS_PER_DAY=100_000, EMBEDDING__QUOTA_UNIT="text")
    record = await desk.import_state(import_id)
    assert record.status == "completed"
    assert record.failed == 0
    await assert_equal(desk)
    assert not await paused()
    total = await texts_and_calls(desk)
    print(
        f"cap {CAP} texts: {texts} in {calls} calls until the pause, {before[0]} with live changes, "
        f"{after[0]} after both were killed; {total[0]} in {total[1]} calls after the cap was raised"
    )
