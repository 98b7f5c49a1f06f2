"""The sample Zendesk's webhooks, taken by the receiver; and the form of a recorded one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.http_fixtures import SECRET, Receiver, signature
from ticketstream.http.webhooks.payloads import read_payload
from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.changes import Changes
from ticketstream.local.sample.zendesk.webhooks import Hook, Webhooks, sign

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data" / "zendesk-recorded"


def test_both_sides_sign_alike() -> None:
    assert sign(SECRET, "2026-01-02T03:04:05Z", b"{}") == signature(b"{}", "2026-01-02T03:04:05Z")


async def settled(webhooks: Webhooks) -> None:
    async with asyncio.timeout(20):
        while webhooks.status()["pending"]:
            await asyncio.sleep(0.01)


@pytest.fixture
def account() -> Account:
    return Account("acme", 60, 1)


@pytest.fixture
def working(account: Account) -> Callable[[], list[int]]:
    def ids() -> list[int]:
        return [n for n in range(1, 61) if account.present(n) and account.row(n)["status"] != "closed"]

    return ids


async def test_every_kind_of_event_is_taken(account: Account, working: Callable[[], list[int]]) -> None:
    receiver = Receiver(clock=time.time)
    webhooks = Webhooks(account, httpx.ASGITransport(receiver.app))
    webhooks.register(Hook(url="http://test/webhooks/zendesk", secret=SECRET, duplicate=0.5))
    changes = Changes(account, webhooks.tell)
    one, two, three, four, five = working()[:5]
    comment = account.whole(one)[1][0]["id"]
    changes.update(one, {"status": "pending", "tags": ["a"], "subject": "x", "comment": {"body": "Words"}})
    changes.make_private(one, comment)
    changes.redact(one, account.whole(one)[1][-1]["id"], "Words")
    changes.merge(two, {"ids": [three]})
    changes.delete(four)
    changes.restore(four)
    changes.spam(five)
    changes.purge(five)
    new = changes.create({"subject": "New", "comment": {"body": "First"}})["id"]
    await settled(webhooks)
    status: dict[str, Any] = webhooks.status()
    assert status["failed"] == status["retried"] == 0
    assert status["delivered"] == status["sent"] > status["events"]
    assert receiver.count("produced") == status["events"] == len(receiver.sender.hints)
    assert receiver.count("repeated") == status["sent"] - status["events"]
    told = {(hint.ticket_id, hint.event.removeprefix("ticket.")) for hint in receiver.sender.hints}
    assert told >= {
        (one, "comment_added"),
        (one, "status_changed"),
        (one, "comment_made_private"),
        (one, "comment_redacted"),
        (two, "comment_added"),
        (three, "merged"),
        (four, "soft_deleted"),
        (four, "undeleted"),
        (five, "marked_as_spam"),
        (five, "permanently_deleted"),
        (new, "created"),
    }
    await receiver.client.aclose()


async def test_another_secret_is_refused_for_good(account: Account, working: Callable[[], list[int]]) -> None:
    receiver = Receiver(clock=time.time)
    webhooks = Webhooks(account, httpx.ASGITransport(receiver.app))
    webhooks.register(Hook(url="http://test/webhooks/zendesk", secret="another", retry_seconds=0))
    Changes(account, webhooks.tell).delete(working()[0])
    await settled(webhooks)
    status = webhooks.status()
    assert (status["sent"], status["failed"]) == (1, 1)
    assert receiver.sender.hints == []
    await receiver.client.aclose()


async def test_one_that_kafka_did_not_take_comes_again(
    account: Account, working: Callable[[], list[int]]
) -> None:
    receiver = Receiver(clock=time.time)
    receiver.sender.away = True
    webhooks = Webhooks(account, httpx.ASGITransport(receiver.app))
    webhooks.register(
        Hook(url="http://test/webhooks/zendesk", secret=SECRET, retry_seconds=0.01, attempts=99)
    )
    Changes(account, webhooks.tell).delete(working()[0])
    async with asyncio.timeout(20):
        while receiver.count("refused", reason="kafka") < 3:
            await asyncio.sleep(0.01)
    receiver.sender.away = False
    await settled(webhooks)
    assert webhooks.status()["delivered"] == len(receiver.sender.hints) == 1
    await receiver.client.aclose()


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded answers are not here")
async def test_a_recorded_delivery_is_taken() -> None:
    (path,) = RECORDED.glob("get-webhooks_*_attempts-20*.json")
    attempts = json.loads(path.read_text())["response"]["body"]["attempts"]
    request = next(attempt["request"] for attempt in attempts if "request" in attempt)
    body = request["payload"].encode()
    headers = {each["key"]: each["value"] for each in request["headers"]}
    stamp = headers["X-Zendesk-Webhook-Signature-Timestamp"]
    assert read_payload(body) is None  # it tells of a user
    # Its secret is not recorded: signed anew, it goes through as it came.
    headers["X-Zendesk-Webhook-Signature"] = signature(body, stamp)
    receiver = Receiver(clock=lambda: 1_695_080_300.0)
    answer = await receiver.client.post("/webhooks/zendesk", content=body, headers=headers)
    assert answer.json() == {"result": "ignored"}
    await receiver.client.aclose()
