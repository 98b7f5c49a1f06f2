"""``python -m benchmarks.watching ADDRESS COUNT``: a crowd of watchers of ``serve``.

It reads the API key, says ``connected``, and after another line how many overviews the watcher with the
fewest has got since.
"""

from __future__ import annotations

import asyncio
import sys

import websockets


async def watch(address: str, key: str, count: int) -> None:
    """Watch with so many connections until a line is read."""
    url = address.replace("http", "ws", 1) + "/api/v1/live"
    got = [0] * count
    sockets = [
        await websockets.connect(url, additional_headers={"Authorization": f"Bearer {key}"}, compression=None)
        for _ in range(count)
    ]

    async def hear(number: int) -> None:
        async for message in sockets[number]:
            got[number] += '"type":"overview"' in str(message)[:30]

    hearing = [asyncio.create_task(hear(number)) for number in range(count)]
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(min(got), flush=True)
    for task in hearing:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(watch(sys.argv[1], sys.stdin.readline().strip(), int(sys.argv[2])))
