"""``POST /webhooks/zendesk``: a genuine webhook becomes a hint on Kafka, or is refused.

In this order: size, signature over the bytes as they came, time window, and only then parsing. 200
means that Kafka has acknowledged the hint, that the same webhook had led to one before, or that it
concerns no ticket. Zendesk tries again after a 503.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Literal, Protocol

import structlog
from cachetools import TTLCache
from fastapi import APIRouter, Request

from schemas.errors import DecodeError, UnavailableError
from schemas.messages.tickets import TicketHint
from schemas.settings.load import PREFIX
from streams.sources.zendesk.signature import SIGNATURE, TEST_SECRET, TIMESTAMP, is_genuine, is_recent
from ticketstream.http.api.metrics import WebhookMetrics
from ticketstream.http.api.problems import ProblemError
from ticketstream.http.webhooks.bodies import BodyCutError, BodyTooLargeError, BodyTooSlowError, read_body
from ticketstream.http.webhooks.payloads import Payload, read_payload
from ticketstream.http.webhooks.repeats import Repeats

PATH: Final = "/webhooks/zendesk"
MAX_BODY_BYTES: Final = 1024 * 1024
BODY_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 5
LOG_AGAIN_SECONDS: Final = 60.0
"""Refusals for one reason are logged at most this often; the metrics count all."""
NO_SECRET: Final = (
    f"webhooks are not taken: set {PREFIX}ZENDESK__WEBHOOK_SECRET to what Zendesk shows for the webhook "
    "under “Signing secret”"
)
_TEST: Final = (
    "the endpoint is reached, but nothing is done: this is signed with Zendesk's test secret, which anybody "
    "may know, as the test of a webhook that is not saved yet is. Save the webhook and set "
    f"{PREFIX}ZENDESK__WEBHOOK_SECRET to the signing secret that it shows then"
)
_CLOSE: Final = {"Connection": "close"}

Result = Literal["produced", "repeated", "ignored"]


class Sender(Protocol):
    """Where hints go."""

    async def send(self, hint: TicketHint) -> None:
        """Return when the hint is safe; raises UnavailableError."""


class WebhookReceiver:
    """Takes the webhooks of one account; ``secret`` is the signing secret as Zendesk shows it.

    A body is at most ``max_bytes`` long and comes within ``body_seconds``.
    """

    def __init__(
        self,
        *,
        secret: str,
        account: str,
        sender: Sender,
        metrics: WebhookMetrics,
        repeats: Repeats | None = None,
        max_bytes: int = MAX_BODY_BYTES,
        body_seconds: float = BODY_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secret = secret.encode()
        self._account = account
        self._sender = sender
        self._metrics = metrics
        self._repeats = repeats or Repeats()
        self._max_bytes = max_bytes
        self._body_seconds = body_seconds
        self._clock = clock
        self._told: TTLCache[str, None] = TTLCache(16, LOG_AGAIN_SECONDS)

    async def take(self, request: Request) -> Result:
        """Return what became of a webhook; raises ProblemError when it is refused."""
        self._metrics.received.inc()
        with self._metrics.seconds.time():
            body = await self._genuine_body(request)
            try:
                told = read_payload(body)
            except DecodeError as error:
                raise self._refused("malformed", 400, str(error)) from None
            if told is None:
                self._metrics.ignored.inc()
                return "ignored"
            return await self._pass_on(told, _name(request, told, body))

    async def _genuine_body(self, request: Request) -> bytes:
        signature, timestamp = _header(request, SIGNATURE), _header(request, TIMESTAMP)
        try:
            body = await read_body(request, most=self._max_bytes, seconds=self._body_seconds)
        except BodyTooLargeError:
            detail = f"a webhook has at most {self._max_bytes} bytes"
            raise self._refused("oversized", 413, detail, _CLOSE) from None
        except BodyTooSlowError:
            detail = f"the body did not come within {self._body_seconds:g} s"
            raise self._refused("slow", 408, detail, _CLOSE) from None
        except BodyCutError:
            raise self._refused("cut", 400, "the body was cut off", _CLOSE) from None
        if not is_genuine(self._secret, timestamp, body, signature):
            if is_genuine(TEST_SECRET, timestamp, body, signature):
                raise self._refused("test", 401, _TEST, told=_TEST)
            raise self._refused("forged", 401, "the signature is not this webhook's")
        if not is_recent(timestamp, self._clock()):
            raise self._refused("stale", 401, "the signature's timestamp is not within 5 minutes of now")
        return body

    async def _pass_on(self, told: Payload, name: str) -> Result:
        now = self._clock()
        hint = TicketHint(
            account=self._account,
            ticket_id=told.ticket_id,
            hinted_at=now if told.at is None else min(told.at, now),
            event=told.event,
        )
        try:
            needed = await self._repeats.once(name, lambda: self._sender.send(hint))
        except UnavailableError as error:
            structlog.get_logger().debug("a webhook was not taken", reason=error)
            retry = {"Retry-After": str(RETRY_SECONDS)}
            raise self._refused("kafka", 503, "Kafka did not take it; try again", retry) from None
        (self._metrics.produced if needed else self._metrics.repeated).inc()
        return "produced" if needed else "repeated"

    def _refused(
        self,
        reason: str,
        status: int,
        detail: str,
        headers: dict[str, str] | None = None,
        *,
        told: str | None = None,
    ) -> ProblemError:
        """Return the refusal; ``told`` is said in the log, and holds nothing of what was sent."""
        self._metrics.refused.labels(reason).inc()
        if reason not in self._told:
            # Neither body nor headers, which may be anything; and whoever sends much fills no disk with it.
            self._told[reason] = None
            more = {} if told is None else {"detail": told}
            structlog.get_logger().warning("webhook refused", reason=reason, status=status, **more)
        return ProblemError(status, detail, headers)


def webhooks_router(receiver: WebhookReceiver | None) -> APIRouter:
    """Return the route of the webhooks; without a receiver it says which setting is missing."""
    router = APIRouter(tags=["webhooks"])
    problems = {
        400: "malformed",
        401: "forged, stale, or the test of a webhook not saved yet",
        408: "slow",
        413: "oversized",
        503: "Kafka is away",
    }

    @router.post(
        PATH, responses={status: {"description": f"Refused: {why}"} for status, why in problems.items()}
    )
    async def zendesk(request: Request) -> dict[str, str]:
        """Take a webhook of Zendesk."""
        if receiver is None:
            raise ProblemError(503, NO_SECRET)
        return {"result": await receiver.take(request)}

    return router


def _header(request: Request, name: str) -> bytes:
    """Return a header as it came; nothing when it is missing or came twice."""
    values = [value for key, value in request.headers.raw if key == name.encode()]
    return values[0] if len(values) == 1 else b""


def _name(request: Request, told: Payload, body: bytes) -> str:
    """Return what tells a webhook from others, the same for each of its deliveries.

    An event has an id of its own, which is signed. Other webhooks have that of their invocation, and
    else none: nothing in them tells a repeat from another change of the same ticket but the signature.
    """
    if told.event_id:
        return f"event {told.event_id}"
    invocation = _header(request, "x-zendesk-webhook-invocation-id")
    if invocation and len(invocation) <= 100:
        # With the ticket, which is signed: an id that somebody made up can hide no other ticket's webhook.
        webhook = _header(request, "x-zendesk-webhook-id")[:100]
        return f"invocation {webhook!r} {invocation!r} {told.ticket_id}"
    return f"signature {_header(request, SIGNATURE)!r}"
