"""Whether the services the pipeline stands on answer: looked at now and then, in the background."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog

from schemas.errors import RateLimitedError, TicketstreamError
from schemas.ids import ALIAS
from schemas.settings.load import Settings
from streams.search.searcher import Searcher
from streams.weaviate.contents import Contents
from streams.weaviate.failures import translated
from streams.weaviate.ownership import held_target
from ticketstream.operations.checks.login import login_document
from ticketstream.operations.checks.zendesk import LoginCheck

WEAVIATE_SECONDS: Final = 5.0
ZENDESK_SECONDS: Final = 60.0
"""Each look at Zendesk is a call of the account's quota."""
_AWAY_SECONDS: Final = 5.0
_ZENDESK_AWAY_SECONDS: Final = 15.0
_LIMIT_SECONDS: Final = 4.0
_NOT_YET: Final = "it has not been looked at yet"


class Services:
    """Weaviate, and Zendesk where an account is connected; ``run`` keeps it up to date.

    ``reasons`` holds each service that is looked at, with why it is not ready, or None. ``chunks`` is
    how many of the account's chunks are in Weaviate, None where it does not tell. ``login`` is that of the
    whole process.
    """

    def __init__(self, settings: Settings, searcher: Searcher) -> None:
        self.chunks: int | None = None
        self.reasons: dict[str, str | None] = {"weaviate": _NOT_YET}
        self._settings = settings
        self._searcher = searcher
        self.login = LoginCheck(settings)
        if settings.zendesk.has_login:
            self.reasons["zendesk"] = _NOT_YET

    @property
    def away(self) -> Mapping[str, str]:
        """The services that do not answer, and why; one that has not been looked at is none of them."""
        return {name: why for name, why in self.reasons.items() if why is not None and why != _NOT_YET}

    def login_state(self) -> dict[str, Any] | None:
        """Return grant and end of Zendesk's login, and what to do when that is near; None while unknown."""
        status = self.login.status
        return None if status is None else login_document(status, time.time())

    async def run(self) -> None:
        """Look for ever."""
        async with self.login, asyncio.TaskGroup() as group:
            weaviate = self._watch("weaviate", self._weaviate, WEAVIATE_SECONDS, _AWAY_SECONDS)
            group.create_task(weaviate)
            if "zendesk" in self.reasons:
                zendesk = self._watch("zendesk", self._zendesk, ZENDESK_SECONDS, _ZENDESK_AWAY_SECONDS)
                group.create_task(zendesk)

    async def _watch(self, name: str, check: Callable[[], Awaitable[Any]], well: float, away: float) -> None:
        log = structlog.get_logger()
        while True:
            try:
                async with asyncio.timeout(_LIMIT_SECONDS):
                    await check()
                reason = None
            except TimeoutError:
                reason = f"no answer within {_LIMIT_SECONDS:g} s"
            except TicketstreamError as error:
                reason = str(error)
            except Exception as error:  # or nobody would look again
                log.exception("a service cannot be looked at", service=name)
                reason = f"the check broke ({type(error).__name__}): see the server's log"
            if reason is not None and reason != self.reasons[name]:
                log.warning("a service is away", service=name, reason=reason)
            self.reasons[name] = reason
            await asyncio.sleep(well if reason is None else away)

    async def _weaviate(self) -> None:
        try:
            connection = await self._searcher.connection()
            with translated("looking for the collection"):
                collection = await held_target(connection.client) or ALIAS
            self.chunks = await Contents(connection, collection).count_objects(self._settings.account)
        except BaseException:
            self.chunks = None
            raise

    async def _zendesk(self) -> None:
        try:
            await self.login.ask(attempts=1, timeout=_LIMIT_SECONDS)
        except RateLimitedError:
            return  # it answers
