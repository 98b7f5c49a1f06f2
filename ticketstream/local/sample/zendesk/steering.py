"""The side of the server that is not Zendesk: ``/_sample/``, without login and quota."""

from __future__ import annotations

import json
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.changes import Changes
from ticketstream.local.sample.zendesk.faults import Fault, Faults
from ticketstream.local.sample.zendesk.front import Statistics
from ticketstream.local.sample.zendesk.limits import Limits
from ticketstream.local.sample.zendesk.oauth import Authority
from ticketstream.local.sample.zendesk.odd import Odd, OddData
from ticketstream.local.sample.zendesk.responses import ApiError, answer, not_found
from ticketstream.local.sample.zendesk.truth import export_lines, truth, truth_lines
from ticketstream.local.sample.zendesk.webhooks import Hook, Webhooks

T = TypeVar("T")
MOST_COMMENTS: Final = 5_000
MOST_CHARACTERS: Final = 65_535
"""Zendesk's limits of a ticket."""


class _FaultList(msgspec.Struct, forbid_unknown_fields=True):
    faults: list[Fault]


class _NewLimits(msgspec.Struct, forbid_unknown_fields=True):
    requests_per_minute: int | None = None
    incremental_requests_per_minute: int | None = None
    time_scale: float | None = None
    enabled: bool | None = None


class _Thread(msgspec.Struct, forbid_unknown_fields=True):
    comments: int
    characters: int


class Steering:
    """Answers for the control endpoints."""

    def __init__(
        self,
        account: Account,
        changes: Changes,
        limits: Limits,
        faults: Faults,
        statistics: Statistics,
        webhooks: Webhooks,
        authority: Authority,
        odd: Odd,
    ) -> None:
        self._account = account
        self._changes = changes
        self._limits = limits
        self._faults = faults
        self._statistics = statistics
        self._webhooks = webhooks
        self._authority = authority
        self._odd = odd

    def routes(self) -> list[Route]:
        """Return the routes."""
        paths = (
            ("GET", "/health", self.health),
            ("GET", "/stats", self.stats),
            ("POST", "/stats/reset", self.reset),
            ("GET", "/faults", self.faults),
            ("POST", "/faults", self.set_faults),
            ("DELETE", "/faults", self.clear_faults),
            ("POST", "/odd", self.set_odd),
            ("GET", "/limits", self.limits),
            ("POST", "/limits", self.set_limits),
            ("GET", "/webhooks", self.webhooks),
            ("POST", "/webhooks", self.add_webhook),
            ("DELETE", "/webhooks", self.clear_webhooks),
            ("POST", "/thread/{id:int}", self.thread),
            ("GET", "/truth", self.truth),
            ("GET", "/truth/{id:int}", self.one_truth),
            ("GET", "/export.ndjson", self.export),
        )
        return [Route(f"/_sample{path}", handler, methods=[method]) for method, path, handler in paths]

    async def health(self, _: Request) -> Response:
        """Which account this is."""
        return answer({"status": "ok", "account": self._account.name, "tickets": len(self._account)})

    async def stats(self, _: Request) -> Response:
        """Calls by endpoint and bucket, refusals, calls for comments, limits and faults."""
        limits = {"limits": self._limits.as_dict(), "faults": self._faults.as_list()}
        return answer(self._statistics.as_dict() | limits)

    async def reset(self, _: Request) -> Response:
        """Count from nothing again."""
        self._statistics.reset()
        self._authority.reset()
        return answer({})

    async def faults(self, _: Request) -> Response:
        """The faults in force."""
        return answer({"faults": self._faults.as_list()})

    async def set_faults(self, request: Request) -> Response:
        """Replace the faults in force."""
        given = await _given(request, _FaultList)
        try:
            self._faults.set(given.faults)
        except ValueError as error:
            raise ApiError(400, {"error": str(error)}) from error
        return answer({"faults": self._faults.as_list()})

    async def clear_faults(self, _: Request) -> Response:
        """Take all faults back."""
        self._faults.set([])
        return answer({"faults": []})

    async def set_odd(self, request: Request) -> Response:
        """Replace the odd data in force; nothing of it is none."""
        try:
            # What msgspec refuses, a lone surrogate, is to be sent too.
            self._odd.data = msgspec.convert(json.loads(await request.body()), OddData)
        except ValueError as error:
            raise ApiError(400, {"error": str(error)}) from error
        return answer({})

    async def limits(self, _: Request) -> Response:
        """The limits in force and what is used of them."""
        return answer(self._limits.as_dict())

    async def set_limits(self, request: Request) -> Response:
        """Change limits; what is not given stays."""
        new = await _given(request, _NewLimits)
        numbers = (new.requests_per_minute, new.incremental_requests_per_minute, new.time_scale)
        if any(number is not None and number <= 0 for number in numbers):
            raise ApiError(400, {"error": "limits and time_scale must be above 0"})
        self._limits.change(
            new.requests_per_minute, new.incremental_requests_per_minute, new.time_scale, new.enabled
        )
        return answer(self._limits.as_dict())

    async def webhooks(self, _: Request) -> Response:
        """The receivers and what became of the deliveries."""
        return answer(self._webhooks.status())

    async def add_webhook(self, request: Request) -> Response:
        """Register a receiver."""
        try:
            name = self._webhooks.register(await _given(request, Hook))
        except ValueError as error:
            raise ApiError(400, {"error": str(error)}) from error
        return answer({"id": name}, 201)

    async def clear_webhooks(self, _: Request) -> Response:
        """Forget all receivers."""
        self._webhooks.clear()
        return answer({})

    async def thread(self, request: Request) -> Response:
        """Have a ticket have so many comments of so many characters."""
        wanted = await _given(request, _Thread)
        if not 1 <= wanted.comments <= MOST_COMMENTS or not 1 <= wanted.characters <= MOST_CHARACTERS:
            raise ApiError(
                400, {"error": f"up to {MOST_COMMENTS} comments of up to {MOST_CHARACTERS} characters"}
            )
        return answer(
            {"ticket": self._changes.lengthen(request.path_params["id"], wanted.comments, wanted.characters)}
        )

    async def truth(self, _: Request) -> Response:
        """Every ticket there ever was, a line each."""
        return StreamingResponse(truth_lines(self._account), media_type="application/x-ndjson")

    async def one_truth(self, request: Request) -> Response:
        """All about one ticket."""
        ticket_id = request.path_params["id"]
        if not self._account.exists(ticket_id):
            raise not_found()
        return answer(truth(self._account, ticket_id))

    async def export(self, _: Request) -> Response:
        """The account as one of Zendesk's NDJSON export files."""
        return StreamingResponse(export_lines(self._account), media_type="application/x-ndjson")


async def _given(request: Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.DecodeError as error:
        detail: dict[str, Any] = {"error": str(error)}
        raise ApiError(400, detail) from error
