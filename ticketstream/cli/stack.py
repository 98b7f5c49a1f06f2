"""``ticketstream up``, ``down`` and ``status``: the local stack in the background."""

from __future__ import annotations

import shlex
import signal
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ticketstream.terminal.output import JsonOption, note, out, print_json, size, table
from ticketstream.terminal.progress import step_report

if TYPE_CHECKING:
    from ticketstream.local.stack.status import StackStatus
    from ticketstream.operations.watch.indexed_through import IndexedThrough


def register(app: typer.Typer) -> None:
    """Add the commands ``up``, ``down`` and ``status``."""
    app.command()(up)
    app.command()(down)
    app.command()(status)


def up(
    sample: Annotated[
        bool, typer.Option("--sample", help="Also start a sample Zendesk and a sample Gemini.")
    ] = False,
    tickets: Annotated[
        int | None, typer.Option(min=0, help="Tickets of the sample account [default: 2000].")
    ] = None,
    sample_account: Annotated[
        str | None, typer.Option(help="Subdomain of the sample account [default: acme].")
    ] = None,
    sample_seed: Annotated[
        int | None, typer.Option(help="Another seed makes another account [default: 1].")
    ] = None,
    sample_requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="General limit of the sample Zendesk [default: 2500].")
    ] = None,
    sample_incremental_requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Export limit of the sample Zendesk [default: 30].")
    ] = None,
    sample_embedding_requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Request quota of the sample Gemini [default: 3000].")
    ] = None,
    sample_embedding_tokens_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Token quota of the sample Gemini [default: 1000000].")
    ] = None,
    sample_export_delay: Annotated[
        float | None, typer.Option(min=0, help="Seconds the export lags behind [default: 1; Zendesk: 60].")
    ] = None,
    sample_time_scale: Annotated[
        float | None,
        typer.Option(min=0.001, help="How much faster the minutes of all sample limits pass [default: 1]."),
    ] = None,
    sample_no_limits: Annotated[
        bool, typer.Option("--sample-no-limits", help="No limits in the sample services.")
    ] = False,
    kafka_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Kafka's port [default: a free one].")
    ] = None,
    weaviate_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Weaviate's HTTP port [default: a free one].")
    ] = None,
    weaviate_grpc_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Weaviate's gRPC port [default: a free one].")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start Kafka and Weaviate in the background and print the settings that reach them.

    Returns when all is ready. The other commands find the stack by themselves, through the data
    directory. Data survives; `ticketstream down` stops it. Services named by TICKETSTREAM_KAFKA__… or
    TICKETSTREAM_WEAVIATE__… settings are used instead of started.
    """
    from schemas.settings.load import load_settings
    from ticketstream.local.stack.api import LocalStack
    from ticketstream.local.stack.options import StackOptions

    options = StackOptions(
        sample=sample or None,
        tickets=tickets,
        kafka_port=kafka_port,
        weaviate_port=weaviate_port,
        weaviate_grpc_port=weaviate_grpc_port,
        sample_account=sample_account,
        sample_seed=sample_seed,
        sample_requests_per_minute=sample_requests_per_minute,
        sample_incremental_requests_per_minute=sample_incremental_requests_per_minute,
        sample_embedding_requests_per_minute=sample_embedding_requests_per_minute,
        sample_embedding_tokens_per_minute=sample_embedding_tokens_per_minute,
        sample_export_delay=sample_export_delay,
        sample_time_scale=sample_time_scale,
        sample_no_limits=sample_no_limits or None,
    )
    signal.signal(signal.SIGTERM, _terminated)
    given = load_settings(local_stack=False)
    with step_report() as report:
        stack = LocalStack(given.data_dir, options, given=given, progress=report)
        was_running = stack.is_running()
        environment = stack.start()
    if as_json:
        print_json({"environment": environment})
        return
    note("The local stack is running already." if was_running else "The local stack is ready.")
    _show(stack.status())
    out().print("\nSettings that reach it (the ticketstream commands find them by themselves):")
    for name, value in environment.items():
        out().print(f"export {name}={shlex.quote(value)}", soft_wrap=True)


def down(
    delete_data: Annotated[
        bool,
        typer.Option("--delete-data", help="Also delete what Kafka, Weaviate and the workers keep here."),
    ] = False,
) -> None:
    """Stop the local stack; its data stays unless --delete-data is given."""
    from schemas.settings.load import data_dir
    from ticketstream.local.stack.api import LocalStack

    with step_report() as report:
        stack = LocalStack(data_dir(), progress=report)
        stopped = stack.stop(delete_data=delete_data)
    note("The local stack is stopped." if stopped else f"Nothing is running in {stack.paths.data_dir}.")
    if delete_data:
        note(f"Its data in {stack.paths.data_dir} is deleted.")


def status(as_json: JsonOption = False) -> None:
    """Show what runs of the local stack, and how far Weaviate is in each partition of `tickets.embedded`.

    Exit status 0 only when all that was asked for runs.
    """
    import msgspec

    from schemas.settings.load import load_settings
    from ticketstream.local.stack.api import LocalStack

    given = load_settings(local_stack=False)
    found = LocalStack(given.data_dir, given=given).status()
    has_kafka = any(one.name == "kafka" and one.state in ("running", "used") for one in found.services)
    through = _indexed_through() if has_kafka else None
    if as_json:
        print_json(msgspec.structs.asdict(found) | {"indexed_through": through})
    else:
        _show(found)
        _show_indexed_through(through or [])
    if has_kafka:
        _say_what_waits()
    if not found.running:
        raise typer.Exit(1)


def _indexed_through() -> list[IndexedThrough] | None:
    """Return how far Weaviate is in each partition; None where Kafka does not tell."""
    from schemas.errors import TicketstreamError
    from schemas.settings.load import load_settings
    from ticketstream.cli.running import run_async
    from ticketstream.operations.watch.indexed_through import indexed_through_now

    try:
        return run_async(indexed_through_now(load_settings()))
    except TicketstreamError:
        return None  # what is asked here is how the services stand


def _say_what_waits() -> None:
    """Say what Zendesk refuses the workers, if it does."""
    from schemas.errors import TicketstreamError
    from schemas.settings.load import load_settings
    from ticketstream.cli.running import run_async
    from ticketstream.operations.imports.waits import waits_now

    try:
        waits = run_async(waits_now(load_settings()))
    except TicketstreamError:
        return  # what is asked here is how the services stand
    if words := waits.zendesk or waits.export:
        note(f"warning: {words}")


def _show(found: StackStatus) -> None:
    rows = [
        (
            service.title,
            service.state,
            service.address,
            str(service.pid) if service.pid else None,
            f"{service.since.astimezone():%d %b %H:%M:%S}" if service.since else None,
            None if service.data_bytes is None else size(service.data_bytes),
        )
        for service in found.services
    ]
    nothing = f"Nothing is running in {found.data_dir}: start it with `ticketstream up`."
    table(("service", "state", "address", "pid", "since", "data"), rows, empty=nothing)


def _show_indexed_through(through: list[IndexedThrough]) -> None:
    """Say in one line for each topic which offset of which partition Weaviate has, and since when."""
    for topic in sorted({entry.topic for entry in through}):
        entries = [entry for entry in through if entry.topic == topic]
        offsets = " ".join(f"{entry.partition}:{entry.offset}" for entry in entries)
        newest = datetime.fromtimestamp(max(entry.at for entry in entries)).astimezone()
        out().print(
            f"\nWeaviate has all of {topic} through {offsets} (partition:offset), "
            f"the last of it since {newest:%d %b %H:%M:%S}.",
            soft_wrap=True,
        )


def _terminated(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(143)
