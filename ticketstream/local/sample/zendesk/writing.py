"""The endpoints that write: tickets, comments, deletion, merging."""

from __future__ import annotations

from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.changes import Changes
from ticketstream.local.sample.zendesk.clock import iso
from ticketstream.local.sample.zendesk.responses import ApiError, answer, unprocessable

_COMMENT: Final = "/tickets/{id:int}/comments/{comment:int}"


class Writing:
    """Answers for the writing endpoints."""

    def __init__(self, account: Account, changes: Changes) -> None:
        self._account = account
        self._changes = changes

    def routes(self) -> list[Route]:
        """Return the routes."""
        paths = (
            ("POST", "/tickets", self.create),
            ("PUT", "/tickets/{id:int}", self.update),
            ("DELETE", "/tickets/{id:int}", self.delete),
            ("PUT", "/tickets/{id:int}/mark_as_spam", self.spam),
            ("POST", "/tickets/{id:int}/merge", self.merge),
            ("PUT", "/deleted_tickets/{id:int}/restore", self.restore),
            ("DELETE", "/deleted_tickets/{id:int}", self.purge),
            ("PUT", _COMMENT + "/make_private", self.make_private),
            ("PUT", _COMMENT + "/redact", self.redact),
        )
        return [
            Route(f"/api/v2{path}{suffix}", handler, methods=[method])
            for method, path, handler in paths
            for suffix in (".json", "")
        ]

    async def create(self, request: Request) -> Response:
        """Create a ticket."""
        return answer({"ticket": self._changes.create(await _fields(request, "ticket"))}, 201)

    async def update(self, request: Request) -> Response:
        """Change a ticket, or add a comment to it."""
        row = self._changes.update(request.path_params["id"], await _fields(request, "ticket"))
        return answer({"ticket": row})

    async def delete(self, request: Request) -> Response:
        """Delete a ticket."""
        self._changes.delete(request.path_params["id"])
        return Response(status_code=204)

    async def spam(self, request: Request) -> Response:
        """Mark a ticket as spam."""
        self._changes.spam(request.path_params["id"])
        return answer({})

    async def merge(self, request: Request) -> Response:
        """Merge tickets into this one. The job is done when the answer comes."""
        merged = self._changes.merge(request.path_params["id"], await _body(request))
        return answer({"job_status": self._job(merged, "merge")})

    async def restore(self, request: Request) -> Response:
        """Bring a deleted ticket back."""
        self._changes.restore(request.path_params["id"])
        return answer({})

    async def purge(self, request: Request) -> Response:
        """Delete a deleted ticket for good."""
        ticket_id = request.path_params["id"]
        self._changes.purge(ticket_id)
        return answer({"job_status": self._job([ticket_id], "delete")})

    async def make_private(self, request: Request) -> Response:
        """Make a comment an internal note."""
        self._changes.make_private(request.path_params["id"], request.path_params["comment"])
        return answer({})

    async def redact(self, request: Request) -> Response:
        """Black out a text in a comment."""
        text = (await _body(request)).get("text")
        if not isinstance(text, str):
            raise unprocessable("text", "text: is required")
        comment = self._changes.redact(request.path_params["id"], request.path_params["comment"], text)
        return answer({"comment": comment})

    def _job(self, ids: list[int], action: str) -> dict[str, Any]:
        number = f"{int(self._account.clock() * 1000):x}{ids[0]:x}"
        return {
            "id": number,
            "url": f"https://{self._account.name}.zendesk.com/api/v2/job_statuses/{number}.json",
            "total": len(ids),
            "progress": len(ids),
            "status": "completed",
            "message": f"Completed at {iso(self._account.clock())}",
            "results": [{"id": i, "action": action, "status": "Done", "success": True} for i in ids],
        }


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        message = "The server could not parse the request body as a JSON object"
        raise ApiError(400, {"error": {"title": "Invalid attribute", "message": message}})
    return body


async def _fields(request: Request, name: str) -> dict[str, Any]:
    fields = (await _body(request)).get(name)
    if not isinstance(fields, dict):
        message = f"You passed an invalid value for the {name} attribute. Must be an object"
        raise ApiError(400, {"error": {"title": "Invalid attribute", "message": message}})
    return fields
