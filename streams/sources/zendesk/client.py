"""Zendesk's API over HTTP: for every attempt rate token → request → size limit → status → limits → decode."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Generic, NamedTuple, Protocol, Self, TypeVar

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
from streams.sources.zendesk.exchange import INCREMENTAL, Endpoint, Exchange, LoginAwayError, OnCall, name_of
from streams.sources.zendesk.login import Login
from streams.sources.zendesk.responses import (
    HTML,
    ScopeError,
    page_instead,
)
from streams.sources.zendesk.rights import FORBIDDEN, Rights, RightsRefusedError
from streams.sources.zendesk.standing import LoginStanding
from streams.sources.zendesk.transport import PooledTransport
from streams.sources.zendesk.troubles import Case, Troubles

T = TypeVar("T")
Read = TypeVar("Read", covariant=True)

OnRetry = Callable[[Endpoint, RetryableError, int, float], None]
"""Told of each retry its endpoint, the error, the attempt that failed, and the seconds until the next."""


class Reads(Protocol[Read]):
    """Reads the body of an answer."""

    def decode(self, body: bytes, /) -> Read:
        """Return what it says; raises an error of UNREADABLE for another answer than the one expected."""


_DISPENSABLE: Final = frozenset(("audits",))
"""What a ticket is indexed without, where the login's scope does not cover it."""


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
        self.troubles = Troubles()
        self._good: dict[str, tuple[str, Reads[Any]]] = {}
        self._standing = LoginStanding(self._ask_who, refused_seconds=refused_seconds)
        self.general = general
        self.incremental = incremental
        self.login = login
        self._closes_login = closes_login
        self._retry = retry
        self._on_retry = on_retry
        base = base_url.rstrip("/")
        self._transport = transport or PooledTransport(base, connections)
        self._exchange = Exchange(
            base,
            login,
            self._transport,
            general=general,
            incremental=incremental,
            timeout=timeout,
            on_call=on_call,
        )
        self._rights = Rights(self._exchange, login, general, self._standing, self._good)

    @property
    def calls(self) -> int:
        """All attempts."""
        return self._exchange.calls

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
                heading, body = await self._exchange.get(target, endpoint, sent)
            except ScopeError as error:
                if endpoint in _DISPENSABLE:
                    raise quoting(RefusedError(str(error), FORBIDDEN), error.quoted) from None
                raise
            except RefusedError as error:
                if error.status != FORBIDDEN:
                    raise
                await self._rights.weigh(endpoint, target, error)
                raise
            try:
                return decoder.decode(body)
            except UNREADABLE as error:
                if heading.content_type == HTML:
                    raise UnavailableError(page_instead(200, name_of(target))) from None
                message = f"Zendesk answered 200 to {name_of(target)}, but with no such JSON ({error})"
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
            self._rights.granted(endpoint)
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
            _, body = await self._exchange.get(target, endpoint)
            decoder.decode(body)
        except (TicketstreamError, *UNREADABLE) as error:
            if not isinstance(error, RefusedError):  # a ticket that is gone meanwhile is an answer
                return
        self.troubles.went_well(endpoint)

    async def _ask_who(self) -> None:
        await whoami(self)

    def _note_refused(self, endpoint: Endpoint, error: CredentialsError) -> None:
        if isinstance(error, RightsRefusedError):
            self.troubles.rights_refused(endpoint, str(error))
            return
        self._standing.refused(error)
        self.troubles.login_refused(str(error))
