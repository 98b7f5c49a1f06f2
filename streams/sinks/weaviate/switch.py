"""Switches readers to a collection that has been filled beside the one they read."""

from __future__ import annotations

import asyncio
from typing import Final

from schemas.errors import RefusedError
from schemas.ids import ALIAS
from streams.weaviate.client import WeaviateConnection
from streams.weaviate.contents import Contents
from streams.weaviate.failures import translated
from streams.weaviate.ownership import foreign_collection, foreign_reason, own_target

_LOOKS: Final = 5
_PAUSE_SECONDS: Final = 1.0


async def read_instead(connection: WeaviateConnection, collection: str) -> str:
    """Return the collection that readers read instead of the given one; ``""`` when they read that.

    Raises UserError when something that is not ours is in the place of ``Tickets``.
    """
    with translated(f"looking for the collection behind {ALIAS}"):
        target = await own_target(connection.client)
    return "" if target is None or target == collection else target


async def delete_collection(connection: WeaviateConnection, name: str) -> None:
    """Delete a collection with all it holds. Raises UserError when it is not ours."""
    with translated(f"deleting {name}"):
        if reason := await foreign_reason(connection.client, name):
            raise foreign_collection(name, reason)
        await connection.client.collections.delete(name)


async def check_complete(connection: WeaviateConnection, former: str, collection: str) -> None:
    """Raise RefusedError when a collection lacks a ticket, of any account, that another one has."""
    with translated(f"listing the accounts of {former}"):
        accounts = sorted(await connection.client.collections.use(former).tenants.get())
    for account in accounts:
        missing = await _missing(connection, former, collection, account)
        if missing:
            shown = ", ".join(f"#{number}" for number in sorted(missing)[:5])
            raise RefusedError(
                f"searches still read {former}: {collection} lacks {len(missing):,} of the tickets of "
                f"{account} ({shown}{' …' if len(missing) > 5 else ''}); dead letters may say why, and all "
                "workers must have the same embedding settings"
            )


async def _missing(connection: WeaviateConnection, former: str, collection: str, account: str) -> set[int]:
    """Return the tickets of an account that only the former collection holds.

    A ticket that is deleted between the two looks is no missing one: it is not there at the next look.
    """
    missing: set[int] = set()
    for look in range(_LOOKS):
        if look:
            await asyncio.sleep(_PAUSE_SECONDS)
        before = await Contents(connection, former).ticket_ids(account)
        after = await Contents(connection, collection).ticket_ids(account)
        missing = before - after
        if not missing:
            break
    return missing
