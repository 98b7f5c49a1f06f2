"""Whether what Weaviate holds under our names is ours: nothing else is ever written to or deleted from.

Ours is what has a name of ours *and* our schema. A collection of somebody else's may have such a name too.
"""

from __future__ import annotations

from typing import Any, Final

import weaviate
from weaviate.classes.config import DataType
from weaviate.exceptions import UnexpectedStatusCodeError

from schemas.errors import UserError
from schemas.ids import ALIAS, SCHEMA_VERSION, CollectionName, is_own_name
from schemas.settings.load import PREFIX
from streams.weaviate.failures import translated

# Of every release.
_PROPERTIES: Final = {
    "ticket_id": DataType.INT,
    "chunk_index": DataType.INT,
    "text": DataType.TEXT,
    "content_hash": DataType.TEXT,
    "visibility": DataType.TEXT,
}
_SINCE_2: Final = {"words": DataType.TEXT, "subject_words": DataType.TEXT}
WRITES_AGAIN: Final = (
    "`ticketstream replay --from embedded` writes it again while workers run, without a call to Zendesk or "
    "the embedding provider"
)
"""What mends a Weaviate that has lost something: an import would skip what was indexed once."""
_NAME: Final = "its name is none of ticketstream's"
_ELSEWHERE: Final = f"or set {PREFIX}WEAVIATE__HTTP_URL and {PREFIX}WEAVIATE__GRPC_URL to another Weaviate"


def foreign_because(name: str, config: Any) -> str:
    """Return what shows that a collection of a name of ours is not ours, ``""`` when nothing does."""
    parts = CollectionName.of(name)
    wanted = _PROPERTIES if parts is None or parts.schema < SCHEMA_VERSION else _PROPERTIES | _SINCE_2
    if not config.multi_tenancy_config.enabled:
        return "it has no tenants"
    kinds = {each.name: each.data_type for each in config.properties}
    for own, kind in wanted.items():
        if own not in kinds:
            return f"it has no property {own}"
        if kinds[own] != kind:
            return f"its property {own} is of the type {kinds[own].value}"
    return ""


def is_left_by_weaviate(config: Any) -> bool:
    """Say whether Weaviate has made a collection of its own accord, for a write to one that was just deleted.

    It has no tenants then, so nothing of ours is ever in it. Source of the words: the description that the
    auto-schema feature of 1.35 gives.
    """
    return not config.multi_tenancy_config.enabled and "auto-schema feature" in (config.description or "")


async def foreign_reason(client: weaviate.WeaviateAsyncClient, name: str) -> str:
    """Return why a collection is not ours, ``""`` when it is, or when there is none of the name."""
    if not is_own_name(name):
        return _NAME
    try:
        config = await client.collections.use(name).config.get()
    except UnexpectedStatusCodeError as error:
        if error.status_code == 404:
            return ""
        raise
    return "" if is_left_by_weaviate(config) else foreign_because(name, config)


def foreign_collection(name: str, reason: str) -> UserError:
    """Return the error of a collection that is in the place of ours."""
    return UserError(
        f"Weaviate's collection {name} was not made by ticketstream ({reason}), but has its name: "
        f"keep what it holds elsewhere and delete it, {_ELSEWHERE}"
    )


def foreign_alias(target: str, reason: str) -> UserError:
    """Return the error of an alias ``Tickets`` that stands for a collection of somebody else's."""
    return UserError(
        f"Weaviate's alias {ALIAS} stands for the collection {target}, which was not made by ticketstream "
        f"({reason}), and readers need the alias: delete it (its collection stays), {_ELSEWHERE}"
    )


async def alias_target(client: weaviate.WeaviateAsyncClient) -> str | None:
    """Return the collection readers read, None when nothing was ever set up."""
    alias = await client.alias.get(alias_name=ALIAS)
    return alias.collection if alias else None


async def require_own(client: weaviate.WeaviateAsyncClient, collection: str) -> None:
    """Raise UserError when the collection or what readers read is somebody else's; changes nothing.

    Raises CredentialsError and UnavailableError too.
    """
    with translated("looking whose collections there are"):
        if reason := await foreign_reason(client, collection):
            raise foreign_collection(collection, reason)
        await own_target(client)


async def named_target(client: weaviate.WeaviateAsyncClient) -> str | None:
    """Return the collection behind the alias, None without an alias; it may be lost.

    Raises UserError when its name is not ours, or when a collection is in the alias's place.
    """
    target = await alias_target(client)
    if target is None:
        await _require_free_alias(client)
    elif not is_own_name(target):
        raise foreign_alias(target, _NAME)
    return target


async def held_target(client: weaviate.WeaviateAsyncClient) -> str | None:
    """Return the collection behind the alias, None without an alias.

    Raises UserError when it is lost, or when something that is not ours is in the alias's place.
    """
    target = await own_target(client)
    if target is not None and not await client.collections.exists(target):
        raise UserError(f"Weaviate has lost the collection {target}, which searches read: {WRITES_AGAIN}")
    return target


async def own_target(client: weaviate.WeaviateAsyncClient) -> str | None:
    """Return the collection behind the alias, None without an alias; the collection may be lost.

    Raises UserError when something that is not ours is in the alias's place.
    """
    target = await alias_target(client)
    if target is not None:
        if reason := await foreign_reason(client, target):
            raise foreign_alias(target, reason)
    else:
        await _require_free_alias(client)
    return target


async def _require_free_alias(client: weaviate.WeaviateAsyncClient) -> None:
    """Raise UserError when a collection has the name of the alias, which is not there."""
    if await client.collections.exists(ALIAS):
        raise foreign_collection(ALIAS, "ticketstream's is an alias")
