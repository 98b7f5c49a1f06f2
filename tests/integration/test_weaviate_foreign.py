"""What is in the place of ours but is not ours is named and left alone; what was lost is made anew."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from weaviate.classes.config import Configure, DataType, Property
from weaviate_bench import FACTS, SIZE, chunk
from weaviate_fixture import WeaviateServer

from schemas.errors import UnavailableError, UserError
from schemas.ids import ALIAS
from streams.sinks.base import SinkItem
from streams.sinks.weaviate import read_collection_cleanup
from streams.sinks.weaviate.read_collection_cleanup import FormerCollection
from streams.sinks.weaviate.sink import WeaviateSink
from streams.sinks.weaviate.switch import delete_collection, read_instead
from streams.weaviate.client import WeaviateConnection, connect
from streams.weaviate.contents import Contents
from streams.weaviate.ownership import alias_target, named_target, require_own

OURS = "Tickets_f_16_c1_s2"
THEIRS = "Invoices"
ITEM = SinkItem(account="acme", ticket_id=1, facts=FACTS, upserts=[chunk(0, "a text")])
KEPT = {(each.visibility, each.content_hash) for each in ITEM.upserts}


@pytest.fixture
async def connection(locked_weaviate: WeaviateServer) -> AsyncIterator[WeaviateConnection]:
    """An empty Weaviate that makes collections by itself for what is written to it, as is its default."""
    async with await connect(locked_weaviate.settings) as connection:
        await empty(connection)
        yield connection
        await empty(connection)


async def empty(connection: WeaviateConnection) -> None:
    client = connection.client
    await client.alias.delete(alias_name=ALIAS)
    for name in await client.collections.list_all():
        await client.collections.delete(name)


async def theirs(connection: WeaviateConnection, name: str, **more: object) -> None:
    """Make somebody else's collection with an object that looks like a chunk of ticket 1."""
    made = await connection.client.collections.create(
        name,
        properties=[
            Property(name="ticket_id", data_type=DataType.INT),
            Property(name="visibility", data_type=DataType.TEXT),
            Property(name="content_hash", data_type=DataType.TEXT),
        ],
        vector_config=Configure.Vectors.self_provided(),
        **more,  # type: ignore[arg-type]
    )
    if more:
        await made.tenants.create("acme")
        made = made.with_tenant("acme")
    await made.data.insert({"ticket_id": 1, "visibility": "public", "content_hash": "x"}, vector=[1.0] * 16)


async def count(connection: WeaviateConnection, name: str, tenant: str = "") -> int | None:
    objects = connection.client.collections.use(name)
    reply = await (objects.with_tenant(tenant) if tenant else objects).aggregate.over_all(total_count=True)
    return reply.total_count


async def test_a_collection_in_the_place_of_the_alias(connection: WeaviateConnection) -> None:
    await theirs(connection, ALIAS)
    for attempt in (
        require_own(connection.client, OURS),
        named_target(connection.client),  # of a search
        WeaviateSink(connection, OURS, SIZE).setup(),
    ):
        with pytest.raises(UserError, match=r"collection Tickets was not made by .* delete it, or set "):
            await attempt
    assert await count(connection, ALIAS) == 1


async def test_an_alias_of_somebody_else_s_collection(
    connection: WeaviateConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_collection_cleanup, "_POLL_ALIAS_SECONDS", 0.0)
    multi = Configure.multi_tenancy(enabled=True)
    for name in (THEIRS, "Tickets_of_theirs"):
        await empty(connection)
        await theirs(connection, name, multi_tenancy_config=multi)
        await connection.client.alias.create(alias_name=ALIAS, target_collection=name)
        for attempt in (
            require_own(connection.client, OURS),
            WeaviateSink(connection, OURS, SIZE).setup(),
            FormerCollection(connection).clean(OURS, ITEM, KEPT),
            read_instead(connection, OURS),
        ):
            with pytest.raises(UserError, match=rf"alias Tickets stands for .* {name}, .* delete it"):
                await attempt
        with pytest.raises(UserError, match="not made by ticketstream"):
            await delete_collection(connection, name)
        assert await count(connection, name, "acme") == 1
        assert await alias_target(connection.client) == name


async def test_a_collection_of_our_name_with_another_schema(connection: WeaviateConnection) -> None:
    await theirs(connection, OURS, multi_tenancy_config=Configure.multi_tenancy(enabled=True))
    with pytest.raises(UserError, match=rf"{OURS} was not made .*no property chunk_index"):
        await WeaviateSink(connection, OURS, SIZE).setup()
    assert await count(connection, OURS, "acme") == 1


async def test_a_collection_of_vectors_of_another_size(connection: WeaviateConnection) -> None:
    await WeaviateSink(connection, OURS, SIZE).write([ITEM])
    with pytest.raises(UserError, match=r"its vectors have 16 numbers, not 8"):
        await WeaviateSink(connection, OURS, 8).setup()
    assert await count(connection, OURS, "acme") == 1


@pytest.mark.parametrize("lost", ["collection", "collection and alias", "tenant", "alias"])
async def test_what_is_deleted_while_a_worker_writes_is_made_anew(
    connection: WeaviateConnection, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_collection_cleanup, "_POLL_ALIAS_SECONDS", 0.0)
    client = connection.client
    sink, former = WeaviateSink(connection, OURS, SIZE), FormerCollection(connection)
    await sink.write([ITEM])
    if "collection" in lost:
        await client.collections.delete(OURS)
    if "alias" in lost:
        await client.alias.delete(alias_name=ALIAS)
    if lost == "tenant":
        await client.collections.use(OURS).tenants.remove(["acme"])
    for _ in range(3):
        try:
            await former.clean(OURS, ITEM, KEPT)
            await sink.write([ITEM])
            break
        except UnavailableError:
            continue
    assert [each.text async for each in Contents(connection).iterate_objects("acme")] == ["a text"]
    assert await alias_target(client) == OURS


async def test_an_alias_whose_collection_is_lost_moves_to_ours(connection: WeaviateConnection) -> None:
    older = "Tickets_f_16_c1"
    await WeaviateSink(connection, older, SIZE).write([ITEM])
    assert not await WeaviateSink(connection, OURS, SIZE).setup()
    await connection.client.collections.delete(older)
    assert await alias_target(connection.client) == older
    assert await WeaviateSink(connection, OURS, SIZE).setup()
