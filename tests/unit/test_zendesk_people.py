"""Names in batches: one call for many tickets, one answer for many who wait, nothing asked twice."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from schemas.errors import RefusedError
from schemas.zendesk import User
from streams.limits import QuotaShare
from streams.sources.zendesk.people import People
from tests.fake_clock import FakeClock
from tests.zendesk_fixtures import client_of


class Directory:
    """A service that knows all ids below 1,000 and counts its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[int]]] = []
        self.status = 200
        self.gate: asyncio.Event | None = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        kind = request.url.path.split("/")[3].removesuffix(".json")
        query = parse_qs(request.url.query.decode())
        ids = [int(one) for one in query.get("ids", [""])[0].split(",") if one]
        self.calls.append((kind, ids))
        if self.gate is not None:
            await self.gate.wait()
        if self.status != 200:
            return httpx.Response(self.status)
        if kind == "groups":
            after = int(query.get("page[after]", ["0"])[0])
            page = [{"id": n, "name": f"groups {n}"} for n in range(after + 1, after + 101)]
            meta = {"has_more": after < 200, "after_cursor": str(after + 100)}
            return httpx.Response(200, json={"groups": page, "meta": meta})
        known = [{"id": n, "name": f"{kind} {n}"} for n in reversed(ids) if n < 1000]
        return httpx.Response(200, json={kind: known})

    def made(self, kind: str) -> list[list[int]]:
        return [ids for name, ids in self.calls if name == kind]


def people_of(directory: Directory, **more: Any) -> People:
    limits = {name: more.pop(name) for name in ("general",) if name in more}
    return People(client_of(directory, **limits), **more)  # type: ignore[arg-type]


async def test_many_tickets_share_one_call_of_each_kind() -> None:
    directory = Directory()
    people = people_of(directory)
    found = await asyncio.gather(
        *(
            people.names(users=[n, n + 1, 7], organizations=[n % 5 + 1], groups=[n], lane="backfill")
            for n in range(1, 21)
        )
    )
    assert [sorted(ids) for ids in directory.made("users")] == [list(range(1, 22))]
    assert [sorted(ids) for ids in directory.made("organizations")] == [list(range(1, 6))]
    assert len(directory.made("groups")) == 3
    for n, (names, _) in enumerate(found, 1):
        assert names.users == {one: f"users {one}" for one in (n, n + 1, 7)}
        assert names.organization(n % 5 + 1) == f"organizations {n % 5 + 1}"
        assert names.group(n) == f"groups {n}"
    assert sum(calls for _, calls in found) == len(directory.calls) == 5


async def test_known_names_cost_no_call() -> None:
    directory = Directory()
    people = people_of(directory)
    await people.names(users=[1, 2], groups=[3], lane="live")
    people.remember([User(id=5, name="Eve")])
    before = len(directory.calls)
    names, calls = await people.names(users=[1, 2, 5], groups=[3, 299], lane="live")
    assert names.users == {1: "users 1", 2: "users 2", 5: "Eve"}
    assert names.group(299) == "groups 299"
    assert calls == 0 and len(directory.calls) == before


async def test_nobody_is_asked_for_zendesk_itself() -> None:
    directory = Directory()
    names, calls = await people_of(directory).names(
        users=[-1, 0], organizations=[-1, 0], groups=[0, -7], lane="live"
    )
    assert (names.user(-1), names.organization(0), names.group(0), calls) == ("", "", "", 0)
    assert directory.calls == []


async def test_nothing_asked_for_is_no_call() -> None:
    directory = Directory()
    names, calls = await people_of(directory).names(lane="live")
    assert (names.user(1), names.user(None), calls, directory.calls) == ("", "", 0, [])


async def test_unknown_ids_have_no_name_and_are_not_asked_for_again() -> None:
    directory = Directory()
    people = people_of(directory)
    for _ in range(3):
        names, _ = await people.names(users=[5000], organizations=[6000], groups=[7000], lane="live")
        assert (names.user(5000), names.organization(6000), names.group(7000)) == ("", "", "")
    assert len(directory.made("users")) == len(directory.made("organizations")) == 1
    assert len(directory.made("groups")) == 3  # the pages of one list


