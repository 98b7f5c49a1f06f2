"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from schemas.errors import (
    CredentialsError,
    NotFoundError,
    PermanentError,
    RetryableError,
    SettingsError,
    StackError,
    TicketstreamError,
)

MEDIA_TYPE: Final = "application/problem+json"
_RETRY: Final = {"Retry-After": "5"}
_LONGEST_DETAIL: Final = 2_000


class ProblemError(Exception):
    """Ends a request with this status; ``detail`` is one line for whoever sent it."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the problem document of a status."""
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    # What a request named may be in it, and JSON cannot carry a lone surrogate.
    told = detail[:_LONGEST_DETAIL].encode("utf-8", "replace").decode()
    body = {"type": "about:blank", "title": title, "status": status, "detail": told}
    return Response(
        orjson.dumps(body), status, headers=dict(headers) if headers else None, media_type=MEDIA_TYPE
    )


def of_error(error: TicketstreamError) -> Response:
    """Return the problem document of an error raised on purpose."""
    if isinstance(error, NotFoundError):
        return problem(404, str(error))
    if isinstance(error, RetryableError):
        wait = {"Retry-After": str(max(1, round(error.retry_after)))} if error.retry_after else _RETRY
        return problem(503, str(error), wait)
    if isinstance(error, SettingsError | CredentialsError | StackError):
        return problem(503, str(error))
    if isinstance(error, PermanentError):
        return problem(502, str(error))
    # A ConflictError, or another thing that a person has to mend first.
    return problem(409, str(error))


def _allowed(routes: Sequence[BaseRoute], request: Request) -> list[str]:
    """Return what can be done with a path: the framework names the methods of one of its routes only."""
    found = [
        route
        for route in routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    ]
    exact = [route for route in found if route.path == request.scope["path"]]
    return sorted({method for route in exact or found for method in route.methods or ()})


def install_problems(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Answer every error of the app with a problem document, also those of the framework.

    ``routes`` are all that the app has.
    """

    @app.exception_handler(ProblemError)
    async def known(_: Request, error: ProblemError) -> Response:
        return problem(error.status, error.detail, error.headers)

    @app.exception_handler(TicketstreamError)
    async def foreseen(_: Request, error: TicketstreamError) -> Response:
        return of_error(error)

    @app.exception_handler(HTTPException)
    async def of_the_framework(request: Request, error: HTTPException) -> Response:
        headers = error.headers
        if error.status_code == 405:
            headers = {"Allow": ", ".join(_allowed(routes, request))}
        return problem(error.status_code, error.detail, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return problem(422, told)

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, __: Exception) -> Response:
        return problem(500, "the server failed; its log says why")
