"""What stands before every endpoint: login, limits, faults and statistics."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any, Final

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ticketstream.local.sample.zendesk.faults import Fault, Faults
from ticketstream.local.sample.zendesk.limits import BucketName, Limits
from ticketstream.local.sample.zendesk.login import Login

ABORT: Final = "sample.abort"
"""The key in a request's extensions of a function that cuts the connection."""
TOKENS: Final = "/oauth/tokens"
"""Where tokens are asked for: without login and quota, but faults strike there too."""
PERSON_HEADER: Final = b"x-sample-person"
"""A write with this header stands for a person at work in Zendesk's own pages: no login, quota or fault."""

_NUMBER: Final = re.compile(r"/\d+(?=/|\.|$)")
_COMMENTS: Final = re.compile(r"^/api/v2/tickets/(\d+)/comments(?:\.json)?$")
_JSON: Final = (b"content-type", b"application/json; charset=utf-8")
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_HTML: Final = (b"content-type", b"text/html; charset=utf-8")
_GENERAL_REFUSED: Final = b"Number of allowed API requests per minute exceeded"
_INCREMENTAL_REFUSED: Final = orjson.dumps(
    {
        "error": "APIRateLimitExceeded",
        "description": "Number of allowed incremental export API requests per minute exceeded",
    }
)
_PAGE: Final = (
    b"<!DOCTYPE html><html><head><title>Zendesk</title></head>"
    b"<body><h1>We'll be right back</h1><p>This account is being moved.</p></body></html>"
)


class Statistics:
    """Counts of the calls to Zendesk's side of the server."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Count from nothing."""
        self.endpoints: Counter[str] = Counter()
        self.buckets: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.comment_calls: Counter[int] = Counter()
        self.people: Counter[str] = Counter()

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as plain data."""
        return {
            "calls": sum(self.endpoints.values()),
            "endpoints": dict(self.endpoints),
            "buckets": dict(self.buckets),
            "rate_limited": dict(self.refused),
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "comments": {
                "calls": sum(self.comment_calls.values()),
                "tickets": len(self.comment_calls),
                "max_per_ticket": max(self.comment_calls.values(), default=0),
            },
            "people": dict(self.people),
        }


def endpoint_name(method: str, path: str) -> str:
    """Return ``GET tickets/{id}/comments`` for a request, with or without ``.json``."""
    return f"{method} {_NUMBER.sub('/{id}', path).removeprefix('/api/v2/').removesuffix('.json')}"


class FrontDoor:
    """An ASGI application around the endpoints."""

    def __init__(
        self, app: ASGIApp, login: Login, limits: Limits, faults: Faults, statistics: Statistics
    ) -> None:
        self._app = app
        self._login = login
        self._limits = limits
        self._faults = faults
        self._statistics = statistics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(("/api/", TOKENS)):
            await self._app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        if path == TOKENS:
            await self._faultily(scope, receive, send, send, [], "general")
            return
        name = endpoint_name(method, path)
        authorization = b""
        for header, value in scope["headers"]:
            if header == b"authorization":
                authorization = value
            elif header == PERSON_HEADER:
                self._statistics.people[name] += 1
                await self._app(scope, receive, send)
                return
        await self._call(scope, receive, send, name, authorization)

    async def _call(
        self, scope: Scope, receive: Receive, send: Send, name: str, authorization: bytes
    ) -> None:
        path, statistics = scope["path"], self._statistics
        statistics.endpoints[name] += 1
        anonymous = not authorization and name == "GET users/me"
        refusal = None if anonymous else self._login.refusal(authorization, scope["method"], path)
        if refusal is not None:
            statistics.statuses[refusal.status] += 1
            await _answer(send, refusal.status, refusal.body, [_JSON])
            return
        scope["sample.anonymous"] = anonymous

        bucket = _bucket(scope["method"], path)
        refused, headers = self._limits.take(bucket)
        if refused is not None:
            statistics.refused[refused] += 1
            statistics.statuses[429] += 1
            await _answer(send, 429, *_refusal(refused, headers))
            return
        statistics.buckets["general"] += 1
        if bucket != "general":
            statistics.buckets[bucket] += 1
        match = _COMMENTS.match(path)
        if match and scope["method"] == "GET":
            statistics.comment_calls[int(match[1])] += 1

        if not self._limits.enabled:
            headers = []

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                statistics.statuses[message["status"]] += 1
                message["headers"].extend(headers)
            await send(message)

        await self._faultily(scope, receive, send, send_counted, headers, bucket)

    async def _faultily(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        send_well: Send,
        headers: list[tuple[bytes, bytes]],
        bucket: BucketName,
    ) -> None:
        """Answer by ``send_well``, or with the fault that strikes this call by ``send``."""
        fault = self._faults.choose(scope["path"]) if self._faults.active else None
        if fault is not None and fault.kind != "slow":
            await self._fail(fault, scope, receive, send, headers, bucket)
            return
        if fault is not None:
            await asyncio.sleep(fault.slow_seconds)
        await self._app(scope, receive, send_well)

    async def _fail(
        self,
        fault: Fault,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: list[tuple[bytes, bytes]],
        bucket: BucketName,
    ) -> None:
        statistics = self._statistics
        if fault.kind == "rate_limit":
            statistics.statuses[429] += 1
            body, sent = _refusal(bucket, headers)
            if fault.retry_after is not None:
                sent = [*sent, (b"retry-after", f"{fault.retry_after:g}".encode())]
            await _answer(send, 429, body, sent)
        elif fault.kind == "error":
            statistics.statuses[fault.status] += 1
            body = orjson.dumps({"error": "InternalError", "description": f"Sample fault {fault.status}"})
            moved = [(b"location", b"https://www.zendesk.com/")] if 300 <= fault.status < 400 else []
            await _answer(send, fault.status, body, [_JSON, *moved, *headers])
        elif fault.kind == "html":
            statistics.statuses[200] += 1
            await _answer(send, 200, _PAGE, [_HTML, *headers])
        elif fault.kind == "cut":
            statistics.statuses[200] += 1
            await self._app(scope, receive, _cutting(send, scope["extensions"][ABORT]))
        elif fault.kind == "truncated":
            statistics.statuses[200] += 1
            await self._app(scope, receive, _truncating(send))
        else:
            if fault.kind == "hang":
                await _hang(receive, fault.hang_seconds)
            scope["extensions"][ABORT]()


def _bucket(method: str, path: str) -> BucketName:
    if path.startswith("/api/v2/incremental/"):
        return "incremental"
    if method == "GET" and path.startswith("/api/v2/deleted_tickets"):
        return "deleted"
    return "general"


def _refusal(bucket: str, headers: list[tuple[bytes, bytes]]) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    if bucket == "incremental":
        return _INCREMENTAL_REFUSED, [_JSON, *headers]
    return _GENERAL_REFUSED, [_TEXT, *headers]


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def _cutting(send: Send, abort: Any) -> Send:
    """Send the head and the first half of an answer, then cut the connection."""

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.body" and message.get("body"):
            body = message["body"]
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            abort()
            return
        await send(message)

    return cut


def _truncating(send: Send) -> Send:
    """Send an answer whose body is the first half of the real one."""
    status = 200

    async def truncate(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            body = message.get("body", b"")
            await _answer(send, status, body[: len(body) // 2], [_JSON])

    return truncate


async def _hang(receive: Receive, seconds: float) -> None:
    """Wait that long, or until the caller goes away."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    waiting = asyncio.create_task(gone())
    await asyncio.wait({waiting}, timeout=seconds)
    waiting.cancel()
