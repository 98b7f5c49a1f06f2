"""``POST /oauth/tokens``: a code or a refresh token for a pair.

Sources: Zendesk's API reference, "OAuth Tokens for Grant Types"; developer.zendesk.com, "Working with OAuth
refresh tokens" and "Using PKCE to make Zendesk OAuth access tokens more secure".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, NamedTuple

import httpx
import msgspec

from schemas.errors import (
    CredentialsError,
    RateLimitedError,
    SettingsError,
    UnavailableError,
)
from schemas.settings import PREFIX
from streams.sources.zendesk.answers import read_heading
from streams.sources.zendesk.transport import PooledTransport

ACCESS_SECONDS: Final = 1_800
"""What is asked for, Zendesk's own default: it names a life only to who names one."""
REFRESH_SECONDS: Final = 30 * 24 * 3600
"""Zendesk's own default, for an answer that names none."""
_PATH: Final = "/oauth/tokens"
_LARGEST_BYTES: Final = 256 * 1024
_LONGEST_TOKEN: Final = 4_096
_ERROR_CODE: Final = re.compile(r"[a-z_]{1,40}")


class GrantRefusedError(CredentialsError):
    """``invalid_grant``: this code or refresh token gives no tokens, now or later."""


class NotSentError(UnavailableError):
    """The request never left, so what it holds was not used."""


class Granted(NamedTuple):
    """A pair; the lives are in seconds, ``refresh`` is None where the answer has no refresh token."""

    access: str
    refresh: str | None
    access_seconds: float
    refresh_seconds: float | None

    def __repr__(self) -> str:
        return f"Granted(access_seconds={self.access_seconds}, refresh_seconds={self.refresh_seconds})"


class _Answer(msgspec.Struct):
    access_token: Any = None
    refresh_token: Any = None
    expires_in: Any = None
    refresh_token_expires_in: Any = None
    error: Any = None


_DECODER: Final = msgspec.json.Decoder(_Answer)


class TokenEndpoint:
    """Asks for pairs; ``client_secret`` is None for a public client.

    ``timeout`` is in seconds, and long: with an answer that is not waited for, a login is lost.
    ``transport`` replaces the network in tests. No error ever holds a token.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str | None,
        *,
        timeout: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._client = {"client_id": client_id} | ({"client_secret": client_secret} if client_secret else {})
        self._timeout = timeout
        self._transport = transport

    async def renewed(self, refresh_token: str, *, ours: Callable[[], bool] = lambda: True) -> Granted:
        """Return a new pair; the old access and refresh token are dead from then on.

        ``ours`` is asked right before the refresh token leaves this process, when the connection is there
        already: a process that was frozen in between sends nothing.
        Raises GrantRefusedError when Zendesk does not know this refresh token (any more), NotSentError when
        it did not leave, UnavailableError when nobody knows whether it was used, RateLimitedError,
        CredentialsError for the client, SettingsError where there is no such account.
        """
        return await self._ask({"grant_type": "refresh_token", "refresh_token": refresh_token}, ours)

    async def first(self, code: str, *, redirect_uri: str, verifier: str, scope: str) -> Granted:
        """Return the pair of an authorization code (PKCE); raises what ``renewed`` raises."""
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "scope": scope,
        }
        return await self._ask(asked, lambda: True)

    async def _ask(self, asked: dict[str, str], ours: Callable[[], bool]) -> Granted:
        content = msgspec.json.encode(asked | self._client | {"expires_in": ACCESS_SECONDS})
        sent = False

        async def body() -> AsyncIterator[bytes]:
            nonlocal sent
            if not ours():
                raise NotSentError("another process may renew the login by now")
            sent = True
            yield content

        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "User-Agent": "ticketstream",
        }
        request = httpx.Request("POST", self._base + _PATH, headers=headers, content=body())
        where = f"{self._base}{_PATH}"
        transport = self._transport or PooledTransport(self._base, 1)
        try:
            async with asyncio.timeout(self._timeout):
                response = await transport.handle_async_request(request)
                try:
                    answer = await _read(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            kind = UnavailableError if sent else NotSentError
            raise kind(f"no answer from {where} within {self._timeout:g} s") from None
        except (httpx.TransportError, httpx.DecodingError, OSError) as error:
            kind = UnavailableError if sent else NotSentError
            raise kind(f"no whole answer from {where}: {type(error).__name__}") from None
        finally:
            if self._transport is None:
                await transport.aclose()
        return _granted(response, answer, where)


async def _read(response: httpx.Response) -> bytes:
    parts = bytearray()
    async for chunk in response.aiter_bytes():
        parts += chunk
        if len(parts) > _LARGEST_BYTES:
            raise UnavailableError("Zendesk's answer to a request for tokens is far too large")
    return bytes(parts)


def _granted(response: httpx.Response, body: bytes, where: str) -> Granted:
    status = response.status_code
    try:
        answer = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = _Answer()
    if status != 200 and status != 201:
        raise _refusal(status, answer.error, where, read_heading(response.headers.raw).retry_after)
    access, refresh = _token(answer.access_token), _token(answer.refresh_token)
    if access is None:
        raise UnavailableError(f"{where} answered {status}, but with no access token")
    return Granted(
        access,
        refresh,
        _seconds(answer.expires_in) or ACCESS_SECONDS,
        _seconds(answer.refresh_token_expires_in),
    )


def _refusal(status: int, code: Any, where: str, retry_after: float | None) -> Exception:
    """Return the error of an answer; only its code is quoted: the rest may repeat what was sent."""
    named = code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else None
    said = f"{where} answered {status}" + (f" ({named})" if named else "")
    if status == 429:
        return RateLimitedError(said, retry_after)
    if status < 400 or status >= 500 or status in (408, 409, 425):
        return UnavailableError(said, retry_after)
    if status == 404:
        return SettingsError(
            f"{said}: no such account; check {PREFIX}ZENDESK__SUBDOMAIN and {PREFIX}ZENDESK__BASE_URL"
        )
    if named == "invalid_grant":
        return GrantRefusedError(said)
    if named in ("invalid_client", "unauthorized_client") or status in (401, 403):
        return CredentialsError(
            f"{said}: the OAuth client is not accepted; check {PREFIX}ZENDESK__OAUTH_CLIENT_ID and "
            f"{PREFIX}ZENDESK__OAUTH_CLIENT_SECRET (a public client has none), and that the client is enabled"
        )
    return CredentialsError(f"{said}: check {PREFIX}ZENDESK__OAUTH_SCOPE and the OAuth client in Zendesk")


def _token(value: Any) -> str | None:
    """Return a token that a header can carry, or None."""
    good = (
        isinstance(value, str)
        and 0 < len(value) <= _LONGEST_TOKEN
        and value.isascii()
        and value.isprintable()
    )
    return value if good else None


def _seconds(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e10
    return float(value) if good else None
