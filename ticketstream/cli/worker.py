"""``ticketstream worker``: runs the agents."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command ``worker``."""
    app.command()(worker)


def worker(
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Worker processes to run.")] = 1,
) -> None:
    """Run the agents until SIGTERM or Ctrl-C; what is in flight is finished first."""
    import asyncio
    import signal

    from schemas.settings.load import load_settings
    from streams.embeddings.build import build_provider
    from streams.kafka.topics import ensure_topics
    from ticketstream.operations.checks.weaviate import require_own_place
    from ticketstream.operations.workers.pool import WorkerPool
    from ticketstream.terminal.output import note

    settings = load_settings()
    # What is wrong for every worker is said once, before any starts.
    build_provider(settings)
    _ = settings.weaviate_http_url, settings.weaviate_grpc_url
    asyncio.run(ensure_topics(settings))
    asyncio.run(require_own_place(settings))
    pool = WorkerPool(workers, note=note)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: pool.ask_to_stop())
    pool.start()
    note(f"{workers} worker{'s' if workers > 1 else ''} started; stop with Ctrl-C")
    try:
        pool.watch()
    finally:
        pool.stop()
