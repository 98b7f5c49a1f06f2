"""``ticketstream doctor``: what is wrong, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer
from rich.text import Text

from ticketstream.terminal.output import JsonOption, out, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ticketstream.operations.checks.finding import Finding

_STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the command ``doctor``."""
    app.command()(doctor)


def doctor(as_json: JsonOption = False) -> None:
    """Check settings, services, logins and the disk; exit status 0 when nothing fails."""
    from schemas.errors import SettingsError
    from schemas.settings.load import load_settings
    from ticketstream.cli.running import run_async
    from ticketstream.operations.checks.everything import check_everything
    from ticketstream.operations.checks.finding import Finding

    try:
        settings = load_settings()
        about = (
            f"account {settings.zendesk.subdomain or 'not set'}, {settings.kafka.partitions} partitions, "
            f"embedding {settings.embedding_provider} {settings.embedding_model}"
        )
        findings = [Finding("settings", "ok", about), *run_async(check_everything(settings))]
    except SettingsError as error:
        findings = [Finding("settings", "fail", str(error))]
    healthy = all(finding.verdict != "fail" for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "checks": findings})
    else:
        _print(findings)
    if not healthy:
        raise typer.Exit(1)


def _print(findings: Sequence[Finding]) -> None:
    from ticketstream.terminal.untrusted import one_line

    console = out()
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        line = Text.assemble(
            (f"{finding.verdict:<4}", _STYLES[finding.verdict]),
            f"  {finding.check:<{width}}  {one_line(finding.message)}",
        )
        console.print(line, soft_wrap=True)
        if finding.todo:
            console.print(f"{'':<{width + 8}}→ {one_line(finding.todo)}", soft_wrap=True)
