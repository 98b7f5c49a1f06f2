"""Whether Weaviate is there, takes the login, and has what readers read."""

from __future__ import annotations

from schemas.errors import RetryableError, UserError
from schemas.ids import ALIAS, collection_name
from schemas.settings.load import Settings
from streams.transforms.chunking import CHUNKER_VERSION
from streams.weaviate.client import WeaviateConnection, connect
from streams.weaviate.contents import Contents
from streams.weaviate.failures import translated
from streams.weaviate.ownership import WRITES_AGAIN, own_target, require_own
from streams.weaviate.size import require_size, stored_size
from ticketstream.operations.checks.finding import Finding


async def check_weaviate(settings: Settings) -> list[Finding]:
    """Connect both ways; raises SettingsError, CredentialsError, UserError and UnavailableError."""
    async with await connect(settings) as connection:
        version = (await connection.client.get_meta()).get("version", "of unknown version")
        place = await _place(settings, connection)
    return [
        Finding("weaviate", "ok", f"{version} answers at {settings.weaviate_http_url}, gRPC too"),
        place,
    ]


async def require_own_place(settings: Settings) -> None:
    """Raise UserError when Weaviate has something of somebody else's where the workers would write.

    A Weaviate that is away is no error here: the workers wait for it.
    """
    try:
        async with await connect(settings) as connection:
            mine = _collection(settings)
            await require_own(connection.client, mine)
            if await connection.client.collections.exists(mine):
                await require_size(connection, mine, settings.embedding_dimensions)
    except RetryableError:
        return


def _collection(settings: Settings) -> str:
    return collection_name(settings.embedding_model, settings.embedding_dimensions, CHUNKER_VERSION)


async def _place(settings: Settings, connection: WeaviateConnection) -> Finding:
    """Return how what readers read stands."""
    mine = _collection(settings)
    try:
        await require_own(connection.client, mine)
    except UserError as error:
        what, _, mend = str(error).partition(": ")
        return Finding("collection", "fail", what, mend)
    with translated("looking for the collection"):
        target = await own_target(connection.client)
        is_there = target is not None and await connection.client.collections.exists(target)
    if target is None:
        return Finding(
            "collection",
            "warn",
            f"there is no {ALIAS} yet",
            f"nothing: the first worker makes it; if it was lost, {WRITES_AGAIN}",
        )
    if not is_there:
        return Finding("collection", "fail", f"{ALIAS} stands for {target}, which is lost", WRITES_AGAIN)
    if target != mine:
        return Finding(
            "collection",
            "warn",
            f"{ALIAS} stands for {target}, this release and its settings write {mine}",
            "run `ticketstream replay --from enriched`: it fills the new one, then searches are switched",
        )
    account = settings.zendesk.subdomain
    if account is None:  # of which another line tells
        return Finding("collection", "ok", f"{ALIAS} stands for {mine}")
    size = await stored_size(connection, mine, account)
    if size not in (None, settings.embedding_dimensions):
        return Finding(
            "collection",
            "fail",
            f"{mine} holds vectors of {size} numbers",
            "delete it: the workers make it anew, and `ticketstream replay --from enriched` fills it",
        )
    if not await Contents(connection, mine).count_objects(account):
        return Finding(
            "collection",
            "warn",
            f"{ALIAS} stands for {mine}, which holds nothing of the account",
            f"run `ticketstream import`; if it was imported before, {WRITES_AGAIN}",
        )
    return Finding("collection", "ok", f"{ALIAS} stands for {mine}")
