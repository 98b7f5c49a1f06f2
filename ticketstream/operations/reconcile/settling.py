"""Waits until the workers have done what was there to do."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from schemas.settings.load import Settings
from schemas.stages import BETWEEN, ENRICH
from streams.kafka.committed import CommittedOffsets
from streams.kafka.group_members import active_workers

_POLL_ACKNOWLEDGED_SECONDS: Final = 0.3
_LOOK_FOR_WORKERS_SECONDS: Final = 5.0


async def settled(settings: Settings) -> bool:
    """Wait until what is on the pipeline's topics now has been acknowledged, so is in Weaviate.

    Returns False when no worker is there to do it. Raises UnavailableError.
    """
    async with CommittedOffsets(settings.cluster) as watermarks:
        looked = -_LOOK_FOR_WORKERS_SECONDS
        # In the order of the pipeline: what a stage has acknowledged is on the next topic, or handed on to
        # its ticket's new partition, so that it is on the first once more.
        for topic in (*(topic for topic in ENRICH.reads for _ in range(2)), *BETWEEN):
            ends = await watermarks.ends(topic)
            while True:
                if time.monotonic() - looked > _LOOK_FOR_WORKERS_SECONDS:
                    if not await active_workers(settings.cluster):
                        return False
                    looked = time.monotonic()
                if not ends or await watermarks.passed(ends):
                    break
                await asyncio.sleep(_POLL_ACKNOWLEDGED_SECONDS)
    return True
