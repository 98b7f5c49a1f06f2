"""``/healthz``: whether the server lives, and what it reaches."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter


def health_router(kafka: Callable[[], bool]) -> APIRouter:
    """Return the route of ``/healthz``. It answers 200 also without Kafka: a restart would not help."""
    router = APIRouter(tags=["operation"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Say that the server lives."""
        return {"status": "ok", "kafka": "reachable" if kafka() else "away"}

    return router
