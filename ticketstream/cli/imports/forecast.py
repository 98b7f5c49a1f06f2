"""``ticketstream import --dry-run``: what an import would take, before anything is started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from schemas.errors import SettingsError
from schemas.messages.imports import CommentsWay
from schemas.settings.load import Settings
from streams.embeddings.build import build_provider
from streams.limits import QuotaShare
from streams.logins.build import login_for
from streams.retries import RetryPolicy
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.login import Login
from ticketstream.cli.running import run_async
from ticketstream.operations.checks.zendesk import LoginCheck
from ticketstream.operations.imports.forecast.figures import Forecast, Measured, forecast_of
from ticketstream.operations.imports.forecast.file import measure_file
from ticketstream.operations.imports.forecast.zendesk import measure_account
from ticketstream.operations.imports.summary import moment
from ticketstream.terminal.output import note, print_json, table
from ticketstream.terminal.progress import step_report

_ATTEMPTS = 5


def forecast(settings: Settings, *, since: int, file: Path | None, as_json: bool) -> None:
    """Print the forecast of an import; raises what reading the file or Zendesk raises."""
    provider = build_provider(settings)
    left_out: list[str] = []

    async def measure(report: Callable[[str, str], None]) -> Measured:
        try:
            if file is not None:
                return measure_file(file, provider, connected=_connected(settings), left_out=left_out.append)
            async with LoginCheck(settings) as check:
                await check.ask()
                async with _client(settings, check.login) as client:
                    return await measure_account(client, provider, since=since, progress=report)
        finally:
            await provider.close()

    with step_report() as report:
        measured = run_async(measure(report))
    for words in left_out:
        note(f"not read: {words}")
    found = forecast_of(measured, settings, provider)
    if as_json:
        print_json(fields_of(found, settings, since=since, file=file))
        return
    table(["", ""], rows_of(found))
    for line in notes_of(found, file):
        note(line)


def _connected(settings: Settings) -> bool:
    try:
        login_for(settings)
    except SettingsError:
        return False
    return settings.zendesk.subdomain is not None


def _client(settings: Settings, login: Login) -> ZendeskClient:
    return ZendeskClient(
        settings.zendesk_url,
        login,
        general=QuotaShare.whole(settings.zendesk.requests_per_minute),
        incremental=QuotaShare.whole(settings.zendesk.incremental_requests_per_minute),
        retry=RetryPolicy(attempts=_ATTEMPTS),
        closes_login=False,
    )


def fields_of(found: Forecast, settings: Settings, *, since: int, file: Path | None) -> dict[str, Any]:
    """Return the forecast as one document of plain values."""
    measured = found.measured
    return {
        "source": "zendesk" if file is None else "file",
        "account": settings.zendesk.subdomain,
        "file": None if file is None else str(file),
        "since": moment(since) if since else None,
        "exact": measured.exact,
        "sample_tickets": measured.sample,
        "margin": round(measured.margin, 3),
        "tickets": measured.tickets,
        "removed": measured.removed,
        "unreadable": measured.unreadable,
        "zendesk_calls": {
            "export": found.calls.export,
            "events": found.calls.events,
            "comments": found.calls.comments,
            "people": found.calls.people,
            "total": found.calls.total,
        },
        "comments": {
            "way": found.way,
            **{
                way: {
                    "calls": measured.calls(way).total,
                    "minutes": round(measured.calls(way).minutes(found.limits), 2),
                }
                for way in measured.possible()
            },
        },
        "chunks": measured.chunks,
        "tokens": measured.tokens,
        "embedding_calls": found.embedding_calls,
        "embedding_requests": found.requests,
        "model": found.model,
        "minutes": round(found.minutes, 2),
        "decided_by": found.decided_by,
        "days": found.days,
        "usd": round(found.usd, 4),
        "usd_per_million_tokens": found.price,
        "price_source": found.price_source,
    }


def rows_of(found: Forecast) -> list[tuple[str, str]]:
    """Return name and value of each line for people."""
    measured = found.measured
    about = "" if measured.exact else "about "
    give = f" (± {measured.margin:.0%})" if measured.margin else ""
    ends = f" ({measured.removed:,} deleted or spam)" if measured.removed else ""
    of = found.calls
    events = f"{of.events:,} pages of ticket events, " if of.events else ""
    calls = (
        f"{of.total:,} ({of.export:,} export pages, {events}"
        f"{of.comments:,} for comments, {of.people:,} for people)"
    )
    requests = "" if found.requests == found.embedding_calls else f" ({found.requests:,} texts)"
    cost = f"${found.usd:,.2f}{give} ({found.model}: ${found.price:g} a million tokens, {found.price_source})"
    return [
        ("tickets", f"{'' if measured.counted else 'about '}{measured.tickets:,}{ends}"),
        *([("unreadable", f"{measured.unreadable:,}")] if measured.unreadable else []),
        ("Zendesk calls", f"{about}{calls}" if of.total else "0"),
        *([("comments", _ways(found))] if len(measured.possible()) > 1 else []),
        ("chunks", f"{about}{measured.chunks:,}"),
        ("tokens", f"about {measured.tokens:,}{give}"),
        ("embedding calls", f"about {found.embedding_calls:,}{requests}"),
        ("time", f"{_minutes(found.minutes)} ({found.decided_by})"),
        ("cost", cost),
    ]


def notes_of(found: Forecast, file: Path | None) -> list[str]:
    """Return what people should know about the figures."""
    measured = found.measured
    if measured.exact and file is not None:
        lines = [f"All of {file} was read; tokens are the workers' own estimate."]
    elif measured.exact:
        lines = ["All tickets were read; tokens are the workers' own estimate."]
    elif file is not None:
        lines = ["This is an estimate: Zendesk will be asked for comments that the file leaves out."]
    else:
        lines = [
            f"This is an estimate, from {measured.sample:,} of the tickets, spread over the account, with "
            "their comments; 95 of 100 samples are off by less than the margin named."
        ]
    lines.append("Nothing was started. Tickets that are indexed already and unchanged cost less, or nothing.")
    if found.days > 1:
        lines.append(f"The daily caps spread it over {found.days} days; embedding pauses between them.")
    return lines


def _ways(found: Forecast) -> str:
    """Return how comments are read, and what the other way would take."""
    words: dict[CommentsWay, str] = {"single": "ticket by ticket", "bulk": "in bulk, from the ticket events"}
    other: CommentsWay = "single" if found.way == "bulk" else "bulk"
    calls = found.measured.calls(other)
    return (
        f"{words[found.way]} ({words[other]} it would be {calls.total:,} Zendesk calls, "
        f"{_minutes(calls.minutes(found.limits))})"
    )


def _minutes(minutes: float) -> str:
    if minutes < 1:
        return "under a minute by the quotas"
    if minutes < 120:
        return f"at least {minutes:,.0f} min"
    return f"at least {minutes / 60:,.1f} h"
