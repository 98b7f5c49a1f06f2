"""``/api/v1/session``: a cookie that stands for the key, for the page."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from cachetools import TTLCache
from fastapi import APIRouter, Request
from starlette.responses import Response

from ticketstream.http.access.api_key import COOKIE, SESSION_SECONDS, ApiKey
from ticketstream.http.api.models.access import Login
from ticketstream.http.api.problems import ProblemError

PATH: Final = "/api/v1/session"
_LOG_AGAIN_SECONDS: Final = 60.0


def session_router(key: ApiKey, *, clock: Callable[[], float] = time.time) -> APIRouter:
    """Return the routes that begin and end a session."""
    router = APIRouter(tags=["session"])
    told: TTLCache[str, None] = TTLCache(1, _LOG_AGAIN_SECONDS)

    def cookie(request: Request) -> dict[str, Any]:
        secure = request.url.scheme == "https"
        return {"key": COOKIE, "path": "/", "httponly": True, "samesite": "strict", "secure": secure}

    @router.post(
        PATH,
        status_code=204,
        response_class=Response,
        responses={401: {"description": "It is not the API key."}},
    )
    async def begin(request: Request, login: Login) -> Response:
        """Begin a session of a week: the key, once, for a cookie."""
        if not key.matches(login.key):
            if "key" not in told:
                told["key"] = None
                structlog.get_logger().warning("a wrong API key was given for a session")
            raise ProblemError(401, "this is not the API key")
        answer = Response(status_code=204)
        answer.set_cookie(value=key.new_session(clock()), max_age=SESSION_SECONDS, **cookie(request))
        return answer

    @router.delete(PATH, status_code=204, response_class=Response)
    async def end(request: Request) -> Response:
        """End the session."""
        answer = Response(status_code=204)
        answer.delete_cookie(**cookie(request))
        return answer

    return router