async def test_names_are_looked_up_again_after_a_while() -> None:
    directory = Directory()
    clock = FakeClock()
    people = people_of(directory, ttl_seconds=60, timer=clock.clock)
    await people.names(users=[1], lane="live")
    clock.now += 59
    await people.names(users=[1], lane="live")
    assert len(directory.calls) == 1
    clock.now += 2
    await people.names(users=[1], lane="live")
    assert len(directory.calls) == 2


async def test_a_call_holds_at_most_100_ids() -> None:
    directory = Directory()
    people = people_of(directory)
    names, _ = await people.names(users=range(1, 251), lane="backfill")
    assert [len(ids) for ids in directory.made("users")] == [100, 100, 50]
    assert len(names.users) == 250


async def test_ids_gather_for_as_long_as_the_call_waits_for_its_turn() -> None:
    directory = Directory()
    clock = FakeClock()
    general = QuotaShare(60, 1, clock=clock.clock, sleep=clock.sleep)
    general.own(1)
    general.pause(30)
    people = people_of(directory, general=general, gather_seconds=0, backfill_seconds=0)

    async def ticket(number: int) -> None:
        await clock.sleep(number)
        await people.names(users=[number], lane="backfill")

    await clock.run(asyncio.gather(*(ticket(number) for number in range(1, 26))))
    assert directory.made("users") == [list(range(1, 26))]


async def test_a_call_on_its_way_is_shared() -> None:
    directory = Directory()
    directory.gate = asyncio.Event()
    people = people_of(directory, gather_seconds=0, backfill_seconds=0)
    first = asyncio.create_task(people.names(users=[1, 2], lane="live"))
    while not directory.calls:
        await asyncio.sleep(0)
    second = asyncio.create_task(people.names(users=[2], lane="backfill"))
    await asyncio.sleep(0.01)
    directory.gate.set()
    assert (await first)[1] == 1
    assert (await second)[0].users == {2: "users 2"}
    assert len(directory.calls) == 1


async def test_live_does_not_wait_for_a_backfill_on_its_way() -> None:
    directory = Directory()
    directory.gate = asyncio.Event()
    people = people_of(directory, gather_seconds=0, backfill_seconds=0)
    slow = asyncio.create_task(people.names(users=[1], lane="backfill"))
    while not directory.calls:
        await asyncio.sleep(0)
    gate, directory.gate = directory.gate, None
    names, calls = await people.names(users=[1], lane="live")
    assert names.user(1) == "users 1" and calls == 1 and not slow.done()
    gate.set()
    await slow


async def test_one_who_leaves_does_not_take_the_others_along() -> None:
    directory = Directory()
    directory.gate = asyncio.Event()
    people = people_of(directory, gather_seconds=0, backfill_seconds=0)
    leaving = asyncio.create_task(people.names(users=[1], lane="live"))
    staying = asyncio.create_task(people.names(users=[1], lane="live"))
    while not directory.calls:
        await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    directory.gate.set()
    assert (await staying)[0].user(1) == "users 1"


async def test_a_refusal_reaches_everybody_and_is_not_remembered() -> None:
    directory = Directory()
    directory.status = 400
    people = people_of(directory)
    found = await asyncio.gather(
        *(people.names(users=[n], lane="live") for n in range(1, 4)), return_exceptions=True
    )
    assert [type(one) for one in found] == [RefusedError] * 3
    directory.status = 200
    assert (await people.names(users=[1], lane="live"))[0].user(1) == "users 1"


async def test_groups_that_never_end_are_refused() -> None:
    page = {"groups": [], "meta": {"has_more": True, "after_cursor": "x"}}
    people = People(client_of(lambda _: httpx.Response(200, json=page)))
    with pytest.raises(RefusedError, match="no next page"):
        await people.names(groups=[1], lane="live")
