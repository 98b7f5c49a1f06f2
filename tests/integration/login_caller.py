"""A process that calls Zendesk all the time with the login of its settings: ``python -m login_caller``.

Writes a line for each call: ``ok SECONDS`` or ``failed WHY``.
"""

from __future__ import annotations

import asyncio
import signal
import time

from schemas.errors import TicketstreamError
from schemas.settings.load import load_settings
from streams.limits import QuotaShare
from streams.logins.build import login_for
from streams.sources.zendesk.check import whoami
from streams.sources.zendesk.client import ZendeskClient

AT_ONCE = 4
PAUSE_SECONDS = 0.04


async def main() -> None:
    settings = load_settings()
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    unlimited = QuotaShare.whole(1e9)
    client = ZendeskClient(
        settings.zendesk_url, login_for(settings), general=unlimited, incremental=unlimited
    )

    async def calls() -> None:
        while not ending.is_set():
            began = time.monotonic()
            try:
                await whoami(client)
            except TicketstreamError as error:
                print(f"failed {error}", flush=True)
            else:
                print(f"ok {time.monotonic() - began:.3f}", flush=True)
            await asyncio.sleep(PAUSE_SECONDS)

    async with client:
        await asyncio.gather(*(calls() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main())
