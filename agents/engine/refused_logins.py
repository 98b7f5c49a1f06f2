"""Messages whose login was refused wait together until a person has mended it.

One of them tries again every few seconds, so that not hundreds knock at Zendesk; the others go on as soon as
it got through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

from agents.engine.places import place_given_up
from schemas.errors import CredentialsError

T = TypeVar("T")

AGAIN_SECONDS: Final = 5.0
_OTHERS_SECONDS: Final = 60.0
"""After so long the others try for themselves: the one that tries may be held up by something else."""


async def until_accepted(call: Callable[[], Awaitable[T]], told: Callable[[CredentialsError], None]) -> T:
    """Return what ``call`` returns, calling it again while the login is refused; ``told`` gets each error."""
    while True:
        try:
            return await call()
        except CredentialsError as error:
            told(error)
            await asyncio.sleep(AGAIN_SECONDS)


class RefusedLogins:
    """The messages of one stage that wait for their login; ``sleep`` waits so many seconds."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._sleep = sleep
        self._trying: object | None = None
        self._through = asyncio.Event()

    def tries(self, message: object) -> bool:
        """Return whether a message is the one that tries again; it becomes that one if there is none."""
        if self._trying is None:
            self._trying = message
        return self._trying is message

    async def wait(self, message: object) -> None:
        """Wait until it is worth while to try again with a message."""
        if self.tries(message):
            await self._sleep(AGAIN_SECONDS)
            return
        through = self._through
        async with place_given_up():
            with suppress(TimeoutError):
                async with asyncio.timeout(_OTHERS_SECONDS):
                    await through.wait()

    def over(self, message: object) -> None:
        """Note that a message waits no more, whatever became of it."""
        if self._trying is message:
            self._trying = None
            self._through.set()
            self._through = asyncio.Event()
