"""The forecast of a whole account, held against the account's truth."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest

from schemas.messages.tickets import Origin
from schemas.zendesk import Comment, Ticket
from streams.embeddings.local import LocalProvider
from streams.limits import QuotaShare
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.export import change_of
from streams.sources.zendesk.login import StaticLogin
from streams.transforms.names import Names
from streams.transforms.whole_ticket import enriched_ticket
from ticketstream.local.sample.zendesk import DEFAULT_OAUTH_TOKEN
from ticketstream.local.sample.zendesk.running import SampleZendesk
from ticketstream.local.sample.zendesk.server import Options
from ticketstream.operations.imports.forecast.figures import Measured
from ticketstream.operations.imports.forecast.parts import parts_of
from ticketstream.operations.imports.forecast.zendesk import SAMPLE, measure_account

TICKETS = 2_500
FACTOR = 1.25
"""How far a forecast of tokens and chunks may be off; of calls and tickets a tenth of it."""


@pytest.fixture(scope="module")
def zendesk() -> Iterator[SampleZendesk]:
    with SampleZendesk(Options(tickets=TICKETS, seed=3, limits=False, export_delay=0)) as running:
        yield running


@cache
def truth_of(zendesk: SampleZendesk, since: int = 0) -> Measured:
    """Count every ticket with the pipeline's own functions."""
    count = LocalProvider().count_tokens
    sums = dict.fromkeys(("tickets", "removed", "chunks", "texts", "tokens", "comment_calls"), 0)
    for truth in zendesk.control.truth():
        if truth["generated_timestamp"] < since:
            continue
        sums["tickets"] += 1
        sums["removed"] += truth["removed"]
        if truth["removed"]:
            continue
        comments = msgspec.convert(truth["comments"], list[Comment])
        names = Names(users={int(user): name for user, name in truth["people"].items()})
        change = change_of(msgspec.convert(truth["ticket"], Ticket), account="acme", source="import")
        parts = parts_of(enriched_ticket(change, comments, names, origin=Origin("", 0, 0), now=0.0), count)
        sums["chunks"] += parts.chunks
        sums["texts"] += parts.texts
        sums["tokens"] += parts.tokens
        sums["comment_calls"] += max(1, -(-len(comments) // 100))
    return Measured(**sums, unreadable=0, exact=True, sample=0)  # type: ignore[arg-type]


async def measure(zendesk: SampleZendesk, since: int = 0, **more: Any) -> Measured:
    zendesk.control.reset_stats()
    login = StaticLogin(f"Bearer {DEFAULT_OAUTH_TOKEN}", "TICKETSTREAM_ZENDESK__OAUTH_TOKEN")
    async with ZendeskClient(
        zendesk.base_url, login, general=QuotaShare.whole(1e9), incremental=QuotaShare.whole(1e9)
    ) as client:
        found = await measure_account(client, LocalProvider(), since=since, progress=lambda *_: None, **more)
        assert client.calls < SAMPLE * 1.5 + 12
    return found


def near(found: float, truth: float, factor: float) -> bool:
    return truth / factor <= found <= truth * factor


@pytest.mark.parametrize("since", [0, 1_755_000_000])
async def test_a_forecast_is_near_the_truth(zendesk: SampleZendesk, since: int) -> None:
    truth, found = truth_of(zendesk, since), await measure(zendesk, since)
    print(f"forecast {found}\ntruth    {truth}")
    assert not found.exact
    assert found.sample == SAMPLE
    assert near(found.tokens, truth.tokens, FACTOR)
    assert near(found.chunks, truth.chunks, FACTOR)
    for name in ("tickets", "comment_calls"):
        assert near(getattr(found, name), getattr(truth, name), 1 + (FACTOR - 1) / 10), name
    assert abs(found.export_calls - -(-truth.tickets // 1_000)) <= 1
    told = [line for line in zendesk.control.truth() if not line["gone"]]
    events = sum(len(line["comments"]) for line in told if line["generated_timestamp"] >= since)
    assert found.ways is not None
    assert found.ways.event_pages <= events / 1_000 * FACTOR + 1
    if not since:
        assert near(found.ways.event_pages, events / 1_000, FACTOR)
        assert found.ways.own_calls == 0


async def test_an_import_small_enough_to_be_read_whole_is_exact() -> None:
    with SampleZendesk(Options(tickets=120, seed=3, limits=False, export_delay=0)) as small:
        truth, found = truth_of(small), await measure(small)
    assert found.exact
    assert found.margin == 0
    for name in ("tickets", "removed", "chunks", "texts", "tokens", "comment_calls"):
        assert getattr(found, name) == getattr(truth, name), name


async def test_without_counts_of_comments_it_is_still_an_estimate(
    zendesk: SampleZendesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketstream.operations.imports.forecast.zendesk._COMMENT_COUNT", "")
    truth, found = truth_of(zendesk), await measure(zendesk)
    assert near(found.tokens, truth.tokens, 3)
    assert near(found.comment_calls, truth.comment_calls, FACTOR)
    assert found.margin > 0.1
