"""Runs calls side by side, and leaves none behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


async def gather_all(calls: Iterable[Awaitable[T]]) -> list[T]:
    """Return the results in order. When one fails, the others still end before its error is raised.

    A write that went on after its batch was given up could overtake a newer one.
    """
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield the items in slices of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


async def gather_both(first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
    """Return both results; like gather_all when one fails."""
    one, other = await asyncio.gather(first, second, return_exceptions=True)
    if isinstance(one, BaseException):
        raise one
    if isinstance(other, BaseException):
        raise other
    return one, other
