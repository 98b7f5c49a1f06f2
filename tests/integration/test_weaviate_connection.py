"""A Weaviate that is away, locked, something else, or another collection's."""

from __future__ import annotations

import asyncio
import time
import uuid

import numpy as np
import pytest
from weaviate_bench import FACTS, SIZE, chunk, vector_of
from weaviate_fixture import WeaviateServer, settings_for

from schemas.errors import CredentialsError, SettingsError, UnavailableError, UserError
from schemas.ids import ALIAS
from schemas.settings.load import Settings
from streams.search.hybrid import Search
from streams.sinks.base import SinkItem, SinkResult
from streams.sinks.weaviate.sink import WeaviateSink
from streams.weaviate.client import WeaviateConnection, connect
from streams.weaviate.contents import Contents
from streams.weaviate.stored_vectors import StoredVectors
from ticketstream.local.stack.ports import free_ports


async def test_alias_is_made_once_and_never_moved(locked_weaviate: WeaviateServer) -> None:
    async with await connect(locked_weaviate.settings) as connection:
        await connection.client.alias.delete(alias_name=ALIAS)
        first = WeaviateSink(connection, "Tickets_a_16_c1", SIZE)
        second = WeaviateSink(connection, "Tickets_b_16_c1", SIZE)
        search = Search(connection)
        with pytest.raises(UserError, match="nothing of account acme"):
            await search.search("acme", "words", vector_of("words"), limit=3)
        assert await first.setup()
        assert not await second.setup()
        assert await first.setup()
        for sink, text in ((first, "seen by readers"), (second, "still being built")):
            await sink.write([SinkItem(account="acme", ticket_id=1, facts=FACTS, upserts=[chunk(0, text)])])
        hits = await search.search("acme", "words", vector_of("words"), limit=3)
        assert [hit.text for hit in hits] == ["seen by readers"]
        assert await Contents(connection).count_objects("acme") == 1
        with pytest.raises(UserError, match="Tickets_a_16_c1"):
            await search.search("acme", "words", np.ones(SIZE + 1, np.float32), limit=3)
        await connection.client.alias.update(alias_name=ALIAS, new_target_collection="Tickets_b_16_c1")
        hits = await search.search("acme", "words", vector_of("words"), limit=3)
        assert [hit.text for hit in hits] == ["still being built"]
        assert not await first.setup()


async def test_wrong_key_is_a_matter_of_the_login(locked_weaviate: WeaviateServer) -> None:
    async with await connect(locked_weaviate.settings) as connection:
        await WeaviateSink(connection, "Tickets_k_16_c1", SIZE).setup()
    for key in (None, "wrong-key"):
        settings = settings_for(locked_weaviate.http_url, locked_weaviate.grpc_url, key)
        with pytest.raises(CredentialsError, match="TICKETSTREAM_WEAVIATE__API_KEY") as refused:
            await connect(settings)
        assert "wrong-key" not in str(refused.value)


class KeyTakenAway(WeaviateConnection):
    """A connection that was opened with its key, and whose calls the server then refuses."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._metadata = (("authorization", "Bearer wrong-key"),)


async def test_key_taken_away_later(locked_weaviate: WeaviateServer) -> None:
    item = SinkItem(account="acme", ticket_id=1, facts=FACTS, upserts=[chunk(0, "a")])
    async with await connect(locked_weaviate.settings) as connection:
        await WeaviateSink(connection, "Tickets_k_16_c1", SIZE).write([item])
    refused = KeyTakenAway(locked_weaviate.settings)
    await refused.open()
    async with refused:
        with pytest.raises(CredentialsError, match="TICKETSTREAM_WEAVIATE__API_KEY"):
            await WeaviateSink(refused, "Tickets_k_16_c1", SIZE).write([item])
        with pytest.raises(CredentialsError, match="TICKETSTREAM_WEAVIATE__API_KEY"):
            await Search(refused).search("acme", "a", vector_of("a"), limit=1)


async def test_weaviate_away_and_back(locked_weaviate: WeaviateServer) -> None:
    async with await connect(locked_weaviate.settings) as connection:
        sink = WeaviateSink(connection, "Tickets_w_16_c1", SIZE)
        item = SinkItem(account="acme", ticket_id=1, facts=FACTS, upserts=[chunk(0, "a")])
        await sink.write([item])
        locked_weaviate.stop()
        started = time.monotonic()
        for _ in range(2):
            with pytest.raises(UnavailableError):
                await sink.write([item])
        with pytest.raises(UnavailableError):
            await Search(connection).search("acme", "a", vector_of("a"), limit=1)
        with pytest.raises(UnavailableError):
            await StoredVectors(connection).stored_vectors("Tickets_w_16_c1", "acme", [uuid.uuid4()])
        with pytest.raises(UnavailableError, match="TICKETSTREAM_WEAVIATE__HTTP_URL"):
            await connect(locked_weaviate.settings)
        assert time.monotonic() - started < 10
        locked_weaviate.start()
        deadline = time.monotonic() + 30
        while True:
            try:
                assert await sink.write([item]) == [SinkResult(vectors_written=1)]
                break
            except UnavailableError:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
        assert await Contents(connection, "Tickets_w_16_c1").count_objects("acme") == 1


async def test_wrong_addresses_are_named(locked_weaviate: WeaviateServer) -> None:
    http_url, grpc_url = locked_weaviate.http_url, locked_weaviate.grpc_url
    (free,) = free_ports(1)
    for http, grpc, error, said in (
        (http_url, f"grpc://127.0.0.1:{free}", UnavailableError, "does not answer .*__GRPC_URL"),
        (f"http://127.0.0.1:{free}", grpc_url, UnavailableError, "does not answer .*__HTTP_URL"),
        (http_url, http_url.replace("http:", "grpc:"), SettingsError, "the same address"),
        (f"{http_url}/path", grpc_url, SettingsError, "__HTTP_URL is no address"),
    ):
        with pytest.raises(error, match=said):
            await connect(settings_for(http, grpc, "right-key"))


async def test_something_else_at_the_address(locked_weaviate: WeaviateServer) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UserError, match="is not Weaviate"):
            await connect(settings_for(f"http://127.0.0.1:{port}", locked_weaviate.grpc_url))
