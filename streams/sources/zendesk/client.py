"""Zendesk's API over HTTP: for every attempt rate token → request → size limit → status → limits → decode."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Final, Generic, Literal, NamedTuple, Protocol, Self, TypeVar

import httpx

from schemas.errors import (
    CredentialsError,
    RateLimitedError,
    RefusedError,
    RetryableError,
    TicketstreamError,
    UnavailableError,
    quoting,
)
from schemas.lanes import Lane
from schemas.outside import UNREADABLE
from streams.limits import QuotaShare
from streams.retries import FOREVER, RetryPolicy, retrying
from streams.sources.zendesk.check import whoami
from streams.sources.zendesk.login import Login
from streams.sources.zendesk.responses import (
    HTML,
    AnswerTooLargeError,
    Heading,
    LoginRefusedError,
    ScopeError,
    error_of,
    page_instead,
    read_heading,
)
from streams.sources.zendesk.standing import LoginStanding
from streams.sources.zendesk.transport import PooledTransport
from streams.sources.zendesk.troubles import Case, Troubles

T = TypeVar("T")
Read = TypeVar("Read", covariant=True)

Endpoint = Literal[
    "export", "events", "comments", "users", "organizations", "groups", "me", "tickets", "count", "audits"
]
OnCall = Callable[[Endpoint, int, float], None]
"""Told of each attempt its endpoint, HTTP status (0: no answer), and seconds."""
OnRetry = Callable[[Endpoint, RetryableError, int, float], None]
"""Told of each retry its endpoint, the error, the attempt that failed, and the seconds until the next."""

INCREMENTAL: Final = frozenset(("export", "events"))
"""The endpoints below ``/incremental/``, which have a limit of their own."""
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
_HEADERS: Final = 3
"""Headers a call tries in a row: the second may have been outdated by another process while it was sent."""


class LoginAwayError(UnavailableError):
    """There is no login for now: it says nothing of what was to be asked."""


class Reads(Protocol[Read]):
    """Reads the body of an answer."""

    def decode(self, body: bytes, /) -> Read:
        """Return what it says; raises an error of UNREADABLE for another answer than the one expected."""


_FORBIDDEN: Final = 403
_OF_TICKETS: Final = frozenset(("comments", "tickets"))
"""Where a ticket is lost that is refused; what else is refused can be done without."""
_DISPENSABLE: Final = frozenset(("audits",))
"""What a ticket is indexed without, where the login's scope does not cover it."""
_FEW: Final = 3


class RightsRefusedError(CredentialsError):
    """The login is good, but may make no call of this kind."""


class StrangeAnswerError(UnavailableError):
    """A success that cannot be read. It may pass; if it never does, the fault is of what was asked for."""


class Answer(NamedTuple, Generic[T]):
    """What was asked for, and the number of calls it took."""

    value: T
    calls: int


