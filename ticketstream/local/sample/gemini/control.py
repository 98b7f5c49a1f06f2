"""The control side of a running sample Gemini, for tests and the demo."""

from __future__ import annotations

from typing import Self

import httpx
import msgspec

from ticketstream.local.sample.gemini.messages import Fault, FaultKind, Limits, Stats


class SampleGeminiControl:
    """Reads statistics and switches faults and limits. Use as ``async with``, or call ``close``.

    Every method raises httpx.HTTPError when the server is not there or refuses.
    """

    def __init__(self, base_url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = httpx.AsyncClient(base_url=self.base_url, transport=transport, timeout=10)

    async def healthy(self) -> bool:
        """Return whether the server answers and is ready."""
        try:
            return (await self._http.get("/_sample/health")).is_success
        except httpx.TransportError:
            return False

    async def stats(self) -> Stats:
        """Return the counts since the start or the last reset."""
        answer = (await self._http.get("/_sample/stats")).raise_for_status()
        return msgspec.json.decode(answer.content, type=Stats)

    async def reset_stats(self) -> None:
        """Count from zero."""
        (await self._http.post("/_sample/stats/reset")).raise_for_status()

    async def add_fault(
        self,
        kind: FaultKind,
        *,
        times: int | None = None,
        containing: str = "",
        retry_after: float | None = None,
        slow_seconds: float = 1.0,
    ) -> None:
        """Put a fault in force (see Fault)."""
        fault = Fault(
            kind=kind,
            times=times,
            containing=containing,
            retry_after=retry_after,
            slow_seconds=slow_seconds,
        )
        (await self._http.post("/_sample/faults", content=msgspec.json.encode(fault))).raise_for_status()

    async def clear_faults(self) -> None:
        """Remove all faults."""
        (await self._http.delete("/_sample/faults")).raise_for_status()

    async def set_limits(self, limits: Limits) -> None:
        """Replace the limits and begin a new minute."""
        (await self._http.post("/_sample/limits", content=msgspec.json.encode(limits))).raise_for_status()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
