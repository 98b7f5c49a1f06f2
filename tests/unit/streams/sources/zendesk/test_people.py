"""Names in batches: one call for many tickets, one answer for many who wait, nothing asked twice."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from schemas.zendesk import User
from streams.limits import QuotaShare
from streams.sources.zendesk.people import People
from streams.testing import VirtualClock
from tests.shared_fixtures import logs
from tests.zendesk_fixtures import client_of

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")


class Directory:
    """A service that knows all ids below 1,000 and counts its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[int]]] = []
        self.status = 200
        self.gate: asyncio.Event | None = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/me.json"):
            return httpx.Response(200, json={"user": {"id": 1, "role": "admin"}})
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
    clock = VirtualClock()
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
    clock = VirtualClock()
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


@pytest.mark.parametrize("status", [400, 403, 404, 422])
async def test_names_that_are_refused_are_left_out_and_said(status: int, logs: list[Any]) -> None:
    directory = Directory()
    directory.status = status
    clock = VirtualClock()
    people = people_of(directory, timer=clock.clock)
    found = await asyncio.gather(*(people.names(users=[n], lane="live") for n in range(1, 4)))
    assert [names.user(n) for n, (names, _) in enumerate(found, 1)] == ["", "", ""]
    assert people.refused == {"users": 3}
    assert [line["kind"] for line in logs if "names are refused" in line["event"]] == ["users"]
    directory.status = 200
    calls = len(directory.calls)
    assert (await people.names(users=[1], lane="live"))[0].user(1) == ""
    assert len(directory.calls) == calls  # remembered, but not for long
    clock.now += 61
    assert (await people.names(users=[1], lane="live"))[0].user(1) == "users 1"


async def test_one_that_is_refused_costs_no_other_its_name() -> None:
    asked: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/me.json"):
            return httpx.Response(200, json={"user": {"id": 1, "role": "admin"}})
        ids = [int(one) for one in request.url.params["ids"].split(",")]
        asked.append(len(ids))
        if 37 in ids:
            return httpx.Response(403, json={"error": "Forbidden"})
        return httpx.Response(200, json={"users": [{"id": one, "name": f"users {one}"} for one in ids]})

    people = People(client_of(answer))
    names, calls = await people.names(users=range(1, 101), lane="backfill")
    assert [one for one in range(1, 101) if names.user(one) != f"users {one}"] == [37]
    assert calls == len(asked) <= 15


async def test_when_all_is_refused_it_is_asked_a_few_times_only() -> None:
    directory = Directory()
    directory.status = 403
    people = people_of(directory)
    names, _ = await people.names(users=range(1, 101), groups=[4], organizations=[5], lane="backfill")
    assert (names.user(5), names.group(4), names.organization(5)) == ("", "", "")
    assert people.refused == {"users": 100, "groups": 1, "organizations": 1}
    assert len(directory.calls) < 30


async def test_groups_that_never_end_leave_out_what_they_do_not_name() -> None:
    page = {"groups": [{"id": 2, "name": "Two"}], "meta": {"has_more": True, "after_cursor": "x"}}
    people = People(client_of(lambda _: httpx.Response(200, json=page)))
    names, _ = await people.names(groups=[1, 2], lane="live")
    assert (names.group(1), names.group(2)) == ("", "Two")
