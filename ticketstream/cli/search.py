"""``ticketstream search``: tickets by meaning and by words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from ticketstream.cli.output import JsonOption, out, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from schemas.settings import Settings
    from schemas.vectors import Vector
    from streams.sinks.weaviate.client import WeaviateConnection
    from streams.sinks.weaviate.search import Hit

_PASSAGE_CHARACTERS = 240
_SUBJECT_CHARACTERS = 80
_QUERY_CHARACTERS = 4_000
_ATTEMPTS = 3


def register(app: typer.Typer) -> None:
    """Add the command ``search``."""
    app.command()(search)


def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to look for, in your own words.")],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most this many tickets.")] = 10,
    status: Annotated[str | None, typer.Option(help="Only tickets of this status, such as open.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only tickets with this tag.")] = None,
    public_only: Annotated[bool, typer.Option("--public-only", help="Leave internal notes out.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find tickets by meaning and by words, the best first, each with the passage that fits best."""
    from schemas.errors import UserError
    from schemas.settings import load_settings
    from ticketstream.cli.running import run_async

    if not text.strip():
        raise UserError("there is nothing to search for: give some words")
    settings = load_settings()
    hits = run_async(find(settings, text, limit=limit, status=status, tag=tag, public_only=public_only))
    if as_json:
        print_json([plain_hit(hit) for hit in hits])
    else:
        print_hits(hits, text)


async def find(
    settings: Settings,
    text: str,
    *,
    limit: int,
    status: str | None = None,
    tag: str | None = None,
    public_only: bool = False,
) -> Sequence[Hit]:
    """Return the tickets that answer a text, best first.

    The question is embedded with the model of the collection that readers read, whatever the settings name.
    Raises UserError when nothing was imported or that model is not to be had, SettingsError,
    CredentialsError, UnavailableError, RateLimitedError and RefusedError.
    """
    from schemas.ids import ALIAS
    from streams.embeddings.behind import settings_behind
    from streams.sinks.weaviate.client import connect
    from streams.sinks.weaviate.search import Search

    account = settings.account
    async with await connect(settings) as connection:
        # The collection itself, not its alias: should that be switched meanwhile, the question would have
        # the vector of another model.
        collection = await _read_collection(connection)
        if collection != ALIAS:
            settings = settings_behind(settings, collection)
        vector = await query_vector(settings, text[:_QUERY_CHARACTERS])
        return await Search(connection, collection).search(
            account, text, vector, limit=limit, status=status, tag=tag, public_only=public_only
        )


async def _read_collection(connection: WeaviateConnection) -> str:
    """Return the collection readers read, the alias's own name when it stands for none yet."""
    from schemas.ids import ALIAS
    from streams.sinks.weaviate.collection import alias_target
    from streams.sinks.weaviate.failures import translated

    with translated("looking for the collection"):
        return await alias_target(connection.client) or ALIAS


async def query_vector(settings: Settings, text: str) -> Vector:
    """Return the vector of a question, from the provider the settings name; raises what ``find`` does."""
    from streams.embeddings.build import build_provider
    from streams.retries import RetryPolicy, retrying

    provider = build_provider(settings, timeout=20)
    try:
        vectors = await retrying(lambda: provider.embed([text], "query"), RetryPolicy(attempts=_ATTEMPTS))
    finally:
        await provider.close()
    vector: Vector = vectors[0]
    return vector


def plain_hit(hit: Hit) -> dict[str, Any]:
    """Return a hit as ``--json`` shows it."""
    import msgspec

    plain: dict[str, Any] = msgspec.structs.asdict(hit)
    return plain


def print_hits(hits: Sequence[Hit], text: str, console: Console | None = None) -> None:
    """Print the hits of a search for ``text`` on stdout, or on the console given."""
    from ticketstream.cli.untrusted import one_line, shortened

    console = console or out()
    if not hits:
        console.print("nothing found")
        return
    for number, hit in enumerate(hits, start=1):
        subject = shortened(one_line(hit.subject), _SUBJECT_CHARACTERS)
        console.print(
            Text.assemble(
                f"{number:>3}. ",
                (f"#{hit.ticket_id}", "bold"),
                f"  {hit.score:.2f}  ",
                (hit.visibility, "yellow" if hit.visibility == "internal" else "green"),
                f"  {one_line(hit.status)}  ",
                (subject, "bold"),
            ),
            soft_wrap=True,
        )
        passage = shortened(one_line(hit.text), _PASSAGE_CHARACTERS, around=text)
        if console.is_terminal:
            console.print(Padding(Text(passage), (0, 0, 0, 5)))
        else:
            console.print(f"     {passage}", soft_wrap=True)
