"""``/healthz``: whether the server lives; ``/readyz``: whether what the pipeline stands on does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi import APIRouter
from starlette.responses import Response

from ticketstream.http.api.models.health import Alive, Readiness
from ticketstream.http.api.responses import described, json_answer


def health_router(
    kafka: Callable[[], bool], dependencies: Callable[[], Mapping[str, str | None]] = dict
) -> APIRouter:
    """Return the routes of health and readiness.

    ``/healthz`` answers 200 also without Kafka: a restart would not help. ``dependencies`` returns each
    service with why it is not ready, or None; it only says what is known.
    """
    router = APIRouter(tags=["operation"])

    @router.get("/healthz", responses=described(Alive, "It lives."))
    async def healthz() -> Response:
        """Say that the server lives."""
        return json_answer({"status": "ok", "kafka": "reachable" if kafka() else "away"})

    @router.get(
        "/readyz",
        responses=described(Readiness, "All is there.")
        | {503: {"model": Readiness, "description": "Something is away; its reason says why."}},
    )
    async def readyz() -> Response:
        """Say whether every service is there; they are looked at in the background, not for this."""
        found = [
            {"name": name, "ready": reason is None, "reason": "ready" if reason is None else reason}
            for name, reason in dependencies().items()
        ]
        ready = all(one["ready"] for one in found)
        return json_answer({"ready": ready, "dependencies": found}, 200 if ready else 503)

    return router
