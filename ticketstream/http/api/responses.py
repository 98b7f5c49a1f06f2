"""Answers as JSON, and how a route's are described."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel
from starlette.responses import Response


def json_answer(document: Any, status: int = 200) -> Response:
    """Return a document as JSON, not to be kept by anybody on the way."""
    return Response(
        orjson.dumps(document),
        status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def described(model: type[BaseModel], what: str, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route that answers with this document."""
    return {status: {"model": model, "description": what}}
