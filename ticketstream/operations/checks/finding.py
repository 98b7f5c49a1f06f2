"""What a check found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import msgspec

from schemas.errors import TicketstreamError

Verdict = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True):
    """One line of the report: what was looked at, how it is, and what to do where it is not well."""

    check: str
    verdict: Verdict
    message: str
    todo: str = ""


Check = Callable[[], Awaitable[Sequence[Finding]]]


async def run_check(name: str, check: Check, *, timeout: float) -> list[Finding]:
    """Return the findings of a check; whatever it raises, or its silence, is a finding too.

    ``timeout`` is in seconds.
    """
    try:
        async with asyncio.timeout(timeout):
            return list(await check())
    except TimeoutError:
        return [Finding(name, "fail", f"no answer within {timeout:g} s", "is it running and reachable?")]
    except TicketstreamError as error:
        return [Finding(name, "fail", str(error))]
    except Exception as error:  # a check that breaks must not hide the others
        return [Finding(name, "fail", f"the check broke: {type(error).__name__}: {error}")]