class ZendeskClient:
    """Reads Zendesk's API.

    ``general`` is the account's request limit, ``incremental`` that of ``/incremental/*``; a call of
    the latter kind draws from both, as Zendesk counts it twice. ``timeout`` is in seconds for a whole
    attempt. ``connections`` bounds the calls in flight. ``transport`` replaces the network in tests.
    ``closes_login`` is off where others use the login too. ``refused_seconds`` is for how long no further
    call is made when the login has been refused: they fail alike, at once.
    ``calls`` counts all attempts. ``troubles`` tells what has kept failing, and whether the login is refused.
    """

    def __init__(
        self,
        base_url: str,
        login: Login,
        *,
        general: QuotaShare,
        incremental: QuotaShare,
        retry: RetryPolicy = FOREVER,
        timeout: float = 60.0,
        connections: int = 256,
        on_call: OnCall | None = None,
        on_retry: OnRetry | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        closes_login: bool = True,
        refused_seconds: float = 0.0,
    ) -> None:
        self.calls = 0
        self.troubles = Troubles()
        self._forbidden: dict[str, set[str]] = {}
        self._kinds: dict[str, LoginStanding] = {}
        self._good: dict[str, tuple[str, Reads[Any]]] = {}
        self._standing = LoginStanding(self._ask_who, refused_seconds=refused_seconds)
        self.general = general
        self.incremental = incremental
        self._base = base_url.rstrip("/")
        self.login = login
        self._closes_login = closes_login
        self._retry = retry
        self._timeout = timeout
        self._in_flight = 0
        self._on_call = on_call
        self._on_retry = on_retry
        self._transport = transport or PooledTransport(self._base, connections)
        self._headers = httpx.Headers()
        self._accepted = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections, and the login where it is this client's."""
        if self._closes_login:
            await self.login.aclose()
        await self._transport.aclose()

    async def get(
        self,
        path: str | Callable[[], str],
        decoder: Reads[T],
        endpoint: Endpoint,
        *,
        lane: Lane = "live",
        patience: int | None = None,
    ) -> Answer[T]:
        """Return the decoded answer to GET ``path`` (with its query, already quoted).

        A callable path is asked for once, when the first attempt may go out: what is still to be
        gathered for the call can be gathered while it waits for its turn. ``patience`` is after how many
        failures (429 is none) what can be done without is taken for refused; None: it is waited for.

        Retries what can succeed later, for as long as the policy allows: 408, 409, 429, 5xx, redirects,
        time-outs, connection errors, cut-off answers, and successes that are a page or not the JSON expected.
        What keeps failing while other calls to the endpoint succeed is refused in the end (see
        streams.sources.zendesk.troubles). A 403 has ``/users/me`` asked whether the login is good. A 401 asks
        the login for another header, and the call goes on with it at once.

        Raises CredentialsError (401, a 403 for a login that is refused, a 403 of the export, which is for
        administrators only), RefusedError (404 and other 4xx, 403 for this one thing, what keeps failing),
        AnswerTooLargeError (over 64 MiB), and the last RetryableError when a bounded policy gives up.
        """
        target = ""
        calls = 0
        case: Case | None = None

        def sent() -> None:
            nonlocal calls
            calls += 1

        async def once() -> T:
            nonlocal target, calls
            if endpoint in INCREMENTAL:
                await self.incremental.acquire(lane=lane)
            await self.general.acquire(lane=lane)
            target = target or (path if isinstance(path, str) else path())
            try:
                heading, body = await self._exchange(target, endpoint, sent)
            except ScopeError as error:
                if endpoint in _DISPENSABLE:
                    raise quoting(RefusedError(str(error), _FORBIDDEN), error.quoted) from None
                raise
            except RefusedError as error:
                if error.status != _FORBIDDEN:
                    raise
                await self._ask_whether_login(endpoint, target, error)
                raise
            try:
                return decoder.decode(body)
            except UNREADABLE as error:
                if heading.content_type == HTML:
                    raise UnavailableError(page_instead(200, _name(target))) from None
                message = f"Zendesk answered 200 to {_name(target)}, but with no such JSON ({error})"
                raise quoting(StrangeAnswerError(message), str(error)) from None

        async def attempt() -> T:
            nonlocal case
            self._standing.hold_back()
            try:
                value = await once()
            except RateLimitedError:
                raise
            except LoginAwayError as error:
                self.troubles.login_away(str(error), error.retry_after or 0.0)
                raise
            except UnavailableError as error:
                case = case or self.troubles.case(endpoint)
                if patience is None:
                    self.troubles.failed(endpoint, str(error), error.retry_after or 0.0)
                case.failed(strange=isinstance(error, StrangeAnswerError))
                if patience is not None and case.tries >= patience:
                    raise quoting(RefusedError(f"{error}; it is not waited for"), error.quoted) from None
                if not case.is_due:
                    raise
                if case.is_its_own:
                    self.troubles.answered(endpoint)
                    words = f"{error}; {case.tries} times, while others of its kind were answered"
                    raise quoting(RefusedError(words, 200), error.quoted) from None
                case.weigh_anew()
                await self._ask_for_another(endpoint, lane)
                raise
            except CredentialsError as error:
                self._note_refused(endpoint, error)
                raise
            except RefusedError:
                self.troubles.answered(endpoint)
                raise
            self.troubles.went_well(endpoint)
            self._standing.accepted()
            self._good[endpoint] = target, decoder
            if self._forbidden:
                self._forbidden.pop(endpoint, None)
            return value

        def told(error: RetryableError, failed: int, wait: float) -> None:
            if self._on_retry is not None:
                self._on_retry(endpoint, error, failed, wait)

        return Answer(await retrying(attempt, self._retry, on_retry=told), calls)

    async def _ask_for_another(self, endpoint: Endpoint, lane: Lane) -> None:
        """Ask once more for what was answered last of a kind: on a quiet account nobody else does.

        An answer counts at the next try. Now it would not tell one thing's fault from an outage that has
        ended since the last try.
        """
        if endpoint not in self._good:
            return
        target, decoder = self._good[endpoint]
        if endpoint in INCREMENTAL:
            await self.incremental.acquire(lane=lane)
        await self.general.acquire(lane=lane)
        try:
            _, body = await self._exchange(target, endpoint)
            decoder.decode(body)
        except (TicketstreamError, *UNREADABLE) as error:
            if not isinstance(error, RefusedError):  # a ticket that is gone meanwhile is an answer
                return
        self.troubles.went_well(endpoint)

    async def _ask_who(self) -> None:
        await whoami(self)

    async def _ask_whether_login(self, endpoint: Endpoint, target: str, error: RefusedError) -> None:
        """Return when only this one thing is refused; raises CredentialsError when the login is."""
        if endpoint == "me":
            raise CredentialsError(
                f"{error}: the login may do nothing; check {self.login.variables}, and whether its user is "
                "suspended"
            ) from error
        try:
            await self._standing.check()
        except RefusedError as refused:  # an address that answers, but knows no /users/me
            raise UnavailableError(
                f"{error}, and whether the login is good cannot be told: {refused}"
            ) from None
        if endpoint == "export":
            raise RightsRefusedError(
                f"{error}: the login may not read the export; {self.login.variables} must belong to an "
                "administrator (the incremental export is for administrators only)"
            ) from error
        if endpoint in _OF_TICKETS and await self._refused_to_all(endpoint, target):
            raise RightsRefusedError(
                f"{error}: the login may not read this of any ticket; the rights and the scope of "
                f"{self.login.variables} must be an administrator's"
            ) from error

    async def _refused_to_all(self, endpoint: Endpoint, target: str) -> bool:
        """Say whether all things of a kind are refused: what was answered last is asked for once more.

        Where nothing was yet, the first few are taken for the only ones.
        """
        if endpoint not in self._good:
            self._forbidden.setdefault(endpoint, set()).add(target)
            return len(self._forbidden[endpoint]) > _FEW
        standing = self._kinds.get(endpoint)
        if standing is None:
            standing = self._kinds[endpoint] = LoginStanding(partial(self._ask_again, endpoint), seconds=10.0)
        try:
            await standing.check()
        except CredentialsError:
            return True
        return False

    async def _ask_again(self, endpoint: Endpoint) -> None:
        """Ask for what was answered last of a kind; raises CredentialsError for a 403 now."""
        target, _ = self._good[endpoint]
        await self.general.acquire(lane="live")
        try:
            await self._exchange(target, endpoint)
        except RefusedError as error:
            if error.status == _FORBIDDEN:
                raise CredentialsError(str(error)) from error

    def _note_refused(self, endpoint: Endpoint, error: CredentialsError) -> None:
        if isinstance(error, RightsRefusedError):
            self.troubles.rights_refused(endpoint, str(error))
            return
        self._standing.refused(error)
        self.troubles.login_refused(str(error))

    async def _exchange(
        self, target: str, endpoint: Endpoint, sent: Callable[[], None] = lambda: None
    ) -> tuple[Heading, bytes]:
        """Return head and body of a success, and raise the error of anything else.

        A 401 asks the login for another header; ``sent`` is told of each call.
        """
        headers = 0
        while True:
            with _login_away():
                authorization = await self.login.authorization()
            headers += 1
            sent()
            try:
                return await self._send(target, endpoint, authorization)
            except LoginRefusedError:
                self._accepted = ""
                with _login_away():
                    renewed = await self.login.refused(authorization)
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
                f"Zendesk did not answer {_name(target)} within {self._timeout:g} s"
            ) from None
        except (httpx.TransportError, httpx.DecodingError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise UnavailableError(
                f"no whole answer from {self._base} to {_name(target)}: {reason}"
            ) from error
        finally:
            self._in_flight -= 1
            seconds = time.perf_counter() - started
            if self._on_call is not None:
                self._on_call(endpoint, status, seconds)
        if status != 429:
            self.general.answered()
        self._observe(heading, seconds)
        failure = error_of(status, heading, body, _name(target), self.login.variables)
        # An error of the server may come from before anybody has looked at the login.
        let_in = failure is None or isinstance(failure, RefusedError)
        if let_in and authorization is not self._accepted:
            self._accepted = authorization
            self.login.accepted(authorization)
        if failure is None:
            return heading, body
        if isinstance(failure, RateLimitedError):
            self._refused(failure, endpoint, heading)
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
                raise AnswerTooLargeError(f"Zendesk's answer to {_name(target)} is over {limit} MiB")
            parts.append(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _observe(self, heading: Heading, seconds: float) -> None:
        if heading.remaining is not None and heading.reset is not None:
            self.general.observe(heading.remaining, heading.reset, in_flight=self._in_flight, age=seconds)
        if heading.incremental_remaining is not None and heading.incremental_reset is not None:
            self.incremental.observe(heading.incremental_remaining, heading.incremental_reset)

    def _refused(self, error: RateLimitedError, endpoint: Endpoint, heading: Heading) -> None:
        """Hold back everybody who shares the limit that said no, not only this call."""
        # The general limit answers in plain text, that of the incremental exports in JSON.
        own = endpoint in INCREMENTAL and heading.content_type == "application/json"
        (self.incremental if own else self.general).refused(error.retry_after)


@contextmanager
def _login_away() -> Iterator[None]:
    try:
        yield
    except UnavailableError as error:
        raise LoginAwayError(str(error), error.retry_after) from error


def _name(target: str) -> str:
    return "GET " + target.partition("?")[0]
