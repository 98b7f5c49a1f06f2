"""Two collections side by side: what a ticket lost goes from the one that is read, and which is whole."""

from __future__ import annotations

import pytest
from weaviate_bench import Bench, bench, chunk
from weaviate_fixture import weaviate_settings

from schemas.errors import RefusedError
from schemas.ids import Visibility
from streams.sinks.base import SinkItem
from streams.sinks.weaviate import read_collection_cleanup
from streams.sinks.weaviate.read_collection_cleanup import FormerCollection
from streams.sinks.weaviate.sink import WeaviateSink
from streams.sinks.weaviate.switch import check_complete, delete_collection

__all__ = ["bench", "weaviate_settings"]
OTHER = "Tickets_test_another"


def former(monkeypatch: pytest.MonkeyPatch, bench: Bench, target: str | None) -> FormerCollection:
    """Return what looks after the former collection, with the alias pointing where the test says."""

    async def own_target(client: object) -> str | None:
        return target

    async def ensure_alias(client: object, name: str) -> bool:
        assert target is None
        return True

    monkeypatch.setattr(read_collection_cleanup, "own_target", own_target)
    monkeypatch.setattr(read_collection_cleanup, "ensure_alias", ensure_alias)
    return FormerCollection(bench.connection)


def kept_of(item: SinkItem) -> set[tuple[Visibility, str]]:
    return {(each.visibility, each.content_hash) for each in item.upserts}


async def test_only_what_a_ticket_still_has_stays(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.sink.write(
        [
            bench.item(1, chunk(0, "kept"), chunk(1, "redacted"), chunk(0, "made public", "internal")),
            bench.item(2, chunk(0, "redacted")),
            bench.item(3, chunk(0, "deleted"), chunk(0, "with notes", "internal")),
        ]
    )
    looks = former(monkeypatch, bench, bench.collection)
    # What moved to the other visibility is gone here, and comes back with the new collection.
    now = bench.item(1, chunk(0, "new"), chunk(1, "kept"), chunk(2, "made public"))
    assert await looks.clean(OTHER, now, kept_of(now)) == 2
    assert await looks.clean(OTHER, bench.item(3, removed=True), set()) == 2
    never = bench.item(9, chunk(0, "never there"))
    assert await looks.clean(OTHER, never, kept_of(never)) == 0
    nobodys = bench.item(1, account="acct-without-anything", removed=True)
    assert await looks.clean(OTHER, nobodys, set()) == 0
    assert await bench.held() == {(1, "public", 0): "kept", (2, "public", 0): "redacted"}


@pytest.mark.parametrize("target", [None, OTHER, "Tickets_test_deleted_meanwhile"])
async def test_nothing_is_touched_where_readers_read_it_or_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, target: str | None
) -> None:
    await bench.sink.write([bench.item(1, chunk(0, "kept"))])
    assert await former(monkeypatch, bench, target).clean(OTHER, bench.item(1, removed=True), set()) == 0
    assert await bench.held() == {(1, "public", 0): "kept"}


async def test_a_collection_is_whole_when_it_lacks_no_ticket(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.sinks.weaviate.switch._PAUSE_SECONDS", 0.01)
    name = f"{bench.collection}_next"
    following = WeaviateSink(bench.connection, name, 16)
    await bench.sink.write([bench.item(1, chunk(0, "a")), bench.item(2, chunk(0, "b"))])
    await bench.sink.write([bench.item(5, chunk(0, "c"), account="another")])
    try:
        await following.write([bench.item(1, chunk(0, "a")), bench.item(3, chunk(0, "new"))])
        await following.write([bench.item(5, chunk(0, "c"), account="another")])
        with pytest.raises(RefusedError, match=r"lacks 1 of the tickets .*#2"):
            await check_complete(bench.connection, bench.collection, name)
        await following.write([bench.item(2, chunk(0, "b"))])
        await check_complete(bench.connection, bench.collection, name)
        await bench.sink.write([bench.item(6, chunk(0, "d"), account="another")])
        with pytest.raises(RefusedError, match="another"):
            await check_complete(bench.connection, bench.collection, name)
    finally:
        await delete_collection(bench.connection, name)
    assert not await bench.connection.client.collections.exists(name)
