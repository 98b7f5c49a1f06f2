"""``POST /oauth/tokens``: a code or a refresh token for a pair.

Sources: Zendesk's API reference, "OAuth Tokens for Grant Types"; developer.zendesk.com, "Working with OAuth
refresh tokens" and "Using PKCE to make Zendesk OAuth access tokens more secure".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

import httpx
import msgspec

from schemas.errors import UnavailableError
from streams.sources.zendesk.tokens import ASKED_SECONDS, TOKENS_PATH, Granted, granted, read_body
from streams.sources.zendesk.transport import PooledTransport

REFRESH_SECONDS: Final = 30 * 24 * 3600
"""The life of a refresh token by Zendesk's own default, for an answer that names none."""


class NotSentError(UnavailableError):
    """The request never left, so what it holds was not used."""


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
        and CredentialsError for the client.
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
        content = msgspec.json.encode(asked | self._client | {"expires_in": ASKED_SECONDS})
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
        request = httpx.Request("POST", self._base + TOKENS_PATH, headers=headers, content=body())
        where = self._base + TOKENS_PATH
        transport = self._transport or PooledTransport(self._base, 1)
        try:
            async with asyncio.timeout(self._timeout):
                response = await transport.handle_async_request(request)
                try:
                    body_read = await read_body(response, where)
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
        return granted(response, body_read, where)
