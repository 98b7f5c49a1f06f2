"""``POST /oauth/tokens``: access tokens of Zendesk's OAuth.

Sources: Zendesk's API reference, "OAuth Tokens for Grant Types"; developer.zendesk.com, "Migrating from API
tokens to OAuth access tokens". That Zendesk names a token's life only to a request that names one itself was
reported for refresh tokens (NangoHQ/nango, issue 6775).
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import msgspec

from schemas.errors import CredentialsError, RateLimitedError, TicketstreamError, UnavailableError
from schemas.outside import UNREADABLE
from schemas.settings.load import PREFIX
from streams.secrets import keep_secret
from streams.sources.zendesk.responses import read_heading
from streams.sources.zendesk.transport import PooledTransport

ASKED_SECONDS: Final = 1_800
"""The life that is asked for: Zendesk's own default, which nobody has to be asked about."""
TOKENS_PATH: Final = "/oauth/tokens"
_TIMEOUT: Final = 15.0
_LARGEST_BYTES: Final = 256 * 1024
_LONGEST_TOKEN: Final = 8_192
_LONGEST_LIFE: Final = 1e10
_CODE: Final = re.compile(r"[a-z_]{1,40}")
_PASSING: Final = frozenset((404, 408, 409, 425))
"""Statuses that may pass by themselves: 404 too, which an account answers while it is moved."""


class GrantRefusedError(CredentialsError):
    """``invalid_grant``: this code or refresh token gives no tokens, now or later."""


@dataclass(frozen=True, slots=True)
class Granted:
    """An access token and, with some grants, a refresh token; None where Zendesk does not name a life."""

    access_token: str = field(repr=False)
    seconds: float | None
    refresh_token: str | None = field(default=None, repr=False)
    refresh_seconds: float | None = None


class _Answer(msgspec.Struct):
    access_token: Any = None
    expires_in: Any = None
    refresh_token: Any = None
    refresh_token_expires_in: Any = None
    error: Any = None


_DECODER: Final = msgspec.json.Decoder(_Answer)


class ClientCredentials:
    """Asks for tokens with the id and the secret of a confidential OAuth client.

    The tokens act for the user who made the client. ``timeout`` is in seconds; ``transport`` replaces the
    network in tests. No error holds a secret.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str,
        scope: str,
        *,
        timeout: float = _TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._timeout = timeout
        self._transport = transport
        self._body = msgspec.json.encode(
            {
                "grant_type": "client_credentials",
                "client_id": client_id,
                "client_secret": client_secret,
                "scope": scope,
                "expires_in": ASKED_SECONDS,
            }
        )

    async def ask(self) -> Granted:
        """Return a new token; those from before go on living.

        Raises CredentialsError when Zendesk refuses the client, RateLimitedError, and UnavailableError for
        everything that may pass.
        """
        where = self._base + TOKENS_PATH
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "ticketstream",
        }
        request = httpx.Request("POST", where, headers=headers, content=self._body)
        transport = self._transport or PooledTransport(self._base, 1)
        try:
            async with asyncio.timeout(self._timeout):
                response = await transport.handle_async_request(request)
                try:
                    body = await read_body(response, where)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise UnavailableError(f"no access token from {where} within {self._timeout:g} s") from None
        except (httpx.TransportError, httpx.DecodingError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise UnavailableError(f"no access token from {where}: {reason}") from None
        finally:
            if self._transport is None:
                await transport.aclose()
        return granted(response, body, where)


def granted(response: httpx.Response, body: bytes, where: str) -> Granted:
    """Return what an answer gives; raises the error it stands for."""
    status = response.status_code
    try:
        answer = _DECODER.decode(body)
    except UNREADABLE:
        answer = _Answer()
    if not 200 <= status < 300:
        raise _refusal(status, answer.error, where, read_heading(response.headers.raw).retry_after)
    token, refresh = _token(answer.access_token), _token(answer.refresh_token)
    if token is None:
        raise UnavailableError(f"{where} answered {status}, but without an access token")
    return Granted(token, _life(answer.expires_in), refresh, _life(answer.refresh_token_expires_in))


def _refusal(status: int, code: Any, where: str, retry_after: float | None) -> TicketstreamError:
    """Return the error of an answer. Only its code is quoted: the rest may repeat what was sent."""
    named = code if isinstance(code, str) and _CODE.fullmatch(code) else ""
    said = f"{where} answered {status}" + (f" ({named})" if named else "")
    if status == 429:
        return RateLimitedError(said, retry_after)
    if status >= 500 or 300 <= status < 400 or status in _PASSING:
        return UnavailableError(
            f"{said}: no access token for now; if it stays so, check {PREFIX}ZENDESK__SUBDOMAIN and "
            f"{PREFIX}ZENDESK__BASE_URL",
            retry_after,
        )
    if named == "invalid_grant":
        return GrantRefusedError(f"{said}: the code or refresh token is used up, revoked or has ended")
    if named == "unauthorized_client":
        mend = (
            f"the OAuth client may not use the grant client_credentials: it must be a confidential one "
            f"(Admin Center > Apps and integrations > APIs > OAuth clients), {PREFIX}ZENDESK__OAUTH_CLIENT_ID"
        )
    elif named == "invalid_scope":
        mend = f"the OAuth client does not allow the scope; check {PREFIX}ZENDESK__OAUTH_SCOPE"
    else:
        mend = (
            f"the OAuth client is not accepted; check {PREFIX}ZENDESK__OAUTH_CLIENT_ID and "
            f"{PREFIX}ZENDESK__OAUTH_CLIENT_SECRET, and that the client is still there"
        )
    return CredentialsError(f"{said}: {mend}")


async def read_body(response: httpx.Response, where: str) -> bytes:
    """Return the body of an answer; raises UnavailableError for one that is far too large."""
    parts = bytearray()
    async for chunk in response.aiter_bytes():
        parts += chunk
        if len(parts) > _LARGEST_BYTES:
            raise UnavailableError(f"{where} answered with something far too large for a token")
    return bytes(parts)


def _token(value: Any) -> str | None:
    """Return a token that a header can carry, or None; no log shows it from now on."""
    good = isinstance(value, str) and 0 < len(value) <= _LONGEST_TOKEN and value.isascii()
    if not good or not value.isprintable() or " " in value:
        return None
    keep_secret(value)
    return str(value)


def _life(value: Any) -> float | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _LONGEST_LIFE
    return float(value) if good else None
