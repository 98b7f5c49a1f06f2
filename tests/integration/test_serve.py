"""Webhooks on a real stack: what Zendesk tells is searchable in seconds, and nothing forged gets in."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from comparison import ARRIVES_SECONDS, arrived, assert_equal, compare
from harness import Desk, until
from receiver import SECRET, Server, serving
from stacks import Stacks

from schemas.topics import CHANGES
from streams.kafka.committed import CommittedOffsets
from ticketstream.local.sample.zendesk.webhooks import Hook, sign

TICKETS = 60
NEVER = {"ZENDESK__POLL_SECONDS": 3600}
"""The export is looked at once, when the worker starts: what arrives later came by a webhook."""


def event(ticket_id: int, name: str = "comment_added", at: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    return {
        "type": f"zen:event-type:ticket.{name}",
        "id": str(uuid.uuid4()),
        "account_id": 1,
        "time": at,
        "subject": f"zen:ticket:{ticket_id}",
        "detail": {"id": str(ticket_id), "subject": "what a webhook says is not used", "status": "OPEN"},
    }


def workable(desk: Desk) -> list[int]:
    """Return tickets that can be changed."""
    return [
        each["id"]
        for each in desk.zendesk.truth()
        if not each["removed"] and each["ticket"]["status"] != "closed" and each["comments"]
    ]


async def hinted(desk: Desk) -> int:
    """Return how many messages were ever put on the topic of changes."""
    async with CommittedOffsets(desk.cluster) as watermarks:
        return sum((await watermarks.ends(CHANGES)).values())


async def quiet(desk: Desk) -> None:
    """Wait until all is worked off."""

    left: dict[str, tuple[int, int]] = {}

    async def done() -> bool:
        nonlocal left
        left = await desk.unacknowledged()
        return not left

    try:
        await until(done, ARRIVES_SECONDS, "everything worked off")
    except AssertionError:
        raise AssertionError(f"not worked off: {left}\n{desk.log()[-6000:]}") from None


@pytest.fixture(scope="module")
def desk(stacks: Stacks) -> Iterator[Desk]:
    """An imported account whose worker does not look at the export any more; the last test breaks it."""
    with stacks.desk(TICKETS) as desk:
        desk.worker(**NEVER)
        assert asyncio.run(desk.whole_import()).status == "completed"
        yield desk


@pytest.fixture(autouse=True)
async def no_webhooks(desk: Desk) -> AsyncIterator[None]:
    """Each test begins when all is quiet, and registers webhooks of its own."""
    await quiet(desk)
    yield
    desk.zendesk.clear_webhooks()


async def test_changes_arrive_through_webhooks_alone(desk: Desk) -> None:
    zendesk = desk.zendesk
    with serving(desk) as server:
        zendesk.add_webhook(Hook(url=server.hook_url, secret=SECRET))
        said, private, redacted, merged, target, deleted, spam, purged, facts, *many = workable(desk)
        secret = zendesk.add_comment(private, "My code is okapi-one")
        number = zendesk.add_comment(redacted, "My card is 4111 okapi-two 1111")
        await arrived(desk, private, redacted)
        zendesk.add_comment(said, "It happened again", public=False)
        zendesk.make_private(private, secret)
        zendesk.redact(redacted, number, "okapi-two")
        zendesk.merge(target, [merged], "merged in", "merged away")
        zendesk.delete(deleted)
        zendesk.mark_as_spam(spam)
        zendesk.delete(purged)
        zendesk.delete_permanently(purged)
        zendesk.update(facts, subject="A heliotrope matter", priority="urgent", tags=["vip", "b"])
        new = zendesk.create_ticket("A new ticket", "Its first words", tags=["fresh"])["id"]
        changed = (said, private, redacted, merged, target, deleted, spam, purged, facts, new)
        await arrived(desk, *changed)
        zendesk.restore(deleted)
        zendesk.delete(new)
        await arrived(desk, *changed)
        await quiet(desk)
        await assert_equal(desk)
        assert await desk.dead_letters() == []

        # How long it takes, from Zendesk's answer to the change being in the index.
        made: dict[int, float] = {}
        before = len(await desk.receipts())
        for ticket_id in many[:20]:
            zendesk.add_comment(ticket_id, f"Measured at {ticket_id}")
            made[ticket_id] = time.time()
            await asyncio.sleep(0.1)
        await arrived(desk, *made)
        await quiet(desk)
        assert len(await desk.receipts()) > before
        first: dict[int, float] = {}
        for receipt in await desk.receipts():
            if receipt.indexed_at > made.get(receipt.ticket_id, float("inf")):
                first.setdefault(receipt.ticket_id, receipt.indexed_at - made[receipt.ticket_id])
        took = sorted(first.values())
        assert len(took) == len(made)
        p95 = took[int(len(took) * 0.95) - 1]
        print(f"\nwebhook to searchable: p50 {statistics.median(took):.2f} s, p95 {p95:.2f} s of {len(took)}")
        assert p95 < 10
        assert server.count("refused", "forged") == server.count("refused", "kafka") == 0


async def test_what_is_refused_produces_nothing_and_repeats_are_dropped(desk: Desk) -> None:
    ticket = workable(desk)[0]
    with serving(desk) as server:
        before = await hinted(desk)
        for reason, status, answer in (
            ("forged", 401, server.post(event(ticket), secret="another")),
            ("stale", 401, server.post(event(ticket), at=time.time() - 301)),
            ("stale", 401, server.post(event(ticket), at=time.time() + 310)),
            ("oversized", 413, server.post(b" " * 2_000_000)),
            ("malformed", 400, server.post(b"{")),
            ("malformed", 400, server.post({"ticket_id": "x"})),
        ):
            assert answer.status_code == status, reason
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == status
        counts = {"forged": 1, "stale": 2, "oversized": 1, "malformed": 2}
        assert {reason: server.count("refused", reason) for reason in counts} == counts
        assert server.post({"type": "zen:event-type:user.created", "detail": {"id": "1"}}).json() == {
            "result": "ignored"
        }
        for reason, status, sent in (
            # The end of neither body is waited for.
            ("oversized", b" 413 ", b"Content-Length: 99999999999\r\n\r\n{"),
            (
                "oversized",
                b" 413 ",
                b"Transfer-Encoding: chunked\r\n\r\n" + b"40000\r\n%s\r\n" % (b"x" * 2**18) * 5,
            ),
            ("slow", b" 408 ", b"Content-Length: 10\r\n\r\n{"),
        ):
            counted = server.count("refused", reason)
            assert status in await asyncio.to_thread(server.raw, sent)
            assert server.count("refused", reason) == counted + 1
        assert b" 400 " in await asyncio.to_thread(server.raw, b"Content-Length: x\r\n\r\n")
        assert await hinted(desk) == before

        one = event(ticket)
        assert [server.post(one).json()["result"] for _ in range(3)] == ["produced", "repeated", "repeated"]
        assert server.post({"ticket_id": str(ticket)}).json() == {"result": "produced"}
        assert await hinted(desk) == before + 2
        assert (server.count("received"), server.count("produced"), server.count("repeated")) == (14, 2, 2)
        await quiet(desk)
        assert SECRET not in server.log()
        await assert_equal(desk)


async def test_late_doubled_and_disordered_webhooks_change_nothing(desk: Desk) -> None:
    zendesk = desk.zendesk
    with serving(desk) as server:
        gone, purged, *busy = workable(desk)[:8]
        zendesk.delete(gone)
        zendesk.delete(purged)
        zendesk.delete_permanently(purged)
        for ticket_id in (gone, purged):
            assert server.post(event(ticket_id, "soft_deleted")).status_code == 200
        await arrived(desk, gone, purged)
        # Long after, and from a receiver that has forgotten what came: still nothing.
        for name in ("created", "comment_added", "undeleted", "status_changed"):
            for ticket_id in (gone, purged):
                assert server.post(event(ticket_id, name)).json() == {"result": "produced"}
        assert server.post(event(10**9, "created")).json() == {"result": "produced"}
        await quiet(desk)
        assert not (await compare(desk, only=[gone, purged])).chunks
        await assert_equal(desk)

        zendesk.add_webhook(
            Hook(url=server.hook_url, secret=SECRET, duplicate=0.5, delay_seconds=0.1, reorder_seconds=2)
        )
        for turn in range(6):
            for ticket_id in busy:
                zendesk.add_comment(ticket_id, f"turn {turn}", public=turn % 2 == 0)
                zendesk.set_status(ticket_id, ("open", "pending", "hold")[turn % 3])
                if turn == 4 and ticket_id % 2:
                    zendesk.delete(ticket_id)
                    zendesk.restore(ticket_id)
            if turn == 2:
                # In the middle of it the worker dies.
                desk.workers[-1].kill()
                desk.worker(**NEVER)
        zendesk.delete(busy[0])

        async def delivered() -> bool:
            return not zendesk.webhooks()["pending"]

        await until(delivered, ARRIVES_SECONDS, "all webhooks delivered")
        await quiet(desk)
        await assert_equal(desk)
        assert server.count("repeated") > 0
        assert await desk.dead_letters() == []
        # A burst for one ticket is answered together: a look answers for every hint that came before it.
        calls = desk.comment_calls()
        events = [event(busy[1]) for _ in range(40)]
        async with httpx.AsyncClient(trust_env=False) as client:
            await asyncio.gather(*(_posted(client, server, each) for each in events))
        await quiet(desk)
        assert 1 <= desk.comment_calls() - calls < 20


async def test_webhooks_during_an_import(desk: Desk) -> None:
    zendesk = desk.zendesk
    with serving(desk) as server:
        zendesk.add_webhook(Hook(url=server.hook_url, secret=SECRET, reorder_seconds=0.5, duplicate=0.2))
        chosen = workable(desk)
        secrets = {ticket_id: zendesk.add_comment(ticket_id, f"A secret {ticket_id}") for ticket_id in chosen}
        for ticket_id in chosen[::5]:
            zendesk.delete(ticket_id)
        import_id = await desk.begin_import()
        for number, (ticket_id, comment) in enumerate(secrets.items()):
            if number % 5:
                zendesk.make_private(ticket_id, comment)
                if number % 3 == 0:
                    zendesk.delete(ticket_id)
            else:
                zendesk.restore(ticket_id)
        assert (await desk.import_state(import_id)).status == "completed"

        async def delivered() -> bool:
            return not zendesk.webhooks()["pending"]

        await until(delivered, ARRIVES_SECONDS, "all webhooks delivered")
        await quiet(desk)
        await assert_equal(desk)
        assert await desk.dead_letters() == []


async def _posted(client: httpx.AsyncClient, server: Server, content: Any) -> None:
    body = json.dumps(content).encode()
    timestamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {
        "X-Zendesk-Webhook-Signature": sign(SECRET, timestamp, body),
        "X-Zendesk-Webhook-Signature-Timestamp": timestamp,
    }
    answer = await client.post(server.hook_url, content=body, headers=headers, timeout=30)
    assert answer.json() == {"result": "produced"}


async def test_without_kafka_zendesk_is_asked_to_try_again(desk: Desk) -> None:
    ticket = workable(desk)[0]
    with serving(desk) as server:
        assert server.post(event(ticket)).status_code == 200
        await asyncio.to_thread(desk.stack.stop_service, "kafka")
        one = event(ticket)
        for _ in range(2):
            began = time.monotonic()
            answer = server.post(one)
            assert time.monotonic() - began < 6
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert answer.headers["content-type"] == "application/problem+json"
        assert server.client.get("/healthz").json() == {"status": "ok", "kafka": "away"}
        # One that starts meanwhile lives, and answers the same.
        late = Server(desk)
        try:
            assert late.post(one).status_code == 503
            await asyncio.to_thread(desk.stack.start_service, "kafka")

            def recovered(which: Server) -> bool:
                return which.post(one).status_code == 200

            for which in (server, late):
                deadline = time.monotonic() + 60
                while not await asyncio.to_thread(recovered, which):
                    assert time.monotonic() < deadline, which.log()
                    await asyncio.sleep(0.2)
        finally:
            assert late.stop() == 0
        assert server.count("refused", "kafka") >= 2
    await quiet(desk)
    await assert_equal(desk)
