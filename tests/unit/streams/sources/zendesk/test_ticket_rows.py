"""Tickets by id: many in a call, none forgotten, and no answer older than its question."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from schemas.errors import RefusedError
from streams.limits import QuotaShare
from streams.retries import RetryPolicy
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.login import StaticLogin
from streams.sources.zendesk.tickets import TicketRows


class Account:
    def __init__(self) -> None:
        self.there = set(range(1, 301))
        self.hidden: set[int] = set()
        """Not in ``show_many``, but there."""
        self.asked: list[str] = []
        self.status = 200
        self.extra: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path + "?" + request.url.query.decode())
        ids = request.url.params.get("ids")
        if ids is None:
            number = int(request.url.path.rpartition("/")[2].removesuffix(".json"))
            found = number in self.there
            return httpx.Response(200 if found else 404, json={"ticket": {"id": number}} if found else {})
        wanted = [int(one) for one in ids.split(",")]
        rows = [{"id": one, "n": len(self.asked)} for one in wanted if one in self.there - self.hidden]
        await self.gate.wait()
        return httpx.Response(self.status, json={"tickets": self.extra + rows})


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def rows(account: Account) -> TicketRows:
    client = ZendeskClient(
        "http://zendesk.test",
        StaticLogin("Bearer t", "X"),
        general=QuotaShare.whole(1e9),
        incremental=QuotaShare.whole(1e9),
        retry=RetryPolicy(attempts=2, factor=0),
        transport=httpx.MockTransport(account.answer),
    )
    return TicketRows(client, gather_seconds=0.01)


async def test_those_of_a_moment_share_a_call_of_at_most_a_hundred(
    rows: TicketRows, account: Account
) -> None:
    found = await asyncio.gather(*(rows.row(number, "live") for number in range(1, 151)))
    assert [json.loads(bytes(row.raw or b""))["id"] for row in found] == list(range(1, 151))
    assert len(account.asked) == sum(row.calls for row in found) == 2


async def test_what_is_left_out_is_asked_for_by_itself(rows: TicketRows, account: Account) -> None:
    account.hidden = {2}
    there, hidden, gone = await asyncio.gather(*(rows.row(number, "live") for number in (1, 2, 999)))
    assert there.raw is not None
    assert hidden.raw is not None
    assert gone.raw is None
    assert sorted(account.asked)[0:2] == ["/api/v2/tickets/2.json?", "/api/v2/tickets/999.json?"]
    assert there.calls + hidden.calls + gone.calls == 3


async def test_nobody_joins_a_call_under_way(rows: TicketRows, account: Account) -> None:
    told: list[str] = []
    account.gate.clear()
    first = asyncio.create_task(rows.row(1, "live", lambda: told.append("first")))
    while not account.asked:
        await asyncio.sleep(0.001)
    assert told == ["first"]
    second = asyncio.create_task(rows.row(1, "live", lambda: told.append("second")))
    while len(account.asked) < 2:
        await asyncio.sleep(0.001)
    account.gate.set()
    numbers = [json.loads(bytes((await each).raw or b""))["n"] for each in (first, second)]
    assert numbers == [1, 2]
    assert told == ["first", "second"]


async def test_a_call_refused_for_one_spoils_it_for_no_other(rows: TicketRows, account: Account) -> None:
    account.status = 400
    found = await asyncio.gather(*(rows.row(number, "live") for number in (1, 999)))
    assert [row.raw is None for row in found] == [False, True]
    assert sum(row.calls for row in found) == len(account.asked) == 3


async def test_strange_rows_are_nobody_s(rows: TicketRows, account: Account) -> None:
    account.extra = [3, {}, {"id": "x"}, None]
    assert (await rows.row(1, "live")).raw is not None


async def test_a_refusal_of_the_ticket_alone_is_raised(
    rows: TicketRows, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.there.clear()

    async def refused(request: httpx.Request) -> httpx.Response:
        return (
            httpx.Response(200, json={"tickets": []}) if "ids" in request.url.params else httpx.Response(422)
        )

    monkeypatch.setattr(rows._client._exchange, "_transport", httpx.MockTransport(refused))
    with pytest.raises(RefusedError):
        await rows.row(1, "live")


async def test_one_that_stops_waiting_takes_nothing_from_the_others(
    rows: TicketRows, account: Account
) -> None:
    account.gate.clear()
    first, second = (asyncio.create_task(rows.row(number, "live")) for number in (1, 2))
    while not account.asked:
        await asyncio.sleep(0.001)
    first.cancel()
    account.gate.set()
    assert (await second).raw is not None
