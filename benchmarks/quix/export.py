"""Puts the account's export on a topic: ``python -m benchmarks.quix.export``."""

from __future__ import annotations

import time

import msgspec
import uvloop
from quixstreams import Application

from benchmarks.account_reader import AccountReader
from benchmarks.http_clients import Aiohttp
from benchmarks.quix.protocol import TOPIC, Exported, Place, this_place


async def run(place: Place) -> Exported:
    """Read all pages and produce each ticket under its key."""
    app = Application(broker_address=place.bootstrap_servers, loglevel="WARNING")
    topic = app.topic(TOPIC, value_serializer="bytes", key_serializer="bytes")
    headers = {"Authorization": place.authorization}
    tickets, began = 0, time.time()
    async with Aiohttp(place.zendesk_url, headers, 1) as http:
        reader = AccountReader(http, place.account)
        with app.get_producer() as producer:
            async for page in reader.export():
                tickets += len(page)
                for ticket in page:
                    key = f"{place.account}:{ticket.id}".encode()
                    producer.produce(topic=topic.name, key=key, value=msgspec.json.encode(ticket))
    return Exported(began=began, tickets=tickets, calls=reader.calls)


if __name__ == "__main__":
    print(msgspec.json.encode(uvloop.run(run(this_place()))).decode(), flush=True)
