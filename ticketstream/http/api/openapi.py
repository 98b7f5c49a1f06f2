"""The OpenAPI document: what FastAPI makes of the routes, with the key and the problems of every route."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ticketstream.http.access.api_key import COOKIE
from ticketstream.http.access.guard import REQUESTED_WITH
from ticketstream.http.api.models.health import Problem
from ticketstream.http.api.problems import MEDIA_TYPE

_ABOUT: Final = (
    "Everything needs the API key but health, webhooks and sessions: as `Authorization: Bearer KEY`, or as a "
    f"session's cookie; with a cookie, what changes something also needs `{REQUESTED_WITH[0]}: "
    f"{REQUESTED_WITH[1]}`. Errors are RFC 9457 problem documents. Times are in Unix seconds."
)
_SCHEMES: Final = {
    "key": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
}
_EVERYWHERE: Final = {
    500: "The server failed.",
    503: "Something this needs is away, not set, or too slow; the detail says what.",
}
_GUARDED: Final = {401: "There is no key, or it is not the right one."}
_CHANGING: Final = {403: "A session's cookie without the header that no other site can send."}
_WITH_BODY: Final = {
    400: "The body cannot be read.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    422: "The request is not as described.",
}
_OF_RECORDS: Final = {404: "There is no such record."}
_STEERED: Final = {409: "The state of things does not allow it.", 502: "A service refused."}


def describe(app: FastAPI, open_paths: Iterable[str]) -> Callable[[], dict[str, Any]]:
    """Return what makes the app's OpenAPI document, once."""
    everybody = frozenset(open_paths)

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, everybody)
        return app.openapi_schema

    return document


def _document(app: FastAPI, everybody: frozenset[str]) -> dict[str, Any]:
    made = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for needless in ("HTTPValidationError", "ValidationError"):
        schemas.pop(needless, None)
    schemas["Problem"] = Problem.model_json_schema()
    components["securitySchemes"] = _SCHEMES
    made["security"] = [{name: []} for name in _SCHEMES]
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            if path in everybody:
                operation["security"] = []
            responses = operation["responses"]
            for status, what in _problems(path, method, operation, path in everybody).items():
                own = responses.get(str(status), {})
                if "content" in own and status != 422:
                    continue  # the route answers with a document of its own
                responses[str(status)] = {
                    "description": what if status == 422 else own.get("description", what),
                    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
    return made


def _problems(path: str, method: str, operation: Mapping[str, Any], is_open: bool) -> dict[int, str]:
    found = dict(_EVERYWHERE)
    if not is_open:
        found |= _GUARDED
        if method != "get":
            found |= _CHANGING
    if "requestBody" in operation or "parameters" in operation:
        found |= {422: _WITH_BODY[422]}
    if "requestBody" in operation:
        found |= _WITH_BODY
    if "{" in path or path.endswith("/retry"):
        found |= _OF_RECORDS
    if path.startswith(("/api/v1/imports", "/api/v1/search")):
        found |= _STEERED
    for status in operation["responses"]:
        # What a route names by itself, such as a webhook's refusals, is a problem too.
        if status.isdigit() and int(status) >= 400:
            found.setdefault(int(status), operation["responses"][status].get("description", ""))
    return dict(sorted(found.items()))
