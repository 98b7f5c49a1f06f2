"""The collection behind the alias ``Tickets``: its properties, its index and its alias."""

from __future__ import annotations

import re
from typing import Final

import weaviate
from weaviate.classes.config import Configure, DataType, Property, Tokenization, VectorDistances
from weaviate.exceptions import UnexpectedStatusCodeError

from schemas.errors import RefusedError
from schemas.ids import ALIAS, SCHEMA_VERSION, CollectionName
from streams.weaviate.failures import translated
from streams.weaviate.ownership import (
    foreign_because,
    foreign_collection,
    is_left_by_weaviate,
    own_target,
)

# Source: Weaviate's answer to a tenant it refuses.
_TENANT: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

_WORDS: Final = ("words", "subject_words")
_WORDS_OF_OLD: Final = ("text", "subject")


def searched_in(collection: str) -> tuple[str, str]:
    """Return the properties that keyword search reads in a collection: of the text, and of the subject."""
    return _WORDS if is_of_this_schema(collection) else _WORDS_OF_OLD


def is_of_this_schema(collection: str) -> bool:
    """Say whether a collection, or the alias, has all the properties that are written now."""
    parts = CollectionName.of(collection)
    return parts is None or parts.schema >= SCHEMA_VERSION


FILTERED: Final = (
    *("visibility", "status", "priority", "requester", "assignee", "organization", "group"),
    *("ticket_id", "merged_into", "tags", "created_at", "updated_at"),
)
"""Properties a reader may filter by; the others have no index, which makes writing cheaper."""


def tenant_of(account: str) -> str:
    """Return the tenant of an account: its own name. Raises RefusedError when Weaviate takes no such name."""
    if _TENANT.fullmatch(account):
        return account
    raise RefusedError(
        f"the account {account!r} cannot be a tenant in Weaviate: "
        "a tenant is 1 to 64 letters, digits, hyphens and underscores"
    )


def properties() -> list[Property]:
    """Return the properties of a chunk."""
    return [
        _number("ticket_id"),
        _number("chunk_index"),
        _exact("text"),
        _searched("words"),
        _exact("content_hash"),
        _exact("visibility"),
        _exact("subject"),
        _searched("subject_words"),
        _exact("status"),
        _exact("priority"),
        _exact("tags", DataType.TEXT_ARRAY),
        _exact("requester"),
        _exact("assignee"),
        _exact("organization"),
        _exact("group"),
        _date("created_at"),
        _date("updated_at"),
        _number("merged_into"),
    ]


def _number(name: str) -> Property:
    return Property(name=name, data_type=DataType.INT, index_filterable=name in FILTERED)


def _date(name: str) -> Property:
    return Property(name=name, data_type=DataType.DATE, index_filterable=name in FILTERED)


def _searched(name: str) -> Property:
    # What streams.transforms.words makes of a text: words with blanks between.
    return Property(
        name=name,
        data_type=DataType.TEXT,
        tokenization=Tokenization.LOWERCASE,
        index_searchable=True,
        index_filterable=False,
    )


def _exact(name: str, kind: DataType = DataType.TEXT) -> Property:
    return Property(
        name=name,
        data_type=kind,
        tokenization=Tokenization.FIELD,
        index_searchable=False,
        index_filterable=name in FILTERED,
    )


async def ensure_collection(client: weaviate.WeaviateAsyncClient, name: str) -> bool:
    """Make the collection unless it exists; return whether it was made. Several workers may do so at once.

    Raises UserError when a collection of that name is not ours.
    """
    made = False
    with translated(f"making the collection {name}"):
        if not await client.collections.exists(name):
            try:
                await _create(client, name)
                made = True
            except UnexpectedStatusCodeError:
                if not await client.collections.exists(name):  # otherwise another worker was faster
                    raise
        if is_left_by_weaviate(await client.collections.use(name).config.get()):
            await _make_anew(client, name)
            made = True
        config = await client.collections.use(name).config.get()
    if reason := foreign_because(name, config):
        raise foreign_collection(name, reason)
    return made


async def _make_anew(client: weaviate.WeaviateAsyncClient, name: str) -> None:
    """Make a collection in place of the empty one that Weaviate has made of a write to one just deleted."""
    objects = client.collections.use(name)
    held = (await objects.aggregate.over_all(total_count=True)).total_count
    # Looked at once more right before: another worker may have made it anew meanwhile.
    if not held and is_left_by_weaviate(await objects.config.get()):
        await client.collections.delete(name)
    try:
        await _create(client, name)
    except UnexpectedStatusCodeError:
        if not await client.collections.exists(name):  # otherwise another worker was faster
            raise


async def _create(client: weaviate.WeaviateAsyncClient, name: str) -> None:
    await client.collections.create(
        name,
        description="Chunks of support tickets",
        properties=properties(),
        vector_config=Configure.Vectors.self_provided(
            vector_index_config=Configure.VectorIndex.hnsw(
                distance_metric=VectorDistances.COSINE,
                # Half of Weaviate's defaults: a vector is added or replaced for about a third less work.
                ef_construction=64,
                max_connections=16,
                quantizer=Configure.VectorIndex.Quantizer.rq(bits=8),
            )
        ),
        inverted_index_config=Configure.inverted_index(
            index_null_state=False, index_property_length=False, index_timestamps=False
        ),
        multi_tenancy_config=Configure.multi_tenancy(
            enabled=True, auto_tenant_creation=True, auto_tenant_activation=True
        ),
    )


async def ensure_alias(client: weaviate.WeaviateAsyncClient, name: str) -> bool:
    """Point the alias at the collection unless there is an alias; return whether it points there.

    An alias that exists is never moved, for readers switch to a new collection when it is complete; only one
    whose collection is lost is. Raises UserError when a collection that is not ours is in the alias's place,
    or behind it.
    """
    with translated(f"making the alias {ALIAS}"):
        target = await own_target(client)
        if target is None:
            try:
                await client.alias.create(alias_name=ALIAS, target_collection=name)
            except UnexpectedStatusCodeError:
                if await own_target(client) is None:  # otherwise another worker was faster
                    raise
            target = await own_target(client)
        elif target != name and not await client.collections.exists(target):
            await client.alias.update(alias_name=ALIAS, new_target_collection=name)
            target = await own_target(client)
    return target == name


async def move_alias(client: weaviate.WeaviateAsyncClient, name: str) -> None:
    """Point the alias at another collection; readers change over with their next call."""
    with translated(f"switching {ALIAS} to {name}"):
        await client.alias.update(alias_name=ALIAS, new_target_collection=name)
