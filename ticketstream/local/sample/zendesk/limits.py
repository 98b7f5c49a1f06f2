"""Zendesk's request limits: fixed windows of a minute, for the account and for some endpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final, Literal

BucketName = Literal["general", "incremental", "deleted"]
DELETED_PER_MINUTE: Final = 10
ENDPOINT_HEADER: Final = {
    "incremental": b"zendesk-ratelimit-incremental-exports",
    "deleted": b"zendesk-ratelimit-deleted-tickets",
}


class Bucket:
    """A count of calls that starts again at every window."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.breaches = 0
        self._window = -1

    def enter(self, window: int) -> None:
        """Start again when a new window has begun."""
        if window != self._window:
            self._window, self.used = window, 0


class Limits:
    """All buckets of the account. A "minute" lasts ``60 / time_scale`` seconds.

    A call to an endpoint with a bucket of its own counts in that bucket and in the account's. A
    refused call counts in neither.
    """

    def __init__(
        self,
        requests_per_minute: int,
        incremental_requests_per_minute: int,
        *,
        time_scale: float = 1.0,
        enabled: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.enabled = enabled
        self.window_seconds = 60.0 / time_scale
        self.buckets: dict[BucketName, Bucket] = {
            "general": Bucket(requests_per_minute),
            "incremental": Bucket(incremental_requests_per_minute),
            "deleted": Bucket(DELETED_PER_MINUTE),
        }
        self._clock = clock
        self._start = clock()

    def take(self, name: BucketName) -> tuple[BucketName | None, list[tuple[bytes, bytes]]]:
        """Count a call. Returns the bucket that refuses it, or None; and the headers of the answer."""
        elapsed = self._clock() - self._start
        window = int(elapsed // self.window_seconds)
        general = self.buckets["general"]
        general.enter(window)
        own = None if name == "general" else self.buckets[name]
        if own is not None:
            own.enter(window)
        refused: BucketName | None = None
        if self.enabled:
            if general.used >= general.limit:
                refused = "general"
            elif own is not None and own.used >= own.limit:
                refused = name
        if refused is None:
            general.used += 1
            if own is not None:
                own.used += 1
        else:
            self.buckets[refused].breaches += 1
        reset = self._seconds((window + 1) * self.window_seconds - elapsed)
        remaining = b"%d" % max(0, general.limit - general.used)
        limit = b"%d" % general.limit
        headers = [
            (b"x-rate-limit", limit),
            (b"x-rate-limit-remaining", remaining),
            (b"ratelimit-limit", limit),
            (b"ratelimit-remaining", remaining),
            (b"ratelimit-reset", reset),
        ]
        if own is not None:
            left = b"%d" % max(0, own.limit - own.used)
            headers.append(
                (ENDPOINT_HEADER[name], b"total=%d; remaining=%b; resets=%b" % (own.limit, left, reset))
            )
        if refused is not None:
            headers.append((b"retry-after", reset))
        return refused, headers

    def change(
        self,
        requests_per_minute: int | None = None,
        incremental_requests_per_minute: int | None = None,
        time_scale: float | None = None,
        enabled: bool | None = None,
    ) -> None:
        """Change what is given; a new window begins at once."""
        if requests_per_minute is not None:
            self.buckets["general"].limit = requests_per_minute
        if incremental_requests_per_minute is not None:
            self.buckets["incremental"].limit = incremental_requests_per_minute
        if time_scale is not None:
            self.window_seconds = 60.0 / time_scale
        if enabled is not None:
            self.enabled = enabled
        self._start = self._clock()
        for bucket in self.buckets.values():
            bucket.enter(-1)

    def as_dict(self) -> dict[str, object]:
        """Return limits, breaches and what is used of the last window a call came in."""
        buckets: dict[str, object] = {
            name: {"limit": bucket.limit, "used": bucket.used, "breaches": bucket.breaches}
            for name, bucket in self.buckets.items()
        }
        return {"enabled": self.enabled, "window_seconds": self.window_seconds, **buckets}

    def _seconds(self, seconds: float) -> bytes:
        """Whole seconds as Zendesk sends them; milliseconds where a "minute" is only a few seconds long.

        Always rounded up, so that a caller who waits this long is in the next window.
        """
        if self.window_seconds >= 30:
            return b"%d" % math.ceil(seconds)
        return b"%.3f" % (math.ceil(seconds * 1000 + 1) / 1000)
