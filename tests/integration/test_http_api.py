"""The HTTP API on a real stack: what it says is what Kafka and Weaviate hold, whatever restarts meanwhile."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from api_examples import Shell, examples
from comparison import arrived
from harness import Desk, until
from receiver import KEY, Server, serving
from stacks import Stacks

from schemas.codec import schema_header
from schemas.ids import ticket_key
from schemas.messages.tickets import TicketChange
from schemas.topics import BACKFILL, EMBEDDED
from streams.kafka.messages import Record
from streams.weaviate.client import connect
from streams.weaviate.contents import Contents
from ticketstream.local.sample.zendesk.faults import Fault
from ticketstream.operations.imports.known import find_import
from ticketstream.operations.imports.summary import import_fields

TICKETS = 300
WATCHERS = 200
SECONDS = 60.0
BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def desk(stacks: Stacks) -> Iterator[Desk]:
    """An account that nothing has been imported of, without a worker; the tests go on from one another."""
    with stacks.desk(TICKETS) as desk:
        yield desk


@pytest.fixture(scope="module")
def server(desk: Desk) -> Iterator[Server]:
    with serving(desk) as server:
        yield server


@pytest.fixture
async def api(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(server) as client:
        client.headers.update(BEARER)
        yield client


def client_of(server: Server) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.client.base_url, trust_env=False, timeout=30)


@asynccontextmanager
async def watching(server: Server) -> AsyncIterator[websockets.ClientConnection]:
    address = str(server.client.base_url).replace("http", "ws", 1)
    async with websockets.connect(
        f"{address}/api/v1/live", additional_headers=BEARER, compression=None, open_timeout=30
    ) as socket:
        yield socket


async def seen(
    socket: websockets.ClientConnection, condition: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]]:
    """Return the overviews up to the first that fulfils the condition."""
    found: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(SECONDS):
            async for text in socket:
                message = json.loads(text)
                assert message.keys() == {"type", message["type"]}
                if message["type"] == "overview":
                    found.append(message["overview"])
                    if condition(found[-1]):
                        return found
    except TimeoutError:
        raise AssertionError(f"not seen in {SECONDS:.0f} s: {found[-1:]}") from None
    raise AssertionError("the server hung up")


async def events(api: httpx.AsyncClient, path: str) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
    async with api.stream("GET", path, timeout=SECONDS) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                yield name, json.loads(line[6:])


async def overview(api: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get("/api/v1/overview")).json()
    return found


async def in_step(server: Server) -> dict[str, Any]:
    async with watching(server) as socket:
        return (await seen(socket, lambda one: one["state"] == "in_step"))[-1]


async def test_without_workers_it_says_so(desk: Desk, server: Server, api: httpx.AsyncClient) -> None:
    async with watching(server) as socket:
        (*_, last) = await seen(socket, lambda one: one["state"] == "stopped")
    assert last["workers"] == 0
    assert "ticketstream worker" in last["reason"]
    ready = await api.get("/readyz")
    assert ready.status_code == 503
    reasons = {one["name"]: one for one in ready.json()["dependencies"]}
    assert reasons["kafka"]["ready"]
    assert "ticketstream worker" in reasons["workers"]["reason"]
    answer = await api.get("/api/v1/search", params={"q": "password"})
    assert answer.status_code == 409
    assert "ticketstream import" in answer.json()["detail"]


async def test_an_import_is_watched_by_hundreds_to_its_end(
    desk: Desk, server: Server, api: httpx.AsyncClient
) -> None:
    started = await api.post("/api/v1/imports", json={"since": None})
    assert started.status_code == 202
    import_id = started.json()["id"]
    assert (started.json()["status"], started.json()["rate"]) == ("waiting", None)

    async def one() -> list[dict[str, Any]]:
        async with watching(server) as socket:
            return await seen(
                socket, lambda each: each["state"] == "in_step" and each["sink"]["rate"] not in (None, 0)
            )

    watchers = [asyncio.create_task(one()) for _ in range(WATCHERS)]

    async def all_connected() -> bool:
        return sum(task.done() for task in watchers) == 0 and (await overview(api))["workers"] == 0

    await until(all_connected, SECONDS, "watchers connected")
    desk.worker()
    states = [doc async for name, doc in events(api, f"/api/v1/imports/{import_id}/events")]
    assert states[-1]["status"] == "completed"
    assert [each["done"] for each in states] == sorted(each["done"] for each in states)
    assert states[-1]["done"] == states[-1]["total"] == TICKETS
    watched = await asyncio.gather(*watchers)
    for overviews in watched:
        assert any(each["id"] == import_id for one in overviews for each in one["imports"])
        assert overviews[-1]["imports"] == []
    # All are told the same.
    newest = {json.dumps(overviews[-1]) for overviews in watched}
    assert len(newest) == 1

    shown = (await api.get(f"/api/v1/imports/{import_id}")).json()
    known = await find_import(desk.settings.cluster, import_id)
    assert {name: shown[name] for name in import_fields(known)} == import_fields(known)
    assert (await api.get("/api/v1/imports")).json() == {"imports": [shown]}
    assert [doc async for _, doc in events(api, f"/api/v1/imports/{import_id}/events")] == [shown]
    for path in ("", "/resume", "/cancel", "/events"):
        method = "POST" if path in ("/resume", "/cancel") else "GET"
        assert (await api.request(method, f"/api/v1/imports/none{path}")).status_code == 404
        if method == "POST":
            assert (await api.post(f"/api/v1/imports/{import_id}{path}")).status_code == 409


async def test_the_overview_is_what_kafka_and_weaviate_hold(
    desk: Desk, server: Server, api: httpx.AsyncClient
) -> None:
    async with await connect(desk.settings) as connection:
        objects = await Contents(connection).count_objects(desk.account)
    async with watching(server) as socket:
        (*_, last) = await seen(socket, lambda one: one["sink"]["chunks"] == objects)
    assert [stage["stage"] for stage in last["stages"]] == ["enrich", "embed", "index"]
    assert [stage["backlog"] for stage in last["stages"]] == [0, 0, 0]

    async def worked_off() -> bool:
        return not await desk.unacknowledged()

    await until(worked_off, SECONDS, "everything worked off")
    assert last["workers"] == await desk.members() == 1
    points = await desk.indexed_through()
    through = (await overview(api))["indexed_through"]
    assert {(each["topic"], each["partition"], each["offset"]) for each in through} == {
        (EMBEDDED, number, said) for number, (said, _) in points.items() if said >= 0
    }
    assert through
    assert all(time.time() - SECONDS < each["at"] < time.time() for each in through)
    assert (await api.get("/readyz")).status_code == 200
    found = (await api.get("/api/v1/search", params={"q": "password reset", "limit": 3})).json()["results"]
    command = desk.command("search", "password reset", "--limit", "3", "--json")
    assert [hit["ticket_id"] for hit in found] == [hit["ticket_id"] for hit in json.loads(command.stdout)]
    private = {"q": "password reset", "public_only": True, "status": "open"}
    hits = (await api.get("/api/v1/search", params=private)).json()["results"]
    assert {(hit["visibility"], hit["status"]) for hit in hits} == {("public", "open")}

    # Live changes, with and without a worker.
    chosen = [
        each["id"]
        for each in desk.zendesk.truth()
        if not each["removed"] and each["ticket"]["status"] != "closed" and each["comments"]
    ][:5]
    for ticket_id in chosen:
        desk.zendesk.add_comment(ticket_id, "It happened again")
    async with watching(server) as socket:
        (*_, last) = await seen(socket, lambda one: one["freshness"]["changes"] >= len(chosen))
    assert 0 < last["freshness"]["p50"] <= last["freshness"]["p95"] < last["freshness"]["objective"]
    assert desk.workers[-1].terminate() == 0
    for number in range(7):
        assert server.post({"ticket_id": chosen[0], "n": number}).json() == {"result": "produced"}
    async with watching(server) as socket:
        (*_, last) = await seen(socket, lambda one: one["stages"][0]["backlog"] == 7 and not one["workers"])
    assert (last["state"], last["held_up_by"]) == ("stopped", "enrich")
    assert 0 <= last["stages"][0]["oldest_seconds"] < SECONDS
    assert sum(end - max(done, 0) for done, end in (await desk.unacknowledged()).values()) >= 7
    desk.worker()
    assert (await in_step(server))["workers"] == 1


async def test_history_and_sessions_outlive_a_restart(desk: Desk, server: Server) -> None:
    with serving(desk) as other:
        async with client_of(other) as page:
            assert (await page.post("/api/v1/session", json={"key": KEY})).status_code == 204
            cookie = dict(page.cookies)
    with serving(desk) as again:
        async with client_of(again) as page:
            page.cookies.update(cookie)

            async def points() -> list[dict[str, Any]]:
                found: list[dict[str, Any]] = (await page.get("/api/v1/history")).json()["points"]
                return found

            async def read() -> bool:
                indexed = sum(point["indexed_per_second"] * 10 for point in await points())
                return round(indexed) == len(await desk.receipts())  # the account may still be changing

            await until(read, SECONDS, "the receipts from before the start in the history")
            found = await points()
            assert len(found) == 180
            assert [after["at"] - one["at"] for one, after in pairwise(found)] == [10] * 179


async def test_server_sent_events_say_the_same(server: Server, api: httpx.AsyncClient) -> None:
    names = []
    async with asyncio.timeout(SECONDS):
        async for name, doc in events(api, "/api/v1/events"):
            names.append(name)
            if name == "point":
                assert doc.keys() >= {"at", "indexed_per_second", "freshness_p50", "backlog"}
                break
            assert doc["state"] == "in_step", doc["reason"]
    assert names[0] == "overview"


async def test_dead_letters_are_shown_and_retried(desk: Desk, server: Server, api: httpx.AsyncClient) -> None:
    nothing = {"sent": 0, "skipped": 0, "dead_letters": [], "impossible": [], "workers": 1}
    assert (await api.post("/api/v1/dead-letters/retry", json={"all": True})).json() == nothing
    key = ticket_key(desk.account, 1)
    poison = Record(BACKFILL, desk.partition(key), key, b"{<b>&", [schema_header(TicketChange)])
    await desk.send(poison, poison)
    async with watching(server) as socket:
        await seen(socket, lambda one: one["dead_letters"]["open"] == 2)
    letters = (await api.get("/api/v1/dead-letters")).json()
    (group,) = letters["groups"]
    assert letters["open"] == group["count"] == len(group["ids"]) == 2
    assert (group["reason"], group["stage"]) == ("enrich/DecodeError", "enrich")
    first, second = group["ids"]
    shown = (await api.get(f"/api/v1/dead-letters/{first}")).json()
    command = desk.command("dead-letters", "show", first, "--json")
    assert shown == json.loads(command.stdout)
    assert (shown["value_text"], shown["state"]) == ("{<b>&", "open")
    assert (await api.get("/api/v1/dead-letters/none")).status_code == 404
    for body in ({"ids": [first, "none"]}, {"reason": "embed/Nothing"}):
        assert (await api.post("/api/v1/dead-letters/retry", json=body)).status_code == 404

    # Twice at once, and once more: it is sent once.
    asked = [api.post("/api/v1/dead-letters/retry", json={"ids": [first]}) for _ in range(3)]
    answers = [answer.json() for answer in await asyncio.gather(*asked)]
    assert sum(first in answer["dead_letters"] for answer in answers) == 1

    async def failed_again() -> bool:
        return (await api.get(f"/api/v1/dead-letters/{first}")).json()["failed_again_as"] != []

    await until(failed_again, SECONDS, "the letter fails again")
    assert (await api.get(f"/api/v1/dead-letters/{first}")).json()["state"] == "retried"
    answer = await api.post("/api/v1/dead-letters/retry", json={"reason": "enrich/DecodeError"})
    assert answer.json()["sent"] >= 2
    assert second in answer.json()["dead_letters"]
    desk.discard_dead_letters()


async def test_a_running_import_is_cancelled_and_goes_on(
    desk: Desk, server: Server, api: httpx.AsyncClient
) -> None:
    # Nothing of the account can be read: neither the import nor a live change gets on.
    desk.zendesk.set_faults(Fault(kind="error", status=503, path="/incremental/tickets"))
    open_tickets = (each for each in desk.zendesk.truth() if not each["removed"])
    changed = [each["id"] for each in open_tickets if each["ticket"]["status"] != "closed"][:5]
    for ticket_id in changed:
        desk.zendesk.add_comment(ticket_id, "Said while an import was cancelled")
    import_id = (await api.post("/api/v1/imports")).json()["id"]
    path = f"/api/v1/imports/{import_id}"
    async with (
        asyncio.timeout(SECONDS),
        aclosing(events(api, f"{path}/events")) as states,
    ):
        async for _, doc in states:
            if doc["status"] == "running":
                break
    cancelled = await api.post(f"{path}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    for answer in (await api.get(path), await api.post(f"{path}/cancel")):
        assert (answer.json()["status"], answer.json()["done"]) == ("cancelled", 0)
    async with watching(server) as socket:
        await seen(socket, lambda one: one["imports"] == [])

    desk.zendesk.clear_faults()
    resumed = await api.post(f"{path}/resume")
    assert (resumed.status_code, resumed.json()["status"]) == (202, "running")
    async with asyncio.timeout(SECONDS):
        told = [doc async for _, doc in events(api, f"{path}/events")]
    assert told[-1]["status"] == "completed"
    assert told[-1]["done"] == told[-1]["total"]
    # The export lags behind: what has just changed may be left to the live source.
    assert TICKETS - len(changed) <= told[-1]["total"] <= TICKETS
    await arrived(desk)


async def test_the_documentation_s_examples_are_answered(desk: Desk, server: Server, tmp_path: Path) -> None:
    shell = Shell(tmp_path, KEY, server.url)
    settings, commands = examples()
    answers: list[Any] = []
    for command in commands:
        ids = [answer["id"] for answer in answers if "id" in answer]
        typed = command.replace("/ID/", f"/{ids[-1]}/") if ids else command
        answers.append(await asyncio.to_thread(shell.typed, *settings, typed))
    ready, seen, history, live, started, ended, found, letters, retried = answers
    assert ready["ready"]
    assert seen["account"] == live["account"] == desk.account
    assert len(history["points"]) == 180
    assert (ended["id"], ended["status"], ended["done"]) == (started["id"], "completed", TICKETS)
    assert {hit["visibility"] for hit in found["results"]} == {"public"}
    assert letters == {"groups": [], "open": 0}
    assert retried["sent"] == 0


async def test_what_is_away_is_named_and_comes_back(
    desk: Desk, server: Server, api: httpx.AsyncClient
) -> None:
    async def ready() -> bool:
        return (await api.get("/readyz")).status_code == 200

    async def reason(name: str) -> str | None:
        found = (await api.get("/readyz")).json()["dependencies"]
        return next(None if one["ready"] else one["reason"] for one in found if one["name"] == name)

    async def away(name: str) -> bool:
        return await reason(name) is not None

    await until(ready, SECONDS, "all ready")
    await asyncio.to_thread(desk.stack.stop_service, "weaviate")
    await until(lambda: away("weaviate"), SECONDS, "Weaviate is missed")
    assert "Weaviate" in str(await reason("weaviate"))
    began = time.monotonic()
    answer = await api.get("/api/v1/search", params={"q": "password"})
    assert answer.status_code == 503
    assert time.monotonic() - began < 20
    assert "Weaviate" in answer.json()["detail"]
    assert (await overview(api))["sink"]["chunks"] is None
    await asyncio.to_thread(desk.stack.start_service, "weaviate")
    await until(ready, SECONDS, "Weaviate is back")
    assert (await api.get("/api/v1/search", params={"q": "password"})).json()["results"]

    async with watching(server) as socket:
        await asyncio.to_thread(desk.stack.stop_service, "kafka")
        (*_, last) = await seen(socket, lambda one: one["state"] == "unknown")
        assert "Kafka" in last["reason"]
        assert last["workers"] is None
        assert await away("kafka")
        assert (await api.get("/healthz")).status_code == 200
        answer = await api.get("/api/v1/imports")
        assert answer.status_code == 503
        assert "Kafka" in answer.json()["detail"]
        await asyncio.to_thread(desk.stack.start_service, "kafka")
        # The same watcher sees it come back.
        await seen(socket, lambda one: one["state"] == "in_step")
    assert "Traceback" not in server.log()
    assert KEY not in server.log()
