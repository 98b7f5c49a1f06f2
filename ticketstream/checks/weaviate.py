"""Whether Weaviate is there, takes the login, and has what readers read."""

from __future__ import annotations

from schemas.ids import ALIAS, collection_name
from schemas.settings import Settings
from streams.sinks.weaviate.client import connect
from streams.sinks.weaviate.collection import alias_target
from streams.sinks.weaviate.failures import translated
from streams.transforms.chunking import CHUNKER_VERSION
from ticketstream.checks.finding import Finding


async def check_weaviate(settings: Settings) -> list[Finding]:
    """Connect both ways; raises SettingsError, CredentialsError, UserError and UnavailableError."""
    async with await connect(settings) as connection:
        version = (await connection.client.get_meta()).get("version", "of unknown version")
        with translated("looking for the collection"):
            target = await alias_target(connection.client)
    found = [Finding("weaviate", "ok", f"{version} answers at {settings.weaviate_http_url}, gRPC too")]
    mine = collection_name(settings.embedding_model, settings.embedding_dimensions, CHUNKER_VERSION)
    if target is None:
        found.append(
            Finding(
                "collection",
                "warn",
                f"there is no {ALIAS} yet",
                "nothing: the first worker makes it",
            )
        )
    elif target != mine:
        found.append(
            Finding(
                "collection",
                "warn",
                f"{ALIAS} stands for {target}, the settings' embedding model writes {mine}",
                "run `ticketstream replay --from enriched`: it fills the new one, then searches are switched",
            )
        )
    else:
        found.append(Finding("collection", "ok", f"{ALIAS} stands for {mine}"))
    return found
