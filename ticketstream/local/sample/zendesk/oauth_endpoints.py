"""``/oauth/``, and how tests steer it: ``/_sample/oauth``."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ticketstream.local.sample.zendesk.oauth import Authority, OAuthError
from ticketstream.local.sample.zendesk.responses import ApiError, answer


class _Revoked(msgspec.Struct, forbid_unknown_fields=True):
    access: bool = True
    refresh: bool = False


class OAuthEndpoints:
    """Answers for token requests, for people who agree to them, and for tests."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def routes(self) -> list[Route]:
        """Return the routes."""
        paths = (
            ("POST", "/oauth/tokens", self.tokens),
            ("GET", "/oauth/authorizations/new", self.authorize),
            ("GET", "/_sample/oauth", self.show),
            ("POST", "/_sample/oauth", self.steer),
            ("POST", "/_sample/oauth/revoke", self.revoke),
            ("POST", "/_sample/oauth/pairs", self.issue),
        )
        return [Route(path, handler, methods=[method]) for method, path, handler in paths]

    async def tokens(self, request: Request) -> Response:
        """A token for a grant; Zendesk takes JSON, and forms too."""
        try:
            return answer(self._authority.token(await _fields(request)))
        except OAuthError as error:
            return answer(error.body, error.status)

    async def authorize(self, request: Request) -> Response:
        """Where a person agrees; here everybody has made up their mind already."""
        try:
            return RedirectResponse(self._authority.authorize(dict(request.query_params)), 302)
        except OAuthError as error:
            return answer(error.body, error.status)

    async def show(self, _: Request) -> Response:
        """The rules, what lives, and the counts."""
        return answer(self._authority.as_dict())

    async def steer(self, request: Request) -> Response:
        """Change rules; what is not given stays."""
        try:
            self._authority.steer(await _fields(request))
        except msgspec.ValidationError as error:
            raise ApiError(400, {"error": str(error)}) from error
        return answer(self._authority.as_dict())

    async def revoke(self, request: Request) -> Response:
        """End tokens now."""
        try:
            given = msgspec.convert(await _fields(request), _Revoked)
        except msgspec.ValidationError as error:
            raise ApiError(400, {"error": str(error)}) from error
        self._authority.revoke(access=given.access, refresh=given.refresh)
        return answer(self._authority.as_dict())

    async def issue(self, request: Request) -> Response:
        """A first pair without a person."""
        try:
            return answer(self._authority.issue(await _fields(request)), 201)
        except OAuthError as error:
            raise ApiError(error.status, dict(error.body)) from error


async def _fields(request: Request) -> dict[str, Any]:
    body = await request.body()
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode("latin-1")))
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ApiError(400, {"error": "invalid_request", "error_description": str(error)}) from error
