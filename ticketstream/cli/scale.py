"""``ticketstream scale``: more partitions, with everything that belongs to a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ticketstream.terminal.output import JsonOption, note, print_json, size, table

if TYPE_CHECKING:
    from schemas.settings.load import Settings
    from ticketstream.operations.scale.plan import Outcome, Plan


def register(app: typer.Typer) -> None:
    """Add ``scale``."""
    app.command()(scale)


def scale(
    partitions: Annotated[
        int, typer.Option("--partitions", metavar="N", min=1, max=1024, help="Partitions of every topic.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done, and about how long it takes.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Add partitions to every topic, and move what belongs to each ticket along.

    Stop all workers first. What is in flight is finished, then no worker starts until all is done;
    nothing that is indexed is fetched, embedded or written again. Interrupted, run it again. Kafka can
    add partitions, never take any away.
    """
    from schemas.settings.load import load_settings
    from ticketstream.cli.running import run_async
    from ticketstream.operations.scale.plan import fields
    from ticketstream.operations.scale.run import scale as scaled
    from ticketstream.terminal.progress import step_report

    settings = load_settings()
    try:
        with step_report() as told:
            outcome = run_async(
                scaled(
                    settings,
                    partitions,
                    dry_run=dry_run,
                    progress=told,
                    planned=lambda plan: None if as_json else show(plan),
                )
            )
    except KeyboardInterrupt:
        note(
            f"if partitions were being made already, run `ticketstream scale --partitions {partitions}` again"
        )
        raise
    setting = None if dry_run else _setting_to_change(settings, partitions)
    if as_json:
        print_json(fields(outcome) | {"setting_to_change": setting})
    _conclude(outcome, setting)


def _setting_to_change(settings: Settings, partitions: int) -> str | None:
    """Have the local stack remember the number; returns what a person has to set all the same."""
    from schemas.settings.load import PREFIX, load_settings
    from ticketstream.local.stack.api import LocalStack

    given = load_settings(local_stack=False)
    LocalStack(settings.data_dir, given=given).keep_partitions(settings.cluster, partitions)
    if load_settings().kafka.partitions == partitions:
        return None
    return f"{PREFIX}KAFKA__PARTITIONS={partitions}"


def show(plan: Plan) -> None:
    """Print what is to be done."""
    rows = [
        (
            topic.topic,
            topic.before,
            topic.after,
            topic.keys or None,
            size(topic.bytes) if topic.bytes else None,
        )
        for topic in plan.topics
    ]
    table(("topic", "partitions", "then", "keys that move", "data"), rows)
    if plan.resumes:
        note(f"the change from {plan.before} to {plan.after} partitions goes on where it was interrupted")
    note(f"{plan.keys:,} keys move; about {plan.seconds:.0f} s without any worker")
    if plan.in_flight:
        note(f"in flight, finished before: {_listed(plan.in_flight)}")
    if plan.waiting:
        note(f"waiting for the workers, and left to them: {_listed(plan.waiting)}")


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} on {topic}" for topic, number in counts.items())


def _conclude(outcome: Outcome, setting: str | None) -> None:
    plan = outcome.plan
    if outcome.status == "planned":
        if plan.workers:
            note(f"{len(plan.workers)} running now, to be stopped first: {', '.join(plan.workers)}")
        note("nothing was changed")
        return
    if outcome.status == "unchanged":
        note(f"every topic has {plan.after} partitions already: nothing to do")
    else:
        note(f"{outcome.moved:,} keys moved in {outcome.seconds:.0f} s: {plan.after} partitions everywhere")
    if setting:
        note(f"set {setting} wherever workers and commands run (.env, the environment)")
    if outcome.status == "done":
        note("then start the workers, and restart `ticketstream serve`")
