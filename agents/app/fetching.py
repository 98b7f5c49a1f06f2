"""How fetches of a consumer wait: for company when there is much, for the first byte when there is little."""

from __future__ import annotations

from typing import Any, Final

FETCH_WAIT_MS: Final = 50
FETCH_MIN_BYTES: Final = 64 * 1024
"""With less, the broker waits up to FETCH_WAIT_MS: a busy worker asks less often, for more at once."""
_IDLE_WAIT_MS: Final = 250
"""The longest wait of a fetch: a partition that is resumed meanwhile is fetched only after it."""


def fit_waits(fetcher: Any) -> None:
    """Have a fetch wait for company after a full one, and only for the first byte after an empty one.

    ``fetcher`` is aiokafka's. Each further empty one may last twice as long, up to _IDLE_WAIT_MS.
    """
    ask = fetcher._proc_fetch_request

    async def noted(*request: Any) -> Any:
        found = await ask(*request)
        if found:
            fetcher._fetch_max_wait_ms, fetcher._fetch_min_bytes = FETCH_WAIT_MS, FETCH_MIN_BYTES
        elif fetcher._fetch_min_bytes > 1:
            fetcher._fetch_min_bytes = 1
        else:
            fetcher._fetch_max_wait_ms = min(2 * fetcher._fetch_max_wait_ms, _IDLE_WAIT_MS)
        return found

    fetcher._proc_fetch_request = noted
