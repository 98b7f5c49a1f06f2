"""Webhooks of the sample Zendesk: signature, body, and how unreliably they come."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable

import httpx
import orjson
import pytest

from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.events import Event
from ticketstream.local.sample.zendesk.webhooks import Hook, Webhooks, sign


class Receiver:
    """Answers each delivery with the next of its statuses, then 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0:
            raise httpx.ConnectError("away")
        return httpx.Response(status)


def event(account: Account, name: str = "comment_added", ticket_id: int = 1) -> Event:
    return Event(
        name, 1_790_000_000, account.people.user_id(0), account.row(ticket_id), {"comment": {"id": "1"}}
    )


async def settled(webhooks: Webhooks) -> None:
    async with asyncio.timeout(5):
        while webhooks.status()["pending"]:
            await asyncio.sleep(0)


@pytest.fixture
def account() -> Account:
    return Account("acme", 30, seed=1)


@pytest.fixture
def webhooks(account: Account) -> Callable[[Receiver], Webhooks]:
    return lambda receiver: Webhooks(account, httpx.MockTransport(receiver))


async def test_a_delivery_is_signed_over_its_raw_body(
    account: Account, webhooks: Callable[[Receiver], Webhooks]
) -> None:
    receiver = Receiver()
    hooks = webhooks(receiver)
    name = hooks.register(Hook(url="http://r.example/z", secret="s3"))
    hooks.tell(event(account))
    await settled(hooks)
    (request,) = receiver.requests
    timestamp = request.headers["X-Zendesk-Webhook-Signature-Timestamp"]
    digest = hmac.new(b"s3", timestamp.encode() + request.content, hashlib.sha256).digest()
    assert request.headers["X-Zendesk-Webhook-Signature"] == base64.b64encode(digest).decode()
    assert request.headers["X-Zendesk-Webhook-Id"] == name
    body = orjson.loads(request.content)
    assert body["type"] == "zen:event-type:ticket.comment_added"
    assert body["subject"] == "zen:ticket:1"
    assert body["detail"]["id"] == "1"
    assert hooks.status()["delivered"] == 1


def test_the_signature_of_zendesks_documented_form() -> None:
    assert sign("key", "2023-09-18T23:38:13Z", b"{}") != sign("key", "2023-09-18T23:38:14Z", b"{}")
    assert len(base64.b64decode(sign("key", "t", b"x"))) == 32


@pytest.mark.parametrize("failure", [0, 409, 429, 500, 503])
async def test_a_failing_receiver_is_tried_again(
    account: Account, webhooks: Callable[[Receiver], Webhooks], failure: int
) -> None:
    receiver = Receiver(failure, failure)
    hooks = webhooks(receiver)
    hooks.register(Hook(url="http://r.example", retry_seconds=0))
    hooks.tell(event(account))
    await settled(hooks)
    assert len(receiver.requests) == 3
    assert len({request.headers["X-Zendesk-Webhook-Invocation-Id"] for request in receiver.requests}) == 1
    status = hooks.status()
    assert (status["delivered"], status["retried"], status["failed"]) == (1, 2, 0)


async def test_it_gives_up_after_its_attempts_and_at_once_when_refused(
    account: Account, webhooks: Callable[[Receiver], Webhooks]
) -> None:
    receiver = Receiver(500, 500, 401)
    hooks = webhooks(receiver)
    hooks.register(Hook(url="http://r.example", retry_seconds=0, attempts=2))
    hooks.tell(event(account))
    await settled(hooks)
    hooks.tell(event(account))
    await settled(hooks)
    assert len(receiver.requests) == 3
    assert hooks.status()["failed"] == 2


async def test_duplicates_are_the_same_event(
    account: Account, webhooks: Callable[[Receiver], Webhooks]
) -> None:
    receiver = Receiver()
    hooks = webhooks(receiver)
    hooks.register(Hook(url="http://r.example", duplicate=1.0))
    hooks.tell(event(account))
    await settled(hooks)
    ids = [orjson.loads(request.content)["id"] for request in receiver.requests]
    assert len(ids) == 2
    assert len(set(ids)) == 1


async def test_deliveries_overtake_one_another(
    account: Account, webhooks: Callable[[Receiver], Webhooks]
) -> None:
    receiver = Receiver()
    hooks = webhooks(receiver)
    hooks.register(Hook(url="http://r.example", reorder_seconds=0.05))
    for ticket_id in range(1, 21):
        hooks.tell(event(account, ticket_id=ticket_id))
    await settled(hooks)
    order = [orjson.loads(request.content)["detail"]["id"] for request in receiver.requests]
    assert sorted(order, key=int) == [str(i) for i in range(1, 21)]
    assert order != sorted(order, key=int)


async def test_only_the_events_asked_for_and_only_while_registered(
    account: Account, webhooks: Callable[[Receiver], Webhooks]
) -> None:
    receiver = Receiver()
    hooks = webhooks(receiver)
    hooks.register(Hook(url="http://r.example", events=r"\.soft_deleted$"))
    hooks.tell(event(account))
    hooks.tell(event(account, "soft_deleted"))
    await settled(hooks)
    hooks.clear()
    hooks.tell(event(account, "soft_deleted"))
    await settled(hooks)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("hook", [Hook(url="ftp://x"), Hook(url="http://x", events="(")])
def test_a_wrong_receiver_is_refused(webhooks: Callable[[Receiver], Webhooks], hook: Hook) -> None:
    with pytest.raises(ValueError, match=r"url|events"):
        webhooks(Receiver()).register(hook)
