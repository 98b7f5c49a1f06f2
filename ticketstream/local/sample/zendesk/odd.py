"""Odd data on demand: what real accounts send at times, and this one never would by itself."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class OddData(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Fields of answers to be sent as they stand here, instead of the account's own.

    ``rows`` has, by the name of a list (``tickets``, ``comments``, ``users`` …) and the id of a row, fields
    and their values; ``answers`` has, by a part of the path, fields of the whole answer. ``missing`` names
    fields that are left out: of the rows, or answers, that are named so (``comments/12/public``,
    ``users/show_many/count``).
    """

    rows: dict[str, dict[str, dict[str, Any]]] = {}
    answers: dict[str, dict[str, Any]] = {}
    missing: list[str] = []


class Odd:
    """The odd data in force."""

    def __init__(self) -> None:
        self.data = OddData()

    @property
    def active(self) -> bool:
        """Whether there is any."""
        return self.data != OddData()

    def applied(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a path as it is to be sent."""
        told = {name: self._rows(name, value) for name, value in body.items()}
        for part, fields in self.data.answers.items():
            if part in path:
                told |= fields
        return {name: value for name, value in told.items() if not self._misses(path, name)}

    def _rows(self, name: str, value: Any) -> Any:
        lists = {"ticket": "tickets", "user": "users"}
        if isinstance(value, list):
            return [self._row(name, row) for row in value]
        return self._row(lists[name], value) if name in lists else value

    def _row(self, name: str, row: Any) -> Any:
        if not isinstance(row, dict) or "id" not in row:
            return row
        number = str(row["id"])
        changed = row | self.data.rows.get(name, {}).get(number, {})
        return {
            key: value for key, value in changed.items() if f"{name}/{number}/{key}" not in self.data.missing
        }

    def _misses(self, path: str, name: str) -> bool:
        parts = (each.rpartition("/") for each in self.data.missing)
        return any(field == name and part in path for part, _, field in parts)


class OddAnswers:
    """An ASGI application around the endpoints: what it passes on is odd where that is wanted."""

    def __init__(self, app: ASGIApp, odd: Odd) -> None:
        self._app = app
        self._odd = odd

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if not self._odd.active or scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        start: Message = {}
        parts: list[bytes] = []

        async def gather(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body = self._changed(scope["path"], start["status"], b"".join(parts))
            kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
            await send({**start, "headers": [*kept, (b"content-length", b"%d" % len(body))]})
            await send({"type": "http.response.body", "body": body})

        await self._app(scope, receive, gather)

    def _changed(self, path: str, status: int, body: bytes) -> bytes:
        told = json.loads(body) if status == 200 and body else None
        if not isinstance(told, dict):
            return body
        return json.dumps(self._odd.applied(path, told)).encode()  # lone surrogates are sent escaped
