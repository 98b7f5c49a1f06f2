"""Answers in Zendesk's form: JSON bodies and its errors."""

from __future__ import annotations

from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

JSON: Final = "application/json; charset=utf-8"


class ApiError(Exception):
    """A refusal; becomes an answer with Zendesk's error body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body.get("error"))
        self.status = status
        self.body = body


def not_found() -> ApiError:
    """404 for a record that is not there (recorded)."""
    return ApiError(404, {"error": "RecordNotFound", "description": "Not found"})


def too_many_values() -> ApiError:
    """400 for more than 100 ids in one call (recorded)."""
    return ApiError(
        400,
        {
            "error": "TooManyValues",
            "description": "Parameter ids cannot specify more than 100 values",
            "max_count": 100,
        },
    )


def invalid_value(description: str) -> ApiError:
    """400 for a parameter that makes no sense."""
    return ApiError(400, {"error": "InvalidValue", "description": description})


def unprocessable(field: str, description: str) -> ApiError:
    """422 for a change that the record's rules forbid."""
    return ApiError(
        422,
        {
            "error": "RecordInvalid",
            "description": "Record validation errors",
            "details": {field: [{"description": description}]},
        },
    )


def answer(body: Any, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(orjson.dumps(body), status, media_type=JSON)


async def refuse(_: Request, error: Exception) -> Response:
    """Turn an ApiError into Zendesk's answer."""
    assert isinstance(error, ApiError)  # noqa: S101 - it is registered for ApiError only
    return answer(error.body, error.status)


async def unknown(_: Request, __: Exception) -> Response:
    """404 for a path Zendesk does not have."""
    return answer({"error": {"title": "No help desk found", "message": "There is no such endpoint"}}, 404)
