"""The topic that says that topics are being given more partitions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from schemas.topics import APP_ID

_MARKER: Final = re.compile(rf"{APP_ID}-scale-([1-9]\d{{0,3}})-to-([1-9]\d{{0,3}})")


def scale_marker(before: int, after: int) -> str:
    """Return the topic that exists for as long as a change of the number of partitions is not finished."""
    return f"{APP_ID}-scale-{before}-to-{after}"


def scale_under_way(topics: Iterable[str]) -> tuple[int, int] | None:
    """Return the numbers of partitions before and after a change that has begun and not ended."""
    found = (_MARKER.fullmatch(topic) for topic in topics)
    return next(((int(match[1]), int(match[2])) for match in found if match), None)
