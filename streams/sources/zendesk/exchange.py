"""One request to Zendesk: its login, its size limit, its status, and what its headers say of the quotas."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

import httpx

from schemas.errors import RateLimitedError, RefusedError, UnavailableError
from streams.limits import QuotaShare
from streams.sources.zendesk.login import Login
from streams.sources.zendesk.responses import (
    AnswerTooLargeError,
    Heading,
    LoginRefusedError,
    error_of,
    read_heading,
)

Endpoint = Literal[
    "export", "events", "comments", "users", "organizations", "groups", "me", "tickets", "count", "audits"
]
OnCall = Callable[[Endpoint, int, float], None]
"""Told of each attempt its endpoint, HTTP status (0: no answer), and seconds."""

INCREMENTAL: Final = frozenset(("export", "events"))
"""The endpoints below ``/incremental/``, which have a limit of their own."""
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
_HEADERS: Final = 3
"""Headers a call tries in a row: the second may have been outdated by another process while it was sent."""


class LoginAwayError(UnavailableError):
    """There is no login for now: it says nothing of what was to be asked."""


class Exchange:
    """Sends requests with the login's header, and tells the limits what the service answers.

    ``timeout`` is in seconds for a whole request; ``calls`` counts all of them.
    """

    def __init__(
        self,
        base: str,
        login: Login,
        transport: httpx.AsyncBaseTransport,
        *,
        general: QuotaShare,
        incremental: QuotaShare,
        timeout: float,
        on_call: OnCall | None,
    ) -> None:
        self.calls = 0
        self._base = base
        self._login = login
        self._transport = transport
        self._general = general
        self._incremental = incremental
        self._timeout = timeout
        self._on_call = on_call
        self._in_flight = 0
        self._headers = httpx.Headers()
        self._accepted = ""

    async def get(
        self, target: str, endpoint: Endpoint, sent: Callable[[], None] = lambda: None
    ) -> tuple[Heading, bytes]:
        """Return head and body of a success, and raise the error of anything else.

        A 401 asks the login for another header; ``sent`` is told of each call.
        """
        headers = 0
        while True:
            with _login_away():
                authorization = await self._login.authorization()
            headers += 1
            sent()
            try:
                return await self._send(target, endpoint, authorization)
            except LoginRefusedError:
                self._accepted = ""
                with _login_away():
                    renewed = await self._login.refused(authorization)
                # The place in the quota is kept: a call that was not let in used nothing of it.
                if not renewed or headers >= _HEADERS:
                    raise

    async def _send(self, target: str, endpoint: Endpoint, authorization: str) -> tuple[Heading, bytes]:
        """Send one request; returns head and body of a success, and raises the error of anything else."""
        self.calls += 1
        self._in_flight += 1
        status = 0
        started = time.perf_counter()
        try:
            # One time-out for all of it: httpx's own are set up anew for every read.
            async with asyncio.timeout(self._timeout):
                response = await self._transport.handle_async_request(
                    httpx.Request("GET", self._base + target, headers=self._headers_with(authorization))
                )
                try:
                    status = response.status_code
                    heading = read_heading(response.headers.raw)
                    body = await self._read(response, heading, target)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise UnavailableError(
                f"Zendesk did not answer {name_of(target)} within {self._timeout:g} s"
            ) from None
        except (httpx.TransportError, httpx.DecodingError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise UnavailableError(
                f"no whole answer from {self._base} to {name_of(target)}: {reason}"
            ) from error
        finally:
            self._in_flight -= 1
            seconds = time.perf_counter() - started
            if self._on_call is not None:
                self._on_call(endpoint, status, seconds)
        if status != 429:
            self._general.answered()
        self._observe(heading, seconds)
        failure = error_of(status, heading, body, name_of(target), self._login.variables)
        # An error of the server may come from before anybody has looked at the login.
        let_in = failure is None or isinstance(failure, RefusedError)
        if let_in and authorization is not self._accepted:
            self._accepted = authorization
            self._login.accepted(authorization)
        if failure is None:
            return heading, body
        if isinstance(failure, RateLimitedError):
            self._hold_back(failure, endpoint, heading)
        raise failure

    def _headers_with(self, authorization: str) -> httpx.Headers:
        """Return the headers of a request; they are made once for each login header."""
        if self._headers.get("Authorization") != authorization:
            self._headers = httpx.Headers(
                {
                    "Authorization": authorization,
                    "Accept": "application/json",
                    "Accept-Encoding": "gzip, deflate",
                    "User-Agent": "ticketstream",
                }
            )
        return self._headers

    async def _read(self, response: httpx.Response, heading: Heading, target: str) -> bytes:
        """Return the body; raises AnswerTooLargeError, and never holds more than the limit."""
        parts = []
        size = 0
        chunks = response.aiter_bytes() if heading.encoded else response.stream
        if not hasattr(chunks, "__aiter__"):
            raise TypeError("the transport answered with a synchronous stream")
        async for chunk in chunks:
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                limit = MAX_ANSWER_BYTES // 2**20
                raise AnswerTooLargeError(f"Zendesk's answer to {name_of(target)} is over {limit} MiB")
            parts.append(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _observe(self, heading: Heading, seconds: float) -> None:
        if heading.remaining is not None and heading.reset is not None:
            self._general.observe(heading.remaining, heading.reset, in_flight=self._in_flight, age=seconds)
        if heading.incremental_remaining is not None and heading.incremental_reset is not None:
            self._incremental.observe(heading.incremental_remaining, heading.incremental_reset)

    def _hold_back(self, error: RateLimitedError, endpoint: Endpoint, heading: Heading) -> None:
        """Hold back everybody who shares the limit that said no, not only this call."""
        # The general limit answers in plain text, that of the incremental exports in JSON.
        own = endpoint in INCREMENTAL and heading.content_type == "application/json"
        (self._incremental if own else self._general).refused(error.retry_after)


@contextmanager
def _login_away() -> Iterator[None]:
    try:
        yield
    except UnavailableError as error:
        raise LoginAwayError(str(error), error.retry_after) from error


def name_of(target: str) -> str:
    """Return how a call is named in errors: without its query."""
    return "GET " + target.partition("?")[0]
